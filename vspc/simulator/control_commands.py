r"""Commands about VMs, hosts and hosts that lie; the table is at the foot.

docs/simulator.md describes them. Words are separated by spaces; bytes are text with `\xNN` in it.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_address
from types import MappingProxyType
from typing import cast

from attrs import evolve, frozen
from twisted.internet.defer import Deferred, gatherResults

from vspc.simulator.extension import VmIdentity, identity, plain_uuid
from vspc.simulator.fleet import Fleet, SimulatedVm, VmMoved
from vspc.simulator.impostors import Impostor, ImpostorClaim
from vspc.simulator.migration import PlannedFault
from vspc.simulator.serial_port import MigrationReport
from vspc.simulator.vm import SimulatedPort, next_host

NAME = 80
"""Characters of a VM's name, as vSphere allows."""

LONGEST = 86_400.0
"""Seconds, for every time that is asked for."""

_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_LETTERS = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"e": b"\x1b", b"s": b" ", b"\\": b"\\"}


class CommandError(ValueError):
    """A command that cannot be done; the text is the reason."""


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


def options(words: Iterable[str], *keys: str) -> dict[str, str]:
    """KEY=VALUE words, of the `keys` that there are; a key alone has the value "" ."""
    found = {}
    for word in words:
        key, _, value = word.partition("=")
        if key not in keys or key in found:
            raise CommandError(f"{word!r} is not one of {' '.join(keys)}, or is there twice")
        found[key] = value
    return found


Answer = str | Deferred[str]


@frozen
class ControlCommand:
    """A command. `run` gets the words behind it, from `least` to `most` of them; where it
    `takes_text`, the first word and what stands behind it.
    """

    usage: str
    run: Callable[..., Answer]
    least: int = 1
    most: int = 1
    takes_text: bool = False

    def __call__(self, fleet: Fleet, text: str) -> Answer:
        """Run it. Raises ValueError or CannotMove; their texts are the reasons."""
        if self.takes_text:
            word, _, rest = text.partition(" ")
            return self.run(fleet, word, rest)
        words = text.split()
        if not self.least <= len(words) <= self.most:
            raise self.misused()
        return self.run(fleet, *words)

    def misused(self) -> CommandError:
        """Words that make no sense."""
        return CommandError(f"usage: {self.usage}")


def find(fleet: Fleet, word: str) -> tuple[SimulatedVm, SimulatedPort | None]:
    """NAME or NAME:PORT. Raises CommandError."""
    found = fleet.find(word)
    if found is None:
        raise CommandError(f"unknown VM {word!r}")
    return found


def _machine(fleet: Fleet, word: str) -> SimulatedVm:
    return find(fleet, word)[0]


def _port(fleet: Fleet, word: str) -> SimulatedPort:
    machine, port = find(fleet, word)
    return port or machine.first


def _done(done: bool, otherwise: str) -> str:
    return "ok" if done else f"error {otherwise}"


# VMs


def _list(fleet: Fleet) -> str:
    ports = [port.summary() for machine in fleet.machines for port in machine.ports]
    return f"ok {json.dumps(ports)}"


def _on(fleet: Fleet, name: str) -> str:
    return _done(_machine(fleet, name).power_on(), "it is on")


def _off(fleet: Fleet, name: str) -> str:
    return _done(_machine(fleet, name).power_off(), "it is off")


def _reboot(fleet: Fleet, name: str) -> str:
    why_not = "its guest does not run, or has no reset button"
    return _done(_machine(fleet, name).reboot(), why_not)


def _rename(fleet: Fleet, name: str, new: str, how: str = "") -> str:
    machine = _machine(fleet, name)
    if how not in ("", "announce") or len(new) > NAME:
        raise COMMANDS["rename"].misused()
    if any(other.name == new for other in fleet.machines if other is not machine):
        raise CommandError(f"{new!r} is another VM's name")
    machine.rename(new, announce=bool(how))
    return "ok"


