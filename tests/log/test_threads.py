"""The log's threads: they end in time whatever the disk does, and go on after failures."""

import threading
from collections.abc import Callable
from pathlib import Path

from attrs import define, field
from twisted.trial.unittest import SynchronousTestCase

from vspc.common import worker
from vspc.common.files import Disk
from vspc.console.logs import About, LogPage, LogView, Marker, MarkerKind
from vspc.log import writer
from vspc.log.batches import Batch
from vspc.log.records import DATA, Record
from vspc.log.sinks import feeder
from vspc.log.sinks.feeder import Feeder
from vspc.log.sinks.progress import load as load_cursors
from vspc.log.startup import load
from vspc.log.store import Store
from vspc.log.writer import LogWriter

CONSOLE = bytes(7) + b"\x01"
LATE = 30.0


class StallingDisk(Disk):
    """Writes wait for `go_on`; `syncs` counts."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()
        self.go_on.set()
        self.stalled = threading.Event()
        self.synced = threading.Semaphore(0)

    def write(self, descriptor: int, *parts: bytes) -> None:
        if not self.go_on.is_set():
            self.stalled.set()
            self.go_on.wait(LATE)
        super().write(descriptor, *parts)

    def sync(self, descriptor: int) -> None:
        super().sync(descriptor)
        self.synced.release()


class Writing(SynchronousTestCase):
    """A `LogWriter` with its thread."""

    def setUp(self) -> None:
        self.root = Path(self.mktemp())
        self.disk = StallingDisk()
        self.events: list[str] = []
        self.failures = threading.Semaphore(0)
        self.written = threading.Semaphore(0)
        self.offset = 0
        self.writer = LogWriter(
            self.store(),
            "always",
            1.0,
            lambda event, _facts: self.events.append(event),
            self.failures.release,
        )
        self.addCleanup(self.disk.go_on.set)

    def store(self) -> Store:
        store = Store(self.root, self.disk, lambda event, _: self.events.append(event), boot_id="b")
        load(store)
        return store

    def say(self, data: bytes = b"x") -> None:
        record = Record(DATA, CONSOLE, self.offset, 1_700_000_000_000_000, data)
        self.offset += len(data)
        self.writer.put(Batch([record], len(data), lambda _: self.written.release()))

    def reopened(self) -> bytes:
        """What the next process finds, which has no gap."""
        log = self.store().logs[CONSOLE]
        self.assertEqual({record.code for record in log.pending}, {DATA})
        return b"".join(record.payload for record in log.pending)

    def test_what_waits_at_the_end_is_written_in_order_before_the_last_record(self) -> None:
        self.writer.start()
        for number in range(100):
            self.say(b"%d\n" % number)
        self.writer.stop()
        self.assertEqual(self.reopened(), b"".join(b"%d\n" % number for number in range(100)))
        self.assertEqual(self.events, [])

    def test_a_disk_that_does_not_answer_does_not_keep_the_process_from_ending(self) -> None:
        self.patch(writer, "STOP_TIMEOUT", 0.05)
        self.writer.start()
        self.disk.go_on.clear()
        self.say()
        self.assertTrue(self.disk.stalled.wait(LATE))
        self.writer.stop()
        self.assertEqual(self.events, ["log-not-closed"])

    def test_a_defect_is_reported_and_what_comes_next_is_written(self) -> None:
        self.patch(worker, "PAUSE", 0.01)

        def defect() -> str | None:
            self.writer.floor = lambda: None
            raise ZeroDivisionError

        self.writer.floor = defect
        self.writer.start()
        self.say()
        self.assertTrue(self.failures.acquire(timeout=LATE))
        self.say()
        self.assertTrue(self.written.acquire(timeout=LATE))
        self.writer.stop()
        self.assertEqual(self.reopened(), b"xx")

    def test_where_the_system_has_no_thread_more_it_syncs_all_the_same(self) -> None:
        class Barred(threading.Thread):
            def start(self) -> None:
                raise RuntimeError("can't start new thread")

        self.writer.start()
        self.patch(worker, "Thread", Barred)
        self.say()
        self.assertTrue(self.disk.synced.acquire(timeout=LATE))
        self.writer.stop()
        self.assertFalse(self.failures.acquire(blocking=False))


@define(eq=False)
class Source:
    """One log with a marker, and no more news."""

    woken: threading.Event = field(factory=threading.Event)

    def wait(self, timeout: float) -> set[str]:
        self.woken.wait(timeout)
        return set()

    def wake(self) -> None:
        self.woken.set()

    def ends(self) -> dict[str, int]:
        return {CONSOLE.hex(): 10}

    def about(self, console_id: str) -> About | None:
        return About(console_id, "web01", "web01", "default", None, "")

    def view(self, console_id: str) -> LogView:
        del console_id
        return OneMarker()  # type: ignore[return-value]


class OneMarker:
    """What a feeder asks of a view."""

    end = 10

    def read(self, offset: int, limit: int, until: int | None = None) -> LogPage:
        del offset, limit, until
        return LogPage((Marker(10, 1.7e9, MarkerKind.NOTE, "here", 10),), 10, ended=True)


@define(eq=False)
class FakeOutlet:
    """Calls `on_write`, and keeps whether it was closed."""

    on_write: Callable[[], object]
    closed: threading.Event = field(factory=threading.Event)

    def write(self, about: About, items: object) -> None:
        self.on_write()

    def waiting(self) -> int:
        return 0

    def reopen(self) -> None:
        """Nothing is open."""

    def close(self) -> None:
        self.closed.set()


class Feeding(SynchronousTestCase):
    """A `Feeder` with its thread, whose outlet has not got the marker yet."""

    def begin(self, on_write: Callable[[], object]) -> FakeOutlet:
        self.cursors = Path(self.mktemp())
        self.cursors.write_text('{"version": 1, "cursors": {}}')
        self.failures = 0
        outlet = FakeOutlet(on_write)
        self.feeder = Feeder("x", outlet, Source(), self.cursors, lambda *_: None, self.fail_inside)
        self.feeder.start()
        return outlet

    def fail_inside(self) -> None:
        self.failures += 1

    def test_at_the_end_its_cursors_are_kept_and_the_outlet_is_closed(self) -> None:
        wrote = threading.Event()
        outlet = self.begin(wrote.set)
        self.assertTrue(wrote.wait(LATE))
        self.feeder.stop()
        self.assertTrue(outlet.closed.is_set())
        self.assertEqual(load_cursors(self.cursors), {CONSOLE.hex(): 10})
        self.assertEqual(self.failures, 0)

    def test_an_outlet_that_stalls_does_not_keep_the_process_from_ending(self) -> None:
        self.patch(feeder, "STOP_TIMEOUT", 0.05)
        stalled, go_on = threading.Event(), threading.Event()
        self.addCleanup(go_on.set)

        def stall() -> None:
            stalled.set()
            go_on.wait(LATE)

        outlet = self.begin(stall)
        self.assertTrue(stalled.wait(LATE))
        self.feeder.stop()
        self.assertFalse(outlet.closed.is_set())
        go_on.set()
        self.assertTrue(outlet.closed.wait(LATE))
