"""Many operators who come from one address, and one operator who comes many times."""

import json
import socket
from typing import Any

from tests.end_to_end.access import AccessTestCase, hashed, operator
from tests.end_to_end.askpass import Askpass
from tests.end_to_end.processes import Child, Completed, script
from tests.end_to_end.relay import Relay

BASTION = "127.5.5.5"
CROWD = 30

GUESSES = ("PreferredAuthentications=password", "BatchMode=no", "NumberOfPasswordPrompts=2")


class Bastion(AccessTestCase):
    """Operators op0 to op29 behind a bastion (a relay of the test's: no other sshd is needed)."""

    def setUp(self) -> None:
        super().setUp()
        tables = "".join(
            operator(f"op{n}", authorized_keys=[self.key(f"op{n}")]) for n in range(CROWD)
        )
        self.key("stale")
        self.configure(
            tables
            + operator("cron", authorized_keys=[self.key("cron")], password_hash=hashed("new"))
            + operator("root", authorized_keys=[self.key("root")], roles=["admin"])
        )
        self.serve()
        self.relay = Relay(BASTION, self.ports["ssh"])
        self.addCleanup(self.relay.close)
        self.direct, self.ports["ssh"] = self.ports["ssh"], self.relay.port
        self.askpass = Askpass(self.directory)

    def start_login(self, user: str, *words: str, key: str = "") -> Child:
        """Somebody logs in by the bastion."""
        return self.start(*self.words(user, *(words or ("list",)), key=key or user))

    def guess(self, times: int) -> Child:
        """The cron job with passwords that were right once."""
        environment = self.askpass.answering(*["old"] * times)
        return self.start(*self.words("cron", "list", options=GUESSES), environment=environment)

    def rows(self, *words: str, user: str = "op0") -> list[dict[str, Any]]:
        done = self.login(user, *words, "--json", key=user)
        self.assertEqual(done.status, 0, done)
        found: list[dict[str, Any]] = json.loads(done.out)
        return found

    def test_a_stale_job_delays_nobody_but_itself(self) -> None:
        stale = [self.start_login("cron", key="stale") for _ in range(20)]
        good = [self.start_login(f"op{n}") for n in range(CROWD)]
        for child in good:
            self.assertEqual(child.wait(), 0, child.report())
        for child in stale:
            self.assertEqual(child.wait(), 255)
        # Wrong passwords count each; there are more than cost nothing.
        guesses = [self.guess(2) for _ in range(16)]
        for child in guesses:
            self.assertEqual(child.wait(), 255)
        # Now the job waits before it is heard, wrong or right: everybody else is through first.
        late, right = self.guess(1), self.start_login("cron")
        for n in range(3):
            self.assert_in(self.login(f"op{n}", key=f"op{n}"))
        self.assertTrue(late.running)
        self.assertTrue(right.running)
        self.assertEqual((late.wait(), right.wait()), (255, 0))
        self.assert_no_defects()

    def test_who_and_sessions_show_the_bastion(self) -> None:
        self.simulate(vms=2)
        inside = [self.start_login(f"op{n}", "raw", f"web{n % 2 + 1}") for n in range(4)]
        for _ in inside:
            self.server.out.expect(rb" attached console=web")
        people = self.rows("who")
        self.assertEqual({row["address"] for row in people}, {BASTION})
        self.assertEqual({row["operator"] for row in people}, {f"op{n}" for n in range(4)})
        seen = self.rows("sessions", user="root")
        self.assertEqual({row["address"] for row in seen}, {BASTION})
        self.assertEqual(len(seen), 5)
        self.assert_no_defects()

    def test_silent_connections_keep_nobody_out(self) -> None:
        silent = [socket.create_connection(("127.0.0.1", self.relay.port), 30) for _ in range(48)]
        try:
            for n in range(6):
                self.assert_in(self.login(f"op{n}", key=f"op{n}"))
        finally:
            for connection in silent:
                connection.close()
        self.assert_no_defects()

    def test_many_sessions_over_one_connection(self) -> None:
        path = self.directory / "master"
        [ssh, *rest] = self.words("op0", key="op0")
        master = self.start(ssh, "-MN", "-S", path, *rest)
        self.server.out.expect(rb"login-accepted operator=op0 ")
        [ssh, *rest] = self.words("op0", "list")
        many = [self.start(ssh, "-S", path, *rest) for _ in range(20)]
        for child in many:
            self.assertEqual(child.wait(), 0, child.report())
        # Three more doors at once: all of it is one session.
        self.simulate()
        self.start(ssh, "-S", path, *rest[:-1], "raw web1")
        self.start(ssh, "-S", path, *rest[:-1], "log web1 -f")
        self.server.out.expect(rb" attached console=web1")
        seen = self.rows("sessions", user="root")
        self.assertEqual([row["operator"] for row in seen].count("op0"), 1)
        self.assertTrue(master.running)
        self.assertEqual(self.server.out.data.count(b"login-accepted operator=op0 "), 1)
        self.assert_no_defects()


