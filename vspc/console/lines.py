"""Lines out of a log: each with the offset and the time of its first byte."""

from collections.abc import Iterator

from attrs import define, field, frozen

from vspc.console.past import Said

LONGEST = 16 * 1024
"""Bytes after which an unfinished line is given out as if it had ended."""


@frozen
class Line:
    """One line without its line end. `offset` and `at` are of its first byte, `end` of what
    follows. `whole` is False for one that goes on: it was too long, or nothing came for it yet.
    """

    offset: int
    at: float
    text: bytes
    end: int
    whole: bool = True


@define(eq=False)
class Lines:
    """Puts pieces together; LF ends a line, and CRs before it are no part of it."""

    _held: bytearray = field(factory=bytearray, init=False)
    _offset: int = field(default=0, init=False)
    _at: float = field(default=0.0, init=False)

    def feed(self, said: Said) -> Iterator[Line]:
        """The lines that `said` completes. What does not join what came before ends that."""
        if self._held and said.offset != self._offset + len(self._held):
            yield from self.flush()
        start = 0
        while (newline := said.data.find(b"\n", start)) >= 0:
            yield self._take(said, start, newline + 1)
            start = newline + 1
        if start < len(said.data):
            self._hold(said, start)
            if len(self._held) >= LONGEST:
                yield from self.flush()

    def flush(self) -> Iterator[Line]:
        """What is there of an unfinished line."""
        if self._held:
            text = bytes(self._held)
            self._held.clear()
            yield Line(self._offset, self._at, text, self._offset + len(text), whole=False)

    @property
    def pending(self) -> int:
        """Bytes of an unfinished line."""
        return len(self._held)

    def _hold(self, said: Said, start: int) -> None:
        if not self._held:
            self._offset, self._at = said.offset + start, said.at
        self._held += said.data[start:]

    def _take(self, said: Said, start: int, end: int) -> Line:
        piece = said.data[start:end]
        if not self._held:
            return Line(said.offset + start, said.at, piece.rstrip(b"\r\n"), said.offset + end)
        text = bytes(self._held) + piece
        self._held.clear()
        return Line(self._offset, self._at, text.rstrip(b"\r\n"), said.offset + end)
