"""Values that name a file, which is looked at when the configuration is read; else `Wrong`.

What such a file holds is taken then, so that a reload, not a login, finds out what is wrong in it.
"""

import os
import stat
from pathlib import Path

from vspc.config.mistakes import Wrong, WrongLines, shown
from vspc.config.units import Consoles, Pattern, Program, Readable, pattern, place
from vspc.text import safe

CONSOLES_LIMIT = 4 * 1024 * 1024
"""Bytes of a consoles_file."""

WILD_LIMIT = 10_000
"""Patterns with wildcards in a consoles_file: they are tried one after the other."""

WRONG_LINES = 20
"""Wrong lines of a consoles_file that are named."""

_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def readable(value: object, base: Path) -> Readable:
    """A file that can be read now."""
    path = place(value, base)
    content(path, 1)
    return Readable(path)


def content(path: Path, limit: int) -> bytes:
    """At most `limit` bytes of `path`."""
    try:
        with path.open("rb") as file:
            return file.read(limit)
    except OSError as error:
        problem = f"{safe(str(path))}: {error.strerror}"
        raise Wrong(problem, "a file that can be read is wanted") from None


def consoles_file(path: Path) -> Consoles:
    """The patterns in `path`, one a line; comments and empty lines are skipped. Or `WrongLines`."""
    data = content(path, CONSOLES_LIMIT + 1)
    if len(data) > CONSOLES_LIMIT:
        raise Wrong(f"{safe(str(path))}: it is too long", f"{CONSOLES_LIMIT} bytes are allowed")
    patterns, wrongs = _patterns(path, data)
    if wrongs:
        raise WrongLines(wrongs[:WRONG_LINES])
    wild = sum(any(letter in one for letter in "*?[") for one in patterns)
    if wild > WILD_LIMIT:
        allowed = f"{WILD_LIMIT} are allowed beside any number of plain names"
        raise Wrong(f"{safe(str(path))}: it has {wild} patterns with wildcards", allowed)
    return Consoles(path, tuple(patterns))


def _patterns(path: Path, data: bytes) -> tuple[list[Pattern], list[Wrong]]:
    patterns, wrongs = [], []
    for number, line in enumerate(data.decode("utf-8", "replace").split("\n"), 1):
        word = line.strip()
        if not word or word.startswith("#"):
            continue
        try:
            patterns.append(pattern(word))
        except Wrong as wrong:
            where = f"{safe(str(path))} line {number}"
            wrongs.append(Wrong(f"{where}: {wrong.problem}", wrong.allowed))
    return patterns, wrongs


def program(value: object) -> Program:
    """A program to run: the absolute path of a file, then its arguments.

    As sshd wants it: what answers who may come in is nobody's to change but root's and ours, and
    neither is a directory above it. Where others may make files but not replace them (/tmp), it
    may be.
    """
    allowed = 'a list is wanted, such as ["/usr/libexec/vspc-pam", "vspc"]'
    if not isinstance(value, list) or not value:
        raise Wrong("it is no list of words", allowed)
    if not all(isinstance(word, str) and "\0" not in word for word in value):
        raise Wrong("one of its words is no text", allowed)
    path = Path(value[0])
    if not path.is_absolute():
        raise Wrong(f"{shown(value[0])} is no absolute path", allowed)
    try:
        _examine(path)
    except OSError as error:
        raise Wrong(f"{safe(str(path))}: {error.strerror}", "a program is wanted") from None
    return Program(tuple(value))


def _examine(path: Path) -> None:
    if not path.is_file() and path.exists():
        raise Wrong(f"{safe(str(path))}: it is no file", "a program is wanted")
    real = path.resolve(strict=True)
    for place_of in dict.fromkeys((real, *path.parents, *real.parents)):
        found = place_of.stat()
        shared = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX
        if found.st_uid not in (0, os.geteuid()) or (found.st_mode & _OTHERS and not shared):
            allowed = "only root or the server's user may own or change it"
            raise Wrong(f"{safe(str(path))}: others may change {safe(str(place_of))}", allowed)
    if not os.access(real, os.X_OK):
        raise Wrong(f"{safe(str(path))}: it cannot be executed", "a program is wanted")
