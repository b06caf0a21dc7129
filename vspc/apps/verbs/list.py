"""`list [--json] [GLOB]`: the consoles that you may read."""

import json

from vspc.apps.describe import readers, summary, writers
from vspc.apps.verbs.context import Call, VerbPrinter
from vspc.apps.verbs.grammar import JSON, Argument, Grammar, Parsed
from vspc.apps.verbs.kinds import GLOB
from vspc.common.columns import Heading, table
from vspc.common.values import age_text
from vspc.console.console import Console
from vspc.console.resolve import reading_order, sort_key

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


def run(call: Call, parsed: Parsed) -> None:
    """Print them as people read them, or as JSON sorted by name, then port."""
    glob = parsed.get(PATTERN, "")
    consoles = call.matching(glob) if glob else call.readable()
    if parsed.has(JSON):
        consoles.sort(key=sort_key)
        text = json.dumps([summary(c) for c in consoles], indent=1) + "\n"
    else:
        consoles.sort(key=reading_order)
        now = call.context.clock.wall()
        nothing = "no console matches" if glob else "no consoles yet"
        text = _shown(call, consoles, now) if consoles else f"{nothing}\n"
    VerbPrinter(call.channel, text)


def _shown(call: Call, consoles: list[Console], now: float) -> str:
    """Within the operator's terminal; for a program nothing is cut."""
    return table(_HEADINGS, [_row(console, now) for console in consoles], call.columns)


def _row(console: Console, now: float) -> tuple[str, ...]:
    silent = None if console.last_output is None else now - console.last_output
    return (
        console.title,
        console.state.value,
        ",".join(writers(console)) or "-",
        str(len(readers(console))),
        age_text(silent),
        console.line.address if console.line else "-",
    )
