"""What two KEXINITs agree on, and which messages a key exchange permits. Pure.

RFC 4253 section 7; strict key exchange as OpenSSH's PROTOCOL section 1.10 has it.
"""

from collections.abc import Sequence
from enum import Enum

from attrs import frozen

from vspc.ssh.crypto.algorithms import (
    CIPHERS,
    COMPRESSIONS,
    EXTENSIONS_CLIENT,
    MACS,
    STRICT_CLIENT,
    key_exchanges,
)
from vspc.ssh.crypto.ciphers import CHACHA, authenticates
from vspc.wire.ssh import MalformedSsh, SshReader

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
    """The client's first choice that the door has, of each kind; `host_keys` names signatures.

    Raises `MalformedSsh` where there is none. A guessed packet is skipped unless the guess was
    right in both places (RFC 4253 section 7.1). `strict`: both ends speak strict key exchange;
    without it the one cipher that Terrapin (CVE-2023-48795) breaks is not to be had.
    """
    for compressions in offer.compressions:
        _first(compressions, COMPRESSIONS, "compression")
    usable = CIPHERS if strict else tuple(name for name in CIPHERS if name != CHACHA)
    ciphers = (
        _first(offer.ciphers[0], usable, "cipher"),
        _first(offer.ciphers[1], usable, "cipher"),
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
    """How far a key exchange is, as the door sees it."""

    IDLE = "none"
    OFFERED = "our KEXINIT is out, theirs is awaited"
    EXCHANGING = "both KEXINITs are known, their public key is awaited"
    CLOSING = "our NEWKEYS is out, theirs is awaited"


_DISCONNECT = 1
_CHATTER = frozenset({1, 2, 3, 4})  # DISCONNECT, IGNORE, UNIMPLEMENTED, DEBUG
_KEXINIT = 20
_NEWKEYS = 21
_METHOD = range(30, 50)
_EXCHANGE_INIT = 30

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
    if message == _NEWKEYS or message in _METHOD:
        return False
    return not first or message == _KEXINIT or message in _CHATTER
