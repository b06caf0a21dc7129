r"""Commands to a running simulator, one a line, each answered by one line, `ok ...` or `error ...`.

docs/simulator.md describes them; the table is at the foot. Words are separated by spaces; bytes are
text with `\xNN` in it. A connection's commands are done one after the other; `vmotion` is answered
when it is over.
"""

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import cast

from attrs import evolve, frozen
from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.internet.protocol import connectionDone
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure

from vspc.simulator.arguments import NAME, address, from_hex, options, seconds, unescape
from vspc.simulator.comport import QUESTIONS, RESUME, SUSPEND, ComPortMessage
from vspc.simulator.extension import VmIdentity, identity, plain_uuid
from vspc.simulator.fleet import Fleet, SimulatedVm, VmMoved, outcome
from vspc.simulator.impostors import Impostor, ImpostorClaim
from vspc.simulator.migration import PlannedFault
from vspc.simulator.vm import CannotMove, SimulatedPort, next_host

LINE = 16 * 1024
"""Bytes of one command."""

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

    def misused(self) -> ValueError:
        """Words that make no sense."""
        return ValueError(f"usage: {self.usage}")


def _find(fleet: Fleet, word: str) -> tuple[SimulatedVm, SimulatedPort | None]:
    """NAME or NAME:PORT. Raises ValueError."""
    found = fleet.find(word)
    if found is None:
        raise ValueError(f"unknown VM {word!r}")
    return found


def _machine(fleet: Fleet, word: str) -> SimulatedVm:
    return _find(fleet, word)[0]


def _port(fleet: Fleet, word: str) -> SimulatedPort:
    machine, port = _find(fleet, word)
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
        raise ValueError(f"{new!r} is another VM's name")
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
    if how not in ("", "control", "both"):
        raise COMMANDS["break"].misused()
    sent = _port(fleet, name).flow.send_break(how != "control", bool(how))
    return _done(sent, "it cannot be sent now")


def _uart(fleet: Fleet, name: str, *words: str) -> str:
    port = _port(fleet, name)
    if not port.set_uart(port.uart.changed(*words)):
        return "error its guest stands still"
    return f"ok {port.uart}"


def _say(*messages: ComPortMessage) -> Callable[[Fleet, str], str]:
    def say(fleet: Fleet, name: str) -> str:
        return _done(_port(fleet, name).say_com_port(*messages), "it cannot be said now")

    return say


def _type(fleet: Fleet, name: str, keys: str) -> str:
    _port(fleet, name).type(unescape(keys) + b"\r")
    return "ok"


def _output(fleet: Fleet, name: str, output: str) -> str:
    _port(fleet, name).flow.transmit(unescape(output))
    return "ok"


def _stats(fleet: Fleet, name: str) -> str:
    return f"ok {json.dumps(_port(fleet, name).stats())}"


def _vmotion(fleet: Fleet, name: str, *words: str) -> Deferred[str]:
    machine, port = _find(fleet, name)
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
    return moving.addCallback(lambda reports: outcome(reports, fault))


# Hosts


def _crash(fleet: Fleet, host: str) -> str:
    return _names(fleet.crash(address(host)), host)


def _names(machines: list[SimulatedVm], host: str) -> str:
    if not machines:
        raise ValueError(f"no VM is on at {host}")
    return f"ok {json.dumps([machine.name for machine in machines])}"


def _revive(fleet: Fleet, host: str) -> str:
    lines = fleet.revive(address(host))
    if not lines:
        raise ValueError(f"no host died at {host}, or it left no line")
    return f"ok {lines}"


def _ha(fleet: Fleet, host: str, target: str) -> str:
    return _names(fleet.ha(address(host), address(target)), host)


def _evacuate(fleet: Fleet, host: str, target: str) -> Deferred[str]:
    moving = fleet.evacuate(address(host), address(target))
    if not moving:
        raise ValueError(f"no VM is on at {host}")
    everyone = cast("Deferred[list[VmMoved]]", gatherResults(moving))
    return everyone.addCallback(_evacuated)


def _evacuated(moved: list[VmMoved]) -> str:
    ends = {each.name: str(each) for each in moved}
    done = sum(text.startswith("moved ") for text in ends.values())
    return f"ok {json.dumps({'moved': done, 'failed': len(ends) - done, 'vms': ends})}"


# Impostors


def _lie(fleet: Fleet, host: str, *words: str) -> str:
    given = options(words, "as", "uuid", "name", "uri", "peer", "text", "early")
    claimed, uri = identity(given.get("name", "liar")), None
    if "as" in given:
        machine, port = _find(fleet, given["as"])
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
        raise ValueError(f"unknown lie {word!r}: `lies` lists their numbers")
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
        "break": ControlCommand("break NAME [control|both]", _break, 1, 2),
        "uart": ControlCommand("uart NAME [SPEED] [8N1] [dtr=off] [rts=off]", _uart, 1, 5),
        "uart-ask": ControlCommand("uart-ask NAME", _say(*QUESTIONS)),
        "suspend": ControlCommand("suspend NAME", _say((SUSPEND, b""))),
        "resume": ControlCommand("resume NAME", _say((RESUME, b""))),
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


class SimulatorControl:
    """The commands, for one simulator; `end` is called for `quit`."""

    def __init__(self, fleet: Fleet, end: Callable[[], object]) -> None:
        self._fleet = fleet
        self._commands = {**COMMANDS, "quit": ControlCommand("quit", self._quit, 0, 0)}
        self._end = end

    def run(self, line: str) -> Deferred[str]:
        """Do one command; its answer. Never fails."""
        word, _, rest = line.strip("\r\n").partition(" ")
        command = self._commands.get(word)
        if command is None:
            return succeed(f"error unknown command {word!r}; known: {' '.join(self._commands)}")
        try:
            answer = command(self._fleet, rest)
        except (ValueError, CannotMove) as error:
            return succeed(f"error {error}")
        return succeed(answer) if isinstance(answer, str) else answer

    def _quit(self, _fleet: Fleet) -> str:
        self._end()
        return "ok"


class ControlLine(LineReceiver):
    """One connection to the control socket, or standard input and output."""

    delimiter = b"\n"
    MAX_LENGTH = LINE

    def __init__(self, control: SimulatorControl) -> None:
        self._control = control
        self._open = True

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._open = False

    def lineReceived(self, line: bytes) -> None:
        """One command; the next one waits until it is done."""
        if not line.strip():
            return
        self.pauseProducing()  # type: ignore[no-untyped-call]
        self._control.run(line.decode("utf-8", "replace")).addCallback(self._answer)

    def _answer(self, answer: str) -> None:
        if self._open:
            self.sendLine(answer.encode())  # type: ignore[no-untyped-call]
            self.resumeProducing()  # type: ignore[no-untyped-call]

    def lineLengthExceeded(self, line: bytes) -> None:
        """Its end cannot be found: close."""
        self.sendLine(b"error the line is too long")  # type: ignore[no-untyped-call]
        if self.transport is not None:
            self.transport.loseConnection()
