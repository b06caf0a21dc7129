"""`paste NAME`: standard input, verified or at a pace."""

from twisted.trial.unittest import SynchronousTestCase

from tests.apps.opsdesk import CAROL, OpsDesk
from tests.apps.support import BOB, XTERM, FakeChannel
from vspc.apps.typing.paste import LIMIT, QUIET


class PasteTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.desk = OpsDesk()
        self.web, self.line = self.desk.connected("web01", f"{1:032x}")

    def paste(self, text: bytes, options: str = "") -> FakeChannel:
        channel = self.desk.ask(f"paste web01 {options}")
        for at in range(0, len(text), 32768):
            channel.type(text[at : at + 32768])
            self.desk.run_on(1)
        assert channel.program is not None
        channel.program.ended_input()
        self.desk.run_on(3)
        return channel

    def echo(self, text: bytes) -> None:
        self.desk.clock.advance(QUIET)
        self.desk.run_on(2)
        self.web.link.output(text)
        self.desk.run_on(3)

    def test_verified(self) -> None:
        channel = self.paste(b"one\ntwo", "--json")
        self.echo(b"one")
        self.echo(b"\r\n")
        self.assertIsNone(channel.status)
        self.echo(b"")
        self.echo(b"two")
        self.assertEqual((channel.status, bytes(self.line.sent)), (0, b"one\rtwo"))
        self.assertEqual(channel.text, '{"offset": 8, "bytes": 7}\n')
        self.assertEqual(len(self.web.attachments), 0)
        (found,) = self.desk.audited("send")
        self.assertEqual((found["bytes"], found["result"]), (7, "ok"))

    def test_a_difference(self) -> None:
        channel = self.paste(b"one\n")
        self.echo(b"oops")
        self.desk.clock.advance(QUIET)
        self.desk.run_on(2)
        self.assertEqual(channel.status, 1)
        self.assertEqual(
            channel.complaint,
            "stopped (0 of 4 bytes, line 1 of 1): line 1, column 2: expected 'n', got 'ops'\n",
        )

    def test_at_a_pace(self) -> None:
        channel = self.paste(b"x" * 100, "--cps 100")
        self.desk.run_on(5, 0.05)
        self.assertLess(len(self.line.sent), 40)
        self.desk.run_on(20, 0.05)
        self.assertEqual((channel.status, bytes(self.line.sent)), (0, b"x" * 100))

    def test_what_cannot_be_pasted(self) -> None:
        self.assertEqual(self.paste(b"").status, 2)
        self.assertEqual(self.desk.ask("paste web01 --cps 0").status, 2)
        self.assertEqual(self.desk.ask("paste web01 --cps 999999999").status, 2)
        self.assertEqual(self.desk.ask("paste web01", terminal=XTERM).status, 2)
        self.assertEqual(self.desk.ask("paste web01", self.desk.login(BOB)).status, 4)
        channel = self.paste(b"x" * (LIMIT + 1))
        self.assertEqual(
            (channel.status, channel.complaint), (1, "over 1MiB; nothing was pasted\n")
        )
        self.assertEqual(bytes(self.line.sent), b"")

    def test_the_pen_of_another(self) -> None:
        self.desk.console_attachment(self.web, CAROL).take_pen()
        channel = self.paste(b"x\n")
        self.assertEqual(channel.status, 4)
        self.assertIn("carol is typing on web01", channel.complaint)
        channel = self.paste(b"x\n", "--force --cps 100")
        self.desk.run_on(5, 0.05)
        self.assertEqual((channel.status, bytes(self.line.sent)), (0, b"x\r"))
        channel = self.paste(b"x\n" * 1000, "--cps 100")
        self.desk.console_attachment(self.web, CAROL).take_pen(force=True)
        self.desk.run_on(3)
        self.assertEqual(channel.status, 4)
        self.assertIn("of 2000 bytes, line", channel.complaint)

    def test_under_a_lease_of_the_operator(self) -> None:
        session = self.desk.login()
        lease = self.desk.ask("lease web01", session).text.splitlines()[0]
        self.assertEqual(self.paste(b"x\n", "--cps 100").status, 4)
        channel = self.paste(b"x\n", f"--cps 100 --lease {lease}")
        self.desk.run_on(5, 0.05)
        self.assertEqual((channel.status, bytes(self.line.sent)), (0, b"x\r"))

    def test_the_client_leaves_in_the_middle(self) -> None:
        channel = self.paste(b"x" * 1000, "--cps 10")
        channel.close()
        before = len(self.line.sent)
        self.desk.run_on(20, 1.0)
        self.assertEqual((len(self.line.sent), len(self.web.attachments)), (before, 0))
