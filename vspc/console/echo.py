"""What was typed and came back: the only typed text that a log may hold. Pure; time is an argument.

With `record_input` a log has what was typed, and must not have passwords. A VM that asks for one
does not send it back; so text is recorded only if the VM echoed it, and else its length.

The rule. What is typed is cut into lines, each up to and including its CR, LF, ^C or ^D. The echo
of a byte must come within `WINDOW`, and must be the first output of the VM after the byte was typed
and after the echo of the byte before it. Other output is allowed only while no echo is
awaited. One byte whose echo is late, or for which something else came first, makes its line
*doubtful*, and every other line that still waits then. A doubtful line is hidden as a whole, what
is still typed of it included; a line that is not ended yet is held back, so that a program that
stops echoing in mid-line takes all of it along.

An echo is the byte itself; CR and LF also come back as either of them or as CR LF, a control
character as `^X`, BS and DEL as a rubbed out character, and where a line editor wraps a long line
there may be a space and a CR in between.

Weaknesses. Much is hidden that was no secret: a line completed with TAB, edited with arrow keys,
typed ahead of a prompt or over other output, or whose echo took longer than `WINDOW`. And what is
not an echo may look like one: to have a secret taken for an echoed line, other output must guess
each of its bytes, in order, at the very moment, and the end of the line; that happens by chance
only to a secret of one or two characters while the VM talks on its own. A VM could put
secrets into its log by echoing them; it could also just send them.
"""

import re
from collections import deque
from collections.abc import Mapping
from types import MappingProxyType

from attrs import define, field, frozen

from vspc.common.text import safe

WINDOW = 0.5
"""Seconds in which the VM has to send a byte back."""

LIMIT = 4096
"""Bytes that are held, waiting for their echo or for `due`; what is typed over it is hidden."""

_CR, _LF = b"\r\n"
_ENDS = b"\r\n\x03\x04"
_PARTS = re.compile(rb"[^\r\n\x03\x04]*[\r\n\x03\x04]|[^\r\n\x03\x04]+")
_WRAP = b" \r"

_TYPED = "typed: "
_HIDDEN = "bytes that were not echoed: "
_ESCAPED = re.compile(r"\\(?:\\|x(..)|u(.{4})|U(.{8}))")


def _forms(byte: int) -> tuple[bytes, ...]:
    """As what the VM may send `byte` back; none is the beginning of another."""
    if byte in b"\r\n":
        return b"\r", b"\n"
    if byte in b"\b\x7f":
        return b"\b \b", b"\b\x1b[K"
    itself = bytes([byte])
    return (itself, bytes([0x5E, byte ^ 0x40])) if byte < 0x20 else (itself,)


_FORMS: Mapping[int, tuple[bytes, ...]] = MappingProxyType(
    {byte: _forms(byte) for byte in range(256)}
)


@frozen
class Recorded:
    """A line that was typed and echoed, or how many bytes were typed that are not recorded."""

    text: bytes | None
    hidden: int = 0

    @property
    def words(self) -> str:
        """The text of a marker of `MarkerKind.INPUT`: one safe line, which `typed_text` reads."""
        if self.text is None:
            return f"{_HIDDEN}{self.hidden}"
        return _TYPED + safe(self.text, LIMIT)


def typed_text(words: str) -> str | None:
    """What was typed, of a marker of `MarkerKind.INPUT`; None if it was not recorded.

    A byte that was not UTF-8 is U+FFFD.
    """
    if not words.startswith(_TYPED):
        return None
    return _ESCAPED.sub(_unescaped, words[len(_TYPED) :])


def _unescaped(match: re.Match[str]) -> str:
    digits = match[1] or match[2] or match[3]
    if digits is None:
        return "\\"
    try:
        code = int(digits, 16)
    except ValueError:
        return match[0]
    # \x80 to \xff is a byte that was no UTF-8, or a C1 control, which must not be played back.
    readable = code <= 0x10FFFF and not 0xD800 <= code < 0xE000 and not (match[1] and code > 0x7F)
    return chr(code) if readable else "\ufffd"


@define(eq=False)
class ByteEcho:
    """What came back so far of one typed byte, and then of the next one."""

    _partial: bytes = field(default=b"", init=False)

    def feed(self, typed: int, byte: int) -> bool | None:
        """Whether `byte`, which the VM sent, ends the echo of `typed`; None: it is something else.
        Where a line editor wraps a line, a space and a CR do not count.
        """
        received = self._partial + bytes([byte])
        self._partial = b""
        if received in _FORMS[typed]:
            return True
        if received == _WRAP:
            return False
        if any(form.startswith(received) for form in (*_FORMS[typed], _WRAP)):
            self._partial = received
            return False
        return None


