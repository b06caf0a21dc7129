"""`info NAME [--json]`: everything known of one console."""

import json
from collections.abc import Mapping
from types import MappingProxyType

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
    if "admin" in call.operator.roles:
        console.host_change_seen()
    if "--json" in call.words:
        Printer(call.channel, json.dumps(facts, indent=1) + "\n")
        return
    lines = [f"{key.replace('_', ' ')}: {_shown(key, value)}\n" for key, value in facts.items()]
    Printer(call.channel, "".join(lines))


_SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        "attachments": "{operator} from {address} since {since}",
        "last_move": "from {source} to {target} in {seconds} s, at {at}",
        "host_change": "from {old} to {new} at {at}, and it was no vMotion",
    }
)
"""How facts that are tables are put into words."""


def _shown(key: str, value: object) -> str:
    if isinstance(value, list):
        return ", ".join(_shown(key, item) for item in value) or "-"
    if isinstance(value, dict):
        return _SENTENCES[key].format(**value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None or value == "" else str(value)
