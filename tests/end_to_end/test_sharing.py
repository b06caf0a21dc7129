"""Sharing a pen between two and three operators with the real `ssh`."""

import json
from typing import Any

from tests.end_to_end.access import AccessTestCase, operator, rule
from tests.end_to_end.processes import Child, Size

OPERATORS = ("alice", "bob", "carol", "dave")
TYPES = ["read", "write", "force", "join"]


class Sharing(AccessTestCase):
    """alice, bob and carol share; dave is an administrator of the consoles."""

    def setUp(self) -> None:
        super().setUp()
        tables = "".join(operator(name, authorized_keys=[self.key(name)]) for name in OPERATORS)
        rules = rule(["dave"], ["*"], ["read", "write", "admin"]) + rule(["*"], ["*"], TYPES)
        self.configure(tables, access=f'[console]\nask_timeout = "3s"\n{rules}')
        self.serve()
        self.simulate()

    def on(self, name: str) -> Child:
        """A terminal on the console."""
        [ssh, *rest] = self.words(f"{name}+web1", key=name)
        child = self.start(ssh, "-tt", *rest, terminal=Size())
        child.out.expect(rb"for help\]")
        return child

    def two(self) -> tuple[Child, Child]:
        """alice types, bob reads."""
        alice, bob = self.on("alice"), self.on("bob")
        alice.out.expect(rb"\[bob attached\]")
        alice.type(b"x\x05ci")
        alice.out.expect(rb"you, from session \w+ \(this one\), write, 1 other")
        return alice, bob

    def test_asking_a_no_a_yes_and_no_answer(self) -> None:
        alice, bob = self.two()
        bob.type(b"\x05ck")
        bob.out.expect(rb"\[alice was asked for the pen: no answer in 3 s is a yes; you are number")
        alice.out.expect(rb"\[bob asks for the pen: \^Ecy gives it, \^EcN refuses\]")
        alice.type(b"\x05cN")
        bob.out.expect(rb"\[alice keeps the pen\]")
        bob.type(b"\x05ck")
        alice.out.expect(rb"\[bob asks for the pen")
        alice.type(b"\x05cy")
        alice.out.expect(rb"\[bob has the pen now; you are reading now\]")
        bob.out.expect(rb"\[you have the pen now: alice gave it\]")
        self.assertEqual(self.login("alice", "ask", "web1", key="alice").status, 0)
        bob.out.expect(rb"\[alice asks for the pen")
        bob.out.expect(rb"\[alice has the pen now, as you did not answer; you are reading now\]")
        alice.out.expect(rb"\[you have the pen now: bob did not answer\]")
        self.audited("ask", operator="alice", result="unanswered")
        self.audited("give", operator="bob", result="asked", from_operator="alice")

    def test_waiting_in_line(self) -> None:
        alice, bob = self.two()
        carol = self.on("carol")
        bob.type(b"\x05ca")
        bob.out.expect(rb"\[alice is typing on web1: you are number 1 in line; \^Eck asks for it")
        alice.out.expect(rb"\[bob waits for the pen; \^Ecs lays it down\]")
        carol.type(b"\x05ca")
        carol.out.expect(rb"you are number 2 in line")
        alice.type(b"\x05c.")
        bob.out.expect(rb"\[you have the pen now: you were first in line: alice left\]")
        carol.out.expect(rb"\[bob has the pen as the first in line: alice left\]")
        given = self.login("bob", "give", "web1", "carol", key="bob")
        self.assertEqual((given.status, given.out), (0, b"carol has the pen of web1\n"))
        carol.out.expect(rb"\[you have the pen now: bob gave it\]")

    def test_two_writers(self) -> None:
        alice, bob = self.two()
        carol, dave = self.on("carol"), self.on("dave")
        bob.type(b"\x05cj")
        bob.out.expect(rb"\[you type on web1\]")
        alice.out.expect(rb"\[bob types here, too\]")
        carol.out.expect(rb"\[bob has the pen, too, beside alice\]")
        self.assertEqual(self.consoles_of("carol")["writers"], ["alice", "bob"])
        dave.type(b"\x05cj")
        dave.out.expect(rb"alice and bob are typing on web1, and no rule lets you join")
        carol.type(b"\x05cf")
        for each in (alice, bob):
            each.out.expect(rb"\[carol took the pen; you are reading now\]")
        dave.out.expect(rb"\[carol has the pen, taken from alice and bob\]")

    def test_a_lock_over_a_vmotion_a_restart_and_force(self) -> None:
        alice, bob = self.two()
        alice.type(b"\x05cLfirmware\r")
        alice.out.expect(rb"\[you locked the pen for 1 h \(firmware\)\]")
        bob.out.expect(rb"\[alice locked the pen for 1 h \(firmware\)\]")
        bob.type(b"\x05cf")
        bob.out.expect(rb"\[web1 is locked by alice \(firmware\) until 20\S+Z: you do not have the")
        self.tell("vmotion web1 127.0.0.2")
        bob.out.expect(rb"\[web1 moved from ")
        self.assertEqual(self.login("bob", "send", "web1", "--force", "x", key="bob").status, 4)
        kept = self.login("alice", "lock", "web1", "--keep", "--", "--for ever", key="alice")
        self.assertEqual(kept.status, 0, kept)
        self.stop_server()
        self.serve()
        self.simulate("--control", str(self.directory / "again"))
        lock = self.consoles_of("bob")["lock"]
        self.assertEqual((lock["operator"], lock["reason"]), ("alice", "--for ever"))
        bob, dave = self.on("bob"), self.on("dave")
        bob.type(b"x")
        bob.out.expect(rb"\[web1 is locked by alice \(--for ever\) until 20\S+Z: 1 byte not sent")
        dave.type(b"\x05cf")
        bob.out.expect(rb"\[the lock of alice is over: dave forced it\]")
        self.audited("lock", operator="dave", owner="alice", result="forced")
        self.assert_no_defects()

    def test_a_lock_ends_with_the_last_session_of_its_owner(self) -> None:
        alice, bob = self.two()
        refused = self.login("carol", "lock", "web1", key="carol")
        self.assertEqual(refused.status, 1)
        self.assertIn(b"`lock web1 --keep` keeps it", refused.err)
        self.assertEqual(self.login("alice", "lock", "web1", key="alice").status, 0)
        bob.out.expect(rb"\[alice locked the pen for 1 h\]")
        alice.type(b"\x05c.")
        bob.out.expect(rb"\[the lock of alice is over: its owner has no session any more\]")
        bob.type(b"\x05ca")
        bob.out.expect(rb"\[you type on web1\]")

    def consoles_of(self, name: str) -> dict[str, Any]:
        """The row of web1 in `list --json`."""
        (row,) = json.loads(self.login(name, "list", "--json", key=name).out)
        found: dict[str, Any] = row
        return found
