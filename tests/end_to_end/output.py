"""What a child process says: read by a thread as it comes, waited for by the test."""

import os
import re
import select
import threading
import time

LIMIT = 32 * 1024 * 1024
"""Bytes kept of one stream; the oldest go first."""

_PIECE = 65536


class Output:
    """One stream. `expect` reads on from where its last match ended, as a person would."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._kept = bytearray()
        self._dropped = 0
        self._cursor = 0
        self._ended = False
        self._changed = threading.Condition()
        self._reader: threading.Thread | None = None

    def read_from(self, descriptor: int) -> None:
        """Read `descriptor` to its end, and close it, in a thread."""
        self._reader = threading.Thread(target=self._read, args=(descriptor,), daemon=True)
        self._reader.start()

    def _read(self, descriptor: int) -> None:
        while piece := _next_piece(descriptor):
            self._add(piece)
        os.close(descriptor)
        self.finish()

    def _add(self, piece: bytes) -> None:
        with self._changed:
            self._kept += piece
            excess = len(self._kept) - LIMIT
            if excess > 0:
                del self._kept[:excess]
                self._dropped += excess
                self._cursor = max(0, self._cursor - excess)
            self._changed.notify_all()

    def finish(self) -> None:
        """Nothing will come any more."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def close(self, timeout: float = 10.0) -> None:
        """Wait for the reading thread; a descendant that lives on may keep it, not the test."""
        if self._reader is not None:
            self._reader.join(timeout)

    @property
    def data(self) -> bytes:
        """All that it said until now, the last 32 MiB of it."""
        with self._changed:
            return bytes(self._kept)

    @property
    def total(self) -> int:
        """How many bytes it said until now."""
        with self._changed:
            return self._dropped + len(self._kept)

    def expect(self, pattern: bytes, timeout: float = 30.0) -> re.Match[bytes]:
        """The next match of `pattern` (multi-line), after the last one; waits up to `timeout` s.

        AssertionError, with what it said instead, if that does not come or the stream ends.
        """
        regex = re.compile(pattern, re.MULTILINE)
        end = time.monotonic() + timeout
        with self._changed:
            while True:
                match = regex.search(bytes(self._kept[self._cursor :]))
                if match:
                    self._cursor += match.end()
                    return match
                self._wait_change(end, f"{pattern!r} did not come within {timeout} s")

    def wait_total(self, count: int, timeout: float = 30.0) -> None:
        """Wait until it has said `count` bytes. AssertionError if it does not."""
        end = time.monotonic() + timeout
        with self._changed:
            while self._dropped + len(self._kept) < count:
                self._wait_change(end, f"{count} bytes did not come within {timeout} s")

    def wait_end(self, timeout: float = 30.0) -> bytes:
        """Wait for end of file; all that it said. AssertionError if the end does not come."""
        end = time.monotonic() + timeout
        with self._changed:
            while not self._ended:
                self._wait_change(end, f"no end of file within {timeout} s")
            return bytes(self._kept)

    def _wait_change(self, end: float, complaint: str) -> None:
        left = end - time.monotonic()
        if self._ended:
            complaint = f"{complaint}: it ended"
        elif left > 0:
            self._changed.wait(left)
            return
        raise AssertionError(f"{self.name}: {complaint}\n{self._report(4096)}")

    def report(self, size: int) -> str:
        """The last `size` bytes, for people; empty if it said nothing."""
        with self._changed:
            return self._report(size)

    def _report(self, size: int) -> str:
        text = bytes(self._kept[-size:]).decode("utf-8", "backslashreplace")
        return "".join(f"   {self.name}: {line!a}\n" for line in text.splitlines())


def _next_piece(descriptor: int) -> bytes:
    poll = select.poll()  # a terminal's descriptor does not block, as its writing end must not
    poll.register(descriptor, select.POLLIN)
    poll.poll()
    try:
        return os.read(descriptor, _PIECE)
    except OSError:  # a terminal's other end is closed: EIO
        return b""
