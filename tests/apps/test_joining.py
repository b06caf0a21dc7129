"""Who joins while a program of the VM uses the whole screen sees that screen."""

import pyte

from tests.apps.opsdesk import CAROL
from tests.apps.support import BOB, XTERM, FakeChannel
from tests.apps.test_terminal import DUMB, TerminalTest
from tests.console import screens
from vspc.apps.chooser.consoles import ConsoleChooser
from vspc.apps.chooser.listing import ConsoleRows
from vspc.apps.terminal.bridge import CAUTION_READ
from vspc.apps.verbs.context import Call
from vspc.config.profiles import Keys, ProfileSettings, TerminalSize
from vspc.config.values import Pattern
from vspc.console.access import Access, Rule
from vspc.console.ports import Terminal


def window(channel: FakeChannel) -> pyte.Screen:
    """What the operator's terminal shows; pyte has no alternate screen."""
    terminal = channel.terminal
    assert terminal is not None
    screen = pyte.Screen(terminal.columns, terminal.rows)
    output = bytes(channel.output)
    for on in (b"\x1b[?1049h", b"\x1b[?1049l"):
        output = output.replace(on, b"\x1b[H\x1b[2J")
    pyte.ByteStream(screen).feed(output)
    return screen


def lines(channel: FakeChannel) -> list[str]:
    """Its rows without the spaces at their ends."""
    return [line.rstrip() for line in window(channel).display]


