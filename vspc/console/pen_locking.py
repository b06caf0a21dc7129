"""The lock or lease of one pen: who makes it, whom it keeps from typing, who is told of its end."""

import secrets
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Protocol

from vspc.common.text import safe
from vspc.common.values import duration_text
from vspc.console.access import REASON, Rights, approvers
from vspc.console.approvals import Approvals
from vspc.console.attachment import Attachment, Refusal
from vspc.console.context import ConsoleContext
from vspc.console.events import EventSource
from vspc.console.notices import NoticeKind
from vspc.console.pen_events import REASON_LIMIT, GivenBecause, LockEnd, PenLock
from vspc.console.presence_notices import PresenceNotices
from vspc.console.session import Session

LOCK_TIME = 3600.0
"""Seconds of a lock, unless others were asked for."""

LEASE_TIME = 600.0
"""The same of a lease."""

LEASE_PREFIX = "lease-"
"""What the id of a lease begins with; 128 random bits follow."""

LOCK_LONGEST = 86400.0
"""Seconds of a lock or a lease at most."""

OWNERS_TOLD = 2
"""Terminals of an owner that are told on other consoles."""


class PenConsole(EventSource, Protocol):
    """A console, as its pen needs it."""

    id: str


class PenViewers(Protocol):
    """The attachments of the console, as its pen needs them."""

    def __contains__(self, attachment: object) -> bool:
        """Whether it has not left."""

    @property
    def approvals(self) -> Approvals:
        """Who has been approved to type."""

    @property
    def presence(self) -> PresenceNotices | None:
        """What tells all of them; None while nobody is there who is told."""

    def host_change_seen(self) -> None:
        """One of them has asked for the pen since the host changed."""


class HeldPen(Protocol):
    """A pen, as its lock and its line need it."""

    holders: tuple[Attachment, ...]
    is_requested: bool

    def fitness(self, attachment: Attachment) -> Refusal | None:
        """Whether it may have the pen at all."""

    def request(self, attachment: Attachment, force: bool = False) -> Refusal | None:
        """It wants the pen: why it cannot have it now."""

    def take(self, attachment: Attachment, force: bool = False) -> Refusal | None:
        """It wants the pen."""

    def lay_down(
        self, why: str = "laid it down", yours: str = "", attachment: Attachment | None = None
    ) -> None:
        """It, or each holder, has the pen no longer."""

    def hand(self, givers: tuple[Attachment, ...], to: Attachment, because: GivenBecause) -> None:
        """`to` holds it instead of `givers`."""

    def lock_changed(self) -> None:
        """It is locked now, or no longer."""

    def may_share(self, holders: tuple[Attachment, ...]) -> bool:
        """Whether all of them may type at once."""

    def acknowledged(self, attachment: Attachment) -> None:
        """It has asked for the pen, and so has seen a change of host."""


