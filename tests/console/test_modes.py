"""What a VM turned on in a terminal is known, and exactly that is turned off."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.console.control_sequences import HELD_LIMIT
from vspc.console.modes import TerminalModes

PIECES = (
    *(b"text", b"\r\n", b"\x0e", b"\x0f", b"\x1b(0", b"\x1b(B", b"\x1b)0", b"\x1b%@", b"\x1b%G"),
    *(
        b"\x1b[?%d%s" % (mode, end)
        for mode in (1, 6, 7, 25, 1000, 1006, 1049, 2004)
        for end in (b"h", b"l")
    ),
    *(b"\x1b[?1;25;1049h", b"\x1b[4h", b"\x1b[4l", b"\x1b[12l", b"\x1b=", b"\x1b>"),
    *(b"\x1b[m", b"\x1b[0m", b"\x1b[1;31m", b"\x1b[38;5;200m", b"\x1b[48;2;1;2;3m", b"\x1b[39m"),
    *(b"\x1b[4:3m", b"\x1b[11m", b"\x1b[10m", b"\x1b[0;7m", b"\x1b[3;20r", b"\x1b[r"),
    *(b"\x1b7", b"\x1b8", b"\x1b[s", b"\x1b[u", b"\x1bc", b"\x1b[!p", b"\x1b[6n", b"\x1b[?6n"),
    *(b"\x1b[>1u", b"\x1b[<u", b"\x1b[=5;1u", b"\x1b[>4;2m", b"\x1b[>4m", b"\x1b[5 q", b"\x1b[0 q"),
    *(b"\x1b]0;title\x07", b"\x1b]4;1;red\x1b\\", b"\x1b]11;?\x07", b"\x1b]104\x07"),
    *(b"\x1b]P1ff0000", b"\x1b]R", b"\x1bP+q544e\x1b\\", b"\x1b_Gx\x1b\\", b"\x1b[3g", b"\x1bH"),
    *(b"\x1b[?1000r", b"\x1b[12;40H", b"\x1b[K", b"\x1b[?1c", b"\x1b[?0c", b"\x18", b"\x1b"),
    *(b"\x1b]8;;http://a/" + b"b" * 200, b"\x07", b"\x1b[" + b"1;" * 90, b"h", b"\x1b[1", b"\x00"),
)


def shown(*chunks: bytes) -> TerminalModes:
    modes = TerminalModes()
    for chunk in chunks:
        modes.feed(chunk)
    return modes


def state(modes: TerminalModes) -> tuple[object, ...]:
    return modes.neutral, modes.again, modes.asked, modes.is_moved, modes.give_back()


class GivenBack(SynchronousTestCase):
    def gives(self, output: bytes, expected: bytes) -> None:
        self.assertEqual(shown(output).give_back(), expected)

    def test_what_turned_nothing_on_is_given_back_without_a_byte(self) -> None:
        self.gives(b"\x1b[31mred\x1b[0m\x1b[12;1H\x1b[K\x1b]0;t\x07\x1b[?25l\x1b[?25h", b"")

    def test_each_mode_and_nothing_else(self) -> None:
        for on, off in (
            (b"\x1b[?1049h", b"\x1b[?1049l"),
            (b"\x1b[?1047h", b"\x1b[?1047l"),
            (b"\x1b[?47h", b"\x1b[?47l"),
            (b"\x1b[?25l", b"\x1b[?25h"),
            (b"\x1b[?9h", b"\x1b[?9l"),
            (b"\x1b[?1000;1006h", b"\x1b[?1000l\x1b[?1006l"),
            (b"\x1b[?1002h\x1b[?1015h", b"\x1b[?1002l\x1b[?1015l"),
            (b"\x1b[?1003h\x1b[?1005h", b"\x1b[?1003l\x1b[?1005l"),
            (b"\x1b[?1004h", b"\x1b[?1004l"),
            (b"\x1b[?2004h", b"\x1b[?2004l"),
            (b"\x1b[?1h\x1b=", b"\x1b[?1l\x1b>"),
            (b"\x1b[?7l", b"\x1b[?7h"),
            (b"\x1b[?5h", b"\x1b[?5l"),
            (b"\x1b[4h", b"\x1b[4l"),
            (b"\x1b(0", b"\x1b(B"),
            (b"\x1b)0\x0e", b"\x0f\x1b)B"),
            (b"\x1b[1;31m", b"\x1b[m"),
            (b"\x1b[11m", b"\x1b[0;10m"),
            (b"\x1b[2;23r", b"\x1b7\x1b[r\x1b8"),
            (b"\x1b[2;23r\x1b[?6h", b"\x1b[?6l\x1b7\x1b[r\x1b8\x1b[999;1H"),
            (b"\x1b[>1u\x1b[>1u", b"\x1b[<2u"),
            (b"\x1b[>4;2m", b"\x1b[>4m"),
            (b"\x1b[4 q", b"\x1b[0 q"),
            (b"\x1b[3g", b"\x1b[?5W"),
            (b"\x1b]10;red\x07\x1b]4;1;red\x07", b"\x1b]104\x1b\\\x1b]110\x1b\\"),
            (b"\x1b]P1ff0000", b"\x1b]R\x1b\\"),
            (b"\x1b]0;half a title", b"\x18"),
        ):
            self.gives(on, off)

    def test_an_editor_that_lost_its_line(self) -> None:
        vim = b"\x1b[?1049h\x1b[?1h\x1b=\x1b[?2004h\x1b[?1004h\x1b[1;24r\x1b[?25l\x1b[31m"
        modes = shown(vim)
        self.assertTrue(modes.is_moved)
        self.assertEqual(
            modes.give_back(),
            b"\x1b[?1049l\x1b[?1l\x1b[?25h\x1b[?1004l\x1b[?2004l\x1b[m\x1b7\x1b[r\x1b8\x1b>",
        )
        self.assertEqual(modes.give_back(), b"")

    def test_there_is_no_full_reset_and_no_line(self) -> None:
        for piece in PIECES:
            back = shown(piece).give_back()
            for never in (b"\x1bc", b"\x1b[!p", b"\n", b"\x1b[2J", b"\x1b[3J"):
                self.assertNotIn(never, back)

    def test_the_keyboard_of_the_alternate_screen_goes_before_the_screen(self) -> None:
        self.gives(
            b"\x1b[>1u\x1b[?1049h\x1b[>3u\x1b[=5u",
            b"\x1b[<1u\x1b[=0u\x1b[?1049l\x1b[<1u",
        )

    def test_a_reset_by_the_vm_counts(self) -> None:
        self.gives(b"\x1b[?1000h\x1b[31m\x0e\x1bc", b"")
        self.gives(b"\x1b[31m\x1b[4h\x1b[?25l\x1b[?1000h\x1b[!p", b"\x1b[?1000l")

    def test_controls_in_the_middle_of_a_sequence_hide_nothing(self) -> None:
        self.gives(b"\x1b[?10\r00h", b"\x1b[?1000l")

    @given(st.lists(st.sampled_from(PIECES), max_size=30))
    def test_behind_what_gives_it_back_nothing_is_on(self, pieces: list[bytes]) -> None:
        modes = shown(*pieces)
        after = shown(*pieces, modes.give_back())
        # The tabs of a VT100, and a position that was saved, show nowhere.
        self.assertEqual(after.give_back(), b"")
        self.assertEqual((after.neutral, after.again), (b"", b""))


class Notices(SynchronousTestCase):
    def test_colours_and_charset_are_neutral_before_and_as_they_were_behind(self) -> None:
        modes = shown(b"\x1b[1;31m\x1b[4m\x1b(0\x1b)A\x0e")
        self.assertEqual(modes.neutral, b"\x0f\x1b(B\x1b[m")
        self.assertEqual(modes.again, b"\x1b[1;31;4m\x1b(0\x0e")

    def test_of_colours_only_those_that_count(self) -> None:
        modes = shown(b"\x1b[31m\x1b[1m\x1b[38:2::1:2:3m\x1b[22m\x1b[48;5;9;7m")
        self.assertEqual(modes.again, b"\x1b[38:2::1:2:3;48;5;9;7m")

    def test_a_sequence_that_is_unfinished_is_sent_again(self) -> None:
        modes = shown(b"text\x1b[31;4")
        self.assertEqual((modes.neutral, modes.again), (b"\x18", b"\x1b[31;4"))
        modes.feed(b"2m")
        self.assertEqual((modes.neutral, modes.again), (b"\x1b[m", b"\x1b[31;42m"))

    def test_a_long_string_that_is_unfinished_ends_where_it_would_have(self) -> None:
        modes = shown(b"\x1b]52;c;" + b"A" * 1000)
        self.assertEqual(modes.again, b"\x1b]9999;")
        self.assertEqual(shown(b"\x1bP" + b"A" * 1000).again, b"\x1bX")
        modes.feed(b"AAAA\x07\x1b[3")
        self.assertEqual(modes.again, b"\x1b[3")

    def test_colours_that_were_saved_with_the_cursor_come_back_with_it(self) -> None:
        self.assertEqual(shown(b"\x1b[32m\x1b7\x1b[0;31m\x1b8").again, b"\x1b[32m")
        self.assertEqual(
            shown(b"\x1b[32m\x1b7\x1b[0m plain \x1b8\x1b[0;1m\x1b8").again, b"\x1b[32m"
        )

    @given(st.lists(st.sampled_from(PIECES), max_size=30))
    def test_behind_a_notice_all_is_as_before(self, pieces: list[bytes]) -> None:
        modes = shown(*pieces)
        noticed = shown(*pieces, modes.neutral)
        self.assertEqual((noticed.neutral, noticed.again), (b"", b""))
        noticed.feed(modes.again)
        self.assertEqual(noticed.give_back(), modes.give_back())


class Chunks(SynchronousTestCase):
    @settings(max_examples=300)
    @given(st.lists(st.sampled_from(PIECES), max_size=30), st.data())
    def test_however_it_is_cut(self, pieces: list[bytes], data: st.DataObject) -> None:
        output = b"".join(pieces)
        cuts = sorted(data.draw(st.lists(st.integers(0, len(output)), max_size=20)))
        chunks = [output[a:b] for a, b in zip([0, *cuts], [*cuts, len(output)], strict=True)]
        self.assertEqual(state(shown(*chunks)), state(shown(output)))

    @settings(max_examples=300)
    @given(st.lists(st.sampled_from(PIECES), max_size=30), st.integers(1, 5), st.integers(1, 300))
    def test_however_few_sequences_at_a_time(
        self, pieces: list[bytes], most: int, size: int
    ) -> None:
        output = b"".join(pieces)
        modes, at, stalled = TerminalModes(), 0, False
        while at < len(output):
            taken, count = modes.feed_some(output[at : at + size], most)
            self.assertLessEqual(count, most)
            self.assertTrue(taken or not stalled)
            at, stalled = at + taken, not taken
            self.assertEqual(modes.feed_some(b"\x0e", 0), (0, 0))
        self.assertEqual(state(modes), state(shown(output)))

    @given(st.lists(st.binary(max_size=64).map(lambda b: b.replace(b"a", b"\x1b"))))
    def test_no_bytes_raise(self, chunks: list[bytes]) -> None:
        state(shown(*chunks))

    def test_what_is_kept_is_bounded(self) -> None:
        modes = shown(*[b"\x1b[%d;%d;%dm\x1b[%dh" % (n, n, n, n) for n in range(5000)])
        modes.feed(b"\x1b]" + b"x" * 100_000)
        self.assertLess(len(modes.again) + len(modes.neutral), 4 * HELD_LIMIT)

    def test_no_output_takes_the_square_of_its_length(self) -> None:
        for output in (b"\x1b[" + b"\x00" * 65536, b"\x1b]" * 32768, b"\x1b[0;" * 16384):
            shown(output, output)  # it would not come back
