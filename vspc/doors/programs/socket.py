"""One socket of [[console.listen]]: who may connect, as which operator, and how many at once."""

from base64 import b64encode
from collections.abc import Callable
from typing import Any

from attrs import define, field, frozen
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from vspc.common.addresses import address_text
from vspc.common.clock import Clock
from vspc.config.sockets import SocketAddress
from vspc.config.vm_settings import SocketSettings
from vspc.console.access import Operator
from vspc.console.logins import Login, LoginFailure, LoginObserver, UserName, begin_login
from vspc.console.ports import Lockouts
from vspc.console.session import Proof
from vspc.doors.peers import local_peer
from vspc.doors.programs.channel import ChannelContext, ProgramChannel, ProgramWire
from vspc.net.limits import TokenBucket
from vspc.net.tls import peer_certificate

SOCKET, CERTIFICATE = "socket", "tls-certificate"
"""How an operator of a socket is authenticated: by the configuration, by a client certificate."""


ADMISSIONS = 64
"""Connections of one port that are admitted at once: each is four events in the audit file."""

ADMISSION_RATE = 4.0
"""The same a second, for ever."""


class NotAdmitted(Exception):
    """A connection is refused; the text says why, for the client."""


@frozen
class ClientCertificate:
    """One that TLS has verified. `name` is its only common name, empty if it has none or several;
    `fingerprint` is written as those of keys are.
    """

    name: str
    fingerprint: str


def client_certificate(transport: Any) -> ClientCertificate | None:
    """That of the client at the other end; None if it has shown none, or there is no TLS."""
    shown = peer_certificate(transport)
    return None if shown is None else read_certificate(shown.to_cryptography())


def read_certificate(certificate: x509.Certificate) -> ClientCertificate:
    """What is to be known of it."""
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    names = [str(each.value) for each in found]
    digest = b64encode(certificate.fingerprint(SHA256())).decode().rstrip("=")
    return ClientCertificate(names[0] if len(names) == 1 else "", f"SHA256:{digest}")


@frozen
class OperatorsOfSockets:
    """The operators of the configuration in force. `named` gives one by name; `by_certificate` says
    why a certificate alone does not make a client one, or nothing.
    """

    named: Callable[[str], Operator | None]
    by_certificate: Callable[[str], str]
    lockouts: Lockouts


@define(eq=False)
class ProgramSocket:
    """One port, or one Unix socket. `address` and `entry` are replaced by a reload; `refuse` logs a
    refusal: of which address, and why.
    """

    address: SocketAddress
    entry: SocketSettings
    channel: ChannelContext
    operators: OperatorsOfSockets
    logins: LoginObserver
    refuse: Callable[["ProgramSocket", str, str], None]
    channels: dict[ProgramChannel, Login] = field(factory=dict, init=False)
    _admissions: TokenBucket = field(
        factory=lambda: TokenBucket(ADMISSION_RATE, ADMISSIONS), init=False
    )

    @property
    def clock(self) -> Clock:
        """That of all its connections."""
        return self.channel.verbs.clock

    def admit(self, wire: ProgramWire, transport: Any) -> ProgramChannel:
        """The channel of a new connection, to begin once it can be written to. `transport` is the
        TCP, TLS or Unix one. Raises `NotAdmitted`.
        """
        address = self._address_of(transport)
        try:
            if len(self.channels) >= self.entry.max:
                raise NotAdmitted(f"all {self.entry.max} connections of this port are in use")
            if not self._admissions.take(self.clock.seconds()):
                raise NotAdmitted("too many connections to this port in a short time")
            operator, proof = self._operator(address, client_certificate(transport))
        except NotAdmitted as why:
            self.refuse(self, address, str(why))
            raise
        now = self.clock.wall()
        login = begin_login(UserName(operator.name, None, ()), operator, proof, address, now)
        splits = self.entry.split_break
        channel = ProgramChannel(self.channel, login.session, wire, self._leave, splits)
        self.channels[channel] = login
        self.logins.program(login, channel)
        return channel

    def _address_of(self, transport: Any) -> str:
        if self.address.path:
            return local_peer(transport)[1]
        return address_text(str(getattr(transport.getPeer(), "host", "local")))

    def _operator(
        self, address: str, certificate: ClientCertificate | None
    ) -> tuple[Operator, Proof]:
        """The operator of a connection, and how that is known. Raises `NotAdmitted`."""
        proof, name = Proof(SOCKET, socket=str(self.address)), self.entry.operator or ""
        if self.entry.client_ca is not None:
            if certificate is None:
                raise NotAdmitted("a client certificate is required")
            proof = Proof(CERTIFICATE, certificate.fingerprint, socket=str(self.address))
            name = self.entry.operator or certificate.name
        operator, why = self.operators.named(name), ""
        if operator is None:
            why = f"{name or 'no name'} is not an operator"
        elif self.entry.operator is None:
            why = self.operators.by_certificate(name)
        names = [name, *([proof.fingerprint] if proof.fingerprint else [])]
        if not why and self.operators.lockouts.find(names) is not None:
            why = "locked out"
        if operator is None or why:
            self.logins.failed(LoginFailure(name, address, why, proof, 1, 0, last=True))
            raise NotAdmitted(why)
        return operator, proof

    def _leave(self, channel: ProgramChannel) -> None:
        """A channel is over."""
        login = self.channels.pop(channel, None)
        if login is not None:
            self.logins.left(login)

    def end(self, reason: str, which: Callable[[Login], bool] = lambda _login: True) -> int:
        """End the connections of which `which` is true and which are not ended yet; how many."""
        there = [(channel, login) for channel, login in self.channels.items() if not channel.over]
        ended = [channel for channel, login in there if which(login)]
        for channel in ended:
            channel.disconnect(reason)
        return len(ended)
