"""What answers at a TCP port: connects as a serial port's peer would, and says what it met.

Blocks, for `LIMIT` at most; for a command, never for the reactor. Nothing but telnet commands is
sent, and TLS where they are not taken: a device that treats all it receives as typed gets a few
bytes without a line end, and no more.
"""

import socket
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import Any

from attrs import define, evolve, field, frozen
from cryptography.hazmat.primitives import hashes
from OpenSSL import SSL

from vspc.common.addresses import parse_address
from vspc.common.text import safe
from vspc.net.certificates import Validity, alternative_names, name_of, validity
from vspc.net.client_tls import ClientTls, TrustSettings
from vspc.net.heard_peer import OFFERS, Answer, HeardPeer
from vspc.net.outbound import ADDRESSES, look_up
from vspc.net.tls import tls_reason
from vspc.wire import telnet
from vspc.wire.uri import RemoteUri

LIMIT = 10.0
"""Seconds for all of it."""

QUIET = 1.5
"""Seconds in which a peer may speak first, or answer."""

BANNER = 80
"""Characters of what a peer says that are shown."""

READ = 4096
"""Bytes that are read at once."""


@frozen
class ShownCertificate:
    """A certificate that was shown. `distrust`: why this machine does not trust it; empty if it
    does. Fingerprints are as vSphere writes them.
    """

    version: str
    subject: str
    issuer: str
    names: tuple[str, ...]
    sha1: str
    sha256: str
    validity: Validity
    distrust: str


@frozen
class Probed:
    """What was met. `extension` and `com_port`: whether VMware's extension and RFC 2217 are spoken;
    `banner` is what was said first, `detail` the reason of a failure.
    """

    place: str
    answer: Answer
    address: str = ""
    detail: str = ""
    banner: str = ""
    extension: bool = False
    com_port: bool = False
    certificate: ShownCertificate | None = None


class _Failed(Exception):
    """It came to nothing."""

    def __init__(self, answer: Answer, detail: str) -> None:
        super().__init__(detail)
        self.answer = answer
        self.detail = detail


def probe(target: RemoteUri, auto: bool, clock: Callable[[], float] = monotonic) -> Probed:
    """What answers at `target`. With `auto` its scheme does not count: TLS is tried where telnet is
    not taken.
    """
    run = _Probe(target, clock() + LIMIT, clock)
    try:
        return run.tls() if target.scheme.tls and not auto else run.plain(auto)
    except _Failed as failed:
        return Probed(target.place, failed.answer, run.address, failed.detail)


@define(eq=False)
class _Probe:
    """One probe: as many connections as it takes, until its deadline."""

    target: RemoteUri
    deadline: float
    clock: Callable[[], float]
    address: str = ""
    _addresses: list[str] = field(factory=list)

    def left(self) -> float:
        """Seconds until the deadline, a little at least."""
        return max(self.deadline - self.clock(), 0.01)

    def plain(self, auto: bool) -> Probed:
        """Listen, then speak telnet; with `auto` TLS, where that ended the connection."""
        with _Stream(self.connect(), self) as stream:
            found = _converse(stream)
        if not (auto and found.closed and found.may_be_tls):
            return self._of(found)
        try:
            return self.tls()
        except _Failed:
            return self._of(found)

    def tls(self) -> Probed:
        """TLS, then as `plain`."""
        trust = ClientTls(TrustSettings())
        with _Stream(self.connect(), self) as stream:
            engine = stream.secure(trust, self.target.host)
            shown = _certificate(engine, trust.distrust(engine, self.target.host))
            found = _converse(stream)
        return evolve(self._of(found), certificate=shown)

    def _of(self, found: HeardPeer) -> Probed:
        answer = found.answer()
        heard = found.heard if answer is Answer.TELNET else set[tuple[int, int]]()
        return Probed(
            self.target.place,
            answer,
            self.address,
            banner=safe(found.first_line, BANNER),
            extension=(telnet.DO, telnet.VMWARE) in heard,
            com_port=bool({(telnet.DO, telnet.COM_PORT), (telnet.WILL, telnet.COM_PORT)} & heard),
        )

    def connect(self) -> socket.socket:
        """A connection to the first address that takes one."""
        if not self._addresses:
            self._addresses = self._look_up()[:ADDRESSES]
        failed = _Failed(Answer.NO_ANSWER, "")
        for place, address in enumerate(self._addresses):
            self.address = address
            patience = self.left() / (len(self._addresses) - place)
            try:
                made = socket.create_connection((address, self.target.port), patience)
            except OSError as error:
                failed = _why(error)
            else:
                self._addresses = [address]
                return made
        raise failed

    def _look_up(self) -> list[str]:
        """In a thread: the system's resolver may wait for half a minute."""
        answers = SimpleQueue[list[str] | OSError]()

        def ask() -> None:
            try:
                answers.put(look_up(self.target.host))
            except OSError as error:
                answers.put(error)
            except UnicodeError as error:  # an invalid name
                answers.put(OSError(str(error)))

        Thread(target=ask, daemon=True).start()
        try:
            found = answers.get(timeout=self.left())
        except Empty:
            raise _Failed(Answer.UNKNOWN_NAME, "the name server does not answer") from None
        if isinstance(found, OSError):
            raise _Failed(Answer.UNKNOWN_NAME, safe(found.strerror or str(found)))
        return found


