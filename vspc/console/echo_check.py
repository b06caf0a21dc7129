"""Whether a VM sends back, byte for byte, what is typed at it. Pure.

As in `vspc.console.echo` a byte comes back as itself or as an editor shows it. Besides, control
sequences are skipped: shells and editors set modes and colours meanwhile.
"""

from attrs import define, field

from vspc.console.echo import ByteEcho

AROUND = 200
"""Bytes that are kept of what came instead of an echo."""

_ESC = 0x1B


@define(eq=False)
class EchoCheck:
    """Compares output with what was typed, in order.

    `echoed` bytes came back. `wrong` is what came instead of the next one, from there on; it is
    empty as long as nothing did.
    """

    echoed: int = field(default=0, init=False)
    wrong: bytes = field(default=b"", init=False)
    _typed: bytes = field(default=b"", init=False)
    _byte: ByteEcho = field(factory=ByteEcho, init=False)
    _sequence: bytes = field(default=b"", init=False)  # a control sequence that is skipped

    @property
    def is_whole(self) -> bool:
        """Whether all that was typed came back."""
        return self.echoed == len(self._typed) and not self.wrong

    @property
    def next(self) -> bytes:
        """The byte that is awaited."""
        return self._typed[self.echoed : self.echoed + 1]

    def typed(self, data: bytes) -> None:
        """It is expected to come back."""
        self._typed += data

    def output(self, data: bytes) -> None:
        """The VM sent `data`. What follows a whole echo is not looked at."""
        for at, byte in enumerate(data):
            if self.wrong:
                self.wrong = (self.wrong + data[at:])[:AROUND]
                return
            if self.echoed == len(self._typed):
                return
            if not self._skips(byte):
                self._compare(byte)

    def _compare(self, byte: int) -> None:
        is_whole = self._byte.feed(self._typed[self.echoed], byte)
        if is_whole is None:
            self.wrong = bytes([byte])
        elif is_whole:
            self.echoed += 1

    def _skips(self, byte: int) -> bool:
        """Whether `byte` belongs to a control sequence that was not typed."""
        if self._sequence:
            self._sequence += bytes([byte])
            if _ends(self._sequence):
                self._sequence = b""
            return True
        if byte == _ESC and self._typed[self.echoed] != _ESC:
            self._sequence = b"\x1b"
            return True
        return False


def _ends(sequence: bytes) -> bool:
    """Whether a CSI or an OSC sequence is over, or another one, which has two bytes."""
    if len(sequence) > AROUND:
        return True
    if sequence[1:2] == b"[":
        return len(sequence) > 2 and 0x40 <= sequence[-1] <= 0x7E
    if sequence[1:2] == b"]":
        return sequence.endswith((b"\x07", b"\x1b\\"))
    return not 0x20 <= sequence[-1] <= 0x2F
