"""The administrator's programs that take part in logins: run without a shell, under time limits, a
bounded number at once; addresses take turns. Their standard error is logged: a bounded number of
lines, without clients' answers.
"""

import base64
import shlex
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from attrs import frozen
from twisted.internet.defer import CancelledError, Deferred, DeferredQueue
from twisted.internet.interfaces import IReactorFDSet
from twisted.logger import Logger

from vspc.common.clock import Cancellable, Clock, cancel
from vspc.common.text import SAFE_LIMIT, safe
from vspc.net.children import Child, ChildObserver, start
from vspc.net.limits import FairQueue
from vspc.net.waiting import within

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


class ProgramRun(ChildObserver):
    """A program, and the queue of its events, which its owner reads all the time until it calls
    `conclude` or `stop`. `client`: the address or network whose place it takes.
    """

    def __init__(self, programs: "Programs", words: Sequence[str], client: str) -> None:
        """Start it; it has `STEP` seconds. Raises `ProgramFailed`."""
        self.client = client
        self.secrets = Secrets()
        self.is_idle = False
        """Whether it waits for its client, not for its program."""
        self.is_waiting = False
        """Whether it is idle for what its client does elsewhere: its place is free meanwhile."""
        self._programs = programs
        self._stderr = StderrLog(words[0], self.secrets, programs.line_limit)
        self._events = DeferredQueue[ProgramEvent]()
        self._timer: Cancellable | None = None
        self._over = False
        self._exited = False
        try:
            self.child = programs.start(words, self)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "its words are not valid arguments"
            raise ProgramFailed(f"{words[0]} cannot be run: {why}") from None
        self.resume()

    # What its owner does

    def next(self) -> Deferred[ProgramEvent]:
        """The next event."""
        return self._events.get()

    def answered(self, text: bytes) -> None:
        """The client answered: an event."""
        self._put(ClientAnswer(text))

    def pause(self) -> None:
        """It waits for the client, which takes its time."""
        self.is_idle = True
        self._set_timer(None)

    def wait(self, seconds: float) -> None:
        """It waits for what its client does elsewhere, and has `seconds` and a step for that."""
        self.is_idle = self.is_waiting = True
        over = partial(self.fail, f"it waited over {seconds:g} s")
        self._set_timer(seconds + STEP, over)
        self._programs.admit()

    def resume(self) -> None:
        """It has `STEP` seconds for its next step."""
        self.is_idle = self.is_waiting = False
        self._set_timer(STEP, partial(self.fail, f"it took over {STEP:g} s"))

    def fail(self, reason: str) -> None:
        """An event: it is to be given up."""
        self._put(ProgramFailed(reason))

    def conclude(self) -> None:
        """Its verdict is there: it has `PATIENCE` to end by itself."""
        self._end()
        if not self._exited:
            self.child.close_input()
            self._set_timer(PATIENCE, self.stop)

    def stop(self) -> None:
        """SIGTERM now, SIGKILL after `PATIENCE`."""
        self._end()
        if not self._exited:
            self.child.close_input()
            self.child.end()
            self._set_timer(PATIENCE, self.kill)

    def kill(self) -> None:
        """SIGKILL now."""
        self._end()
        if not self._exited:
            self.child.end(force=True)

    def _end(self) -> None:
        self._over, self.is_idle, self.is_waiting = True, False, False
        self._set_timer(None)

    def _put(self, event: ProgramEvent) -> None:
        if not self._over:
            self._events.put(event)

    def _set_timer(self, seconds: float | None, call: Callable[[], None] = lambda: None) -> None:
        cancel(self._timer)
        self._timer = None if seconds is None else self._programs.clock.call_later(seconds, call)

    # What its program does

    def output(self, data: bytes) -> None:
        """Until its owner has a verdict."""
        if not self._over:
            self._put(data)
        elif not self._exited:
            self.child.ignore_output()

    def error_output(self, data: bytes) -> None:
        """To the log, within bounds."""
        if self._stderr.receive(data):
            return
        self.child.ignore_output()
        self.fail(f"it wrote more than {ERROR_BYTES // 1024} KiB to standard error")

    def exited(self, status: int) -> None:
        """Its place is free. Its owner may still wait for the client, and hears of its answer."""
        self._exited = True
        self._stderr.finish()
        self._set_timer(None)
        self._put(status)
        self.is_idle = self.is_waiting = False
        self._programs.ended(self)


