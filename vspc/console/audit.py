"""The port of the audit file: whoever does something that is recorded says so here.

`vspc.watch` writes it. Events are flat; docs/audit.md has each with its fields.
"""

from typing import TYPE_CHECKING, Protocol

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
