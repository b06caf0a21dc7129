"""vspc.toml(5): docs/configuration.md, which is installed with the program, as a manual page."""

from collections.abc import Iterator
from importlib.resources import files

from vspc.cli.manual import roff
from vspc.cli.manual.markdown import (
    MarkdownBlock,
    MarkdownCode,
    MarkdownHeading,
    MarkdownList,
    MarkdownParagraph,
    MarkdownTable,
    blocks,
)

SOURCE = "configuration.md"
"""In the package `vspc.config`; in the sources it is a link to the page in docs/."""

_KEY = "key"
"""The heading of the first column of the table of keys."""


def page(date: str, version: str) -> Iterator[str]:
    """Its lines."""
    yield from roff.title("VSPC.TOML", "5", date, version)
    yield from roff.heading("Name")
    yield r"vspc.toml \- configuration of the console server vspc"
    yield from roff.heading("Description")
    for block in blocks(files("vspc.config").joinpath(SOURCE).read_text(encoding="utf-8")):
        yield from _block(block)
    yield from roff.heading("Files")
    yield from roff.item(roff.bold("/etc/vspc/vspc.toml"), ["The file where none is named."])
    yield from roff.heading("See also")
    yield from roff.paragraph("**vspc**(1)")


def _block(block: MarkdownBlock) -> Iterator[str]:
    match block:
        case MarkdownHeading(1):
            pass
        case MarkdownHeading(2, text):
            # The section of that name says where files are.
            yield from roff.heading("Text files" if text == "Files" else text)
        case MarkdownHeading(_, text):
            yield from roff.subheading(roff.marked(text))
        case MarkdownParagraph(text):
            yield from roff.paragraph(text)
        case MarkdownList(items):
            for each in items:
                yield from roff.bullet(each)
        case MarkdownCode(lines):
            yield from roff.verbatim(lines)
        case MarkdownTable(heading, rows):
            if heading[0] == _KEY:
                yield from roff.heading("Keys")
            for row in rows:
                yield from _row(heading, row)


def _row(heading: tuple[str, ...], row: tuple[str, ...]) -> Iterator[str]:
    """A row: its first cell, below it the last, and then those between under their headings."""
    between = zip(heading[1:-1], row[1:-1], strict=False)
    named = "; ".join(f"{name}: {cell}" for name, cell in between if cell)
    yield from roff.item(roff.marked(row[0]), [each for each in (row[-1], named) if each])
