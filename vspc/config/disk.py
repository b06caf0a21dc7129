"""Values that name a file or a program, which is looked at when the configuration is read; else
`InvalidValue`.
"""

import os
import stat
from pathlib import Path

from vspc.common.text import safe
from vspc.common.values import InvalidValue
from vspc.config.errors import shown
from vspc.config.units import ProgramPath, Readable, place

_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def readable(value: object, base: Path) -> Readable:
    """A file that can be read now."""
    path = place(value, base)
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        problem = f"{safe(str(path))}: {error.strerror}"
        raise InvalidValue(problem, "a file that can be read is wanted") from None
    return Readable(path)


def program(value: object) -> ProgramPath:
    """A program to run: the absolute path of a file, then its arguments.

    As sshd wants it: what answers who may come in is nobody's to change but root's and ours, and
    neither is a directory above it. Where others may make files but not replace them (/tmp), it
    may be.
    """
    allowed = 'a list is wanted, such as ["/usr/libexec/vspc-pam", "vspc"]'
    if not isinstance(value, list) or not value:
        raise InvalidValue("it is not a list of words", allowed)
    if not all(isinstance(word, str) and "\0" not in word for word in value):
        raise InvalidValue("one of its words is not text", allowed)
    path = Path(value[0])
    if not path.is_absolute():
        raise InvalidValue(f"{shown(value[0])} is not an absolute path", allowed)
    try:
        _examine(path)
    except OSError as error:
        raise InvalidValue(f"{safe(str(path))}: {error.strerror}", "a program is wanted") from None
    return ProgramPath(tuple(value))


def _examine(path: Path) -> None:
    if not path.is_file() and path.exists():
        raise InvalidValue(f"{safe(str(path))}: it is not a file", "a program is wanted")
    real = path.resolve(strict=True)
    for place_of in dict.fromkeys((real, *path.parents, *real.parents)):
        found = place_of.stat()
        shared = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX
        if found.st_uid not in (0, os.geteuid()) or (found.st_mode & _OTHERS and not shared):
            allowed = "only root or the server's user may own or change it"
            raise InvalidValue(
                f"{safe(str(path))}: others may change {safe(str(place_of))}", allowed
            )
    if not os.access(real, os.X_OK):
        raise InvalidValue(f"{safe(str(path))}: it cannot be executed", "a program is wanted")
