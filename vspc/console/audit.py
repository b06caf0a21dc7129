"""The ports of the audit file: whoever does something that is recorded says so here, and reads it.

`vspc.watch` writes it. Events are flat; docs/audit.md has each with its fields.
"""

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from attrs import frozen

from vspc.common.clock import Cancellable
from vspc.console.session import Fact, Session

if TYPE_CHECKING:
    from vspc.console.console import Console


class Audit(Protocol):
    """The record. Nothing here blocks or raises."""

    def record(
        self,
        event: str,
        session: Session | None = None,
        console: "Console | None" = None,
        **facts: Fact,
    ) -> None:
        """One event: who did it and where, and what else there is to say. Never what was typed."""

    @property
    def refuses(self) -> bool:
        """Whether nobody may begin to type, because nothing can be recorded."""


class NoAudit:
    """Nothing is recorded."""

    refuses = False

    def record(
        self,
        event: str,
        session: Session | None = None,
        console: "Console | None" = None,
        **facts: Fact,
    ) -> None:
        """It is not."""


@frozen
class AuditQuery:
    """Which events: since when (seconds since 1970), whose, on which consoles (a glob of names),
    and of which name; None for all.
    """

    since: float
    operator: str | None = None
    console: str | None = None
    event: str | None = None


@frozen
class AuditPosition:
    """Where reading goes on: which file, and the offset in it."""

    file: int
    offset: int


@frozen
class AuditPage:
    """Some events, each a line of JSON; `ended`: there are no more for now. `writes` is how often
    something had been written when it was read; `begins` is the time of the first event that can be
    read, where those that were asked for may be older.
    """

    lines: Sequence[str]
    place: AuditPosition
    ended: bool
    writes: int = 0
    begins: str = ""


@frozen
class TurnedAway:
    """A VM or a login that was refused, `count` times from `first` to `last` (seconds since 1970).

    `what` is "vm" or "login", `name` a zone or whom he said he was; `hint` says what to write into
    the configuration if that was wrong. `vm_name` is what a VM said its name is, if it did.
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


class AuditReader(Protocol):
    """What was recorded, for verbs. Nothing here blocks or raises."""

    def ask(
        self,
        sought: AuditQuery,
        place: AuditPosition | None,
        answer: Callable[[AuditPage | None], Any],
    ) -> Cancellable | None:
        """Read on from `place`, or from `sought.since`; `answer` hears later, None: it cannot be
        read. Without a `Cancellable` too many ask already, and nobody hears.
        """

    def wait(self, page: AuditPage, call: Callable[[], None]) -> Cancellable | None:
        """`call` once, later, when there is more than `page` had; None: too many wait already."""

    def turned_away(self) -> Sequence[TurnedAway]:
        """What was refused lately, the last last."""

    def events(self) -> Collection[str]:
        """The names of all events there are; none: nobody knows."""


class NoAuditReader:
    """There is no audit file."""

    def ask(
        self,
        sought: AuditQuery,
        place: AuditPosition | None,
        answer: Callable[[AuditPage | None], Any],
    ) -> Cancellable | None:
        """Nobody hears."""
        del sought, place, answer
        return None

    def wait(self, page: AuditPage, call: Callable[[], None]) -> Cancellable | None:
        """Nor here."""
        del page, call
        return None

    def turned_away(self) -> Sequence[TurnedAway]:
        """It was not kept."""
        return ()

    def events(self) -> Collection[str]:
        """None is written."""
        return ()
