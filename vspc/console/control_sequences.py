"""The control sequences in a VM's output, wherever it is cut, and the state of its SGR attributes
(ECMA-48 section 8.3.117, as xterm has them). Pure.

Bounded: one entry for each kind of attribute, however many sequences a VM sends. Text, and
sequences that move a cursor or erase, are passed over where `re` does it: output in colours costs
little, and output without an ESC nothing.
"""

import re
from collections.abc import Iterator
from itertools import islice

SEQUENCE_LIMIT = 128
"""Bytes of parameters of one sequence; a longer one changes nothing here."""

_PARAMETER = re.compile(rb"[0-9]{0,4}(?::[0-9]{0,4}){0,6}")

_OFF: dict[int, tuple[str, ...]] = {
    10: ("font",),
    22: ("bold", "faint"),
    23: ("italic",),
    24: ("underline",),
    25: ("blink",),
    27: ("inverse",),
    28: ("hidden",),
    29: ("struck",),
    39: ("foreground",),
    49: ("background",),
    54: ("framed",),
    55: ("overline",),
    59: ("underline-colour",),
    75: ("script",),
}

_ON: dict[int, str] = {
    1: "bold",
    2: "faint",
    3: "italic",
    4: "underline",
    5: "blink",
    6: "blink",
    7: "inverse",
    8: "hidden",
    9: "struck",
    20: "italic",
    21: "underline",
    51: "framed",
    52: "framed",
    53: "overline",
    73: "script",
    74: "script",
    **dict.fromkeys(range(11, 20), "font"),
    **dict.fromkeys((*range(30, 38), *range(90, 98)), "foreground"),
    **dict.fromkeys((*range(40, 48), *range(100, 108)), "background"),
}

_COLOURS: dict[int, str] = {38: "foreground", 48: "background", 58: "underline-colour"}

_FOLLOWING = {b"5": 1, b"2": 3}
"""Parameters behind 38;5 and 38;2."""


class Rendition:
    """What is not as in a terminal that was just reset."""

    __slots__ = ("_shown",)

    def __init__(self, shown: dict[str, bytes] | None = None) -> None:
        self._shown = dict(shown or {})

    def __bool__(self) -> bool:
        return bool(self._shown)

    def copy(self) -> "Rendition":
        """One that changes by itself."""
        return Rendition(self._shown)

    def with_all_of(self, other: "Rendition") -> "Rendition":
        """What is shown otherwise in one of them."""
        return Rendition(self._shown | other._shown)

    def apply(self, parameters: bytes) -> None:
        """One SGR sequence, by what stands between `CSI` and `m`."""
        if parameters in (b"", b"0"):
            self._shown.clear()
        elif len(parameters) <= SEQUENCE_LIMIT:
            words = iter(parameters.split(b";"))
            for word in words:
                self._apply(word, words)

    def _apply(self, word: bytes, rest: Iterator[bytes]) -> None:
        if not _PARAMETER.fullmatch(word):
            return
        first, colon, value = word.partition(b":")
        code = int(first or b"0")
        if code == 0:
            self._shown.clear()
        elif code in _COLOURS:
            whole = word if colon else self._colour(word, rest)
            if whole:
                self._shown[_COLOURS[code]] = whole
        elif code in _OFF or (code == 4 and value == b"0"):
            for name in _OFF.get(code, ("underline",)):
                self._shown.pop(name, None)
        elif code in _ON:
            self._shown[_ON[code]] = word

    @staticmethod
    def _colour(word: bytes, rest: Iterator[bytes]) -> bytes:
        """38;5;N or 38;2;R;G;B; empty if it is neither."""
        kind = next(rest, b"")
        values = [next(rest, b"") for _ in range(_FOLLOWING.get(kind, 0))]
        good = values and all(value.isdigit() and len(value) <= 4 for value in values)
        return b";".join((word, kind, *values)) if good else b""

    @property
    def off(self) -> bytes:
        """The sequence after which text is plain; empty if it is already."""
        if not self._shown:
            return b""
        # The Linux console leaves another font, which may be a character set, alone at a 0.
        return b"\x1b[0;10m" if "font" in self._shown else b"\x1b[m"

    @property
    def on(self) -> bytes:
        """The sequence that makes it as it is, from plain."""
        return b"\x1b[%sm" % b";".join(self._shown.values()) if self._shown else b""

    @property
    def background(self) -> bytes:
        """The same of what erased cells have of it."""
        colour = self._shown.get("background")
        return b"" if colour is None else b"\x1b[%sm" % colour


HELD_LIMIT = 128
"""Bytes of an unfinished sequence that are kept. A control sequence of so many changes nothing."""

CSI_LIMIT = HELD_LIMIT - 2
"""Bytes between the introducer and the end of a sequence that are looked at."""

