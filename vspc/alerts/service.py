"""All alerts of the configuration in force: from a line that matches to a delivery that is queued.

At most one alert of a name is made for a console within its time; lines that come meanwhile are
counted, and the next one says how many they were.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from attrs import define, evolve, field, frozen
from twisted.internet.defer import DeferredSemaphore

from vspc.alerts.actions import PROGRAMS, action_of
from vspc.alerts.delivery import DELIVERY_TIME, AlertAction, Delivery, Undelivered
from vspc.alerts.facts import alert_facts, trial_facts
from vspc.alerts.matching import FoundLine, PatternSet
from vspc.alerts.queue import AlertQueue, QueuedAlert, Report
from vspc.alerts.scanner import OutputScanner, PatternMatch, Search
from vspc.common.clock import Clock
from vspc.common.worker import WorkerPool
from vspc.config.alert_settings import AlertSettings, named_alerts
from vspc.config.alerting import BUILT_IN, PANIC_PATTERNS
from vspc.console.access import matches
from vspc.console.alerts import AlertState, UnknownAlert
from vspc.console.console import Console
from vspc.console.context import OutputObserver
from vspc.console.events import Event, Forgotten, Renamed, WentAway
from vspc.net.waiting import within

REMEMBERED = 100_000
"""Consoles and alerts for which the last time is kept."""

SYSLOG_THREADS = 2
"""Threads that send to syslog servers: one that stalls has one of them for some seconds."""

SKIPPED_INTERVAL = 60.0
"""Seconds between two messages that output was not looked at."""

Panicked = Callable[[Console, FoundLine, str], int | None]
"""A kernel gave up: the number under which the output is kept, None if it is not."""


@define(eq=False)
class AlertTimes:
    """When an alert was last made for a console, and how many lines came since."""

    limit: int = REMEMBERED
    _last: "OrderedDict[tuple[str, str], tuple[float, int]]" = field(
        factory=OrderedDict, init=False
    )

    def take(self, key: tuple[str, str], now: float, pause: float, lines: int) -> int | None:
        """How many lines were left out before these; None: these are, too."""
        at, left_out = self._last.get(key, (float("-inf"), 0))
        if now - at < pause:
            self._last[key] = at, left_out + lines
            return None
        self._last[key] = now, lines - 1
        self._last.move_to_end(key)
        if len(self._last) > self.limit:
            self._last.popitem(last=False)
        return left_out


@frozen
class _Rule:
    """One alert: what is looked for, by its place in the set of patterns."""

    settings: AlertSettings
    labels: dict[int, str]
    delivery: Delivery


@frozen
class AlertContext:
    """What the service is made of."""

    reactor: Any
    clock: Clock
    in_reactor: Callable[[Callable[[], None]], None]
    report: Report
    failed: Callable[[], None]
    make_pool: Callable[[str, Callable[[], None], int], WorkerPool] = WorkerPool


class AlertService:
    """`vspc.console.alerts.Alerts`. `observer` has to get the output of all consoles."""

    def __init__(self, context: AlertContext, directory: Path, inner: OutputObserver) -> None:
        self._context = context
        make = context.make_pool
        self._pool = make("alert-scanner", context.failed, 1)
        self._disk = make("alert-queue", context.failed, 1)
        self._syslog = make("alert-syslog", context.failed, SYSLOG_THREADS)
        self._places = DeferredSemaphore(PROGRAMS)
        self.observer = OutputScanner(
            inner, context.clock, self._pool.submit, context.in_reactor, context.failed
        )
        self.queue = AlertQueue(directory, self._disk.submit, context.in_reactor, context.report)
        self.find: Callable[[str], Console | None] = lambda _id: None
        """The console with that id."""
        self.panicked: Panicked | None = None
        """Called for the built-in patterns of panics; None: they count for alerts only."""
        self._times = AlertTimes()
        self._rules: tuple[_Rule, ...] = ()
        self._panics: dict[int, str] = {}
        self._selections: dict[frozenset[int], frozenset[int]] = {}  # thousands have the same
        self._states: dict[str, AlertState] = {}
        self._told = float("-inf")

    @property
    def skipped(self) -> int:
        """Bytes of output that were not looked at, because there was too much."""
        return self.observer.skipped

    # Configuration

    def open(self, alerts: tuple[AlertSettings, ...]) -> None:
        """Take up what earlier processes queued. Raises OSError."""
        self.queue.load(each.name for each in named_alerts(alerts))

    def start(self, alerts: tuple[AlertSettings, ...]) -> None:
        """Begin. Raises RuntimeError where the system has no threads."""
        for pool in (self._pool, self._disk, self._syslog):
            pool.submit(lambda: None)  # its thread begins now: later there may be none
        self.reload(alerts)

    def reload(self, alerts: tuple[AlertSettings, ...]) -> None:
        """These count from now on."""
        places = dict[str, int]()
        before = {rule.settings.name: rule for rule in self._rules}
        self._rules = tuple(
            self._rule(each, places, before.get(each.name)) for each in named_alerts(alerts)
        )
        names = {rule.settings.name for rule in self._rules}
        for rule in before.values():
            if all(rule.delivery is not each.delivery for each in self._rules):
                rule.delivery.stop()
        self._panics = {}
        if self.panicked is not None:
            self._panics = {_place(places, BUILT_IN[name]): name for name in PANIC_PATTERNS}
        self._states = {name: each for name, each in self._states.items() if name in names}
        self._selections.clear()
        self.queue.keep(names)
        self.observer.use(Search(PatternSet(list(places)), self._select, self._found))

    def _rule(self, settings: AlertSettings, places: dict[str, int], before: _Rule | None) -> _Rule:
        labels = {_place(places, text): name for name, text in settings.patterns.items()}
        if before is not None and before.settings == settings:
            return evolve(before, labels=labels)
        name = settings.name
        context = self._context
        delivery = Delivery(
            name,
            self._action(settings),
            self.queue,
            context.clock,
            context.report,
            context.failed,
        )
        delivery.start()
        return _Rule(settings, labels, delivery)

    def _action(self, settings: AlertSettings) -> AlertAction:
        context = self._context
        return action_of(
            settings,
            context.reactor,
            context.clock,
            self._syslog.submit,
            context.in_reactor,
            self._places,
        )

    def _select(self, console_id: str) -> frozenset[int]:
        console = self.find(console_id)
        if console is None:
            return frozenset()
        wanted = set(self._panics)
        for rule in self._rules:
            if _is_about(rule.settings, console):
                wanted |= rule.labels.keys()
        found = frozenset(wanted)
        return self._selections.setdefault(found, found)

    EVENTS = (WentAway, Forgotten, Renamed)
    """Those that `handle` needs."""

    def handle(self, event: Event) -> None:
        """For `vspc.console.events.EventBus.subscribe`."""
        if isinstance(event, WentAway | Forgotten):
            self.observer.gone(event.console.id)
        elif isinstance(event, Renamed):
            self.observer.changed(event.console.id)

    # Matches

    def _found(self, found: list[PatternMatch]) -> None:
        for match in found:
            console = self.find(match.line.console_id)
            if console is not None:
                self._matched(console, match)

    def _matched(self, console: Console, match: PatternMatch) -> None:
        panic: int | None = None
        if self.panicked is not None and match.which in self._panics:
            panic = self.panicked(console, match.line, self._panics[match.which])
        for rule in self._rules:
            label = rule.labels.get(match.which)
            if label is not None and _is_about(rule.settings, console):
                self._fire(rule, console, match, label, panic)

    def _fire(
        self, rule: _Rule, console: Console, match: PatternMatch, label: str, panic: int | None
    ) -> None:
        name, now = rule.settings.name, self._context.clock.seconds()
        state = self._states.get(name, _fresh(rule))
        lines = match.more + 1
        left_out = self._times.take((name, console.id), now, rule.settings.within, lines)
        if left_out is None:
            self._states[name] = evolve(state, suppressed=state.suppressed + lines)
            return
        at = self._context.clock.wall()
        facts = alert_facts(name, label, at, console, match.line)
        facts |= {"suppressed": left_out, "panic": panic}
        self.queue.add(QueuedAlert.of(facts, at))
        rule.delivery.wake()
        self._states[name] = evolve(
            state,
            fired=state.fired + 1,
            suppressed=state.suppressed + match.more,
            last=at,
            last_console=console.title,
        )

    # For others

    def states(self) -> Sequence[AlertState]:
        """In the order of the configuration."""
        return [self._state(rule) for rule in self._rules]

    def _state(self, rule: _Rule) -> AlertState:
        delivery = rule.delivery
        return evolve(
            self._states.get(rule.settings.name, _fresh(rule)),
            delivered=delivery.delivered,
            failures=delivery.failures,
            problem=delivery.problem,
            waiting=self.queue.waiting(rule.settings.name),
            dropped=self.queue.dropped.get(rule.settings.name, 0),
        )

    async def test(self, name: str) -> str:
        """Send a test; why that failed, or "". Raises `UnknownAlert`."""
        rule = next((each for each in self._rules if each.settings.name == name), None)
        if rule is None:
            raise UnknownAlert(name)
        at = self._context.clock.wall()
        item = QueuedAlert.of(trial_facts(name, at), at)
        try:
            await within(self._context.clock, DELIVERY_TIME, rule.delivery.action.deliver(item))
        except TimeoutError:
            return f"it took over {DELIVERY_TIME:g} s"
        except Undelivered as error:
            return str(error)
        return ""

    def tick(self) -> None:
        """Call it every second or so: what was not looked at, or was dropped, is told once a
        minute.
        """
        now = self._context.clock.seconds()
        self.queue.tick(now)
        if now < self._told + SKIPPED_INTERVAL:
            return
        skipped = self.observer.take_skipped()
        if skipped:
            self._told = now
            most = max(skipped, key=skipped.__getitem__)
            console = self.find(most)
            facts: dict[str, object] = {"bytes": sum(skipped.values()), "consoles": len(skipped)}
            title = most if console is None else console.title
            self._context.report("alert-output-skipped", {**facts, "most": title})

    def stop(self, seconds: float = 2.0) -> None:
        """End; what is queued is delivered by the next process. In a thread: waits for files."""
        self._pool.close()
        self._syslog.close()
        self._disk.close(seconds)

    def end(self) -> None:
        """Nothing more is matched or delivered; `stop` follows."""
        self.observer.stop()
        for rule in self._rules:
            rule.delivery.stop()
        self.queue.end()


def _place(places: dict[str, int], pattern: str) -> int:
    return places.setdefault(pattern, len(places))


def _is_about(settings: AlertSettings, console: Console) -> bool:
    subject = console.subject
    return any(matches(pattern, subject) for pattern in settings.consoles)


def _fresh(rule: _Rule) -> AlertState:
    settings = rule.settings
    return AlertState(
        settings.name, rule.delivery.action.shown, tuple(settings.consoles), settings.within
    )
