"""Key exchange and packets of the door: Conch's cryptography in a stricter state machine.

RFC 4253 sections 4 to 9. What Conch would do by default and this does not: compression, SHA-1,
CBC, packets of 1 MiB, key exchange messages in any order, a queue without bounds while keys are
exchanged. The door asks for new keys itself, by bytes and by time.
"""

from typing import Any

from twisted.conch.ssh.transport import (
    DISCONNECT_PROTOCOL_ERROR,
    MSG_EXT_INFO,
    MSG_KEXINIT,
    MSG_NEWKEYS,
    MSG_SERVICE_ACCEPT,
    MSG_SERVICE_REQUEST,
    MSG_UNIMPLEMENTED,
    SSHServerTransport,
    SSHTransportBase,
)

from vspc.ssh import limits
from vspc.ssh.crypto.algorithms import (
    CIPHERS,
    COMPRESSIONS,
    MACS,
    STRICT_SERVER,
    key_exchanges,
    server_signature_algorithms,
)
from vspc.ssh.crypto.ciphers import direction
from vspc.ssh.crypto.negotiation import Agreed, Phase, agree, permitted, read_offer
from vspc.ssh.quiet import quiet
from vspc.ssh.stream import Incoming, Outgoing
from vspc.ssh.timers import Timers
from vspc.wire.ssh import MalformedSsh, SshReader, uint32

_SERVICE_MESSAGES = 50
_METHOD_MESSAGES = range(30, 50)
_SERVICE_TALK = (MSG_SERVICE_REQUEST, MSG_SERVICE_ACCEPT)


class _NextKeys:
    """Where Conch puts the keys of a key exchange that it has finished."""

    def __init__(self, agreed: Agreed, strict: bool) -> None:
        self._agreed = agreed
        self._strict = strict
        self._arguments: tuple[bytes, ...] = ()

    def setKeys(
        self,
        out_vector: bytes,
        out_key: bytes,
        in_vector: bytes,
        in_key: bytes,
        out_mac: bytes,
        in_mac: bytes,
    ) -> None:
        """Conch's name and order of arguments."""
        self._arguments = (out_vector, out_key, out_mac, in_vector, in_key, in_mac)

    def outward(self, outgoing: Outgoing) -> None:
        """Our NEWKEYS is out."""
        vector, key, mac = self._arguments[:3]
        sealer = direction(self._agreed.ciphers[1], self._agreed.macs[1], vector, key, mac)
        outgoing.rekey(sealer, reset=self._strict)

    def inward(self, incoming: Incoming) -> None:
        """Their NEWKEYS is here."""
        vector, key, mac = self._arguments[3:]
        opener = direction(self._agreed.ciphers[0], self._agreed.macs[0], vector, key, mac)
        incoming.rekey(opener, reset=self._strict)


