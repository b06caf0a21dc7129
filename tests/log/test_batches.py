"""Batches of records: handed over in time, and when the reactor sees that they are written."""

from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from tests.fakes import FakeClock
from vspc.log.batches import BATCH_SIZE, BATCH_TIME, Batch, RecordBatches
from vspc.log.entry import RecorderEntry
from vspc.log.records import DATA, Record


class Batches(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = FakeClock()
        self.taken: list[Batch] = []
        self.calls: list[Callable[[], None]] = []
        self.batches = RecordBatches(self.clock, self.taken.append, self.calls.append)
        self.entry = RecorderEntry(bytes(8), True)
        self.told: list[int] = []
        self.batches.written = lambda: self.told.append(self.entry.queued)

    def say(self, size: int = 10) -> None:
        self.batches.add(self.entry, Record(DATA, self.entry.id, 0, 0, b"x" * size))

    def write(self) -> None:
        """The log's thread writes what it has."""
        taken, self.taken[:] = list(self.taken), []
        for batch in taken:
            batch.written(batch)

    def test_what_comes_within_the_time_is_one_batch(self) -> None:
        self.say()
        self.clock.advance(BATCH_TIME / 2)
        self.say()
        self.assertEqual(self.taken, [])
        self.clock.advance(BATCH_TIME / 2)
        self.assertEqual([len(batch.records) for batch in self.taken], [2])

    def test_a_large_batch_goes_at_once_and_the_reactor_is_woken_when_it_is_written(self) -> None:
        self.say(BATCH_SIZE)
        self.assertEqual(len(self.taken), 1)
        self.write()
        (collect,) = self.calls
        collect()
        self.assertEqual((self.told, self.batches.unwritten), ([0], 0))

    def test_a_small_one_wakes_nobody_and_is_counted_when_the_next_is_due(self) -> None:
        self.say()
        self.clock.advance(BATCH_TIME)
        self.write()
        self.assertEqual((self.calls, self.told), ([], []))
        self.say()
        waits = self.entry.queued
        self.clock.advance(BATCH_TIME)
        self.assertEqual((self.calls, self.told), ([], [waits // 2]))

    def test_who_asks_is_told_what_is_written(self) -> None:
        self.say()
        self.clock.advance(BATCH_TIME)
        self.assertIsNotNone(self.batches.waiting_since)
        self.write()
        self.assertEqual((self.batches.queued, self.batches.waiting_since), (0, None))
        self.assertEqual(self.calls, [])

    def test_while_somebody_waits_the_reactor_is_woken(self) -> None:
        self.say()
        self.clock.advance(BATCH_TIME)
        self.batches.hasten()
        self.clock.advance(0)
        self.assertEqual(self.told, [])
        self.write()
        (collect,) = self.calls
        collect()
        self.assertEqual(self.told, [0])

    def test_what_was_written_just_before_is_seen_in_the_next_turn(self) -> None:
        self.say()
        self.clock.advance(BATCH_TIME)
        self.write()
        self.batches.hasten()
        self.assertEqual((self.calls, self.told), ([], []))
        self.clock.advance(0)
        self.assertEqual(self.told, [0])

    def test_no_call_of_another_comes_while_something_is_added(self) -> None:
        self.say()
        self.clock.advance(BATCH_TIME)
        self.write()
        self.say(BATCH_SIZE)
        self.assertEqual((len(self.taken), self.told), (1, []))

    def test_it_is_handed_over_though_who_is_told_has_no_memory(self) -> None:
        self.say()
        self.clock.advance(BATCH_TIME)
        self.write()
        self.batches.written = self.short
        self.say()
        self.assertRaises(MemoryError, self.clock.advance, BATCH_TIME)
        self.assertEqual([len(batch.records) for batch in self.taken], [1])

    def short(self) -> None:
        raise MemoryError