class Crowded(AccessTestCase):
    """`max_sessions`, which is 64 by default (`test_other_clients` has so many)."""

    def setUp(self) -> None:
        super().setUp()
        self.configure(
            "".join(operator(name, authorized_keys=[self.key(name)]) for name in ("alice", "bob")),
            ssh="max_sessions = 2\nmax_attachments = 2\nmax_followed = 1\n",
        )
        self.serve()
        self.simulate(vms=3)

    def test_one_session_too_many(self) -> None:
        idle = self.enter("alice", key="alice")
        used = self.enter("alice", "raw", "web1", key="alice")
        third = self.enter("alice", "raw", "web2", key="alice")
        self.assert_ended(idle, b"replaced by a newer session of yours")
        done = self.login("alice", key="alice")
        self.assertEqual((done.status, done.out), (255, b""))
        self.assertIn(b"you have 2 sessions already, and each is in use", done.err)
        self.assert_in(self.login("bob", key="bob"))
        self.assertTrue(used.running)
        third.stop()
        self.server.out.expect(rb" detached console=web2 operator=alice ")
        self.assert_in(self.login("alice", key="alice"))
        self.assert_no_defects()

    def test_one_console_and_one_log_too_many(self) -> None:
        path = self.directory / "master"
        [ssh, *rest] = self.words("alice", key="alice")
        self.start(ssh, "-MN", "-S", path, *rest)
        self.server.out.expect(rb"login-accepted operator=alice ")

        def more(*words: str) -> Completed:
            return self.complete(*self.words("alice", *words, options=(f"ControlPath={path}",)))

        for n in (1, 2):
            self.start(*self.words("alice", "raw", f"web{n}", options=(f"ControlPath={path}",)))
            self.server.out.expect(rb" attached console=web%d " % n)
        done = more("raw", "web3")
        self.assertEqual((done.status, done.out), (1, b""))
        self.assertIn(b"you are on 2 consoles already; 2 are allowed", done.err)
        self.start(
            *self.words("alice", "log", "web3", "-f", options=(f"ControlPath={path}",))
        ).out.expect(b"Welcome")
        done = more("log", "web1", "-f")
        self.assertEqual((done.status, done.out), (1, b""))
        self.assertIn(b"you follow 1 logs already; 1 are allowed", done.err)
        bob = self.start(*self.words("bob", "raw", "web3", key="bob"))
        self.server.out.expect(rb" attached console=web3 operator=bob ")
        bob.stop()
        self.assert_no_defects()


class Local(AccessTestCase):
    """When every key is lost: root on the machine itself."""

    def test_he_sees_and_does_everything_and_is_bound_by_no_limit(self) -> None:
        self.configure(operator("alice"), ssh="max_sessions = 1\nmax_attachments = 1\n", access="")
        self.serve()
        self.simulate(vms=2)
        inside = []
        for n in (1, 2):
            words = ("raw", f"web{n}", "--config", self.config)
            inside.append(self.start(script("vspc"), *words))
            self.server.out.expect(rb" attached console=web%d operator=root@local " % n)
            inside[-1].type(b"echo by hand\r")
            inside[-1].out.expect(rb"^by hand")
        who = self.local("who", "--json")
        self.assertEqual({row["operator"] for row in json.loads(who.out)}, {"root@local"})
        seen = json.loads(self.local("sessions", "--json").out)
        self.assertEqual([row["operator"] for row in seen], ["root@local"] * 3)
        self.assertIn(b"by hand", self.local("log", "web2").out)
        self.assertEqual(len(json.loads(self.local("list", "--json").out)), 2)
        for verb in ("status", "refusals", "events"):
            self.assertEqual(self.local(verb).status, 0, verb)
        self.assert_no_defects()

    def local(self, *words: str) -> Completed:
        done = self.complete(script("vspc"), *words, "--config", self.config)
        self.assertEqual(done.status, 0, done)
        return done
