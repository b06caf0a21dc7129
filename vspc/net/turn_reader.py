"""Reading a connection of plain bytes as far as its share of each turn goes (law 11)."""

from collections.abc import Callable
from typing import Any

from twisted.python.failure import Failure

from vspc.net.scheduler import BYTES, CLOSING, Share


class TurnReader:
    """Between a connection and its owner: what is over the share of a turn, at most one read of the
    socket, waits here for a later one.
    """

    def __init__(
        self,
        share: Share,
        received: Callable[[bytes], None],
        ended: Callable[[Failure], None],
        flooded: Callable[[], None],
    ) -> None:
        """`flooded`: the connection has been over its share for too long, and is to be closed."""
        self.share = share
        self._received = received
        self._ended = ended
        self._flooded = flooded
        self._unread = b""
        self._waits = False  # for its share
        self._stopped = False  # by the owner
        self._lost: Failure | None = None
        self.transport: Any = None

    @property
    def unread(self) -> bytes:
        """What waits."""
        return self._unread

    def take(self, data: bytes) -> None:
        """`data` has arrived."""
        self._unread += data
        if self.share.open():
            self._work()
        elif not self.share.waiting:
            self._wait()

    def lose(self, reason: Failure) -> None:
        """The connection is lost: what came before that is worked on first, in its turn."""
        self._lost = reason
        if self.share.waiting:
            return
        if self.share.open() or not self.share.wait(self._work):
            self.share.spend(CLOSING)
            self._work()

    def _work(self) -> None:
        data, self._unread = self._unread, b""
        if data:
            self._received(data)
        more = self.share.spend(1 + len(data) // BYTES)
        if self._lost is not None:
            self._ended(self._lost)
        elif not more:
            self._wait()
        elif self._waits:
            self._waits = False
            self._resume()

    def _wait(self) -> None:
        if not self._waits:
            self._waits = True
            self.transport.pauseProducing()
        if not self.share.wait(self._work):
            self._flooded()

    def pause(self) -> None:
        """Read nothing more until `resume`."""
        self._stopped = True
        self.transport.pauseProducing()

    def resume(self) -> None:
        """Read again."""
        self._stopped = False
        self._resume()

    def _resume(self) -> None:
        if not (self._waits or self._stopped):
            self.transport.resumeProducing()
