"""Whose typed text it is, and which markers belong to an attachment."""

from collections.abc import Iterable

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.apps.verbs.session_view import SessionView
from vspc.console.attachment_records import AttachmentRecord, PenTake
from vspc.console.logs import Item, Marker, MarkerKind, Output

RECORD = AttachmentRecord(
    *("s1", "alice", "192.0.2.1", "c1", "web01", "default", "", "terminal", ""),
    began=100.0,
    offset=10,
    ended=200.0,
    end=50,
)

PENS = (
    PenTake(110, "s1", "alice"),
    PenTake(120, "s2", "carol"),
    PenTake(120, "s2", "carol", joins=True),
    PenTake(150, "s3", "alice"),
)


def marker(kind: MarkerKind, at: float, text: str, offset: int = 20) -> Marker:
    return Marker(offset, at, kind, text, offset)


def pen(at: float, text: str) -> Marker:
    return marker(MarkerKind.PEN, at, text)


def typed(at: float, text: str) -> Marker:
    return marker(MarkerKind.INPUT, at, f"typed: {text}")


class View(SynchronousTestCase):
    def view(self, *items: Item, record: AttachmentRecord = RECORD) -> list[Item]:
        view = SessionView(record, PENS, 10, 50)
        return [each for item in items for each in view.items(item)]

    def texts(self, items: Iterable[Item]) -> list[str]:
        shown = [each for each in items if isinstance(each, Marker)]
        return [each.text for each in shown if each.kind is MarkerKind.INPUT]

    def test_typed_text_is_of_who_took_the_pen_last(self) -> None:
        found = self.view(
            typed(105, "bob's"),
            pen(110, "alice types"),
            typed(112, "mine"),
            pen(115, "released"),
            typed(115.2, "late"),
            pen(150, "alice types"),
            typed(151, "of another session"),
        )
        self.assertEqual(self.texts(found), ["typed: mine", "typed: late"])

    def test_what_two_typed_who_had_joined_is_neithers(self) -> None:
        found = self.view(
            pen(110, "alice types"),
            pen(120, "carol types"),
            typed(121, "x"),
            pen(130, "alice types alone"),
            typed(131, "mine"),
        )
        self.assertEqual(self.texts(found), ["by one of 2: typed: x", "typed: mine"])
        found = self.view(pen(120, "carol types"), typed(121, "x"), pen(130, "carol types alone"))
        self.assertEqual(self.texts(found), [])

    def test_who_is_not_in_the_audit_file_is_somebody_else(self) -> None:
        found = self.view(pen(110, "alice types"), pen(140, "alice types"), typed(141, "?"))
        self.assertEqual(self.texts(found), [])

    def test_what_others_did_at_the_same_offsets_before_and_after(self) -> None:
        before = marker(MarkerKind.BREAK, 99, "by bob", 10)
        after = marker(MarkerKind.BREAK, 300, "by bob", 50)
        within = marker(MarkerKind.BREAK, 150, "by bob", 10)
        self.assertEqual(self.view(before, within, after), [within])
        cut = evolve(RECORD, ended=None, end=None, cut=250.0)
        self.assertEqual(self.view(within, after, record=cut), [within])
        late = [typed(200.1, "x"), pen(200.2, "released")]
        next_one = marker(MarkerKind.ATTACHED, 200.3, "bob from 192.0.2.2", 50)
        self.assertEqual(self.view(pen(110, "alice types"), *late, next_one)[1:], late)
        self.assertEqual(self.view(after, record=evolve(RECORD, ended=None, end=None)), [after])

    def test_its_own_beginning_and_end_are_there_once(self) -> None:
        view = SessionView(RECORD, PENS, 10, 50)
        mine = marker(MarkerKind.ATTACHED, 100.001, "alice from 192.0.2.1", 10)
        other = marker(MarkerKind.ATTACHED, 150, "alice from 192.0.2.1", 10)
        self.assertEqual(list(view.items(mine)), [])
        self.assertEqual(list(view.items(other)), [other])
        self.assertEqual(list(view.items(marker(MarkerKind.LEFT, 200.2, "alice", 50))), [])
        self.assertEqual(view.begin().text, mine.text)
        self.assertEqual([each.text for each in view.finish()], ["alice"])

    def test_what_came_before_was_shown_when_it_began(self) -> None:
        [shown] = self.view(Output(10, 5.0, b"x"))
        self.assertEqual(shown, Output(10, 100.0, b"x"))

    @given(
        st.lists(
            st.builds(
                marker,
                st.sampled_from(list(MarkerKind)),
                st.floats(0, 400),
                st.sampled_from(["alice types", "carol types", "alice types alone", "released"])
                | st.text(max_size=5),
                st.integers(10, 50),
            )
        )
    )
    def test_nothing_is_typed_before_the_pen_was_taken(self, items: list[Marker]) -> None:
        found = self.view(*items)
        is_typed = lambda item: isinstance(item, Marker) and item.kind is MarkerKind.INPUT  # noqa: E731
        takes = [
            n
            for n, item in enumerate(found)
            if isinstance(item, Marker)
            and item.kind is MarkerKind.PEN
            and item.text.startswith("alice types")
        ]
        for number, item in enumerate(found):
            if is_typed(item):
                self.assertTrue(takes and takes[0] < number)
