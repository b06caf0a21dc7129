"""`list [--json] [GLOB]`: the consoles that you may read."""

import json
from fnmatch import fnmatchcase

from vspc.console.console import Console
from vspc.console.resolve import sort_key
from vspc.text import age
from vspc.verbs.call import USAGE, Call, Printer
from vspc.verbs.describe import readers, summary, writers

USAGE_LINE = "list [--json] [GLOB]"
SUMMARY = "the consoles that you may read"

_HEADINGS = ("NAME", "STATE", "WRITER", "READERS", "OUTPUT", "ADDRESS")


def run(call: Call) -> None:
    """Print them sorted by name, then port."""
    words = [word for word in call.words if word != "--json"]
    if len(words) > 1 or any(word.startswith("-") for word in words):
        call.fail(USAGE, f"usage: {USAGE_LINE}")
        return
    consoles = sorted(call.readable(), key=sort_key)
    if words:
        glob = words[0].casefold()
        consoles = [c for c in consoles if fnmatchcase(c.title.casefold(), glob)]
    if "--json" in call.words:
        text = json.dumps([summary(c) for c in consoles], indent=1) + "\n"
    else:
        text = table(consoles, call.world.clock.wall())
    Printer(call.channel, text)


def table(consoles: list[Console], now: float) -> str:
    """Columns as wide as they must be."""
    rows = [_HEADINGS, *(_row(console, now) for console in consoles)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADINGS))]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        + "\n"
        for row in rows
    )


def _row(console: Console, now: float) -> tuple[str, ...]:
    silent = None if console.last_output is None else now - console.last_output
    return (
        console.title,
        console.state.value,
        ",".join(writers(console)) or "-",
        str(len(readers(console))),
        age(silent),
        console.line.address if console.line else "-",
    )
