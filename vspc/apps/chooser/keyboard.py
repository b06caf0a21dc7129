"""What an operator's terminal sends, as keys: one incremental parser and its patience.

`Parser` is pure: any chunking of the same bytes gives the same keys, no bytes raise, and what it
keeps is bounded. `Keyboard` adds the clock: Escape is only known by what does not follow it.
"""

import codecs
from collections.abc import Callable, Iterator
from enum import Enum, auto

from vspc.common.clock import Cancellable, Clock, cancel

ESCAPE_PATIENCE = 0.075
"""Seconds after which an Escape that nothing follows is the key and no sequence."""

PASTE_PATIENCE = 1.0
"""Seconds of silence after which a bracketed paste is over, though its end never came."""

SEQUENCE_LIMIT = 32
"""Bytes of one control sequence that are looked at; a longer one is swallowed, unknown."""


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
    CTRL_C = auto()
    CTRL_D = auto()
    CTRL_L = auto()
    CTRL_N = auto()
    CTRL_P = auto()
    CTRL_U = auto()
    CTRL_W = auto()


Pressed = Key | str
"""A key, or one printable character."""


class _State(Enum):
    GROUND = auto()
    ESCAPE = auto()
    ESCAPE_TWICE = auto()  # Escape typed twice, or the first half of Alt with an arrow key
    FUNCTION = auto()  # SS3: one more byte
    CONTROL = auto()  # CSI: parameters and a final byte
    STRING = auto()  # OSC, DCS and the like: a late answer of the terminal to another program


class Parser:
    """Bytes to keys. Sequences that mean nothing here are swallowed whole.

    What is not UTF-8 is dropped; CR, LF and CR LF are one Enter. In a bracketed paste only text
    is left, a line end or tab is a space. Alt with a letter is nothing.
    """

    def __init__(self) -> None:
        self._state = _State.GROUND
        self._sequence = bytearray()
        self._decoder = codecs.getincrementaldecoder("utf-8")("ignore")
        self._after_return = False
        self._pasting = False

    @property
    def patience(self) -> float | None:
        """Seconds after which `flush` is due if no byte comes; None when nothing is awaited."""
        if self._pasting:
            return PASTE_PATIENCE
        return None if self._state is _State.GROUND else ESCAPE_PATIENCE

    def feed(self, data: bytes) -> list[Pressed]:
        """The keys that `data` completes."""
        return [key for byte in data for key in self._byte(byte)]

    def flush(self) -> list[Pressed]:
        """Nothing has followed for `patience`: what was begun is over, an Escape was one."""
        state, self._state = self._state, _State.GROUND
        pasting, self._pasting = self._pasting, False
        self._sequence.clear()
        return [] if pasting else [Key.ESCAPE] * _ESCAPES.get(state, 0)

    def _byte(self, byte: int) -> Iterator[Pressed]:
        after_return, self._after_return = self._after_return, byte == _CR
        if byte == _LF and after_return:
            return iter(())
        return _STEPS[self._state](self, byte)

    def _ground(self, byte: int) -> Iterator[Pressed]:
        self._state = _State.GROUND
        if byte >= 0x80:
            yield from filter(None, map(_text, self._decoder.decode(bytes((byte,)))))
            return
        self._decoder.reset()
        if byte == _ESC:
            self._state = _State.ESCAPE
        elif 0x20 <= byte < 0x7F:
            yield chr(byte)
        elif self._pasting:
            if byte in _SPACES:
                yield " "
        elif byte in _CONTROLS:
            yield _CONTROLS[byte]

    def _escape(self, byte: int) -> Iterator[Pressed]:
        if byte == _ESC:
            self._state = _State.ESCAPE_TWICE
        elif byte in _INTRODUCERS:
            self._state = _INTRODUCERS[byte]
            self._sequence.clear()
        elif 0x20 <= byte < 0x7F:
            self._state = _State.GROUND
        else:
            if byte < 0x80 and not self._pasting:
                yield Key.ESCAPE
            yield from self._ground(byte)

    def _escape_twice(self, byte: int) -> Iterator[Pressed]:
        if byte in b"[O":
            yield from self._escape(byte)
            return
        if not self._pasting:
            yield Key.ESCAPE
        if byte != _ESC:
            yield from self._escape(byte)

    def _function(self, byte: int) -> Iterator[Pressed]:
        if not 0x20 <= byte < 0x7F:
            yield from self._ground(byte)
        elif byte in b"0123456789;":  # SS3 1 ; 5 A: a modified arrow, as some terminals spell it
            self._keep(byte)
        else:
            yield from self._complete(_FUNCTIONS.get(byte))

    def _control(self, byte: int) -> Iterator[Pressed]:
        if not 0x20 <= byte < 0x7F:
            yield from self._ground(byte)
        elif byte < 0x40 or (byte == _BRACKET and not self._sequence):
            self._keep(byte)  # a second bracket: the Linux console's function keys
        elif byte == _TILDE:
            yield from self._numbered()
        else:
            plain = self._sequence.translate(None, b"0123456789;") == b""
            yield from self._complete(_ARROWS.get(byte) if plain else None)

    def _string(self, byte: int) -> Iterator[Pressed]:
        if byte == _BEL:
            self._state = _State.GROUND
        elif byte < 0x20:
            yield from self._ground(byte)

    def _keep(self, byte: int) -> None:
        if len(self._sequence) < SEQUENCE_LIMIT:
            self._sequence.append(byte)

    def _numbered(self) -> Iterator[Pressed]:
        number = bytes(self._sequence.partition(b";")[0])
        if number in _PASTE_MARKS:
            self._pasting = _PASTE_MARKS[number]
        return self._complete(_NUMBERED.get(number))

    def _complete(self, key: Pressed | None) -> Iterator[Pressed]:
        self._state = _State.GROUND
        self._sequence.clear()
        if key is not None and not self._pasting:
            yield key


