"""What [[console.profile]] says of the terminal that the programs of a VM are made for."""

import re

from attrs import field, frozen

from vspc.common.values import InvalidValue
from vspc.config.mistakes import shown
from vspc.config.values import Pattern

MAX_KEYS = 64
"""Bytes that `repaint` types."""

MAX_COLUMNS = 300
MAX_ROWS = 100
"""Columns and rows of a terminal that can be configured."""

_CARET = re.compile(r"\^([@A-Za-z\[\\\]_^?])")
_KEYS_ALLOWED = f"""expected keys such as "^L"; ^X is Control-X, ^^ a ^, {MAX_KEYS} bytes at most"""
_SIZE = re.compile(r"([1-9][0-9]{0,2})x([1-9][0-9]{0,2})", re.ASCII)
_SIZE_ALLOWED = f'columns and rows as in "80x24", at most {MAX_COLUMNS}x{MAX_ROWS}, are allowed'


@frozen
class Keys:
    """What is typed."""

    data: bytes


REPAINT = Keys(b"\x0c")
"""Control-L, with which nearly all programs that use the whole screen paint it again."""


@frozen
class TerminalSize:
    """Of a terminal."""

    columns: int
    rows: int


@frozen
class ProfileSettings:
    """[[console.profile]]: the first one whose consoles match counts."""

    consoles: tuple[Pattern, ...] = (Pattern("*"),)
    repaint: Keys = REPAINT
    size: TerminalSize | None = field(default=None)


DEFAULT_PROFILE = ProfileSettings()


def _control(found: re.Match[str]) -> str:
    letter = found[1].upper()
    return letter if letter == "^" else chr(ord(letter) ^ 64)


def keys(value: object) -> Keys:
    """Keys as one writes them: `^L`. Raises `InvalidValue`."""
    if not isinstance(value, str) or "^" in _CARET.sub("", value):
        raise InvalidValue(f"{shown(value)} is not a sequence of keys", _KEYS_ALLOWED)
    data = _CARET.sub(_control, value).encode("utf-8", "replace")
    if not 0 < len(data) <= MAX_KEYS:
        raise InvalidValue(f"{len(data)} bytes to type", _KEYS_ALLOWED)
    return Keys(data)


def size(value: object) -> TerminalSize:
    """`80x24`. Raises `InvalidValue`."""
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if found is None or int(found[1]) > MAX_COLUMNS or int(found[2]) > MAX_ROWS:
        raise InvalidValue(f"{shown(value)} is not the size of a terminal", _SIZE_ALLOWED)
    return TerminalSize(int(found[1]), int(found[2]))
