"""What the service manager is told from the start to the end: sd_notify(3)."""

import os
from collections.abc import Callable
from functools import partial
from typing import Any

from attrs import define, field, frozen
from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from vspc.common.clock import Clock, Timer
from vspc.net.notify import (
    ManagerSettings,
    Notifier,
    ReceivedDescriptor,
    first_environment,
    forget,
    received,
)

STOP_TIMEOUT = 30.0
"""Seconds that stopping may take before the process is ended: more than all the waits for the disk,
for sinks and for copies together.
"""

STATUS_INTERVAL = 10.0
"""Seconds between two status texts at least."""

SENDING = 10.0
"""Seconds that the service manager may take to read one more message when this process ends."""


@frozen
class ServiceManager:
    """Who has started this process, and what it has handed over; `settings` is None without one."""

    settings: ManagerSettings | None = None
    descriptors: tuple[ReceivedDescriptor, ...] = ()

    @classmethod
    def found(cls) -> "ServiceManager":
        """By the environment of this process, once: what it starts must not be taken for it."""
        environment, pid = first_environment(), os.getpid()
        forget(os.environ)
        found = tuple(received(environment, pid))
        return cls(ManagerSettings.of(environment, pid), found)


NO_MANAGER = ServiceManager()
"""Started by hand, or by a program that is not notified."""


@define(eq=False)
class Lifecycle:
    """All of it; without a service manager nothing is told. `notifier` is None then."""

    notifier: Notifier | None
    clock: Clock
    _watchdog: Timer = field(init=False)
    _status: str = field(default="", init=False)
    _status_at: float = field(default=float("-inf"), init=False)

    def __attrs_post_init__(self) -> None:
        self._watchdog = Timer(self.clock)

    @classmethod
    def of(cls, manager: ServiceManager, reactor: Any, clock: Clock) -> "Lifecycle":
        """Told to `manager`."""
        settings = manager.settings
        return cls(None if settings is None else Notifier(reactor, settings, _failed), clock)

    def ready(self, status: str) -> None:
        """Connections are accepted, the configuration is in force, and the reactor turns."""
        if self.notifier is not None:
            self._status, self._status_at = status, self.clock.seconds()
            self.notifier.ready(status)
            self._live()

    def _live(self) -> None:
        """Four signs of life in each interval that the manager watches over: of very long turns the
        timers count a part only.
        """
        notifier = self.notifier
        if notifier is not None and notifier.settings.watchdog is not None:
            notifier.alive()
            self._watchdog.start(notifier.settings.watchdog / 4, self._live)

    def tick(self, status: Callable[[], str]) -> None:
        """Call it every second or so: `status` is told when it is another one."""
        now = self.clock.seconds()
        if self.notifier is None or now - self._status_at < STATUS_INTERVAL:
            return
        self._status_at = now
        before, self._status = self._status, status()
        if self._status != before:
            self.notifier.status(self._status)

    def reloading(self) -> None:
        """The configuration is read again; `ready` follows, also if
        that was refused.
        """
        if self.notifier is not None:
            self.notifier.reloading()

    def stopping(self) -> None:
        """Stopping has begun."""
        if self.notifier is not None:
            self.notifier.stopping("stopping")
            self.notifier.extend(STOP_TIMEOUT + SENDING)

    def stopped(self) -> "Deferred[None]":
        """Nothing more is told: fires when all is sent, or nothing is read for `SENDING`."""
        self._watchdog.stop()
        if self.notifier is None:
            return succeed(None)
        notifier, sent, late = self.notifier, self.notifier.sent(), Timer(self.clock)

        def wait(before: int) -> None:
            if notifier.waiting < before:
                late.start(SENDING, partial(wait, notifier.waiting))
            else:
                sent.cancel()

        late.start(SENDING, partial(wait, notifier.waiting))
        sent.addErrback(lambda _: _failed("the service manager does not read its messages"))
        sent.addBoth(lambda _: late.stop())
        return sent


def _failed(reason: str) -> None:
    Logger(namespace="vspc.server.handover").warn("notify-failed", what=reason)
