"""How many control sequences of one terminal are parsed in a turn of the reactor (law 11).

Text costs next to nothing, whatever its length. A sequence of two bytes costs as much as a
thousand bytes of text, and a VM, or a client, can send nothing but those.
"""

from collections.abc import Callable

from vspc.common.clock import Cancellable, Clock

SHOWN = 2048
"""Sequences in a turn of what a VM says, shared by all who are on its console. Colours that are
taken back in the same piece do not count: a listing in colours is shown as fast as text."""

TYPED = 512
"""Sequences in a turn of what a terminal sends."""

LEAST = 16
"""Sequences in a turn, however many share them."""


class TurnLimit:
    """`most` sequences in a turn. `go_on` is called in the next one if there were more."""

    def __init__(self, clock: Clock, most: int, go_on: Callable[[], None]) -> None:
        self._clock = clock
        self._most = most
        self._go_on = go_on
        self._used = 0
        self._turn: Cancellable | None = None
        self.is_over = False

    def left(self, sharers: int = 1) -> int:
        """How many may be parsed now."""
        return max(0, max(LEAST, self._most // sharers) - self._used)

    def spend(self, count: int, is_all: bool) -> None:
        """So many were, and whether that was all."""
        self._used += count
        self.is_over = not is_all
        if (self._used or self.is_over) and self._turn is None:
            self._turn = self._clock.call_later(0, self._next_turn)

    def first(self, data: bytes) -> int:
        """How many bytes of `data`, from its beginning, may be parsed now: they are spent."""
        left, size, count = self.left(), len(data), data.count(b"\x1b")
        while count > left:
            size //= 2
            count = data.count(b"\x1b", 0, size)
        self.spend(count, size == len(data))
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
