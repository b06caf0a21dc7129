"""VMware's telnet extension (option 232) as a VM speaks it: codes, identity, dialogue.

"Using a Proxy with vSphere Virtual Serial Ports", chapter 2.
"""

import hashlib
from collections.abc import Callable
from typing import Protocol

from attrs import frozen
from twisted.logger import Logger

from vspc.simulator.telnet import VMWARE, subnegotiate

log = Logger()


KNOWN_1, KNOWN_2, UNKNOWN_1, UNKNOWN_2 = 0, 1, 2, 3
BEGIN, GOAHEAD, NOTNOW, PEER, PEER_OK, COMPLETE, ABORT = 40, 41, 43, 44, 45, 46, 48
DO_PROXY, WILL_PROXY, WONT_PROXY = 70, 71, 73
VC_UUID, GET_VC_UUID, NAME, GET_NAME = 80, 81, 82, 83
BIOS_UUID, GET_BIOS_UUID, LOCATION_UUID, GET_LOCATION_UUID = 84, 85, 86, 87

# In the order in which an ESXi host lists them.
KNOWN = bytes(
    [0, 1, 2, 3, 40, 41, 43, 44, 45, 46, 48, 70, 71, 73, 80, 84, 85, 86, 87, 82, 83],
)
"""The payload of KNOWN-SUBOPTIONS-1. It leaves GET-VM-VC-UUID out, which the VM answers."""

FOR_VMOTION = frozenset({BEGIN, GOAHEAD, PEER, PEER_OK, COMPLETE})
"""What a proxy has to know before one of its VMs can move."""


@frozen
class VmIdentity:
    """The identity that a VM claims. UUIDs are 32 lower-case hex digits, or empty (no vCenter)."""

    name: str
    vc_uuid: str
    bios_uuid: str
    location_uuid: str


def identity(name: str, vc_uuid: str | None = None) -> VmIdentity:
    """The identity of the VM called `name`: the same in every run."""
    return VmIdentity(
        name,
        _digits("50", "vc", name) if vc_uuid is None else vc_uuid,
        _digits("42", "bios", name),
        _digits("564d", "location", name),
    )


def _digits(prefix: str, kind: str, name: str) -> str:
    return (prefix + hashlib.sha256(f"{kind} {name}".encode()).hexdigest())[:32]


def plain_uuid(text: str) -> str:
    """32 hex digits, or nothing, from any spelling. Raises ValueError."""
    digits = text.replace("-", "").replace(" ", "").lower()
    if digits and (len(digits) != 32 or not set(digits) <= set("0123456789abcdef")):
        raise ValueError(f"{text!r} is not a UUID: it has 32 hex digits, or none")
    return digits


def spelled_uuid(digits: str) -> bytes:
    """VMware's spelling: bytes apart, a dash in the middle."""
    pairs = [digits[at : at + 2] for at in range(0, len(digits), 2)]
    halves = [" ".join(pairs[:8]), " ".join(pairs[8:])]
    return "-".join(halves).encode() if digits else b""


def suboption(code: int, payload: bytes = b"") -> bytes:
    """One suboption, as bytes for the wire."""
    return subnegotiate(VMWARE, bytes([code]) + payload)


class DialogueHandler(Protocol):
    """The connection of an `ExtensionDialogue`."""

    @property
    def identity(self) -> VmIdentity:
        """The VM's identity, now."""

    def send_telnet(self, message: bytes) -> None:
        """Send telnet bytes."""

    def offer_com_port(self) -> None:
        """Send WILL COM-PORT-OPTION."""

    def accepted(self) -> None:
        """WILL-PROXY."""

    def goahead(self, payload: bytes) -> None:
        """VMOTION-GOAHEAD: sequence and secret."""

    def notnow(self, sequence: bytes) -> None:
        """VMOTION-NOTNOW."""

    def peer_ok(self, sequence: bytes) -> None:
        """VMOTION-PEER-OK."""

    def fail(self, reason: str) -> None:
        """End the connection."""


