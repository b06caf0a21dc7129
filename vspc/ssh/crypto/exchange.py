"""Key exchange: what the server offers, what two KEXINITs agree on, which messages are permitted,
when keys change. Pure.

RFC 4253 sections 7 and 9; strict key exchange as OpenSSH's PROTOCOL section 1.10 has it. What is
offered, best first, is nothing with SHA-1, MD5, CBC or compression; `docs/security.md` says why
each is there. The exchanges themselves come from Conch. The client's order decides, not ours.
"""

from collections.abc import Sequence
from enum import Enum

from attrs import frozen

from vspc.ssh.crypto.packets import CHACHA, Incoming, Outgoing, authenticates, direction, usable
from vspc.wire.ssh import MalformedSsh, SshReader

KEY_EXCHANGES = (
    b"mlkem768x25519-sha256",
    b"curve25519-sha256",
    b"curve25519-sha256@libssh.org",
)

NIST_KEY_EXCHANGES = (
    b"ecdh-sha2-nistp256",
    b"ecdh-sha2-nistp384",
    b"ecdh-sha2-nistp521",
)
"""NIST's curves: offered with an ECDSA host key only."""

STRICT_SERVER = b"kex-strict-s-v00@openssh.com"
STRICT_CLIENT = b"kex-strict-c-v00@openssh.com"
"""OpenSSH's answer to Terrapin (PROTOCOL section 1.10): offered, but never chosen."""

EXTENSIONS_CLIENT = b"ext-info-c"
"""The client takes EXT_INFO (RFC 8308 section 2.1)."""

_CIPHERS = (
    b"aes256-gcm@openssh.com",
    b"aes128-gcm@openssh.com",
    CHACHA,
    b"aes256-ctr",
    b"aes128-ctr",
)

CIPHERS = tuple(name for name in _CIPHERS if usable(name))
"""Cheapest first, counter mode last; `make bench ROWS=ciphers` measures them.

OpenSSH takes its own first: ChaCha20. Without that OpenSSH 9 would take counter mode, as it
prefers it to GCM.
"""

MACS = (
    b"hmac-sha2-256-etm@openssh.com",
    b"hmac-sha2-512-etm@openssh.com",
    b"hmac-sha2-256",
    b"hmac-sha2-512",
)

COMPRESSIONS = (b"none",)


def key_exchanges(host_signatures: Sequence[bytes]) -> tuple[bytes, ...]:
    """What is offered beside host keys that make such signatures."""
    nist = any(name.startswith(b"ecdsa-sha2-nistp") for name in host_signatures)
    return KEY_EXCHANGES + (NIST_KEY_EXCHANGES if nist else ())


_COOKIE = 16


@frozen
class Offer:
    """A client's KEXINIT. Pairs are (from the client, to the client)."""

    key_exchanges: tuple[bytes, ...]
    host_keys: tuple[bytes, ...]
    ciphers: tuple[tuple[bytes, ...], tuple[bytes, ...]]
    macs: tuple[tuple[bytes, ...], tuple[bytes, ...]]
    compressions: tuple[tuple[bytes, ...], tuple[bytes, ...]]
    guessed: bool

    @property
    def strict(self) -> bool:
        """Whether the client speaks strict key exchange; counts in its first offer only."""
        return STRICT_CLIENT in self.key_exchanges

    @property
    def takes_extensions(self) -> bool:
        """Whether the client reads EXT_INFO."""
        return EXTENSIONS_CLIENT in self.key_exchanges


@frozen
class Agreed:
    """What is used from the next NEWKEYS on. Pairs are (from the client, to the client)."""

    key_exchange: bytes
    host_key: bytes
    ciphers: tuple[bytes, bytes]
    macs: tuple[bytes, bytes]
    skip_guess: bool


