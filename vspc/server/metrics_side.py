"""What watches the server: numbers and health over HTTP, and the lengths of its turns."""

from collections.abc import Callable, Iterator
from typing import Any

from attrs import define, field
from twisted.logger import Logger

from vspc.common.clock import Clock
from vspc.common.measures import Distribution
from vspc.common.text import safe
from vspc.config import Config
from vspc.console.events import EventBus
from vspc.console.roster import Roster
from vspc.doors.metrics.counting import EventCounts, LoginCounts
from vspc.doors.metrics.door import MetricPages
from vspc.doors.metrics.http import PageSite
from vspc.doors.metrics.selection import ConsoleSelection
from vspc.doors.metrics.sources import MetricSources
from vspc.net.limits import Allow, Refusals
from vspc.net.turns import TurnWatch
from vspc.server.reload import Live

STACK = 2000
"""Characters of a stack in the log."""

STARTING, STOPPING = "the server is starting", "the server is stopping"

METRICS = "metrics"
"""The name of these listeners in the log."""


@define(eq=False)
class MetricsSide:
    """Counts from the beginning; `connect` gives it the parts of the server to read."""

    live: Live
    clock: Clock
    reactor: Any
    roster: Roster
    refusals: Refusals
    failed: Callable[[], None]
    log: Logger
    events: EventCounts = field(factory=EventCounts, init=False)
    logins: LoginCounts = field(factory=LoginCounts, init=False)
    lag: Distribution = field(factory=Distribution, init=False)
    reloads: dict[str, int] = field(factory=lambda: {"applied": 0, "refused": 0}, init=False)
    selection: ConsoleSelection = field(init=False)
    turns: TurnWatch = field(init=False)
    why_not_ready: str = field(default=STARTING, init=False)
    _beat: float = field(init=False)
    _pages: MetricPages | None = field(default=None, init=False)
    _site: PageSite | None = field(default=None, init=False)
    _allow: Allow = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.selection = ConsoleSelection(self.roster, lambda: self.live.config.metrics.per_console)
        self.turns = TurnWatch(
            self.reactor,
            lambda: self.live.config.metrics.slow_turn,
            self._report_turn,
            self._report_end,
        )
        self._beat = self.clock.seconds()
        self._allow = Allow(self.live.config.metrics.allow)

    def beat(self) -> float:
        """When `tick` was called last."""
        return self._beat

    def _report_turn(self, seconds: float, stack: str) -> None:
        """From the watching thread."""
        self.log.warn("slow-turn", seconds=round(seconds, 3), stack=safe(stack, STACK))

    def _report_end(self, seconds: float) -> None:
        self.log.warn("slow-turn-over", seconds=round(seconds, 3))

    def listeners(self, sources: MetricSources) -> Iterator[tuple[str, PageSite, str]]:
        """Endpoint strings, what listens there, and its name in the log."""
        self._pages = MetricPages(
            sources,
            lambda call: self.reactor.callFromThread(call),  # noqa: PLW0108  tests lack it
            self.failed,
        )
        self._site = PageSite(
            self._pages.pages,
            lambda: self._allow,
            self.clock.call_later,
            self._refuse,
            self.failed,
        )
        for endpoint in self.live.config.metrics.listen:
            yield endpoint, self._site, METRICS

    def _refuse(self, host: str) -> None:
        if self.refusals.worth_a_line(host, self.clock.seconds()):
            hint = f'add "{host}" to metrics.allow in the configuration if it may read metrics'
            self.log.warn("metrics-not-allowed", address=host, hint=hint)

    def start(self, events: EventBus) -> None:
        """Everything is listening."""
        events.subscribe(self.events.on_event, *self.events.EVENTS)
        events.subscribe(self.selection.on_event, *self.selection.EVENTS)
        self.selection.renew()
        self.reactor.callWhenRunning(self._watch_turns)
        self._beat = self.clock.seconds()
        self.why_not_ready = ""

    def _watch_turns(self) -> None:
        self.turns.start()
        if not self.turns.measures:
            what = "the reactor does not wait by epoll; twistd has it by default on Linux"
            self.log.warn("turns-not-measured", what=what)

    def tick(self, interval: float) -> None:
        """Call it each `interval` seconds."""
        now = self.clock.seconds()
        self.lag.observe(max(0.0, now - self._beat - interval))
        self._beat = now

    def reload(self, config: Config) -> None:
        """`config` is in force."""
        self._allow = Allow(config.metrics.allow)
        self.selection.renew()
        self.reloads["applied"] += 1

    def reload_refused(self) -> None:
        """A reload had mistakes."""
        self.reloads["refused"] += 1

    def condition(self) -> dict[str, object] | str:
        """For `status`."""
        listen = self.live.config.metrics.listen
        if not listen or self._pages is None:
            return "off"
        return {"listen": list(listen), "scrapes": self._pages.scrapes}

    def stopping(self) -> None:
        """Connections of others are closed from now on; health can still be asked for."""
        self.why_not_ready = STOPPING

    def stop(self) -> None:
        """The reactor stops."""
        self.turns.stop()
        if self._site is not None:
            self._site.close()
        if self._pages is not None:
            self._pages.close()
