"""What access rules name: consoles, by patterns in the configuration or in a file of one a line;
and operators and groups, which the tables have or certificates can make.

A pattern that can match nothing is a mistake: it may be all that denies access.
"""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from attrs import frozen

from vspc.common.globs import is_glob
from vspc.common.textfile import lines, located, read_text
from vspc.common.values import InvalidLines, InvalidValue
from vspc.config.checks import is_name
from vspc.config.mistakes import dicts, shown, table, words
from vspc.config.values import Consoles, Pattern

CONSOLES_LIMIT = 4 * 1024 * 1024
"""Bytes of a consoles_file."""

WILD_LIMIT = 10_000
"""Patterns with wildcards in a consoles_file: they are compared one after the other."""

WRONG_LINES = 20
"""Wrong lines of a consoles_file that are named."""

_PLACE = re.compile(r"\{(principal|key_id)\}")

_UUID = re.compile(r"[0-9a-f]{32}|(?=.*[*?\[])[0-9a-f*?\[\]!-]+", re.ASCII)

_QUOTES = "\"'`\u2018\u2019\u201c\u201d"

_ANY = 'a "?" stands for any character'


def pattern(value: object) -> Pattern:
    """A pattern of consoles; `InvalidValue` for one that can match none."""
    if not isinstance(value, str) or not value:
        allowed = 'consoles are written "web*", "uuid:4213...", "default/web*" or "*"'
        raise InvalidValue(f"{shown(value)} is not a console pattern", allowed)
    if value != value.strip():
        raise InvalidValue(f"{shown(value)} begins or ends with a space", "remove it")
    if not value.isprintable():
        raise InvalidValue(f"{shown(value)} contains an unprintable character", _ANY)
    if value.startswith("uuid:"):
        _examine_uuid(value)
    else:
        _examine_name(value)
    return Pattern(value)


def _examine_uuid(value: str) -> None:
    digits = value[5:].replace("-", "").replace(" ", "").lower()
    if not _UUID.fullmatch(digits):
        raise InvalidValue(
            f"{shown(value)} is not a UUID",
            'a UUID has 32 hexadecimal digits; "uuid:4213*" is every one that begins so',
        )


def _examine_name(value: str) -> None:
    """Quotes, commas and comments would be taken for a part of a name."""
    if value[0] in _QUOTES or value[-1] in _QUOTES:
        raise InvalidValue(f"{shown(value)} contains quotes", f"remove them; {_ANY}")
    if "," in value:
        allowed = f"write each pattern as an entry of its own; {_ANY}"
        raise InvalidValue(f"{shown(value)} contains a comma", allowed)
    if re.search(r"\s#", value):
        raise InvalidValue(
            f"{shown(value)} contains a comment", f"write it on a line of its own; {_ANY}"
        )


def consoles_file(path: Path) -> Consoles:
    """The patterns in `path`, one a line; comments and empty lines are skipped. Raises
    `InvalidValue`, or `InvalidLines`. An empty file is refused: a writer may just have begun, or
    the disk be full.
    """
    text = read_text(path, CONSOLES_LIMIT)
    if not text.strip():
        allowed = "a comment is enough if no console is meant"
        raise located(path, InvalidValue("the file is empty", allowed))
    found, wrongs = dict[int, Pattern](), list[InvalidValue]()
    for number, line in lines(text):
        try:
            found[number] = _line(line)
        except InvalidValue as wrong:
            wrongs.append(
                located(path, InvalidValue(f"line {number}: {wrong.problem}", wrong.allowed))
            )
    if wrongs:
        raise InvalidLines(wrongs[:WRONG_LINES])
    wild = sum(map(is_glob, found.values()))
    if wild > WILD_LIMIT:
        allowed = f"at most {WILD_LIMIT} are allowed, and any number of plain names"
        raise located(path, InvalidValue(f"{wild} patterns with wildcards", allowed))
    return Consoles(path, tuple(found.values()), tuple(found))


def _line(line: str) -> Pattern:
    found = pattern(line)
    if " " in found and not found.startswith("uuid:"):
        allowed = f'write one pattern per line; {_ANY}, or write consoles = ["my vm"]'
        raise InvalidValue(f"{shown(line)} contains a space", allowed)
    return found


@frozen
class ConfiguredPeople:
    """Operators, and groups with an @ in front; `globs` match names that certificates can make."""

    names: frozenset[str]
    globs: tuple[str, ...] = ()

    def has(self, who: str) -> bool:
        """Whether `who`, a name or "@group", is in the tables or may come from a certificate."""
        if who in self.names:
            return True
        return is_name(who) and any(fnmatchcase(who, glob) for glob in self.globs)


def people(tables: dict[str, Any]) -> ConfiguredPeople:
    """The operators and groups of a file. They are taken from its tables as they stand, so that a
    mistake in one of these causes no others.
    """
    operators = table(tables, "operators")
    maps = dicts(table(table(tables, "ssh"), "certificates"), "map")
    owners = [owner for owner in operators.values() if isinstance(owner, dict)]
    groups = (f"@{group}" for owner in [*owners, *maps] for group in words(owner, "groups"))
    made = list(_made(maps))
    fixed = frozenset(name for name in made if not is_glob(name))
    return ConfiguredPeople(frozenset(operators) | frozenset(groups) | fixed, tuple(made))


def _made(maps: list[dict[str, Any]]) -> Iterator[str]:
    """Globs of the names that certificates can make: more perhaps, never fewer."""
    for each in maps:
        name = each.get("operator", "{principal}")
        if not isinstance(name, str):
            continue
        for glob in words(each, "principals"):
            yield filled(name, glob)


def filled(name: str, glob: str) -> str:
    """A glob of the names that `name`, a template, makes of principals that `glob` matches."""
    return _PLACE.sub(lambda found: glob if found[1] == "principal" else "*", name)