@define(eq=False)
class Echo:
    """One console's typed bytes, as long as one operator has the pen.

    Times are seconds of a clock that is never set (monotonic). It costs nothing while no echo is
    awaited, and else a step for each byte that the VM sends until the echo is complete, or broken.
    When another operator takes the pen, or it is free and `deadline` is None, `close` this and
    begin another one.
    """

    _awaited: deque[tuple[int, float]] = field(factory=deque, init=False)  # bytes, when typed
    _echoed: bytearray = field(factory=bytearray, init=False)  # what came back of the line so far
    _ready: list[Recorded] = field(factory=list, init=False)
    _texts: int = field(default=0, init=False)  # bytes of text in `_ready`
    _hidden: int = field(default=0, init=False)  # bytes after those in `_ready`
    _hidden_at: float = field(default=0.0, init=False)  # when the last of them was hidden
    _doubtful: bool = field(default=False, init=False)  # the line that is typed now is hidden
    _byte: ByteEcho = field(factory=ByteEcho, init=False)  # of the first one that is awaited
    _returned: bool = field(default=False, init=False)  # a LF now is part of the echo of a CR

    def typed(self, data: bytes, now: float) -> None:
        """The operator typed `data`, and it is on its way to the VM."""
        self._expire(now)
        for match in _PARTS.finditer(data):
            self._type(match[0], now)

    def _type(self, part: bytes, now: float) -> None:
        if self._texts + len(self._echoed) + len(self._awaited) + len(part) > LIMIT:
            self._doubt(now)
            self._doubtful = True
        if self._doubtful:
            self._hide(len(part), now)
            self._doubtful = part[-1] not in _ENDS
        else:
            self._awaited.extend((byte, now) for byte in part)

    def output(self, data: bytes, now: float) -> None:
        """The VM sent `data`."""
        self._expire(now)
        for byte in data:
            if self._returned and byte == _LF:
                self._returned = False
                continue
            self._returned = False
            if not self._awaited:
                return
            if not self._matches(byte):
                self._doubt(now)
                return

    def due(self, now: float) -> list[Recorded]:
        """What was decided since the last call, in the order in which it was typed.

        Call it after `typed`, after `output` and at `deadline`. How much was hidden of a line is
        reported when it ends, or when nothing is typed for `WINDOW`.
        """
        self._expire(now)
        if not self._doubtful or now >= self._hidden_at + WINDOW:
            self._count_hidden()
        ready, self._ready, self._texts = self._ready, [], 0
        return ready

    def close(self) -> list[Recorded]:
        """The last of it: what waits for its echo, or for the end of its line, is hidden."""
        self._doubt(self._hidden_at)
        self._doubtful = False
        return self.due(self._hidden_at)

    @property
    def deadline(self) -> float | None:
        """When `due` has something to report although nothing happened; None if never."""
        times = [self._awaited[0][1]] if self._awaited else []
        times += [self._hidden_at] if self._hidden else []
        return min(times) + WINDOW if times else None

    def _matches(self, byte: int) -> bool:
        """Whether `byte` goes on with the echo of what is awaited."""
        is_whole = self._byte.feed(self._awaited[0][0], byte)
        if is_whole:
            self._came_back(byte)
        return is_whole is not None

    def _came_back(self, last: int) -> None:
        typed, _ = self._awaited.popleft()
        self._echoed.append(typed)
        self._returned = last == _CR
        if typed in _ENDS:
            self._count_hidden()
            self._ready.append(Recorded(bytes(self._echoed)))
            self._texts += len(self._echoed)
            self._echoed.clear()

    def _expire(self, now: float) -> None:
        if self._awaited and now >= self._awaited[0][1] + WINDOW:
            self._doubt(now)

    def _doubt(self, now: float) -> None:
        """Hide all that is held, and what is still typed of the last line."""
        if self._awaited:
            self._doubtful = self._awaited[-1][0] not in _ENDS
        elif self._echoed:
            self._doubtful = True
        count = len(self._echoed) + len(self._awaited)
        self._awaited.clear()
        self._echoed.clear()
        self._byte, self._returned = ByteEcho(), False
        self._hide(count, now)

    def _hide(self, count: int, now: float) -> None:
        if count:
            self._hidden += count
            self._hidden_at = now

    def _count_hidden(self) -> None:
        if self._hidden:
            self._ready.append(Recorded(None, self._hidden))
            self._hidden = 0
