"""One run of an administrator's program: from its start to its end, under time limits."""

from collections.abc import Callable, Sequence
from functools import partial

from attrs import frozen
from twisted.internet.defer import Deferred, DeferredQueue

from vspc.auth.children import Child, ChildObserver
from vspc.auth.stderr import BYTES, LineLimit, Secrets, StderrLog
from vspc.common.clock import Cancellable, Clock, cancel

STEP = 10.0
"""Seconds that a program may take for one step."""

PATIENCE = 2.0
"""Seconds between the verdict, SIGTERM and SIGKILL."""


class ProgramFailed(Exception):
    """A program could not be run, or failed; the text is the reason, for the server's log."""


@frozen
class ClientAnswer:
    """What the client answered to a question of the program's."""

    text: bytes


ProgramEvent = bytes | int | ClientAnswer | ProgramFailed
"""Standard output, the exit status after it, an answer of the client's, or why the run failed."""


@frozen
class RunContext:
    """What runs need. `start` runs words; `ended` is called when a run's program has ended."""

    clock: Clock
    line_limit: LineLimit
    start: Callable[[Sequence[str], ChildObserver], Child]
    ended: Callable[["ProgramRun"], None]


class ProgramRun(ChildObserver):
    """A program, and the queue of its events, which its owner reads all the time until it calls
    `conclude` or `stop`. `client`: the address or network whose place it takes.
    """

    def __init__(self, context: RunContext, words: Sequence[str], client: str) -> None:
        self.client = client
        self.secrets = Secrets()
        self.is_idle = False
        """Whether it waits for its client, not for its program."""
        self._context = context
        self._words = words
        self._stderr = StderrLog(words[0], self.secrets, context.line_limit)
        self._events = DeferredQueue[ProgramEvent]()
        self._child: Child | None = None
        self._timer: Cancellable | None = None
        self._over = False

    def begin(self) -> None:
        """Start it; it has `STEP` seconds. Raises `ProgramFailed`."""
        try:
            self._child = self._context.start(self._words, self)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "its words are not valid arguments"
            raise ProgramFailed(f"{self._words[0]} cannot be run: {why}") from None
        self.resume()

    # What its owner does

    def next(self) -> Deferred[ProgramEvent]:
        """The next event."""
        return self._events.get()

    def answered(self, text: bytes) -> None:
        """The client answered: an event."""
        self._put(ClientAnswer(text))

    def write(self, data: bytes) -> None:
        """To its standard input."""
        if self._child is not None:
            self._child.write(data)

    def close_input(self) -> None:
        """End of its standard input."""
        if self._child is not None:
            self._child.close_input()

    def pause(self) -> None:
        """It waits for the client, which takes its time."""
        self.is_idle = True
        self._set_timer(None)

    def resume(self) -> None:
        """It has `STEP` seconds for its next step."""
        self.is_idle = False
        self._set_timer(STEP, partial(self.fail, f"it took over {STEP:g} s"))

    def fail(self, reason: str) -> None:
        """An event: it is to be given up."""
        self._put(ProgramFailed(reason))

    def conclude(self) -> None:
        """Its verdict is there: it has `PATIENCE` to end by itself."""
        self._end()
        if self._child is not None:
            self._child.close_input()
            self._set_timer(PATIENCE, self.stop)

    def stop(self) -> None:
        """SIGTERM now, SIGKILL after `PATIENCE`."""
        self._end()
        if self._child is not None:
            self._child.close_input()
            self._child.end()
            self._set_timer(PATIENCE, self.kill)

    def kill(self) -> None:
        """SIGKILL now."""
        self._end()
        if self._child is not None:
            self._child.end(force=True)

    def _end(self) -> None:
        self._over, self.is_idle = True, False
        self._set_timer(None)

    def _put(self, event: ProgramEvent) -> None:
        if not self._over:
            self._events.put(event)

    def _set_timer(self, seconds: float | None, call: Callable[[], None] = lambda: None) -> None:
        cancel(self._timer)
        self._timer = None if seconds is None else self._context.clock.call_later(seconds, call)

    # What its program does

    def output(self, data: bytes) -> None:
        """Until its owner has a verdict."""
        if not self._over:
            self._put(data)
        elif self._child is not None:
            self._child.ignore_output()

    def error_output(self, data: bytes) -> None:
        """To the log, within bounds."""
        if self._stderr.receive(data):
            return
        if self._child is not None:
            self._child.ignore_output()
        self.fail(f"it wrote more than {BYTES // 1024} KiB to standard error")

    def exited(self, status: int) -> None:
        """Its place is free."""
        self._child = None
        self._stderr.finish()
        self._set_timer(None)
        self._put(status)
        self._end()
        self._context.ended(self)


def ending(status: int) -> str:
    """How a program ended, for the log."""
    return f"signal {-status}" if status < 0 else f"status {status}"
