"""What an escape command does over some time, while its operator looks on: a sequence, a paste."""

from collections.abc import Callable, Coroutine
from typing import Any

from vspc.apps.terminal.command import OperatorTerminal
from vspc.apps.terminal.input import InputMode, TypedPart
from vspc.apps.typing.task import TypingStopped, TypingTask
from vspc.apps.verbs.context import VerbExit
from vspc.common.clock import Timer, cancel
from vspc.console.input_queue import amount
from vspc.net.waiting import RunningCoroutine

PROGRESS = 5.0
"""Seconds between two notices about how far it is."""

INTERRUPT = b"\x03"

POSSIBLE = frozenset({".", "y", "N", "s", "w", "i"})
"""Escape commands that work meanwhile: above all those that answer who asks for the pen."""

Work = Callable[[TypingTask], Coroutine[Any, Any, str]]
"""What is done; it returns what to say at its end. Raises `TypingStopped`, or `VerbExit`."""


def run_typing(
    terminal: OperatorTerminal, name: str, work: Work, progress: Callable[[], str] | None = None
) -> None:
    """Do `work`, called `name` in notices, until its end or Control-C; `progress` says how far it
    is.
    """
    mode = RunningMode(terminal, name, work, progress)
    terminal.enter(mode)
    mode.begin()


class RunningMode(InputMode):
    """Keys are not for the VM meanwhile: Control-C stops it, others are told of and dropped, but
    for the escape commands in `POSSIBLE`.
    """

    holds_output = False

    def __init__(
        self,
        terminal: OperatorTerminal,
        name: str,
        work: Work,
        progress: Callable[[], str] | None,
    ) -> None:
        self._terminal = terminal
        self._name = name
        self._work = work
        self._progress = progress
        self._task = TypingTask(terminal.call, terminal.console, terminal.attachment)
        self._running: RunningCoroutine | None = None
        self._timer = Timer(terminal.call.context.clock)
        self._escapes = terminal.keys.other_escapes()
        self._is_over = self._has_complained = False

    def begin(self) -> None:
        """Begin."""
        if self._progress is not None:
            self._timer.start(PROGRESS, self._tell_progress)
        self._running = RunningCoroutine(self._run())

    async def _run(self) -> None:
        try:
            said = await self._work(self._task)
        except TypingStopped as stopped:
            said = stopped.why
            if stopped.refusal is not None:
                self._terminal.record_refusal(stopped.refusal)
        except VerbExit as end:
            said = "; ".join(end.lines)
        self._end(said)

    def _end(self, said: str) -> None:
        self._is_over = True
        self._terminal.leave_mode()
        if said:
            self._terminal.screen.line(said)

    def _tell_progress(self) -> None:
        assert self._progress is not None
        stops = "Control-C stops it"
        self._terminal.screen.line(f"{self._name}: {self._progress()}; {stops}")
        self._timer.start(PROGRESS, self._tell_progress)

    # `InputMode`

    def keys(self, data: bytes) -> bytes:
        if INTERRUPT in data:
            self._terminal.leave_mode()
            return b""
        while data and not self._is_over:
            part = TypedPart(data) if self._escapes is None else self._escapes.feed(data)
            self._refuse(part.data)
            if part.command in POSSIBLE:
                self._terminal.commanded(part.command)
            elif part.command:
                self._terminal.screen.line(f"not while {self._name} is running")
            data = part.rest
        return data

    def _refuse(self, data: bytes) -> None:
        """Tell once that keys are dropped."""
        if data and not self._has_complained:
            self._has_complained = True
            why = f"{self._name} is running, Control-C stops it"
            self._terminal.screen.line(f"{amount(len(data), 0)} not sent: {why}")

    def changed(self) -> None:
        self._task.changed()

    def close(self) -> None:
        self._timer.stop()
        if not self._is_over:
            self._is_over = True
            cancel(self._running)
            dropped = self._terminal.attachment.withdraw()
            rest = f"; {amount(dropped, 0)} not sent" if dropped else ""
            progress = "" if self._progress is None else f" ({self._progress()})"
            self._terminal.screen.line(f"{self._name} was stopped{progress}{rest}")
        self._task.close()
