"""`info NAME [--json]`: everything known of one console."""

import json

from vspc.verbs.call import USAGE, Call, Printer
from vspc.verbs.describe import details

USAGE_LINE = "info NAME [--json]"
SUMMARY = "everything known of one console"


def run(call: Call) -> None:
    """Print it, a fact a line or as JSON."""
    words = [word for word in call.words if word != "--json"]
    if len(words) != 1 or words[0].startswith("-"):
        call.fail(USAGE, f"usage: {USAGE_LINE}")
        return
    console = call.find(words[0])
    if console is None:
        return
    facts = details(console)
    if "--json" in call.words:
        Printer(call.channel, json.dumps(facts, indent=1) + "\n")
        return
    lines = [f"{key.replace('_', ' ')}: {_shown(value)}\n" for key, value in facts.items()]
    Printer(call.channel, "".join(lines))


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(_shown(item) for item in value) or "-"
    if isinstance(value, dict):
        return f"{value['operator']} from {value['address']} since {value['since']}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None or value == "" else str(value)
