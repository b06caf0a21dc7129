"""Alerts for consoles in memory; what they do is kept."""

import json
from pathlib import Path
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred

from tests.fakes import World
from tests.log.inline import Here
from vspc.alerts.delivery import AlertAction
from vspc.alerts.queue import QueuedAlert
from vspc.alerts.scanner import BATCH_TIME
from vspc.alerts.service import AlertContext, AlertService
from vspc.config.alert_settings import AlertSettings
from vspc.config.alerting import AlertPattern, WebhookUrl
from vspc.config.values import Pattern
from vspc.console.console import Console

WEBHOOK = WebhookUrl("https://example.com/T0KEN")


def settings(name: str = "", **more: Any) -> AlertSettings:
    more.setdefault("pattern", None if "builtin" in more else AlertPattern("panic"))
    more["consoles"] = tuple(map(Pattern, more.get("consoles", ("*",))))
    return AlertSettings(name=name, **{"webhook": WEBHOOK, **more})


@define(eq=False)
class Answers(AlertAction):
    """Raises the next of `errors`, or takes the alert; with `is_slow` the test says when."""

    errors: list[Exception] = field(factory=list)
    is_slow: bool = False
    taken: list[QueuedAlert] = field(factory=list)
    tried: list[QueuedAlert] = field(factory=list)
    under_way: list[Deferred[None]] = field(factory=list)

    @property
    def shown(self) -> str:
        return "webhook https://example.com/..."

    async def deliver(self, item: QueuedAlert) -> None:
        self.tried.append(item)
        if self.is_slow:
            waiting = Deferred[None]()
            self.under_way.append(waiting)
            await waiting
        if self.errors:
            raise self.errors.pop(0)
        self.taken.append(item)


class _Service(AlertService):
    """With actions that a test controls."""

    actions: dict[str, Answers]

    def _action(self, settings: AlertSettings) -> AlertAction:
        return self.actions.setdefault(settings.name, Answers())


class Alerted:
    """A world with alerts; `restart` is another process with the same directory."""

    def __init__(self, directory: Path, *alerts: AlertSettings) -> None:
        self.directory = directory
        self.alerts = alerts
        self.world = World()
        self.events: list[tuple[str, dict[str, object]]] = []
        self.actions: dict[str, Answers] = {}
        self.service = self._begin()

    def _begin(self) -> AlertService:
        world = self.world
        context = AlertContext(
            None,
            world.clock,
            lambda call: call(),
            lambda event, facts: self.events.append((event, facts)),
            world.fail,
            lambda _name, _failed, _threads: Here(),
        )
        service = _Service(context, self.directory, world.observer.target)
        service.actions = self.actions
        service.find = world.roster.get
        service.open(self.alerts)
        service.start(self.alerts)
        world.observer.target = service.observer
        world.events.subscribe(service.handle)
        return service

    def restart(self) -> None:
        self.service.end()
        self.world = World()
        self.service = self._begin()

    def reload(self, *alerts: AlertSettings) -> None:
        self.alerts = alerts
        self.service.reload(alerts)

    def say(self, console: Console, data: bytes) -> None:
        """The VM does, and a batch is looked at."""
        console.link.output(data)
        self.world.clock.advance(BATCH_TIME)
        self.world.clock.advance(0)

    def sent(self, name: str = "alert-1") -> list[dict[str, Any]]:
        """What was delivered."""
        return [json.loads(item.body) for item in self.actions[name].taken]
