"""The oracle finds what is lost, doubled, swapped or changed, and nothing else."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.chaos.oracle import (
    Gap,
    InputCheck,
    Item,
    OutputCheck,
    Seen,
    SentLine,
    TerminalCheck,
    Trouble,
    Typed,
    Typist,
    common,
    disagreements,
    joined,
    told,
)
from tests.chaos.streams import NumberedStream, token

TEXT = NumberedStream("web1")
BINARY = NumberedStream("db1", binary=True)
END = 3000


def seen(data: bytes, offset: int = 0) -> list[Item]:
    return [Seen(offset, data)]


def lines(*bounds: int, whole: bool = False) -> list[SentLine]:
    """Lines between `bounds`; the last is whole, as it is alive."""
    return [SentLine(a, b, whole or b == bounds[-1]) for a, b in pairwise(bounds)]


class Streams(SynchronousTestCase):
    def test_any_piece_of_a_stream_is_the_same_as_from_its_beginning(self) -> None:
        for stream in (TEXT, BINARY):
            whole = stream.content(0, END)
            self.assertEqual(len(whole), END)
            self.assertEqual(stream.content(77, 333), whole[77:333])

    def test_binary_has_what_telnet_escapes(self) -> None:
        whole = BINARY.content(0, END)
        for awkward in (b"\xff\xff", b"\r\xff", b"\r\r", b"\n", b"\0"):
            self.assertIn(awkward, whole)

    def test_text_shows_its_numbers(self) -> None:
        self.assertEqual(TEXT.numbers(b"x" + TEXT.content(TEXT.size // 2, 3 * TEXT.size)), [1, 2])


class WholeOutput(SynchronousTestCase):
    def check(self, items: list[Item], sent: list[SentLine], complete: bool = True) -> list[str]:
        return OutputCheck(BINARY, sent).check(items, complete)

    def test_one_line(self) -> None:
        whole = BINARY.content(0, END)
        self.assertEqual(self.check(seen(whole), lines(0, END)), [])
        self.assertEqual(self.check([*seen(whole[:99]), Seen(99, whole[99:])], lines(0, END)), [])

    @given(st.integers(0, END - 1), st.integers(1, 3))
    def test_a_lost_byte_is_found(self, at: int, count: int) -> None:
        whole = BINARY.content(0, END)
        self.assertTrue(self.check(seen(whole[:at] + whole[at + count :]), lines(0, END)))

    @given(st.integers(0, END - 1), st.integers(1, 3))
    def test_a_doubled_byte_is_found(self, at: int, count: int) -> None:
        whole = BINARY.content(0, END)
        self.assertTrue(self.check(seen(whole[: at + count] + whole[at:]), lines(0, END)))

    @given(st.integers(0, END - 2))
    def test_swapped_bytes_are_found(self, at: int) -> None:
        whole = bytearray(BINARY.content(0, END))
        one, two = whole[at], whole[at + 1]
        whole[at], whole[at + 1] = two, one
        self.assertEqual(bool(self.check(seen(bytes(whole)), lines(0, END))), one != two)

    @given(st.integers(0, END - 1), st.integers(1, 255))
    def test_a_changed_byte_is_found(self, at: int, change: int) -> None:
        whole = bytearray(BINARY.content(0, END))
        whole[at] ^= change
        self.assertTrue(self.check(seen(bytes(whole)), lines(0, END)))

    @given(st.lists(st.integers(1, END - 1), max_size=4, unique=True), st.data())
    def test_a_line_that_was_cut_may_end_anywhere(
        self, cuts: list[int], data: st.DataObject
    ) -> None:
        sent = lines(0, *sorted(cuts), END)
        ends = [data.draw(st.integers(line.start, line.end)) for line in sent[:-1]] + [END]
        arrived = b"".join(
            BINARY.content(line.start, end) for line, end in zip(sent, ends, strict=True)
        )
        self.assertEqual(self.check(seen(arrived), sent), [])

    @given(st.integers(1, END - 2))
    def test_a_line_that_ended_in_order_has_to_be_whole(self, cut: int) -> None:
        sent = lines(0, cut, END, whole=True)
        self.assertEqual(self.check(seen(BINARY.content(0, END)), sent), [])
        short = BINARY.content(0, cut - 1) + BINARY.content(cut, END)
        self.assertTrue(self.check(seen(short), sent))

    def test_the_end_has_to_be_there(self) -> None:
        self.assertTrue(self.check(seen(BINARY.content(0, END - 1)), lines(0, END)))
        self.assertEqual(self.check(seen(BINARY.content(0, END - 1)), lines(0, END), False), [])
        self.assertTrue(self.check(seen(BINARY.content(0, 2400)), lines(0, 2400, END)))

    @given(st.integers(0, END - 500), st.integers(1, 400))
    def test_a_gap_that_was_told_is_no_loss_if_it_is_exact(self, at: int, size: int) -> None:
        head, tail = BINARY.content(0, at), BINARY.content(at + size, END)
        good: list[Item] = [Seen(0, head), told(at, at + size), Seen(at + size, tail)]
        self.assertEqual(self.check(good, lines(0, END)), [])
        for wrong in (-1, 1):
            end = at + size + wrong
            bad: list[Item] = [Seen(0, head), told(at, end), Seen(end, tail)]
            self.assertTrue(self.check(bad, lines(0, END)))

    def test_a_hole_in_the_offsets_that_was_not_told(self) -> None:
        items: list[Item] = [Seen(0, BINARY.content(0, 100)), Seen(200, BINARY.content(200, END))]
        self.assertIn("no gap was told", "".join(self.check(items, lines(0, END))))

    def test_after_a_kill_offsets_jump_further_than_what_is_missing(self) -> None:
        for lost in (0, 1, 400):
            items: list[Item] = [
                Seen(0, BINARY.content(0, 1000)),
                told(1000, 9000, most=400),
                Seen(9000, BINARY.content(1000 + lost, END)),
            ]
            self.assertEqual(self.check(items, lines(0, END)), [])
        items[-1] = Seen(9000, BINARY.content(1401, END))
        self.assertTrue(self.check(items, lines(0, END)))

    def test_a_gap_may_stand_for_the_end_of_one_line_and_the_beginning_of_the_next(self) -> None:
        sent = lines(0, 1500, END)
        for size, good in ((499, False), (500, True), (1000, True), (1001, False)):
            items: list[Item] = [
                Seen(0, BINARY.content(0, 1000)),
                told(1000, 1000 + size),
                Seen(1000 + size, BINARY.content(2000, END)),
            ]
            # Of the first line 1000 to 1500 bytes came, of the second 500 are gone.
            self.assertEqual(not self.check(items, sent), good, size)

    def test_two_gaps_in_a_row(self) -> None:
        items: list[Item] = [
            Seen(0, BINARY.content(0, 100)),
            told(100, 150),
            told(150, 900, most=10),
            Seen(900, BINARY.content(155, END)),
        ]
        self.assertEqual(self.check(items, lines(0, END)), [])
        self.assertEqual(joined(items)[1], Gap(100, 900, 50, 60))


class PartOfTheOutput(SynchronousTestCase):
    @given(st.integers(0, END - 100), st.integers(60, 900))
    def test_it_begins_and_ends_anywhere(self, at: int, size: int) -> None:
        piece = BINARY.content(at, min(END, at + size))
        check = OutputCheck(BINARY, lines(0, 300, 2000, END)).check_part
        self.assertEqual(check(seen(piece, 7)), [])
        self.assertTrue(
            OutputCheck(BINARY, lines(0, END)).check_part(seen(piece[:50] + piece[51:]))
        )


class Offsets(SynchronousTestCase):
    def test_two_readers_agree_or_not(self) -> None:
        whole = BINARY.content(0, 1000)
        one: list[Item] = [Seen(0, whole[:500]), told(500, 600), Seen(600, whole[600:])]
        two: list[Item] = [Seen(400, whole[400:700])]
        self.assertEqual(disagreements("db1", one, two), [])
        two = [Seen(399, whole[400:700])]
        self.assertTrue(disagreements("db1", one, two))
        self.assertTrue(disagreements("db1", two, one))

    @given(st.binary(max_size=50), st.binary(max_size=50))
    def test_common_beginnings(self, one: bytes, other: bytes) -> None:
        size = common(one, other)
        self.assertEqual(one[:size], other[:size])
        longer = len(one) > size and len(other) > size
        self.assertFalse(longer and one[size] == other[size])


class Input(SynchronousTestCase):
    def check(self, received: bytes, *troubles: Trouble, count: int = 5) -> list[str]:
        typed = {"alice": Typist([Typed(number, float(number)) for number in range(count)])}
        pieces = [(2.5 + at, received[at : at + 1]) for at in range(len(received))]
        return InputCheck("web1", troubles).check(pieces, typed, ended=1000.0)

    def typed(self, *numbers: int) -> bytes:
        return b"".join(token("alice", number) for number in numbers)

    def test_all_of_it(self) -> None:
        self.assertEqual(self.check(self.typed(0, 1, 2, 3, 4)), [])

    def test_twice_out_of_order_or_from_nobody(self) -> None:
        self.assertTrue(self.check(self.typed(0, 1, 1, 2, 3, 4)))
        self.assertTrue(self.check(self.typed(0, 2, 1, 3, 4)))
        self.assertTrue(self.check(self.typed(0, 1, 2, 3, 4) + token("bob", 1)))

    def test_a_changed_or_lost_byte(self) -> None:
        whole = self.typed(0, 1, 2, 3, 4)
        for at in range(len(whole)):
            self.assertTrue(self.check(whole[:at] + whole[at + 1 :]), at)
            self.assertTrue(self.check(whole[:at] + b"?" + whole[at + 1 :]), at)

    def test_what_is_missing_needs_a_reason_at_its_time(self) -> None:
        short = self.typed(0, 1, 2, 4)
        self.assertTrue(self.check(short))
        self.assertEqual(self.check(short, Trouble(2.5, 3.5)), [])
        self.assertTrue(self.check(short, Trouble(0.0, 0.5)))
        self.assertEqual(self.check(self.typed(0, 1, 2), Trouble(4.0, 5.0)), [])

    def test_who_is_told_has_no_other_reason_than_what_he_was_told(self) -> None:
        typed = [Typed(number, float(number)) for number in range(5)]
        received = [(2.5 + number, token("alice", number)) for number in (0, 1, 2, 4)]
        check = InputCheck("web1", [Trouble(2.5, 3.5)])
        for told_at, problems in ((None, 1), (1.0, 1), (3.2, 0), (60.0, 1)):
            troubles = [] if told_at is None else [Trouble(told_at, told_at)]
            found = check.check(received, {"alice": Typist(typed, troubles, True)}, 1000.0)
            self.assertEqual(len(found), problems, told_at)

    def test_a_piece_of_what_was_lost(self) -> None:
        piece = token("alice", 3)[:9]
        cut = self.typed(0, 1, 2) + piece + self.typed(4)
        self.assertTrue(self.check(cut))
        self.assertEqual(self.check(cut, Trouble(2.5, 3.5)), [])
        junk = self.typed(0, 1, 2) + b"hello!" + self.typed(4)
        self.assertTrue(self.check(junk, Trouble(2.5, 3.5)))


class Terminal(SynchronousTestCase):
    def check(self, shown: bytes, *bounds: int) -> list[str]:
        return TerminalCheck(TEXT, lines(*(bounds or (0, 100 * TEXT.size)))).check(shown)

    def records(self, *numbers: int) -> bytes:
        return b"".join(TEXT.record(number) for number in numbers)

    def test_notices_among_it(self) -> None:
        shown = self.records(1, 2) + b"\r\n[web1 moved]\r\n" + self.records(3)
        self.assertEqual(self.check(shown), [])
        record = TEXT.record(2)
        shown = self.records(1) + record[:50] + b"\r\n[web1 moved]\r\n" + record[50:]
        self.assertEqual(self.check(shown + self.records(3)), [])

    def test_twice_or_missing(self) -> None:
        self.assertTrue(self.check(self.records(1, 2, 2, 3)))
        self.assertTrue(self.check(self.records(1, 3)))
        self.assertEqual(self.check(self.records(1) + b"[output lost: ...]" + self.records(5)), [])
        cut = 2 * TEXT.size + 9
        self.assertEqual(self.check(self.records(1, 4), 0, cut, 100 * TEXT.size), [])
