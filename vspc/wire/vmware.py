"""VMware's telnet extension, option 232: one frozen class for each suboption.

"Using a Proxy with vSphere Virtual Serial Ports", EN-000302-00, chapter 2. Bodies are what stands
between IAC SB 232 and IAC SE, no longer doubled: a code byte and its arguments.
"""

from typing import ClassVar, get_args

from attrs import fields, frozen


class PeerError(ValueError):
    """An invalid message of the peer; `code` is the suboption's."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code


class UnknownSuboption(PeerError):
    """A code that is not in the document: answer UNKNOWN-SUBOPTION-RCVD-2."""


class MalformedSuboption(PeerError):
    """A suboption with too few or too many arguments."""


@frozen
class KnownSuboptions1:
    """VM to proxy: the codes that it sends and accepts."""

    CODE: ClassVar[int] = 0
    codes: bytes


@frozen
class KnownSuboptions2:
    """Proxy to VM: the codes that it sends and accepts."""

    CODE: ClassVar[int] = 1
    codes: bytes


@frozen
class UnknownSuboption1:
    """UNKNOWN-SUBOPTION-RCVD-1, VM to proxy."""

    CODE: ClassVar[int] = 2
    code: int


@frozen
class UnknownSuboption2:
    """UNKNOWN-SUBOPTION-RCVD-2, proxy to VM."""

    CODE: ClassVar[int] = 3
    code: int


@frozen
class VMotionBegin:
    """Source to proxy: a vMotion is pending. `sequence` is opaque, 0 bytes or more."""

    CODE: ClassVar[int] = 40
    sequence: bytes


@frozen
class VMotionGoahead:
    """Proxy to source: go on. `credential` is sequence + secret, without a delimiter."""

    CODE: ClassVar[int] = 41
    credential: bytes


@frozen
class VMotionNotNow:
    """Proxy to source: not now."""

    CODE: ClassVar[int] = 43
    sequence: bytes


@frozen
class VMotionPeer:
    """Target to proxy: this connection belongs to that migration. `credential` as in GOAHEAD."""

    CODE: ClassVar[int] = 44
    credential: bytes


@frozen
class VMotionPeerOk:
    """Proxy to target: accepted. The sequence alone."""

    CODE: ClassVar[int] = 45
    sequence: bytes


@frozen
class VMotionComplete:
    """Target to proxy: send everything here from now on."""

    CODE: ClassVar[int] = 46
    sequence: bytes


@frozen
class VMotionAbort:
    """Source to proxy: the vMotion failed, everything stays here."""

    CODE: ClassVar[int] = 48


@frozen
class DoProxy:
    """VM to proxy: forward for me. `direction` is one byte, b"S" or b"C"."""

    CODE: ClassVar[int] = 70
    direction: bytes
    service_uri: bytes


@frozen
class WillProxy:
    """Proxy to VM: I will."""

    CODE: ClassVar[int] = 71


@frozen
class WontProxy:
    """Proxy to VM: I will not."""

    CODE: ClassVar[int] = 73


@frozen
class VmVcUuid:
    """VM to proxy: its UUID in vCenter, as text (see `normalise_uuid`)."""

    CODE: ClassVar[int] = 80
    text: bytes


@frozen
class GetVmVcUuid:
    """Proxy to VM."""

    CODE: ClassVar[int] = 81


@frozen
class VmName:
    """VM to proxy: its name, UTF-8."""

    CODE: ClassVar[int] = 82
    name: bytes


@frozen
class GetVmName:
    """Proxy to VM."""

    CODE: ClassVar[int] = 83


@frozen
class VmBiosUuid:
    """VM to proxy: the UUID in its BIOS, as text."""

    CODE: ClassVar[int] = 84
    text: bytes


@frozen
class GetVmBiosUuid:
    """Proxy to VM."""

    CODE: ClassVar[int] = 85


@frozen
class VmLocationUuid:
    """VM to proxy: its location UUID, as text."""

    CODE: ClassVar[int] = 86
    text: bytes


@frozen
class GetVmLocationUuid:
    """Proxy to VM."""

    CODE: ClassVar[int] = 87


Suboption = (
    KnownSuboptions1
    | KnownSuboptions2
    | UnknownSuboption1
    | UnknownSuboption2
    | VMotionBegin
    | VMotionGoahead
    | VMotionNotNow
    | VMotionPeer
    | VMotionPeerOk
    | VMotionComplete
    | VMotionAbort
    | DoProxy
    | WillProxy
    | WontProxy
    | VmVcUuid
    | GetVmVcUuid
    | VmName
    | GetVmName
    | VmBiosUuid
    | GetVmBiosUuid
    | VmLocationUuid
    | GetVmLocationUuid
)


def encode(message: Suboption) -> bytes:
    """The body of `message`: its code and its arguments."""
    code = bytes((message.CODE,))
    match message:
        case UnknownSuboption1(code=other) | UnknownSuboption2(code=other):
            return code + bytes((other,))
        case DoProxy(direction=direction, service_uri=uri):
            return code + direction + uri
        case _:
            argument = _ARGUMENT[type(message)]
            return code if argument is None else code + getattr(message, argument)


def decode(body: bytes) -> Suboption:
    """The message in `body`. UnknownSuboption or MalformedSuboption, and no other exception."""
    if not body:
        raise MalformedSuboption(-1, "a subnegotiation without a suboption")
    code, arguments = body[0], body[1:]
    kind = _BY_CODE.get(code)
    if kind is None:
        raise UnknownSuboption(code, f"unknown suboption {code}")
    if kind is UnknownSuboption1 or kind is UnknownSuboption2:
        if len(arguments) != 1:
            raise MalformedSuboption(code, f"suboption {code} has {len(arguments)} bytes, not 1")
        return kind(arguments[0])
    if kind is DoProxy:
        if not arguments:
            raise MalformedSuboption(code, "DO-PROXY without a direction")
        return DoProxy(arguments[:1], arguments[1:])
    return _plain(kind, code, arguments)


def _plain(kind: type, code: int, arguments: bytes) -> Suboption:
    """A suboption with one argument of any length, or with none."""
    if _ARGUMENT[kind] is not None:
        message: Suboption = kind(arguments)
        return message
    if arguments:
        raise MalformedSuboption(code, f"suboption {code} has {len(arguments)} bytes, not 0")
    empty: Suboption = kind()
    return empty


UUID_DIGITS = 32


def normalise_uuid(text: bytes) -> str | None:
    """A UUID as 32 hex digits in lower case; spaces and dashes do not count.

    None if it identifies nothing: empty, not hex, of another length, all 0 or all f.
    """
    digits = text.replace(b" ", b"").replace(b"-", b"").strip(b"\0").lower()
    if len(digits) != UUID_DIGITS or digits.strip(b"0123456789abcdef"):
        return None
    if digits in (b"0" * UUID_DIGITS, b"f" * UUID_DIGITS):
        return None
    return digits.decode("ascii")


_BY_CODE: dict[int, type[Suboption]] = {kind.CODE: kind for kind in get_args(Suboption)}

# The name of the argument of each kind; None: it has none. Of the three others the first.
_ARGUMENT: dict[type, str | None] = {
    kind: next((field.name for field in fields(kind)), None) for kind in get_args(Suboption)
}

KNOWN_SUBOPTIONS = bytes(_BY_CODE)
"""Every code, ascending: what this side sends and accepts."""
