"""A stamp stands in front of a line's first character, and nowhere where it would do harm."""

from datetime import datetime
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.console import screens
from tests.console.test_modes import PIECES
from vspc.console.control_sequences import HELD_LIMIT
from vspc.console.stamps import LineStamper, stamp


def stamped(*chunks: bytes) -> bytes:
    stamper, out = LineStamper(), bytearray()
    for chunk in chunks:
        start = 0
        for place in stamper.feed(chunk):
            out += chunk[start:place] + b"|"
            start = place
        out += chunk[start:]
    return bytes(out)


class Places(SynchronousTestCase):
    def test_each_line_has_one(self) -> None:
        self.assertEqual(stamped(b"one\r\ntwo\r\n$ "), b"|one\r\n|two\r\n|$ ")
        self.assertEqual(stamped(b"o", b"ne\r", b"\n", b"t", b"wo"), b"|one\r\n|two")

    def test_an_empty_line_has_none(self) -> None:
        self.assertEqual(stamped(b"\r\n\n\r\na"), b"\r\n\n\r\n|a")

    def test_a_progress_bar_has_one(self) -> None:
        self.assertEqual(stamped(b"10%\r20%\r", b"30%\r\nend"), b"|10%\r20%\r30%\r\n|end")

    def test_colours_and_modes_stand_before_it(self) -> None:
        prompt = b"\x1b[?2004h\x1b]0;root@web1\x07\x1b[01;32mroot"
        self.assertEqual(stamped(b"\n" + prompt), b"\n" + prompt[:-4] + b"|root")

    def test_it_is_not_within_a_sequence_that_is_cut(self) -> None:
        for data in (b"\x1b[1;31mx", b"\x1b]0;t\x07x", b"\x1b]0;t\x1b\\x", b"\x1b(Bx"):
            for cut in range(len(data)):
                self.assertEqual(stamped(data[:cut], data[cut:]), data[:-1] + b"|x")

    def test_a_line_that_begins_with_a_movement_has_none(self) -> None:
        data = b"\x1b[1A\x1b[2Kpulling\r\nnext"
        self.assertEqual(stamped(data), data.replace(b"next", b"|next"))

    def test_where_the_cursor_is_placed_there_are_none_for_a_screenful(self) -> None:
        for data in (screens.TOP, screens.GRUB):
            self.assertNotIn(b"|", stamped(data).replace(b"|\x1b", b""))
        self.assertEqual(stamped(screens.TOP + b"x\r\n" * 24 + b"y").count(b"|"), 1)
        self.assertEqual(
            stamped(b"\x1b[5;1Hx\r\n" + b"\n" * 24 + b"y"), b"\x1b[5;1Hx\r\n" + b"\n" * 24 + b"|y"
        )

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(st.sampled_from((*PIECES, b"\n", b"\x1b[5;5H", b"x")) | st.binary(max_size=3)),
        st.lists(st.integers(0, 200)),
    )
    def test_any_chunking_gives_the_same(self, pieces: list[bytes], cuts: list[int]) -> None:
        data = b"".join(pieces)
        ends = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
        chunks = [data[a:b] for a, b in pairwise(ends)]
        self.assertEqual(stamped(*chunks), stamped(data))

    def test_a_sequence_that_is_longer_than_what_is_held_is_none_however_it_comes(self) -> None:
        for begin, end in ((b"\x1b[", b"m"), (b"\x1b]0;", b"\x07"), (b"\x1b]0;", b"\x1b\\")):
            for length in range(HELD_LIMIT - 8, HELD_LIMIT + 4):
                output = begin + b"1" * length + end + b"x"
                places = LineStamper().feed(output)
                stamper = LineStamper()
                pieces = [stamper.feed(output[at : at + 1]) for at in range(len(output))]
                self.assertEqual(sum(map(len, pieces)), len(places), (begin, end, length))

    def test_a_string_that_goes_beyond_its_line_is_none_however_it_comes(self) -> None:
        output = b"\x1b]0;title\n\x1b]0;\nx\n["
        for cut in range(len(output)):
            self.assertEqual(stamped(output[:cut], output[cut:]), stamped(output), cut)


class Text(SynchronousTestCase):
    def test_the_date_of_another_day(self) -> None:
        now = datetime(2026, 11, 30, 12, 0, 0)
        self.assertEqual(stamp(now.replace(hour=1), now), "01:00:00 ")
        self.assertEqual(stamp(now.replace(day=29), now), "2026-11-29 12:00:00 ")
