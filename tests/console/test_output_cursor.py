"""A reader's place in a console's output: bytes, notices, losses and the end, in their order."""

from twisted.trial.unittest import SynchronousTestCase

from vspc.console.history import Budget, History
from vspc.console.notices import Notice
from vspc.console.output_cursor import Ended, Lost, OutputChunk, OutputCursor


class Reading(SynchronousTestCase):
    def setUp(self) -> None:
        self.history = History(Budget(), 4096)
        self.cursor = OutputCursor(self.history, 0)

    def rest(self, limit: int = 4096) -> list[object]:
        """Everything that it has until there is nothing, or the end."""
        shown = list[object]()
        while (thing := self.cursor.next(limit)) is not None:
            shown.append(thing)
            if isinstance(thing, Ended):
                break
        return shown

    def test_nothing_is_pending_before_the_first_byte(self) -> None:
        self.assertFalse(self.cursor.pending)
        self.assertEqual(self.rest(), [])

    def test_a_limit_cuts_output_and_the_rest_follows(self) -> None:
        self.history.append(b"abcdef")
        self.assertTrue(self.cursor.pending)
        self.assertEqual(self.rest(4), [OutputChunk(0, b"abcd"), OutputChunk(4, b"ef")])
        self.assertFalse(self.cursor.pending)

    def test_a_notice_comes_between_what_was_sent_before_and_after(self) -> None:
        self.history.append(b"before")
        self.cursor.show(Notice("here"))
        self.history.append(b"after")
        expected = [OutputChunk(0, b"before"), Notice("here"), OutputChunk(6, b"after")]
        self.assertEqual(self.rest(), expected)

    def test_what_the_history_no_longer_has_is_lost_from_offset_to_offset(self) -> None:
        self.history.append(b"a" * 4096)
        self.history.append(b"b" * 10)
        self.assertEqual(self.rest(4096)[0], Lost(0, 10))
        self.assertEqual(self.cursor.offset, 4106)

    def test_a_gap_is_shown_where_it_was_and_with_its_reason(self) -> None:
        self.history.append(b"ab")
        self.history.skip(3)
        self.cursor.lose(2, 5, "too early")
        self.history.append(b"cd")
        # A history keeps nothing from before a gap.
        expected = [Lost(0, 2), Lost(2, 5, "too early"), OutputChunk(5, b"cd")]
        self.assertEqual(self.rest(), expected)

    def test_a_gap_that_was_read_past_is_not_shown(self) -> None:
        self.history.skip(3)
        self.cursor.lose(0, 3, "too early")
        self.cursor.offset = 3  # from the log
        self.assertEqual(self.rest(), [])

    def test_it_ends_where_it_was_told_to_and_only_there(self) -> None:
        self.assertIsNone(self.cursor.last)
        self.history.append(b"last")
        self.cursor.end("forgotten")
        self.history.append(b"later")
        self.cursor.end("again")
        self.assertEqual(self.cursor.last, 4)
        self.assertEqual(self.rest(), [OutputChunk(0, b"last"), Ended("forgotten")])

    def test_output_that_is_skipped_does_not_take_notices_with_it(self) -> None:
        self.history.append(b"unseen")
        self.cursor.show(Notice("seen"))
        self.cursor.skip()
        self.assertEqual(self.cursor.newest_notice, "seen")
        self.assertEqual(self.rest(), [Notice("seen")])
        self.assertEqual(self.cursor.newest_notice, "")
