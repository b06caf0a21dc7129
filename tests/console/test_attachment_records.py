"""Attachments out of the events of the audit file: which detach belongs to which attach."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.common.clock import rfc3339
from vspc.console.attachment_records import (
    LIMIT,
    AttachmentRecord,
    AttachmentRecords,
    PenTake,
    event_time,
    pen_take,
)

EPOCH = 1_700_000_000.0


def event(name: str, seq: int, at: float, session: str = "s1", **more: object) -> dict[str, object]:
    return {
        "time": rfc3339(EPOCH + at, "microseconds"),
        "seq": seq,
        "event": name,
        "session": session,
        "operator": "alice",
        "address": "192.0.2.1",
        "console": "c1",
        "name": "web01",
        "zone": "default",
    } | more


class Records(SynchronousTestCase):
    def setUp(self) -> None:
        self.records = AttachmentRecords()

    def feed(self, *events: dict[str, object]) -> list[AttachmentRecord]:
        for each in events:
            self.records.feed(each)
        return list(self.records)

    def test_of_two_at_once_each_gets_its_end(self) -> None:
        first, second = self.feed(
            event("attach", 1, 0, offset=10),
            event("attach", 2, 5, offset=20),
            event("input", 3, 6, bytes=7),
            event("detach", 4, 9, offset=30, seconds=4.0),
            event("detach", 5, 20, offset=40, seconds=20.0),
        )
        self.assertEqual((first.id, first.offset, first.end), ("s1.1", 10, 40))
        self.assertEqual((second.id, second.offset, second.end), ("s1.2", 20, 30))
        self.assertEqual((first.typed, second.typed), (0, 7))
        self.assertEqual((second.began - EPOCH, second.ended), (5, EPOCH + 9))

    def test_sessions_and_consoles_are_told_apart(self) -> None:
        self.feed(
            event("attach", 1, 0, offset=0),
            event("attach", 2, 0, offset=0, session="s2"),
            event("attach", 3, 0, offset=0, console="c2"),
        )
        found = self.feed(event("detach", 4, 1, offset=5, seconds=1.0, console="c2"))
        self.assertEqual([each.end for each in found], [None, None, 5])

    def test_an_end_without_a_beginning(self) -> None:
        [record] = self.feed(event("detach", 9, 100, offset=7, seconds=60))
        self.assertEqual((record.id, record.offset, record.end), ("s1.9", None, 7))
        self.assertEqual(record.began, EPOCH + 40)
        self.assertTrue(record.is_called("s1.9"))

    def test_both_numbers_are_its_name(self) -> None:
        [record] = self.feed(
            event("attach", 1, 0, offset=0), event("detach", 2, 1, offset=5, seconds=1.0)
        )
        for name, is_called in (("s1.1", True), ("s1.2", True), ("s1.3", False), ("s1", False)):
            self.assertEqual(record.is_called(name), is_called)
        self.assertFalse(record.is_called("s1.None"))

    def test_a_start_cuts_what_has_not_ended(self) -> None:
        record, other = self.feed(
            event("attach", 1, 0, offset=0),
            event("start", 2, 50),
            event("attach", 3, 60, offset=0),
        )
        self.assertEqual((record.cut, record.ended, other.cut), (EPOCH + 50, None, None))

    def test_it_is_bounded(self) -> None:
        for number in range(LIMIT + 3):
            self.records.feed(event("attach", number, number, offset=0))
        self.assertEqual((len(list(self.records)), self.records.dropped), (LIMIT, 3))
        self.assertEqual(sum(map(len, self.records._open.values())), LIMIT)

    @settings(max_examples=40)
    @given(
        st.lists(
            st.dictionaries(
                st.sampled_from(
                    (
                        *("time", "seq", "event", "session", "operator", "address", "console"),
                        *("name", "zone", "offset", "seconds", "bytes", "kind", "result"),
                    )
                ),
                st.one_of(
                    st.sampled_from(["attach", "detach", "input", "start", "pen", "taken"]),
                    st.sampled_from(["2023-11-14T22:13:20Z", "0001-01-01T00:00:00+23:00"]),
                    st.integers(-1, 1 << 70),
                    st.floats(),
                    st.none(),
                    st.text(max_size=3),
                    st.lists(st.none(), max_size=1),
                ),
            ),
            max_size=4,
        )
    )
    def test_any_event_is_taken(self, events: list[dict[str, object]]) -> None:
        records = AttachmentRecords()
        for each in events:
            records.feed(each)
            pen_take(each, "c1")
            event_time(each)
        json.dumps([[each.id, each.began, each.typed] for each in records])


class Pens(SynchronousTestCase):
    def test_only_who_takes_it_on_that_console(self) -> None:
        take = PenTake(EPOCH, "s1", "alice")
        for one, expected in (
            (event("pen", 1, 0, result="taken"), take),
            (event("force", 1, 0, from_operator="bob"), take),
            (event("pen", 1, 0, result="laid"), None),
            (event("pen", 1, 0, result="taken", console="c2"), None),
            (event("attach", 1, 0), None),
        ):
            self.assertEqual(pen_take(one, "c1"), expected)
