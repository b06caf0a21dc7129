"""Outgoing connections of threads to log and audit servers: TCP, TLS, UDP, Unix sockets; and syslog
records (RFC 5424, RFC 6587), which `logging.handlers` and the libraries on PyPI write as RFC 3164
or without bounds. The reactor's own are in `vspc.net.outbound`.

Nothing here is for the reactor's thread: a connection blocks for up to `TIMEOUT`.
"""

import re
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from attrs import define, field

from vspc.common.text import safe
from vspc.net.certificates import PemError, as_file, read_pem
from vspc.net.keepalive import send_queue

TIMEOUT = 10.0
"""Seconds that connecting may take, and sending."""


@define(eq=False)
class Connection:
    """Connected by `dial` when it is needed, and again after an error."""

    dial: Callable[[], socket.socket]
    timeout: float = TIMEOUT
    _socket: socket.socket | None = field(default=None, init=False)
    _sent: int = field(default=0, init=False)  # bytes, by this connection
    _ends: deque[int] = field(factory=deque, init=False)  # of sends that are not acknowledged

    def send(self, data: bytes) -> None:
        """Send all of `data` within `timeout`. On an error it is closed and raises OSError."""
        try:
            if self._socket is None:
                self._socket = self.dial()
            self._check_open(self._socket)
            self._socket.sendall(data)
        except OSError:
            self.close()
            raise
        except UnicodeError as error:  # an invalid host name
            raise OSError(str(error)) from None
        self._sent += len(data)
        self._ends.append(self._sent)

    def _check_open(self, connection: socket.socket) -> None:
        """Notice that the peer has closed, which writing would not."""
        connection.setblocking(False)
        try:
            if connection.recv(4096) == b"":
                raise ConnectionResetError("the other side has closed the connection")
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        finally:
            connection.settimeout(self.timeout)

    def waiting(self) -> int:
        """How many of the last sends the peer's kernel may not have completely."""
        arrived = self._sent - self._queued()
        while self._ends and self._ends[0] <= arrived:
            self._ends.popleft()
        return len(self._ends)

    def _queued(self) -> int:
        """Bytes that the peer has not acknowledged, with the overhead of TLS: never too few."""
        if self._socket is None:
            return 0
        queued = send_queue(self._socket)
        return self._sent if queued is None else queued

    def close(self) -> None:
        """Close it until the next `send`."""
        self._sent = 0
        self._ends.clear()
        if self._socket is not None:
            connection, self._socket = self._socket, None
            with suppress(OSError):
                connection.close()


def tcp(host: str, port: int) -> Callable[[], socket.socket]:
    """By TCP."""
    return lambda: socket.create_connection((host, port), TIMEOUT)


def unix(path: str) -> Callable[[], socket.socket]:
    """By a Unix socket."""

    return lambda: _connected(socket.socket(socket.AF_UNIX), path)


def tls(host: str, port: int, context: ssl.SSLContext) -> Callable[[], socket.socket]:
    """By TLS; `context` has the authorities that are trusted."""

    def dial() -> socket.socket:
        plain = socket.create_connection((host, port), TIMEOUT)
        try:
            return context.wrap_socket(plain, server_hostname=host)
        except OSError:
            plain.close()
            raise

    return dial


def udp(host: str, port: int) -> Callable[[], socket.socket]:
    """By UDP: each send is a datagram."""

    def dial() -> socket.socket:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        family, kind, protocol, _, address = found[0]
        return _connected(socket.socket(family, kind, protocol), address)

    return dial


def unix_datagrams(path: str) -> Callable[[], socket.socket]:
    """By a Unix datagram socket, as those of syslog and of the journal."""
    return lambda: _connected(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), path)


def _connected(made: socket.socket, address: Any) -> socket.socket:
    made.settimeout(TIMEOUT)
    try:
        made.connect(address)
    except OSError:
        made.close()
        raise
    return made


