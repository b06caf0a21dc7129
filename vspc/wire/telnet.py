"""Telnet: bytes to events and back. RFC 854 (commands), RFC 855 (options and subnegotiation).

Works on runs of bytes, never on one at a time: a chunk without 0xFF is an event as it stands, in
others 0xFF is searched for. Eight bits wide: NUL, CR and all else are data.

`encode` and `decode`, `encode_lines` and `decode_keys` are for peers without BINARY (RFC 856), a
Network Virtual Terminal (RFC 854, "The NVT Printer and Keyboard"): a CR is followed by LF, or by
NUL if it is only a carriage return.
"""

import re

from attrs import field, frozen

IAC, DONT, DO, WONT, WILL, SB = 255, 254, 253, 252, 251, 250
GA, EL, EC, AYT, AO, IP, BRK, DM, NOP, SE = 249, 248, 247, 246, 245, 244, 243, 242, 241, 240

BINARY, ECHO, SGA, TIMING_MARK = 0, 1, 3, 6
AUTHENTICATION, COM_PORT, VMWARE = 37, 44, 232

MAX_SUBNEGOTIATION = 16 * 1024
"""Bytes of a subnegotiation, its option and doubled 0xFFs included; a longer one is fatal."""

_IAC = b"\xff"
_IAC_IAC = b"\xff\xff"
_IAC_SE = b"\xff\xf0"
# Erased flash is all 0xFF: a loop over find takes 15 times as long for that. Not possessive, which
# Python 3.11 matches wrongly before 3.11.5.
_DOUBLED = re.compile(rb"(?:\xff\xff[^\xff]*)+")
_VERBS = frozenset({WILL, WONT, DO, DONT})

PIECE = 16 * 1024
"""Bytes of data with doubled 0xFFs that are decoded at once: they take up to a hundred times as
long as others, and other connections work in between.
"""

RUN = 8
"""Commands that `Decoder.run` passes over at once."""

IDLE = frozenset({SE, NOP, DM, IP, AO, EC, EL, GA})
"""Commands without an effect on a line: `Decoder.run` passes over them."""

_IDLE_BYTES = frozenset(bytes((code,)) for code in IDLE)
_IDLE = re.compile(b"\xff[" + bytes(sorted(IDLE)) + b"]")
_LONE_CR = re.compile(rb"\r(?=[^\n])")
_ENTER = re.compile(rb"\r[\0\n]")
_RUN = re.compile(_IDLE.pattern + b"(?:[^\xff]*" + _IDLE.pattern + b"){0,%d}" % (RUN - 1))


@frozen
class Data:
    """Data, with 0xFF no longer doubled; `doubled`: how many were, which no comparison counts."""

    data: bytes
    doubled: int = field(default=0, eq=False)


@frozen
class Command:
    """IAC and one byte that is not an option verb; below 240 it is not defined in RFC 854."""

    code: int


@frozen
class Negotiation:
    """`verb` is WILL, WONT, DO or DONT."""

    verb: int
    option: int


@frozen
class Subnegotiation:
    """IAC SB ... IAC SE, with 0xFF in `body` no longer doubled."""

    option: int
    body: bytes


@frozen
class Overlong:
    """A subnegotiation over `MAX_SUBNEGOTIATION`; nothing after it is decoded."""

    option: int


@frozen
class Malformed:
    """Something without a meaning, which was dropped."""

    what: str


Event = Data | Command | Negotiation | Subnegotiation | Overlong | Malformed


@frozen
class DataRun:
    """Data, with as many commands of `IDLE` taken out of it."""

    data: bytes
    commands: int


def escape(data: bytes) -> bytes:
    """`data` with each 0xFF doubled; the same object if it has none."""
    return data.replace(_IAC, _IAC_IAC) if _IAC in data else data


def command(code: int) -> bytes:
    """IAC and a command, such as BRK."""
    return bytes((IAC, code))


def negotiation(verb: int, option: int) -> bytes:
    """IAC, WILL or WONT or DO or DONT, and the option."""
    return bytes((IAC, verb, option))


def subnegotiation(option: int, body: bytes) -> bytes:
    """IAC SB, option, `body` with 0xFF doubled, IAC SE."""
    return bytes((IAC, SB)) + escape(bytes((option,)) + body) + _IAC_SE


