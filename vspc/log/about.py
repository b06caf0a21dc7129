"""Who a console is, as its log remembers it: what brings it back after a restart."""

import json
from collections.abc import Mapping
from typing import Any

from vspc.console.console import Console
from vspc.console.events import HostChange
from vspc.console.identity import Identity, Provenance
from vspc.console.roster import Roster

NAME_LIMIT = 1000
"""Characters of a VM's name."""


def about(console: Console, listed: bool) -> str:
    """JSON. `listed`: whether `list` shows it; it was not forgotten."""
    vm, identity, change = console.vm, console.vm.identity, console.link.unseen_change
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
        "address": console.link.last_address,
        "provenance": int(console.link.provenance),
        "host_change": None if change is None else [change.old, change.new, change.at],
    }
    return json.dumps(facts)


def belongs(facts: Mapping[str, Any], console_id: str) -> bool:
    """Whether `facts` are of that console."""
    try:
        return _identity(facts).console_id(*_port(facts)) == console_id
    except (KeyError, TypeError, ValueError):
        return False


def _identity(facts: Mapping[str, Any]) -> Identity:
    return Identity(
        _text(facts["zone"]), _text(facts["kind"]), _text(facts["value"]), bool(facts["duplicate"])
    )


def _port(facts: Mapping[str, Any]) -> tuple[str, int]:
    return _text(facts["port_key"]), int(facts["ordinal"])


def revive(
    roster: Roster,
    console_id: str,
    facts: Mapping[str, Any],
    last: float,
    said: float | None,
) -> Console | None:
    """The away console that `facts` describe, in `roster`; None if it was forgotten, or they make
    no sense. `last`, `said`: seconds since 1970 of the last thing that its log has, and of the
    last byte of its VM.
    """
    try:
        return _revive(roster, console_id, facts, last, said)
    except (KeyError, TypeError, ValueError):
        return None


def _revive(
    roster: Roster,
    console_id: str,
    facts: Mapping[str, Any],
    last: float,
    said: float | None,
) -> Console | None:
    identity, (port_key, ordinal) = _identity(facts), _port(facts)
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
    console.link.provenance = Provenance(facts["provenance"])
    console.link.since, console.link.last_output = last, said
    console.link.unseen_change = _change(facts.get("host_change"))
    roster.settle(console)
    return console


def _change(value: object) -> HostChange | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 3:
        raise TypeError(value)
    return HostChange(_text(value[0]), _text(value[1]), float(value[2]))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value
