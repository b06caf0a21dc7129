"""The file of a panic: what is written is read; what is damaged costs itself only, and is told."""

from collections.abc import Iterable

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.console.logs import Item, Marker, MarkerKind, Output
from vspc.console.panics import PanicRecord
from vspc.log.panic_file import (
    DAMAGED,
    FRAME,
    UNKNOWN,
    PanicContents,
    PanicView,
    pack,
    read_facts,
    unpack,
)
from vspc.log.records import MalformedRecord

NAMED = PanicRecord("0123456789abcdef", 3, 0.0, "", "", 0)
AT = 1_700_000_000.0


def stream(sizes: Iterable[int], start: int = 1000) -> list[Item]:
    """Output and markers, one after the other; a size below 0 is a gap, 0 a marker."""
    items, at = list[Item](), start
    for number, size in enumerate(sizes):
        time = AT + number
        if size > 0:
            items.append(Output(at, time, bytes((at + each) % 251 for each in range(size))))
        else:
            kind = MarkerKind.GAP if size else MarkerKind.NOTE
            items.append(Marker(at, time, kind, "why", at - size))
        at = items[-1].end
    return items


def record_of(items: list[Item]) -> PanicRecord:
    start, end = (items[0].offset, items[-1].end) if items else (0, 0)
    return evolve(
        NAMED, at=AT, pattern="panic", line="Kernel panic", offset=5, start=start, end=end
    )


def output_of(items: Iterable[Item]) -> bytes:
    return b"".join(item.data for item in items if isinstance(item, Output))


SIZES = st.lists(st.integers(-3, 40), max_size=12)


class Files(SynchronousTestCase):
    @given(SIZES)
    def test_what_is_written_is_read(self, sizes: list[int]) -> None:
        items = stream(sizes)
        record = record_of(items)
        data = pack(record, items)
        found = unpack(data, NAMED)
        self.assertEqual(list(found.items), items)
        self.assertEqual(found.record, evolve(record, size=len(data)))
        self.assertEqual(found.damage, ())
        self.assertEqual(read_facts(data[:300], NAMED), record)

    def test_long_output_is_in_frames(self) -> None:
        items = stream([3 * FRAME + 7])
        found = unpack(pack(record_of(items), items), NAMED)
        self.assertEqual(output_of(found.items), output_of(items))
        self.assertEqual(len(found.items), 4)

    @given(SIZES, st.data())
    def test_any_damage_is_an_answer(self, sizes: list[int], data: st.DataObject) -> None:
        items = stream(sizes)
        whole = bytearray(pack(record_of(items), items))
        del whole[data.draw(st.integers(0, len(whole))) :]
        for place in data.draw(
            st.lists(st.integers(0, len(whole) - 1 if whole else 0), max_size=3)
        ):
            whole[place : place + 1] = b"\xff"
        try:
            found = unpack(bytes(whole), NAMED)
        except MalformedRecord:
            return
        view, at = PanicView(found), -1
        for item in found.items:
            self.assertTrue(at in (-1, item.offset))
            at = item.end
        self.assertLessEqual(view.start, view.end)
        true = {item.offset: item.data for item in items if isinstance(item, Output)}
        for item in found.items:
            if isinstance(item, Output):
                self.assertEqual(item.data, true[item.offset])

    def test_a_damaged_frame_is_a_gap(self) -> None:
        items = stream([FRAME, FRAME, FRAME])
        whole = bytearray(pack(record_of(items), items))
        whole[FRAME + 5000] ^= 1
        found = unpack(bytes(whole), NAMED)
        kinds = [type(item).__name__ for item in found.items]
        self.assertEqual(kinds, ["Output", "Marker", "Output"])
        gap = found.items[1]
        assert isinstance(gap, Marker)
        self.assertEqual(
            (gap.kind, gap.text, gap.end - gap.offset), (MarkerKind.GAP, DAMAGED, FRAME)
        )
        self.assertEqual(len(found.damage), 1)

    def test_an_end_that_is_missing_is_a_gap(self) -> None:
        items = stream([FRAME, FRAME])
        whole = pack(record_of(items), items)
        found = unpack(whole[:-10], NAMED)
        self.assertEqual(found.items[-1].end, record_of(items).end)
        self.assertEqual(found.record.end, record_of(items).end)

    def test_facts_that_are_damaged_are_made_from_the_rest(self) -> None:
        items = stream([100])
        whole = bytearray(pack(record_of(items), items))
        whole[30] ^= 1
        self.assertIsNone(read_facts(bytes(whole), NAMED))
        record = unpack(bytes(whole), NAMED).record
        self.assertEqual((record.number, record.at, record.line), (3, AT, UNKNOWN))
        self.assertEqual((record.start, record.end), (1000, 1100))

    def test_what_is_no_such_file(self) -> None:
        for data in (b"", b"vspcjrn1", pack(record_of([]), [])[:12]):
            self.assertRaises(MalformedRecord, unpack, data, NAMED)


class Views(SynchronousTestCase):
    def view(self, items: list[Item]) -> PanicView:
        return PanicView(PanicContents(record_of(items), tuple(items)))

    @given(SIZES, st.integers(0, 60), st.integers(1, 50), st.none() | st.integers(0, 200))
    def test_pages_join(self, sizes: list[int], back: int, limit: int, until: int | None) -> None:
        items = stream(sizes)
        view = self.view(items)
        stop = view.end if until is None else min(view.end, 1000 + until)
        at, found, rounds = max(1000, view.end - back), list[Item](), 0
        first = at
        while True:
            page = view.read(at, limit, None if until is None else 1000 + until)
            found += page.items
            rounds += 1
            self.assertLess(rounds, 500)
            self.assertTrue(page.ended or page.next > at or page.items)
            at = page.next
            if page.ended:
                break
        expected = b"".join(
            item.data[max(0, first - item.offset) : max(0, stop - item.offset)]
            for item in items
            if isinstance(item, Output)
        )
        self.assertEqual(output_of(found), expected)
        self.assertTrue(all(item.offset >= first for item in found))

    def test_times_and_lines(self) -> None:
        items: list[Item] = [
            Output(10, 1.0, b"one\ntw"),
            Marker(16, 1.5, MarkerKind.NOTE, "x", 16),
            Output(16, 2.0, b"o\nthree\n"),
        ]
        view = self.view(items)
        self.assertEqual([view.since(at) for at in (0.5, 1.5, 3.0)], [10, 16, 24])
        self.assertEqual([view.last_lines(n, 100) for n in (1, 2, 3, 9)], [18, 14, 10, 10])
        self.assertEqual(view.last_lines(9, 5), 19)
        self.assertEqual(view.markers([MarkerKind.NOTE]), [items[1]])
        self.assertEqual(view.markers([MarkerKind.BOOT]), [])
