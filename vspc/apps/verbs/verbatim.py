"""How TEXT and REGEX are read, for `help` and docs/operators.md."""

from itertools import chain

from attrs import frozen

RULE = (
    "{} is taken as it comes: nothing is expanded, no backslash is eaten. If it",
    "begins with a quote it ends at the next one of that kind, and only options",
    "follow; else it is the rest of the line, less the options of this verb at its",
    "end. Behind -- all is text.",
)
"""Lines about the free text at the end of a verb; `{}` is its name."""

VALUES = (
    "The value of an option that is text is one word as it comes, or is in quotes,",
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
