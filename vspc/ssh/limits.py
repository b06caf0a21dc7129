"""Limits of SSH connections (laws 4 and 5), and of clients that have not logged in: connections,
failures, delays. Times are seconds, sizes bytes.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from attrs import define, field, frozen
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from vspc.common.addresses import rate_key
from vspc.common.clock import cancel
from vspc.common.text import safe
from vspc.console.authentication import ProofRefused
from vspc.console.logins import LoginFailure, LoginObserver
from vspc.net.limits import Admissions

log = Logger()

KEEPALIVE_INTERVAL = 5.0
KEEPALIVE_AFTER = 2
SILENCE_LIMIT = 8
"""Each interval the server checks whether a packet arrived. After every second interval without
one it sends a keepalive, and after the eighth, 40 to 45 s, it ends the connection. Intervals are
counted, not clocks compared: setting a clock ends no connection."""

REKEY_BYTES = 1 << 30
REKEY_INTERVAL = 3600.0
REKEY_TIMEOUT = 60.0
"""When the server asks for new keys, and how long a key exchange may take."""

REKEY_BURST = 256
REKEY_RATE = 25.0
REKEY_PAUSE = 0.04
"""Key exchanges that a client may begin at once, and more of them each second; for one over that
nothing is read from it for the pause: at most 50 a second. OpenSSH begins one for each packet of
32 KiB where its RekeyLimit is under 512K."""

LINGER = 5.0
"""How long a client may take to read why its connection ends."""

DISCONNECT_DELAY = 0.2
"""Between the last output of terminals and the message that the connection ends: a client that
reads both at once ends without showing the first."""

BACKLOG_LIMIT = 256 * 1024
"""Replies to a client that does not read: beyond this nothing is read from it either."""

WINDOW = 64 * 1024
"""What a client may send on one channel before the program has dealt with it."""

STARTS = 16
"""So many programs and resizes are a whole share of a turn (`vspc.net.scheduler`)."""

CHANNEL_PACKET = 32768
"""Data in one packet, either way (RFC 4253 section 6.1)."""

ROOM = 64 * 1024
"""What a program may have under way on one channel."""

OUTBOX_LIMIT = 256 * 1024
"""Output kept for a client that does not take it; a program that writes on ends its channel."""

END_RESERVE = 1024
"""Bytes of the window of a terminal that output leaves free, of a window under `WINDOW` less: what
restores the terminal at the end, and the reason, can be sent though the client reads nothing."""

FINISH_TIMEOUT = 10.0
"""How long the last output of a finished channel may wait for the client."""

OPEN_TIMEOUT = 30.0
"""How long a forwarded channel may wait to be started."""

GRACE_PERIOD = 0.25
GRACE_PER_ADDRESS = 32
GRACE_IN_ALL = 200
"""A connection is new, and not counted, for so long, unless more connections come than so many."""

ANSWER_LIMIT = 1024
"""Bytes of an answer, and of a password."""

PROBES_PER_FAILURE = 32
"""Unknown keys are table look-ups: so many count as one failed attempt."""


@frozen
class SshLimits:
    """What the configuration may change.

    `login_timeout` runs from connect to authenticated, key exchange included, and `login_wait` is
    by how much a program of the administrator's may extend it; after `attempts` failed attempts the
    connection ends.
    """

    login_timeout: float = 60.0
    login_wait: float = 600.0
    attempts: int = 6
    channels: int = 64


class Displaceable(Protocol):
    """A connection that may have to give way to a new one."""

    def displace(self) -> None: ...
    def __hash__(self) -> int: ...


@define
class _NewConnection:
    address: str
    timer: IDelayedCall
    failed: bool = False


class GracePeriod:
    """The first `GRACE_PERIOD` seconds of a connection, in which it displaces no other one.

    Most logins are over before that, so that any number of quick logins displaces no client that is
    as quick; a connection that stays is counted in `admissions`. At most
    `GRACE_PER_ADDRESS` and `GRACE_IN_ALL` are new: over that the oldest ones are counted.
    """

    def __init__(self, admissions: Admissions[Displaceable], clock: IReactorTime) -> None:
        self._admissions = admissions
        self._clock = clock
        # Oldest first.
        self._new: OrderedDict[Displaceable, _NewConnection] = OrderedDict()
        self._new_of: dict[str, OrderedDict[Displaceable, None]] = {}

    def __len__(self) -> int:
        return len(self._new)

    def came(self, connection: Displaceable, address: str) -> None:
        """A connection was made."""
        timer = self._clock.callLater(GRACE_PERIOD, self._admit, connection)
        self._new[connection] = _NewConnection(address, timer)
        same_address = self._new_of.setdefault(address, OrderedDict())
        same_address[connection] = None
        if len(same_address) > GRACE_PER_ADDRESS:
            self._admit(next(iter(same_address)))
        elif len(self._new) > GRACE_IN_ALL:
            self._admit(next(iter(self._new)))

    def touched(self, connection: Displaceable) -> None:
        """Data arrived on `connection`."""
        if connection not in self._new:
            self._admissions.touched(connection, self._clock.seconds())

    def failed(self, connection: Displaceable) -> None:
        """It has failed to log in, floods, or is closing: it is displaced before others."""
        new = self._new.get(connection)
        if new is not None:
            new.failed = True
        else:
            self._admissions.failed(connection)

    def leave(self, connection: Displaceable) -> None:
        """It has logged in, or is lost; unknown ones are ignored."""
        if self._forget(connection) is None:
            self._admissions.leave(connection)

    def _forget(self, connection: Displaceable) -> _NewConnection | None:
        new = self._new.pop(connection, None)
        if new is None:
            return None
        cancel(new.timer)
        same_address = self._new_of[new.address]
        del same_address[connection]
        if not same_address:
            del self._new_of[new.address]
        return new

    def _admit(self, connection: Displaceable) -> None:
        """From now on it is counted."""
        new = self._forget(connection)
        assert new is not None
        displaced = self._admissions.admit(connection, new.address, self._clock.seconds())
        if new.failed:
            self._admissions.failed(connection)
        if displaced is not None:
            displaced.displace()


FREE_FAILURES = 20
"""Failures of one (address, operator) without a delay; one is forgiven every 3 s."""

FORGIVEN_PER_SECOND = FREE_FAILURES / 60
"""Failures that are forgotten in a second: all of those in a minute."""

DELAY_STEP = 0.5
DELAY_LIMIT = 5.0
"""Seconds by which each further failure delays an answer, and the longest delay."""

TABLE_LIMIT = 4096
"""Pairs in the table; the one that failed longest ago is dropped first."""


@define
class _Tally:
    count: float
    at: float


class LoginThrottle:
    """Delays logins after too many failures of one (address, operator) in a minute.

    They are never refused: an operator cannot be locked out by others. A success resets the pair.
    `now` is seconds; a clock that is set back makes nothing worse.
    """

    def __init__(self) -> None:
        self._tallies: OrderedDict[tuple[str, str], _Tally] = OrderedDict()

    def _count(self, key: tuple[str, str], now: float) -> float:
        tally = self._tallies.get(key)
        if tally is None:
            return 0.0
        return max(0.0, tally.count - max(0.0, now - tally.at) * FORGIVEN_PER_SECOND)

    def failed(self, address: str, operator: str, now: float) -> None:
        """One more failure."""
        key = (rate_key(address), operator)
        self._tallies[key] = _Tally(self._count(key, now) + 1, now)
        self._tallies.move_to_end(key)
        if len(self._tallies) > TABLE_LIMIT:
            self._tallies.popitem(last=False)

    def succeeded(self, address: str, operator: str) -> None:
        """Forget the failures."""
        self._tallies.pop((rate_key(address), operator), None)

    def delay(self, address: str, operator: str, now: float) -> float:
        """Seconds by which the next attempt is delayed, at most `DELAY_LIMIT`."""
        beyond = self._count((rate_key(address), operator), now) - FREE_FAILURES
        return min(DELAY_LIMIT, max(0.0, beyond * DELAY_STEP))


REASON_SHOWN = 300
"""Characters of a reason in the server's log."""