class ExtensionDialogue:
    """The extension's part of one connection, once the option is on.

    KNOWN-SUBOPTIONS-1 at once; DO-PROXY (or, with a `claim`, VMOTION-PEER) once the proxy has sent
    its own list; COM-PORT is offered behind WILL-PROXY, or behind VMOTION-PEER. Every GET is
    answered, at any time.
    """

    def __init__(self, handler: DialogueHandler, request: bytes, claim: bytes | None) -> None:
        """`request` is the payload of DO-PROXY."""
        self._handler = handler
        self._request = request
        self._claim = claim
        self._known: frozenset[int] | None = None
        self._introduced = False
        self._up = False
        self._begun = False  # VMOTION-BEGIN was sent and is not answered
        self._handlers: dict[int, Callable[[bytes], None]] = {
            KNOWN_2: self._known_suboptions,
            UNKNOWN_2: self._unknown,
            WILL_PROXY: self._will_proxy,
            WONT_PROXY: lambda _payload: handler.fail("WONT-PROXY"),
            GOAHEAD: lambda payload: self._answered(handler.goahead, payload),
            NOTNOW: lambda sequence: self._answered(handler.notnow, sequence),
            PEER_OK: self._peer_ok,
            GET_VC_UUID: lambda _: self._send_uuid(VC_UUID, handler.identity.vc_uuid),
            GET_NAME: lambda _: self.announce_name(),
            GET_BIOS_UUID: lambda _: self._send_uuid(BIOS_UUID, handler.identity.bios_uuid),
            GET_LOCATION_UUID: lambda _: self._send_uuid(
                LOCATION_UUID, handler.identity.location_uuid
            ),
        }

    @property
    def is_target(self) -> bool:
        """Whether this is a vMotion target's connection."""
        return self._claim is not None

    @property
    def can_move(self) -> bool:
        """Whether the proxy has what vMotion needs."""
        return self._known is not None and self._known >= FOR_VMOTION

    # From the VM

    def begin(self) -> None:
        """The option is on."""
        self._send(KNOWN_1, KNOWN)
        self._introduce()

    def vmotion_begin(self, sequence: bytes) -> None:
        """VMOTION-BEGIN."""
        self._begun = True
        self._send(BEGIN, sequence)

    def vmotion_abort(self) -> None:
        """VMOTION-ABORT, which has no arguments."""
        self._begun = False
        self._send(ABORT)

    def vmotion_complete(self, sequence: bytes) -> None:
        """VMOTION-COMPLETE."""
        self._send(COMPLETE, sequence)

    def announce_name(self) -> None:
        """VM-NAME."""
        self._send(NAME, self._handler.identity.name.encode())

    def announce(self) -> None:
        """VM-VC-UUID and VM-NAME, without having been asked."""
        self._send_uuid(VC_UUID, self._handler.identity.vc_uuid)
        self.announce_name()

    def _introduce(self) -> None:
        if self._introduced or self._known is None:
            return
        self._introduced = True
        if self._claim is not None:
            self._send(PEER, self._claim)
            self._handler.offer_com_port()
        else:
            self._send(DO_PROXY, self._request)

    def _send(self, code: int, payload: bytes = b"") -> None:
        self._handler.send_telnet(suboption(code, payload))

    def _send_uuid(self, code: int, digits: str) -> None:
        self._send(code, spelled_uuid(digits))

    # From the proxy

    def received(self, payload: bytes) -> None:
        """One suboption from the proxy."""
        if not payload:
            return
        handle = self._handlers.get(payload[0])
        if handle is None:
            log.warn("unknown-suboption", name=self._handler.identity.name, code=payload[0])
            self._send(UNKNOWN_1, payload[:1])
        else:
            handle(payload[1:])

    def _known_suboptions(self, payload: bytes) -> None:
        self._known = frozenset(payload)
        self._introduce()

    def _unknown(self, payload: bytes) -> None:
        log.warn("proxy-does-not-know", name=self._handler.identity.name, code=payload.hex())

    def _will_proxy(self, _payload: bytes) -> None:
        if self._introduced and not self._up and not self.is_target:
            self._up = True
            self._handler.offer_com_port()
            self._handler.accepted()

    def _answered(self, handle: Callable[[bytes], None], payload: bytes) -> None:
        """The answer to VMOTION-BEGIN."""
        if self._begun:
            self._begun = False
            handle(payload)

    def _peer_ok(self, sequence: bytes) -> None:
        if self.is_target and self._introduced and not self._up:
            self._up = True
            self._handler.peer_ok(sequence)
