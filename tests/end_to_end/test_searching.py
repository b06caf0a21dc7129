"""Searching, joining late and times of lines, in tmux with a real ssh: what the operator sees."""

from tests.console import screens
from tests.end_to_end.test_terminals import TerminalTestCase
from tests.end_to_end.tmux import Tmux


class InTmux(TerminalTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.tmux = Tmux(self)

    def on_console(self, options: str = "") -> None:  # type: ignore[override]
        self.tmux.run(self.ssh_words(user=f"alice+web1{options}"))

    def logged(self, text: bytes) -> None:
        """The guest has said `text`, and the log has it."""
        self.guest.say(text)
        self.assertIn(b"ready", self.ssh("expect", "web1", "--from", "0", "ready").out)

    def test_searching(self) -> None:
        lines = b"".join(b"line %d\r\n" % n for n in range(20_000))
        self.logged(b"the \x1b[31mneedle\x1b[m\r\n" + lines + b"ready\r\n")
        self.on_console()
        self.tmux.shows("for help]", "ready")
        self.tmux.type("\x05c/")
        self.tmux.shows("/", "line 19999")
        self.tmux.type("the n..dle\r")
        self.tmux.shows("the needle", "line 0\n", "/the n..dle/", "Enter leaves")
        self.tmux.type("/line 1.000\r")
        self.tmux.shows("line 19000")
        self.tmux.type("p")
        self.tmux.shows("line 18000")
        self.guest.say(b"news\r\n")
        shown = self.tmux.shows("1 new line")
        self.assertNotIn("news", shown)
        self.tmux.type("n")
        self.tmux.shows("line 19000")
        self.tmux.type("\r")
        shown = self.tmux.shows("end of replay]", "ready", "news")
        self.assertNotIn("line 19000", shown)
        self.tmux.type("\x05c.")
        self.tmux.shows("[left web1]")
        self.assert_no_defects()

    def test_a_late_joiner_of_an_editor(self) -> None:
        self.logged(b"ready\r\n" + screens.VI)
        self.on_console()
        self.tmux.shows("# static file systems", "/dev/sda1       /       ext4", "3L, 81B")
        self.guest.say(b"\x1b[3;1Hgoes on\x1b[2;1H")
        self.tmux.shows("ext4\ngoes on\n~")
        self.tmux.type("\x05cv")
        self.guest.wait(b"\x0c")
        self.tmux.type("\x05c/fstab\r")
        self.tmux.shows("/fstab/")
        self.tmux.type("\r")
        self.tmux.shows("# static file systems", "ext4\ngoes on\n~")
        self.guest.say(b"\x1b[24;1H\x1b[K\x1b[?1049l\x1b[?1l\x1b>$ ")
        self.tmux.shows("ready", "$")
        self.tmux.type("\x05c.")
        self.tmux.shows("[left web1]")
        self.assert_no_defects()

    def test_times_of_lines(self) -> None:
        self.logged(b"ready\r\n")
        self.on_console(",tz=Asia/Kolkata")
        self.tmux.shows("for help]")
        self.tmux.type("\x05ct")
        self.tmux.shows("[times of lines are shown: Asia/Kolkata, UTC+05:30; ^Ect hides them]")
        self.guest.say(b"news\r\n")
        self.tmux.matches(r"\n\d\d:\d\d:\d\d news\n")
        self.on_console_with_a_wrong_zone()

    def on_console_with_a_wrong_zone(self) -> None:
        self.tmux.type("\x05c.")
        self.tmux.shows("[left web1]")
        self.on_console(",tz=Kolkata")
        self.tmux.shows("unknown time zone 'Kolkata'; did you mean Asia/Kolkata?")
