"""`list [--json] [GLOB]`: the consoles that you may read."""

from vspc.apps.describe import description, place, readers, state_word, summary, writers
from vspc.apps.verbs.context import Call, Verb
from vspc.apps.verbs.grammar import JSON, Argument, Grammar, Parsed
from vspc.apps.verbs.kinds import GLOB
from vspc.common.columns import Heading, table
from vspc.common.values import age_text
from vspc.console.console import Console
from vspc.console.names import reading_order, sort_key

PATTERN = Argument("GLOB", "only those with such a name", GLOB, required=False)

GRAMMAR = Grammar(
    "list",
    "the consoles that you may read",
    arguments=(PATTERN,),
    options=(JSON,),
    examples=("list 'web*'",),
)

_HEADINGS = (
    Heading("NAME", names=True, least=16),
    Heading("STATE"),
    Heading("WRITER", names=True),
    Heading("READERS", right=True),
    Heading("OUTPUT", right=True),
    Heading("ADDRESS", names=True, least=15),
)

_LOCK = Heading("LOCK", names=True, least=15)
_DESCRIPTION = Heading("DESCRIPTION", names=True, least=15)
"""Where any of them has one."""


async def run(call: Call, parsed: Parsed) -> None:
    """Print a table, or JSON sorted by name, then port."""
    glob = parsed.get(PATTERN, "")
    consoles = call.matching(glob) if glob else call.readable()
    if parsed.has(JSON):
        consoles.sort(key=sort_key)
        await call.print_json([summary(console) for console in consoles])
    elif not consoles:
        await call.print("no console matches\n" if glob else "no consoles yet\n")
    else:
        now = call.context.clock.wall()
        ordered = sorted(consoles, key=reading_order)
        rows = [_row(console, now) for console in ordered]
        headings = list(_HEADINGS)
        for heading, fact in ((_LOCK, _lock), (_DESCRIPTION, description)):
            facts = [fact(console) for console in ordered]
            if any(facts):
                headings.append(heading)
                rows = [(*row, found or "-") for row, found in zip(rows, facts, strict=True)]
        await call.print(table(headings, rows, call.columns))


def _row(console: Console, now: float) -> tuple[str, ...]:
    silent = None if console.link.last_output is None else now - console.link.last_output
    return (
        console.title,
        state_word(console),
        ",".join(writers(console)) or "-",
        str(len(readers(console))),
        age_text(silent),
        place(console, now) or "-",
    )


def _lock(console: Console) -> str:
    return "" if console.pen.lock is None else console.pen.lock.long_text


VERB = Verb(GRAMMAR, run, aliases=("ls",))
