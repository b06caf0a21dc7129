"""Programs that work on a console, and administrators who end what is wrong: the real `ssh`."""

import hashlib
import json
import socket

from tests.end_to_end.access import AccessTestCase, operator, rule
from tests.end_to_end.processes import Completed, script

EVERY = ["read", "write", "break", "force"]


class AutomationTestCase(AccessTestCase):
    """ci and alice may do everything, dave is an administrator who reads."""

    def setUp(self) -> None:
        super().setUp()
        tables = "".join(
            operator(name, authorized_keys=[self.key(name)]) for name in ("ci", "alice")
        )
        tables += operator("dave", authorized_keys=[self.key("dave")], roles=["admin"])
        access = rule(["ci", "alice"], ["*"], EVERY) + rule(["dave"], ["*"], ["read"])
        self.configure(tables, access=access)

    def begin(self) -> None:
        self.serve()
        self.simulate("--pace", "0")
        self.assertEqual(self.say("expect", "web1", "--from", "0", "'# $'").status, 0)

    def vspc(self, *words: str, typed: bytes = b"") -> Completed:
        return self.complete(script("vspc"), *words, "--config", self.config, typed=typed)

    def say(self, *words: str, who: str = "ci", typed: bytes = b"") -> Completed:
        return self.login(who, *words, key=who, typed=typed)


class Typing(AutomationTestCase):
    def test_send_then_expect_from_where_it_was_typed(self) -> None:
        self.begin()
        sent = self.say("send", "web1", "--json", "--enter", "echo", "to be  sure")
        self.assertEqual(sent.status, 0, sent)
        facts = json.loads(sent.out)
        self.assertEqual(facts["bytes"], len(b"echo to be  sure\r"))
        found = self.say("expect", "web1", "--from", str(facts["offset"]), "'^to.*sure'")
        self.assertEqual((found.status, found.out), (0, b"to be sure\n"))
        again = self.say("expect", "web1", "--from", "last", "--json", "'[#$] $'")
        self.assertGreater(json.loads(again.out)["offset"], facts["offset"])
        self.assert_no_defects()

    def test_standard_input_of_any_length_by_both_doors(self) -> None:
        self.begin()
        for typed in (b"", b"x", b"echo y\n" * 20_000):
            for sent in (
                self.say("send", "web1", "--json", typed=typed),
                self.vspc("send", "web1", "--json", typed=typed),
            ):
                self.assertEqual(sent.status, 0, sent)
                self.assertEqual(json.loads(sent.out)["bytes"], len(typed))
        whole = 2 * (1 + 140_000)
        while self.stats()["bytes_in"] < whole:  # the last of it is on its way
            pass
        self.assertEqual(self.stats()["bytes_in"], whole)
        self.assert_no_defects()

    def test_expect_with_send_and_what_must_not_come(self) -> None:
        self.begin()
        words = ("--send", "'uname -a'", "--enter")
        found = self.say("expect", "web1", *words, "'(?i)linux [^\\r]*'")
        self.assertEqual(found.status, 0, found)
        self.assertTrue(found.out.lower().startswith(b"linux "), found)
        failed = self.say("expect", "web1", "--fail", "Linux", *words, "never")
        self.assertEqual((failed.status, failed.out), (1, b""))
        self.assertIn(b"--fail matched at offset", failed.err)
        late = self.say("expect", "web1", "--timeout", "1", "never")
        self.assertEqual((late.status, late.out), (5, b""))
        self.assertEqual(self.say("expect", "web1", "'a('").status, 2)

    def test_a_mebibyte_of_standard_input_arrives_whole_over_a_vmotion(self) -> None:
        self.begin()
        data = bytes(range(256)) * 4096
        self.assertEqual(self.say("send", "web1", "--enter", f"sum {len(data)}").status, 0)
        path = self.directory / "data"
        path.write_bytes(data)
        ssh = " ".join(self.words("ci", "send", "web1", "--json", key="ci"))
        sending = self.start("/bin/sh", "-c", f"{ssh} < {path}")
        self.tell("vmotion web1")
        sending.out.expect(rb'"bytes": 1048576\}')
        self.assertEqual(sending.wait(), 0)
        digest = hashlib.sha256(data).hexdigest()
        found = self.say("expect", "web1", "--from", "0", digest)
        self.assertEqual(found.status, 0, found)
        self.assert_no_defects()

    def test_what_a_vmotion_holds_too_long_is_never_typed(self) -> None:
        self.begin()
        waiting = self.enter("alice", "expect", "web1", "canary", key="alice")
        with socket.socket(socket.AF_UNIX) as control:  # its answer comes when the move is over
            control.connect(str(self.directory / "control"))
            control.sendall(b"vmotion web1 hang\n")
            while json.loads(self.say("info", "web1", "--json").out)["state"] != "migrating":
                pass
            late = self.say("send", "web1", "--timeout", "1", "--enter", "echo", "canary")
        self.assertEqual((late.status, late.out), (5, b""))
        self.assertIn(b"(vMotion in progress); nothing was sent", late.err)
        self.tell("off web1")
        waiting.err.expect(rb"web1 (is away|did not move)")
        self.tell("on web1")
        self.assertEqual(self.say("expect", "web1", "--from", "boot", "'# $'").status, 0)
        self.assertEqual(self.stats()["bytes_in"], 0)
        waiting.stop()
        log = self.server.out.data + self.server.err.data
        audit = (self.directory / "state" / "audit.jsonl").read_bytes()
        self.assertNotIn(b"canary", log + audit)


