"""Threads for what the reactor must not wait for: disks, peers that stall, heavy reading (law 9).

All of them are daemons, and to end one takes a limited time only: a disk that does not answer never
keeps the process from ending. What raises in a thread is reported to `failed`, which
is called inside the except block. No thread ends because memory runs out: it pauses, and goes on.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from threading import Condition, Thread
from typing import Any, Generic, TypeVar

T = TypeVar("T")

REST = 0.005
"""Seconds that a thread rests which writes many small things: so much later they are written."""

PAUSE = 1.0
"""Seconds after a `step` that raised, before the next one; after memory has run out, too."""


class Worker:
    """One thread that calls `step` again and again, until `stop`.

    `step` returns the seconds until its next call, or None to wait for `wake`. After `stop` it is
    called until it returns None; then the thread calls `ended` and is gone. `changed` is a lock for
    what `step` shares with other threads.

    A thread that is woken again within `rest` seconds of a step rests for so long after the next
    one: what comes meanwhile wakes nobody. To wake a thread for each of many small things takes the
    reactor longer than to make them, as both want the interpreter's lock.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[], float | None],
        failed: Callable[[], None],
        ended: Callable[[], None] = lambda: None,
        rest: float = 0.0,
    ) -> None:
        self.changed = Condition()
        self.stopping = False
        self._rest = rest
        self._is_busy = False  # it was woken again at once
        self._waits = False  # for somebody to wake it
        self._name = name
        self._step = step
        self._failed = failed
        self._ended = ended
        self._woken = False
        self._deadline = float("inf")
        self._thread: Thread | None = None

    def start(self) -> None:
        """Begin, unless it has begun. Raises RuntimeError where the system has no thread for it."""
        if self._thread is not None:
            return
        with self.changed:
            if self._thread is None:
                thread = Thread(target=self._run, name=self._name, daemon=True)
                thread.start()
                self._thread = thread

    def wake(self) -> None:
        """Call `step` soon."""
        if self._woken:  # its next step sees what there is
            return
        with self.changed:
            if self._waits:
                self.changed.notify_all()
                self._waits = False
            self._woken = True  # last: there may be no memory to wake it

    def stop(self, seconds: float) -> bool:
        """Let it finish, for so long at most; whether it has, or never began."""
        with self.changed:
            self.stopping = True
            self._deadline = time.monotonic() + seconds
            self._woken = True
            self.changed.notify_all()
        if self._thread is not None:
            self._thread.join(seconds)
        return not self.active

    @property
    def active(self) -> bool:
        """Whether its thread is there."""
        return self._thread is not None and self._thread.is_alive()

    def _run(self) -> None:
        while self._goes_on():
            pass
        try:
            self._ended()
        except Exception:
            self._failed()

    def _goes_on(self) -> bool:
        """A round; whether there is to be another."""
        try:
            return self._round()
        except MemoryError:  # for the report of a failure, or the wait
            time.sleep(PAUSE)
            return True

    def _round(self) -> bool:
        """One step and the wait after it; whether there is to be another."""
        with self.changed:
            self._woken = False
        try:
            wait = self._step()
        except Exception:
            self._failed()
            wait = self._pause()
        with self.changed:
            if self.stopping:
                finished = wait is None and not self._woken
                if finished or time.monotonic() >= self._deadline:
                    return False
            if wait is None or wait > 0:
                self._wait(wait)
        return True

    def _wait(self, seconds: float | None) -> None:
        """Until it is woken, for so long at most; with the lock."""
        if self._is_busy:
            self.changed.wait_for(lambda: self.stopping, self._rest)
        began = time.monotonic()
        self._waits = True
        try:
            self.changed.wait_for(lambda: self._woken, seconds)
        finally:
            self._waits = False
        self._is_busy = self._woken and time.monotonic() - began < self._rest

    def _pause(self) -> float | None:
        """A defect: the next step comes all the same, but not at once, whatever wakes it."""
        with self.changed:
            return None if self.changed.wait_for(lambda: self.stopping, PAUSE) else 0.0


