"""`refusals`: what was turned away lately, with the line of the configuration to add."""

import json

from attrs import asdict

from vspc.console.audit import TurnedAway
from vspc.text import age
from vspc.verbs.call import USAGE, Call, Printer, timestamp

USAGE_LINE = "refusals [--json]"
SUMMARY = "the last VMs and logins turned away, with the line to add (administrators)"


def run(call: Call) -> None:
    """Print them, the last one last."""
    if call.words not in ((), ("--json",)):
        call.fail(USAGE, f"usage: {USAGE_LINE}")
        return
    if not call.is_administrator():
        return
    found = call.world.trail.turned_away()
    if call.words:
        shown = [
            asdict(one) | {"first": timestamp(one.first), "last": timestamp(one.last)}
            for one in found
        ]
        Printer(call.channel, json.dumps(shown, indent=1) + "\n")
        return
    now = call.world.clock.wall()
    Printer(call.channel, "".join(line + "\n" for one in found for line in _lines(one, now)))


def _lines(one: TurnedAway, now: float) -> list[str]:
    often = f", {one.count} times in {age(now - one.first)}" if one.count > 1 else ""
    name = f" {one.name}" if one.name else ""
    lines = [f"{age(now - one.last)} ago  {one.what} {one.address}{name}: {one.reason}{often}"]
    return lines + ([f"    {one.hint}"] if one.hint else [])
