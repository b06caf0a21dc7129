"""How many control sequences of one terminal are parsed in a turn of the reactor (law 11).

Text costs next to nothing, whatever its length. A sequence of two bytes costs as much as a
thousand bytes of text, and a VM, or a client, can send nothing but those.
"""

from collections.abc import Callable

from vspc.console.ports import Cancellable, Clock

SEQUENCES = 512
"""Sequences in a turn; of what a VM says this is shared by all who are on its console."""

LEAST = 16
"""Sequences in a turn, however many share them."""

_BEGIN = (b"\x1b", b"\x0e", b"\x0f")


class TurnLimit:
    """Says how much may be parsed now. `go_on` is called in the next turn if that was not all."""

    def __init__(self, clock: Clock, go_on: Callable[[], None]) -> None:
        self._clock = clock
        self._go_on = go_on
        self._used = 0
        self._turn: Cancellable | None = None
        self.is_over = False

    def first(self, data: bytes, sharers: int = 1) -> int:
        """How many bytes of `data`, from its beginning."""
        left = max(LEAST, SEQUENCES // sharers) - self._used
        size, count = len(data), _sequences(data)
        while count > max(0, left):
            self.is_over = True
            size //= 2
            count = _sequences(data[:size])
        self._used += count
        if (self._used or self.is_over) and self._turn is None:
            self._turn = self._clock.call_later(0, self._next_turn)
        return size

    def _next_turn(self) -> None:
        self._turn, self._used = None, 0
        if self.is_over:
            self.is_over = False
            self._go_on()

    def close(self) -> None:
        """Nothing is parsed any more."""
        if self._turn is not None and self._turn.active():
            self._turn.cancel()


def _sequences(data: bytes) -> int:
    return sum(map(data.count, _BEGIN))
