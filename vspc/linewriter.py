"""Lines to a stream whose reader may stall, written by a thread with a bounded queue."""

from collections import deque
from threading import Condition, Thread
from typing import TextIO

WAITING = 10_000
"""Lines that wait for the stream; more are counted and not written."""

FAREWELL = 2.0
"""Seconds that `close` waits for what is left to be written."""


class LineWriter:
    """Writes lines in order. A stream that cannot be written to loses them."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:  # under LANG=C a name that is not ASCII must not cost its line
            reconfigure(errors="backslashreplace")
        self._changed = Condition()
        self._lines: deque[str] = deque()
        self._lost = 0
        self._busy = False
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

    def close(self) -> None:
        """Wait until all is written, at most `FAREWELL` seconds."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(FAREWELL)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines or self._closing)
                lines, lost = list(self._lines), self._lost
                self._lines.clear()
                self._lost = 0
            if not lines and not lost:
                return
            if lost:
                lines.append(f"- warn log-lines-lost count={lost}")
            self._write("".join(line + "\n" for line in lines))

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            return
