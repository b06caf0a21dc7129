"""Escape commands within what an operator types: `^Ec` and a character (conserver's family). Pure.

The escape key may be another control key than `^E`. `^E^E` and `^Ec^Ec` are one literal `^E`. A
half-typed escape is data after `PATIENCE`. What came in one packet of over `PACKET` bytes or
between the marks of a bracketed paste is data throughout.
"""

import contextlib

from attrs import define, field, frozen

from vspc.common.values import InvalidValue
from vspc.config.values import DEFAULT_ESCAPE, escape_key

PATIENCE = 1.0
"""Seconds that a half-typed escape is kept back: `^E` is end-of-line in every shell."""

PACKET = 64
"""Bytes in one packet; a longer one was not typed by hand."""

PASTE = 4 * 1024 * 1024
"""Bytes of a bracketed paste after which escapes count again, should its end mark never come: a
client that broke off in the middle of one must not lock its operator in."""

_LETTER = b"c"
_PASTE_BEGINS = b"\x1b[200~"
_PASTE_ENDS = b"\x1b[201~"
_TAKES_DIGIT = b"l"
_TAKES_KEY = "e"

CHOSEN, NOT_CHOSEN = "e+", "e-"
"""Commands that follow `e`: there is a new escape key; what was typed cannot be one."""


def key_name(key: bytes) -> str:
    """`^X`, or "none" for no key."""
    return f"^{chr(key[0] + 64)}" if key else "none"


@frozen
class Keys:
    """Data for the VM."""

    data: bytes


@frozen
class EscapeCommand:
    """An escape command: one character, or two for `l0`. Behind `e`
    comes what became of it, `CHOSEN` or `NOT_CHOSEN`.
    """

    name: str


@define
class Escapes:
    """Takes packets, gives keys and commands in order. `escape` is one byte. What is typed behind
    `^Ece` is the new one, if it can be.
    """

    escape: bytes = DEFAULT_ESCAPE
    _choosing: bool = field(default=False, init=False)
    _half: bytes = b""  # a half-typed escape, kept back
    _pasting: bool = False
    _pasted: int = 0  # bytes since the paste began
    _tail: bytes = b""  # the last bytes of data, which may be the start of a paste's mark

    @property
    def half_typed(self) -> bool:
        """Whether bytes are kept back: call `flush` in `PATIENCE` seconds."""
        return bool(self._half)

    @property
    def kept_back(self) -> int:
        """How many bytes."""
        return len(self._half)

    def flush(self) -> bytes:
        """What was kept back, as data."""
        half, self._half = self._half, b""
        return half

    def feed(self, packet: bytes, size: int = 0) -> list[Keys | EscapeCommand]:
        """What one packet means, or a piece of one of `size` bytes."""
        if self._choosing and packet:
            return self._chosen(packet, size)
        if max(size, len(packet)) > PACKET:
            return [*self._data(self.flush() + packet)]
        things: list[Keys | EscapeCommand] = []
        for at in range(len(packet)):
            things += self._key(packet[at : at + 1])
            if self._choosing:
                return self._join(things) + self.feed(packet[at + 1 :], size)
        return self._join(things)

    def _chosen(self, packet: bytes, size: int) -> list[Keys | EscapeCommand]:
        self._choosing = False
        # An arrow key is one key, and cannot be this one.
        key = packet if packet[:1] == b"\x1b" else packet[:1]
        if key < b" ":
            with contextlib.suppress(InvalidValue):
                self.escape = escape_key(f"^{chr(key[0] + 64)}")
        is_new = self.escape == key
        return [
            EscapeCommand(CHOSEN if is_new else NOT_CHOSEN),
            *self.feed(packet[len(key) :], size),
        ]

    def _key(self, key: bytes) -> list[Keys | EscapeCommand]:
        escape, letter = self.escape, _LETTER
        if not self._half and (key != escape or self._pasting):
            return self._data(key)
        typed, self._half = self._half + key, b""
        if typed in (escape, escape + letter, escape + letter + escape):
            self._half = typed
            return []
        if typed in (escape * 2, (escape + letter) * 2):
            return self._data(escape)
        # ESC is not a command: it begins an arrow key, or a bracketed paste.
        if not typed.startswith(escape + letter) or typed[2:3] in (escape, b"\x1b"):
            return self._data(typed)
        if typed[2:] == _TAKES_DIGIT:
            self._half = typed
            return []
        name = typed[2:].decode("latin-1")
        self._choosing = name == _TAKES_KEY
        return [EscapeCommand(name)]

    def _data(self, data: bytes) -> list[Keys | EscapeCommand]:
        """`data` for the VM; the marks of a bracketed paste are followed, wherever they are cut."""
        text = self._tail + data
        begins, ends = text.rfind(_PASTE_BEGINS), text.rfind(_PASTE_ENDS)
        if begins != ends:
            self._pasting = begins > ends
            self._pasted = 0
        self._tail = text[-(len(_PASTE_ENDS) - 1) :]
        if self._pasting:
            self._pasted += len(data)
            self._pasting = self._pasted <= PASTE
        return [Keys(data)]

    @staticmethod
    def _join(things: list[Keys | EscapeCommand]) -> list[Keys | EscapeCommand]:
        joined: list[Keys | EscapeCommand] = []
        for thing in things:
            if isinstance(thing, Keys) and joined and isinstance(joined[-1], Keys):
                joined[-1] = Keys(joined[-1].data + thing.data)
            else:
                joined.append(thing)
        return joined
