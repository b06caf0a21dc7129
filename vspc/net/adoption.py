"""Sockets of an earlier process become ports and transports of this one's reactor."""

import os
import socket
import stat
from functools import partial
from typing import Any

from twisted.internet import unix
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory, Protocol

from vspc.common.addresses import address_text
from vspc.net.turn_loop import GatheringConnection, TurnLoop

INTERNET = frozenset({socket.AF_INET, socket.AF_INET6})
"""Families of addresses with a port."""


def opened(number: int) -> socket.socket | None:
    """The stream socket that is open as descriptor `number`; None if it is something else, which
    stays as it is.
    """
    try:
        found = socket.socket(fileno=number)
    except OSError:
        return None
    if found.type == socket.SOCK_STREAM and found.family in (*INTERNET, socket.AF_UNIX):
        return found
    found.detach()
    return None


def is_listening(sock: socket.socket) -> bool:
    """Whether connections are accepted from it."""
    return bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def adopt_port(reactor: Any, sock: socket.socket, factory: Factory) -> IListeningPort:
    """A port that goes on listening with `sock`, which belongs to it from now on. OSError where the
    file of a Unix socket is gone.
    """
    port: Any
    with sock:
        sock.setblocking(False)
        if sock.family != socket.AF_UNIX:
            port = reactor.adoptStreamPort(sock.fileno(), sock.family, factory)
        else:
            port = _adopt_unix_port(reactor, sock, factory)
    found: IListeningPort = port
    return found


def _adopt_unix_port(reactor: Any, sock: socket.socket, factory: Factory) -> Any:
    """What adoptStreamPort does, which would let everybody connect, and fewer wait. A lock of the
    process before is this one's now.
    """
    path = os.fsdecode(sock.getsockname())
    lock = f"{path}.lock"
    port: Any = unix.Port._fromListeningDescriptor(reactor, sock.fileno(), factory)  # type: ignore[no-untyped-call]
    port.mode, port.backlog = stat.S_IMODE(os.stat(path).st_mode), socket.SOMAXCONN
    if os.path.islink(lock):
        os.unlink(lock)
        port.wantPID = True
    port.startListening()
    return port


def adopt_connection(
    reactor: Any,
    sock: socket.socket,
    protocol: Protocol,
    loop: TurnLoop,
    host: str | None = None,
) -> Any:
    """Connect `protocol` to `sock`, which belongs to its transport from now on; the transport.

    `host` is where the connection really comes from, if that is another address than the peer of
    the socket, or if it has none any more: then `protocol` hears in a later turn that it is lost.
    """
    kind: Any = partial(GatheringConnection, loop) if sock.family in INTERNET else unix.Server
    peer = _peer(sock, host)
    # What adoptStreamConnection does, which fails for a connection that was reset meanwhile.
    transport = kind(sock, protocol, peer, None, 0, reactor)
    transport.repstr = f"<{type(protocol).__name__} with {peer!r}, adopted>"
    protocol.makeConnection(transport)  # type: ignore[no-untyped-call]
    return transport


def _peer(sock: socket.socket, host: str | None) -> Any:
    try:
        found = sock.getpeername()
    except OSError:  # it was reset
        found = None
    if sock.family not in INTERNET:
        return found or ""
    if found is None:
        return host or "", 0
    if host is None or host == address_text(found[0]):
        return found
    return host, found[1]
