"""Where the server listens: endpoint strings, connections accepted in a turn, file descriptors."""

import errno
import os
import re
import resource
import socket
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from attrs import Factory as Default
from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IStreamServerEndpoint
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from zope.interface import implementer

from vspc.common.addresses import Address, parse_address
from vspc.common.text import safe
from vspc.net.adoption import adopt_port
from vspc.net.descriptor_store import DescriptorStore, port_name
from vspc.net.keepalive import keep_accepted_alive
from vspc.net.received_ports import ReceivedPort, ReceivedPorts
from vspc.net.turn_loop import TurnLoop

BACKLOG = 1024
"""Connections that the kernel keeps for us: a cluster's VMs may all come back at once."""

ACCEPTS = 8
"""Connections that one listener takes in a turn of the reactor; the others stay with the kernel."""

_ANYWHERE = re.compile(r"tcp:([0-9]+)")

_NO_IPV6 = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT})


@implementer(IStreamServerEndpoint)
class DualStackEndpoint:
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
    """The endpoint of `description`; `tcp:PORT` alone listens everywhere, see `DualStackEndpoint`.

    All else means what it means to Twisted, with a longer queue where it names none.
    """
    anywhere = _ANYWHERE.fullmatch(description)
    if anywhere is not None:
        return DualStackEndpoint(reactor, int(anywhere[1]))
    if description.startswith(("tcp:", "tcp6:")) and ":backlog=" not in description:
        description = f"{description}:backlog={BACKLOG}"
    endpoint: IStreamServerEndpoint = serverFromString(reactor, description)  # type: ignore[no-untyped-call]
    return endpoint


def is_own(ports: Iterable[IListeningPort], address: Address, port: int) -> bool:
    """Whether a connection to `address` and `port` would come to one of `ports`."""
    hosts: list[Any] = [each.getHost() for each in ports]
    # A Unix socket has no port.
    there = [parse_address(h.host) for h in hosts if getattr(h, "port", None) == port]
    if address in there:
        return True
    return any(each is None or each.is_unspecified for each in there) and _is_here(address)


def _is_here(address: Address) -> bool:
    """Whether `address` is one of this machine's: only then can a socket have it."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.bind((str(address), 0))
        return True
    return False


def limit_accepts(port: Any) -> None:
    """Have `port`, a listening one of Twisted's, take at most `ACCEPTS` connections in a turn.

    By itself it takes 100, and 20 more each time that these were not enough. What is no socket,
    as in memory, is left alone. If memory runs out a connection is lost, and not the port: the
    reactor closes for ever what raises.
    """
    accept = getattr(port, "doRead", None)
    if accept is None:
        return

    def accept_few() -> None:
        with suppress(MemoryError):
            port.numberAccepts = min(port.numberAccepts, ACCEPTS)
            accept()

    port.doRead = accept_few


DESCRIPTORS = 20_000
"""Descriptors for the lines that one host may have, and operators."""

SHORTAGE_INTERVAL = 60.0
"""Seconds between two log lines about descriptors that have run out."""


def raise_limit() -> int:
    """Raise the soft limit of this process to the hard one; the limit then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        # Fails if fs.nr_open has been lowered below the hard limit.
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    return DESCRIPTORS if soft == resource.RLIM_INFINITY else soft


def shortage_warning(limit: int) -> str | None:
    """A warning about a limit that is too low; None if it is not."""
    if limit >= DESCRIPTORS:
        return None
    return (
        f"this process may open {limit} files and connections, each VM and each operator is one; "
        f"LimitNOFILE={DESCRIPTORS} in its systemd unit, or `ulimit -n {DESCRIPTORS}`, raises it"
    )


@define
class DescriptorWatch:
    """Notices that descriptors have run out: Twisted closes new connections then, silently."""

    _last: float | None = field(default=None, init=False)

    def ran_out(self, now: float) -> bool:
        """Whether none is left, and no line was logged about that for `SHORTAGE_INTERVAL`. Call it
        periodically.
        """
        if not _none_left() or (self._last is not None and now - self._last < SHORTAGE_INTERVAL):
            return False
        self._last = now
        return True


def _none_left() -> bool:
    try:
        os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        return error.errno in (errno.EMFILE, errno.ENFILE)
    return False


class CannotListen(Exception):
    """A listener could not be opened; the text says which and why."""


@define(eq=False)
class Listeners:
    """Opens them; `ports` are those that are open. `received`: what the service manager has handed
    over of them; `store`: where they are kept for the next process; `turn_loop`: how their
    connections send.
    """

    reactor: Any
    log: Logger
    received: ReceivedPorts = field(factory=ReceivedPorts)
    store: DescriptorStore | None = None
    ports: list[IListeningPort] = field(factory=list)
    turn_loop: TurnLoop = field(
        default=Default(lambda listeners: TurnLoop(listeners.reactor), takes_self=True)
    )

    def open_all(self, wanted: Sequence[tuple[str, Factory, str]]) -> None:
        """Open endpoints: strings, what listens there, and their names in the log. Those that were
        handed over go on; of these the ones that nobody wants are closed first. `CannotListen`.
        """
        self.received.claim((description, what) for description, _, what in wanted)
        self._close(self.received.unclaimed)
        for description, factory, what in wanted:
            self._open(description, factory, what)

    def close_unclaimed(self) -> None:
        """Everything is open: close what was claimed by name, and could not go on."""
        self._close(self.received.named_rest())

    def _close(self, ports: list[ReceivedPort]) -> None:
        for unclaimed in ports:
            where = unclaimed.where
            unclaimed.close()
            if not unclaimed.kept:
                self.log.warn("socket-unit-not-used", name=safe(unclaimed.name), address=where)
            elif self.store is not None:
                self.store.notifier.remove(unclaimed.name)
                self.log.info("listener-closed", address=where)
        ports.clear()

    def _open(self, description: str, factory: Factory, what: str) -> None:
        received = self.received.take(description, what)
        if received is None:
            self.ports.append(self._listen(description, factory, what))
        else:
            self.ports.append(adopt_port(self.reactor, received.socket, factory))
        limit_accepts(self.ports[-1])
        self.turn_loop.serve(self.ports[-1])
        keep_accepted_alive(self.ports[-1])
        if self.store is not None:
            self._keep(self.store, port_name(what, description), received)
        port = self.ports[-1].getHost()
        where = getattr(port, "port", None) or getattr(port, "name", "")
        self.log.info("listening", what=what, endpoint=description, port=where)

    def _keep(self, store: DescriptorStore, name: str, received: ReceivedPort | None) -> None:
        if received is None:
            store.keep_port(name, self.ports[-1])
        else:
            store.kept_port(received.name if received.kept else None, self.ports[-1])

    def _listen(self, description: str, factory: Factory, what: str) -> IListeningPort:
        failures, ports = list[Any](), list[IListeningPort]()
        listening: Deferred[IListeningPort] = server(self.reactor, description).listen(factory)
        listening.addCallbacks(ports.append, failures.append)
        if failures:
            reason = failures[0].getErrorMessage()
            raise CannotListen(f"cannot listen for {what} on {description}: {reason}")
        return ports[0]
