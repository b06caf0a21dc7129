"""Commands about hosts that lie. The table is at the foot."""

import json

from vspc.simulator.extension import VmIdentity, identity, plain_uuid
from vspc.simulator.fleet import Fleet
from vspc.simulator.liars import Liar, Lie, somebody
from vspc.simulator.vm_commands import Command
from vspc.simulator.words import CommandError, address, from_hex, options, unescape

_USAGE = "lie ADDRESS [as=NAME] [uuid=HEX] [name=NAME] [uri=URI] [peer=HEX] [text=TEXT] [early]"


def _lie(fleet: Fleet, text: str) -> str:
    words = text.split()
    if not words:
        raise CommandError(f"usage: {_USAGE}")
    said = options(words[1:], "as", "uuid", "name", "uri", "peer", "text", "early")
    lie = Lie(
        address=address(words[0]),
        identity=_claimed(_victim(fleet, said), said),
        text=unescape(said.get("text", "")),
        service_uri=said.get("uri", _victim_uri(fleet, said)),
        claim=from_hex(said["peer"]) if "peer" in said else None,
        early="early" in said,
    )
    try:
        return f"ok {fleet.liars.tell(lie)}"
    except ValueError as error:
        raise CommandError(str(error)) from None


def _victim(fleet: Fleet, said: dict[str, str]) -> VmIdentity:
    if "as" not in said:
        return identity(said.get("name", "liar"))
    found = fleet.find(said["as"])
    if found is None:
        raise CommandError(f"no VM is called {said['as']!r}")
    return found[0].first.identity


def _victim_uri(fleet: Fleet, said: dict[str, str]) -> str | None:
    found = fleet.find(said.get("as", ""))
    if found is None:
        return None
    machine, port = found
    return (port or machine.first).settings.service_uri


def _claimed(claimed: VmIdentity, said: dict[str, str]) -> VmIdentity:
    try:
        uuid = plain_uuid(said["uuid"]) if "uuid" in said else None
    except ValueError as error:
        raise CommandError(str(error)) from None
    return somebody(claimed, uuid, said.get("name"))


def _lies(fleet: Fleet, text: str) -> str:
    if text.strip():
        raise CommandError("usage: lies")
    facts = [{"number": n, **liar.facts()} for n, liar in enumerate(fleet.liars.told, 1)]
    return f"ok {json.dumps(facts)}"


def _liar(fleet: Fleet, word: str) -> Liar:
    told = fleet.liars.told
    if not (word.isascii() and word.isdigit() and 1 <= int(word[:9]) <= len(told)):
        raise CommandError(f"{word!r} is the number of no lie")
    return told[int(word) - 1]


def _lie_type(fleet: Fleet, text: str) -> str:
    number, _, said = text.partition(" ")
    _liar(fleet, number).line.send(unescape(said))
    return "ok"


def _lie_change(fleet: Fleet, text: str) -> str:
    number, *words = text.split() or [""]
    liar = _liar(fleet, number)
    liar.change(_claimed(liar.identity, options(words, "uuid", "name")))
    return "ok"


def _lie_end(fleet: Fleet, text: str) -> str:
    _liar(fleet, text.strip()).line.close()
    return "ok"


COMMANDS: dict[str, Command] = {
    "lie": _lie,
    "lies": _lies,
    "lie-output": _lie_type,
    "lie-change": _lie_change,
    "lie-end": _lie_end,
}