class Joining(TerminalTest):
    def test_the_screen_of_an_editor_as_it_is_and_as_it_goes_on(self) -> None:
        self.says(b"$ vi /etc/fstab\r\n" + screens.VI)
        alice = self.attach()
        self.assertEqual(
            lines(alice)[:3], ["# static file systems", "/dev/sda1       /       ext4", "~"]
        )
        self.says(b"\x1b[3;1HNEW\x1b[2;1H")
        self.assertEqual(lines(alice)[2], "NEW")
        self.assertEqual((window(alice).cursor.y, window(alice).cursor.x), (1, 0))
        self.assertNotIn("replay of", alice.text)

    def test_who_comes_back_from_the_chooser_sees_it_again(self) -> None:
        self.says(screens.VI)
        alice = FakeChannel(XTERM, 1 << 20)
        call = Call(self.desk.context, self.desk.login(), alice)
        ConsoleChooser(call, ConsoleRows(self.desk.context)).show()
        self.desk.turn()
        alice.type(b"\r")
        self.says(b"\x1b[3;1HNEW")
        alice.type(b"\x05c;")
        self.desk.turn()
        alice.output.clear()
        alice.type(b"\r")
        self.desk.turn()
        self.assertEqual(lines(alice)[1:3], ["/dev/sda1       /       ext4", "NEW"])

    def test_a_sequence_that_was_cut_in_two_goes_on(self) -> None:
        self.says(screens.VI + b"\x1b[3;")
        alice = self.attach()
        self.says(b"1HNEW")
        self.assertEqual(lines(alice)[2], "NEW")

    def test_the_terminal_is_given_back_as_if_it_had_seen_all(self) -> None:
        self.says(screens.VI)
        alice = self.attach()
        alice.type(b"\x05c.")
        left = alice.output.rpartition(b"\x1b[?1049l")[2]
        for undone in (b"\x1b[?1l", b"\x1b[?2004l", b"\x1b>"):
            self.assertIn(undone, left)
        self.assertIn("[left web01]", lines(alice))

    def test_nothing_of_it_makes_the_terminal_answer(self) -> None:
        self.says(screens.VI)
        alice = self.attach()
        for question in (b"\x1b[6n", b"\x1b[>c", b"\x1b]11;?", b"\x1bP"):
            self.assertNotIn(question, alice.output)

    def test_of_a_vm_that_is_away_the_last_lines_are_shown(self) -> None:
        self.says(screens.TOP)
        self.web.link.disconnect("off")
        alice = self.attach()
        self.assertIn("[web01 away", alice.text)
        self.assertNotIn(b"\x1b[3;1H", alice.output)

    def test_a_caution_can_be_read_before_the_screen_is_painted(self) -> None:
        self.desk.connected("web01", f"{2:032x}")
        self.says(screens.TOP)
        alice = self.desk.ask(f"console {self.web.id}", self.desk.login(), XTERM)
        self.assertIn("[another VM has this name, too", alice.text)
        self.says(b"\x1b[1;1HTOP")
        self.assertNotIn("Tasks", alice.text)
        self.desk.clock.advance(CAUTION_READ)
        self.assertEqual(lines(alice)[:2], ["TOP - 11:02:03 up 17 min", "Tasks: 103 total"])

    def test_a_shell_is_replayed_as_ever(self) -> None:
        self.says(screens.SHELL)
        self.assertIn("replay of the last 20 lines", self.attach().text)

    def test_with_replay_raw_there_is_no_screen(self) -> None:
        self.says(screens.TOP)
        alice = self.attach(words="replay=raw")
        self.assertIn("replay of the last 20 lines", alice.text)
        self.assertNotIn(b"\x1b[3;1H", alice.output)

    def test_with_no_replay_there_is_none(self) -> None:
        self.says(screens.TOP)
        self.assertNotIn("Tasks", self.attach(words="replay=0").text)

    def test_another_word_for_replay_is_a_mistake(self) -> None:
        channel = self.attach(words="replay=row")
        self.assertIn("replay takes a number, not 'row'", channel.text)

    def test_a_terminal_without_a_cursor_gets_lines(self) -> None:
        self.says(screens.TOP)
        alice = self.attach(terminal=DUMB)
        self.assertIn("103 ", alice.text)
        self.assertNotIn(b"\x1b[1;1H", alice.output)

    def test_who_may_not_look_back_sees_no_screen(self) -> None:
        rule = Rule(frozenset({"alice"}), ("*",), frozenset({"read"}), history=0.0)
        self.desk.rules = Access((rule,))
        object.__setattr__(self.desk.context, "history_limit", lambda *_: 0.0)
        self.says(screens.TOP)
        self.assertNotIn("Tasks", self.attach().text)

    def test_the_size_of_the_vm_s_terminal_can_be_configured(self) -> None:
        profile = ProfileSettings((Pattern("*"),), size=TerminalSize(40, 6))
        object.__setattr__(self.desk.context, "profile", lambda _subject: profile)
        self.says(b"\x1b[2;2Hmenu\x1b[6;1H" + b"x" * 41)
        shown = lines(self.attach(terminal=Terminal("xterm", 100, 30)))
        self.assertEqual(shown[:6], [" menu", "", "", "", "x" * 40, "x"])

    def test_output_that_would_take_too_long_is_replayed(self) -> None:
        self.says(b"\x1b[5;5H" + b"\x1b#8" * 20000)
        alice = self.attach()
        self.assertTrue(alice.text.endswith("\r\n8"))


class Repainting(TerminalTest):
    def test_control_l_is_typed(self) -> None:
        alice = self.attach()
        alice.type(b"\x05cv")
        self.assertEqual(self.sent(), b"\x0c")
        self.assertEqual(alice.under_way, 0)

    def test_what_the_profile_says_is_typed(self) -> None:
        profile = ProfileSettings((Pattern("*"),), repaint=Keys(b"\x12"))
        object.__setattr__(self.desk.context, "profile", lambda _subject: profile)
        self.attach().type(b"\x05cv")
        self.assertEqual(self.sent(), b"\x12")

    def test_it_needs_the_pen_like_any_key(self) -> None:
        self.attach().type(b"x")
        carol, reader = self.attach(CAROL), self.attach(BOB)
        carol.type(b"\x05cv")
        reader.type(b"\x05cv")
        self.assertEqual(self.sent(), b"x")
        self.assertIn("1 byte not sent", carol.text)
        self.assertIn("1 byte not sent", reader.text)
