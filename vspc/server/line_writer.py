"""Lines to a stream whose reader may stall, written by a thread with a bounded queue."""

import os
from collections import deque
from collections.abc import Callable
from select import POLLOUT, poll
from threading import Condition, Thread
from typing import TextIO

WAITING = 10_000
"""Lines that wait for the stream; more are counted and not written."""

FAREWELL = 2.0
"""Seconds that `close` waits for what is left to be written."""


class LineWriter:
    """Writes lines in order; what it cannot write is lost. `lost` puts a count into a line."""

    def __init__(self, stream: TextIO, lost: Callable[[int], str]) -> None:
        self._write = _writer(stream)
        self._lost_line = lost
        self._changed = Condition()
        self._lines: deque[str] = deque()
        self._lost = 0
        self._closing = False
        self._thread: Thread | None = None

    def put(self, line: str) -> None:
        """Write `line`, without its newline, soon. Never waits."""
        with self._changed:
            if self._closing:
                return
            if len(self._lines) >= WAITING:
                self._lost += 1
                return
            self._lines.append(line)
            if self._thread is None:
                # Made with the first line: twistd may fork before that.
                self._thread = Thread(target=self._run, name="log", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self, patience: float = FAREWELL) -> None:
        """Wait until all is written, at most `patience` seconds."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(patience)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines or self._closing)
                lines, lost = list(self._lines), self._lost
                self._lines.clear()
                self._lost = 0
            if not lines:
                return
            if lost:
                lines.append(self._lost_line(lost))
            try:
                self._write("".join(line + "\n" for line in lines))
            except (OSError, ValueError):
                continue


def _writer(stream: TextIO) -> Callable[[str], object]:
    """How to write to `stream`: to its descriptor, which stays open, where it has one."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        return stream.write
    encoding = stream.encoding

    def write(text: str) -> None:
        # Not by the stream itself: a thread that stalls in it holds a lock that the interpreter
        # wants when it ends. And under LANG=C a name that is not ASCII must not cost its line.
        rest = memoryview(text.encode(encoding, "backslashreplace"))
        while rest:
            try:
                rest = rest[os.write(descriptor, rest) :]
            except BlockingIOError:  # a terminal that another program has made non-blocking
                waiting = poll()  # select takes only the first 1,024 descriptors
                waiting.register(descriptor, POLLOUT)
                waiting.poll()

    return write