def _stun(fleet: Fleet, name: str, time: str) -> str:
    machine = _machine(fleet, name)
    return _done(machine.stun(seconds(time)), f"it is {machine.first.state}")


def _restart(fleet: Fleet, name: str, target: str = "") -> str:
    machine = _machine(fleet, name)
    host = address(target) if target else next_host(machine.address)
    return _done(machine.restart(host), "it is on")


def _break(fleet: Fleet, name: str, how: str = "") -> str:
    if how not in ("", "control"):
        raise COMMANDS["break"].misused()
    sent = _port(fleet, name).send_break(com_port=bool(how))
    return _done(sent, "it cannot be sent now")


def _type(fleet: Fleet, name: str, keys: str) -> str:
    _port(fleet, name).type(unescape(keys) + b"\r")
    return "ok"


def _output(fleet: Fleet, name: str, output: str) -> str:
    _port(fleet, name).flow.transmit(unescape(output))
    return "ok"


def _stats(fleet: Fleet, name: str) -> str:
    return f"ok {json.dumps(_port(fleet, name).stats())}"


def _vmotion(fleet: Fleet, name: str, *words: str) -> Deferred[str]:
    machine, port = find(fleet, name)
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


def worst(reports: list[MigrationReport]) -> MigrationReport:
    """The report that decides for the VM: the first port that did not move by itself."""
    stayed = [report for report in reports if report.outcome != "moved"]
    own = [report for report in stayed if not report.reason.startswith("another port")]
    return (own or stayed or reports)[0]


def answer(reports: list[MigrationReport], fault: PlannedFault = PlannedFault.NONE) -> str:
    """How a VM's vMotion ended, as a line."""
    report = worst(reports)
    if report.outcome == "moved":
        longest = max(each.milliseconds for each in reports)
        return f"ok moved in {longest} ms from {report.source} to {report.target}"
    if report.outcome == "notnow":
        return f"error VMOTION-NOTNOW from the proxy after {report.goahead_milliseconds} ms"
    if fault is not PlannedFault.NONE and report.reason.endswith("on purpose"):
        what = "aborted" if report.reason.startswith("aborted") else "failed"
        return f"ok {what} in {report.milliseconds} ms, stays at {report.source}"
    return f"error failed after {report.milliseconds} ms: {report.reason}"


# Hosts


def _crash(fleet: Fleet, host: str) -> str:
    return _names(fleet.crash(address(host)), host)


def _names(machines: list[SimulatedVm], host: str) -> str:
    if not machines:
        raise CommandError(f"no VM is on at {host}")
    return f"ok {json.dumps([machine.name for machine in machines])}"


def _revive(fleet: Fleet, host: str) -> str:
    lines = fleet.revive(address(host))
    if not lines:
        raise CommandError(f"no host died at {host}, or it left no line")
    return f"ok {lines}"


def _ha(fleet: Fleet, host: str, target: str) -> str:
    return _names(fleet.ha(address(host), address(target)), host)


def _evacuate(fleet: Fleet, host: str, target: str) -> Deferred[str]:
    moving = fleet.evacuate(address(host), address(target))
    if not moving:
        raise CommandError(f"no VM is on at {host}")
    everyone = cast("Deferred[list[VmMoved]]", gatherResults(moving))
    return everyone.addCallback(_evacuated)


def _evacuated(moved: list[VmMoved]) -> str:
    ends = {each.name: _ended(each) for each in moved}
    done = sum(text.startswith("moved ") for text in ends.values())
    return f"ok {json.dumps({'moved': done, 'failed': len(ends) - done, 'vms': ends})}"


def _ended(moved: VmMoved) -> str:
    if moved.refused:
        return f"did not begin: {moved.refused}"
    return answer(moved.reports).partition(" ")[2]


# Impostors


