"""One run of an administrator's program, under time limits; its standard error is logged: a bounded
number of lines, without clients' answers.
"""

import base64
import shlex
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from attrs import frozen
from twisted.internet.defer import Deferred, DeferredQueue
from twisted.logger import Logger

from vspc.auth.children import Child, ChildObserver
from vspc.common.clock import Cancellable, Clock, cancel
from vspc.common.text import SAFE_LIMIT, safe

log = Logger()

STEP = 10.0
"""Seconds that a program may take for one step."""

PATIENCE = 2.0
"""Seconds between the verdict, SIGTERM and SIGKILL."""

LINES = 20
"""Lines of one run's standard error that are logged."""

MINUTE = 200
"""Lines of all programs that are logged in a minute."""

LINE = 4096
"""Bytes of a line that are kept; of those, `vspc.common.text.SAFE_LIMIT` characters are shown."""

ERROR_BYTES = 64 * 1024
"""Bytes of one run's standard error, over which it is ended."""

WITHHELD = "[left out: it repeats an answer]"


class Secrets:
    """Answers of a client, in the forms in which a program may repeat them."""

    def __init__(self) -> None:
        self._forms: set[bytes] = set()

    def add(self, answer: bytes, sent: bytes) -> None:
        """`sent` is the answer as it was sent to the program."""
        for part in (answer, *answer.splitlines(), sent):
            if part:
                self._forms.update(_forms(part))

    def shown(self, text: bytes, limit: int = SAFE_LIMIT) -> str:
        """`text` for the log; `WITHHELD` if an answer is in it."""
        return WITHHELD if self._has(text) else safe(text, limit)

    def _has(self, text: bytes) -> bool:
        low = text.lower()
        return any(form.lower() in low for form in self._forms)


def _forms(part: bytes) -> Iterator[bytes]:
    yield part
    yield part.hex().encode()
    yield base64.b64encode(part).rstrip(b"=")
    text = part.decode("utf-8", "surrogateescape")
    yield shlex.quote(text).strip("'").encode("utf-8", "surrogateescape")
    yield repr(text)[1:-1].encode("utf-8", "surrogateescape")


class LineLimit:
    """How many lines of all programs are logged; the others are counted."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ends = 0.0
        self._logged = 0
        self._dropped = 0

    def take(self) -> bool:
        """Whether one more line may be logged."""
        if self._clock.seconds() >= self._ends:
            self._ends = self._clock.seconds() + 60
            self._logged = 0
        self._logged += 1
        return self._logged <= MINUTE

    def drop(self) -> None:
        """Count a line that is not logged."""
        self._dropped += 1
        if self._dropped == 1:
            self._clock.call_later(60, self._report)

    def _report(self) -> None:
        dropped, self._dropped = self._dropped, 0
        log.warn("program-complains-more", lines=dropped, seconds=60)


class StderrLog:
    """Standard error of one run of `program`, its path."""

    def __init__(self, program: str, secrets: Secrets, limit: LineLimit) -> None:
        self._program = program
        self._secrets = secrets
        self._limit = limit
        self._line = b""
        self._received = 0
        self._logged = 0

    def receive(self, data: bytes) -> bool:
        """Take `data`; False: over `ERROR_BYTES`."""
        self._received += len(data)
        *lines, rest = (self._line + data).split(b"\n")
        self._line = rest[:LINE]
        for line in lines:
            self._log(line)
        return self._received <= ERROR_BYTES

    def finish(self) -> None:
        """Nothing follows."""
        line, self._line = self._line, b""
        self._log(line)

    def _log(self, line: bytes) -> None:
        line = line.strip()
        if not line:
            return
        if self._logged == LINES or not self._limit.take():
            self._limit.drop()
            return
        self._logged += 1
        log.warn("program-complains", program=self._program, text=self._secrets.shown(line))


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
        self.fail(f"it wrote more than {ERROR_BYTES // 1024} KiB to standard error")

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