def _text(character: str) -> str:
    """A printable character as it is, any space as a space, nothing of the rest."""
    if character.isspace():
        return " "
    return character if character.isprintable() else ""


_BEL, _LF, _CR, _ESC, _BRACKET, _TILDE = 0x07, 0x0A, 0x0D, 0x1B, 0x5B, 0x7E
_SPACES = frozenset(b"\t\n\r")

_CONTROLS = {
    0x03: Key.CTRL_C,
    0x04: Key.CTRL_D,
    0x08: Key.BACKSPACE,
    0x09: Key.TAB,
    0x0A: Key.ENTER,
    0x0C: Key.CTRL_L,
    0x0D: Key.ENTER,
    0x0E: Key.CTRL_N,
    0x10: Key.CTRL_P,
    0x15: Key.CTRL_U,
    0x17: Key.CTRL_W,
    0x7F: Key.BACKSPACE,
}

_ARROWS: dict[int, Pressed] = {
    ord("A"): Key.UP,
    ord("B"): Key.DOWN,
    ord("C"): Key.RIGHT,
    ord("D"): Key.LEFT,
    ord("F"): Key.END,
    ord("H"): Key.HOME,
}

# The keypad in application mode, which another program may have left on: M is its Enter, j to y
# are * + , - . / and the digits.
_FUNCTIONS: dict[int, Pressed] = {
    **_ARROWS,
    ord("M"): Key.ENTER,
    **{code: chr(code - 0x40) for code in range(ord("j"), ord("y") + 1)},
}

_NUMBERED: dict[bytes, Pressed] = {
    b"1": Key.HOME,
    b"3": Key.DELETE,
    b"4": Key.END,
    b"5": Key.PAGE_UP,
    b"6": Key.PAGE_DOWN,
    b"7": Key.HOME,
    b"8": Key.END,
}

_PASTE_MARKS = {b"200": True, b"201": False}

_INTRODUCERS = {
    ord("["): _State.CONTROL,
    ord("O"): _State.FUNCTION,
    ord("]"): _State.STRING,
    ord("P"): _State.STRING,
    ord("X"): _State.STRING,
    ord("^"): _State.STRING,
    ord("_"): _State.STRING,
}

_ESCAPES = {_State.ESCAPE: 1, _State.ESCAPE_TWICE: 2}

_STEPS: dict[_State, Callable[[Parser, int], Iterator[Pressed]]] = {
    _State.GROUND: Parser._ground,
    _State.ESCAPE: Parser._escape,
    _State.ESCAPE_TWICE: Parser._escape_twice,
    _State.FUNCTION: Parser._function,
    _State.CONTROL: Parser._control,
    _State.STRING: Parser._string,
}


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
