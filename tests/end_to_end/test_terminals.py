"""What a VM does to an operator's terminal, by a real ssh: answers, and how it is given back."""

from collections.abc import Callable

from tests.end_to_end.processes import Child
from tests.end_to_end.test_audit import AuditTestCase

VIM = b"\x1b[?1049h\x1b[?1h\x1b=\x1b[?2004h\x1b[?25l\x1b[31min vim"
UNDONE = rb"\x1b\[\?1049l\x1b\[\?1l\x1b\[\?25h\x1b\[\?2004l\x1b\[m\x1b>"


class TerminalTestCase(AuditTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.serve()
        self.simulate("--guest", self.guest.address)

    def on_console(self, operator: str = "alice") -> Child:
        terminal = self.terminal(operator=operator, user=f"{operator}+web1")
        terminal.out.expect(rb"for help\]")
        return terminal

    def in_vim(self, terminal: Child) -> None:
        terminal.type(b"vim\r")
        self.guest.wait(b"vim\r")
        self.guest.say(VIM)
        terminal.out.expect(rb"in vim")


class GivenBack(TerminalTestCase):
    """At every end of an attachment."""

    def ends(self, end: Callable[[Child], object], notice: bytes) -> None:
        terminal = self.on_console()
        self.in_vim(terminal)
        end(terminal)
        terminal.out.expect(UNDONE + rb"\r\n" + notice)
        terminal.wait()

    def test_who_leaves(self) -> None:
        self.ends(lambda terminal: terminal.type(b"\x05c."), rb"\[left web1\]")

    def test_who_is_sent_off(self) -> None:
        self.ends(lambda _: self.complete(*self.vspc("kick", "web1", "alice")), rb"\[web1: ")

    def test_whose_session_is_ended(self) -> None:
        self.ends(lambda _: self.complete(*self.vspc("kick", "--operator", "alice")), rb"\[web1: ")

    def test_when_the_server_stops(self) -> None:
        self.ends(lambda _: self.stop_server(), rb"\[web1: ")

    def test_in_the_chooser_when_the_server_stops(self) -> None:
        terminal = self.terminal()
        terminal.out.expect(rb"web1")
        self.stop_server()
        terminal.out.expect(rb"\x1b\[\?1049l")
        terminal.wait()


class Answers(TerminalTestCase):
    def test_a_bystander_s_terminal_disturbs_nobody(self) -> None:
        alice, bob = self.on_console(), self.on_console("bob")
        bob.type(b"\x1b[24;80R")
        bob.type(b"\x05cw")
        bob.out.expect(rb"web1  bob ")
        alice.type(b"\x1b[24;80R")
        self.guest.wait(b"\x1b[24;80R")
        alice.type(b"ls\r")
        self.guest.wait(b"ls\r")
        bob.type(b"\x1b[1;1R")
        bob.type(b"\x05c.")
        bob.wait()
        alice.type(b"\x05c.")
        alice.wait()
        self.assertEqual(bytes(self.guest.heard), b"\x1b[24;80Rls\r")
        self.assertNotIn(b"not sent", bob.out.data)
        self.stop_server()
        inputs = [event for event in self.events() if event["event"] == "input"]
        self.assertEqual({event["operator"] for event in inputs}, {"alice"})
        self.assertEqual(sum(event["bytes"] for event in inputs), 3)
        self.assertEqual(sum(event.get("answers", 0) for event in inputs), 8)
