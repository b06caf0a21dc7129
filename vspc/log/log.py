"""The log as the server uses it: opened, fed, queried, reloaded, closed."""

import sys
import time
from collections.abc import Callable, Mapping, Set
from functools import partial
from pathlib import Path
from threading import Thread
from types import MappingProxyType

from attrs import define, field

from vspc.common.clock import Clock
from vspc.common.files import Disk
from vspc.common.worker import WorkerPool
from vspc.config.settings import LogSettings
from vspc.console.console import Console
from vspc.console.events import Connected, Continued, Event, Forgotten, Renamed, WentAway
from vspc.console.history import REST
from vspc.console.logs import LogView, Output
from vspc.console.roster import Roster
from vspc.log.batches import RecordBatches
from vspc.log.console_log import ConsoleLog
from vspc.log.description import revive
from vspc.log.markers import BootDetector
from vspc.log.query import LogQueries, LogSource
from vspc.log.recorder import LogRecorder, Remembered
from vspc.log.sinks.feeder import Feeder, make
from vspc.log.space import Space, first_policy
from vspc.log.startup import load
from vspc.log.store import Sizes, Store
from vspc.log.writer import EventReporter, LogWriter
from vspc.net.waiting import RunningCoroutine

STALLED = 5.0
"""Seconds in one call of the disk after which `log-stalled` is reported."""

SWITCH = 0.0005
"""Seconds that another thread may go on while the log's is ready to run."""

READERS = 4
"""Threads that read logs for queries."""

HEADS = 60.0
"""Seconds between two heads of the chain of hashes."""

PRIMED = 64 * 1024
"""Bytes of its log that a console's ring gets back when its VM connects."""


DAMAGE = frozenset(
    {
        "log-damaged",
        "log-left-alone",
        "log-journal-damaged",
        "log-journal-unreadable",
        "log-segment-damaged",
        "log-console-failing",
        "log-chain-broken",
    }
)
"""Events about damaged files."""

DAMAGES = 100
"""So many of them are remembered for `status`."""


