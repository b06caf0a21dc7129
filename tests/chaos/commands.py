"""Commands of operators: by the control socket, and by real ssh through a relay."""

import json
import os
from pathlib import Path
from typing import Any, Protocol

from twisted.internet import protocol
from twisted.internet.defer import Deferred
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from vspc.doors.control import FRAME, WINDOW, FrameReceiver, frame

TERMINAL = {"kind": "xterm", "columns": 80, "rows": 24}


class Reader(Protocol):
    """Who started a command."""

    def output(self, data: bytes) -> None:
        """Standard output."""

    def error(self, data: bytes) -> None:
        """Standard error."""


class Command(Protocol):
    """One that runs. `ended` fires with the exit status, or None where there was none."""

    ended: Deferred[int | None]

    def type(self, data: bytes) -> bool:
        """Type `data`; False if it is not taken now."""

    def end_input(self) -> None:
        """End of input, after what was typed."""

    def cut(self) -> None:
        """End it from outside, without a word."""


class LocalCommand(FrameReceiver):
    """A verb by the control socket, as `vspc VERB` runs it."""

    transport: Any

    def __init__(self, words: list[str], reader: Reader, terminal: bool) -> None:
        super().__init__(self._frame)
        self.ended: Deferred[int | None] = Deferred()
        self._words = words
        self._reader = reader
        self._terminal = TERMINAL if terminal else None
        self._window = WINDOW
        self._waiting = bytearray()
        self._input_ended = False
        self._status: int | None = None
        self._is_over = False

    def connectionMade(self) -> None:
        request = json.dumps({"words": self._words, "terminal": self._terminal})
        self.transport.write(frame(b"V", request.encode()))
        self._pump()

    def _frame(self, kind: bytes, data: bytes) -> None:
        if kind == b"O":
            self._reader.output(data)
        elif kind == b"X":
            self._reader.error(data)
        elif kind == b"A":
            self._window += int(data)
            self._pump()
        elif kind == b"S":
            self._status = int(data)

    def type(self, data: bytes) -> bool:
        if self._is_over or self._input_ended:
            return False
        self._waiting += data
        self._pump()
        return True

    def end_input(self) -> None:
        self._input_ended = True
        self._pump()

    def _pump(self) -> None:
        if self.transport is None or self._is_over:
            return
        while self._waiting and self._window > 0:
            piece = bytes(self._waiting[: min(self._window, FRAME)])
            del self._waiting[: len(piece)]
            self._window -= len(piece)
            self.transport.write(frame(b"I", piece))
        if self._input_ended and not self._waiting:
            self.transport.write(frame(b"E"))
            self._input_ended = False
            self._is_over = True

    def cut(self) -> None:
        if self.transport is not None:
            self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._is_over = True
        self._over()

    def failed(self) -> None:
        """No server answers."""
        self._over()

    def _over(self) -> None:
        if not self.ended.called:
            self.ended.callback(self._status)


class _LocalFactory(protocol.ClientFactory):
    noisy = False

    def __init__(self, command: LocalCommand) -> None:
        self._command = command

    def buildProtocol(self, _address: object) -> LocalCommand:
        return self._command

    def clientConnectionFailed(self, _connector: object, _reason: object) -> None:
        self._command.failed()


class SshCommand(protocol.ProcessProtocol):
    """A command by OpenSSH."""

    transport: Any

    def __init__(self, reader: Reader) -> None:
        self.ended: Deferred[int | None] = Deferred()
        self._reader = reader
        self._is_over = False

    def outReceived(self, data: bytes) -> None:
        self._reader.output(data)

    def errReceived(self, data: bytes) -> None:
        self._reader.error(data)

    def processEnded(self, reason: Failure) -> None:
        self._is_over = True
        status = getattr(reason.value, "exitCode", None)
        self.ended.callback(None if status == 255 else status)

    def type(self, data: bytes) -> bool:
        if self._is_over:
            return False
        self.transport.write(data)
        return True

    def end_input(self) -> None:
        self.transport.closeStdin()

    def cut(self) -> None:
        if not self._is_over:
            self.transport.signalProcess("KILL")


class Operators:
    """Starts commands; `ssh` is the command line up to the destination."""

    def __init__(self, reactor: Any, state: Path, ssh: list[str], operator: str) -> None:
        self._reactor = reactor
        self._control = state / "control"
        self._ssh = ssh
        self._operator = operator
        self.running: set[Command] = set()

    def local(self, words: list[str], reader: Reader, terminal: bool = False) -> LocalCommand:
        """Start a verb by the control socket."""
        command = LocalCommand(words, reader, terminal)
        self._reactor.connectUNIX(str(self._control), _LocalFactory(command), 10)
        self._keep(command)
        return command

    def remote(
        self, words: list[str], reader: Reader, login: str = "", terminal: bool = False
    ) -> SshCommand:
        """Start a verb by ssh; `login` is what follows the operator's name."""
        command = SshCommand(reader)
        options = ["-tt"] if terminal else []
        destination = f"{self._operator}{login}@127.0.0.1"
        line = [*self._ssh, *options, destination, *words]
        self._reactor.spawnProcess(command, line[0], line, dict(os.environ))
        self._keep(command)
        return command

    def _keep(self, command: Command) -> None:
        self.running.add(command)

        def over(status: int | None) -> int | None:
            self.running.discard(command)
            return status

        command.ended.addCallback(over)

    def stop(self) -> None:
        """End all that run."""
        for command in list(self.running):
            command.cut()
