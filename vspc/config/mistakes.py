"""What is wrong in a configuration, where, and what is allowed."""

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from attrs import frozen

from vspc.common.text import safe

T = TypeVar("T")

_PLAIN = re.compile(r"[!-~]+", re.ASCII)

_NEARLY = 0.75  # password is near password_hash, auth_command is not near authorized_keys_command

SHOWN = 40
"""Characters of a wrong value that a message repeats."""

Finding = tuple[str, str, str]
"""A key path, the problem, what is allowed."""


@frozen
class ConfigMistake:
    """One mistake. `key` is a key path such as `operators.alice.authorized_keys[1]`, `line` its
    line in the file, from 1; 0 where that is not known.
    """

    path: Path
    key: str
    problem: str
    allowed: str
    line: int = 0

    def __str__(self) -> str:
        path = safe(str(self.path))
        if self.line:
            path = f"{path} line {self.line}"
        where = f"{path}: {self.key}: " if self.key else f"{path}: "
        return where + self.problem + (f"; {self.allowed}" if self.allowed else "")


class Tainted:
    """Keys with mistakes, and keys above and below them: nothing may be concluded from these."""

    def __init__(self, wrong: Iterable[str] = ()) -> None:
        self._wrong = frozenset(wrong)
        self._above = frozenset(up for key in self._wrong for up in _above(key))
        self._by_table = dict[str, list[str]]()
        for key in self._wrong:
            table, _, name = key.rpartition(".")
            self._by_table.setdefault(table, []).append(name)

    def about(self, key: str) -> bool:
        """Whether `key` is one of them, or may be meant by a wrong key of a similar name."""
        if key in self._wrong or key in self._above:
            return True
        table, _, name = key.rpartition(".")
        if get_close_matches(name, self._by_table.get(table, ()), 1, _NEARLY):
            return True
        return any(up in self._wrong for up in _above(key))

    def numbered(self, key: str, items: Sequence[T]) -> Iterator[tuple[int, T]]:
        """`items`, the valid ones of the list at `key`, with their places in it."""
        place = 0
        for item in items:
            while f"{key}[{place}]" in self._wrong:
                place += 1
            yield place, item
            place += 1


def _above(key: str) -> Iterator[str]:
    return (key[:at] for at, letter in enumerate(key) if letter in ".[")


def shown(value: object) -> str:
    """A value as a message repeats it: one line, cut. Not for what may be secret."""
    if isinstance(value, dict):
        return "a table"
    text = ascii(value).replace("True", "true").replace("False", "false")
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def join(key: str, inner: Any) -> str:
    """The key path of `inner`, a key or a place in a list, below `key`."""
    if isinstance(inner, int):
        return f"{key}[{inner}]"
    word = inner if _PLAIN.fullmatch(inner) else shown(inner)
    return f"{key}.{word}" if key else word


def table(tables: dict[str, Any], key: str) -> dict[str, Any]:
    """The table at `key`, an empty one if there is none."""
    value = tables.get(key)
    return value if isinstance(value, dict) else {}


def values(tables: dict[str, Any], key: str) -> list[Any]:
    """The list at `key`, an empty one if there is none."""
    value = tables.get(key)
    return value if isinstance(value, list) else []


def dicts(tables: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """The tables in the list at `key`."""
    return [value for value in values(tables, key) if isinstance(value, dict)]


def words(tables: dict[str, Any], key: str) -> list[str]:
    """The texts in the list at `key`."""
    return [value for value in values(tables, key) if isinstance(value, str)]
