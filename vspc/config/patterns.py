"""Which consoles a rule is about, as people write it: in the configuration, or one in each line of
a file.

A pattern that can match nothing is a mistake, not a rule that says nothing: it may be all that
keeps somebody out.
"""

import re
from pathlib import Path

from vspc.common.globs import is_glob
from vspc.common.textfile import lines, located, read_text
from vspc.common.values import InvalidLines, InvalidValue
from vspc.config.errors import shown
from vspc.config.units import Consoles, Pattern

CONSOLES_LIMIT = 4 * 1024 * 1024
"""Bytes of a consoles_file."""

WILD_LIMIT = 10_000
"""Patterns with wildcards in a consoles_file: they are tried one after the other."""

WRONG_LINES = 20
"""Wrong lines of a consoles_file that are named."""

_UUID = re.compile(r"[0-9a-f]{32}|(?=.*[*?\[])[0-9a-f*?\[\]!-]+", re.ASCII)

_QUOTES = "\"'`\u2018\u2019\u201c\u201d"

_ANY = 'a "?" stands for any character'


def pattern(value: object) -> Pattern:
    """Which consoles a rule is about; `InvalidValue` for what can match none."""
    if not isinstance(value, str) or not value:
        allowed = 'consoles are written "web*", "uuid:4213...", "default/web*" or "*"'
        raise InvalidValue(f"{shown(value)} names no console", allowed)
    if value != value.strip():
        raise InvalidValue(f"{shown(value)} begins or ends with a blank", "write it without")
    if not value.isprintable():
        raise InvalidValue(f"{shown(value)} holds a character that is not printable", _ANY)
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
    """What people write around and between patterns is taken for a part of a name."""
    if value[0] in _QUOTES or value[-1] in _QUOTES:
        raise InvalidValue(f"{shown(value)} has quotes in it", f"write it without; {_ANY}")
    if "," in value:
        allowed = f"each pattern stands for itself, without a comma; {_ANY}"
        raise InvalidValue(f"{shown(value)} has a comma in it", allowed)
    if re.search(r"\s#", value):
        raise InvalidValue(
            f"{shown(value)} has a comment behind it", f"a pattern stands alone; {_ANY}"
        )


def consoles_file(path: Path) -> Consoles:
    """The patterns in `path`, one a line; comments and empty lines are skipped. Raises
    `InvalidValue`, or `InvalidLines`. An empty file is refused: a writer may just have begun, or
    the disk be full.
    """
    text = read_text(path, CONSOLES_LIMIT)
    if not text.strip():
        allowed = "a line with # is enough if there are no consoles"
        raise located(path, InvalidValue("it is empty", allowed))
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
        allowed = f"{WILD_LIMIT} are allowed beside any number of plain names"
        raise located(path, InvalidValue(f"it has {wild} patterns with wildcards", allowed))
    return Consoles(path, tuple(found.values()), tuple(found))


def _line(line: str) -> Pattern:
    found = pattern(line)
    if " " in found and not found.startswith("uuid:"):
        allowed = f'each stands in a line of its own; {_ANY}, or write consoles = ["my vm"]'
        raise InvalidValue(f"{shown(line)} has a blank in it", allowed)
    return found
