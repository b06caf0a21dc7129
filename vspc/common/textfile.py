"""The one reader of text files that an administrator brings.

A file is read within a limit, a byte-order mark in front of it is dropped, and what is not UTF-8
is refused with the line where that begins: a deny list in UTF-16 must not be a list of nothing.
"""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import field, frozen

from vspc.common.text import safe
from vspc.common.values import InvalidValue

BOM = b"\xef\xbb\xbf"
"""UTF-8's, which some editors write."""

_SAVE_AS = "save it as UTF-8"

_WIDE = (
    (b"\xff\xfe\0\0", "UTF-32"),
    (b"\0\0\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
"""Byte-order marks of other encodings, the longer ones first."""

_LOOKED_AT = 4096
"""Bytes that are searched for UTF-16 without a mark."""

_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
"""Not allowed in a line: some programs take them for its end, others do not."""

_LINE = re.compile(r"line [0-9]+: ")


@frozen
class Content:
    """The bytes of a file, and its mode."""

    data: bytes = field(repr=False)
    mode: int


def read(path: Path, limit: int, pipe: bool = False) -> Content:
    """All of `path`, at most `limit` bytes. Raises `InvalidValue`, without the path in it. With
    `pipe` it may also be a pipe, whose writer is waited for.
    """
    waiting = 0 if pipe else os.O_NONBLOCK  # a pipe may never get a writer
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | waiting)) as file:
            mode = os.fstat(file.fileno()).st_mode
            if not (pipe or stat.S_ISREG(mode)):
                raise InvalidValue("not a regular file", "expected a file")
            data = file.read(limit + 1)
    except OSError as error:
        problem = error.strerror or "cannot be read"
        raise InvalidValue(problem, "expected a readable file") from None
    if len(data) > limit:
        raise InvalidValue("the file is too long", f"at most {limit} bytes are allowed")
    return Content(data, stat.S_IMODE(mode))


def text_of(data: bytes) -> str:
    """`data` as text, with "\\n" for each kind of line end. Raises `InvalidValue`, which repeats
    nothing of it.
    """
    wide = next((name for mark, name in _WIDE if data.startswith(mark)), "") or _unmarked(data)
    if wide:
        raise InvalidValue(f"encoded as {wide}, not UTF-8", _SAVE_AS)
    data = data.removeprefix(BOM)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = len(_ends(data[: error.start].decode("utf-8")).split("\n"))
        raise InvalidValue(f"line {line}: invalid UTF-8", _SAVE_AS) from None
    if "\0" in text:
        line = len(_ends(text[: text.index("\0")]).split("\n"))
        raise InvalidValue(f"line {line}: NUL byte", _SAVE_AS)
    return _ends(text)


def _unmarked(data: bytes) -> str:
    """UTF-16 as it looks where most of it is ASCII: every other byte is 0."""
    part = data[:_LOOKED_AT]
    even, odd = part[::2], part[1::2]
    if len(part) < 2 or not (even.count(0) or odd.count(0)):
        return ""
    one, other = sorted((even.count(0) / len(even), odd.count(0) / len(odd)))
    return "UTF-16" if one < 0.1 and other > 0.6 else ""


def _ends(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines of `text` with their numbers and without white space around them, but for empty
    lines and comments, which begin with "#".
    """
    for number, line in enumerate(text.split("\n"), 1):
        bare = line.strip()
        if bare and not bare.startswith("#"):
            yield number, bare


def examine(line: str) -> None:
    """Raises `InvalidValue` for a control character but TAB in `line`."""
    found = _CONTROL.search(line)
    if found:
        what = f"control character U+{ord(found[0]):04X}"
        raise InvalidValue(what, "expected one entry per line")


def read_text(path: Path, limit: int) -> str:
    """The text of `path`. Raises `InvalidValue`, which names it."""
    with naming(path):
        return text_of(read(path, limit).data)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """`InvalidValue` raised in this block becomes one about `path`: "PATH: not a regular file"."""
    try:
        yield
    except InvalidValue as wrong:
        raise located(path, wrong) from None


def located(path: Path, wrong: InvalidValue) -> InvalidValue:
    """`wrong` in the file at `path`; "line 3: empty" becomes "PATH line 3: empty"."""
    joint = " " if _LINE.match(wrong.problem) else ": "
    return InvalidValue(f"{safe(str(path))}{joint}{wrong.problem}", wrong.allowed)
