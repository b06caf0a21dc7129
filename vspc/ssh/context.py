"""What all SSH connections of one server share."""

import time
from collections.abc import Callable, Sequence

from attrs import field, frozen
from twisted.internet.interfaces import IReactorTime

from vspc.common.addresses import rate_key
from vspc.console.authentication import Authenticator
from vspc.console.logins import LoginObserver, Start
from vspc.net.limits import Refusals
from vspc.net.scheduler import Scheduler
from vspc.ssh.keys import HostKey
from vspc.ssh.limits import SshLimits
from vspc.ssh.login_limits import GracePeriod, LoginThrottle


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
