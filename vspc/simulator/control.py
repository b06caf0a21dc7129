"""Commands to a running simulator, one a line, each answered by one line, `ok ...` or `error ...`.

A connection's commands are done one after the other; `vmotion` is answered when it is over.
"""

import json
import re
from collections.abc import Callable, Iterable
from ipaddress import ip_address

from twisted.internet.defer import Deferred, succeed
from twisted.internet.protocol import Factory, connectionDone
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure

from vspc.simulator.addresses import next_host
from vspc.simulator.counters import Report
from vspc.simulator.migration import Abort
from vspc.simulator.vm import CannotMove, VirtualMachine

LINE = 16 * 1024
"""Bytes of one command."""

NAME = 80
"""Characters of a VM's name, as vSphere allows."""

_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_LETTERS = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"e": b"\x1b", b"\\": b"\\"}
_ABORTS = {"abort": Abort.AFTER_GOAHEAD, "abort-late": Abort.AFTER_PEER_OK}


class CommandError(Exception):
    """A command that cannot be done; the text says why."""


def unescape(text: str) -> bytes:
    r"""Bytes of a text with `\r`, `\n`, `\t`, `\e`, `\\` and `\xNN` in it."""
    return _ESCAPE.sub(
        lambda found: bytes.fromhex(found[1].decode()) if found[1] else _letter(found[2]),
        text.encode(),
    )


def _letter(letter: bytes) -> bytes:
    return _LETTERS.get(letter, b"\\" + letter)


class Control:
    """The commands, for a set of VMs."""

    def __init__(
        self, vms: Iterable[VirtualMachine], transfer: float, end: Callable[[], object]
    ) -> None:
        self._vms = list(vms)
        self._transfer = transfer
        self._end = end

    def run(self, line: str) -> Deferred[str]:
        """Do one command; its answer. Never fails."""
        word, _, rest = line.strip("\r\n").partition(" ")
        command = _COMMANDS.get(word)
        if command is None:
            return succeed(f"error {word!r} is no command; there are {' '.join(_COMMANDS)}")
        try:
            answer = command(self, rest)
        except (CommandError, CannotMove) as error:
            return succeed(f"error {error}")
        return succeed(answer) if isinstance(answer, str) else answer

    def _vm(self, name: str) -> VirtualMachine:
        for vm in self._vms:
            if vm.name == name:
                return vm
        raise CommandError(f"no VM is called {name!r}")

    def _words(self, text: str, usage: str, most: int) -> tuple[VirtualMachine, list[str]]:
        words = text.split()
        if not 1 <= len(words) <= most:
            raise CommandError(f"usage: {usage}")
        return self._vm(words[0]), words[1:]

    def _list(self, _text: str) -> str:
        facts = [
            {
                "name": vm.name,
                "uuid": vm.identity.vc_uuid,
                "state": vm.state,
                "address": vm.address,
            }
            for vm in self._vms
        ]
        return f"ok {json.dumps(facts)}"

    def _on(self, text: str) -> str:
        vm, _ = self._words(text, "on NAME", 1)
        return "ok" if vm.power_on() else "error it is on"

    def _off(self, text: str) -> str:
        vm, _ = self._words(text, "off NAME", 1)
        return "ok" if vm.power_off() else "error it is off"

    def _reboot(self, text: str) -> str:
        vm, _ = self._words(text, "reboot NAME", 1)
        return "ok" if vm.reboot() else "error its guest does not run, or has no reset button"

    def _rename(self, text: str) -> str:
        usage = "rename NAME NEW [announce]"
        vm, words = self._words(text, usage, 3)
        if not words or words[1:] not in ([], ["announce"]) or len(words[0]) > NAME:
            raise CommandError(f"usage: {usage}")
        if any(other.name == words[0] for other in self._vms if other is not vm):
            raise CommandError(f"{words[0]!r} is another VM's name")
        vm.rename(words[0], announce=len(words) == 2)
        return "ok"

    def _break(self, text: str) -> str:
        vm, words = self._words(text, "break NAME [control]", 2)
        if words not in ([], ["control"]):
            raise CommandError("usage: break NAME [control]")
        return "ok" if vm.send_break(com_port=bool(words)) else "error it cannot be said now"

    def _type(self, text: str) -> str:
        name, _, keys = text.partition(" ")
        self._vm(name).type(unescape(keys) + b"\r")
        return "ok"

    def _output(self, text: str) -> str:
        name, _, output = text.partition(" ")
        self._vm(name).flow.transmit(unescape(output))
        return "ok"

    def _stats(self, text: str) -> str:
        vm, _ = self._words(text, "stats NAME", 1)
        return f"ok {json.dumps(vm.stats())}"

    def _quit(self, _text: str) -> str:
        self._end()
        return "ok"

    def _vmotion(self, text: str) -> Deferred[str]:
        vm, words = self._words(text, "vmotion NAME [ADDRESS] [abort] [sequence=HEX]", 4)
        address, abort, sequence = next_host(vm.address), Abort.NEVER, None
        for word in words:
            if word in _ABORTS:
                abort = _ABORTS[word]
            elif word.startswith("sequence="):
                sequence = _hex(word.partition("=")[2])
            else:
                address = _address(word)
        moving = vm.migrate(address, self._transfer, abort, sequence)
        return moving.addCallback(lambda report: _answer(report, abort))


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise CommandError(f"{text!r} is not hex") from None


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise CommandError(f"{text!r} is not an address") from None


def _answer(report: Report, abort: Abort) -> str:
    if report.outcome == "moved":
        return f"ok moved in {report.milliseconds} ms from {report.source} to {report.target}"
    if report.outcome == "notnow":
        return f"error not now, said the proxy after {report.goahead_milliseconds} ms"
    if abort is not Abort.NEVER and report.reason == "aborted on purpose":
        return f"ok aborted in {report.milliseconds} ms, stays at {report.source}"
    return f"error failed after {report.milliseconds} ms: {report.reason}"


_COMMANDS: dict[str, Callable[[Control, str], "str | Deferred[str]"]] = {
    "list": Control._list,
    "on": Control._on,
    "off": Control._off,
    "reboot": Control._reboot,
    "rename": Control._rename,
    "vmotion": Control._vmotion,
    "break": Control._break,
    "type": Control._type,
    "output": Control._output,
    "stats": Control._stats,
    "quit": Control._quit,
}


class ControlLine(LineReceiver):
    """One connection to the control socket, or standard input and output."""

    delimiter = b"\n"
    MAX_LENGTH = LINE

    def __init__(self, control: Control) -> None:
        self._control = control
        self._open = True

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Nobody hears the answers any more."""
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
        """The rest of it cannot be told from the next command."""
        self.sendLine(b"error the line is too long")  # type: ignore[no-untyped-call]
        if self.transport is not None:
            self.transport.loseConnection()


class ControlFactory(Factory):
    """Makes `ControlLine`s."""

    noisy = False

    def __init__(self, control: Control) -> None:
        self._control = control

    def buildProtocol(self, _address: object) -> ControlLine:
        """One for each who connects."""
        return ControlLine(self._control)