def read_offer(payload: bytes) -> Offer:
    """A KEXINIT without its message number; raises `MalformedSsh`."""
    reader = SshReader(payload)
    reader.take(_COOKIE)
    lists = [reader.names() for _ in range(10)]
    guessed = reader.boolean()
    reader.uint32()
    reader.end()
    return Offer(
        key_exchanges=lists[0],
        host_keys=lists[1],
        ciphers=(lists[2], lists[3]),
        macs=(lists[4], lists[5]),
        compressions=(lists[6], lists[7]),
        guessed=guessed,
    )


def _first(theirs: Sequence[bytes], ours: Sequence[bytes], what: str) -> bytes:
    for name in theirs:
        if name in ours:
            return name
    raise MalformedSsh(f"no {what} in common")


def _mac(theirs: Sequence[bytes], cipher: bytes) -> bytes:
    return b"" if authenticates(cipher) else _first(theirs, MACS, "MAC")


def agree(offer: Offer, host_keys: Sequence[bytes], *, strict: bool) -> Agreed:
    """The client's first choice that the server has, of each kind; `host_keys` names signatures.

    Raises `MalformedSsh` where there is none. A guessed packet is skipped unless the guess was
    right in both places (RFC 4253 section 7.1). `strict`: both ends speak strict key exchange;
    without it the one cipher that Terrapin (CVE-2023-48795) breaks is not to be had.
    """
    for compressions in offer.compressions:
        _first(compressions, COMPRESSIONS, "compression")
    allowed = CIPHERS if strict else tuple(name for name in CIPHERS if name != CHACHA)
    ciphers = (
        _first(offer.ciphers[0], allowed, "cipher"),
        _first(offer.ciphers[1], allowed, "cipher"),
    )
    exchanges = key_exchanges(host_keys)
    key_exchange = _first(offer.key_exchanges, exchanges, "key exchange")
    host_key = _first(offer.host_keys, host_keys, "host key algorithm")
    right = offer.key_exchanges[0] == exchanges[0] and offer.host_keys[0] == host_keys[0]
    return Agreed(
        key_exchange=key_exchange,
        host_key=host_key,
        ciphers=ciphers,
        macs=(_mac(offer.macs[0], ciphers[0]), _mac(offer.macs[1], ciphers[1])),
        skip_guess=offer.guessed and not right,
    )


class Phase(Enum):
    """How far a key exchange has come."""

    IDLE = "none"
    OFFERED = "our KEXINIT is sent, theirs is awaited"
    EXCHANGING = "both KEXINITs are known, their public key is awaited"
    CLOSING = "our NEWKEYS is sent, theirs is awaited"


_DISCONNECT = 1
_CHATTER = frozenset({1, 2, 3, 4})  # DISCONNECT, IGNORE, UNIMPLEMENTED, DEBUG
_SERVICE = frozenset({5, 6})  # SERVICE_REQUEST, SERVICE_ACCEPT
_EXTENSIONS = 7
_KEXINIT = 20
_NEWKEYS = 21
_EXCHANGE_INIT = 30

METHOD_MESSAGES = range(30, 50)
"""Messages of a key exchange method (RFC 4253 section 12)."""

_EXPECTED = {Phase.EXCHANGING: _EXCHANGE_INIT, Phase.CLOSING: _NEWKEYS}


def permitted(phase: Phase, message: int, *, first: bool, strict: bool) -> bool:
    """Whether the client may send `message` now.

    `first`: no key exchange has been completed yet; nothing but the exchange is then permitted,
    and if it is also `strict` not even IGNORE and DEBUG. `strict` is known once the client's
    KEXINIT is here; that this was its first packet is checked there.
    """
    if phase in _EXPECTED:
        if message == _EXPECTED[phase] or message == _DISCONNECT:
            return True
        return message in _CHATTER and not (first and strict)
    if message == _NEWKEYS or message in METHOD_MESSAGES:
        return False
    return not first or message == _KEXINIT or message in _CHATTER


