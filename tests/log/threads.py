"""A whole log with its real threads and time as it is, and readers of it; the caller turns."""

import queue
import time
import zlib
from collections.abc import Callable
from pathlib import Path

from tests.fakes import READ, FakeLine, World, session
from vspc.apps.following import Following
from vspc.apps.verbs.context import VerbContext as Verbs
from vspc.common.clock import Cancellable
from vspc.config.settings import LogSettings
from vspc.console.console import Console
from vspc.console.context import OutputObserver
from vspc.console.identity import Claim
from vspc.console.peers import PeerTable
from vspc.log.log import Log
from vspc.vm.context import LineTimeouts
from vspc.vm.server import LineServer

LATE = 60.0
"""Seconds after which a thread that says nothing is taken to be dead."""


class RealClock:
    """Time as it is; what is put off happens when `turn` is called."""

    def __init__(self) -> None:
        self._late: list[tuple[float, Callable[[], None]]] = []

    def seconds(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()

    def call_later(self, delay: float, call: Callable[[], None]) -> Cancellable:
        later = _Later(self.seconds() + delay, call)
        self._late.append((later.at, later))
        return later

    def turn(self) -> None:
        """Do what is due."""
        now = self.seconds()
        due = [call for at, call in self._late if at <= now]
        self._late = [(at, call) for at, call in self._late if at > now]
        for call in due:
            call()


class _Later:
    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at = at
        self._call: Callable[[], None] | None = call

    def __call__(self) -> None:
        if self._call is not None:
            call, self._call = self._call, None
            call()

    def cancel(self) -> None:
        self._call = None

    def active(self) -> bool:
        return self._call is not None


class ThreadedLog:
    """Consoles with a log, or without."""

    def __init__(self, root: Path, count: int, logged: bool = True) -> None:
        self.world = World()
        self.clock = RealClock()
        self.calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.events: list[str] = []
        self.log = Log(
            root, LogSettings(), self.clock, self.calls.put, self.report, self.world.fail
        )
        self.log.open()
        self.log.revive(self.world.roster)
        self.log.start()
        self.world.observer.target = self.log.recorder if logged else OutputObserver()
        if logged:
            self.world.events.subscribe(self.log.handle, *self.log.EVENTS)
        self.lines: dict[Console, FakeLine] = {}
        self.consoles = [self.console(number) for number in range(count)]

    def report(self, event: str, facts: dict[str, object]) -> None:
        self.events.append(f"{event} {facts}")

    def console(self, number: int) -> Console:
        claim = Claim("default", f"{number:032x}", "vc", f"vm{number}", "10.0.0.1")
        console = self.world.roster.open(claim)
        self.lines[console] = FakeLine()
        console.link.connect(self.lines[console])
        return console

    def turn(self, wait: float = 0.0) -> None:
        """What the reactor does between two reads; at most `wait` seconds for a thread."""
        self.world.turn()
        self.clock.turn()
        if wait and self.calls.empty():
            try:
                self.calls.get(timeout=wait)()
            except queue.Empty:
                return
        while not self.calls.empty():
            self.calls.get()()

    def flood(self, console: Console, pieces: list[bytes]) -> int:
        """`console` says `pieces` as fast as its line is read; most that waited for the disk."""
        most = 0
        for piece in pieces:
            while self.lines[console].resting:
                self.turn(0.01)
            console.link.output(piece)
            most = max(most, self.log.recorder.batches.queued)
            self.turn()
        return most

    def until(self, done: Callable[[], bool]) -> None:
        """Turn until `done`. Raises AssertionError if it takes `LATE` seconds."""
        end = time.monotonic() + LATE
        while not done():
            if time.monotonic() > end:
                raise AssertionError("a thread is late")
            self.turn(0.01)

    def follow(self, console: Console, number: int, stalled: bool = False) -> "Follower":
        """A reader of `console` from its first byte on."""
        server = LineServer(self.world.roster, PeerTable(), self.clock, None, LineTimeouts())  # type: ignore[arg-type]
        verbs = Verbs(self.world.roster, lambda *_: READ, self.clock, server, logs=self.log.queries)
        return Follower(verbs, console, number, stalled)

    def close(self) -> None:
        self.log.end()
        self.log.stop()


class Follower:
    """Takes all there is at once, unless it is `stalled`; `checksum` is of what it got."""

    def __init__(self, verbs: Verbs, console: Console, number: int, stalled: bool) -> None:
        self.stalled = stalled
        self.got = 0
        self.checksum = 0
        self.wrong = 0  # pieces that did not follow the one before
        self.lost: list[tuple[int, int]] = []
        attachment = console.attach(session(f"reader{number}"), READ, self, 0)
        self._following = Following(verbs, attachment, self)

    def go_on(self) -> None:
        self.stalled = False
        self._following.go_on()

    # `vspc.apps.following.Reader`

    def room(self) -> int:
        return 0 if self.stalled else 64 * 1024

    def take_output(self, offset: int, data: bytes) -> None:
        self.wrong += offset != self.got
        self.got += len(data)
        self.checksum = zlib.crc32(data, self.checksum)

    def missing(self, start: int, end: int, why: str) -> None:
        self.lost.append((start, end))

    def notice(self, notice: object) -> None:
        """Nothing happens."""

    def output_ended(self, reason: str) -> None:
        """It does not end."""

    # `vspc.console.attachment.Sink`

    def ready(self) -> None:
        self._following.go_on()

    def writable(self) -> None:
        """Nothing is typed."""

    def host_changed(self, old: str, new: str) -> None:
        """It stays."""

    def ended(self, reason: str) -> None:
        """It does not end."""
