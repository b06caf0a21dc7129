"""Names that Twisted looks up itself, as for webhooks, in threads of their own.

The system's resolver may not answer for half a minute, and the reactor's threads have other work.
"""

import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IResolutionReceiver,
)
from twisted.logger import Logger
from zope.interface import implementer

from vspc.common.addresses import parse_address
from vspc.common.clock import Clock, cancel
from vspc.common.worker import WorkerPool
from vspc.net.reactor import ReactorClock

_log = Logger()

RESOLVERS = 4
"""Threads that look up names."""

LOOK_UPS = 200
"""Names that wait for a thread, those included that nobody waits for any more."""

LOOK_UP = 5.0
"""Seconds in which a name has to be looked up."""

Found = Sequence[tuple[Any, ...]]
"""What `socket.getaddrinfo` returns."""


def look_up(host: str, port: int) -> Found:
    """The addresses of `host`. Raises OSError or UnicodeError; in a thread."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


@implementer(IHostResolution)
class _Resolution:
    """One look-up; `over` once it has an answer, or is given up."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.over = False

    def cancel(self) -> None:
        self.over = True


@implementer(IHostnameResolver)
class NameResolver:
    """For `reactor.installNameResolver`. A name that is not looked up in time has no address.

    `failed` is called inside the except block of what raised in a thread.
    """

    def __init__(
        self,
        clock: Clock,
        call_from_thread: Callable[[Callable[[], None]], object],
        failed: Callable[[], None],
        look_up: Callable[[str, int], Found] = look_up,
    ) -> None:
        self._clock = clock
        self._call_from_thread = call_from_thread
        self._look_up = look_up
        self._pool = WorkerPool("names", failed, RESOLVERS)

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        """Tell `resolutionReceiver` the addresses of `hostName`."""
        resolution = _Resolution(hostName)
        resolutionReceiver.resolutionBegan(resolution)
        needs_no_thread = parse_address(hostName) is not None

        def give(found: Found) -> None:
            if resolution.over:
                return
            resolution.over = True
            cancel(timer)
            for address in _addresses(found, addressTypes):
                resolutionReceiver.addressResolved(address)
            resolutionReceiver.resolutionComplete()

        timer = self._clock.call_later(LOOK_UP, lambda: give(()))
        if needs_no_thread:
            give(self._look_up(hostName, portNumber))
        elif self._pool.waiting >= LOOK_UPS:
            give(())
        else:
            try:
                self._pool.submit(self._ask, resolution, portNumber, give)
            except RuntimeError:  # out of threads
                give(())
        return resolution

    def _ask(self, resolution: _Resolution, port: int, give: Callable[[Found], None]) -> None:
        """In a thread."""
        if resolution.over:  # nobody waits for it any more
            return
        found: Found = ()
        with suppress(OSError, UnicodeError):
            found = self._look_up(resolution.name, port)
        self._call_from_thread(lambda: give(found))


def _addresses(found: Found, wanted: Sequence[type[IAddress]] | None) -> Sequence[IAddress]:
    kinds = {socket.AF_INET: IPv4Address, socket.AF_INET6: IPv6Address}
    made = [
        kinds[family]("TCP", *where)
        for family, _type, _protocol, _name, where in found
        if family in kinds
    ]
    return [each for each in made if wanted is None or isinstance(each, tuple(wanted))]


def look_up_apart(reactor: Any) -> None:
    """Have `reactor`, a real one, look up names so."""
    clock = ReactorClock(reactor)
    reactor.installNameResolver(NameResolver(clock, reactor.callFromThread, _failed))


def _failed() -> None:
    _log.failure("defect")