@define(eq=False)
class Log:
    """All logs below `root`. `in_reactor` runs a call in the reactor's thread, from any thread."""

    root: Path
    settings: LogSettings
    clock: Clock
    in_reactor: Callable[[Callable[[], None]], None]
    report: EventReporter
    failed: Callable[[], None]
    disk: Disk = field(factory=Disk)
    make_writer: Callable[..., LogWriter] = LogWriter
    pool: WorkerPool | None = None
    store: Store = field(init=False)
    space: Space = field(init=False)
    writer: LogWriter = field(init=False)
    recorder: LogRecorder = field(init=False)
    queries: LogQueries = field(init=False)
    sinks: list[Feeder] = field(factory=list, init=False)
    damage: dict[str, None] = field(factory=dict, init=False)  # what is wrong with files
    _logged: dict[str, bool] = field(factory=dict, init=False)  # by [[log.policy]]
    _stalled: bool = field(default=False, init=False)
    _sent: int = field(default=0, init=False)  # the last number whose head was reported
    _sent_at: float = field(default=-1e9, init=False)
    _unprimed: dict[Console, None] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        settings = self.settings
        self.store = Store(
            self.root,
            self.disk,
            self._report_problem,
            Sizes.of(settings.max_console, settings.max_total, settings.keep),
            BootDetector(settings.boot_patterns),
            boot_id(),
        )
        self.space = Space(self.root, self.disk, settings, self._deleted, self._report)
        self.writer = self.make_writer(
            self.store,
            settings.fsync,
            settings.fsync_interval,
            self._report,
            self.failed,
            self.space.tidy,
            lambda: self.space.shortage(self.store),
        )
        self.recorder = LogRecorder(
            self.clock,
            RecordBatches(self.clock, self.writer.put, self.in_reactor),
            self._is_logged,
            lambda: self.writer.failing or self._stalled,
            settings.record_input,
            booted=lambda console_id: bytes.fromhex(console_id) in self.store.boot_detector.booted,
        )
        self.queries = LogQueries(
            self.writer,
            self.recorder.batches.flush,
            self.clock,
            self.in_reactor,
            self._report_problem,
            self.recorder.keeps,
            self.recorder.note,
            self.pool or WorkerPool("log-reader", self.failed, READERS),
            lambda: self._stalled,
        )

    def _report_problem(self, event: str, what: str) -> None:
        self._report(event, {"what": what})

    def _report(self, event: str, facts: dict[str, object]) -> None:
        if event in DAMAGE and len(self.damage) < DAMAGES:
            self.damage[str(facts.get("what", event))] = None
        self.report(event, facts)

    def _deleted(self, console_id: str) -> None:
        self.in_reactor(lambda: self.recorder.deleted(console_id))

    # Starting

    def open(self, ends: Mapping[str, int] = MappingProxyType({})) -> None:
        """Take up what an earlier process left. `ends`: where the output of consoles ends that it
        has handed over, by their ids. Raises OSError if the disk cannot be written.
        """
        connected = load(self.store, {bytes.fromhex(each): end for each, end in ends.items()})
        self.space.begin(self.store)
        for settings in self.settings.sink:
            source = LogSource(self.writer, self.queries.cache)
            self.writer.subscribers.append(source.notify)
            sink = make(settings, source, self.root, self.report, self.failed)
            self.sinks.append(sink)
        aside = self.writer.chain.open()
        if aside is not None:
            self._report_problem("log-chain-broken", f"it is kept as {aside}; another one begins")
        for log in self.store.logs.values():
            name = log.facts.get("said_name")
            known = Remembered(log.end, name if isinstance(name, str) else None, _last_output(log))
            self.recorder.remember(log.name, known)
        for console in connected:
            self.recorder.reconnections.remember(console.hex())

    def revive(self, roster: Roster) -> int:
        """Put the consoles of earlier days into `roster`, away; how many. Before `start`."""
        self.recorder.find = roster.get
        count = 0
        logs = sorted(self.store.logs.values(), key=lambda c: c.last)
        for log in logs:
            if not log.begun:
                continue
            present = roster.get(log.name)
            if present is not None:
                self._go_on(present)
                continue
            console = revive(roster, log.name, log.facts, log.last / 1e6, _last_output(log))
            if console is not None:
                console.history.restore(self.recorder.next_offset(console.id), b"")
                count += 1
        return count

    def _go_on(self, console: Console) -> None:
        """`console` was handed over. Where the process before was killed, its log goes on behind
        all offsets that may have been used, and the output that it had kept is in the log.
        """
        end = self.recorder.next_offset(console.id)
        if end > console.history.end:
            console.history.restore(end, b"")

    def start(self) -> None:
        """Begin to write."""
        # The log's thread gives the interpreter up for each call of the disk, and has to get it
        # back from a reactor that is busy just then: the default makes that 5 ms each time.
        sys.setswitchinterval(SWITCH)
        self.writer.start()
        for sink in self.sinks:
            sink.start()

    EVENTS = LogRecorder.EVENTS
    """Those that `handle` needs."""

    def handle(self, event: Event) -> None:
        """For `vspc.console.events.EventBus.subscribe`."""
        if isinstance(event, Renamed):
            self._logged.pop(event.console.id, None)
        self.recorder.handle(event)
        if isinstance(event, WentAway | Forgotten):  # what is known of those takes memory
            self._logged.pop(event.console.id, None)
        if isinstance(event, Connected | Continued):
            console = self.recorder.find(event.console.id)
            if console is not None:
                self.prime(console)
        self.space.handle(event)

    def prime(self, console: Console) -> None:
        """Give `console` its ring back from its log, after those that asked before; one that has
        the end of its output has what a quiet one needs.
        """
        history = console.history
        if 0 < history.start > history.end - REST and self.queries.keeps(console.id):
            self._unprimed[console] = None
            if len(self._unprimed) == 1:
                RunningCoroutine(self._prime_all())

    async def _prime_all(self) -> None:
        """Prime the histories of consoles, also of those that are added meanwhile."""
        try:
            while self._unprimed:
                console = next(iter(self._unprimed))
                history, end = console.history, console.history.start
                data = await self.queries.query(console.id, partial(_tail, end=end))
                self._unprimed.pop(console, None)
                if console.live or console.attachments:  # or it has gone again meanwhile
                    history.prime(end, data or b"")
        except Exception:
            self._unprimed.clear()
            self.failed()

    # Policies

    @property
    def is_stalled(self) -> bool:
        """Whether the disk has taken over `STALLED` for one call, and goes on."""
        return self._stalled

    def _is_logged(self, console_id: str) -> bool:
        found = self._logged.get(console_id)
        if found is None:
            console = self.recorder.find(console_id)
            if console is None:
                return False
            policy = first_policy(self.settings.policy, console.subject)
            found = self._logged[console_id] = policy is None or policy.log
        return found

    def reload(self, settings: LogSettings) -> None:
        """Other sizes, ages and policies count from now on; files are opened anew."""
        self.settings = settings
        self._logged.clear()
        self.space.reload(settings)
        self.writer.put(self.store.journal.close)
        for sink in self.sinks:
            sink.reopen()

    # While it runs

    def check(self) -> None:
        """Call it every second: reports once that the disk stalls, and once that it goes on."""
        self.recorder.batches.collect()
        busy = self.writer.busy_since
        stalled = busy is not None and time.monotonic() - busy > STALLED
        if stalled and not self._stalled:
            self.report("log-stalled", {"seconds": STALLED})
        elif self._stalled and not stalled:
            self.report("log-goes-on", {})
        self._stalled = stalled
        chain = self.writer.chain
        if chain.number != self._sent and self.clock.seconds() >= self._sent_at + HEADS:
            self._sent, self._sent_at = chain.number, self.clock.seconds()
            self.report("log-chain", {"number": chain.number, "head": chain.head})

    def ending(self, continuing: Set[str] = frozenset()) -> None:
        """Lines go from now on because the server stops, but not those of the consoles with the
        ids `continuing`, which another process goes on with.
        """
        self.recorder.ending = True
        self.recorder.continuing = continuing

    def end(self) -> None:
        """Record and answer nothing more; `stop`, in a thread, follows."""
        self.recorder.end()
        self.queries.close()

    def stop(self) -> None:
        """Write what is left; waits for the disk and for sinks, some seconds at most."""
        stopping = [Thread(target=sink.stop, daemon=True) for sink in self.sinks]
        for thread in stopping:
            thread.start()
        for thread in stopping:
            thread.join()
        self.writer.stop()


def _last_output(log: ConsoleLog) -> float | None:
    return log.last_output / 1e6 if log.last_output else None


def _tail(kept: LogView, end: int) -> bytes:
    """The last bytes before `end`, as far as they are next to each other."""
    data = b""
    for item in kept.read(max(kept.start, end - PRIMED), PRIMED, end).items:
        if isinstance(item, Output):
            data += item.data
        elif item.end > item.offset:
            data = b""
    return data


def boot_id() -> str:
    """What changes when the machine boots; empty where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except (OSError, ValueError):
        return ""