def client_context(
    ca: Path | None, certificate: Path | None, private_key: Path | None
) -> ssl.SSLContext:
    """Trusted authorities, and our certificate. Raises OSError for files that cannot be used."""
    context = ssl.create_default_context(cadata=None if ca is None else _pem(ca).decode("ascii"))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate is not None and private_key is not None:
        with as_file(_pem(certificate)) as chain, as_file(_pem(private_key)) as key:
            # With a password, even an empty one, OpenSSL asks for none on the terminal.
            context.load_cert_chain(chain, key, "")
    return context


def _pem(path: Path) -> bytes:
    try:
        found = read_pem(path)
    except PemError as error:
        raise OSError(str(error)) from None
    if not found:
        raise OSError(f"{safe(str(path))}: no PEM block")
    return found


def host_and_port(text: str) -> tuple[str, int]:
    """ "HOST:PORT" or "[ADDRESS]:PORT", which was checked."""
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


class ClientFiles(Protocol):
    """Settings with files for TLS: trusted authorities, and our certificate."""

    @property
    def ca(self) -> Path | None: ...
    @property
    def certificate(self) -> Path | None: ...
    @property
    def private_key(self) -> Path | None: ...


def is_local(target: str) -> bool:
    """Whether it is a socket of this machine."""
    return target.partition(":")[0] not in ("tcp", "udp", "tls")


def is_stream(target: str) -> bool:
    """Whether records need a length or an end of their own there: they are not datagrams."""
    return target.partition(":")[0] in ("tcp", "tls")


def dialler(
    target: str, files: ClientFiles, datagrams: bool = False
) -> Callable[[], socket.socket]:
    """How to connect to `tcp:HOST:PORT`, `tls:HOST:PORT`, `udp:HOST:PORT`, `unix:PATH` or a path.

    A Unix socket takes a stream, or `datagrams`. The files for TLS are read for each connection: a
    renewed certificate needs no restart.
    """
    kind, _, rest = target.partition(":")
    if not is_local(target):
        host, port = host_and_port(rest)
        if kind != "tls":
            return (tcp if kind == "tcp" else udp)(host, port)
        return lambda: _dial_tls(host, port, files)
    return (unix_datagrams if datagrams else unix)(rest if kind == "unix" else target)


def _dial_tls(host: str, port: int, files: ClientFiles) -> socket.socket:
    context = client_context(files.ca, files.certificate, files.private_key)
    return tls(host, port, context)()


INFO = 6
"""Severity: informational."""

_MARK = b"\xef\xbb\xbf"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def record(
    facility: int, at: str, hostname: str, kind: str, data: str, text: bytes, severity: int = INFO
) -> bytes:
    """A syslog record. `at` is RFC 3339 in UTC, `kind` the MSGID, `data` "-" or structured data;
    `text` is UTF-8, with the byte-order mark of section 6.4.
    """
    head = f"<{facility * 8 + severity}>1 {at} {hostname} vspc - {kind} {data} "
    return head.encode("utf-8", "replace") + _MARK + text


def local_record(
    facility: int, at: float, process: int, text: bytes, severity: int = INFO
) -> bytes:
    """The same for the socket of this machine, as syslog(3) writes it (RFC 3164 section 4.1): what
    reads there, systemd-journald or rsyslog, would show the head of RFC 5424 as text. `at`: seconds
    since 1970.
    """
    moment = time.localtime(at)
    date = f"{_MONTHS[moment.tm_mon - 1]} {moment.tm_mday:2} {time.strftime('%H:%M:%S', moment)}"
    return f"<{facility * 8 + severity}>{date} vspc[{process}]: ".encode() + text


def counted(body: bytes) -> bytes:
    """`body` with its length before it (RFC 6587 section 3.4.1)."""
    return f"{len(body)} ".encode() + body


ENTERPRISE = 32473
"""The private enterprise number of examples (RFC 5612): this project has none of its own."""

_ESCAPED = re.compile(r'(["\\\]])')


def structured(name: str, facts: Mapping[str, str]) -> str:
    """Structured data (RFC 5424 section 6.3): one element."""
    escaped = {key: _ESCAPED.sub(r"\\\1", value) for key, value in facts.items()}
    words = " ".join(f'{key}="{value}"' for key, value in escaped.items())
    return f"[{name}@{ENTERPRISE} {words}]"
