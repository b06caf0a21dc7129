"""Telnet as the simulator speaks it: bytes to events, and back.

Written for the simulator alone, so that the server's own decoder has a second opinion. RFC 854
and RFC 855; the line is taken to be binary (RFC 856) from the first byte, so CR is a byte like
any other.
"""

from enum import Enum, auto

from attrs import frozen

SE, BRK, SB, WILL, WONT, DO, DONT, IAC = 240, 243, 250, 251, 252, 253, 254, 255

BINARY, ECHO, SGA, AUTHENTICATION, COM_PORT, VMWARE = 0, 1, 3, 37, 44, 232

SUBNEGOTIATION = 64 * 1024
"""Bytes of one subnegotiation, escapes included, before the peer is given up."""

_ESCAPE = bytes([IAC])
_DATA_ESCAPE = bytes([IAC, IAC])


class WireError(Exception):
    """The peer sent what no telnet peer sends."""


@frozen
class WireData:
    """Bytes for the serial line, unescaped."""

    data: bytes


@frozen
class WireNegotiation:
    """WILL, WONT, DO or DONT, with its option."""

    verb: int
    option: int


@frozen
class WireSubnegotiation:
    """What stood between IAC SB and IAC SE, unescaped, without the option."""

    option: int
    payload: bytes


@frozen
class WireCommand:
    """IAC and one byte; also a subnegotiation without an option."""

    code: int


Event = WireData | WireNegotiation | WireSubnegotiation | WireCommand


def escape(data: bytes) -> bytes:
    """Every 0xFF doubled."""
    return data.replace(_ESCAPE, _DATA_ESCAPE)


def negotiate(verb: int, option: int) -> bytes:
    """IAC, verb, option."""
    return bytes([IAC, verb, option])


def subnegotiate(option: int, payload: bytes) -> bytes:
    """IAC SB, option, payload, IAC SE."""
    return bytes([IAC, SB, option]) + escape(payload) + bytes([IAC, SE])


def command(code: int) -> bytes:
    """IAC and a command."""
    return bytes([IAC, code])


class WireDecoder:
    """Hands out one event at a time, so that its reader can stop between any two.

    What is not handed out stays here: a host whose VM reads nothing must not see the question that
    stands behind the unread bytes, and what follows the last word before TLS is not telnet.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._scanned = 0
        self._cut: int | None = None

    def feed(self, data: bytes) -> None:
        """More bytes from the peer."""
        self._buffer += data

    def __len__(self) -> int:
        return len(self._buffer)

    def rest(self) -> bytes:
        """Take out what was not decoded."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest

    def data_next(self) -> bool:
        """Whether the next event is Data."""
        head = self._buffer[:2]
        return bool(head) and (head[0] != IAC or head == _DATA_ESCAPE)

    def next(self, room: int) -> Event | None:
        """The next event; Data of at most `room` bytes. None: wait for bytes, or for room.

        Raises WireError for a subnegotiation over SUBNEGOTIATION bytes.
        """
        if self.data_next():
            return self._data(room) if room > 0 else None
        if len(self._buffer) < 2:
            return None
        code = self._buffer[1]
        if code == SB:
            return self._subnegotiation()
        if code < WILL:
            self._drop(2)
            return WireCommand(code)
        if len(self._buffer) < 3:
            return None
        option = self._buffer[2]
        self._drop(3)
        return WireNegotiation(code, option)

    def _data(self, room: int) -> WireData:
        end = self._buffer.find(_ESCAPE)
        if end == 0:
            self._drop(2)
            return WireData(_ESCAPE)
        size = min(room, len(self._buffer) if end < 0 else end)
        data = bytes(self._buffer[:size])
        self._drop(size)
        return WireData(data)

    def _subnegotiation(self) -> Event | None:
        end = self._find_end()
        if end < 0:
            if len(self._buffer) > SUBNEGOTIATION:
                raise WireError("subnegotiation too long")
            return None
        # A 0xFF that is not doubled ends the payload for ESXi, though not the subnegotiation.
        body = bytes(self._buffer[2 : end if self._cut is None else self._cut])
        self._drop(end + 2)
        body = body.replace(_DATA_ESCAPE, _ESCAPE)
        return WireSubnegotiation(body[0], body[1:]) if body else WireCommand(SB)

    def _find_end(self) -> int:
        """Where IAC SE stands, or -1 and as far as it was looked for."""
        at = max(self._scanned, 2)
        while 0 <= (at := self._buffer.find(_ESCAPE, at)) < len(self._buffer) - 1:
            following = self._buffer[at + 1]
            if following == SE:
                return at
            if following != IAC and self._cut is None:
                self._cut = at
            at += 2
        self._scanned = len(self._buffer) if at < 0 else at
        return -1

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._scanned, self._cut = 0, None