# One class for all that stands before the final byte, so that no pattern tries twice what did not
# match: parameters, intermediates, and controls, which are executed in the middle of a sequence
# (SO and SI are taken to end it).
_MIDDLE = rb"[ -?\x00-\x0d\x10-\x17\x19\x1c-\x1f]*"

_FINALS = rb"hlrnuspqcgW"

_TOKENS = (
    rb"(?P<shift>[\x0e\x0f])"
    rb"|\x1b(?:"
    rb"\[%s(?P<csi>" + _MIDDLE + rb")(?P<final>[m" + _FINALS + rb"])"
    rb"|\](?P<osc>P[0-9A-Fa-f]{7}|R|[^\x07\x18\x1a\x1b]*)"
    rb"|[PX^_][^\x18\x1a\x1b]*"
    rb"|(?P<set>[ -/]+)(?P<name>[0-~])"
    rb"|(?P<short>[=>no78Hc])"
    rb")"
)

_TOKEN = re.compile(_TOKENS % b"")
# The same without SGR, which is `m` without a `>`.
_NO_COLOURS = rb"(?=[\x00-\x0d\x10-\x17\x19\x1c-\x1f]*>|" + _MIDDLE + rb"[" + _FINALS + rb"])"
_UNCOLOURED = re.compile(_TOKENS % _NO_COLOURS)

_SAVES = re.compile(rb"\x1b(?:7|\[s|\[\?[0-9;]*h)")
"""What may save colours with the cursor."""

_UNFINISHED = re.compile(
    rb"\x1b(?:[ -/]*|\["
    + _MIDDLE
    + rb"|\](?!P[0-9A-Fa-f]{7}|R)[^\x07\x18\x1a\x1b]*|[PX^_][^\x18\x1a\x1b]*)"
)

_PART_OF_CHARACTER = re.compile(
    rb"(?:[\xc2-\xf4]|[\xe0-\xf4][\x80-\xbf]|[\xf0-\xf4][\x80-\xbf]{2})\Z"
)


def whole_length(data: bytes) -> int:
    """How much of `data` is there without the sequence, or the character, that it ends in."""
    last = data.rfind(b"\x1b")
    if last >= 0 and _UNFINISHED.fullmatch(data, last):
        return last
    found = _PART_OF_CHARACTER.search(data, max(0, len(data) - 3))
    return len(data) if found is None else found.start()


class Sequences:
    """Takes output, gives matches: `shift`; `csi` and `final`; `osc`; `set` and `name`; `short`."""

    __slots__ = ("_held", "_is_cut")

    def __init__(self) -> None:
        self._held = b""  # the beginning of one that is unfinished, of a long one not all
        self._is_cut = False

    def feed(self, data: bytes, most: int) -> tuple[list["re.Match[bytes]"], int]:
        """Those that `data` ends, and how much of it that is: all of it, unless it has more than
        `most`. Colours that were taken back since are left out.
        """
        if not self._held and b"\x1b" not in data and b"\x0e" not in data and b"\x0f" not in data:
            return [], len(data)
        if most <= 0:
            return [], 0
        had, data = len(self._held), self._held + data
        last = data.rfind(b"\x1b")
        unfinished = _UNFINISHED.fullmatch(data, last) if last >= 0 else None
        end = len(data) if unfinished is None else last
        found = list(islice(self._tokens(data, end), most + 1))
        if len(found) > most:  # those that are taken back later count until then
            found = list(islice(_TOKEN.finditer(data, 0, end), most + 1))
            self._held, self._is_cut = b"", False
            return found[:most], found[most].start() - had
        rest = data[end:]
        self._is_cut = len(rest) > HELD_LIMIT or (self._is_cut and end == 0)
        self._held = rest[:HELD_LIMIT]
        return found, len(data) - had

    @staticmethod
    def _tokens(data: bytes, end: int) -> Iterator["re.Match[bytes]"]:
        # Colours before the last that were taken back are gone: most of a listing in colours is.
        plain = max(data.rfind(b"\x1b[m", 0, end), data.rfind(b"\x1b[0m", 0, end), 0)
        if _SAVES.search(data, 0, plain):
            plain = 0
        yield from _UNCOLOURED.finditer(data, 0, plain)
        yield from _TOKEN.finditer(data, plain, end)

    @property
    def broken_off(self) -> bytes:
        """What ends the one that is unfinished: CAN, which every terminal takes so."""
        return b"\x18" if self._held else b""

    @property
    def begun_again(self) -> bytes:
        """The beginning of it; of a long one something that shows nothing, to the same end."""
        if not self._is_cut:
            return self._held
        if self._held.startswith(b"\x1b]"):
            return b"\x1b]9999;"
        return self._held if self._held.startswith(b"\x1b[") else b"\x1bX"
