"""Batches of records on their way to the log's thread, and what of them is not written yet.

The thread wakes the reactor for what is written only where somebody waits for that, or it is much.
What else is written is seen when the next batch is due: to be woken takes longer than to look.
"""

from collections import deque
from collections.abc import Callable, Sequence

from attrs import define, field

from vspc.common.clock import Cancellable, Clock, cancel
from vspc.log.entry import RecorderEntry
from vspc.log.records import Record

BATCH_TIME = 0.02
"""Seconds after which a batch goes to the log's thread."""

BATCH_SIZE = 256 * 1024
"""Bytes at which it goes at once."""

OVERHEAD = 64
"""Bytes of memory that a record takes beside its payload, about."""


@define(eq=False)
class Batch:
    """Records of some milliseconds, of `size` bytes; `written` is called once they are. Of one that
    is written in part the `records` that are left stay.
    """

    records: Sequence[Record]
    size: int
    written: Callable[["Batch"], None]


@define(eq=False)
class _HandedOver:
    """A batch that the thread has, since `at`; `shares`: how much of it is of which console."""

    at: float
    size: int
    shares: dict[RecorderEntry, int]
    is_written: bool = False


@define(eq=False)
class RecordBatches:
    """`put` hands a batch to the log's thread; `in_reactor` makes a call, from any thread.

    `unwritten`: bytes that were not known to be written when `collect` was called last. `written`
    is called when there are fewer, in a turn of its own; soon, after `hasten`.
    """

    clock: Clock
    put: Callable[[Batch], None]
    in_reactor: Callable[[Callable[[], None]], None]
    written: Callable[[], None] = field(default=lambda: None, init=False)
    hastened: bool = field(default=False, init=False)
    unwritten: int = field(default=0, init=False)
    most_queued: int = field(default=0, init=False)
    _records: list[Record] = field(factory=list, init=False)
    _size: int = field(default=0, init=False)
    _shares: dict[RecorderEntry, int] = field(factory=dict, init=False)
    _handed: deque[_HandedOver] = field(factory=deque, init=False)
    _timer: Cancellable | None = field(default=None, init=False)
    _hurried: bool = field(default=False, init=False)

    @property
    def queued(self) -> int:
        """Bytes that wait for the disk."""
        self.collect()
        return self.unwritten

    @property
    def waiting_since(self) -> float | None:
        """When the oldest batch that is not written was handed over; None: all are."""
        self.collect()
        return self._handed[0].at if self._handed else None

    def add(self, entry: RecorderEntry, record: Record) -> None:
        """`record` is to be written, of the console of `entry`. MemoryError: nothing is changed."""
        size = len(record.payload) + OVERHEAD
        share = self._shares.setdefault(entry, 0)
        counted = self._size + size, self.unwritten + size, entry.queued + size, share + size
        self._records.append(record)  # all or nothing, if memory runs out
        self._size, self.unwritten, entry.queued, self._shares[entry] = counted
        if self._size >= BATCH_SIZE:
            self.flush()
        elif self._timer is None:
            self._timer = self.clock.call_later(BATCH_TIME, self._on_time)

    def hurry(self) -> None:
        """What was added waits no longer than this turn."""
        if self._records and not self._hurried:
            soon = self.clock.call_later(0, self._on_time)
            cancel(self._timer)
            self._timer, self._hurried = soon, True

    def _on_time(self) -> None:
        self._timer = None
        try:
            self.collect()
        finally:  # there may be no memory for what others do then
            self.flush()

    def flush(self) -> None:
        """Hand over what there is, a little later if memory runs out."""
        cancel(self._timer)
        self._timer, self._hurried = None, False
        if not self._records:
            return
        self.most_queued = max(self.most_queued, self.unwritten)
        try:
            self._hand_over()
        except MemoryError:
            self._timer = self.clock.call_later(BATCH_TIME, self._on_time)

    def _hand_over(self) -> None:
        handed = _HandedOver(self.clock.seconds(), self._size, self._shares)
        batch = Batch(self._records, self._size, lambda _batch: self._finish(handed))
        before, after = (
            (self._records, self._size, self._shares),
            (list[Record](), 0, dict[RecorderEntry, int]()),
        )
        self._handed.append(handed)
        self._records, self._size, self._shares = after
        try:
            self.put(batch)
        except MemoryError:
            self._handed.pop()
            self._records, self._size, self._shares = before
            raise

    def _finish(self, handed: _HandedOver) -> None:
        """In the log's thread; again, if there was no memory to tell the reactor."""
        handed.is_written = True
        if self.hastened or handed.size >= BATCH_SIZE:
            self.in_reactor(self.collect)

    def hasten(self) -> None:
        """Somebody waits until less is unwritten, while `hastened` is set."""
        if not self.hastened:
            self.hastened = True
            self.clock.call_later(0, self.collect)  # what was written before that was seen

    def collect(self) -> None:
        """Count what has been written, in the reactor's thread."""
        found = False
        while self._handed and self._handed[0].is_written:
            handed = self._handed.popleft()
            self.unwritten -= handed.size
            for entry, share in handed.shares.items():
                entry.queued -= share
            found = True
        if found:
            self.written()
