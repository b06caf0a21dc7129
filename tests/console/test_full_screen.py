"""Somebody who joins late sees the screen of a program as it is, whatever the output was."""

import pyte
from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.console import screens
from tests.console.test_modes import PIECES
from vspc.console.control_sequences import whole_length
from vspc.console.emulated_screen import (
    MOST_COLUMNS,
    MOST_ROWS,
    STEPS,
    EmulatedScreen,
    TooMuchWork,
)
from vspc.console.emulation import emulate
from vspc.console.full_screen import (
    OUTPUT,
    Size,
    Snapshot,
    addressed_size,
    may_be_full_screen,
    snapshot,
)
from vspc.console.modes import TerminalModes
from vspc.console.screen_image import ScreenImage

MOVES = (
    *(b"\x1b[5;5H", b"\x1b[H", b"\x1b[3;10r", b"\x1b[2;4r", b"\x1b[r", b"\x1b[?6h", b"\x1b[?6l"),
    *(b"\x1b[J", b"\x1b[1J", b"\x1b[2J", b"\x1b[K", b"\x1b[1K", b"\x1b[3X", b"\x1b[2L", b"\x1b[M"),
    *(b"\x1b[4@", b"\x1b[2P", b"\x1b[3S", b"\x1b[T", b"\x1b[4b", b"\x1bM", b"\x1bD", b"\x1bE"),
    *(b"\x1b[4h", b"\x1b[4l", b"\x1b[?7l", b"\x1b[?7h", b"\x1b#8", b"\t", b"\x1b[Z", b"\x08"),
    *(b"\x1b[?47h", b"\x1b[?47l", b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[44m", b"\x1b[9;1d"),
    *("漢字".encode(), "é e\u0301".encode(), b"\xff\xfe", b"x" * 100, b"\n" * 30, b"\x1b[C"),
    *("\u202e\u200b\u1160".encode(), b"\x1b[99999999L", b"\x1b[99999999999999999999b", b"\x1b[A"),
    *(b"\x1b[;H", b"\x1b[1;2;3;4H", b"\x1b[?5A", b"\x1b[>4;2m", b"\x1b[38:2:1:2:3m", b"\x1b[J5"),
)

output = st.lists(st.sampled_from(PIECES + MOVES) | st.binary(max_size=6)).map(b"".join)


def emulated(data: bytes, columns: int = 80, rows: int = 24) -> ScreenImage:
    screen = EmulatedScreen(columns, rows)
    emulate(screen, data)
    return screen.image


def taken(data: bytes, size: Size | None = None) -> Snapshot:
    found = snapshot(data, size=size)
    assert found is not None
    return found


def shown(data: bytes, columns: int = 80, rows: int = 24) -> list[str]:
    """What an operator's terminal shows of `data`: pyte as it is."""
    screen = pyte.Screen(columns, rows)
    pyte.ByteStream(screen).feed(data.replace(b"\x1b[?1049h", b"\x1b[2J"))
    return [line.rstrip() for line in screen.display]


class Decided(SynchronousTestCase):
    """Which output is that of a program that uses the whole screen."""

    def test_programs_that_use_it(self) -> None:
        for data in (*(screens.VI, screens.TOP, screens.TOP_BEGUN, screens.DIALOG, screens.GRUB),):
            self.assertTrue(may_be_full_screen(data))
            self.assertIsNotNone(snapshot(data), data)
            self.assertIsNotNone(snapshot(screens.SHELL + data))

    def test_a_shell_does_not(self) -> None:
        for data in (b"", b"$ ", screens.SHELL, screens.CLEARED, screens.PROBED, screens.VI_LEFT):
            self.assertIsNone(snapshot(data), data)
        self.assertFalse(may_be_full_screen(screens.SHELL))

    def test_a_program_that_was_left(self) -> None:
        self.assertIsNone(snapshot(screens.VI + b"\x1b[?1049l\x1b[24;1H\r\n$ "))
        self.assertIsNone(snapshot(screens.GRUB + b"[    0.00] Linux version 6.1\r\n" * 24))
        self.assertIsNotNone(snapshot(screens.GRUB + b"Loading Linux\r\n"))

    def test_the_size_is_what_the_program_addresses(self) -> None:
        self.assertEqual(addressed_size(screens.VI), Size(80, 24))
        self.assertEqual(addressed_size(b"\x1b[50;190Hx\x1b[3;8H"), Size(190, 50))
        self.assertEqual(addressed_size(b"\x1b[1;50r"), Size(80, 50))
        self.assertEqual(addressed_size(b"\x1b[199;999H"), Size(MOST_COLUMNS, MOST_ROWS))
        self.assertEqual(len(taken(b"\x1b[4;4Hx", Size(40, 10)).image.rows), 10)


class Shown(SynchronousTestCase):
    """What a late joiner sees."""

    def test_vi(self) -> None:
        found = taken(b"$ vi /etc/fstab\r\n" + screens.VI)
        painted = found.paint(80, 24)
        lines = shown(painted)
        self.assertEqual(lines[0], "# static file systems")
        self.assertEqual(lines[1], "/dev/sda1       /       ext4")
        self.assertEqual(lines[2:6], ["~", "~", "~", ""])
        self.assertEqual(lines[23].split(), ['"/etc/fstab"', "3L,", "81B", "2,1", "All"])
        self.assertEqual(found.image.cursor, (0, 1))
        self.assertIn(b"$ vi /etc/fstab\x1b", painted.partition(b"\x1b[?1049h")[0])
        for mode in (b"\x1b[?1h", b"\x1b=", b"\x1b[?2004h"):
            self.assertIn(mode, found.modes)
        self.assertNotIn(b"\x1b[?25l", found.modes)

    def test_nothing_in_it_makes_a_terminal_answer(self) -> None:
        painted = taken(screens.VI + b"\x1b[c\x1b[5n\x05\x1bZ\x1b[?1$p\x1b]52;c;?\x07").paint(
            80, 24
        )
        for question in (b"n", b"c", b"t", b"p"):
            self.assertNotRegex(painted, rb"\x1b\[[^A-Za-z]*" + question)
        self.assertNotIn(b"\x1b]", painted)
        self.assertNotIn(b"\x1bP", painted)
        self.assertNotIn(b"\x05", painted)

    def test_top(self) -> None:
        lines = shown(taken(screens.TOP).paint(80, 24))
        self.assertEqual(lines[:2], ["top - 11:02:03 up 17 min", "Tasks: 103 total"])
        self.assertEqual(lines[4].split(), ["1", "root", "systemd"])

    def test_a_dialog_has_its_frame_and_its_background(self) -> None:
        found = taken(screens.DIALOG)
        lines = shown(found.paint(80, 24))
        self.assertEqual(lines[8].strip(), "┌───────────┐")
        self.assertEqual(lines[9].strip(), "│ Configure │")
        self.assertIn(b"\x1b[?25l", found.modes)
        self.assertEqual(found.image.rows[0][79].rendition, b"\x1b[44m")

    def test_a_menu_of_grub(self) -> None:
        lines = shown(taken(screens.GRUB).paint(80, 24))
        self.assertEqual(lines[1].strip(), "GNU GRUB  version 2.06")
        self.assertEqual(lines[4].strip(), "│*Debian")

    def test_a_window_that_is_smaller_shows_the_cursor(self) -> None:
        found = taken(b"\x1b[1;1Htop\x1b[24;70Hend")
        self.assertEqual(shown(found.paint(40, 10), 40, 10)[0], "")
        self.assertEqual(shown(found.paint(72, 10), 72, 10)[9].strip(), "end")
        self.assertEqual(shown(found.paint(1, 1), 1, 1), [""])

    def test_output_that_goes_on_behind_it(self) -> None:
        data = screens.VI + b"\x1b[7;5Habc\x1b[2;7r\x1b[?6h\x1b[3;4H"
        later = b"xyz\x1b[1;1Hhome\x1b[6;1H\nscrolled"
        found = emulated(taken(data).paint(80, 24) + later)
        self.assertEqual(found.text, emulated(data + later).text)

    def test_the_last_column_is_left_for_the_next_row(self) -> None:
        data = b"\x1b[5;1H" + b"x" * 80
        found = emulated(taken(data).paint(80, 24) + b"y")
        self.assertEqual(found.text, emulated(data + b"y").text)

    def test_what_is_cut_in_two_is_left_for_the_terminal(self) -> None:
        for begun in (b"\x1b", b"\x1b[12", b"\xe6\xbc", b"\xf0\x9f\x98", b"\x1b]0;tit"):
            found = taken(screens.VI + begun)
            self.assertEqual(found.left_over, len(begun))
        self.assertEqual(taken(screens.VI + "é".encode()).left_over, 0)

    def test_the_beginning_of_what_is_left_of_a_long_output_is_no_text(self) -> None:
        data = b";5H" + screens.TOP
        self.assertNotIn(";5H", "".join(snapshot(data, is_cut=True).image.text))  # type: ignore[union-attr]
        long = b"x" * OUTPUT + screens.TOP
        self.assertEqual(taken(long).image.text[1], "Tasks: 103 total")


class Emulated(SynchronousTestCase):
    """The emulation itself, where pyte's alone would not do."""

    def test_one_cursor_is_saved_however_often(self) -> None:
        self.assertEqual(emulated(b"\x1b[3;4H\x1b7" * 9 + b"\x1b8\x1b[H\x1b8").cursor, (3, 2))

    def test_a_row_below_the_margins(self) -> None:
        found = emulated(b"\x1b[1;20r\x1b[24;1Hstatus\r\n\n\x1b[B\x1b[22;1H\x1b[Aup")
        self.assertEqual((found.text[23], found.text[20]), ("status", "up"))

    def test_private_and_unknown_sequences_show_nothing(self) -> None:
        data = (
            b"a\x1b[>4;2m\x1b[!p\x1b[38:2:1:2:3m\x1b[=5;1u\x1bPq#0\x1b\\\x1b]0;t\x1b\\\x1b^x\x1b\\b"
        )
        self.assertEqual(emulated(data).text[0], "ab")

    def test_accents_of_a_cell_are_bounded(self) -> None:
        [cell] = emulated(b"e" + "\u0301".encode() * 1000).rows[0]
        self.assertLess(len(cell.text), 6)

    def test_what_turns_text_about_is_not_shown(self) -> None:
        self.assertEqual(emulated("a\u202eb\x9bc".encode()).text[0], "a\ufffdb\ufffdc")


class Hostile(SynchronousTestCase):
    """Any output: no error, a bounded amount of work."""

    COSTLY = (
        *(
            b"\x1b#8",
            b"\x1b[44m\x1b[2J",
            b"\x1b[?1049h\x1b[?1049l",
            b"x\x1b[99999999b",
            b"\x1b[4hx",
        ),
        *(b"\x1b[99999999L", b"\x1b[99999999@", b"\x1b[99999999S", b"\x1b[999Z", b"\x1bH\t"),
    )

    def test_work_is_bounded(self) -> None:
        for piece in self.COSTLY:
            screen = EmulatedScreen(MOST_COLUMNS, MOST_ROWS, steps=STEPS // 20)
            with self.subTest(piece), self.assertRaises(TooMuchWork):
                emulate(screen, piece * (OUTPUT // len(piece)))

    def test_numbers_and_strings_without_an_end(self) -> None:
        for data in (b"\x1b[" + b"9" * OUTPUT, b"\x1b]0;" + b"a" * OUTPUT, b"\x1b[1;" * 20000):
            self.assertEqual("".join(emulated(data + b"\x1b[1;1Hx").text).strip(), "x")

    @settings(max_examples=60, deadline=None)
    @given(output, st.integers(1, 90), st.integers(1, 30))
    @example(b"\x1b[?6h\x1b[5;5H", 80, 24)
    @example(b"text\r\n\x1b[41m\x1b[?1049h\x1b[mmenu", 80, 24)
    def test_what_is_painted_shows_the_same(self, data: bytes, columns: int, rows: int) -> None:
        data = data[: whole_length(data)]
        try:
            image = emulated(data, columns, rows)
        except TooMuchWork:
            return
        painted = image.paint(image.columns, len(image.rows))
        again = emulated(painted, columns, rows)
        self.assertEqual(again.text, image.text)
        self.assertEqual(again.rendition, image.rendition)
        self.assertEqual((again.margins, again.origin), (image.margins, image.origin))
        self.assertEqual(again.cursor[1], image.cursor[1])
        terminal = TerminalModes()
        terminal.feed(painted)
        self.assertEqual(terminal.asked, 0)

    @settings(max_examples=60, deadline=None)
    @given(output)
    def test_a_snapshot_never_raises(self, data: bytes) -> None:
        found = snapshot(b"\x1b[3;3H" + data, is_cut=True)
        if found is not None:
            found.paint(80, 24)
            found.paint(1, 1)