class ExchangeTransport(SSHServerTransport):
    """Packets both ways, and their keys. `DoorTransport` is the rest of a connection."""

    _log = quiet
    transport: Any
    supportedCiphers = list(CIPHERS)
    supportedMACs = list(MACS)
    supportedCompressions = list(COMPRESSIONS)

    def __init__(self, timers: Timers) -> None:
        self.timers = timers
        self.incoming = Incoming()
        self.outgoing = Outgoing()
        self.ended = False
        self._phase = Phase.IDLE
        self._first = True
        self._strict = False
        self._skip_guess = False
        self._next_keys: _NextKeys | None = None
        self._queue: list[bytes] = []
        self._queued = 0

    @property
    def supportedKeyExchanges(self) -> list[bytes]:  # type: ignore[override]
        """What Conch offers."""
        return [*key_exchanges(self.supportedPublicKeys), STRICT_SERVER]

    # What the rest of the connection does

    def refuse(self, reason: str, code: int = DISCONNECT_PROTOCOL_ERROR) -> None:
        """The client broke the protocol."""
        raise NotImplementedError

    def written(self, count: int) -> None:
        """`count` bytes were given to TCP."""
        raise NotImplementedError

    def asked_for_keys(self) -> None:
        """The client begins a key exchange of its own."""
        raise NotImplementedError

    def flow(self) -> None:
        """A key exchange is over: what waited for it may go on."""
        raise NotImplementedError

    # Messages

    def dispatchMessage(self, messageNum: int, payload: bytes) -> None:
        """One message: to the key exchange, to Conch's transport, or to the service."""
        if self._skip_guess and messageNum in _METHOD_MESSAGES:
            self._skip_guess = False
            return
        if not permitted(self._phase, messageNum, first=self._first, strict=self._strict):
            raise MalformedSsh(f"message {messageNum} out of order")
        if messageNum >= _SERVICE_MESSAGES and self.service is None:
            raise MalformedSsh(f"message {messageNum} before a service")
        super().dispatchMessage(messageNum, payload)  # type: ignore[no-untyped-call]

    def ssh_IGNORE(self, packet: bytes) -> None:
        """Nothing."""

    ssh_DEBUG = ssh_UNIMPLEMENTED = ssh_EXT_INFO = ssh_IGNORE

    def sendUnimplemented(self) -> None:
        """Name the packet that nobody understood (RFC 4253 section 11.4)."""
        self.sendPacket(MSG_UNIMPLEMENTED, uint32((self.incoming.sequence - 1) % (1 << 32)))

    # Key exchange

    def sendKexInit(self) -> None:
        """Ask for keys; until they are there only the exchange itself is sent."""
        self._phase = Phase.OFFERED
        super().sendKexInit()  # type: ignore[no-untyped-call]
        self.timers.later("rekey", limits.REKEY_PATIENCE, self.refuse, "a key exchange without end")

    def ssh_KEXINIT(self, packet: bytes) -> None:
        """The client's offer: agree, and make ours if it is not out yet."""
        offer = read_offer(packet)
        if self._first:
            self._strict = offer.strict
            self._peerSupportsExtensions = offer.takes_extensions
            if self._strict and self.incoming.sequence != 1:
                raise MalformedSsh("a packet before KEXINIT under strict key exchange")
        agreed = agree(offer, self.supportedPublicKeys, strict=self._strict)
        self.otherKexInitPayload = bytes((MSG_KEXINIT,)) + packet
        self.kexAlg = agreed.key_exchange
        self.keyAlg = agreed.host_key
        self._next_keys = _NextKeys(agreed, self._strict)
        self.nextEncryptions: Any = self._next_keys
        if self._phase is Phase.IDLE:
            self.asked_for_keys()
            self.sendKexInit()
        self._skip_guess = agreed.skip_guess
        self._phase = Phase.EXCHANGING

    def _keySetup(self, sharedSecret: bytes, exchangeHash: bytes) -> None:
        """Conch has the secret: derive the keys, send NEWKEYS, and use them at once."""
        SSHTransportBase._keySetup(self, sharedSecret, exchangeHash)
        assert self._next_keys is not None
        self._next_keys.outward(self.outgoing)
        self._phase = Phase.CLOSING
        if self._first:
            # RFC 8308 section 2.4: the first packet behind the first NEWKEYS.
            algorithms = [(b"server-sig-algs", server_signature_algorithms())]
            self.sendExtInfo(algorithms)  # type: ignore[no-untyped-call]

    def ssh_NEWKEYS(self, packet: bytes) -> None:
        """The client uses the new keys from here on; what waited goes out."""
        SshReader(packet).end()
        assert self._next_keys is not None
        self._next_keys.inward(self.incoming)
        self._next_keys = None
        self.otherKexInitPayload = self.ourKexInitPayload = b""  # up to 64 KiB, done with
        self._first = False
        self._phase = Phase.IDLE
        self._keyExchangeState = self._KEY_EXCHANGE_NONE
        self.timers.never("rekey")
        self.timers.later("renew", limits.REKEY_INTERVAL, self.renew_keys)
        queue, self._queue, self._queued = self._queue, [], 0
        for payload in queue:
            self._send(payload)
        self.flow()

    def renew_keys(self) -> None:
        """Begin a key exchange, unless one is under way."""
        if self._phase is Phase.IDLE and not self.ended:
            self.sendKexInit()

    def renew_if_due(self) -> None:
        """Begin a key exchange if the keys have served for enough bytes."""
        if self.incoming.count + self.outgoing.count >= limits.REKEY_BYTES:
            self.renew_keys()

    # To the client

    def sendPacket(self, messageType: int, payload: bytes) -> None:
        """Send a message, or keep it until the key exchange is over."""
        if self.ended:
            return
        message = bytes((messageType,)) + payload
        if self._phase is Phase.IDLE or self._belongs_to_exchange(messageType):
            self._send(message)
            return
        self._queue.append(message)
        self._queued += len(message)
        if self._queued > limits.BACKLOG_LIMIT:
            self.refuse("too much waits for a key exchange")

    def _belongs_to_exchange(self, message: int) -> bool:
        if message == MSG_EXT_INFO:
            return self._phase is Phase.CLOSING
        if message in _SERVICE_TALK:
            return False
        return message <= MSG_NEWKEYS or message in _METHOD_MESSAGES

    def _send(self, message: bytes) -> None:
        packet = self.outgoing.seal(message)
        self.transport.write(packet)
        self.written(len(packet))
        self.renew_if_due()

    @property
    def exchanging(self) -> bool:
        """Whether keys are being exchanged."""
        return self._phase is not Phase.IDLE
