"""TCP options of a connection, and the length of its send queues (Linux)."""

import fcntl
import socket
import struct
import termios
from contextlib import suppress
from functools import partial
from typing import Any

IDLE, INTERVAL = 60, 5
"""Seconds of silence before the first keepalive probe, and between probes."""

PROBES = 5
"""Probes without an answer after which a connection has failed."""

_INT = struct.Struct("i")
_FAMILIES = (socket.AF_INET, socket.AF_INET6)
_OPTIONS = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, INTERVAL),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, PROBES),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, IDLE),  # last: who has it has the others
)


def _socket(transport: Any) -> socket.socket | None:
    """The socket below `transport`, through TLS; None where there is none, as in memory."""
    handle = getattr(transport, "getHandle", None)
    if handle is None:
        return None
    below = getattr(transport, "transport", None)
    if below is not None:
        return _socket(below)
    try:
        found = handle()
    except AttributeError:  # a closed transport of Twisted's
        return None
    return found if isinstance(found, socket.socket) else None


def keep_alive(transport: Any) -> None:
    """Have TCP notice a peer that vanished, and send small writes at once: of a connection that was
    made. Those that are accepted have it from their port.
    """
    _set_options(_socket(transport))


def keep_accepted_alive(port: Any) -> None:
    """The same for all connections that `port`, a listening one of Twisted's, accepts: a socket
    begins with the options of the one that it was accepted from. Those that waited for `port`
    before this call have none; they have them from when they are accepted. Call it after all that
    replaces `port.transport`. A port in memory is left alone.
    """
    sock = getattr(port, "socket", None)
    if sock is not None and sock.family in _FAMILIES:
        _set_options(sock)
        port.transport = partial(_accepted, port.transport)


def _accepted(make: Any, sock: socket.socket, *arguments: Any) -> Any:
    """What `make` makes of the new connection `sock`."""
    with suppress(OSError):
        if sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) != IDLE:
            _set_options(sock)
    return make(sock, *arguments)


def _set_options(sock: socket.socket | None) -> None:
    if sock is None or sock.family not in _FAMILIES:
        return
    for level, option, value in _OPTIONS:
        with suppress(OSError):
            sock.setsockopt(level, option, value)


def read_at_most(transport: Any, size: int) -> None:
    """From now on read at most `size` bytes at once of the socket below `transport`."""
    below = getattr(transport, "transport", None)
    if below is not None:
        read_at_most(below, size)
    elif hasattr(transport, "bufferSize"):
        transport.bufferSize = size


def unacknowledged(transport: Any) -> int | None:
    """Bytes written to `transport` that its peer has not acknowledged, Twisted's own buffers
    included; None if that is not known.
    """
    sock = _socket(transport)
    if sock is None or sock.fileno() < 0:
        return None
    queued = send_queue(sock)
    return None if queued is None else queued + _buffered(transport)


def send_queue(sock: socket.socket) -> int | None:
    """Bytes that the peer has not acknowledged (SIOCOUTQ, tcp(7)); None on an error."""
    try:
        queued = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(_INT.size))
    except OSError:
        return None
    return int(_INT.unpack(queued)[0])


def _buffered(transport: Any) -> int:
    below = getattr(transport, "transport", None)
    if below is not None and hasattr(below, "getHandle"):
        return _in_tls(transport) + _buffered(below)
    pending = getattr(transport, "_tempDataLen", 0)
    sent = len(getattr(transport, "dataBuffer", b"")) - getattr(transport, "offset", 0)
    return int(pending + max(0, sent))


def _in_tls(engine: Any) -> int:
    """Bytes that wait for a TLS record, or for the handshake."""
    collected = getattr(getattr(engine, "_aggregator", None), "_buffer", ())
    waiting = getattr(engine, "_appSendBuffer", ())
    return sum(map(len, collected)) + sum(map(len, waiting))