class Waiting(AutomationTestCase):
    def test_a_vm_that_does_not_exist_yet_from_its_first_byte(self) -> None:
        self.serve()
        waiting = self.enter("alice", "wait", "'web*'", key="alice")
        program = self.enter("ci", "raw", "web1", "--wait", key="ci")
        program.err.expect(rb"\[waiting for web1\]")
        typed = self.directory / "typed"
        typed.write_bytes(b"echo early\r")
        ssh = " ".join(self.words("ci", "console", "web1", "wait", "catch", key="ci"))
        typing = self.start("/bin/sh", "-c", f"{ssh} < {typed}")
        typing.err.expect(rb"\[waiting for web1\]")
        self.simulate("--pace", "0")
        program.out.expect(rb"# $")
        self.assertEqual((waiting.wait(), waiting.out.data), (0, b"web1\n"))
        self.assertEqual(typing.wait(), 0, typing.err.data)
        while self.stats()["bytes_in"] < typed.stat().st_size:  # the last of it is on its way
            pass
        first = bytes(program.out.data)
        size = str(len(first))
        logged = self.say("log", "web1", "--raw", "--from", "0", "--bytes", size)
        self.assertEqual(logged.out, first)
        self.assertEqual(self.say("wait", "web1", "--state", "away", "--timeout", "1").status, 5)
        self.tell("off web1")
        self.assertEqual(self.say("wait", "web1", "--state", "away").status, 0)
        self.assertEqual(self.say("expect", "web1", "--away", "fail", "never").status, 1)
        self.assert_no_defects()


class AtThreeInTheMorning(AutomationTestCase):
    def test_a_stolen_key_goes_and_stays_out_over_a_restart(self) -> None:
        self.begin()
        thief = self.enter("alice", "raw", "web1", key="alice")
        self.server.out.expect(rb" attached console=web1 operator=alice ")
        sessions = json.loads(self.say("sessions", "--json", who="dave").out)
        [key] = [each["fingerprint"] for each in sessions if each["operator"] == "alice"]
        locked = self.say("lockout", key, who="dave")
        self.assertEqual(locked.status, 0, locked)
        self.assertIn(b"1 session ended", locked.out)
        self.assertNotEqual(thief.wait(), 0)
        self.assert_out(self.say("list", who="alice"), "locked out")
        self.stop_server()
        self.serve()
        self.assert_out(self.say("list", who="alice"), "locked out")
        lifted = self.vspc("lockout", "--lift", key)
        self.assertEqual(lifted.status, 0, lifted)
        self.assert_in(self.say("list", who="alice"))
        self.assert_no_defects()

    def test_who_types_is_sent_off_and_who_is_stuck_is_ended(self) -> None:
        self.begin()
        typing = self.enter("alice", "raw", "web1", key="alice")
        typing.type(b"x")
        self.server.out.expect(rb" pen-taken console=web1 operator=alice ")
        denied = self.say("send", "web1", "x")
        self.assertEqual(
            (denied.status, denied.err), (4, b"alice is typing on web1; nothing was sent\n")
        )
        self.assertEqual(self.say("kick", "--all-writers").status, 4)
        ended = self.say("kick", "--all-writers", "--json", who="dave")
        self.assertEqual(json.loads(ended.out)[0]["operator"], "alice")
        self.assertEqual(typing.wait(), 1)
        typing.err.expect(rb"removed by dave\]")
        idle = self.enter("alice", key="alice")
        self.assertEqual(self.vspc("kick", "--operator", "alice").status, 0)
        self.assert_ended(idle, b"session ended by root@local")
        status = json.loads(self.vspc("status", "--json").out)
        self.assertEqual(status["consoles"]["connected"], 1)
        self.assert_no_defects()
