"""What stands in front of a key in an authorized_keys file, with the real `ssh`."""

import json
import signal
import socket

from tests.end_to_end.access import AccessTestCase, operator
from tests.end_to_end.output import Output
from tests.end_to_end.processes import Child, Size, free_port

HERE = "127.7.7.7"


class OptionTests(AccessTestCase):
    """One operator, many keys: each line of his file has options of its own."""

    def lines(self, **options: str) -> None:
        """Write alice's file: a key for each word, with these options."""
        made = [f"{text} {self.key(name)}\n" for name, text in options.items()]
        path = self.directory / "alice.keys"
        path.write_text("# what people have in their files\n\n" + "".join(made))
        self.configure(operator("alice", authorized_keys_file="alice.keys"))

    def shown(self, *words: str, key: str, user: str = "alice") -> Output:
        """What somebody with a terminal sees."""
        [ssh, *rest] = self.words(user, *words, key=key)
        return self.start(ssh, "-tt", *rest, terminal=Size()).out

    def carry(self, key: str, name: str = "web1") -> Child:
        """`ssh -W NAME:1`."""
        [ssh, *rest] = self.words("alice", key=key, options=("LogLevel=INFO",))
        return self.start(ssh, "-W", f"{name}:1", *rest)

    def assert_carries(self, key: str, name: str = "web1") -> None:
        child = self.carry(key, name)
        child.type(b"echo carried by %s\r" % key.encode())
        child.out.expect(rb"carried by %s" % key.encode())
        child.stop()

    def assert_carries_not(self, key: str, name: str = "web1", why: bytes = b"") -> None:
        child = self.carry(key, name)
        self.assertEqual(child.wait(), 255)
        self.assertIn(b"open failed", child.err.data)
        self.assertIn(why, child.err.data)

    def test_terminals_and_forwarding(self) -> None:
        self.lines(
            free="agent-forwarding,x11-forwarding,user-rc",
            restricted="restrict",
            terminal="restrict,pty",
            flat="no-pty,no-agent-forwarding,no-x11-forwarding,no-user-rc",
            alone="no-port-forwarding",
            again="restrict,port-forwarding",
        )
        self.serve()
        self.simulate()
        for key in ("free", "terminal", "alone"):
            self.shown("console", "web1", key=key).expect(rb"\[web1 connected")
        for key in ("restricted", "flat"):
            self.shown("list", key=key).expect(rb"PTY allocation request failed")
            done = self.login("alice", key=key)
            self.assertIn(b"web1", done.out)
        for key in ("free", "flat", "again"):
            self.assert_carries(key)
        for key in ("restricted", "terminal", "alone"):
            self.assert_carries_not(key, why=b"this key may not forward")
        self.assert_no_defects()

    def test_which_consoles_a_key_opens(self) -> None:
        self.lines(
            one='permitopen="web1:1"',
            some='permitopen="web2:*",permitopen="WEB1:22"',
            none='permitopen="db1:1"',
            shut='restrict,permitopen="web1:1"',
            told='command="list",permitopen="web1:1"',
            every='permitopen="web*:1"',
        )
        self.serve()
        self.simulate(vms=2)
        for key in ("one", "some", "told", "every"):
            self.assert_carries(key)
        self.assert_carries("some", "web2")
        self.assert_carries_not("one", "web2", b"no console web2")
        self.assert_carries_not("none", "web1", b"no console web1")
        self.assert_carries_not("shut", "web1", b"this key may not forward")
        self.assert_carries("one", "w")  # among what it opens there is one that begins so
        self.assertIn(b"web2", self.login("alice", key="one").out)
        port = free_port()
        [ssh, *rest] = self.words("alice", key="one", options=("LogLevel=DEBUG1",))
        forward = self.start(ssh, "-N", "-L", f"127.0.0.1:{port}:web1:1", *rest)
        forward.err.expect(rb"pledge: |Entering interactive session")  # it listens before that
        self.assert_forwards(port)
        forward.stop()
        self.assert_no_defects()

    def assert_forwards(self, port: int) -> None:
        """Whoever connects to `port` of ours is on web1."""
        with socket.create_connection(("127.0.0.1", port), 30) as connection:
            connection.sendall(b"echo forwarded\r")
            received = b""
            while b"\nforwarded" not in received:
                piece = connection.recv(4096)
                self.assertTrue(piece, received)
                received += piece

    def test_where_from_and_until_when(self) -> None:
        self.lines(
            here='from="127.7.0.0/16"',
            pattern='from="10.*,127.7.?.7"',
            other='from="127.8.0.0/16"',
            negated='from="127.0.0.0/8,!127.7.7.0/24"',
            past='expiry-time="20200101"',
            future='expiry-time="29991231Z"',
        )
        if has_six():
            text = self.config.read_text()
            self.config.write_text(text.replace("interface=0.0.0.0", r"interface=\\:\\:"))
        self.serve()
        for key in ("here", "pattern", "future"):  # a v4-mapped address is that of v4
            self.assert_in(self.login("alice", key=key, address=HERE))
        self.assert_in(self.login("alice", key="negated", address="127.7.8.8"))
        for key, reason in (("other", "from="), ("negated", "from="), ("past", "expiry-time")):
            self.assert_out(self.login("alice", key=key, address=HERE), reason)
        self.assert_no_defects()

    def test_a_command_is_run_whatever_is_asked_for(self) -> None:
        self.lines(
            lists='command="list --json web*"',
            info="command=\"info 'web2'\"",
            wrong='command="no-such-verb"',
            broken='command="log \'web1"',
        )
        self.serve()
        self.simulate(vms=2)
        for words in (("info", "web1"), ("no such thing",), ()):
            done = self.complete(*self.words("alice", *words, key="lists"))
            self.assertEqual((done.status, done.err), (0, b""))
            self.assertEqual([row["name"] for row in json.loads(done.out)], ["web1", "web2"])
        done = self.login("alice", "info", "web1", key="info")
        self.assertIn(b"web2", done.out)
        self.assertNotIn(b"web1", done.out)
        self.shown(key="info", user="alice+web1").expect(rb"web2")
        for key in ("wrong", "broken"):
            self.assertEqual(self.login("alice", "list", key=key).status, 2)
        self.assert_carries_not("lists", why=b"this key may not forward")
        self.assert_no_defects()

    def test_a_command_with_a_glob_leaves_the_consoles_to_who_asks(self) -> None:
        self.lines(
            logs="command=\"log 'web*'\"",
            infos='command="info web?"',
            works="command=\"console 'web*'\"",
        )
        self.serve()
        self.simulate(vms=2)
        done = self.login("alice", "log", "web1", "-n", "3", key="logs")
        self.assertEqual(done.status, 0, done)
        self.assertEqual(self.login("alice", "info", "web2", key="infos").status, 0)
        # Another verb is not run: what the key is for is, and there the glob means several.
        for words in (("info", "web1"), ("list",), ("console", "web1"), ()):
            done = self.complete(*self.words("alice", *words, key="logs"))
            self.assertEqual(done.status, 3, (words, done))
            self.assertIn(b"ambiguous", done.err)
        # What the glob does not match is not there.
        self.simulate("--name", "db1", "--control", str(self.directory / "other"))
        for name in ("db1", "nowhere", "db*", "d"):
            done = self.login("alice", "log", name, key="logs")
            self.assertEqual((done.status, done.out), (3, b""))
            self.assertEqual(
                done.err.decode().replace(name, "NAME"),
                "no console NAME; `list` shows those there are\n",
            )
        self.assert_carries_not("logs", why=b"this key may not forward")
        # A login that names the console says it as well.
        self.shown(key="works", user="alice+web2").expect(rb"\[web2 connected")
        self.shown(key="works", user="alice+db1").expect(rb"no console db1")
        self.assertEqual(self.login("alice+web1", "log", key="logs").status, 0)
        self.assert_no_defects()

    def test_what_is_not_known_fails_closed(self) -> None:
        self.lines(first="restrict", second='environment="LANG=C"')
        checked = self.check()
        self.assertEqual(checked.status, 0, checked)
        self.assertRegex(checked.out + checked.err, rb"line 4: the option environment has no eff")
        self.serve()
        self.assert_in(self.login("alice", key="second"))
        path = self.directory / "alice.keys"
        kept = path.read_text()
        wrong = [
            ("no-such-option", "unknown option no-such-option"),
            ('cert-authority,principals="x"', "option cert-authority is not supported"),
            ("no-touch-required", "option no-touch-required is not supported"),
            ('from="*.example.com"', "host names are not"),
            ('tunnel="0",zos-key-ring-label="x"', "unknown option zos-key-ring-label"),
            ('command="list', "quote"),
        ]
        path.write_text(kept + "".join(f"{text} {self.public('first')}\n" for text, _ in wrong))
        checked = self.check()
        self.assertEqual((checked.status, checked.out), (1, b""), checked)
        [*told, count] = checked.err.decode().splitlines()
        self.assertIn("6 mistakes", count)
        self.assertEqual(len(told), len(wrong), told)
        for number, ((_, problem), line) in enumerate(zip(wrong, told, strict=True), 5):
            self.assertIn(f"alice.keys line {number}: ", line)
            self.assertIn(problem, line)
        self.server.send_signal(signal.SIGHUP)
        self.server.out.expect(rb" error reload-mistake [^\n]*alice.keys line 10: [^\n]*quote")
        self.server.out.expect(rb" error reload-refused mistakes=6")
        for key in ("first", "second"):
            self.assert_in(self.login("alice", key=key))
        self.assert_no_defects()


def has_six() -> bool:
    """Whether this machine listens by IPv6."""
    try:
        with socket.socket(socket.AF_INET6) as six:
            six.bind(("::", 0))
    except OSError:
        return False
    return True