def _lie(fleet: Fleet, host: str, *words: str) -> str:
    given = options(words, "as", "uuid", "name", "uri", "peer", "text", "early")
    claimed, uri = identity(given.get("name", "liar")), None
    if "as" in given:
        machine, port = find(fleet, given["as"])
        claimed = machine.first.identity
        uri = (port or machine.first).settings.service_uri
    claim = ImpostorClaim(
        address=address(host),
        identity=_changed(claimed, given),
        text=unescape(given.get("text", "")),
        service_uri=given.get("uri", uri),
        credential=from_hex(given["peer"]) if "peer" in given else None,
        early="early" in given,
    )
    return f"ok {fleet.impostors.connect(claim)}"


def _changed(claimed: VmIdentity, given: dict[str, str]) -> VmIdentity:
    if "uuid" in given:
        claimed = evolve(claimed, vc_uuid=plain_uuid(given["uuid"]))
    return evolve(claimed, name=given["name"]) if "name" in given else claimed


def _lies(fleet: Fleet) -> str:
    facts = [{"number": n, **each.facts()} for n, each in enumerate(fleet.impostors.all, 1)]
    return f"ok {json.dumps(facts)}"


def _impostor(fleet: Fleet, word: str) -> Impostor:
    every = fleet.impostors.all
    digits = word.lstrip("0") if word.isascii() and word.isdigit() else ""
    number = int(digits) if 0 < len(digits) < 9 else 0
    if not 1 <= number <= len(every):
        raise CommandError(f"unknown lie {word!r}: `lies` lists their numbers")
    return every[number - 1]


def _lie_output(fleet: Fleet, number: str, output: str) -> str:
    _impostor(fleet, number).line.send(unescape(output))
    return "ok"


def _lie_change(fleet: Fleet, number: str, *words: str) -> str:
    impostor = _impostor(fleet, number)
    impostor.change(_changed(impostor.identity, options(words, "uuid", "name")))
    return "ok"


def _lie_end(fleet: Fleet, number: str) -> str:
    _impostor(fleet, number).line.close()
    return "ok"


_LIE = "lie ADDRESS [as=NAME] [uuid=HEX] [name=NAME] [uri=URI] [peer=HEX] [text=TEXT] [early]"
_VMOTION = "vmotion NAME [ADDRESS] [FAULT] [sequence=HEX]"

COMMANDS: Mapping[str, ControlCommand] = MappingProxyType(
    {
        "list": ControlCommand("list", _list, 0, 0),
        "on": ControlCommand("on NAME", _on),
        "off": ControlCommand("off NAME", _off),
        "reboot": ControlCommand("reboot NAME", _reboot),
        "rename": ControlCommand("rename NAME NEW [announce]", _rename, 2, 3),
        "vmotion": ControlCommand(_VMOTION, _vmotion, 1, 4),
        "stun": ControlCommand("stun NAME SECONDS", _stun, 2, 2),
        "restart": ControlCommand("restart NAME [ADDRESS]", _restart, 1, 2),
        "break": ControlCommand("break NAME [control]", _break, 1, 2),
        "type": ControlCommand("type NAME TEXT", _type, takes_text=True),
        "output": ControlCommand("output NAME TEXT", _output, takes_text=True),
        "stats": ControlCommand("stats NAME", _stats),
        "evacuate": ControlCommand("evacuate ADDRESS TARGET", _evacuate, 2, 2),
        "crash": ControlCommand("crash ADDRESS", _crash),
        "revive": ControlCommand("revive ADDRESS", _revive),
        "ha": ControlCommand("ha ADDRESS TARGET", _ha, 2, 2),
        "lie": ControlCommand(_LIE, _lie, 1, 8),
        "lies": ControlCommand("lies", _lies, 0, 0),
        "lie-output": ControlCommand("lie-output NUMBER TEXT", _lie_output, takes_text=True),
        "lie-change": ControlCommand("lie-change NUMBER [uuid=HEX] [name=NAME]", _lie_change, 1, 3),
        "lie-end": ControlCommand("lie-end NUMBER", _lie_end),
    }
)
