"""A few threads that read files. A disk that stands still does not keep the process from ending."""

from collections import deque
from collections.abc import Callable
from threading import Condition, Thread
from typing import Any

READERS = 4
"""Threads."""


class Readers:
    """Threads are made when they are needed, and are daemons; `name` is theirs."""

    def __init__(
        self, failed: Callable[[], None], count: int = READERS, name: str = "log-reader"
    ) -> None:
        self._failed = failed
        self._count = count
        self._name = name
        self._changed = Condition()
        self._waiting: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()
        self._idle = 0
        self._threads: list[Thread] = []
        self._closed = False

    def submit(self, call: Callable[..., Any], /, *arguments: Any) -> None:
        """Call it in one of the threads. Who asks bounds how many wait: one for each channel.

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
        except RuntimeError:
            if not self._threads:
                self._waiting.pop()
                raise
        else:  # not before: what never ran is none of them
            self._threads.append(thread)

    def close(self) -> None:
        """Begin nothing more."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._idle += 1
                self._changed.wait_for(lambda: self._waiting or self._closed)
                self._idle -= 1
                if self._closed:
                    return
                call, arguments = self._waiting.popleft()
            try:
                call(*arguments)
            except Exception:
                self._failed()
