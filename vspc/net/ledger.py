"""What was read from a connection and written to it, by our count and by the kernel's (Linux).

A process that is killed leaves its connections open for the next one, with the count that it wrote
down last. The kernel knows the rest: how much was read since then, and how much was sent.
"""

import fcntl
import socket
import struct
import termios
from typing import Any

from attrs import frozen

from vspc.net.keepalive import send_queue

_INFO = 192
"""Bytes of TCP_INFO that are asked for: up to tcpi_bytes_received and some more."""

_BYTES = struct.Struct("=120xQQ")  # tcpi_bytes_acked, tcpi_bytes_received
_INT = struct.Struct("i")

ATTEMPTS = 1000
"""Times that counts and queues are asked for at most, until nothing came or was acknowledged in
between: with a socket that nobody reads from or writes to that ends soon.
"""

_ENDED = frozenset({7, 8, 9, 11})
"""States after the FIN of the peer: CLOSE, CLOSE_WAIT, LAST_ACK, CLOSING (tcpi_state)."""


@frozen
class TcpCounts:
    """Bytes of a connection since it began: read from the socket, and written to it."""

    read: int
    written: int


def tcp_counts(sock: socket.socket) -> TcpCounts | None:
    """What the kernel has counted; None where it does not count, as for Unix sockets."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return None
    try:
        info = _info(sock)
        for _ in range(ATTEMPTS):
            unread = fcntl.ioctl(sock.fileno(), termios.FIONREAD, bytes(_INT.size))
            queued = send_queue(sock)
            before, info = info, _info(sock)
            if len(info) < _BYTES.size or queued is None:
                return None
            if _counted(info) == _counted(before):
                break
        else:
            return None
    except OSError:
        return None
    acknowledged, received = _BYTES.unpack_from(info)
    fin = 1 if info[0] in _ENDED else 0  # it takes a number as a byte does
    return TcpCounts(received - fin - int(_INT.unpack(unread)[0]), acknowledged + queued)


def _info(sock: socket.socket) -> bytes:
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO)


def _counted(info: bytes) -> tuple[int, bytes]:
    """What has to be the same before and after the queues are asked for: the state and counts."""
    return info[0], info[_BYTES.size - 16 : _BYTES.size]


def unsent(transport: Any) -> bytes:
    """What was written to `transport`, one of Twisted's for TCP, and not to its socket yet."""
    first = bytes(getattr(transport, "dataBuffer", b""))[getattr(transport, "offset", 0) :]
    return first + b"".join(getattr(transport, "_tempDataBuffer", ()))


@frozen
class TrafficAccount:
    """Our count, as far as the state beside it goes. `unsent` are the last of the bytes `written`:
    the socket did not have them yet.
    """

    read: int = 0
    written: int = 0
    unsent: bytes = b""


@frozen
class Difference:
    """What happened after an account was written down.

    `missed`: bytes that were read; None: not known. `resend`: what has to be sent first.
    `oversent`: bytes that were sent and are not in the account; None: not known.
    """

    missed: int | None = 0
    resend: bytes = b""
    oversent: int | None = 0


UNKNOWN = Difference(None, b"", None)
"""Where neither the kernel nor the account can tell."""


def compare(account: TrafficAccount | None, now: TcpCounts | None) -> Difference:
    """What happened between `account` and `now`. Nothing that may have been sent is in `resend`."""
    if account is None or now is None:
        return UNKNOWN
    missed: int | None = now.read - account.read
    if missed is not None and missed < 0:
        missed = None
    handed_over = account.written - len(account.unsent)
    if now.written > account.written:
        return Difference(missed, b"", now.written - account.written)
    if now.written < handed_over:
        return Difference(missed, b"", None)
    return Difference(missed, account.unsent[now.written - handed_over :], 0)
