"""`who [NAME]`: the operators on the consoles that you may read."""

import json

from vspc.console.console import Console
from vspc.console.resolve import sort_key
from vspc.verbs.call import USAGE, Call, Printer
from vspc.verbs.describe import presence

USAGE_LINE = "who [NAME] [--json]"
SUMMARY = "who is on which console, and who types"


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
        consoles = sorted((c for c in call.readable() if c.attachments), key=sort_key)
    if "--json" in call.words:
        people = [presence(a) for console in consoles for a in console.attachments]
        Printer(call.channel, json.dumps(people, indent=1) + "\n")
    else:
        Printer(call.channel, "".join(line + "\n" for c in consoles for line in presences(c)))


def presences(console: Console) -> list[str]:
    """A line for each attachment."""
    return [
        f"{p['console']}  {p['operator']}  {'writes' if p['writes'] else 'reads'}  "
        f"from {p['address']} since {p['since']}"
        for p in map(presence, console.attachments)
    ]
