"""One client's connection: packets, key exchange, flow, end (RFC 4253 sections 4 to 11).

Conch's cryptography in a stricter state machine. What Conch would do by default and this does not:
compression, SHA-1, CBC, packets of 1 MiB, key exchange messages in any order, a queue without
bounds while keys are exchanged. The server asks for new keys itself, by bytes and by time.

The login time runs from connect; what arrives is handled in the connection's share of each turn
(`vspc.net.scheduler`); what is malformed ends the connection with one log line. Channels may not
write (`flowing` is False) during a key exchange, while TCP's buffer is full, and after the end.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from twisted.conch.ssh.service import SSHService
from twisted.conch.ssh.transport import (
    DISCONNECT_PROTOCOL_ERROR,
    MSG_DISCONNECT,
    MSG_KEXINIT,
    MSG_SERVICE_ACCEPT,
    MSG_UNIMPLEMENTED,
    SSHServerTransport,
    SSHTransportBase,
)
from twisted.logger import Logger
from twisted.python.failure import Failure

from vspc import __version__
from vspc.common.addresses import address_text
from vspc.common.text import safe
from vspc.console.logins import Login
from vspc.net.limits import TokenBucket
from vspc.net.scheduler import CLOSING, Share
from vspc.ssh import limits
from vspc.ssh.context import ChannelService, LoginTime, SshContext, Timers, quiet
from vspc.ssh.crypto.exchange import (
    CIPHERS,
    COMPRESSIONS,
    MACS,
    STRICT_SERVER,
    KeyExchange,
    key_exchanges,
    read_offer,
)
from vspc.ssh.crypto.packets import Incoming, Outgoing, Part
from vspc.ssh.crypto.signatures import server_signature_algorithms
from vspc.ssh.flow import ClientInput, ClientOutput
from vspc.wire.ssh import MalformedSsh, SshReader, string, uint32

log = Logger()

_VERSION = b"SSH-2.0-vspc_" + __version__.replace("-", "_").encode("ascii")
_SERVICE_MESSAGES = 50


class Registry(Protocol):
    """The factory of a transport."""

    connections: set["SshTransport"]
    services: Mapping[bytes, Callable[[], SSHService]]


def _host(address: object) -> str:
    """The client's IP address, a v4-mapped one as v4; `local` for anything else."""
    host = getattr(address, "host", None)
    return address_text(host) if isinstance(host, str) else "local"


