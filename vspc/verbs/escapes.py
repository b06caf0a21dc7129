"""Escape commands within what an operator types: `^Ec` and a character (conserver's family). Pure.

`^E^E` and `^Ec^Ec` are one literal `^E`. A half-typed escape is data after `PATIENCE`. What came in
one packet of over `PACKET` bytes or between the marks of a bracketed paste is data throughout.
"""

from attrs import define, frozen

PATIENCE = 1.0
"""Seconds that a half-typed escape is kept back: `^E` is end-of-line in every shell."""

PACKET = 64
"""Bytes in one packet beyond which nobody has typed it by hand."""

PASTE = 4 * 1024 * 1024
"""Bytes of a bracketed paste after which escapes count again, should its end mark never come: a
client that broke off in the middle of one must not lock its operator in."""

_ESCAPE = b"\x05"
_LETTER = b"c"
_PASTE_BEGINS = b"\x1b[200~"
_PASTE_ENDS = b"\x1b[201~"
_TAKES_DIGIT = b"l"


@frozen
class Keys:
    """Data for the VM."""

    data: bytes


@frozen
class Command:
    """An escape command: one character, or two for `l0`."""

    name: str


@define
class Escapes:
    """Takes packets, gives keys and commands in order."""

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

    def feed(self, packet: bytes) -> list[Keys | Command]:
        """What one packet means."""
        if len(packet) > PACKET:
            return [*self._data(self.flush() + packet)]
        return self._join([thing for i in range(len(packet)) for thing in self._key(packet, i)])

    def _key(self, packet: bytes, at: int) -> list[Keys | Command]:
        key = packet[at : at + 1]
        if not self._half and (key != _ESCAPE or self._pasting):
            return self._data(key)
        typed, self._half = self._half + key, b""
        if typed in (_ESCAPE, _ESCAPE + _LETTER, _ESCAPE + _LETTER + _ESCAPE):
            self._half = typed
            return []
        if typed in (_ESCAPE * 2, (_ESCAPE + _LETTER) * 2):
            return self._data(_ESCAPE)
        # ESC is no command: it begins an arrow key, or a bracketed paste.
        if not typed.startswith(_ESCAPE + _LETTER) or typed[2:3] in (_ESCAPE, b"\x1b"):
            return self._data(typed)
        if typed[2:] == _TAKES_DIGIT:
            self._half = typed
            return []
        return [Command(typed[2:].decode("latin-1"))]

    def _data(self, data: bytes) -> list[Keys | Command]:
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
    def _join(things: list[Keys | Command]) -> list[Keys | Command]:
        joined: list[Keys | Command] = []
        for thing in things:
            if isinstance(thing, Keys) and joined and isinstance(joined[-1], Keys):
                joined[-1] = Keys(joined[-1].data + thing.data)
            else:
                joined.append(thing)
        return joined
