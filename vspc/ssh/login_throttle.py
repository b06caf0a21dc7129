"""Failed logins of each address and operator: too many in a minute make the next ones slow. Pure.

Never refused, only delayed: nobody can lock an operator out. A success forgets the failures.
"""

from collections import OrderedDict

from attrs import define

FREE_FAILURES = 20
"""Failures of one (address, operator) that cost nothing; one is forgiven every 3 s."""

FORGIVEN_PER_SECOND = FREE_FAILURES / 60

DELAY_STEP = 0.5
DELAY_LIMIT = 5.0
"""Seconds by which each failure more delays an answer, and the longest delay."""

TABLE_LIMIT = 4096
"""Pairs that are remembered; the one that failed longest ago is forgotten first."""


@define
class _Tally:
    count: float
    at: float


class LoginThrottle:
    """Counts failures by (address, operator); `now` is in seconds. Nothing is made worse by a clock
    that is set back.
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
        key = (address, operator)
        self._tallies[key] = _Tally(self._count(key, now) + 1, now)
        self._tallies.move_to_end(key)
        if len(self._tallies) > TABLE_LIMIT:
            self._tallies.popitem(last=False)

    def succeeded(self, address: str, operator: str) -> None:
        """All is forgotten."""
        self._tallies.pop((address, operator), None)

    def delay(self, address: str, operator: str, now: float) -> float:
        """Seconds that the next attempt has to wait, at most `DELAY_LIMIT`."""
        beyond = self._count((address, operator), now) - FREE_FAILURES
        return min(DELAY_LIMIT, max(0.0, beyond * DELAY_STEP))
