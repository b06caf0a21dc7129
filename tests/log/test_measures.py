"""What the log counts of itself for metrics: lags, queues, errors and gaps."""

import errno

from tests.log.test_log import FailingDisk, WholeLog


class UnsyncedDisk(FailingDisk):
    """Takes everything; whether it also keeps it is another question."""

    is_broken = False

    def sync(self, descriptor: int) -> None:
        if self.is_broken:
            raise OSError(errno.EIO, "Input/output error")
        super().sync(descriptor)


class Measured(WholeLog):
    def test_output_waits_from_its_batch_until_it_is_written(self) -> None:
        console, batches, clock = self.console(), self.logged.log.recorder.batches, self.world.clock
        self.tick()
        self.assertIsNone(batches.waiting_since)
        self.logged.writer.held = True
        began = clock.seconds()
        console.link.output(b"x" * 1000)
        clock.advance(0.05)
        console.link.output(b"y" * 1000)
        clock.advance(5)
        assert batches.waiting_since is not None
        self.assertLess(batches.waiting_since - began, 0.1)
        self.assertGreaterEqual(batches.most_queued, 2000)
        self.logged.writer.held = False
        self.logged.writer.catch_up()
        self.assertIsNone(batches.waiting_since)
        self.assertEqual(batches.queued, 0)
        self.assertGreaterEqual(batches.most_queued, 2000)

    def test_a_full_disk_counts_its_errors_and_a_gap_its_bytes(self) -> None:
        console, log = self.console(), self.logged.log
        self.tick()
        self.disk.error = errno.ENOSPC
        sent = 0
        while not sent or log.recorder._entry(console.id).gap is None:
            console.link.output(b"x" * 65536)
            sent += 65536
            self.tick(0.05)
        self.disk.error = None
        self.tick(1.5)
        console.link.output(b"after")
        self.tick()
        self.assertEqual(
            log.recorder.gap_bytes, sum(g.end - g.offset for g in self.gaps(console.id))
        )
        self.assertGreaterEqual(log.recorder.gap_bytes, 65536)
        self.assertGreaterEqual(log.writer.counts.failures, 1)


class Unsynced(WholeLog):
    def setUp(self) -> None:
        super().setUp()
        self.unsynced = UnsyncedDisk()
        self.logged.log.store.disk = self.unsynced

    def test_what_is_written_is_unsynced_until_the_disk_has_it(self) -> None:
        console, writer = self.console(), self.logged.writer
        self.tick(2)
        self.tick(2)
        self.assertIsNone(writer.unsynced_since)
        began = self.world.clock.seconds()
        console.link.output(b"x")
        self.tick()
        self.unsynced.is_broken = True
        for _ in range(20):  # the age is that of the oldest, however often it is tried
            console.link.output(b"y")
            self.tick(1.1)
        assert writer.unsynced_since is not None
        self.assertLess(writer.unsynced_since - began, 2.3)
        self.assertGreaterEqual(writer.counts.sync_failures, 10)
        self.unsynced.is_broken = False
        console.link.output(b"z")
        self.tick(1.1)
        self.tick(1.1)
        self.assertIsNone(writer.unsynced_since)