class PenLocking:
    """Its lock or lease. A lock is its operator's, wherever that has attachments; a lease belongs
    to the attachment that made it.
    """

    __slots__ = ("_attachments", "_console", "_context", "_lessee", "_pen")

    def __init__(
        self,
        context: ConsoleContext,
        console: PenConsole,
        attachments: PenViewers,
        pen: HeldPen,
    ) -> None:
        self._context = context
        self._console = console
        self._attachments = attachments
        self._pen = pen
        self._lessee: Attachment | None = None  # with whom a lease ends
        context.locks.bind(console.id, self)

    @property
    def lock(self) -> PenLock | None:
        """The one in force."""
        return self._context.locks.of(self._console.id)

    @property
    def is_leased(self) -> bool:
        """Whether it is a lease."""
        return self.lock is not None and self.lock.is_lease

    @property
    def lessee(self) -> Attachment | None:
        """Whose the lease is, while it is on the console."""
        return self._lessee if self._lessee in self._attachments else None

    def bars(self, attachment: Attachment) -> bool:
        """Whether it keeps `attachment` from typing."""
        lock = self.lock
        if lock is None:
            return False
        if lock.is_lease:
            return attachment.lease != lock.id
        return attachment.operator.name != lock.operator.name

    # Locks

    def take_and_lock(
        self, attachment: Attachment, seconds: float = LOCK_TIME, reason: str = ""
    ) -> Refusal | None:
        """`attachment` takes the pen, unless another holds it, and locks it."""
        refusal = self._pen.take(attachment)
        if refusal is not None:
            return refusal
        return self.set_lock(attachment.session, attachment.rights, seconds, reason)

    def set_lock(
        self,
        session: Session,
        rights: Rights,
        seconds: float = LOCK_TIME,
        reason: str = "",
        keeps: bool = False,
    ) -> Refusal | None:
        """Nobody but the operator of `session` types from now on, for `seconds` (at most
        `LOCK_LONGEST`); refused while others hold the pen. Another lock of the same operator is
        replaced.
        """
        holders, own = self._pen.holders, session.operator.name
        refusal = self._no_lock(session, rights)
        if refusal is not None:
            return refusal
        others = [each for each in holders if each.operator.name != own]
        if holders and len(others) == len(holders):
            return Refusal.PEN
        made = self._made(session, seconds, reason, keeps=keeps)
        if not self._context.locks.put(made, self, session):
            return Refusal.LOCKS
        self._exclude(others)
        self._tell_locked(made, session)
        self._pen.lock_changed()
        return None

    def _no_lock(self, session: Session, rights: Rights) -> Refusal | None:
        """Why `session` cannot lock it, whoever holds it."""
        lock = self.lock
        needs = bool(approvers(rights))
        if session.read_only:
            return Refusal.READ_ONLY
        if "write" not in rights:
            return Refusal.RIGHT
        if REASON in rights and not session.reason:
            return Refusal.REASON
        if needs and not self._attachments.approvals.has_given(session.operator.name):
            return Refusal.APPROVAL
        if lock is not None and (lock.is_lease or lock.operator.name != session.operator.name):
            return Refusal.LOCKED
        return Refusal.AUDIT if self._context.audit.refuses else None

    def _exclude(self, others: Iterable[Attachment]) -> None:
        for other in others:
            self._pen.lay_down("may not type now", "may not type while it is locked", other)

    def _made(
        self, session: Session, seconds: float, reason: str, keeps: bool = False, lease: str = ""
    ) -> PenLock:
        now = self._context.clock.wall()
        until = now + min(max(0.0, seconds), LOCK_LONGEST)
        shown = safe(reason, REASON_LIMIT)
        ref, operator = self._console.ref, session.operator
        return PenLock(ref, operator, session.id, now, until, shown, keeps, lease)

    def _tell_locked(self, lock: PenLock, by: Session) -> None:
        does = "leased" if lock.is_lease else "locked"
        why = f" ({lock.reason})" if lock.reason else ""
        rest = f"the pen for {duration_text(lock.until - lock.since)}{why}"

        def text(viewer: Attachment) -> str:
            return f"{_whoever(viewer.session, by, does)} {rest}"

        if self._attachments.presence is not None:
            self._attachments.presence.locked(text)

    def unlock(self, session: Session, rights: Rights) -> Refusal | None:
        """End the lock or lease: its operator may, and the right `admin`."""
        lock = self.lock
        if lock is None:
            return None
        if lock.operator.name != session.operator.name and not is_admin(session, rights):
            return Refusal.LOCKED
        self.end(LockEnd.UNLOCKED, session)
        return None

    # Leases

    def lease(
        self,
        attachment: Attachment,
        seconds: float = LEASE_TIME,
        label: str = "",
        force: bool = False,
    ) -> PenLock | Refusal:
        """`attachment`, of a program, takes the pen and keeps all others from it until it leaves,
        for `seconds` (at most `LOCK_LONGEST`). `label` says what for: "build 512".
        """
        if self.lock is not None and not self.bars(attachment):
            return Refusal.LOCKED  # it is the same operator's, or this is under a lease
        refusal = self._pen.take(attachment, force)
        if refusal is not None:
            return refusal
        others = [each for each in self._pen.holders if each is not attachment]
        made = self._made(
            attachment.session, seconds, label, lease=f"{LEASE_PREFIX}{secrets.token_hex(16)}"
        )
        attachment.lease, self._lessee = made.id, attachment
        self._context.locks.put(made, self, attachment.session)
        self._exclude(others)
        self._tell_locked(made, attachment.session)
        return made

    def use_lease(self, attachment: Attachment, lease_id: str) -> Refusal | None:
        """`attachment` types under a lease of its operator, whose own attachment lends the pen."""
        lock, lenders = self.lock, self._pen.holders
        unfit, approvals = self._pen.fitness(attachment), self._attachments.approvals
        if unfit is not None and unfit is not approvals.refusal(attachment):
            return unfit
        if lock is None or lock.operator.name != attachment.operator.name:
            return Refusal.LEASE
        given = lease_id.encode("utf-8", "surrogatepass")
        if not lock.id or not secrets.compare_digest(lock.id.encode(), given):
            return Refusal.LEASE
        if unfit is not None:
            approvals.ask(attachment)
            return unfit
        if attachment in lenders:
            return None
        if self._context.audit.refuses:
            return Refusal.AUDIT
        if lenders not in ((), (self.lessee,)):
            return Refusal.PEN  # another command types under it
        attachment.lease = lock.id
        self._pen.hand(lenders, attachment, GivenBecause.LEASE)
        return None

    def end_lease(self, attachment: Attachment, end: LockEnd = LockEnd.CHANNEL) -> None:
        """The lease that `attachment` made is over."""
        if self.is_leased and attachment is self._lessee:
            self.end(end, attachment.session if end is LockEnd.UNLOCKED else None)

    # Their end

    def end(self, end: LockEnd, by: Session | None = None) -> None:
        """The lock or lease is over, if there is one."""
        if self.lock is not None:
            self._context.locks.end(self.lock, end, by)

    def lock_ended(self, lock: PenLock, end: LockEnd, by: Session | None) -> None:
        """For `PenLocks`: who is concerned is told, and who is first in line has a free pen."""
        lessee, self._lessee = self.lessee, None

        def text(viewer: Attachment) -> str:
            return why_over(lock, end, by, viewer.session)

        if self._attachments.presence is not None:
            self._attachments.presence.unlocked(text, *([lessee] if lessee else ()))
        told = self._owners_elsewhere(lock)
        if lessee is not None:
            told.append(lessee)
        for each in told:
            title = "" if each is lessee else f"{self._console.ref.title}: "
            each.show(NoticeKind.PEN_UNLOCKED.notice(over=title + text(each)))
        self._pen.lock_changed()

    def _owners_elsewhere(self, lock: PenLock) -> list[Attachment]:
        """Terminals of the owner, if none of them is on this console."""
        every = self._context.sessions.of(lock.operator.name)
        there = [each for opened in every for each in opened.attachments if each.is_terminal]
        return [] if any(each in self._attachments for each in there) else there[:OWNERS_TOLD]


