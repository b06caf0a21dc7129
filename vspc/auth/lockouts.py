"""Operators and keys that may not log in, whatever the configuration says, until that is lifted.

For the night when a key is stolen: it takes effect at once, and survives restarts and reloads.
"""

from collections.abc import Callable, Iterable
from typing import Any

from attrs import asdict

from vspc.auth.statefile import StateFile
from vspc.console.ports import Lockout

LIMIT = 1000
"""Lockouts at a time."""


class LockoutStore:
    """All lockouts, and the file in which they are kept."""

    def __init__(self, file: StateFile, wall: Callable[[], float]) -> None:
        self._file = file
        self._wall = wall
        self._locked: dict[str, Lockout] = {}

    def load(self) -> None:
        """Read the lockouts of earlier processes. Raises ValueError or OSError."""
        self._locked = {each.what: each for each in map(_lockout, self._file.load() or ())}

    def lock(self, lockout: Lockout) -> bool:
        """In effect from now on. False: there are `LIMIT` others."""
        if len(self._locked) >= LIMIT:
            self._drop_expired()
        if lockout.what not in self._locked and len(self._locked) >= LIMIT:
            return False
        self._locked[lockout.what] = lockout
        return True

    def lift(self, what: str) -> bool:
        """Lift the lockout of `what`; False if there is none."""
        if self._current(what) is None:
            return False
        del self._locked[what]
        return True

    async def save(self) -> str:
        """Write all to the file; why that failed, or ""."""
        return await self._file.save(lambda: [asdict(each) for each in self._locked.values()])

    def find(self, names: Iterable[str]) -> Lockout | None:
        """The first lockout of any of `names`."""
        return next((found for name in names if (found := self._current(name))), None)

    def listed(self) -> list[Lockout]:
        """All in effect, oldest first."""
        self._drop_expired()
        return sorted(self._locked.values(), key=lambda each: each.since)

    def _current(self, what: str) -> Lockout | None:
        found = self._locked.get(what)
        expired = found is not None and found.until is not None and found.until <= self._wall()
        return None if expired else found

    def _drop_expired(self) -> None:
        self._locked = {what: each for what, each in self._locked.items() if self._current(what)}


def _lockout(value: Any) -> Lockout:
    """From the file. Raises ValueError."""
    match value:
        case {
            "what": str(what),
            "by": str(by),
            "since": int() | float() as since,
            "until": int() | float() | None as until,
            "reason": str(reason),
        }:
            return Lockout(what, by, since, until, reason)
    raise ValueError("it is not a list of lockouts")
