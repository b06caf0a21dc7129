"""The grammar of conserver.cf (conserver.cf(5), section PARSER): blocks of keywords and values.

Special characters are `{`, `}`, `;`, `#`, `\\` and `"`. White space ends a block type and a keyword
only; in names and values it is a character like others.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path

from attrs import define, field, frozen

from vspc.cli.importing.outcome import ImportFailed, SourceLine
from vspc.common.textfile import read_text
from vspc.common.values import InvalidValue

TOTAL_LIMIT = 4 * 1024 * 1024
"""Characters of a file and all that it includes."""

DEPTH_LIMIT = 10
"""Files within files, as in conserver."""

FILES_LIMIT = 200
"""Included files."""


@frozen
class ConserverItem:
    """`keyword value;`"""

    keyword: str
    value: str
    line: SourceLine


@frozen
class ConserverBlock:
    """`type name { ... }`; `type` in lower case."""

    type: str
    name: str
    line: SourceLine
    items: tuple[ConserverItem, ...]


_PART = re.compile(
    r"(?P<token>[{};])"
    r"|(?P<space>\s+|\#[^\n]*)"
    r'|"(?P<quoted>(?:\\"|[^"])*+)"'
    r"|\\(?P<escaped>.)"
    r'|(?P<plain>[^{};#\\"\s]+)',
    re.DOTALL,
)


def blocks(path: Path) -> list[ConserverBlock]:
    """The blocks of the file at `path` and of files that it includes. Raises ImportFailed."""
    text = IncludedText()
    text.read(path, str(path), depth=0)
    return list(_Parser(text).blocks())


@define
class IncludedText:
    """A file with its `#include` lines replaced by what they name; knows where each line is from.

    A relative name is relative to the file that has it.
    """

    _lines: list[str] = field(factory=list, init=False)
    _origins: list[SourceLine] = field(factory=list, init=False)
    _starts: list[int] = field(factory=list, init=False)
    _size: int = field(default=0, init=False)
    _files: int = field(default=0, init=False)

    def read(self, path: Path, shown: str, depth: int) -> None:
        """Append a file, called `shown`."""
        try:
            text = read_text(path, TOTAL_LIMIT)
        except InvalidValue as wrong:
            raise ImportFailed(f"{wrong.problem}; {wrong.allowed}") from None
        for number, line in enumerate(text.split("\n"), 1):
            here = SourceLine(shown, number)
            name = line.removeprefix("#include")
            if name == line or not (name[:1].isspace() and name.strip()):
                self._append(line, here)
            elif depth == DEPTH_LIMIT or self._files == FILES_LIMIT:
                limits = f"at most {FILES_LIMIT} files, {DEPTH_LIMIT} within each other"
                raise ImportFailed(f"{here}: too many included files; {limits} are read")
            else:
                self._files += 1
                self._include(path.parent / name.strip(), name.strip(), here, depth)

    def _include(self, path: Path, name: str, here: SourceLine, depth: int) -> None:
        try:
            self.read(path, name, depth + 1)
        except ImportFailed as failed:
            raise ImportFailed(f"{here}: included file: {failed}") from None

    def _append(self, line: str, origin: SourceLine) -> None:
        self._lines.append(line)
        self._origins.append(origin)
        self._starts.append(self._size)
        self._size += len(line) + 1
        if self._size > TOTAL_LIMIT + 1:
            raise ImportFailed(f"{origin}: more than {TOTAL_LIMIT} characters in all files")

    def joined(self) -> str:
        """All of it."""
        return "\n".join(self._lines)

    def line_at(self, offset: int) -> SourceLine:
        """Where the character at `offset` of the joined text comes from."""
        return self._origins[bisect_right(self._starts, offset) - 1]


class _Parser:
    """Blocks of a text."""

    def __init__(self, text: IncludedText) -> None:
        self._text = text
        self._joined = text.joined()
        self._at = 0

    def blocks(self) -> Iterator[ConserverBlock]:
        while (start := self._skip()) is not None:
            kind, early = self._word(spaces=False)
            name, end = ("", early) if early else self._word(spaces=True)
            if early or end != "{":
                raise self._wrong(start, "expected 'TYPE NAME {'")
            items = tuple(self._items(start))
            yield ConserverBlock(kind.lower(), name, self._text.line_at(start), items)

    def _items(self, block: int) -> Iterator[ConserverItem]:
        while (start := self._skip()) is not None:
            if self._joined[self._at] == "}":
                self._at += 1
                return
            if self._joined[self._at] == ";":  # an empty statement
                self._at += 1
                continue
            keyword, end = self._word(spaces=False)
            value, end = ("", end) if end else self._word(spaces=True)
            if end != ";":
                raise self._wrong(start, "expected 'KEYWORD VALUE;'")
            yield ConserverItem(keyword.lower(), value, self._text.line_at(start))
        raise self._wrong(block, "the block has no closing brace")

    def _skip(self) -> int | None:
        """Where the next word or token begins; None at the end."""
        while self._at < len(self._joined):
            part = self._part()
            if part["space"] is None:
                return self._at
            self._at = part.end()
        return None

    def _word(self, spaces: bool) -> tuple[str, str]:
        """A word, and the token that ends it, which is consumed; empty if white space ends it."""
        found, begun, gap = list[str](), False, ""
        while self._at < len(self._joined):
            part = self._part()
            self._at = part.end()
            if part["token"]:
                return "".join(found), part["token"]
            if part["space"]:
                if begun and not spaces:
                    return "".join(found), ""
                gap = " " if begun else ""
                continue
            found += [gap, _literal(part)]
            begun, gap = True, ""
        raise self._wrong(len(self._joined) - 1, "the file ends within a block")

    def _part(self) -> re.Match[str]:
        part = _PART.match(self._joined, self._at)
        if part is None:
            what = "a quote" if self._joined[self._at] == '"' else "a backslash"
            raise self._wrong(self._at, f"{what} without an end")
        return part

    def _wrong(self, offset: int, why: str) -> ImportFailed:
        return ImportFailed(f"{self._text.line_at(max(offset, 0))}: {why}")


def _literal(part: re.Match[str]) -> str:
    """What a quoted or plain part stands for."""
    if part["quoted"] is not None:
        return part["quoted"].replace('\\"', '"')
    return part["escaped"] if part["escaped"] is not None else part["plain"]