class WorkerPool:
    """Up to `threads` threads that make the calls that `submit` takes, begun when there are calls.

    How many calls wait is bounded by the callers.
    """

    def __init__(self, name: str, failed: Callable[[], None], threads: int = 1) -> None:
        self._name = name
        self._failed = failed
        self._count = threads
        self._changed = Condition()
        self._waiting: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()
        self._idle = 0
        self._threads: list[Thread] = []
        self._closed = False

    def submit(self, call: Callable[..., Any], /, *arguments: Any) -> None:
        """Make `call` in one of the threads; after `close`, never.

        Raises RuntimeError where the system has no thread for it.
        """
        with self._changed:
            if self._closed:
                return
            self._waiting.append((call, arguments))
            if self._idle >= len(self._waiting):
                self._changed.notify()
            elif len(self._threads) < self._count:
                self._add()

    def _add(self) -> None:
        name = f"{self._name}-{len(self._threads) + 1}"
        thread = Thread(target=self._run, name=name, daemon=True)
        try:
            thread.start()
        except (RuntimeError, MemoryError) as error:
            if not self._threads:
                self._waiting.pop()
                raise RuntimeError(str(error) or "no memory for a thread") from error
        else:  # not before: one that never ran does not count
            self._threads.append(thread)

    @property
    def waiting(self) -> int:
        """Calls that no thread has begun."""
        return len(self._waiting)

    def close(self, seconds: float = 0.0) -> None:
        """Take nothing more. What waits is dropped, or with `seconds` done, within that time."""
        with self._changed:
            self._closed = True
            if not seconds:
                self._waiting.clear()
            self._changed.notify_all()
        deadline = time.monotonic() + seconds
        for thread in self._threads if seconds else ():
            thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        while True:
            try:
                if not self._one():
                    return
            except MemoryError:  # for the report of a failure, or the wait
                time.sleep(PAUSE)

    def _one(self) -> bool:
        """Wait for a call and make it; False after the last one."""
        with self._changed:
            self._idle += 1
            try:
                self._changed.wait_for(lambda: self._waiting or self._closed)
            finally:
                self._idle -= 1
            if not self._waiting:
                return False
            call, arguments = self._waiting.popleft()
        try:
            call(*arguments)
        except Exception:
            self._failed()
        return True


class BoundedQueue(Generic[T]):
    """Items in order. One that comes when `count` items or `size` bytes wait is lost, and counted.

    Not for two threads at once: use it under `Worker.changed`.
    """

    def __init__(self, count: int, size: int) -> None:
        self.count = count
        self.size = size
        self._items: deque[tuple[T, int]] = deque()
        self._size = 0
        self.lost = 0
        self.most = 0  # items that ever waited at once

    def __len__(self) -> int:
        return len(self._items)

    def has_room(self, size: int) -> bool:
        """Whether an item of so many bytes would be taken."""
        return len(self._items) < self.count and self._size + size <= self.size

    def put(self, item: T, size: int) -> bool:
        """Add `item`, or count it as lost."""
        if not self.has_room(size):
            self.lost += 1
            return False
        self.add(item, size)
        return True

    def add(self, item: T, size: int) -> None:
        """Add `item` whatever waits."""
        self._items.append((item, size))
        self._size += size
        self.most = max(self.most, len(self._items))

    def first(self, count: int) -> list[T]:
        """The next ones, which stay until `done`."""
        return [item for item, _ in islice(self._items, count)]

    def take(self) -> list[T]:
        """All of them."""
        found = [item for item, _ in self._items]
        self.done(len(found))
        return found

    def done(self, count: int) -> None:
        """So many of the first are no longer needed."""
        for _ in range(count):
            self._size -= self._items.popleft()[1]

    def put_back(self, items: Iterable[tuple[T, int]]) -> None:
        """`items` come first again, in this order."""
        for item, size in reversed(list(items)):
            self._items.appendleft((item, size))
            self._size += size

    def take_lost(self) -> int:
        """How many were lost since the last call."""
        count, self.lost = self.lost, 0
        return count