class Decoder:
    """Bytes in by `receive`, events out by `next_event` until it says None (as h11 does).

    Between chunks it holds `tail`, the start of an incomplete sequence: a new Decoder that is given
    that goes on where this one stood (law 10).
    """

    __slots__ = ("_at", "_buffer", "_dead", "_mixed", "_scanned")

    def __init__(self, tail: bytes = b"") -> None:
        self._buffer = tail
        self._at = 0  # everything before it is decoded
        self._scanned = 0  # of an incomplete subnegotiation, relative to _at
        self._mixed = 0  # up to here there are other commands among doubled 0xFFs
        self._dead = False

    @property
    def idle(self) -> bool:
        """Whether nothing is held, so that a chunk without 0xFF is data as it stands."""
        return not self._buffer and not self._dead

    @property
    def tail(self) -> bytes:
        """What is not decoded yet."""
        return self._buffer[self._at :]

    def receive(self, data: bytes) -> None:
        """`data` has arrived."""
        if not self._dead:
            self._buffer = self._buffer[self._at :] + data
            self._at = self._mixed = 0

    def take_rest(self) -> bytes:
        """Take out what is not decoded: from here on it belongs to another protocol (TLS)."""
        rest = self.tail
        self._buffer, self._at, self._scanned, self._mixed = b"", 0, 0, 0
        return rest

    def next_event(self) -> Event | None:
        """The next event, or None until more bytes arrive."""
        buffer, at = self._buffer, self._at
        if at < len(buffer) and buffer[at] != IAC:
            return self._data()
        follows = buffer[at + 1 : at + 3]
        if follows:
            code = follows[0]
            if code == IAC:
                return self._data()
            if code == SB:
                event = self._subnegotiation()
                if event is not None:
                    return event
            elif code not in _VERBS:
                self._at = at + 2
                return Command(code)
            elif len(follows) > 1:
                self._at = at + 3
                return Negotiation(code, follows[1])
        if self._at:
            # A tail of one byte must not keep a chunk of 64 KiB alive until the next one.
            self._buffer, self._at, self._mixed = self._buffer[self._at :], 0, 0
        return None

    def run(self) -> DataRun | None:
        """Data up to and with at most `RUN` commands of `IDLE`; None if something else is next.

        `next_event` gives the same in ten times as long.
        """
        buffer, start = self._buffer, self._at
        first = buffer.find(_IAC, start)
        if first < 0 or buffer[first + 1 : first + 2] not in _IDLE_BYTES:
            return None
        found = _RUN.match(buffer, first)
        assert found is not None
        self._at = found.end()
        return DataRun(*_IDLE.subn(b"", buffer[start : self._at]))

    def _data(self) -> Data:
        """Data up to the next command, in events of about `PIECE` if 0xFFs are doubled in it."""
        buffer, start = self._buffer, self._at
        found = buffer.find(_IAC, start)
        if found < 0:
            self._at = len(buffer)
            return Data(buffer[start:])
        if buffer[found + 1 : found + 2] != _IAC:
            self._at = found
            return Data(buffer[start:found])
        if start >= self._mixed:
            piece = buffer[start : start + PIECE]
            parts = piece.split(_IAC)
            if not any(parts[1::2]):  # nothing between the two of each pair
                # An 0xFF that comes last is one of a pair that is cut, or not there yet.
                self._at = start + len(piece) - (len(parts) % 2 == 0)
                return Data(_IAC.join(parts[::2]), (len(parts) - 1) // 2)
            self._mixed = start + len(piece)
        # Never between the two of a pair: what is cut off there does not match.
        doubled = _DOUBLED.match(buffer, found, max(found, start + PIECE - 2) + 2)
        assert doubled is not None
        self._at = end = doubled.end()
        data = buffer[start:end].replace(_IAC_IAC, _IAC)
        return Data(data, end - start - len(data))

    def _subnegotiation(self) -> Event | None:
        start = self._at + 2
        end = self._end_of_subnegotiation(start)
        # An IAC that came last is not counted: it may be the one before SE.
        if (self._at + self._scanned if end is None else end) - start > MAX_SUBNEGOTIATION:
            self._dead = True
            option = self._buffer[start]
            self._buffer, self._at = b"", 0
            return Overlong(option)
        if end is None:
            return None
        self._at = end + 2
        # An IAC before anything but IAC or SE is kept: a peer forgot to double it.
        whole = self._buffer[start:end].replace(_IAC_IAC, _IAC)
        if not whole:
            return Malformed("an empty subnegotiation")
        return Subnegotiation(whole[0], whole[1:])

    def _end_of_subnegotiation(self, start: int) -> int | None:
        at = max(start, self._at + self._scanned)
        while True:
            found = self._buffer.find(_IAC, at)
            if found < 0 or found + 1 == len(self._buffer):
                self._scanned = (len(self._buffer) if found < 0 else found) - self._at
                return None
            if self._buffer[found + 1] == SE:
                self._scanned = 0
                return found
            at = found + (2 if self._buffer[found + 1] == IAC else 1)


def encode(data: bytes) -> bytes:
    """`data` for an NVT peer: each CR is followed by NUL, and stays a carriage return.

    Also in CR LF: CR NUL LF are the same two characters, whereas CR LF is a new line, which the
    peer may convert. So it does not matter where input is cut.
    """
    return data.replace(b"\r", b"\r\0")


def decode(data: bytes, after_cr: bool) -> tuple[bytes, bool]:
    """`data` of an NVT peer without the NUL of each CR NUL, and whether it ends in CR.

    `after_cr`: the byte before `data` was CR, so that a NUL here belongs to it. CR LF stays as it
    is, as a console shows it; so does a CR before anything else, which RFC 854 does not allow.
    """
    if not data:
        return data, after_cr
    ends_in_cr = data.endswith(b"\r")
    if after_cr and data.startswith(b"\0"):
        data = data[1:]
    return data.replace(b"\r\0", b"\r"), ends_in_cr


def encode_lines(data: bytes, after_cr: bool) -> tuple[bytes, bool]:
    """`data` for an NVT peer that shows it, and whether it ends in CR: CR LF stays a new line, any
    other CR is followed by NUL.

    `after_cr`: the byte before `data` was CR, and what follows it was not known then.
    """
    if not data:
        return data, after_cr
    ends_in_cr = data.endswith(b"\r")
    start = b"\0" if after_cr and not data.startswith(b"\n") else b""
    return start + _LONE_CR.sub(b"\r\0", data), ends_in_cr


def decode_keys(data: bytes, after_cr: bool) -> tuple[bytes, bool]:
    """`data` of an NVT peer that types it, and whether it ends in CR: CR NUL and CR LF are both the
    one key Enter, a CR.

    `after_cr`: the byte before `data` was CR.
    """
    if not data:
        return data, after_cr
    ends_in_cr = data.endswith(b"\r")
    if after_cr and data[0] in b"\0\n":
        data = data[1:]
    return _ENTER.sub(b"\r", data), ends_in_cr
