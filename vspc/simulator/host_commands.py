"""Commands about a whole host: evacuation, death without a word, HA. The table is at the foot."""

import json
from typing import cast

from twisted.internet.defer import Deferred, gatherResults

from vspc.simulator.fleet import Fleet, VmMoved
from vspc.simulator.vm_commands import Command, answer
from vspc.simulator.words import CommandError, address


def _addresses(text: str, count: int, usage: str) -> list[str]:
    words = text.split()
    if len(words) != count:
        raise CommandError(f"usage: {usage}")
    return [address(word) for word in words]


def _some(names: list[str], host: str) -> str:
    if not names:
        raise CommandError(f"no VM is on at {host}")
    return f"ok {json.dumps(names)}"


def _crash(fleet: Fleet, text: str) -> str:
    [host] = _addresses(text, 1, "crash ADDRESS")
    return _some([vm.name for vm in fleet.crash(host)], host)


def _revive(fleet: Fleet, text: str) -> str:
    [host] = _addresses(text, 1, "revive ADDRESS")
    lines = fleet.revive(host)
    if not lines:
        raise CommandError(f"no host died at {host}, or it left no line")
    return f"ok {lines}"


def _ha(fleet: Fleet, text: str) -> str:
    host, target = _addresses(text, 2, "ha ADDRESS TARGET")
    return _some([vm.name for vm in fleet.ha(host, target)], host)


def _evacuate(fleet: Fleet, text: str) -> "Deferred[str]":
    host, target = _addresses(text, 2, "evacuate ADDRESS TARGET")
    moving = fleet.evacuate(host, target)
    if not moving:
        raise CommandError(f"no VM is on at {host}")
    everyone = cast("Deferred[list[VmMoved]]", gatherResults(moving))
    return everyone.addCallback(_evacuated)


def _evacuated(moved: list[VmMoved]) -> str:
    said = {each.name: _ended(each) for each in moved}
    done = sum(text.startswith("moved ") for text in said.values())
    return f"ok {json.dumps({'moved': done, 'failed': len(said) - done, 'vms': said})}"


def _ended(moved: VmMoved) -> str:
    if moved.refused:
        return f"did not begin: {moved.refused}"
    return answer(moved.reports).partition(" ")[2]


COMMANDS: dict[str, Command] = {
    "evacuate": _evacuate,
    "crash": _crash,
    "revive": _revive,
    "ha": _ha,
}
