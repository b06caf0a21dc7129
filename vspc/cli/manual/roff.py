"""Text as roff with the man macros (groff_man(7)), from text with the marks of Markdown in a line.

All is ASCII: other characters are written as roff names them. Nothing of a text is taken for a
request, an escape or the argument of a macro.
"""

import re
from collections.abc import Iterable, Iterator

_MARKS = re.compile(
    r"(?P<ticks>`+)(?P<code>.+?)(?P=ticks)|\*\*(?P<strong>.+?)\*\*|\*(?P<word>[^*\s][^*]*)\*"
    r"|\[(?P<link>[^]]+)\]\((?P<target>[^)]*)\)"
)

_NAMED = {"\\": r"\e", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti"}


def escaped(text: str, is_code: bool = False) -> str:
    """`text` as it is. In code a dash is a minus, which people copy."""
    return "".join(_character(character, is_code) for character in text)


def _character(character: str, is_code: bool) -> str:
    if character == "-":
        return r"\-" if is_code else "-"
    if ord(character) > 126:
        return rf"\[u{ord(character):04X}]"
    return _NAMED.get(character, character)


def bold(text: str) -> str:
    """Code: what is typed, or printed, exactly so."""
    return rf"\fB{escaped(text, True)}\fR"


def italic(text: str) -> str:
    """A word that stands for something else."""
    return rf"\fI{escaped(text, True)}\fR"


def marked(text: str) -> str:
    """A line of text with `code`, **weight**, *words* and [links](to elsewhere) in it."""
    made, at = list[str](), 0
    for found in _MARKS.finditer(text):
        made.append(escaped(text[at : found.start()]))
        made.append(_mark(found))
        at = found.end()
    return "".join([*made, escaped(text[at:])])


def _mark(found: re.Match[str]) -> str:
    if found["code"] is not None:
        return bold(found["code"])
    if found["link"] is not None:
        return marked(found["link"])
    if found["strong"] is not None:
        return rf"\fB{marked(found['strong'])}\fR"
    return italic(found["word"])


def line(text: str) -> str:
    """`text`, which is roff already, as a line that is no request."""
    return rf"\&{text}" if text.startswith((".", "'")) else text


def title(name: str, section: str, date: str, version: str) -> Iterator[str]:
    """The head of a page."""
    yield f'.TH {escaped(name, True)} {section} {date} "vspc {escaped(version)}" "vspc"'


def heading(text: str) -> Iterator[str]:
    """A section."""
    yield f".SH {_argument(escaped(text.upper()))}"


def subheading(text: str) -> Iterator[str]:
    """A section in a section; its heading is roff."""
    yield f".SS {_argument(text)}"


def _argument(text: str) -> str:
    """One argument of a macro."""
    return '"' + text.replace('"', r"\(dq") + '"'


def page(lines: Iterable[str]) -> Iterator[str]:
    """All of a page: right behind a heading no macro begins a paragraph, the heading has."""
    before = ""
    for each in lines:
        if each != ".PP" or not before.startswith((".SH", ".SS")):
            yield each
        before = each


def paragraph(text: str) -> Iterator[str]:
    """A paragraph of text with marks."""
    yield ".PP"
    yield line(marked(text))


def item(term: str, text: Iterable[str]) -> Iterator[str]:
    """A term, in roff, and below it lines of text with marks."""
    yield ".TP"
    yield line(term)
    for number, each in enumerate(text):
        if number:
            yield ".br"
        yield line(marked(each)) or r"\&"


def bullet(text: str, sign: str = r"\(bu") -> Iterator[str]:
    """An item of a list, with `sign` before it."""
    yield f".IP {sign} 3"
    yield line(marked(text))


def verbatim(lines: Iterable[str]) -> Iterator[str]:
    """Lines that stay as they are."""
    yield ".PP"
    yield ".RS 4"
    yield ".nf"
    for each in lines:
        yield line(escaped(each, True)) or r"\&"
    yield ".fi"
    yield ".RE"


def indented(lines: Iterable[str]) -> Iterator[str]:
    """`lines`, which are roff, further to the right."""
    yield ".RS"
    yield from lines
    yield ".RE"
