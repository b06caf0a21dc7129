"""Who a console is, as its log remembers it: what brings it back after a restart."""

import json
from collections.abc import Mapping
from typing import Any

from vspc.console.console import Console
from vspc.console.identity import Identity, Provenance
from vspc.console.roster import Roster

NAME_LIMIT = 1000
"""Characters of a VM's name."""


def about(console: Console, listed: bool) -> str:
    """JSON. `listed`: whether `list` shows it; it was not forgotten."""
    vm, identity = console.vm, console.vm.identity
    facts = {
        "listed": listed,
        "zone": identity.zone,
        "kind": identity.kind,
        "value": identity.value,
        "duplicate": identity.duplicate,
        "uuid": vm.uuid,
        "said_name": vm.said_name,
        "port_key": console.port_key,
        "label": console.label,
        "ordinal": console.ordinal,
        "number": console.number,
        "service_uri": console.service_uri,
        "address": console.last_address,
        "provenance": int(console.provenance),
    }
    return json.dumps(facts)


def revive(
    roster: Roster, console_id: str, facts: Mapping[str, Any], last: float
) -> Console | None:
    """The away console that `facts` describe, in `roster`; None if it was forgotten, or they make
    no sense. `last`: seconds since 1970 of the last thing that its log has.
    """
    try:
        return _revive(roster, console_id, facts, last)
    except (KeyError, TypeError, ValueError):
        return None


def _revive(
    roster: Roster, console_id: str, facts: Mapping[str, Any], last: float
) -> Console | None:
    identity = Identity(
        _text(facts["zone"]), _text(facts["kind"]), _text(facts["value"]), bool(facts["duplicate"])
    )
    port_key, ordinal = _text(facts["port_key"]), int(facts["ordinal"])
    if identity.console_id(port_key, ordinal) != console_id or not facts["listed"]:
        return None
    said_name = _text(facts["said_name"])
    if len(said_name) > NAME_LIMIT or not said_name.isprintable():
        return None
    vm = roster.recall_vm(identity, facts["uuid"], said_name)
    label = facts["label"]
    console = roster.revive_console(
        vm, None, port_key, label, ordinal, int(facts["number"]), _text(facts["address"])
    )
    console.service_uri = _text(facts["service_uri"])
    console.provenance = Provenance(facts["provenance"])
    console.since = console.last_output = last
    roster.settle(console)
    return console


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value