def _belongs_to_exchange(phase: Phase, message: int) -> bool:
    """Whether the server may send `message` while keys are exchanged."""
    if message == _EXTENSIONS:
        return phase is Phase.CLOSING
    return message not in _SERVICE and (message <= _NEWKEYS or message in METHOD_MESSAGES)


class KeyExchange:
    """The key exchanges of one connection; `incoming` and `outgoing` get the keys.

    What may not be sent during an exchange waits.
    """

    def __init__(self, host_keys: Sequence[bytes], incoming: Incoming, outgoing: Outgoing) -> None:
        self._host_keys = host_keys
        self._incoming = incoming
        self._outgoing = outgoing
        self.phase = Phase.IDLE
        self.active = False
        """Whether keys are being exchanged."""
        self.first = True
        """Whether no key exchange has been completed yet."""
        self._strict = False
        self._skip_guess = False
        self._agreed: Agreed | None = None
        self._keys: tuple[bytes, ...] = ()
        self._waiting: list[bytes] = []
        self.waiting_bytes = 0

    def _enter(self, phase: Phase) -> None:
        self.phase = phase
        self.active = phase is not Phase.IDLE

    def receives(self, message: int) -> bool:
        """Whether the client's `message` is to be handled; False: dropped, as it was a wrong guess.

        Raises `MalformedSsh` if it is not permitted now.
        """
        if message >= METHOD_MESSAGES.stop and not (self.active or self.first):
            return True  # for a service, as most are
        if self._skip_guess and message in METHOD_MESSAGES:
            self._skip_guess = False
            return False
        if not permitted(self.phase, message, first=self.first, strict=self._strict):
            raise MalformedSsh(f"message {message} out of order")
        return True

    def offered(self) -> None:
        """Our KEXINIT is being sent."""
        self._enter(Phase.OFFERED)

    def agree_on(self, offer: Offer) -> Agreed:
        """What is used if this KEXINIT of the client's is taken up; raises `MalformedSsh`."""
        if self.first:
            self._strict = offer.strict
            if self._strict and self._incoming.sequence != 1:
                raise MalformedSsh("a packet before KEXINIT under strict key exchange")
        return agree(offer, self._host_keys, strict=self._strict)

    def begin(self, agreed: Agreed) -> None:
        """Both KEXINITs are out."""
        self._agreed = agreed
        self._skip_guess = agreed.skip_guess
        self._enter(Phase.EXCHANGING)

    def setKeys(
        self,
        out_vector: bytes,
        out_key: bytes,
        in_vector: bytes,
        in_key: bytes,
        out_mac: bytes,
        in_mac: bytes,
    ) -> None:
        """Conch has derived the keys; the name and the order are Conch's."""
        self._keys = (out_vector, out_key, out_mac, in_vector, in_key, in_mac)

    def sent_new_keys(self) -> None:
        """NEWKEYS is sent: what follows is sealed with the new keys."""
        assert self._agreed is not None
        sealer = direction(self._agreed.ciphers[1], self._agreed.macs[1], *self._keys[:3])
        self._outgoing.rekey(sealer, reset=self._strict)
        self._enter(Phase.CLOSING)

    def received_new_keys(self) -> list[bytes]:
        """The client's NEWKEYS is here, the exchange is over; returns the messages that waited."""
        assert self._agreed is not None
        opener = direction(self._agreed.ciphers[0], self._agreed.macs[0], *self._keys[3:])
        self._incoming.rekey(opener, reset=self._strict)
        self._agreed, self._keys = None, ()
        self.first = False
        self._enter(Phase.IDLE)
        waiting, self._waiting, self.waiting_bytes = self._waiting, [], 0
        return waiting

    def delays(self, message: bytes) -> bool:
        """Whether the server's `message` has to wait until the exchange is over; it is kept then.

        The caller ends the connection if `waiting_bytes` becomes too much.
        """
        if not self.active or _belongs_to_exchange(self.phase, message[0]):
            return False
        self._waiting.append(message)
        self.waiting_bytes += len(message)
        return True
