"""Commands about one VM. The table at the foot says what there is, docs/simulator.md what it is."""

import json
from collections.abc import Callable

from twisted.internet.defer import Deferred

from vspc.simulator.addresses import next_host
from vspc.simulator.counters import Report
from vspc.simulator.fleet import Fleet
from vspc.simulator.machine import Machine
from vspc.simulator.plan import PlannedFault
from vspc.simulator.vm import VirtualMachine
from vspc.simulator.words import CommandError, address, from_hex, seconds, unescape

NAME = 80
"""Characters of a VM's name, as vSphere allows."""

Command = Callable[[Fleet, str], "str | Deferred[str]"]


def find(fleet: Fleet, word: str) -> tuple[Machine, VirtualMachine | None]:
    """NAME or NAME:PORT. Raises CommandError."""
    found = fleet.find(word)
    if found is None:
        raise CommandError(f"no VM is called {word!r}")
    return found


def words_of(fleet: Fleet, text: str, usage: str, most: int) -> tuple[Machine, list[str]]:
    """A VM, and at most `most` - 1 words behind its name. Raises CommandError."""
    words = text.split()
    if not 1 <= len(words) <= most:
        raise CommandError(f"usage: {usage}")
    return find(fleet, words[0])[0], words[1:]


def _port(fleet: Fleet, word: str) -> VirtualMachine:
    machine, port = find(fleet, word)
    return port or machine.first


def _list(fleet: Fleet, _text: str) -> str:
    ports = [port.summary() for machine in fleet.machines for port in machine.ports]
    return f"ok {json.dumps(ports)}"


def _on(fleet: Fleet, text: str) -> str:
    machine, _ = words_of(fleet, text, "on NAME", 1)
    return "ok" if machine.power_on() else "error it is on"


def _off(fleet: Fleet, text: str) -> str:
    machine, _ = words_of(fleet, text, "off NAME", 1)
    return "ok" if machine.power_off() else "error it is off"


def _reboot(fleet: Fleet, text: str) -> str:
    machine, _ = words_of(fleet, text, "reboot NAME", 1)
    return "ok" if machine.reboot() else "error its guest does not run, or has no reset button"


def _rename(fleet: Fleet, text: str) -> str:
    usage = "rename NAME NEW [announce]"
    machine, words = words_of(fleet, text, usage, 3)
    if not words or words[1:] not in ([], ["announce"]) or len(words[0]) > NAME:
        raise CommandError(f"usage: {usage}")
    if any(other.name == words[0] for other in fleet.machines if other is not machine):
        raise CommandError(f"{words[0]!r} is another VM's name")
    machine.rename(words[0], announce=len(words) == 2)
    return "ok"


def _stun(fleet: Fleet, text: str) -> str:
    usage = "stun NAME SECONDS"
    machine, words = words_of(fleet, text, usage, 2)
    if not words:
        raise CommandError(f"usage: {usage}")
    if not machine.stun(seconds(words[0])):
        raise CommandError(f"it is {machine.first.state}")
    return "ok"


def _restart(fleet: Fleet, text: str) -> str:
    machine, words = words_of(fleet, text, "restart NAME [ADDRESS]", 2)
    target = address(words[0]) if words else next_host(machine.address)
    return "ok" if machine.restart(target) else "error it is on"


def _break(fleet: Fleet, text: str) -> str:
    word, _, how = text.strip().partition(" ")
    if not word or how not in ("", "control"):
        raise CommandError("usage: break NAME [control]")
    said = _port(fleet, word).send_break(com_port=how == "control")
    return "ok" if said else "error it cannot be said now"


def _type(fleet: Fleet, text: str) -> str:
    name, _, keys = text.partition(" ")
    _port(fleet, name).type(unescape(keys) + b"\r")
    return "ok"


def _output(fleet: Fleet, text: str) -> str:
    name, _, output = text.partition(" ")
    _port(fleet, name).flow.transmit(unescape(output))
    return "ok"


def _stats(fleet: Fleet, text: str) -> str:
    words = text.split()
    if len(words) != 1:
        raise CommandError("usage: stats NAME")
    return f"ok {json.dumps(_port(fleet, words[0]).stats())}"


def _vmotion(fleet: Fleet, text: str) -> "Deferred[str]":
    first, *words = text.split() or [""]
    machine, port = find(fleet, first)
    target, fault, sequence = next_host(machine.address), PlannedFault.NONE, None
    faults = {fault.value: fault for fault in PlannedFault if fault.value}
    for word in words:
        if word in faults:
            fault = faults[word]
        elif word.startswith("sequence="):
            sequence = from_hex(word.partition("=")[2])
        else:
            target = address(word)
    moving = machine.move(target, fleet.transfer, fault, port, sequence)
    return moving.addCallback(lambda reports: answer(reports, fault))


def worst(reports: list[Report]) -> Report:
    """The report that says what became of the VM: the first port that did not move by itself."""
    stayed = [report for report in reports if report.outcome != "moved"]
    own = [report for report in stayed if not report.reason.startswith("another port")]
    return (own or stayed or reports)[0]


def answer(reports: list[Report], fault: PlannedFault = PlannedFault.NONE) -> str:
    """How a VM's vMotion ended, as a line."""
    report = worst(reports)
    if report.outcome == "moved":
        longest = max(each.milliseconds for each in reports)
        return f"ok moved in {longest} ms from {report.source} to {report.target}"
    if report.outcome == "notnow":
        return f"error not now, said the proxy after {report.goahead_milliseconds} ms"
    if fault is not PlannedFault.NONE and report.reason.endswith("on purpose"):
        what = "aborted" if report.reason.startswith("aborted") else "failed"
        return f"ok {what} in {report.milliseconds} ms, stays at {report.source}"
    return f"error failed after {report.milliseconds} ms: {report.reason}"


COMMANDS: dict[str, Command] = {
    "list": _list,
    "on": _on,
    "off": _off,
    "reboot": _reboot,
    "rename": _rename,
    "vmotion": _vmotion,
    "stun": _stun,
    "restart": _restart,
    "break": _break,
    "type": _type,
    "output": _output,
    "stats": _stats,
}
