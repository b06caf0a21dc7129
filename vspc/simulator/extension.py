"""VMware's telnet extension (option 232) as a VM speaks it: codes, identity, spelling.

Sections of "Using a Proxy with vSphere Virtual Serial Ports", chapter 2.
"""

import hashlib

from attrs import frozen

from vspc.simulator.wire import VMWARE, subnegotiate

KNOWN_1, KNOWN_2, UNKNOWN_1, UNKNOWN_2 = 0, 1, 2, 3
BEGIN, GOAHEAD, NOTNOW, PEER, PEER_OK, COMPLETE, ABORT = 40, 41, 43, 44, 45, 46, 48
DO_PROXY, WILL_PROXY, WONT_PROXY = 70, 71, 73
VC_UUID, GET_VC_UUID, NAME, GET_NAME = 80, 81, 82, 83
BIOS_UUID, GET_BIOS_UUID, LOCATION_UUID, GET_LOCATION_UUID = 84, 85, 86, 87

# In the order in which an ESXi host was heard to list them.
KNOWN = bytes(
    [0, 1, 2, 3, 40, 41, 43, 44, 45, 46, 48, 70, 71, 73, 80, 84, 85, 86, 87, 82, 83],
)
"""The payload of KNOWN-SUBOPTIONS-1. It leaves GET-VM-VC-UUID out, which the VM answers."""

FOR_VMOTION = frozenset({BEGIN, GOAHEAD, PEER, PEER_OK, COMPLETE})
"""What a proxy has to know before one of its VMs can move."""


@frozen
class VmIdentity:
    """Who a VM says it is. UUIDs are 32 lower-case hex digits, or empty (no vCenter)."""

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
        raise ValueError(f"{text!r} is not a UUID: 32 hex digits are wanted, or none")
    return digits


def spelled_uuid(digits: str) -> bytes:
    """VMware's spelling: bytes apart, a dash in the middle."""
    pairs = [digits[at : at + 2] for at in range(0, len(digits), 2)]
    halves = [" ".join(pairs[:8]), " ".join(pairs[8:])]
    return "-".join(halves).encode() if digits else b""


def say(code: int, payload: bytes = b"") -> bytes:
    """One suboption, as bytes for the wire."""
    return subnegotiate(VMWARE, bytes([code]) + payload)
