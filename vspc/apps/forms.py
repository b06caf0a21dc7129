"""How a console is written on the channel of a program, and how what the program types is read:
exact bytes (`Plain`), or JSON, one object a line (`JsonLines`).
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from typing import Protocol

from attrs import frozen

from vspc.common.clock import rfc3339
from vspc.console.attachment import Attachment

FRAME = 16 * 1024
"""Bytes of output in one JSON object, at most."""

LINE_LIMIT = 64 * 1024
"""Bytes of a line of JSON that is typed; a longer one is an error, and nothing of it is typed."""

LEAST = 160
"""Bytes of a JSON object of output besides its data; as many of output are written at least."""

_INPUT = '{"type": "input", "data": BASE64}, or "text" in place of "data", or {"type": "break"}'


@frozen
class BreakKey:
    """A BREAK, in its place among what is typed."""


@frozen
class Mistake:
    """Input that was not understood, of which nothing is typed; `line` counts from 1."""

    line: int
    text: str


ProgramInput = bytes | BreakKey | Mistake


class Form(Protocol):
    """How output and input are written. No method may raise."""

    @property
    def is_told_all(self) -> bool:
        """Whether the program is told of what terminals are not: each change of the pen."""

    @property
    def is_debugger(self) -> bool:
        """Whether it talks to the VM in packets, which terminals on the console do not show."""

    def begin(self, attachment: Attachment) -> bytes:
        """What is written first; it may be nothing, as of all of these."""

    def room(self, room: int) -> int:
        """Bytes of output that fit into `room` bytes of a channel."""

    def output(self, offset: int, data: bytes, at: float | None) -> bytes:
        """What the VM printed, and when (seconds since 1970) if that is known."""

    def event(self, name: str, offset: int, text: str, facts: Mapping[str, object]) -> bytes:
        """What happened at this place of the output; nothing: `text` is for stderr."""

    def end(self, offset: int, status: int) -> bytes:
        """What is written last, before the channel ends with `status`."""

    def typed(self, data: bytes) -> Iterator[ProgramInput]:
        """What the program wants typed, in order, with what makes no sense in its place."""

    def ended(self) -> Iterator[ProgramInput]:
        """The same at the end of input."""


class Plain(Form):
    """Exact bytes both ways; all else is on stderr."""

    is_told_all = False
    is_debugger = False

    def begin(self, attachment: Attachment) -> bytes:
        del attachment
        return b""

    def room(self, room: int) -> int:
        return room

    def output(self, offset: int, data: bytes, at: float | None) -> bytes:
        del offset, at
        return data

    def event(self, name: str, offset: int, text: str, facts: Mapping[str, object]) -> bytes:
        del name, offset, text, facts
        return b""

    def end(self, offset: int, status: int) -> bytes:
        del offset, status
        return b""

    def typed(self, data: bytes) -> Iterator[ProgramInput]:
        yield data

    def ended(self) -> Iterator[ProgramInput]:
        yield from ()


PLAIN = Plain()


class JsonLines(Form):
    """One JSON object a line both ways. The objects are an interface, in docs/debugging.md.

    Of input at most `LINE_LIMIT` bytes are kept, until the end of their line has come.
    """

    is_told_all = True
    is_debugger = False

    def __init__(self) -> None:
        self._rest = bytearray()  # of a line whose end has not come
        self._is_too_long = False  # whether that line is over the limit; nothing of it is kept
        self._line = 1

    # What is written

    def begin(self, attachment: Attachment) -> bytes:
        console = attachment.console.ref
        about = {"id": console.id, "name": console.name, "port": console.port, "zone": console.zone}
        return _object("begin", attachment.cursor.offset, console=about)

    def room(self, room: int) -> int:
        if room <= 0:
            return 0
        return max(LEAST, min(FRAME, (room - LEAST) * 3 // 4))

    def output(self, offset: int, data: bytes, at: float | None) -> bytes:
        time = None if at is None else rfc3339(at)
        return _object("output", offset, time=time, data=b64encode(data).decode())

    def event(self, name: str, offset: int, text: str, facts: Mapping[str, object]) -> bytes:
        kind = "error" if name == "error" else "event"
        named = {} if kind == name else {"event": name}
        return _object(kind, offset, **named, text=text, **facts)

    def end(self, offset: int, status: int) -> bytes:
        return _object("end", offset, status=status)

    # What is typed

    def typed(self, data: bytes) -> Iterator[ProgramInput]:
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._keep(line)
            yield from self._read()
            self._line += 1
        self._keep(rest)

    def ended(self) -> Iterator[ProgramInput]:
        yield from self._read()

    def _keep(self, data: bytes) -> None:
        self._is_too_long = self._is_too_long or len(self._rest) + len(data) > LINE_LIMIT
        if self._is_too_long:
            self._rest.clear()
        else:
            self._rest += data

    def _read(self) -> Iterator[ProgramInput]:
        """The line that has come."""
        line, is_too_long = bytes(self._rest).strip(), self._is_too_long
        self._rest.clear()
        self._is_too_long = False
        if is_too_long:
            yield Mistake(self._line, f"a line is at most {LINE_LIMIT} bytes long")
        elif line:
            yield _typed(line) or Mistake(self._line, f"a line of input is {_INPUT}")


def _object(kind: str, offset: int, **facts: object) -> bytes:
    return json.dumps({"type": kind, "offset": offset, **facts}).encode() + b"\n"


def _typed(line: bytes) -> bytes | BreakKey | None:
    """What a line of input wants typed, something; None: it makes no sense."""
    try:
        asked = json.loads(line)
    except (ValueError, RecursionError):
        return None
    match asked:
        case {"type": "break"}:
            return BreakKey()
        case {"type": "input", "data": str(data)} if "text" not in asked:
            return _decoded(data)
        case {"type": "input", "text": str(text)} if "data" not in asked:
            return _encoded(text)
    return None


def _decoded(data: str) -> bytes | None:
    try:
        return b64decode(data, validate=True)
    except ValueError:
        return None


def _encoded(text: str) -> bytes | None:
    try:
        return text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return None
