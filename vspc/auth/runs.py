"""One run of a program of the administrator's: from its turn to its end, under time limits."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

from attrs import frozen

from vspc.auth.children import Child, Parent
from vspc.auth.stderr import BYTES, Allowance, Secrets, StderrLog
from vspc.common.clock import Cancellable, Clock

STEP = 10.0
"""Seconds that a program may take for one step."""

TURN = 20.0
"""Seconds that a run may wait for its turn."""

PATIENCE = 2.0
"""Seconds between the last word of a program, SIGTERM and SIGKILL."""

Told = TypeVar("Told")


@frozen
class RunContext:
    """What a run needs. `start` runs words; `gone`: a run neither waits nor runs any more."""

    clock: Clock
    allowance: Allowance
    start: Callable[[Sequence[str], Parent], Child]
    gone: Callable[["ProgramRun[Any]"], None]


class ProgramRun(Parent, Generic[Told]):
    """Waits for its turn, runs, and tells what came of it; a `Cancellable`.

    `asker` is who has a turn with it. Nothing is told from within a call, or after `cancel`.
    """

    def __init__(
        self, means: RunContext, words: Sequence[str], asker: str, hearer: Callable[[Told], None]
    ) -> None:
        self.asker = asker
        self.is_over = False
        self._means = means
        self._words = words
        self._hearer: Callable[[Told], None] | None = hearer
        self._secrets = Secrets()
        self._complaints = StderrLog(words[0], self._secrets, means.allowance)
        self._child: Child | None = None
        self._limit: Cancellable | None = None
        self._ending: Cancellable | None = None

    # What those who inherit know

    def fail(self, reason: str) -> None:
        """It came to nothing: `tell` it."""
        raise NotImplementedError

    def opened(self, child: Child) -> None:
        """It runs."""
        raise NotImplementedError

    def heard(self, data: bytes) -> None:
        """It said `data`, while that is of interest."""
        raise NotImplementedError

    def finished(self, status: int) -> None:
        """It ended, while that is of interest."""
        raise NotImplementedError

    @property
    def is_idle(self) -> bool:
        """Whether it waits for somebody else than its program."""
        return False

    # Its life

    def wait(self) -> None:
        """All places are taken."""
        self.allow(TURN, f"it waited {TURN:g} s for its turn")

    def begin(self) -> None:
        """It is its turn."""
        try:
            self._child = self._means.start(self._words, self)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "its words are no arguments"
            self.turn_away(f"{self._words[0]} cannot be run: {why}")
        else:
            self.allow(STEP, f"it took over {STEP:g} s")
            self.opened(self._child)

    def tell(self, said: Told) -> None:
        """What came of it, or a question on the way there."""
        if self._hearer is not None:
            self._hearer(said)

    def allow(self, seconds: float, reason: str) -> None:
        """It fails for `reason` after `seconds`, instead of what was allowed before."""
        self.suspend()
        self._limit = self._means.clock.call_later(seconds, partial(self.give_up, reason))

    def suspend(self) -> None:
        """No time limit for now."""
        if self._limit is not None and self._limit.active():
            self._limit.cancel()

    def conclude(self) -> None:
        """All is said: its program has `PATIENCE` to end by itself."""
        self._end()
        if self._child is not None:
            self._child.close_input()
            self._ending = self._means.clock.call_later(PATIENCE, self._terminate)

    def give_up(self, reason: str) -> None:
        """It fails, and its program is ended."""
        self._stop()
        self.fail(reason)

    def turn_away(self, reason: str) -> None:
        """The same; it is told later."""
        self._stop()
        self._limit = self._means.clock.call_later(0, partial(self.fail, reason))

    def cancel(self) -> None:
        """Nobody wants to know any more."""
        self._hearer = None
        if not self.is_over:
            self._stop()

    def active(self) -> bool:
        """Whether something may still be told."""
        return self._hearer is not None and not self.is_over

    def kill(self) -> None:
        """Its program ends now."""
        self._end()
        if self._child is not None:
            self._child.end(force=True)

    def _end(self) -> None:
        self.is_over = True
        self.suspend()
        if self._ending is not None and self._ending.active():
            self._ending.cancel()

    def _stop(self) -> None:
        self._end()
        if self._child is None:
            self._means.gone(self)
        else:
            self._terminate()

    def _terminate(self) -> None:
        if self._child is not None:
            self._child.close_input()
            self._child.end()
            self._ending = self._means.clock.call_later(PATIENCE, self.kill)

    # Its program

    def said(self, data: bytes) -> None:
        """Heard while that is of interest."""
        if not self.is_over:
            self.heard(data)
        elif self._child is not None:
            self._child.deafen()

    def complained(self, data: bytes) -> None:
        """To the log, within bounds."""
        if self._complaints.receive(data):
            return
        if self._child is not None:
            self._child.deafen()
        if not self.is_over:
            self.give_up(f"it said more than {BYTES // 1024} KiB on standard error")

    def exited(self, status: int) -> None:
        """Its place is free."""
        self._child = None
        self._complaints.finish()
        is_news = not self.is_over
        self._end()
        if is_news:
            self.finished(status)
        self._means.gone(self)


def ending(status: int) -> str:
    """How a program ended, for our log."""
    return f"signal {-status}" if status < 0 else f"status {status}"
