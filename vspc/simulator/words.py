r"""The words of a command: numbers, addresses, bytes as text with `\xNN` in it, KEY=VALUE."""

import re
from ipaddress import ip_address

LONGEST = 86_400.0
"""Seconds, for every time that is asked for."""

_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_LETTERS = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"e": b"\x1b", b"s": b" ", b"\\": b"\\"}


class CommandError(Exception):
    """A command that cannot be done; the text says why."""


def unescape(text: str) -> bytes:
    r"""Bytes of a text with `\r`, `\n`, `\t`, `\e`, `\s` (a space), `\\` and `\xNN` in it."""
    return _ESCAPE.sub(
        lambda found: bytes.fromhex(found[1].decode()) if found[1] else _letter(found[2]),
        text.encode(),
    )


def _letter(letter: bytes) -> bytes:
    return _LETTERS.get(letter, b"\\" + letter)


def from_hex(text: str) -> bytes:
    """Bytes of hex digits."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise CommandError(f"{text!r} is not hex") from None


def address(text: str) -> str:
    """An IP address, in its shortest spelling."""
    try:
        return str(ip_address(text))
    except ValueError:
        raise CommandError(f"{text!r} is not an address") from None


def seconds(text: str) -> float:
    """A time from 0 to `LONGEST`."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= LONGEST:
        raise CommandError(f"{text!r} is not a time from 0 to {LONGEST:.0f} seconds")
    return value


def options(words: list[str], *keys: str) -> dict[str, str]:
    """KEY=VALUE words, of the `keys` that there are; a key alone has the value "" ."""
    found = {}
    for word in words:
        key, _, value = word.partition("=")
        if key not in keys or key in found:
            raise CommandError(f"{word!r} is none of {' '.join(keys)}, or is there twice")
        found[key] = value
    return found