class Change(Enum):
    """What a message changed on the VM's own side."""

    NOTHING = auto()
    ON = auto()
    OFF = auto()
    REFUSED = auto()


_AGREED_OURS = frozenset({BINARY, SGA})
_AGREED_THEIRS = frozenset({BINARY, ECHO, SGA})


class TelnetOptions:
    """One connection's options: `ours` (WILL/DO) and `theirs` (DO/WILL) are those that are on."""

    def __init__(self) -> None:
        self.ours: set[int] = set()
        self.theirs: set[int] = set()
        self._offered: set[int] = set()

    def offer(self, option: int) -> bytes:
        """WILL, to be answered."""
        self._offered.add(option)
        return negotiate(WILL, option)

    def forget(self) -> None:
        """TLS has begun: what was agreed in clear may be agreed again."""
        self.ours.clear()
        self.theirs.clear()

    def received(self, verb: int, option: int) -> tuple[bytes, Change]:
        """What to answer to a message, and what it changed on our side."""
        if verb == DO:
            return self._do(option)
        if verb == DONT:
            return self._dont(option)
        return (self._will(option) if verb == WILL else self._wont(option)), Change.NOTHING

    def _do(self, option: int) -> tuple[bytes, Change]:
        if option in self.ours:
            return b"", Change.NOTHING
        if option in self._offered:
            self._offered.discard(option)
            self.ours.add(option)
            return b"", Change.ON
        if option in _AGREED_OURS:
            self.ours.add(option)
            return negotiate(WILL, option), Change.ON
        return negotiate(WONT, option), Change.NOTHING

    def _dont(self, option: int) -> tuple[bytes, Change]:
        if option in self._offered:
            self._offered.discard(option)
            return b"", Change.REFUSED
        if option in self.ours:
            self.ours.discard(option)
            return negotiate(WONT, option), Change.OFF
        return b"", Change.NOTHING

    def _will(self, option: int) -> bytes:
        if option in self.theirs:
            return b""
        if option in _AGREED_THEIRS:
            self.theirs.add(option)
            return negotiate(DO, option)
        return negotiate(DONT, option)

    def _wont(self, option: int) -> bytes:
        if option not in self.theirs:
            return b""
        self.theirs.discard(option)
        return negotiate(DONT, option)


_IS, _SEND, _REPLY = 0, 1, 2
_SSL = 7
_START, _ACCEPTED = 1, 2

_TYPE = bytes([_SSL, 0])

START = subnegotiate(AUTHENTICATION, bytes([_IS]) + _TYPE + bytes([_START]))
"""IS SSL START: TLS may begin once it is accepted."""

NONE = subnegotiate(AUTHENTICATION, bytes([_IS, 0, 0]))
"""IS NULL: nothing of what the server asked for is possible (RFC 2941 section 2)."""


def asks_for_tls(payload: bytes) -> bool:
    """SEND, with SSL and no modifier among the pairs it names."""
    pairs = [payload[at : at + 2] for at in range(1, len(payload), 2)]
    return payload[:1] == bytes([_SEND]) and _TYPE in pairs


def asks(payload: bytes) -> bool:
    """SEND of any kind: an answer is due."""
    return payload[:1] == bytes([_SEND])


def accepts_tls(payload: bytes) -> bool:
    """REPLY SSL ACCEPTED: the very next byte is TLS."""
    return payload == bytes([_REPLY]) + _TYPE + bytes([_ACCEPTED])


def replies(payload: bytes) -> bool:
    """REPLY of any kind: the server has decided."""
    return payload[:1] == bytes([_REPLY])
