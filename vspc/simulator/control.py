"""Commands to a running simulator, one a line, each answered by one line, `ok ...` or `error ...`.

A connection's commands are done one after the other; `vmotion` is answered when it is over.
"""

from collections.abc import Callable

from twisted.internet.defer import Deferred, succeed
from twisted.internet.protocol import Factory, connectionDone
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure

from vspc.simulator.control_commands import COMMANDS, ControlCommand
from vspc.simulator.fleet import Fleet
from vspc.simulator.vm import CannotMove

LINE = 16 * 1024
"""Bytes of one command."""


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


class SimulatorControlFactory(Factory):
    """Makes `ControlLine`s."""

    noisy = False

    def __init__(self, control: SimulatorControl) -> None:
        self._control = control

    def buildProtocol(self, _address: object) -> ControlLine:
        return ControlLine(self._control)
