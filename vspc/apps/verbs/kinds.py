"""Kinds of values on a command line: each has one name, one reader and one message."""

from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

from attrs import frozen

from vspc.common.clock import parse_rfc3339
from vspc.common.text import safe
from vspc.common.values import parse_duration, parse_size

T = TypeVar("T")

LONGEST_WAIT = 7 * 86400.0
"""Seconds that a verb may wait."""

DIGITS = 18
"""Digits of a number."""

_TIME_ALLOWED = 'a time is written "10m" or "2h" (ago), "2026-11-21" or "2026-11-21T08:30:00Z"'


class UsageError(ValueError):
    """An invalid command line; the text says what is wrong and what is allowed."""


@frozen
class ValueKind(Generic[T]):
    """What a value may be.

    `name` stands for it in usage lines. `read` makes a value of the option or argument (for
    messages), the text, and the time, in seconds since 1970. It raises `UsageError`. `verbatim`:
    the text is used as written, no backslash is removed. `choices`: all possible values. `console`:
    it names a console, and a login may have named one already.
    """

    name: str
    read: Callable[[str, str, float], T]
    verbatim: bool = False
    choices: tuple[str, ...] = ()
    console: bool = False


def _same(_label: str, value: str, _now: float) -> str:
    return value


def _words(_label: str, value: str, _now: float) -> tuple[str, ...]:
    return (value,)


def _typed(label: str, value: str, _now: float) -> bytes:
    """The bytes that the text came as."""
    try:
        return value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise UsageError(f"{label} has half of a surrogate pair in it") from None


def _number(label: str, value: str, _now: float, what: str = "a number") -> int:
    if not is_number(value):
        raise UsageError(f"{label} takes {what}, not '{safe(value)}'")
    return int(value)


def is_number(value: str) -> bool:
    """Whether it consists of at most `DIGITS` digits."""
    return value.isascii() and value.isdigit() and len(value) <= DIGITS


def _size(label: str, value: str, _now: float) -> int:
    size = int(value) if is_number(value) else parse_size(value)
    if size is None:
        raise UsageError(f'{label} takes bytes, or "64KiB" or "1MiB", not \'{safe(value)}\'')
    return size


def _signed(label: str, value: str, now: float) -> int:
    number = _number(label, value.removeprefix("-"), now)
    return -number if value.startswith("-") else number


def _duration(label: str, value: str, _now: float) -> float:
    seconds = parse_duration(value)
    if not seconds:
        raise UsageError(f'{label} takes seconds, or "10m", "24h" or "7d", not \'{safe(value)}\'')
    return seconds


def _wait(label: str, value: str, now: float) -> float:
    seconds = _duration(label, value, now)
    if seconds > LONGEST_WAIT:
        raise UsageError(f"{label} is at most {LONGEST_WAIT / 86400:g}d, not {safe(value)}")
    return seconds


def _moment(label: str, value: str, now: float) -> float:
    """A time, or how long ago it was, in seconds since 1970."""
    ago = value.removesuffix("ago").rstrip()
    if ago.endswith(("s", "m", "h", "d")) and (seconds := parse_duration(ago)) is not None:
        return now - seconds
    try:
        return parse_rfc3339(value)
    except ValueError:
        raise UsageError(f"{label}: '{safe(value)}' is not a time; {_TIME_ALLOWED}") from None


def choice(*words: str) -> ValueKind[str]:
    """One of `words`."""

    def read(label: str, value: str, _now: float) -> str:
        if value not in words:
            raise UsageError(f"{label} is one of {', '.join(words)}, not '{safe(value)}'")
        return value

    return ValueKind("|".join(words), read, choices=words)


WORD = ValueKind("WORD", _same)
CONSOLE = ValueKind("NAME", _same, console=True)
CONSOLES = ValueKind("GLOB", _same, console=True)
GLOBS = ValueKind("GLOB", _words, console=True)
GLOB = ValueKind("GLOB", _same)
NAME = ValueKind("NAME", _same)
TEXT = ValueKind("TEXT", _same, verbatim=True)
TYPED = ValueKind("TEXT", _typed, verbatim=True)
NUMBER = ValueKind("N", _number)
SIZE = ValueKind("N", _size)
SIGNED = ValueKind("N", _signed)
OFFSET = ValueKind("OFFSET", partial(_number, what="an offset in bytes"))
DURATION = ValueKind("TIME", _duration)
WAIT = ValueKind("TIME", _wait)
MOMENT = ValueKind("TIME", _moment)
