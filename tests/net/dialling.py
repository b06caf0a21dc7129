"""A reactor whose outgoing connections a test answers: it accepts them, refuses them, or waits."""

import errno
from collections.abc import Callable
from queue import Queue
from typing import Any

from attrs import define
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.error import ConnectError, ConnectionDone
from twisted.internet.interfaces import IAddress
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from tests.fakes import FakeClock
from tests.net.ends import Wire
from vspc.net.outbound import Outbound

THREAD = 10.0
"""Seconds that a thread may take to answer."""


@define(eq=False)
class Dialled:
    """One connection that was asked for; it is Twisted's connector, too."""

    address: str
    port: int | None
    factory: Any
    cancelled: bool = False

    def stopConnecting(self) -> None:
        self.cancelled = True

    def getDestination(self) -> IAddress:
        if self.port is None:
            return UNIXAddress(self.address)
        kind = IPv6Address if ":" in self.address else IPv4Address
        return kind("TCP", self.address, self.port)

    def accept(self) -> Any:
        """The connection is there; its wire, with the protocol at our end as `above`."""
        peer = self.getDestination()
        wire: Any = Wire(peerAddress=peer)
        wire.above = self.factory.buildProtocol(peer)
        wire.above.makeConnection(wire)
        return wire

    def refuse(self, number: int = errno.ECONNREFUSED) -> None:
        """The connection fails with that error of the system."""
        self.factory.clientConnectionFailed(self, Failure(ConnectError(number)))


class DiallingReactor(Clock):
    """What is dialled is in `dialled`; calls of threads are in `answers`."""

    def __init__(self) -> None:
        super().__init__()
        self.dialled: list[Dialled] = []
        self.answers: Queue[Callable[[], None]] = Queue()

    def connectTCP(self, host: str, port: int, factory: Any, *_: Any, **__: Any) -> Dialled:
        return self._dial(Dialled(host, port, factory))

    def connectUNIX(self, path: str, factory: Any, *_: Any, **__: Any) -> Dialled:
        return self._dial(Dialled(path, None, factory))

    def _dial(self, dialled: Dialled) -> Dialled:
        dialled.factory.startedConnecting(dialled)
        self.dialled.append(dialled)
        return dialled

    def callFromThread(self, call: Callable[..., Any], *arguments: Any) -> None:
        self.answers.put(lambda: call(*arguments))

    def thread(self) -> None:
        """What the next thread wants to have called is called."""
        self.answers.get(timeout=THREAD)()


class Dialling:
    """A reactor, a clock over it, and an `Outbound` whose look-ups give `hosts`."""

    def __init__(self) -> None:
        self.reactor = DiallingReactor()
        self.clock = FakeClock(self.reactor)
        self.hosts: dict[str, list[str] | Exception] = {}
        self.outbound = Outbound(self.reactor, self.clock, self._failed, self.look_up)

    def _failed(self) -> None:
        raise AssertionError("a thread failed")

    def look_up(self, host: str) -> list[str]:
        """In a thread."""
        found = self.hosts[host]
        if isinstance(found, Exception):
            raise found
        return found

    def take(self) -> Dialled:
        """The only connection that was asked for since the last time."""
        (found,) = self.reactor.dialled
        self.reactor.dialled.clear()
        return found


def lose(wire: Any, reason: Exception | None = None) -> None:
    """The connection of `wire` is gone."""
    wire.above.connectionLost(Failure(reason or ConnectionDone()))
