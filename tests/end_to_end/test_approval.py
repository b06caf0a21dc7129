"""Approval of what another operator types: two operators with real ssh, and a program."""

from tests.end_to_end.access import AccessTestCase, operator, rule
from tests.end_to_end.processes import Child, Size


class TwoOperators(AccessTestCase):
    """alice needs approval of @leads, in whom bob is."""

    def setUp(self) -> None:
        super().setUp()
        self.configure(
            operator("alice", authorized_keys=[self.key("alice")])
            + operator("bob", authorized_keys=[self.key("bob")], groups=["leads"]),
            access=rule(["alice"], ["*"], ["read", "write"], approve=["@leads"])
            + rule(["bob"], ["*"], ["read"]),
        )
        self.serve()
        self.simulate()

    def console(self, user: str, key: str) -> Child:
        [ssh, *words] = self.words(user, key=key)
        child = self.start(ssh, "-tt", *words, terminal=Size())
        child.out.expect(rb"\[web1 connected, ")
        return child

    def test_keys_and_a_program_wait_for_the_other_one(self) -> None:
        alice = self.console("alice+web1,reason=CHG1", "alice")
        alice.type(b"echo too early\r")
        alice.out.expect(rb"\[web1: waiting for approval by @leads: \d+ bytes? not sent")
        alice.out.expect(rb"\[typing needs approval by @leads; none of them is on web1")
        bob = self.console("bob+web1", "bob")
        bob.out.expect(rb"\[alice asks to type on web1 \(CHG1\): \^Ecy approves, \^EcN refuses\]")
        bob.type(b"\x05cy")
        bob.out.expect(rb"\[you approve what alice types\]")
        alice.out.expect(rb"\[bob approves: you may type while bob is on the console")
        alice.type(b"echo now\r")
        alice.out.expect(rb"\r\nnow\r\n")
        self.assertNotIn(b"too early", bob.out.data)
        alice.type(b"\x05c.")
        self.assertEqual(alice.wait(), 0)

        [ssh, *words] = self.words("alice", "send", "web1", "--enter", "echo sent", key="alice")
        send = self.start(ssh, *words)
        send.err.expect(rb"typing needs approval by @leads; asked: bob")
        bob.out.expect(rb"\[alice asks to type on web1 with a program")
        bob.type(b"\x05cN")
        self.assertEqual(send.wait(), 4)
        send = self.start(ssh, *words)
        bob.out.expect(rb"\[alice asks to type on web1 with a program")
        bob.type(b"\x05cy")
        bob.out.expect(rb"\r\nsent\r\n")
        self.assertEqual(send.wait(), 0)

        alice = self.console("alice+web1", "alice")
        alice.type(b"x")
        bob.out.expect(rb"\[alice asks to type on web1: ")
        bob.type(b"\x05cy")
        alice.out.expect(rb"\[bob approves")
        bob.type(b"\x05c.")
        alice.out.expect(rb"\[approval is over, bob has left the console\]")
        alice.type(b"echo alone\r")
        alice.out.expect(rb"bytes? not sent")
        self.assertEqual(self.audited("approve", result="ended")["cause"], "left")
        self.assertEqual(self.audited("approve", result="refused")["subject"], "alice")
        self.audited("approve", result="ended", cause="approver-left")
        self.assertNotIn(b"alone\r\nalone", alice.out.data)
        self.assert_no_defects()

    def test_check_shows_it(self) -> None:
        self.assertIn("with approval by @leads", self.check().out.decode())
