"""What an operator's terminal sends, as keys: one incremental parser and its patience.

`Parser` is pure: any chunking of the same bytes gives the same keys, no bytes raise, and what it
keeps is bounded. `Keyboard` adds the clock: Escape is only known by what does not follow it.
"""

import codecs
import re
from collections.abc import Callable, Iterable
from enum import Enum, auto

from vspc.common.clock import Cancellable, Clock, cancel

ESCAPE_PATIENCE = 0.075
"""Seconds after which an Escape that nothing follows is the key and no sequence."""

PASTE_PATIENCE = 1.0
"""Seconds of silence after which a bracketed paste is over, though its end never came."""

PACKET = 4096
"""Bytes of one packet that are keys for a line that is edited: a person does not type more."""

SEQUENCE_LIMIT = 64
"""Bytes of an unfinished control sequence that are kept."""

PARAMETERS = 32
"""Bytes of its parameters that are looked at; a longer one is swallowed, unknown."""


class Key(Enum):
    """A key that is not text."""

    ENTER = auto()
    BACKSPACE = auto()
    DELETE = auto()
    TAB = auto()
    ESCAPE = auto()
    UP = auto()
    DOWN = auto()
    LEFT = auto()
    RIGHT = auto()
    HOME = auto()
    END = auto()
    PAGE_UP = auto()
    PAGE_DOWN = auto()
    INSERT = auto()
    CTRL_SPACE = auto()
    CTRL_A = auto()
    CTRL_C = auto()
    CTRL_D = auto()
    CTRL_F = auto()
    CTRL_L = auto()
    CTRL_N = auto()
    CTRL_O = auto()
    CTRL_P = auto()
    CTRL_R = auto()
    CTRL_T = auto()
    CTRL_U = auto()
    CTRL_V = auto()
    CTRL_W = auto()
    CTRL_X = auto()


Pressed = Key | str
"""A key, or one printable character."""


# Finds the next thing wherever it begins; `unfinished` is a sequence that goes on behind the end. A
# control character within a sequence ends that, and is a key by itself. Quantifiers are possessive,
# so that nothing is tried twice.
_TOKEN = re.compile(
    rb"(?P<text>[ -~\x80-\xff]++)"
    rb"|(?P<control>[\x00-\x1a\x1c-\x1f\x7f])"
    rb"|(?P<escape>\x1b)(?=[\x00-\x1a\x1c-\x1f\x7f]|\x1b[^\[O])"
    # CSI; with a second bracket those of the Linux console. ESC before it: Alt.
    rb"|\x1b\x1b?\[(?P<csi>\[?+[ -?]*+)(?:(?P<final>[@-~])|(?=[^ -~]))"
    # SS3; SS3 1 ; 5 A is a modified arrow, as some terminals spell it.
    rb"|\x1b\x1b?O[0-9;]*+(?:(?P<function>[ -~])|(?=[^ -~]))"
    # OSC, DCS and the like: a late answer of the terminal to another program.
    rb"|\x1b[]PX^_][^\x00-\x1f]*+(?:\x07|(?=[\x00-\x1f]))"
    rb"|\x1b(?![]\[OPX^_])[ -~]"  # Alt with a letter
    rb"|\x1b(?=[\x80-\xff])"
    rb"|(?P<unfinished>\x1b.*+)",
    re.DOTALL,
)


