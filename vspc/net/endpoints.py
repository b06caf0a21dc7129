"""Endpoint strings of the configuration to Twisted's server endpoints."""

import errno
import re
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IStreamServerEndpoint
from zope.interface import implementer

BACKLOG = 1024
"""Connections that the kernel keeps for us: a cluster's VMs may all come back at once."""

ACCEPTS = 8
"""Connections that one listener takes in a turn of the reactor; the others stay with the kernel."""

_ANYWHERE = re.compile(r"tcp:([0-9]+)")

_NO_IPV6 = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT})


@implementer(IStreamServerEndpoint)
class Anywhere:
    """A TCP port on every address, of IPv6 and of IPv4; of IPv4 alone where there is no IPv6.

    One socket for both, as Linux does it unless net.ipv6.bindv6only is 1: then it is IPv6 alone,
    and the configuration has to name IPv4 with `:interface=0.0.0.0` beside it.
    """

    def __init__(self, reactor: Any, port: int) -> None:
        self._reactor = reactor
        self._port = port

    def listen(self, protocolFactory: IProtocolFactory) -> "Deferred[IListeningPort]":
        """Listen, as the endpoints of Twisted do."""
        return Deferred.fromCoroutine(self._listen(protocolFactory))

    async def _listen(self, factory: IProtocolFactory) -> IListeningPort:
        try:
            return await self._on("tcp6", factory)
        except CannotListenError as error:
            if getattr(error.socketError, "errno", None) not in _NO_IPV6:
                raise
        return await self._on("tcp", factory)

    def _on(self, kind: str, factory: IProtocolFactory) -> "Deferred[IListeningPort]":
        endpoint = serverFromString(self._reactor, f"{kind}:{self._port}:backlog={BACKLOG}")  # type: ignore[no-untyped-call]
        listening: Deferred[IListeningPort] = endpoint.listen(factory)
        return listening


def server(reactor: Any, description: str) -> IStreamServerEndpoint:
    """The endpoint of `description`; `tcp:PORT` alone listens everywhere, see `Anywhere`.

    All else means what it means to Twisted, with a longer queue where it names none.
    """
    anywhere = _ANYWHERE.fullmatch(description)
    if anywhere is not None:
        return Anywhere(reactor, int(anywhere[1]))
    if description.startswith(("tcp:", "tcp6:")) and ":backlog=" not in description:
        description = f"{description}:backlog={BACKLOG}"
    endpoint: IStreamServerEndpoint = serverFromString(reactor, description)  # type: ignore[no-untyped-call]
    return endpoint


def pace(port: Any) -> None:
    """Have `port`, a listening one of Twisted's, take at most `ACCEPTS` connections in a turn.

    By itself it takes 100, and 20 more each time that these were not enough. What is no socket,
    as in memory, is left alone.
    """
    accept = getattr(port, "doRead", None)
    if accept is None:
        return

    def accept_few() -> None:
        port.numberAccepts = min(port.numberAccepts, ACCEPTS)
        accept()

    port.doRead = accept_few
