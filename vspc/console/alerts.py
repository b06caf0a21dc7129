"""Alerts as others see them: what became of each, and a way to try one."""

from collections.abc import Sequence
from typing import Protocol

from attrs import frozen


@frozen
class AlertState:
    """One [[alert]] since the server started. `action` is without secrets, `last` in seconds since
    1970; `suppressed` are lines for which nobody was told because of `within`, `problem` is why the
    last delivery failed, empty if it did not.
    """

    name: str
    action: str
    consoles: tuple[str, ...]
    within: float
    fired: int = 0
    suppressed: int = 0
    last: float | None = None
    last_console: str = ""
    delivered: int = 0
    waiting: int = 0
    failures: int = 0
    dropped: int = 0
    problem: str = ""


class UnknownAlert(Exception):
    """There is no alert of that name."""


class Alerts(Protocol):
    """All alerts."""

    def states(self) -> Sequence[AlertState]:
        """In the order of the configuration."""

    @property
    def skipped(self) -> int:
        """Bytes of output that were not looked at, because there was too much."""

    async def test(self, name: str) -> str:
        """Send a test to whom that alert tells; why that failed, or "". Raises `UnknownAlert`."""


class NoAlerts:
    """A server without any."""

    skipped = 0

    def states(self) -> Sequence[AlertState]:
        """None."""
        return ()

    async def test(self, name: str) -> str:
        """Never."""
        raise UnknownAlert(name)
