"""A connection to whoever takes what VMs say: TCP, TLS or a Unix socket; made when it is needed."""

import fcntl
import socket
import ssl
import struct
import termios
from collections.abc import Callable
from contextlib import suppress

from attrs import define, field

from vspc.log.sinks.outlet import PATIENCE


@define(eq=False)
class Connection:
    """`dial` makes one, as often as it must; it may block for `PATIENCE`."""

    dial: Callable[[], socket.socket]
    _socket: socket.socket | None = field(default=None, init=False)

    def send(self, data: bytes) -> None:
        """All of `data`, within `PATIENCE`. Raises OSError; then it is closed."""
        try:
            if self._socket is None:
                self._socket = self.dial()
                self._socket.settimeout(PATIENCE)
            self._look(self._socket)
            self._socket.sendall(data)
        except OSError:
            self.close()
            raise

    def _look(self, connection: socket.socket) -> None:
        """A peer that has gone says so by an end of file, which writing would not notice."""
        connection.setblocking(False)
        try:
            if connection.recv(4096) == b"":
                raise ConnectionResetError("the other side has closed the connection")
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        finally:
            connection.settimeout(PATIENCE)

    def settled(self) -> bool:
        """Whether the other side's kernel has all of it."""
        if self._socket is None:
            return False
        try:
            waiting = fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, bytes(4))
        except OSError:
            return False
        return int(struct.unpack("i", waiting)[0]) == 0

    def close(self) -> None:
        """Until the next `send`."""
        if self._socket is not None:
            connection, self._socket = self._socket, None
            with suppress(OSError):
                connection.close()


@define(eq=False)
class Stream:
    """What outlets over a connection have in common."""

    connection: Connection

    def settled(self) -> bool:
        """Whether the other side has it."""
        return self.connection.settled()

    def reopen(self) -> None:
        """Dial anew."""
        self.connection.close()

    def close(self) -> None:
        """The end."""
        self.connection.close()


def tcp(host: str, port: int) -> Callable[[], socket.socket]:
    """By TCP."""
    return lambda: socket.create_connection((host, port), PATIENCE)


def unix(path: str) -> Callable[[], socket.socket]:
    """By a Unix socket."""

    def dial() -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(PATIENCE)
        try:
            connection.connect(path)
        except OSError:
            connection.close()
            raise
        return connection

    return dial


def tls(host: str, port: int, context: ssl.SSLContext) -> Callable[[], socket.socket]:
    """By TLS; `context` says whom to believe."""

    def dial() -> socket.socket:
        plain = socket.create_connection((host, port), PATIENCE)
        try:
            return context.wrap_socket(plain, server_hostname=host)
        except OSError:
            plain.close()
            raise

    return dial