class SshTransport(SSHServerTransport):
    """A connection. `channels` is its service once the client has logged in."""

    _log = quiet
    transport: Any
    factory: Registry  # type: ignore[assignment]
    ourVersionString = _VERSION
    supportedCiphers = list(CIPHERS)
    supportedMACs = list(MACS)
    supportedCompressions = list(COMPRESSIONS)
    share: Share
    input: ClientInput
    output: ClientOutput

    def __init__(self, context: SshContext, factory: Registry) -> None:
        self.context = context
        self.factory = factory
        self.timers = Timers(context.clock)
        self.address = ""
        self.login: Login | None = None
        self.channels: ChannelService | None = None
        self.ended = False
        self.heard = False
        """Whether a packet came since this was set to False."""
        self.incoming = Incoming()
        self.outgoing = Outgoing()
        self.supportedPublicKeys = [name for key in context.host_keys for name in key.signatures]
        exchanges = key_exchanges(self.supportedPublicKeys)
        self.supportedKeyExchanges = [*exchanges, STRICT_SERVER]
        self._exchange = KeyExchange(self.supportedPublicKeys, self.incoming, self.outgoing)
        self.nextEncryptions: Any = self._exchange
        self._rekeys = TokenBucket(limits.REKEY_RATE, limits.REKEY_BURST)

    # Begin and end

    def connectionMade(self) -> None:
        """Send the version and KEXINIT; from here on the login time runs."""
        self.factory.connections.add(self)
        self.address = _host(self.transport.getPeer())
        self.context.grace_period.came(self, self.address)
        self.share = self.context.scheduler.share(self.address)
        self.input = ClientInput(self, self.incoming, self.share)
        self.output = ClientOutput(self.transport, self.input, self._flow)
        self.transport.registerProducer(self.output, True)
        self._login_time = LoginTime(self.context, self.timers, self._login_timed_out)
        self.transport.write(self.ourVersionString + b"\r\n")
        self.sendKexInit()

    def connectionLost(self, reason: Failure | None = None) -> None:
        """The programs hear of it once what was received before is handled."""
        del reason
        self.input.connection_lost()

    def finished(self) -> None:
        """The connection is lost, and what arrived before that is handled."""
        self.ended = True
        self.timers.stop()
        self.share.leave()
        self.context.grace_period.leave(self)
        if self.share.open() or not self.share.wait(self._depart):
            self._depart()

    def _depart(self) -> None:
        self.share.spend(CLOSING)
        self._stop_service()
        self.factory.connections.discard(self)
        if self.login is not None:
            self.context.observer.left(self.login)

    def _stop_service(self) -> None:
        """Once: programs end now, however long the client keeps its end open."""
        service, self.service, self.channels = self.service, None, None
        if service:
            try:
                service.serviceStopped()  # type: ignore[no-untyped-call]
            except Exception:  # a defect: the connection is over all the same
                log.failure("ssh-failed", address=self.address)

    @property
    def idle(self) -> bool:
        """Whether a client that has logged in has no channel open."""
        return self.channels is None or not self.channels.channels

    def abort(self) -> None:
        """End the connection without a message."""
        self.ended = True
        self.transport.abortConnection()

    def displace(self) -> None:
        """End it in favour of a new connection."""
        log.debug("login-displaced", address=self.address)
        self.abort()

    def disconnect(self, text: str, code: int = DISCONNECT_PROTOCOL_ERROR) -> None:
        """End the connection and send the client the reason; it is not read any more.

        Its terminals are restored first; it has `limits.DISCONNECT_DELAY` seconds for that.
        """
        if self.ended:
            return
        packet = bytes((MSG_DISCONNECT,)) + uint32(code) + string(text.encode()) + string(b"")
        has_terminals = self.channels is not None and self.channels.give_back()
        self._cease()
        if has_terminals:
            self.timers.later("disconnect", limits.DISCONNECT_DELAY, self._close, packet)
        else:
            self._close(packet)

    def _cease(self) -> None:
        """Read nothing more, and end the programs."""
        self.ended = True
        self.incoming.forget()
        if self.login is not None:
            self._stop_service()
        self.context.grace_period.failed(self)

    def _close(self, packet: bytes = b"") -> None:
        if packet:
            self.transport.write(self.outgoing.seal(packet))
        self.transport.unregisterProducer()
        self.transport.loseConnection()
        self.timers.later("linger", limits.LINGER, self.transport.abortConnection)

    def sendDisconnect(self, reason: int, desc: bytes | str) -> None:
        """Conch's way to end a connection whose key exchange went wrong."""
        text = desc if isinstance(desc, str) else desc.decode("ascii", "replace")
        self.refuse(text, reason)

    def refuse(self, reason: str, code: int = DISCONNECT_PROTOCOL_ERROR) -> None:
        """End the connection of a client that breaks the protocol, with one log line."""
        if self.ended:
            return
        if self.context.loggable(self.address):
            log.warn("ssh-refused", address=self.address, reason=safe(reason))
        self.disconnect("protocol error", code)

    def fail(self, failure: Failure) -> None:
        """End the connection after an exception: a defect, with a traceback in the log.

        In a key exchange Conch and the cryptography below it raise exceptions of any kind.
        """
        if not self.exchanging and self.context.loggable(self.address):
            log.failure("ssh-failed", failure, address=self.address)
        self.refuse(f"{type(failure.value).__name__} on what the client sent")

    # Login

    def logged_in(self, login: Login) -> None:
        """The client has logged in: its channels are next."""
        self.login = login
        self.share.prove()
        self._login_time.end()
        self.enter_service(b"ssh-connection")

    def allow_longer(self, seconds: float) -> None:
        """The login may take so much longer, `limits.login_wait` in all."""
        if seconds and self.login is None and not self.ended:
            self._login_time.allow_longer(seconds)

    def _login_timed_out(self) -> None:
        if self.context.loggable(self.address):
            log.info("login-too-late", address=self.address)
        self.disconnect("not logged in in time")

    # Input

    def dataReceived(self, data: bytes) -> None:
        """Bytes from TCP."""
        if not self.ended:
            self.input.received(data)

    def version_received(self, version: bytes) -> None:
        """The client's first line."""
        self.gotVersion = True
        self.otherVersionString = version

    def packet_received(self, payload: bytes) -> None:
        """A whole packet."""
        self.heard = True
        self.dispatchMessage(payload[0], payload[1:])

    def all_received(self) -> None:
        """Begin a key exchange if the keys have served for enough bytes."""
        if self.incoming.count + self.outgoing.count >= limits.REKEY_BYTES:
            self._renew_keys()

    # Messages

    def dispatchMessage(self, messageNum: int, payload: bytes) -> None:
        """One message: to the key exchange, to Conch's transport, or to the service."""
        if not self._exchange.receives(messageNum):
            return
        if messageNum >= _SERVICE_MESSAGES and self.service is None:
            raise MalformedSsh(f"message {messageNum} before a service")
        super().dispatchMessage(messageNum, payload)  # type: ignore[no-untyped-call]

    def ssh_IGNORE(self, packet: bytes) -> None:
        """Nothing."""

    ssh_DEBUG = ssh_UNIMPLEMENTED = ssh_EXT_INFO = ssh_IGNORE

    def sendUnimplemented(self) -> None:
        """Name the packet that was not understood (RFC 4253 section 11.4)."""
        self.sendPacket(MSG_UNIMPLEMENTED, uint32((self.incoming.sequence - 1) % (1 << 32)))

    def ssh_DISCONNECT(self, packet: bytes) -> None:
        """The client leaves."""
        del packet
        self._cease()
        self._close()

    def ssh_SERVICE_REQUEST(self, packet: bytes) -> None:
        """ssh-userauth, before anything else; ssh-connection follows a login by itself.

        Some clients ask for it before each method: what was proved until then stays proved.
        """
        reader = SshReader(packet)
        name = reader.string()
        reader.end()
        if self.login is not None or name != b"ssh-userauth":
            raise MalformedSsh("a request for a service that is not available")
        self.sendPacket(MSG_SERVICE_ACCEPT, string(name))
        if self.service is None:
            self.enter_service(name)

    def enter_service(self, name: bytes) -> None:
        """From now on messages from 50 on belong to this service."""
        self.setService(self.factory.services[name]())  # type: ignore[no-untyped-call]

    # Key exchange

    def sendKexInit(self) -> None:
        """Ask for keys; until they are there only the exchange itself is sent."""
        self._exchange.offered()
        super().sendKexInit()  # type: ignore[no-untyped-call]
        self.timers.later("rekey", limits.REKEY_TIMEOUT, self.refuse, "key exchange timed out")

    def ssh_KEXINIT(self, packet: bytes) -> None:
        """The client's offer: agree, and make ours if it is not out yet."""
        offer = read_offer(packet)
        if self._exchange.first:
            self._peerSupportsExtensions = offer.takes_extensions
        agreed = self._exchange.agree_on(offer)
        self.otherKexInitPayload = bytes((MSG_KEXINIT,)) + packet
        self.kexAlg = agreed.key_exchange
        self.keyAlg = agreed.host_key
        if not self._exchange.active:
            self._limit_rekeys()
            self.sendKexInit()
        self._exchange.begin(agreed)

    def _limit_rekeys(self) -> None:
        """Signing costs more than asking: a client that asks too often is not read for a while."""
        if not self._rekeys.take(self.context.clock.seconds()):
            self.input.hold("keys")
            self.timers.later("keys", limits.REKEY_PAUSE, self.input.release, "keys")

    def _keySetup(self, sharedSecret: bytes, exchangeHash: bytes) -> None:
        """Conch has the secret: derive the keys, send NEWKEYS, and use them at once."""
        SSHTransportBase._keySetup(self, sharedSecret, exchangeHash)
        self._exchange.sent_new_keys()
        if self._exchange.first:
            # RFC 8308 section 2.4: the first packet behind the first NEWKEYS.
            algorithms = [(b"server-sig-algs", server_signature_algorithms())]
            self.sendExtInfo(algorithms)  # type: ignore[no-untyped-call]

    def ssh_NEWKEYS(self, packet: bytes) -> None:
        """The client uses the new keys from here on; what waited goes out."""
        SshReader(packet).end()
        waiting = self._exchange.received_new_keys()
        self.otherKexInitPayload = self.ourKexInitPayload = b""  # up to 64 KiB, done with
        self._keyExchangeState = self._KEY_EXCHANGE_NONE
        self.timers.cancel("rekey")
        self.timers.later("renew", limits.REKEY_INTERVAL, self._renew_keys)
        for message in waiting:
            self._send(message)
        self._flow()

    def _renew_keys(self) -> None:
        if not (self._exchange.active or self.ended):
            self.sendKexInit()

    # Output

    def sendPacket(self, messageType: int, payload: bytes) -> None:
        """Send a message, or keep it until the key exchange is over."""
        if self.ended:
            return
        message = bytes((messageType,)) + payload
        if not self._exchange.delays(message):
            self._send(message)
        elif self._exchange.waiting_bytes > limits.BACKLOG_LIMIT:
            self.refuse("too much output waits for a key exchange")

    def send_output(self, *message: Part) -> None:
        """Send a message that a channel may send while the connection is `flowing` only; it comes
        in parts, which are copied once.
        """
        if not self.ended:
            self._send(*message)

    def _send(self, *message: Part) -> None:
        self.output.write(self.outgoing.seal(*message))
        self.all_received()

    @property
    def flowing(self) -> bool:
        """Whether channels may write."""
        return not (self.ended or self.output.stalled or self._exchange.active)

    @property
    def exchanging(self) -> bool:
        """Whether keys are being exchanged."""
        return self._exchange.active

    @property
    def may_write(self) -> bool:
        """Whether channels may write what the client will read later."""
        return not (self.ended or self._exchange.active)

    def _flow(self) -> None:
        if self.channels is not None and self.flowing:
            self.channels.resume_channels()
