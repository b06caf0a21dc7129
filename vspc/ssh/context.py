"""What all SSH connections of one server share; what each class over Conch uses."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from attrs import field, frozen
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import ILogObserver, LogEvent, Logger
from zope.interface import provider

from vspc.common.addresses import rate_key
from vspc.common.clock import cancel
from vspc.console.authentication import Authenticator
from vspc.console.logins import LoginObserver, Start
from vspc.net.limits import Refusals
from vspc.net.scheduler import Scheduler
from vspc.ssh.keys import HostKey
from vspc.ssh.limits import GracePeriod, LoginThrottle, SshLimits


@frozen(kw_only=True)
class SshContext:
    """Handed to every connection, its services and its channels.

    `authenticator` is asked at each attempt, so a reload takes effect at once; `start(channel,
    login, request)` decides what runs on a channel. `scheduler` is that of all connections of the
    server, SSH or not. `refusals` bounds the log lines of one address. `wall`: seconds since 1970.
    """

    host_keys: Sequence[HostKey]
    authenticator: Authenticator
    start: Start
    clock: IReactorTime
    scheduler: Scheduler
    grace_period: GracePeriod
    limits: SshLimits = field(factory=SshLimits)
    observer: LoginObserver = field(factory=LoginObserver)
    refusals: Refusals = field(factory=Refusals)
    throttle: LoginThrottle = field(factory=LoginThrottle)
    wall: Callable[[], float] = time.time

    def loggable(self, address: str) -> bool:
        """Whether one more line about `address` may be logged; counts it."""
        return self.refusals.worth_a_line(rate_key(address), self.clock.seconds())


@provider(ILogObserver)
def _discard(event: LogEvent) -> None:
    """Conch would log what operators send (law 7)."""


quiet = Logger(namespace="vspc.ssh.conch", observer=_discard)
"""Assigned to `_log` in every subclass of a class of Conch's."""


class Timers:
    """One delayed call for each name; `stop` cancels all."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._waiting: dict[str, IDelayedCall] = {}

    def later(
        self, name: str, delay: float, call: Callable[..., object], *arguments: object
    ) -> None:
        """Call once after `delay` seconds, in place of an earlier call of this `name`."""
        self.cancel(name)
        self._waiting[name] = self._clock.callLater(delay, call, *arguments)

    def cancel(self, name: str) -> None:
        """Cancel the call of this `name`, if there is one."""
        cancel(self._waiting.pop(name, None))

    def stop(self) -> None:
        """Cancel all calls."""
        for name in list(self._waiting):
            self.cancel(name)


class LoginTime:
    """How long a client has from connecting to having logged in; what it is asked may make it
    longer, by `SshLimits.login_wait` in all.
    """

    def __init__(self, context: SshContext, timers: Timers, late: Callable[[], None]) -> None:
        """It begins. `late` is called when it is over, unless `timers` are stopped before."""
        self._clock = context.clock
        self._timers = timers
        self._late = late
        self._ends = self._clock.seconds() + context.limits.login_timeout
        self._latest = self._ends + context.limits.login_wait
        timers.later("login", context.limits.login_timeout, late)

    def allow_longer(self, seconds: float) -> None:
        """It may take so much longer."""
        self._ends = min(self._ends + seconds, self._latest)
        left = max(0.0, self._ends - self._clock.seconds())
        self._timers.later("login", left, self._late)

    def end(self) -> None:
        """The client has logged in."""
        self._timers.cancel("login")


class ChannelService(Protocol):
    """The service of a client that has logged in, as its transport uses it."""

    @property
    def channels(self) -> Mapping[int, object]:
        """Those that are open."""

    def give_back(self) -> bool:
        """Restore the clients' terminals now; whether there are any."""

    def resume_channels(self) -> None:
        """Channels may write again."""
