r"""Commands about VMs, hosts and hosts that lie; the table is at the foot.

docs/simulator.md describes them. Words are separated by spaces; bytes are text with `\xNN` in it.
"""

import json
import re
from collections.abc import Callable
from ipaddress import ip_address
from typing import cast

from attrs import evolve
from twisted.internet.defer import Deferred, gatherResults

from vspc.simulator.extension import VmIdentity, identity, plain_uuid
from vspc.simulator.fleet import Fleet, Machine, VmMoved
from vspc.simulator.impostors import Impostor, ImpostorClaim
from vspc.simulator.migration import PlannedFault
from vspc.simulator.serial_port import Report
from vspc.simulator.vm import VirtualMachine, next_host

LONGEST = 86_400.0
"""Seconds, for every time that is asked for."""

_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_LETTERS = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"e": b"\x1b", b"s": b" ", b"\\": b"\\"}


class CommandError(ValueError):
    """A command that cannot be done; the text says why."""


def unescape(text: str) -> bytes:
    r"""Bytes of a text with `\r`, `\n`, `\t`, `\e`, `\s` (a space), `\\` and `\xNN` in it."""
    return _ESCAPE.sub(
        lambda found: bytes.fromhex(found[1].decode()) if found[1] else _letter(found[2]),
        text.encode(),
    )


def _letter(letter: bytes) -> bytes:
    return _LETTERS.get(letter, b"\\" + letter)


def address(text: str) -> str:
    """An IP address, in its shortest spelling."""
    try:
        return str(ip_address(text))
    except ValueError:
        raise CommandError(f"{text!r} is not an address") from None


def seconds(text: str) -> float:
    """A time from 0 to `LONGEST`."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= LONGEST:
        raise CommandError(f"{text!r} is not a time from 0 to {LONGEST:.0f} seconds")
    return value


def from_hex(text: str) -> bytes:
    """Bytes of hex digits."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise CommandError(f"{text!r} is not hex") from None


def options(words: list[str], *keys: str) -> dict[str, str]:
    """KEY=VALUE words, of the `keys` that there are; a key alone has the value "" ."""
    found = {}
    for word in words:
        key, _, value = word.partition("=")
        if key not in keys or key in found:
            raise CommandError(f"{word!r} is none of {' '.join(keys)}, or is there twice")
        found[key] = value
    return found


NAME = 80
"""Characters of a VM's name, as vSphere allows."""

Command = Callable[[Fleet, str], "str | Deferred[str]"]


def find(fleet: Fleet, word: str) -> tuple[Machine, VirtualMachine | None]:
    """NAME or NAME:PORT. Raises CommandError."""
    found = fleet.find(word)
    if found is None:
        raise CommandError(f"unknown VM {word!r}")
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


_LIE = "lie ADDRESS [as=NAME] [uuid=HEX] [name=NAME] [uri=URI] [peer=HEX] [text=TEXT] [early]"


def _lie(fleet: Fleet, text: str) -> str:
    words = text.split()
    if not words:
        raise CommandError(f"usage: {_LIE}")
    said = options(words[1:], "as", "uuid", "name", "uri", "peer", "text", "early")
    claimed, uri = identity(said.get("name", "liar")), None
    if "as" in said:
        machine, port = find(fleet, said["as"])
        claimed = machine.first.identity
        uri = (port or machine.first).settings.service_uri
    claim = ImpostorClaim(
        address=address(words[0]),
        identity=_changed(claimed, said),
        text=unescape(said.get("text", "")),
        service_uri=said.get("uri", uri),
        credential=from_hex(said["peer"]) if "peer" in said else None,
        early="early" in said,
    )
    return f"ok {fleet.impostors.connect(claim)}"


def _changed(claimed: VmIdentity, said: dict[str, str]) -> VmIdentity:
    if "uuid" in said:
        claimed = evolve(claimed, vc_uuid=plain_uuid(said["uuid"]))
    return evolve(claimed, name=said["name"]) if "name" in said else claimed


def _lies(fleet: Fleet, text: str) -> str:
    if text.strip():
        raise CommandError("usage: lies")
    facts = [{"number": n, **each.facts()} for n, each in enumerate(fleet.impostors.all, 1)]
    return f"ok {json.dumps(facts)}"


def _impostor(fleet: Fleet, word: str) -> Impostor:
    every = fleet.impostors.all
    if not (word.isascii() and word.isdigit() and 1 <= int(word[:9]) <= len(every)):
        raise CommandError(f"unknown lie {word!r}: `lies` lists their numbers")
    return every[int(word) - 1]


def _lie_output(fleet: Fleet, text: str) -> str:
    number, _, output = text.partition(" ")
    _impostor(fleet, number).line.send(unescape(output))
    return "ok"


def _lie_change(fleet: Fleet, text: str) -> str:
    number, *words = text.split() or [""]
    impostor = _impostor(fleet, number)
    impostor.change(_changed(impostor.identity, options(words, "uuid", "name")))
    return "ok"


def _lie_end(fleet: Fleet, text: str) -> str:
    _impostor(fleet, text.strip()).line.close()
    return "ok"


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
    "evacuate": _evacuate,
    "crash": _crash,
    "revive": _revive,
    "ha": _ha,
    "lie": _lie,
    "lies": _lies,
    "lie-output": _lie_output,
    "lie-change": _lie_change,
    "lie-end": _lie_end,
}
