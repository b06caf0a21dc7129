"""What is wrong in a configuration, where, and what is allowed.

`quiet` is for keys whose values may be secret: these are not repeated.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from attrs import frozen

from vspc.common.text import safe
from vspc.common.values import InvalidValue

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


# Values of the wrong type

_WANTED: dict[type, str] = {str: "text", int: "a whole number", bool: "true or false"}

_KINDS: dict[type, str] = {
    str: "text",
    int: "a number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "a table",
}


def kind_of(value: object) -> str:
    """The type of a value in the words of TOML."""
    return _KINDS.get(type(value), "a date or time")


def written(value: object, quiet: bool = False) -> str:
    """A single value as TOML writes it; "..." in place of what is long, or `quiet`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value) if len(str(value)) <= SHOWN else "..."
    text = value if isinstance(value, str) else "..."
    if quiet or len(text) > SHOWN or not text.isprintable() or '"' in text or "\\" in text:
        text = "..."
    return f'"{text}"'


def no_list(value: object, quiet: bool = False) -> InvalidValue:
    """`value` is not a list."""
    if isinstance(value, dict):
        return InvalidValue("it is a table, not a list", "a list is written [a, b]")
    return InvalidValue(f"it is {kind_of(value)}, not a list", f"write [{written(value, quiet)}]")


def no_tables(value: object) -> InvalidValue:
    """`value` is not a list of tables."""
    allowed = "write it with two brackets, [[...]], once for each"
    if isinstance(value, dict):
        return InvalidValue("it is one table, not a list of them", allowed)
    return InvalidValue(f"it is {kind_of(value)}, not a list of tables", allowed)


def no_table(value: object) -> InvalidValue:
    """`value` is not a table. `headed` inserts its key path."""
    return InvalidValue(f"it is {kind_of(value)}, not a table", f"write {_HEAD}, and keys below it")


_HEAD = "[NAME]"


def headed(allowed: str, key: str) -> str:
    """`allowed` of a table, with the header of the table at `key`."""
    head = f"[[{_NUMBER.sub('', key)}]]" if _NUMBER.search(key) else f"[{key}]"
    return allowed.replace(_HEAD, head)


_NUMBER = re.compile(r"\[[0-9]+\]$")


def examine_single(value: object, quiet: bool = False) -> None:
    """Raises `InvalidValue` for a list or a table instead of one value."""
    if isinstance(value, dict):
        raise InvalidValue("it is a table, not one value", "write key = value")
    if isinstance(value, list):
        one = value[0] if len(value) == 1 else "..."
        raise InvalidValue("it is a list, not one value", f"write {written(one, quiet)}")


def exactly(value: Any, kind: type) -> Any:
    """`value`, which must be of `kind`: text, a whole number, or true or false."""
    if type(value) is kind:
        return value
    examine_single(value)
    wanted = _WANTED[kind]
    raise InvalidValue(
        f"{shown(value)} is not {wanted}", _rewritten(value, kind) or f"expected {wanted}"
    )


def _rewritten(value: object, kind: type) -> str:
    """How `value` is probably to be written; empty if that is not clear."""
    if kind is str:
        return f'write "{written(value)}"'
    if kind is bool:
        truth = {"true": "true", "yes": "true", "on": "true", "1": "true"}
        truth |= {"false": "false", "no": "false", "off": "false", "0": "false"}
        meant = truth.get(str(value).strip().lower())
        return f"write {meant}, without quotes" if meant else ""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,15}", value.strip(), re.ASCII):
        return f"write {int(value)}, without quotes"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return f"write {int(value)}"
    return ""


def choice(value: Any, words: tuple[Any, ...]) -> Any:
    """`value`, which must be one of `words`."""
    if isinstance(value, str) and value in words:
        return value
    examine_single(value)
    if isinstance(value, bool) and "off" in words:
        near = ["off"] if not value else []
    else:
        near = get_close_matches(str(value).strip().lower(), words, 1)
    hint = f'did you mean "{near[0]}"? ' if near else ""
    raise InvalidValue(f"{shown(value)} is not allowed here", f"{hint}allowed: {', '.join(words)}")
