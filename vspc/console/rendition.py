"""How text is shown: the SGR attributes of a terminal (ECMA-48 section 8.3.117), as xterm has them.

Pure and bounded: one entry for each kind of attribute, however many sequences a VM sends.
"""

import re
from collections.abc import Iterator

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
