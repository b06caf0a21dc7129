"""The ports of the audit file: recording events, and reading them.

`vspc.audit` implements them. Events are flat; docs/audit.md has each with its fields.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from attrs import frozen

from vspc.console.events import ConsoleRef
from vspc.console.session import Fact, Session


class Audit:
    """The record. Nothing here blocks or raises. This one records nothing."""

    __slots__ = ()

    def record(
        self,
        event: str,
        session: Session | None = None,
        console: ConsoleRef | None = None,
        **facts: Fact,
    ) -> None:
        """One event: who did it and where, and what else there is to say. Never what was typed."""

    @property
    def refuses(self) -> bool:
        """Whether input is refused because nothing can be recorded."""
        return False


@frozen
class AuditQuery:
    """Which events: since when (seconds since 1970), of which operator, on which consoles (a glob
    of names), of which session; None for all. `events` are their names; none for all.
    """

    since: float
    operator: str | None = None
    console: str | None = None
    session: str | None = None
    events: frozenset[str] = frozenset()


@frozen
class AuditPosition:
    """Where reading goes on: which file, and the offset in it."""

    file: int
    offset: int


@frozen
class AuditPage:
    """Some events, each a line of JSON; `ended`: there are no more for now. `writes` counts the
    lines that had been written when it was read; `begins` is the time of the first event that can
    be read, where the query begins earlier.
    """

    lines: Sequence[str]
    position: AuditPosition
    ended: bool
    writes: int = 0
    begins: str = ""


@frozen
class AccessRefusal:
    """A VM or a login that was refused, `count` times from `first` to `last` (seconds since 1970).

    `what` is "vm" or "login", `name` a zone or the operator's name that was given; `hint` says what
    to write into the configuration if that was wrong. `vm_name` is the name that a VM sent, if any.
    """

    what: str
    address: str
    name: str
    reason: str
    hint: str
    first: float
    last: float
    count: int = 1
    vm_name: str = ""


class AuditUnavailable(Exception):
    """The audit file cannot be read or followed now; the text says why, for the operator."""


DISABLED = "the audit file is disabled"


class AuditReader(Protocol):
    """What was recorded, for verbs. Nothing here blocks."""

    async def read(self, query: AuditQuery, position: AuditPosition | None) -> AuditPage:
        """The events from `position` on, or from `query.since`. Raises `AuditUnavailable`."""

    async def wait(self, page: AuditPage) -> None:
        """Return when there is more than `page` had. Raises `AuditUnavailable`."""

    def refusals(self) -> Sequence[AccessRefusal]:
        """The latest refusals, oldest first."""

    def events(self) -> Collection[str]:
        """The names of all events; none without an audit file."""


class NoAuditReader:
    """Where no audit file is written: only the latest refusals, of which `refused` is asked."""

    def __init__(self, refused: Callable[[], Sequence[AccessRefusal]] = tuple) -> None:
        self.refusals = refused

    async def read(self, query: AuditQuery, position: AuditPosition | None) -> AuditPage:
        """Raise `AuditUnavailable`."""
        del query, position
        raise AuditUnavailable(DISABLED)

    async def wait(self, page: AuditPage) -> None:
        """Raise `AuditUnavailable`."""
        del page
        raise AuditUnavailable(DISABLED)

    def events(self) -> Collection[str]:
        """None are written."""
        return ()