def _why(error: OSError) -> _Failed:
    reason = safe(error.strerror or str(error))
    if isinstance(error, ConnectionRefusedError):
        return _Failed(Answer.REFUSED, reason)
    if isinstance(error, TimeoutError):
        return _Failed(Answer.NO_ANSWER, reason)
    return _Failed(Answer.UNREACHABLE, reason)


class _Stream:
    """A connection, with TLS on it or without."""

    def __init__(self, connection: socket.socket, run: _Probe) -> None:
        self._connection = connection
        self._run = run
        self._engine: SSL.Connection | None = None

    def __enter__(self) -> "_Stream":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def secure(self, trust: ClientTls, host: str) -> SSL.Connection:
        """TLS from here on, once the handshake is done."""
        nobody: Any = None
        engine = trust.clientConnectionForTLS(nobody)
        engine.set_connect_state()
        if parse_address(host) is None:
            engine.set_tlsext_host_name(host.encode())
        try:
            self._shake_hands(engine)
        except SSL.Error as error:
            raise _Failed(Answer.TLS_FAILED, tls_reason(error)) from None
        except OSError as error:
            raise _Failed(Answer.TLS_FAILED, safe(error.strerror or str(error))) from None
        self._engine = engine
        return engine

    def _shake_hands(self, engine: SSL.Connection) -> None:
        while True:
            try:
                engine.do_handshake()
            except SSL.WantReadError:
                self._flush(engine)
            else:
                self._flush(engine)
                return
            self._connection.settimeout(self._run.left())
            data = self._connection.recv(READ)
            if not data:
                raise _Failed(Answer.TLS_FAILED, "the connection was closed")
            engine.bio_write(data)

    def _flush(self, engine: SSL.Connection) -> None:
        try:
            while True:
                self._connection.sendall(engine.bio_read(READ))
        except SSL.WantReadError:
            pass

    def send(self, data: bytes) -> None:
        """OSError."""
        if self._engine is None:
            self._connection.sendall(data)
        else:
            self._engine.send(data)
            self._flush(self._engine)

    def read(self, until: float) -> bytes | None:
        """What comes before `until`; empty at the end, None if nothing does."""
        while (left := min(until, self._run.deadline) - self._run.clock()) > 0:
            self._connection.settimeout(left)
            try:
                data = self._connection.recv(READ)
            except TimeoutError:
                return None
            except OSError:
                return b""
            if self._engine is None or not data:
                return data
            found = self._decrypted(self._engine, data)
            if found is not None:
                return found
        return None

    def soon(self) -> float:
        """When a peer should have spoken."""
        return self._run.clock() + QUIET

    def _decrypted(self, engine: SSL.Connection, data: bytes) -> bytes | None:
        engine.bio_write(data)
        found = b""
        try:
            while len(found) < READ:
                found += engine.recv(READ)
        except SSL.WantReadError:
            return found or None
        except SSL.Error:
            return found
        return found


def _converse(stream: _Stream) -> HeardPeer:
    """Listen to what the peer says by itself, make the offers, listen to the answers."""
    met = HeardPeer()
    _listen(stream, met, lambda: bool(met.raw))
    if met.closed or (met.raw and not met.is_telnet):
        return met
    try:
        stream.send(b"".join(telnet.negotiation(*offer) for offer in OFFERS))
    except OSError:
        met.closed = True
        return met
    _listen(stream, met, lambda: met.is_settled)
    return met


def _listen(stream: _Stream, met: HeardPeer, enough: Callable[[], bool]) -> None:
    until = stream.soon()
    while not enough():
        data = stream.read(until)
        if data is None:
            return
        if not data:
            met.closed = True
            return
        met.take(data)


def _certificate(engine: SSL.Connection, distrust: str) -> ShownCertificate | None:
    shown = engine.get_peer_certificate(as_cryptography=True)
    if shown is None:
        return None
    return ShownCertificate(
        engine.get_protocol_version_name(),
        name_of(shown.subject),
        name_of(shown.issuer),
        alternative_names(shown),
        shown.fingerprint(hashes.SHA1()).hex(":").upper(),  # noqa: S303
        shown.fingerprint(hashes.SHA256()).hex(":").upper(),
        validity(shown),
        distrust,
    )
