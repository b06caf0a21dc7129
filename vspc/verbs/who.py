"""`who [NAME]`: the operators on the consoles that you may read."""

import json
from collections.abc import Mapping

from vspc.columns import Heading, table
from vspc.console.console import Console
from vspc.console.resolve import reading_order
from vspc.verbs.call import USAGE, Call, Printer
from vspc.verbs.describe import presence

USAGE_LINE = "who [NAME] [--json]"
SUMMARY = "who is on which console, and who types"

_HEADINGS = (
    Heading("CONSOLE", names=True, least=16),
    Heading("OPERATOR", names=True),
    Heading("PEN"),
    Heading("FROM", names=True, least=15),
    Heading("SINCE"),
)


def run(call: Call) -> None:
    """Print them by console, in the order in which they came."""
    words = [word for word in call.words if word != "--json"]
    if len(words) > 1 or any(word.startswith("-") for word in words):
        call.fail(USAGE, f"usage: {USAGE_LINE}")
        return
    if words:
        console = call.find(words[0])
        if console is None:
            return
        consoles = [console]
    else:
        consoles = sorted((c for c in call.readable() if c.attachments), key=reading_order)
    people = [presence(a) for console in consoles for a in console.attachments]
    if "--json" in call.words:
        Printer(call.channel, json.dumps(people, indent=1) + "\n")
    elif people:
        Printer(call.channel, table(_HEADINGS, [_row(each) for each in people], call.columns))
    else:
        where = f" to {consoles[0].title}" if words else ""
        Printer(call.channel, f"no operators are connected{where}\n")


def _row(found: Mapping[str, object]) -> list[str]:
    pen = "writes" if found["writes"] else "reads"
    facts = (found["console"], found["operator"], pen, found["address"], found["since"])
    return [str(fact) for fact in facts]


def presences(console: Console) -> list[str]:
    """A line for each attachment."""
    return [
        f"{p['console']}  {p['operator']}  {'writes' if p['writes'] else 'reads'}  "
        f"from {p['address']} since {p['since']}"
        for p in map(presence, console.attachments)
    ]
