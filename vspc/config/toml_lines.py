"""The line of each key of a TOML file, for messages.

`tomllib` keeps no positions. The text is TOML as far as `tomllib` accepted it (toml.io, v1.0.0);
this only finds the keys in it, fewer where it is something else. Never raises.
"""

import re
import tomllib
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from contextlib import suppress
from types import MappingProxyType

from attrs import field, frozen

from vspc.config.mistakes import join

_STRING = (
    r'"""(?:[^"\\]|\\.|"{1,2}+(?!"))*+"{3,5}'
    r"|'''(?:[^']|'{1,2}+(?!'))*+'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*+"'
    r"|'[^'\n]*+'"
)
_BLANK = re.compile(r"[ \t]*+")
_BETWEEN = re.compile(r"(?:[ \t\r\n]++|#[^\n]*+)*+")
_SCALAR = re.compile(rf"(?:{_STRING})|[^\"'#\[\]{{}},\n]*+", re.DOTALL)
_KEY = re.compile(r"[A-Za-z0-9_-]++|\"(?:[^\"\\\n]|\\.)*+\"|'[^'\n]*+'")

_WARNED = re.compile(r"[^ :]++(?=: )")

NOWHERE = 0
"""Instead of a line; lines count from 1."""


@frozen
class TomlLines:
    """Lines by key path (`vm.allow[1]`), where known."""

    _found: Mapping[str, int] = field(factory=lambda: MappingProxyType({}), repr=False)

    def of(self, key: str) -> int:
        """The line of `key`, or of its table or list; `NOWHERE` if none is in the file."""
        while key:
            if key in self._found:
                return self._found[key]
            key = key[: max(key.rfind("."), key.rfind("["), 0)]
        return NOWHERE

    def exactly(self, key: str) -> int:
        """The line of `key` itself, or `NOWHERE`."""
        return self._found.get(key, NOWHERE)

    def placed(self, warning: str) -> str:
        """`warning`, which begins with a key path, with its line: "ssh.listen (line 3): ..."."""
        key = _WARNED.match(warning)
        line = self.of(key[0]) if key else NOWHERE
        return f"{key[0]} (line {line}){warning[key.end() :]}" if key and line else warning


def lines_of(text: str) -> TomlLines:
    """Where the keys of `text` are."""
    scan = _Scan(text)
    # What is found until then is right.
    with suppress(_Lost, RecursionError, tomllib.TOMLDecodeError):
        scan.run()
    return TomlLines(MappingProxyType(scan.found))


class _Lost(Exception):
    """The text is not TOML here."""


class _Scan:
    """One pass over a text."""

    def __init__(self, text: str) -> None:
        self.found: dict[str, int] = {}
        self._text = text
        self._at = 0
        self._ends = [match.start() for match in re.finditer("\n", text)]
        self._counts: dict[str, int] = {}  # tables of each list of tables

    def run(self) -> None:
        """All of it."""
        table = ""
        while self._peek(_BETWEEN):
            if self._text.startswith("[", self._at):
                table = self._header()
            else:
                self._pair(table)

    def _peek(self, skipped: re.Pattern[str]) -> str:
        """The next character behind what `skipped` matches; empty at the end."""
        match = skipped.match(self._text, self._at)
        self._at = match.end() if match else self._at
        return self._text[self._at : self._at + 1]

    def _take(self, word: str) -> None:
        if not self._text.startswith(word, self._at):
            raise _Lost
        self._at += len(word)

    def _note(self, path: str, at: int) -> None:
        self.found.setdefault(path, bisect_right(self._ends, at - 1) + 1)

    def _header(self) -> str:
        """The path of the table that begins here."""
        start = self._at
        brackets = "[[" if self._text.startswith("[[", start) else "["
        self._take(brackets)
        self._peek(_BLANK)
        path = self._path("", self._keys(), start, is_list=brackets == "[[")
        self._take("]" * len(brackets))
        return path

    def _path(self, path: str, keys: Iterable[str], start: int, is_list: bool = False) -> str:
        """The path of `keys` below `path`, in the last table so far of lists of tables."""
        words = list(keys)
        for place, word in enumerate(words):
            path = join(path, word)
            self._note(path, start)
            if is_list and place == len(words) - 1:
                self._counts[path] = self._counts.get(path, 0) + 1
            if path in self._counts:
                path = join(path, self._counts[path] - 1)
                self._note(path, start)
        return path

    def _keys(self) -> list[str]:
        """A key, or several with dots between them."""
        found = [self._key()]
        while self._peek(_BLANK) == ".":
            self._take(".")
            self._peek(_BLANK)
            found.append(self._key())
        return found

    def _key(self) -> str:
        match = _KEY.match(self._text, self._at)
        if match is None:
            raise _Lost
        self._at = match.end()
        word = match[0]
        return str(tomllib.loads(f"key = {word}")["key"]) if word[0] in "\"'" else word

    def _pair(self, table: str) -> None:
        start = self._at
        path = self._path(table, self._keys(), start)
        self._take("=")
        self._value(path)

    def _value(self, path: str) -> None:
        first = self._peek(_BLANK)
        if first == "[":
            self._list(path)
        elif first == "{":
            self._inline(path)
        else:
            self._peek(_SCALAR)

    def _list(self, path: str) -> None:
        self._take("[")
        place = 0
        while (first := self._peek(_BETWEEN)) != "]":
            if not first:
                raise _Lost
            before = self._at
            self._note(join(path, place), before)
            self._value(join(path, place))
            place += 1
            if self._peek(_BETWEEN) == ",":
                self._take(",")
            elif self._at == before:
                raise _Lost
        self._take("]")

    def _inline(self, path: str) -> None:
        self._take("{")
        while self._peek(_BETWEEN) != "}":
            self._pair(path)
            if self._peek(_BETWEEN) == ",":
                self._take(",")
        self._take("}")
