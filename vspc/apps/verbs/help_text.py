"""`help`: verbs as text, from their grammars; also how TEXT and REGEX are read."""

import textwrap
from collections.abc import Iterable, Iterator
from itertools import chain

from attrs import frozen

from vspc.apps.verbs.grammar import BRACKETED, Argument, Grammar
from vspc.apps.verbs.kinds import WORD

WHICH = Argument("VERB", "the verb to explain", WORD, required=False)

GRAMMAR = Grammar(
    "help", "all verbs, or the options of one", arguments=(WHICH,), examples=("help send",)
)


WIDTH = 80
"""Columns of a line."""

_HARD = "\0"
"""In place of a blank at which no line ends."""


def usage(grammar: Grammar, before: str = "") -> Iterator[str]:
    """How a verb is written: lines for each form; what is in brackets stays on one of them."""
    for form in grammar.usage.split(" | "):
        start = f"usage: {before}{grammar.name} "
        whole = BRACKETED.sub(lambda found: found[0].replace(" ", _HARD), f"usage: {before}{form}")
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


def overview(grammars: Iterable[Grammar]) -> str:
    """A line for each verb."""
    return "\n".join(_columns((each.name, each.summary) for each in grammars))


def _columns(rows: Iterable[tuple[str, str]]) -> list[str]:
    shown = list(rows)
    width = max(len(left) for left, _ in shown)
    return [f"  {left.ljust(width)}  {right}".rstrip() for left, right in shown]


RULE = (
    "{} is used as written: nothing is expanded, no backslash is removed. If it",
    "begins with a quote it ends at the next one of that kind, and only options may",
    "follow; otherwise it is the rest of the line, except options of this verb at",
    "its end. After -- everything is text.",
)
"""Lines about the free text at the end of a verb; `{}` is its name."""

VALUES = (
    "The value of an option that is text is one word as written, or is in quotes,",
    "which your own shell must leave: \"'...'\".",
)


@frozen
class Example:
    """A command as typed in a shell, and its effect."""

    command: str
    effect: str


EXAMPLES = (
    Example("""send web01 'echo "a  b"' --enter""", 'types `echo "a  b"` and a CR'),
    Example('''send web01 "it's"''', "types `it's`"),
    Example(
        """send web01 --enter -- "grep -c '--json' x\"""",
        "types `grep -c '--json' x` and a CR",
    ),
    Example(
        r"""expect web01 'eth(\d): link up' --timeout 30""",
        r"waits 30 s for `eth(\d): link up`",
    ),
    Example(
        """expect web01 --send "'uname -a'" --enter "'Linux .*'\"""",
        "types `uname -a` and a CR, waits for `Linux .*`",
    ),
)
"""Each by `ssh`, which takes one pair of quotes away: a shell does."""


def rule(name: str) -> tuple[str, ...]:
    """The lines of `help` about the text called `name`."""
    first, *more = RULE
    return (first.format(name), *more)


def examples() -> tuple[str, ...]:
    """The lines in which `help send` shows them."""
    pairs = ((f"  ssh HOST {each.command}", f"    {each.effect}") for each in EXAMPLES)
    return ("In a shell, which takes one pair of quotes away:", *chain.from_iterable(pairs))
