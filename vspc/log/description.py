"""`console.json` beside a console's segments: whose log it is, as its heads say, too.

Everything in it is derived: what is damaged, or of another console, is made anew from the heads of
the segments, or from what the journal and the VM say next. `about` is what identifies a console: it
brings it back into the roster after a restart (`revive`).
"""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from vspc.console.console import Console
from vspc.console.events import HostChange
from vspc.console.identity import Identity, Provenance
from vspc.console.roster import Roster
from vspc.log.records import UnknownVersion

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
        "said_name": vm.claimed_name,
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
    last_record: float,
    last_output: float | None,
) -> Console | None:
    """The away console that `facts` describe, in `roster`; None if it was forgotten, is there
    already (an earlier process has handed it over), or they make no sense. `last_record`,
    `last_output`: seconds since 1970 of the last record of its log, and of the last byte of its VM.
    """
    try:
        identity, (port_key, ordinal) = _identity(facts), _port(facts)
        claimed_name = _text(facts["said_name"])
        if identity.console_id(port_key, ordinal) != console_id or not facts["listed"]:
            return None
        if roster.get(console_id) is not None:
            return None
        if len(claimed_name) > NAME_LIMIT or not claimed_name.isprintable():
            return None
        vm = roster.recall_vm(identity, facts["uuid"], claimed_name)
        label, number, address = facts["label"], int(facts["number"]), _text(facts["address"])
        console = roster.revive_console(vm, None, port_key, label, ordinal, number, address)
        console.service_uri = _text(facts["service_uri"])
        console.link.provenance = Provenance(facts["provenance"])
        console.link.since, console.link.last_output = last_record, last_output
        console.link.unseen_change = _change(facts.get("host_change"))
        roster.settle(console)
    except (KeyError, TypeError, ValueError):
        return None
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


FILE = "console.json"

VERSION = 1

LIMIT = 1024 * 1024
"""Bytes of it that are read."""


class BadDescription(ValueError):
    """It is not what was written; the text says why."""


@frozen
class Description:
    """`about` is who the console is. Up to `evicted` everything was deleted, once all of it was;
    the log begins at `begins`, or None if nothing says so. `booted`: a boot was seen once.
    """

    about: Mapping[str, Any]
    evicted: int = 0
    begins: int | None = None
    booted: bool = False

    def encode(self, console_id: str) -> bytes:
        """The file."""
        facts = {
            "version": VERSION,
            "id": console_id,
            "evicted": self.evicted,
            "begins": self.begins,
            "booted": self.booted,
            "about": dict(self.about),
        }
        return json.dumps({**facts, "checksum": _checksum(facts)}).encode()


def _checksum(facts: Mapping[str, Any]) -> str:
    return f"{zlib.crc32(json.dumps(facts, sort_keys=True).encode()):08x}"


def read(directory: Path, console_id: str) -> Description | None:
    """The description in `directory`; None if there is none. Raises OSError, `BadDescription`, or
    `UnknownVersion`. Earlier servers wrote neither an id nor a checksum.
    """
    path = directory / FILE
    try:
        with path.open("rb") as file:
            data = file.read(LIMIT)
    except FileNotFoundError:
        return None
    try:
        facts = json.loads(data)
    except (ValueError, RecursionError):
        raise BadDescription(f"{path}: invalid JSON") from None
    if not isinstance(facts, dict):
        raise BadDescription(f"{path}: not an object")
    checksum = facts.pop("checksum", None)
    if checksum is not None and checksum != _checksum(facts):
        raise BadDescription(f"{path}: wrong checksum")
    version = facts.get("version")
    if version != VERSION:
        if type(version) is int and version > VERSION:
            raise UnknownVersion(f"{path} is of an unknown version and is left alone")
        raise BadDescription(f"{path}: no version")
    return _description(path, facts, console_id)


def _description(path: Path, facts: Mapping[str, Any], console_id: str) -> Description:
    about, evicted, begins = facts.get("about") or {}, facts.get("evicted"), facts.get("begins")
    other = facts.get("id", console_id) != console_id
    if other or not isinstance(about, dict) or (about and not belongs(about, console_id)):
        raise BadDescription(f"{path}: it describes another console")
    booted = facts.get("booted") is True
    return Description(about, _offset(evicted) or 0, _offset(begins), booted)


def _offset(value: object) -> int | None:
    return value if type(value) is int and value >= 0 else None