def why_over(lock: PenLock, end: LockEnd, by: Session | None, viewer: Session) -> str:
    """ "the lease of ci is over: alice forced it", as `viewer` is told."""
    why = _WHY[end]
    if by is not None:
        why = _whoever(viewer, by, _DOES.get(end, "ended it"))
    what = "lease" if lock.is_lease else "lock"
    return f"the {what} of {lock.operator.name} is over: {why}"


def _whoever(viewer: Session, by: Session, does: str) -> str:
    """ "bob locked", "you locked"."""
    return f"you {does}" if viewer.id == by.id else viewer.about(by, does, does)


def is_admin(session: Session, rights: Rights) -> bool:
    """Whether locks and leases of others do not bar `session`, which has `rights` there."""
    return "admin" in rights or "admin" in session.operator.roles


_WHY: Mapping[LockEnd, str] = MappingProxyType(
    {
        LockEnd.UNLOCKED: "it was ended",
        LockEnd.EXPIRED: "its time is over",
        LockEnd.REPLACED: "another one replaces it",
        LockEnd.GONE: "its owner has no session any more",
        LockEnd.MISSING: "its owner has not come back since the server was restarted",
        LockEnd.RIGHT: "its owner may no longer type here",
        LockEnd.FORCED: "it was forced",
        LockEnd.GIVEN: "the pen was given away",
        LockEnd.CHANNEL: "its program has left",
        LockEnd.HOST: "the host has changed",
        LockEnd.FORGOTTEN: "the console was forgotten",
    }
)
"""What terminals are told when a lock or a lease is over."""

_DOES: Mapping[LockEnd, str] = MappingProxyType(
    {LockEnd.FORCED: "forced it", LockEnd.GIVEN: "gave the pen away"}
)
"""The same of who did that."""
