"""The words after a verb: options, what they may be, and the rest."""

import re
from collections.abc import Collection, Mapping
from types import MappingProxyType

from attrs import frozen

from vspc.text import safe

LONGEST = 7 * 86400.0
"""Seconds that one may wait, or look ahead."""

_UNITS: Mapping[str, float] = MappingProxyType({"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400})


class BadWord(ValueError):
    """A word that is no option, or a value that it cannot have; the text says what is allowed."""


@frozen
class Read:
    """`flags` and `values` are options, with their dashes; `rest` is what is none, `literal` of
    these words behind a `--`.
    """

    flags: frozenset[str]
    values: Mapping[str, str]
    rest: tuple[str, ...]
    literal: int = 0


def read(words: tuple[str, ...], flags: Collection[str], values: Collection[str]) -> Read:
    """Options anywhere among `words`, until a `--`. Raises `BadWord`."""
    found, given, rest = set[str](), dict[str, str](), list[str]()
    left = list(words)
    while left:
        word = left.pop(0)
        if word == "--":
            rest += left
            return Read(frozenset(found), given, tuple(rest), len(left))
        if not word.startswith("-") or word == "-":
            rest.append(word)
        else:
            take(word, left, flags, values, found, given)
    return Read(frozenset(found), given, tuple(rest))


def take(
    word: str,
    left: list[str],
    flags: Collection[str],
    values: Collection[str],
    found: set[str],
    given: dict[str, str],
) -> None:
    """The option `word`, its value perhaps the first of `left`. Raises `BadWord`."""
    name, equals, value = word.partition("=")
    if name in flags:
        if equals:
            raise BadWord(f"{name} takes no value")
        found.add(name)
    elif name in values:
        if not equals:
            if not left:
                raise BadWord(f"{name} takes a value")
            value = left.pop(0)
        given[name] = value
    else:
        raise BadWord(f"{safe(name)!r} is no option here; words that are none come after --")


def length(option: str, value: str) -> float:
    """A length of time in seconds, over 0. Raises `BadWord`."""
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)([smhd]?)", value, re.ASCII)
    seconds = float(match[1]) * _UNITS[match[2]] if match else 0.0
    if not seconds > 0:
        raise BadWord(f'{option} takes seconds, or "10m", "24h" or "7d", not {safe(value)!r}')
    return seconds


def wait(option: str, value: str) -> float:
    """How long one waits, at most `LONGEST`. Raises `BadWord`."""
    seconds = length(option, value)
    if seconds > LONGEST:
        raise BadWord(f"{option} is at most {LONGEST / 86400:g}d, not {safe(value)}")
    return seconds


def text_bytes(words: tuple[str, ...]) -> bytes:
    """Words joined by one space, as the bytes that they came as. Raises `BadWord`."""
    try:
        return " ".join(words).encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise BadWord("TEXT is no UTF-8, and no bytes either") from None
