"""`info NAME [--json]`: everything known of one console."""

from collections.abc import Mapping
from types import MappingProxyType

from vspc.apps.describe import details
from vspc.apps.verbs.context import Call, Verb
from vspc.apps.verbs.grammar import JSON, NAME, Grammar, Parsed

GRAMMAR = Grammar(
    "info",
    "everything known of one console",
    arguments=(NAME,),
    options=(JSON,),
    examples=("info web1 --json",),
)


async def run(call: Call, parsed: Parsed) -> None:
    """Print it, a fact a line or as JSON."""
    console = call.find(parsed[NAME])
    facts = details(console)
    if "admin" in call.operator.roles:
        console.link.host_change_seen()
    if parsed.has(JSON):
        await call.print_json(facts)
        return
    lines = [f"{key.replace('_', ' ')}: {_shown(key, value)}\n" for key, value in facts.items()]
    await call.print("".join(lines))


_SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        "attachments": "{operator} from {address} since {since}",
        "serial": "{speed} bits a second, {data_bits} data bits, parity {parity}, "
        "{stop_bits} stop bits, flow control {flow}",
        "last_move": "from {source} to {target} in {seconds} s, at {at}",
        "remote": "{uri}: {state}, since {since}; bytes of it not sent: {unsent}",
        "lock": "{text}",
        "host_change": "from {old} to {new} at {at}, and this was not a vMotion",
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


VERB = Verb(GRAMMAR, run)
