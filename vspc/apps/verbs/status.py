"""`status`: how the server is, as administrators want to know it at 3 a.m."""

import json
from collections import Counter

from vspc.apps.verbs.context import Call, VerbPrinter
from vspc.apps.verbs.grammar import JSON, Grammar, Parsed
from vspc.apps.verbs.status_text import lines
from vspc.console.console import ConsoleState

GRAMMAR = Grammar(
    "status",
    "state of the server: VMs, sessions, log, audit (administrators)",
    options=(JSON,),
    examples=("status",),
)


def run(call: Call, parsed: Parsed) -> None:
    """Print it."""
    if not call.is_administrator():
        return
    found = facts(call)
    if parsed.has(JSON):
        VerbPrinter(call.channel, json.dumps(found, indent=1) + "\n")
    else:
        VerbPrinter(call.channel, "".join(f"{line}\n" for line in lines(found)))


def facts(call: Call) -> dict[str, object]:
    """What the world shows, and behind it what the rooms say of themselves, which may override.

    Numbers are exact: bytes, seconds.
    """
    world = call.world
    states = Counter(console.state for console in world.roster)
    there = list(world.sessions)
    on = [each for console in world.roster for each in console.attachments]
    return {
        "consoles": {state.value: states[state] for state in ConsoleState},
        "sessions": len(there),
        "operators": len({each.session.operator.name for each in there}),
        "attachments": len(on),
        "writers": sum(each.has_pen for each in on),
        "input_waiting": sum(console.gate.waiting for console in world.roster),
        "lockouts": len(world.lockouts.listed()) if world.lockouts is not None else None,
        "audit_refuses": world.audit.refuses,
        **world.status(),
    }
