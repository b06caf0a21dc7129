"""What a terminal sends by itself, distinguished from what is typed (law 13). Pure and incremental.

A VM asks the terminal where its cursor is, what it is, how large, and has it report the mouse and
the focus; every terminal that is attached answers. Answers are control sequences that no key
sends, and strings (OSC, DCS, APC). Where a key sends the same (Shift-F3, and the position of a
cursor in the first line) it is an answer if it was asked for. What is pasted is typed.

The answer to ENQ cannot be distinguished from text. 8-bit controls are not recognised.
"""

import re
from collections.abc import Callable

from attrs import define, field, frozen

SEQUENCE_LIMIT = 64
"""Bytes of a control sequence; more, and it was typed."""

STRING_LIMIT = 4096
"""Bytes of an OSC, DCS or APC string; more, and it was typed."""

PASTE_LIMIT = 4 * 1024 * 1024
"""Bytes of a bracketed paste after which answers count again, should its end mark never come."""

KEY_PATIENCE = 0.05
"""Seconds for which what may be a key, Escape or Alt with one, is kept back: not noticeable."""

PATIENCE = 0.5
"""Seconds for which the beginning of a longer sequence is kept back: no key sends one alone."""

_CSI = re.compile(rb"\x1b\[([0-?]{0,60})([ -/]{0,2})([@-~])")
_MOUSE = re.compile(rb"\x1b\[M.{3}", re.DOTALL)
_MOUSE_UTF8 = re.compile(rb"\x1b\[M(?:[\x00-\x7f]|[\xc2-\xdf][\x80-\xbf]){3}")
_TEXT = rb"[^\x00-\x1f\x7f]*"
_STRING = re.compile(rb"\x1b(?:\][0-9lL]" + _TEXT + rb"(?:\x07|\x1b\\)|[P_]" + _TEXT + rb"\x1b\\)")
_BEGUN = re.compile(
    rb"\x1b(?:|\[[0-?]{0,60}[ -/]{0,2}|\](?:[0-9lL]" + _TEXT + rb")?\x1b?|[P_]" + _TEXT + rb"\x1b?)"
)
_MOUSE_BEGUN = re.compile(rb"\x1b\[M.{0,5}", re.DOTALL)

# Text and keys of which nothing else can be meant, many at once.
_TYPED = re.compile(
    rb"(?:[^\x1b]+|\x1b[^\[\]P_\x1b]|\x1b\[[0-9;]{0,60}[@-HJ-LNPQS-`abd-mo-suvz{-}])+"
)

_PASTE_BEGINS = b"\x1b[200~"
_PASTE_ENDS = b"\x1b[201~"

_POSITION = re.compile(rb"([0-9]+);([0-9]+)")
_MODIFIERS = range(2, 17)  # what stands behind `1;` where a function key has modifiers

_ANSWERS: dict[bytes, re.Pattern[bytes]] = {
    b"c": re.compile(rb"[0-9;]+"),  # device attributes
    b"n": re.compile(rb"[0-9;]+"),  # status
    b"t": re.compile(rb"[0-9;]+"),  # the window
    b"x": re.compile(rb"[0-9]+;[0-9;]+"),  # parameters of the line
    b"y": re.compile(rb"[0-9;]+\$?"),  # a mode
    b"w": re.compile(rb"[0-9;]+&"),  # the locator
    b"I": re.compile(rb""),  # the focus came
    b"O": re.compile(rb""),  # the focus went
    b"M": re.compile(rb"[0-9]+;[0-9]+;[0-9]+"),  # the mouse (mode 1015)
}


@frozen
class AnswerPiece:
    """Bytes from a terminal: sent by itself, or typed, or pasted with the marks around that."""

    data: bytes
    is_answer: bool
    is_pasted: bool = False


