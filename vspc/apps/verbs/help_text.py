"""`help`: the words of verbs as text, from their grammars."""

import re
import textwrap
from collections.abc import Iterable, Iterator

from vspc.apps.verbs.grammar import Argument, Grammar
from vspc.apps.verbs.kinds import WORD

VERB = Argument("VERB", "the one that is to be explained", WORD, required=False)

GRAMMAR = Grammar(
    "help", "all verbs, or the words of one", arguments=(VERB,), examples=("help send",)
)


WIDTH = 80
"""Columns of a line."""

_HARD = "\0"
"""In place of a blank at which no line ends."""

_BRACKETS = re.compile(r"\[(?:[^][]|\[[^][]*\])*\]")


def usage(grammar: Grammar, before: str = "") -> Iterator[str]:
    """How a verb is written: lines for each form; what is in brackets stays on one of them."""
    for form in grammar.usage.split(" | "):
        start = f"usage: {before}{grammar.name} "
        whole = _BRACKETS.sub(lambda found: found[0].replace(" ", _HARD), f"usage: {before}{form}")
        for line in textwrap.wrap(
            whole,
            WIDTH,
            subsequent_indent=" " * len(start),
            break_long_words=False,
            break_on_hyphens=False,
        ):
            yield line.replace(_HARD, " ")


def described(grammar: Grammar, before: str = "") -> str:
    """All about one verb: usage, arguments, options, examples; `before` comes before its name."""
    blocks = [
        list(usage(grammar, before)),
        [grammar.summary],
        _columns(_rows(grammar)),
        list(grammar.notes),
        [f"example: {before}{example}" for example in grammar.examples],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _rows(grammar: Grammar) -> Iterator[tuple[str, str]]:
    """A line for each argument and for each option."""
    for argument in grammar.arguments:
        yield argument.name, argument.help
    for option in grammar.every_option:
        yield (f"{option.short}, " if option.short else "") + option.shown, option.help
    yield "--help", "this text"


def tabled(grammars: Iterable[Grammar]) -> str:
    """A table of verbs in Markdown: how each is written, and what it is for."""
    rows = (
        (f"`{form}`".replace("|", r"\|"), each.summary if not number else "")
        for each in grammars
        for number, form in enumerate(each.usage.split(" | "))
    )
    lines = (f"| {form} | {summary} |".replace("  ", " ") for form, summary in rows)
    return "\n".join(["| verb | what it does |", "| --- | --- |", *lines]) + "\n"


def overview(grammars: Iterable[Grammar]) -> str:
    """A line for each verb."""
    return "\n".join(_columns((each.name, each.summary) for each in grammars))


def _columns(rows: Iterable[tuple[str, str]]) -> list[str]:
    shown = list(rows)
    width = max(len(left) for left, _ in shown)
    return [f"  {left.ljust(width)}  {right}".rstrip() for left, right in shown]
