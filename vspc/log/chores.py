"""What must not hold up a write: syncing, compressing. One thread, one thing after another."""

from collections import deque
from collections.abc import Callable
from threading import Condition, Thread

FAREWELL = 10.0
"""Seconds that `close` waits for what is left."""


class Chores:
    """Runs what `put` gives; `failed` hears, inside the except block, of one that raised."""

    def __init__(self, failed: Callable[[], None]) -> None:
        self._failed = failed
        self._changed = Condition()
        self._waiting: deque[Callable[[], None]] = deque()
        self._closing = False
        self._thread: Thread | None = None

    def put(self, chore: Callable[[], None]) -> None:
        """Do `chore` after those before it; never waits. Its number is bounded by who asks."""
        with self._changed:
            if self._thread is None:
                self._thread = Thread(target=self._run, name="log-chores", daemon=True)
                self._thread.start()
            self._waiting.append(chore)
            self._changed.notify()

    @property
    def waiting(self) -> int:
        """How many there are to do."""
        return len(self._waiting)

    def close(self) -> None:
        """Wait until all are done, at most `FAREWELL` seconds."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(FAREWELL)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if not self._waiting:
                    return
                chore = self._waiting.popleft()
            try:
                chore()
            except Exception:
                self._failed()