def ending(status: int) -> str:
    """How a program ended, for the log."""
    return f"signal {-status}" if status < 0 else f"status {status}"


RUNNING = 16
"""Programs at once, but for those that wait for what their client does elsewhere."""

IN_ALL = 48
"""Programs at once with those that wait."""

WAITING = 32
"""Logins that wait for one; over it one of the address that has most is refused."""

NAME = 256
"""Characters of an operator's name that a program is given."""

TURN = 20.0
"""Seconds that a login may wait for its turn."""

Start = Callable[[IReactorFDSet, Sequence[str], ChildObserver], Child]


class Programs:
    """All programs that run, and the logins that wait for one."""

    def __init__(self, reactor: IReactorFDSet, clock: Clock, start: Start = start) -> None:
        self.clock = clock
        self.line_limit = LineLimit(clock)
        self.start = partial(start, reactor)
        self._running: dict[ProgramRun, None] = {}  # in the order of their start
        self._queue = FairQueue[Deferred[None]](WAITING)
        self._closed = False

    @asynccontextmanager
    async def run(self, words: Sequence[str], client: str) -> AsyncIterator[ProgramRun]:
        """A run of `words`, when it is the turn of `client`, an address or network.

        The program may end by itself afterwards; it is ended at once if an exception leaves the
        block. Raises `ProgramFailed`: it cannot be run, or too many wait.
        """
        if self._closed:
            raise CancelledError
        if not self._has_place():
            await self._turn(client)
        try:
            run = ProgramRun(self, words, client)
        except ProgramFailed:
            self.admit()
            raise
        self._running[run] = None
        try:
            yield run
        except BaseException:
            run.stop()
            raise
        run.conclude()

    def close(self) -> None:
        """Kill what runs, and cancel what waits."""
        self._closed = True
        for turn in list(self._queue):
            turn.cancel()
        for run in self._running:
            run.kill()

    async def _turn(self, client: str) -> None:
        turn = Deferred[None]()
        dropped = self._queue.add(client, turn)
        if dropped is not None:
            dropped.errback(ProgramFailed(f"{WAITING} others wait for a program"))
        if dropped is not turn:
            self._make_room(client)
        try:
            await within(self.clock, TURN, turn)
        except TimeoutError:
            raise ProgramFailed(f"it waited {TURN:g} s for its turn") from None
        finally:
            self._queue.remove(client, turn)

    def _make_room(self, client: str) -> None:
        """Clients of one address cannot take all places with questions that they do not answer."""
        places = Counter(run.client for run in self._running)
        is_full = len(self._running) >= IN_ALL
        idle = [run for run in self._running if run.is_idle and (is_full or not run.is_waiting)]
        most = max((places[run.client] for run in idle), default=0)
        if most > places[client] + 1:
            run = next(run for run in idle if places[run.client] == most)
            run.fail("another address waited, and this one had the most questions open")

    def ended(self, run: ProgramRun) -> None:
        """Its place is free."""
        del self._running[run]
        self.admit()

    def _has_place(self) -> bool:
        active = sum(not run.is_waiting for run in self._running)
        return active < RUNNING and len(self._running) < IN_ALL

    def admit(self) -> None:
        """A place is free: those that wait for one take it."""
        while not self._closed and self._has_place():
            turn = self._queue.next()
            if turn is None:
                return
            turn.callback(None)
