"""Where numbers come from: the parts of the server that count."""

from collections.abc import Callable, Mapping

from attrs import frozen

from vspc.audit.service import AuditService
from vspc.common.clock import Clock
from vspc.common.measures import Distribution
from vspc.console.alerts import Alerts
from vspc.console.counts import ConsoleCounts
from vspc.console.history import Budget
from vspc.console.ports import Lockouts
from vspc.console.sessions import Sessions
from vspc.doors.metrics.counting import EventCounts, LoginCounts
from vspc.doors.metrics.selection import ConsoleSelection
from vspc.log.log import Log
from vspc.net.certificates import Validity
from vspc.net.scheduler import Scheduler
from vspc.net.turns import TurnWatch
from vspc.vm.server import LineServer


@frozen
class SshCounts:
    """Connections by SSH, those of them that are not logged in, and passwords that were refused
    unchecked.
    """

    connections: int
    not_logged_in: int
    passwords_turned_away: int


@frozen(eq=False)
class MetricSources:
    """All of it is read in the reactor's thread. `lag`: seconds by which the server's timer was
    late; `panics`: how many were seen; `why_not_ready`: why no connection is taken, or empty;
    `beat`: when that timer ran last.
    """

    clock: Clock
    lines: LineServer
    counts: ConsoleCounts
    budget: Budget
    events: EventCounts
    logins: LoginCounts
    sessions: Sessions
    lockouts: Lockouts
    selection: ConsoleSelection
    log: Log | None
    alerts: Alerts
    panics: Callable[[], int]
    audit: AuditService
    scheduler: Scheduler
    turns: TurnWatch
    lag: Distribution
    beat: Callable[[], float]
    ssh: Callable[[], SshCounts]
    dialled: Callable[[], Mapping[str, int]]
    certificate: Callable[[], Validity | None]
    reloads: Mapping[str, int]
    why_not_ready: Callable[[], str]
