"""In which line of a TOML file the tables of a list begin: what is said of one can name it.

The text is TOML as far as `tomllib` took it (toml.io, v1.0.0); this only finds places in it.
"""

import re
import tomllib
from collections.abc import Iterator

_STRING = (
    r'"""(?:[^"\\]|\\.|"{1,2}+(?!"))*+"{3,5}'
    r"|'''(?:[^']|'{1,2}+(?!'))*+'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*+"'
    r"|'[^'\n]*+'"
)
_STRINGS = re.compile(_STRING, re.DOTALL)
_BETWEEN = re.compile(r"(?:[ \t\r\n]++|#[^\n]*+)*+")
_KEY = re.compile(rf"(?:{_STRING}|[^\"'=\]\n#])++", re.DOTALL)
_OTHER = re.compile(r"[^\"'#\[\]{}\n]++")


def array_lines(text: str, name: str, count: int) -> list[int]:
    """The line, from 1, of each of the `count` tables of the list `name` at the top of `text`.

    All have the line of the key where they are written as `name = [{...}]`; 0 is "not found".
    """
    found = list(_lines(text, name))
    if len(found) == 1:
        return found * count
    return found if len(found) == count else [0] * count


def _lines(text: str, name: str) -> Iterator[int]:
    """Lines of `[[name]]`, or of `name =` in the root table."""
    at, line, seen, root = 0, 1, 0, True
    while (start := _skip(_BETWEEN, text, at)) < len(text):
        line, seen = line + text.count("\n", seen, start), start
        if text[start] == "[":
            root = False
            brackets = "[[" if text.startswith("[[", start) else "["
            key = _KEY.match(text, start + len(brackets))
            at = key.end() + len(brackets) if key else start + 1
            if key and brackets == "[[" and _means(key[0], name):
                yield line
        else:
            key = _KEY.match(text, start)
            if key and root and _means(key[0], name):
                yield line
            at = _value_end(text, key.end() if key else start + 1)


def _skip(pattern: "re.Pattern[str]", text: str, at: int) -> int:
    found = pattern.match(text, at)
    return found.end() if found else at


def _value_end(text: str, at: int) -> int:
    """Behind the value that begins at `at`: the end of a line outside brackets and strings."""
    depth = 0
    while at < len(text):
        letter = text[at]
        if letter == "\n" and depth <= 0:
            return at
        if letter in "[{":
            depth += 1
        elif letter in "]}":
            depth -= 1
        if letter in "\"'":
            at = max(at + 1, _skip(_STRINGS, text, at))
        elif letter == "#":
            end = text.find("\n", at)
            at = len(text) if end < 0 else end
        else:
            at = max(at + 1, _skip(_OTHER, text, at))
    return at


def _means(key: str, name: str) -> bool:
    """Whether a key, quoted or not, is `name` and no longer path."""
    try:
        return tomllib.loads(f"{key.strip()} = 0") == {name: 0}
    except (ValueError, RecursionError):
        return False