class Parser:
    """Bytes to keys. Sequences that mean nothing here are swallowed whole.

    What is not UTF-8 is dropped; CR, LF and CR LF are one Enter. In a bracketed paste only text
    is left, a line end or tab is a space. Alt with a letter is nothing.
    """

    def __init__(self) -> None:
        self._held = b""  # the beginning of a sequence
        self._decoder = codecs.getincrementaldecoder("utf-8")("ignore")
        self._after_return = False
        self._pasting = False

    @property
    def patience(self) -> float | None:
        """Seconds after which `flush` is due if no byte comes; None when nothing is awaited."""
        if self._pasting:
            return PASTE_PATIENCE
        return ESCAPE_PATIENCE if self._held else None

    def feed(self, data: bytes) -> list[Pressed]:
        """The keys that `data` completes."""
        data, self._held = self._held + data, b""
        return [key for token in _TOKEN.finditer(data) for key in self._keys(token)]

    def flush(self) -> list[Pressed]:
        """Nothing has followed for `patience`: what was begun is over, an Escape was one."""
        held, self._held = self._held, b""
        pasting, self._pasting = self._pasting, False
        return [] if pasting or held.strip(b"\x1b") else [Key.ESCAPE] * len(held)

    def _keys(self, token: re.Match[bytes]) -> Iterable[Pressed]:
        kind, whole = token.lastgroup, token[0]
        if kind == "text":
            self._after_return = False
            return filter(None, map(_text, self._decoder.decode(whole)))
        self._decoder.reset()
        after_return, self._after_return = self._after_return, whole == b"\r"
        key: Pressed | None = None
        match kind:
            case "unfinished":
                self._held = whole[:2] if whole[1:2] in _STRINGS else whole[:SEQUENCE_LIMIT]
            case "control" if self._pasting:
                key = " " if whole in b"\t\n\r" else None
            case "control":
                key = _CONTROLS.get(whole)
            case "escape":
                key = Key.ESCAPE
            case "final":
                key = self._control(token["csi"][:PARAMETERS], token["final"])
            case "function":
                key = _FUNCTIONS.get(token["function"])
        if key is None or (whole == b"\n" and after_return):
            return ()
        return (key,) if kind == "control" or not self._pasting else ()

    def _control(self, parameters: bytes, final: bytes) -> Pressed | None:
        """A control sequence, perhaps a mark of a paste."""
        if final != b"~":
            return _ARROWS.get(final) if not parameters.strip(b"0123456789;") else None
        number = parameters.partition(b";")[0]
        self._pasting = _PASTE_MARKS.get(number, self._pasting)
        return _NUMBERED.get(number)


def _text(character: str) -> str:
    """A printable character as it is, any space as a space, nothing of the rest."""
    if character.isspace():
        return " "
    return character if character.isprintable() else ""


_STRINGS = (b"]", b"P", b"X", b"^", b"_")

_CONTROLS = {
    b"\x00": Key.CTRL_SPACE,
    b"\x01": Key.CTRL_A,
    b"\x03": Key.CTRL_C,
    b"\x04": Key.CTRL_D,
    b"\x06": Key.CTRL_F,
    b"\b": Key.BACKSPACE,
    b"\t": Key.TAB,
    b"\n": Key.ENTER,
    b"\x0c": Key.CTRL_L,
    b"\r": Key.ENTER,
    b"\x0e": Key.CTRL_N,
    b"\x0f": Key.CTRL_O,
    b"\x10": Key.CTRL_P,
    b"\x12": Key.CTRL_R,
    b"\x14": Key.CTRL_T,
    b"\x15": Key.CTRL_U,
    b"\x16": Key.CTRL_V,
    b"\x17": Key.CTRL_W,
    b"\x18": Key.CTRL_X,
    b"\x7f": Key.BACKSPACE,
}

_ARROWS: dict[bytes, Pressed] = {
    b"A": Key.UP,
    b"B": Key.DOWN,
    b"C": Key.RIGHT,
    b"D": Key.LEFT,
    b"F": Key.END,
    b"H": Key.HOME,
}

# The keypad in application mode, which another program may have left on: M is its Enter, j to y
# are * + , - . / and the digits.
_FUNCTIONS: dict[bytes, Pressed] = {
    **_ARROWS,
    b"M": Key.ENTER,
    **{bytes([code]): chr(code - 0x40) for code in b"jklmnopqrstuvwxy"},
}

_NUMBERED: dict[bytes, Pressed] = {
    b"1": Key.HOME,
    b"2": Key.INSERT,
    b"3": Key.DELETE,
    b"4": Key.END,
    b"5": Key.PAGE_UP,
    b"6": Key.PAGE_DOWN,
    b"7": Key.HOME,
    b"8": Key.END,
}

_PASTE_MARKS = {b"200": True, b"201": False}


class Keyboard:
    """A `Parser` with a clock: `late` is called with the keys that only silence completes."""

    def __init__(self, clock: Clock, late: Callable[[list[Pressed]], None]) -> None:
        self._clock = clock
        self._late = late
        self._parser = Parser()
        self._timer: Cancellable | None = None

    def feed(self, data: bytes) -> list[Pressed]:
        """The keys that `data` completes."""
        self.close()
        keys = self._parser.feed(data)
        self._wait()
        return keys

    def close(self) -> None:
        """Wait for nothing any more."""
        cancel(self._timer)
        self._timer = None

    def _wait(self) -> None:
        patience = self._parser.patience
        if patience is not None:
            self._timer = self._clock.call_later(patience, self._flush)

    def _flush(self) -> None:
        self._timer = None
        self._late(self._parser.flush())