_NOTHING_SHOWN = ProofRefused("nothing was shown")


@define(eq=False)
class LoginFailures:
    """The failures of one connection. `attempts` count as failures, `probes` are look-ups of keys.

    A key that was not accepted is reported before the failure of another method that follows it:
    a client that is asked for a password since then was meant to log in with the key.
    """

    address: str
    observer: LoginObserver
    attempts: int = field(default=0, init=False)
    probes: int = field(default=0, init=False)
    _reported: int = field(default=0, init=False)  # `probes` at the last report
    _refused: ProofRefused | None = field(default=None, init=False)  # the latest to be reported
    _failures: list[LoginFailure] = field(factory=list, init=False)  # reported, of one operator
    _is_known: bool = field(default=False, init=False)  # whether `_refused` is about a known key
    _key: ProofRefused | None = field(default=None, init=False)  # refused, not yet reported
    _last_key: str = field(default="", init=False)  # fingerprint of the last refused key

    def probe(self, refused: ProofRefused, known: bool) -> bool:
        """One look-up without success; whether it counts as a failure.

        The reason for a `known` key is kept in preference to those of unknown ones. Without a
        reason there is nothing to report.
        """
        self.probes += 1
        if self.probes % PROBES_PER_FAILURE == 0:
            return True
        if refused.reason and (known or not self._is_known):
            self._refused, self._is_known = refused, known
            if refused.proof.fingerprint:
                self._key, self._last_key = refused, refused.proof.fingerprint
        return False

    def fail(self, operator: str, refused: ProofRefused) -> None:
        """One failure."""
        if self._key is not None and not refused.proof.fingerprint:
            self._report(operator, self._key)
        self._key = None
        self.attempts += 1
        self._report(operator, refused if refused.reason else _NOTHING_SHOWN)

    def conclude(self, operator: str, loggable: Callable[[str], bool]) -> None:
        """No more attempts as `operator`: log them, if `loggable` allows a line of the address."""
        refused = self._refused
        if refused is None:
            return
        if self.probes > self._reported:
            self._report(operator, refused, last=True)
        if loggable(self.address):
            log.warn(
                "login-failed",
                operator=safe(operator),
                address=self.address,
                via=refused.proof.via,
                key=refused.proof.fingerprint or self._last_key,
                reason=safe(refused.reason, REASON_SHOWN),
                attempts=self.attempts,
                probes=self.probes,
            )
        self._refused, self._is_known, self._last_key, self._key = None, False, "", None
        self._failures.clear()

    def admitted(self) -> None:
        """The connection has logged in as the same operator."""
        if self._failures:
            self.observer.excused(tuple(self._failures))

    def _report(self, operator: str, refused: ProofRefused, last: bool = False) -> None:
        self._refused = refused
        self._reported = self.probes
        failure = LoginFailure(
            operator,
            self.address,
            refused.reason,
            refused.proof,
            self.attempts,
            self.probes,
            last,
            refused.cause,
        )
        self._failures.append(failure)
        self.observer.failed(failure)
