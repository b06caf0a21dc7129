"""Where a connection writes to: straight into its transport, or chopped at random."""

import random
from collections.abc import Callable
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from zope.interface import implementer

ROOM = 64 * 1024
"""Bytes that may be written to a transport that has not asked to wait; also a chopper's buffer."""

_PAUSE = 0.002  # seconds, at most, between two pieces
_PIECES = (1, 2, 5, 40, 1000, ROOM)


class Transport(Protocol):
    """What is used of a Twisted transport."""

    def write(self, data: bytes) -> None: ...
    def loseConnection(self) -> None: ...
    def pauseProducing(self) -> None: ...
    def resumeProducing(self) -> None: ...


@implementer(IPushProducer)
class LineOutlet:
    """Writes at once. `room` is 0 while the transport is full, which it says as to a producer."""

    def __init__(self, transport: Transport, drained: Callable[[], None]) -> None:
        self._transport = transport
        self._drained = drained
        self._full = False

    def room(self) -> int:
        """Bytes that may be written now."""
        return 0 if self._full else ROOM

    def write(self, data: bytes) -> None:
        """To the peer."""
        self._transport.write(data)

    def pauseProducing(self) -> None:
        """The transport is full."""
        self._full = True

    def resumeProducing(self) -> None:
        """The transport has room."""
        self._full = False
        if self.room() > 0:
            self._drained()

    def stopProducing(self) -> None:
        """The transport is gone; its protocol hears that."""

    def close(self) -> None:
        """Let go of the line after what was written."""
        self._transport.loseConnection()


class ChoppedOutlet(LineOutlet):
    """Splits and joins what is written at random, by a seed, over several turns of the reactor."""

    def __init__(
        self,
        transport: Transport,
        drained: Callable[[], None],
        clock: IReactorTime,
        chance: random.Random,
    ) -> None:
        super().__init__(transport, drained)
        self._clock = clock
        self._chance = chance
        self._buffer = bytearray()
        self._turn: IDelayedCall | None = None
        self._closing = False

    def room(self) -> int:
        return 0 if self._full else max(0, ROOM - len(self._buffer))

    def write(self, data: bytes) -> None:
        self._buffer += data
        self._plan()

    def close(self) -> None:
        self._closing = True
        if not self._buffer:
            self._transport.loseConnection()

    def _plan(self) -> None:
        if self._turn is None and self._buffer:
            pause = self._chance.choice((0.0, self._chance.uniform(0, _PAUSE)))
            self._turn = self._clock.callLater(pause, self._write_piece)

    def _write_piece(self) -> None:
        self._turn = None
        size = self._chance.randint(1, self._chance.choice(_PIECES))
        piece = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._transport.write(piece)
        self._plan()
        if self._closing and not self._buffer:
            self._transport.loseConnection()
        elif self.room() > 0:
            self._drained()
