"""How an operator proves who he is: ssh-userauth (RFC 4252), public keys only.

A key is looked up before the client is told that it will do (PK_OK), so a client never signs, and
a FIDO key is never touched, for a key that is not authorised. An operator that nobody knows gets
the answers of one without keys.
"""

from typing import TYPE_CHECKING

from twisted.conch.ssh.transport import DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE
from twisted.conch.ssh.userauth import (
    MSG_USERAUTH_FAILURE,
    MSG_USERAUTH_PK_OK,
    MSG_USERAUTH_REQUEST,
    MSG_USERAUTH_SUCCESS,
    SSHUserAuthServer,
)
from twisted.logger import Logger

from vspc.ssh import limits
from vspc.ssh.avatar import Avatar
from vspc.ssh.keys import fingerprint
from vspc.ssh.logins import Login, UserName, split_user
from vspc.ssh.packets import Malformed, Reader, string
from vspc.ssh.quiet import quiet
from vspc.ssh.signatures import acceptable, verified
from vspc.text import safe

if TYPE_CHECKING:
    from vspc.ssh.transport import DoorTransport

log = Logger()

METHODS = b"publickey"

_NOBODY = UserName("", None, ())


class DoorUserAuth(SSHUserAuthServer):
    """One client's way through the door."""

    _log = quiet
    transport: "DoorTransport"

    def serviceStarted(self) -> None:
        """The client may ask."""
        self._failures = 0
        self._probes = 0
        self._last = ("", "", "")

    def serviceStopped(self) -> None:
        """The client is in, or gone: one line if it tried and failed."""
        operator, key, reason = self._last
        transport = self.transport
        if not reason or transport.login is not None:
            return
        if transport.factory.tellable(transport.address):
            log.warn(
                "login-failed",
                operator=safe(operator),
                address=transport.address,
                key=key,
                reason=reason,
                attempts=self._failures,
                probes=self._probes,
            )

    def ssh_USERAUTH_REQUEST(self, packet: bytes) -> None:
        """One attempt, or a question whether an attempt would do."""
        reader = Reader(packet)
        user, service, method = reader.string(), reader.string(), reader.string()
        name = split_user(user) or _NOBODY
        if service != b"ssh-connection":
            raise Malformed("a login for a service that is not to be had")
        if method == b"publickey":
            self._public_key(name, packet, reader)
        else:
            self._count_probe(name, "", "" if method == b"none" else "method not offered")

    def _public_key(self, name: UserName, packet: bytes, reader: Reader) -> None:
        signed = reader.boolean()
        algorithm, blob = reader.string(), reader.string()
        signature = reader.string() if signed else b""
        reader.end()
        if not acceptable(algorithm, blob):
            self._count_probe(name, fingerprint(blob), "key type or signature not accepted")
        elif blob not in self.transport.factory.directory.keys(name.operator):
            self._count_probe(name, fingerprint(blob), "key not authorised")
        elif not signed:
            self.transport.sendPacket(MSG_USERAUTH_PK_OK, string(algorithm) + string(blob))
        else:
            covered = packet[: len(packet) - 4 - len(signature)]
            self._soon(name, algorithm, blob, signature, covered)

    def _soon(self, name: UserName, *proof: bytes) -> None:
        """Check the signature now, or later where there were many failures."""
        transport = self.transport
        factory = transport.factory
        delay = factory.attempts.delay(transport.address, name.operator, factory.clock.seconds())
        if delay:
            transport.hold("attempt")
            transport.timers.later("attempt", delay, self._check_late, name, *proof)
        else:
            self._check(name, *proof)

    def _check_late(self, name: UserName, *proof: bytes) -> None:
        self._check(name, *proof)
        self.transport.release("attempt")

    def _check(
        self, name: UserName, algorithm: bytes, blob: bytes, signature: bytes, covered: bytes
    ) -> None:
        session = self.transport.sessionID
        assert session is not None
        message = string(session) + bytes((MSG_USERAUTH_REQUEST,)) + covered
        if verified(algorithm, blob, signature, message):
            self._accept(name, fingerprint(blob))
        else:
            self._count_failure(name, fingerprint(blob), "bad signature")

    def _accept(self, name: UserName, key: str) -> None:
        transport = self.transport
        login = Login(
            operator=name.operator,
            target=name.target,
            options=name.options,
            address=transport.address,
            method="publickey",
            fingerprint=key,
        )
        log.info(
            "login-accepted",
            operator=safe(login.operator),
            address=login.address,
            method=login.method,
            key=key,
        )
        transport.authenticated(login)
        transport.avatar = Avatar(login)
        transport.sendPacket(MSG_USERAUTH_SUCCESS, b"")
        transport.enter_service(b"ssh-connection")

    def _count_probe(self, name: UserName, key: str, reason: str) -> None:
        """A table look-up that found nothing."""
        self._probes += 1
        if self._probes % limits.PROBES_PER_FAILURE == 0:
            self._count_failure(name, key, reason)
            return
        self._note(name, key, reason)
        self._say_failure()

    def _count_failure(self, name: UserName, key: str, reason: str) -> None:
        self._note(name, key, reason)
        self._failures += 1
        self.transport.failed(name.operator)
        if self._failures >= self.transport.factory.limits.attempts:
            self.transport.disconnect(
                "too many failed logins", DISCONNECT_NO_MORE_AUTH_METHODS_AVAILABLE
            )
        else:
            self._say_failure()

    def _note(self, name: UserName, key: str, reason: str) -> None:
        if reason:
            self._last = (name.operator, key, reason)

    def _say_failure(self) -> None:
        self.transport.sendPacket(MSG_USERAUTH_FAILURE, string(METHODS) + b"\0")