@define(eq=False)
class Answers:
    """Takes packets, gives pieces in order.

    `asked` says whether the cursor's position was asked for and not answered yet, and counts the
    answer; `utf8_mouse` whether the mouse is reported in UTF-8 (mode 1005).
    """

    asked: Callable[[], bool]
    utf8_mouse: Callable[[], bool] = lambda: False
    begun: int = field(default=0, init=False)  # how many sequences were kept back
    _held: bytes = field(default=b"", init=False)
    _pasted: int | None = field(default=None, init=False)  # bytes since a paste began
    _tail: bytes = field(default=b"", init=False)  # of it, where its end mark may begin

    @property
    def kept_back(self) -> int:
        """How many bytes wait for those that follow them."""
        return len(self._held)

    @property
    def patience(self) -> float | None:
        """Seconds after which `flush` is due, counted from when `begun` or this changed."""
        if not self._held:
            return None
        return KEY_PATIENCE if len(self._held) <= 2 else PATIENCE

    def flush(self) -> bytes:
        """What was kept back: nothing has followed, so it was typed."""
        held, self._held = self._held, b""
        return held

    def feed(self, packet: bytes) -> list[AnswerPiece]:
        """What `packet` holds; the beginning of a sequence at its end is kept back."""
        data, had, self._held = self._held + packet, bool(self._held), b""
        pieces: list[AnswerPiece] = []
        start = at = 0  # of what is typed, or pasted, and of what comes next
        while at < len(data):
            was_pasting = self._pasted is not None
            size, is_answer = self._first(data, at)
            if not size:
                self._held = data[at:]
                self.begun += int(at > 0 or not had)
                break
            begins = self._pasted is not None and not was_pasting
            if (is_answer or begins) and start < at:
                pieces.append(AnswerPiece(data[start:at], False))
            ends = was_pasting and self._pasted is None
            start, at = at if is_answer or begins else start, at + size
            if is_answer or ends:
                pieces.append(AnswerPiece(data[start:at], is_answer, ends))
                start = at
        rest = AnswerPiece(data[start:at], False, self._pasted is not None)
        return [*pieces, rest] if rest.data else pieces

    def _first(self, data: bytes, at: int) -> tuple[int, bool]:
        """The size of the first piece from `at`, 0 if more is needed; whether it is an answer."""
        if self._pasted is not None:
            return self._paste(data, at), False
        if typed := _TYPED.match(data, at):
            return typed.end() - at, False
        if data.startswith(b"\x1b[M", at):
            return self._mouse(data, at)
        if csi := _CSI.match(data, at):
            size = csi.end() - at
            if csi[0] == _PASTE_BEGINS:
                self._pasted, self._tail = 0, b""
            return size, self._is_answer(*csi.groups())
        if (string := _STRING.match(data, at)) and string.end() - at <= STRING_LIMIT:
            return string.end() - at, True
        is_begun = _BEGUN.fullmatch(data, at) and len(data) - at < STRING_LIMIT
        return (0 if is_begun else 1), False

    def _mouse(self, data: bytes, at: int) -> tuple[int, bool]:
        """`CSI M` and three characters."""
        report = (_MOUSE_UTF8 if self.utf8_mouse() else _MOUSE).match(data, at)
        if report:
            return report.end() - at, True
        return (0 if _MOUSE_BEGUN.fullmatch(data, at) else 3), False

    def _is_answer(self, parameters: bytes, between: bytes, final: bytes) -> bool:
        if final == b"R":
            return not between and self._is_position(parameters)
        if parameters[:1] in (b"?", b"<", b"=", b">"):
            return True  # no key sends private parameters
        pattern = _ANSWERS.get(final)
        return pattern is not None and pattern.fullmatch(parameters + between) is not None

    def _is_position(self, parameters: bytes) -> bool:
        position = _POSITION.fullmatch(parameters.removeprefix(b"?"))
        if position is None:
            return parameters[:1] == b"?"
        was_asked = self.asked()
        is_key = parameters[:1] != b"?" and int(position[1]) == 1
        return was_asked or not (is_key and int(position[2]) in _MODIFIERS)

    def _paste(self, data: bytes, at: int) -> int:
        """Bytes of a paste, up to and with its end mark, wherever that is cut."""
        assert self._pasted is not None
        text = self._tail + data[at:]
        end = text.find(_PASTE_ENDS)
        size = len(data) - at if end < 0 else end + len(_PASTE_ENDS) - len(self._tail)
        self._pasted += size
        self._tail = text[-(len(_PASTE_ENDS) - 1) :]
        if end >= 0 or self._pasted > PASTE_LIMIT:
            self._pasted = None
        return size
