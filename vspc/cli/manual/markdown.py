"""The Markdown of docs/, as far as its pages use it: headings, paragraphs, tables, lists, blocks of
code. What is in a line stays text with marks, which `roff.marked` reads.
"""

import re
from collections.abc import Iterator, Sequence

from attrs import frozen

_ITEM = re.compile(r"(?:[-*]|\d+\.) +")
_CELL = re.compile(r"(?<!\\)\|")


@frozen
class MarkdownHeading:
    """A heading; the page's own has level 1."""

    level: int
    text: str


@frozen
class MarkdownParagraph:
    """A paragraph, joined to one line."""

    text: str


@frozen
class MarkdownTable:
    """A table: its heading, and rows of as many cells."""

    heading: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@frozen
class MarkdownList:
    """The items of a list, each joined to one line."""

    items: tuple[str, ...]


@frozen
class MarkdownCode:
    """The lines of a block of code."""

    lines: tuple[str, ...]


MarkdownBlock = MarkdownHeading | MarkdownParagraph | MarkdownTable | MarkdownList | MarkdownCode


def blocks(text: str) -> Iterator[MarkdownBlock]:
    """What a page consists of, in order."""
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        start = at
        if lines[at].startswith("```"):
            at = next((n for n in range(at + 1, len(lines)) if lines[n] == "```"), len(lines))
            yield MarkdownCode(tuple(lines[start + 1 : at]))
            at += 1
        elif not lines[at].strip():
            at += 1
        else:
            while at < len(lines) and lines[at].strip() and not lines[at].startswith("```"):
                at += 1
            yield _block(lines[start:at])


def _block(lines: Sequence[str]) -> MarkdownBlock:
    first = lines[0]
    if first.startswith("#"):
        marks, _, text = first.partition(" ")
        return MarkdownHeading(len(marks), text.strip())
    if first.startswith("|"):
        return MarkdownTable(_cells(first), tuple(map(_cells, lines[2:])))
    if _ITEM.match(first):
        return MarkdownList(tuple(_items(lines)))
    return MarkdownParagraph(" ".join(line.strip() for line in lines))


def _cells(line: str) -> tuple[str, ...]:
    cells = _CELL.split(line.strip().removeprefix("|").removesuffix("|"))
    return tuple(cell.strip().replace("\\|", "|") for cell in cells)


def _items(lines: Sequence[str]) -> Iterator[str]:
    text = ""
    for line in lines:
        if mark := _ITEM.match(line):
            if text:
                yield text
            text = line[mark.end() :].strip()
        else:
            text += f" {line.strip()}"
    yield text
