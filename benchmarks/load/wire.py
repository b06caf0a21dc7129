"""What a VM says, made beforehand: the dialogue of an ESXi host, step by step.

A step is what the VM sends and the token in the answer that it waits for. The order is that of
VMware's sample capture: WILL 232 after the answer to AUTHENTICATION, identity after the questions.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from random import Random

from attrs import frozen

from vspc.wire.telnet import (
    AUTHENTICATION,
    BINARY,
    COM_PORT,
    DO,
    DONT,
    ECHO,
    SGA,
    VMWARE,
    WILL,
    escape,
    negotiation,
    subnegotiation,
)
from vspc.wire.vmware import (
    DoProxy,
    Suboption,
    VmName,
    VMotionAbort,
    VMotionBegin,
    VMotionComplete,
    VMotionGoahead,
    VMotionPeer,
    VMotionPeerOk,
    VmVcUuid,
    WillProxy,
    encode,
)

MIB = 1 << 20

LINE = b"[   12.345678] a line as kernels say it, of eighty bytes, newline included......\r\n"


@frozen
class Step:
    """What is sent, and what is searched for in the answer."""

    sends: bytes
    awaits: "re.Pattern[bytes]"


def message(suboption: Suboption) -> bytes:
    """On the wire."""
    return subnegotiation(VMWARE, encode(suboption))


def suboption(code: int) -> "re.Pattern[bytes]":
    """A whole one on the wire, group 1 its payload."""
    begin = re.escape(bytes((255, 250, VMWARE, code)))
    return re.compile(begin + rb"((?:[^\xff]|\xff\xff)*)\xff\xf0")


_KNOWN = bytes((0, 1, 2, 3, 40, 41, 43, 44, 45, 46, 48, 70, 71, 73, 80, 84, 85, 86, 87, 82, 83))
_OPTIONS = b"".join(negotiation(DO, each) for each in (BINARY, SGA, ECHO)) + b"".join(
    negotiation(WILL, each) for each in (BINARY, SGA, VMWARE)
)
_OPENING = (
    Step(negotiation(WILL, AUTHENTICATION), re.compile(negotiation(DONT, AUTHENTICATION))),
    Step(_OPTIONS, suboption(1)),
)
_KNOWN_1 = subnegotiation(VMWARE, bytes((0,)) + _KNOWN)
_BEGINS_PROXY = Step(_KNOWN_1 + message(DoProxy(b"S", b"vspc")), suboption(83))

QUESTION = subnegotiation(VMWARE, b"\x63")
ANSWER = subnegotiation(VMWARE, b"\x03\x63")
"""A suboption that is unknown, and what is said to it: an acknowledgement of all before."""

ANSWERED = re.compile(re.escape(ANSWER))
GOAHEAD = suboption(VMotionGoahead.CODE)
PEER_OK = suboption(VMotionPeerOk.CODE)
_IS_CONSOLE = re.compile(
    re.escape(message(WillProxy())) + rb".*\xff[\xfd\xfe]" + bytes((COM_PORT,)), re.DOTALL
)
ABORT = message(VMotionAbort())
SEQUENCE = b"\x01\x02\x03\x04"
BEGIN = message(VMotionBegin(SEQUENCE))


def name_of(number: int) -> str:
    """Of VM `number`, which is what a console is called."""
    return f"vm-{number:05}"


def _identity(number: int) -> bytes:
    return message(VmVcUuid(b"%032x" % (number + 1))) + message(VmName(name_of(number).encode()))


def registration(number: int) -> tuple[Step, ...]:
    """How VM `number` becomes a console; last, WILL COM-PORT, which is agreed to or not."""
    last = _identity(number) + negotiation(WILL, COM_PORT)
    return *_OPENING, _BEGINS_PROXY, Step(last, _IS_CONSOLE)


def arrival(credential: bytes) -> tuple[Step, ...]:
    """How the target of a vMotion comes, as far as the answer after which it says COMPLETE."""
    said = _KNOWN_1 + message(VMotionPeer(credential)) + negotiation(WILL, COM_PORT)
    return *_OPENING, Step(said, PEER_OK)


def completion(number: int) -> bytes:
    """What the target says last."""
    return _identity(number) + message(VMotionComplete(SEQUENCE))


def canned_answers() -> tuple[bytes, ...]:
    """What a concentrator says to the steps of `registration`, one after the other."""
    agreed = b"".join(negotiation(WILL, each) for each in (BINARY, SGA, ECHO)) + b"".join(
        negotiation(DO, each) for each in (BINARY, SGA, VMWARE)
    )
    asks = subnegotiation(VMWARE, b"\x51") + subnegotiation(VMWARE, b"\x53")
    return (
        agreed + negotiation(DONT, AUTHENTICATION),
        subnegotiation(VMWARE, bytes((1,)) + _KNOWN),
        asks,
        message(WillProxy()) + negotiation(DONT, COM_PORT),
    )


@cache
def text(size: int) -> bytes:
    """Lines, `size` bytes of them, none like the one before."""
    said = bytearray()
    while len(said) < size:
        words = len(said) * 7919 % 1000003
        said += b"[%12.6f] unit-%d: Started job %06d with status %d of %d.\r\n" % (
            len(said) / 9973,
            words % 97,
            words,
            words % 7,
            words % 4096,
        )
    return bytes(said[:size])


@cache
def noise(size: int) -> bytes:
    """Random bytes; the same in each run."""
    return Random(1).randbytes(size)  # noqa: S311 - not a secret


OUTPUTS: Mapping[str, Callable[[int], bytes]] = {"text": text, "random": noise}


def pieces(kind: str, size: int, escapes: bool, piece: int = 65536) -> Iterator[bytes]:
    """Output of that kind as it goes over the wire; `size` bytes of it without the escapes."""
    said = OUTPUTS[kind](MIB)
    block = escape(said) if escapes else said
    whole, rest = divmod(size, MIB)
    for _ in range(whole):
        for at in range(0, len(block), piece):
            yield block[at : at + piece]
    if rest:
        yield escape(said[:rest]) if escapes else said[:rest]
