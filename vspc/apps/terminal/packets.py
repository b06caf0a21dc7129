"""A console that a debugger shares, as a terminal shows it: without the debugger's packets."""

from collections.abc import Callable

from vspc.common.clock import Clock, Timer
from vspc.wire.gdb import PacketSplitter

HOLD = 0.3
"""Seconds after which text that might have become a packet is shown: a prompt may end in `$`."""

_MARKS = (b"+", b"-")
"""Acknowledgements."""


class PacketlessText:
    """Takes output, and has the `text` that is to be shown of it. `go_on` is called when there is
    more without new output. A `+` or `-` directly before a packet belongs to that, so that one at
    the end of what came is held, too.
    """

    def __init__(self, clock: Clock, go_on: Callable[[], None]) -> None:
        self._splitter = PacketSplitter(is_printable=True)
        self._held = Timer(clock)
        self._mark = b""  # the `+` or `-` that is held
        self._go_on = go_on
        self.text = b""

    @property
    def is_used(self) -> bool:
        """Whether something of what came is not shown yet."""
        return bool(self.text or self._is_holding)

    @property
    def _is_holding(self) -> bool:
        return bool(self._mark or self._splitter.held)

    def feed(self, data: bytes) -> None:
        """The VM printed `data`."""
        text = bytearray()
        for piece in self._splitter.feed(data):
            if isinstance(piece, bytes):
                text += self._mark + piece
                self._mark = b""
                if text.endswith(_MARKS):
                    self._mark = bytes([text.pop()])
            else:
                self._mark = b""
        self.text += text
        if self._is_holding:
            self._held.start(HOLD, self.release)
        else:
            self._held.stop()

    def release(self) -> None:
        """Show what is held: it will not become a packet."""
        self.text += self._mark + self._splitter.flush()
        self._mark = b""
        self._go_on()

    def close(self) -> None:
        """Nothing is shown any more."""
        self._held.stop()
