"""A whole log while memory runs out, at each place where it needs some."""

import errno
import os
from collections.abc import Callable
from typing import Any

from tests.fakes import World
from tests.log.inline import Logged
from tests.log.support import bytes_of
from tests.log.test_log import FailingDisk, WholeLog
from vspc.console.console import Console
from vspc.log import recorder, records
from vspc.log.batches import Batch
from vspc.log.entry import LARGEST_AHEAD
from vspc.log.records import Record, batch_parts
from vspc.log.writer import RETRY


class ShortDisk(FailingDisk):
    """While `is_short` half of what is to be written is, and then there is no memory."""

    is_short = False

    def _write(self, descriptor: int, parts: tuple[bytes, ...]) -> None:  # type: ignore[override]
        if self.is_short:
            data = b"".join(parts)
            os.write(descriptor, data[: len(data) // 2])
            raise MemoryError
        super()._write(descriptor, parts)


class NoMemory(WholeLog):
    """As a disk that fails: it is told, tried again, and nothing is lost, doubled or torn."""

    def setUp(self) -> None:
        super().setUp()
        self.short_disk = ShortDisk()
        self.logged = Logged(self.world, self.settings, self.short_disk)
        self.addCleanup(self.logged.close)
        self.failing = False
        self.patch(records, "batch_parts", self.while_failing(records.batch_parts))

    def while_failing(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            if self.failing:
                raise MemoryError
            return call(*arguments)

        return run

    def short(self, console: Console, said: bytes) -> None:
        """It says so, and for a while nothing can be written."""
        for _ in range(10):
            console.link.output(said)
            self.tick(0.5)

    def recovered(self, console: Console, wanted: bytes) -> None:
        self.failing = self.short_disk.is_short = False
        self.tick(1.5)
        console.link.output(b"after")
        self.tick()
        self.assertEqual(self.logged.event_names, ["log-failing", "log-recovered"])
        self.assertEqual(self.logged.events[0][1]["error"], os.strerror(errno.ENOMEM))
        self.assertEqual(self.logged.writer.waiting, 0)
        self.assertEqual(bytes_of(self.items(console.id)), wanted + b"after")
        self.assertEqual((self.gaps(console.id), self.world.failures), ([], 0))
        self.logged.restart(World(), clean=False)
        self.assertEqual(bytes_of(self.items(console.id)), wanted + b"after")

    def test_for_a_batch(self) -> None:
        console = self.console()
        console.link.output(b"before ")
        self.tick()
        self.failing = True
        self.short(console, b"during ")
        self.recovered(console, b"before " + b"during " * 10)

    def test_in_the_middle_of_a_write(self) -> None:
        console = self.console()
        console.link.output(b"before ")
        self.tick()
        self.short_disk.is_short = True
        self.short(console, b"during ")
        self.recovered(console, b"before " + b"during " * 10)

    def test_for_what_was_written(self) -> None:
        class Full(list[Record]):
            def append(self, _record: Record) -> None:
                raise MemoryError

        console = self.console()
        console.link.output(b"before ")
        self.tick()
        kept = self.logged.log.store.logs[bytes.fromhex(console.id)]
        kept.pending, pending = Full(kept.pending), kept.pending
        console.link.output(b"during ")
        self.tick()
        kept.pending = pending
        self.recovered(console, b"before during ")

    def test_for_the_answer_to_those_who_wait(self) -> None:
        console, waits = self.console(), self.logged.log.recorder.batches
        self.tick()
        waits.in_reactor = self.while_failing(waits.in_reactor)
        self.patch(records, "batch_parts", batch_parts)
        console.link.output(b"during ")
        written = list[tuple[int, int]]()
        self.logged.log.recorder.when_written(console.id, lambda *part: written.append(part))
        self.failing = True
        self.tick()
        self.assertEqual(bytes_of(self.items(console.id)), b"during ")
        self.assertEqual(written, [])
        self.assertLessEqual(self.logged.writer.delay(), RETRY)
        self.failing = False
        self.tick(RETRY)
        self.assertEqual(written, [(0, len(b"during "))])
        self.assertEqual((waits.queued, waits.waiting_since), (0, None))
        self.assertEqual((self.logged.event_names, self.world.failures), ([], 0))

    def test_for_output_is_a_gap_from_offset_to_offset(self) -> None:
        console = self.console()
        console.link.output(b"before ")
        self.tick()
        self.patch(recorder, "new_record", self.while_failing(records.new_record))
        self.failing = True
        console.link.output(b"lost ")
        console.link.output(b"too ")
        self.failing = False
        console.link.output(b"after")
        self.tick()
        (gap,) = self.gaps(console.id)
        self.assertEqual((gap.offset, gap.end), (len(b"before "), len(b"before lost too ")))
        self.assertEqual(bytes_of(self.items(console.id)), b"before after")
        self.assertEqual(console.history.read(0, 100), b"before lost too after")

    def test_for_a_gap_it_begins_where_it_began(self) -> None:
        console = self.console()
        console.link.output(b"before ")
        self.tick()
        self.failing = True
        for name in ("new_record", "gap"):
            failing = self.patch(recorder, name, self.while_failing(getattr(records, name)))
            console.link.output(b"lost ")
            failing.restore()
        self.failing = False
        console.link.output(b"after")
        self.tick()
        (gap,) = self.gaps(console.id)
        self.assertEqual((gap.offset, gap.end), (len(b"before "), len(b"before lost lost ")))
        self.assertEqual(bytes_of(self.items(console.id)), b"before after")
        self.assertEqual(self.logged.log.recorder.gap_bytes, gap.end - gap.offset)

    def test_to_hand_a_batch_over_it_is_handed_over_later(self) -> None:
        console, hands = self.console(), self.logged.log.recorder.batches
        self.tick()
        hands.put = self.while_failing(hands.put)
        self.failing = True
        console.link.output(b"during ")
        self.tick()
        self.assertEqual(bytes_of(self.items(console.id)), b"")
        self.assertIsNone(hands.waiting_since)
        self.failing = False
        self.tick()
        self.assertEqual((hands.queued, hands.waiting_since), (0, None))
        self.assertEqual(bytes_of(self.items(console.id)), b"during ")
        self.assertEqual(self.gaps(console.id), [])

    def test_to_wake_the_thread_nothing_is_taken(self) -> None:
        taken, writer = list[Batch](), self.logged.writer
        writer.held = True
        batch = Batch([], 10, taken.append)
        failing = self.patch(writer._worker, "wake", self.while_failing(writer._worker.wake))
        self.failing = True
        self.assertRaises(MemoryError, writer.put, batch)
        failing.restore()
        self.assertEqual((writer.waiting, writer.take()), (0, []))
        writer.put(batch)
        self.assertEqual((writer.waiting, writer.take()), (10, [batch]))

    def test_for_a_reserve_of_offsets_the_next_byte_writes_it(self) -> None:
        for number, size in enumerate((8, 1), 1):  # kept, and more than may wait
            self.reserved_after(self.console(number), size)

    def reserved_after(self, console: Console, size: int) -> None:
        self.tick()
        failing = self.patch(recorder, "reserve", self.while_failing(records.reserve))
        self.failing = True
        console.link.output(b"x" * (LARGEST_AHEAD // size))
        self.failing = False
        failing.restore()
        console.link.output(b"after")
        self.tick()
        kept = self.logged.log.store.logs[bytes.fromhex(console.id)]
        self.assertGreater(kept.announced, console.history.end)
