"""Locks and leases of pens as values, and events about pens besides those of `events`.

A lock is about an operator, and nobody else may type; a lease is one whose owner is an attachment
of a program, with which it ends.
"""

from enum import Enum

from attrs import field, frozen

from vspc.common.clock import rfc3339
from vspc.common.text import safe
from vspc.console.access import Operator
from vspc.console.events import AttachmentRef, ConsoleRef, Event
from vspc.console.session import Session

REASON_LIMIT = 200
"""Characters of the reason of a lock or a lease."""


@frozen
class PenLock:
    """A lock, or with an `id` a lease: other attachments of its operator that name the id type
    under it. Times are seconds since 1970. `session`: in which it was made. `keeps`: it does not
    end with the operator's last session. `reason` is one safe line.
    """

    console: ConsoleRef
    operator: Operator
    session: str
    since: float
    until: float
    reason: str = ""
    keeps: bool = False
    id: str = field(default="", repr=False)

    @property
    def is_lease(self) -> bool:
        """Whether it ends with an attachment."""
        return bool(self.id)

    @property
    def text(self) -> str:
        """ "locked by alice (firmware)", "leased to ci (build 512)"."""
        does = "leased to" if self.is_lease else "locked by"
        why = f" ({safe(self.reason, REASON_LIMIT)})" if self.reason else ""
        return f"{does} {self.operator.name}{why}"

    @property
    def long_text(self) -> str:
        """The same with its end."""
        return f"{self.text} until {rfc3339(self.until, 'seconds')}"


class LockEnd(Enum):
    """Why a lock or a lease is over; the value is the audit file's word."""

    UNLOCKED = "unlocked"
    EXPIRED = "expired"
    REPLACED = "replaced"  # by another of its owner
    GONE = "owner-left"
    MISSING = "owner-missing"  # since a restart of the server
    RIGHT = "right-lost"
    FORCED = "forced"
    GIVEN = "given"  # with the pen
    CHANNEL = "channel-closed"
    HOST = "host-changed"
    FORGOTTEN = "console-forgotten"


@frozen
class PenAsked(Event):
    """An attachment asked for a pen, which is `holder`'s."""

    attachment: AttachmentRef
    holder: str


class AskEnd(Enum):
    """What became of a question for a pen; the value is the audit file's word."""

    GIVEN = "given"
    REFUSED = "refused"
    UNANSWERED = "unanswered"  # and given
    WITHDRAWN = "withdrawn"  # by the one who asked, or somebody else has the pen now


@frozen
class PenAnswered(Event):
    """A question for a pen is over; the attachment had asked `holder`."""

    attachment: AttachmentRef
    holder: str
    end: AskEnd


class GivenBecause(Enum):
    """How a pen went to another attachment without force; the value is the audit file's word."""

    ASKED = "asked"  # and the holder said yes
    UNANSWERED = "unanswered"
    GIVEN = "given"
    NEXT = "next-in-line"
    LEASE = "lease"  # under one, or back to its owner


@frozen
class PenGiven(Event):
    """An attachment has a pen that was another's; `giver` is None where it had become free before.

    `PenReleased` and `PenTaken` are published before it.
    """

    attachment: AttachmentRef
    giver: Session | None
    because: GivenBecause


@frozen
class PenJoined(Event):
    """An attachment types, too, beside `holder`; `PenTaken` is published before it."""

    attachment: AttachmentRef
    holder: str


@frozen
class PenLocked(Event):
    """A pen is locked. `by`: in which session."""

    console: ConsoleRef
    by: Session
    lock: PenLock


@frozen
class PenUnlocked(Event):
    """A lock is over. `by`: in which session it was ended, None where nobody did that."""

    console: ConsoleRef
    by: Session | None
    lock: PenLock
    end: LockEnd


@frozen
class Leased(Event):
    """A program leases a pen."""

    console: ConsoleRef
    by: Session
    lease: PenLock


@frozen
class LeaseEnded(Event):
    """A lease is over; see `PenUnlocked`."""

    console: ConsoleRef
    by: Session | None
    lease: PenLock
    end: LockEnd
