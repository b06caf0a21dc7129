"""The pen of one console: who may type.

For those who build on it (verbs, escape commands):

- `pen.holders` may type: nobody, one, or two of which both have the right `join`; `pen.holder` is
  the first of them, `Attachment.has_pen` says it of one.
- What returns `Refusal | None` was done if that is None; `describe.refusal_text` has the words.
  `Waits` means that it is not refused, and one waits in line.
- Any attachment: `pen.take(a, force=)`, `pen.join(a)`, `pen.line.queue(a)` (when it is free),
  `pen.line.ask(a)` (its holder is asked), `pen.line.leave(a)`.
- A holder: `pen.lay_down(attachment=a)`, `pen.line.answer(a, yes)` to `pen.line.asker`,
  `pen.line.give(a, to)`.
- `pen.lock` is the `PenLock` in force, or None; its `text` and `long_text` describe it, `is_lease`
  says which of both it is. `pen.locking.set_lock` and `.unlock` need a session and its rights
  only, `.take_and_lock` an attachment.
- A program: `pen.locking.lease(a, seconds, label, force)` gives a `Refusal` or the `PenLock`, whose
  `id` other commands of the same operator pass to `pen.locking.use_lease(a, id)` to type under it.
  It ends by `end_lease(a)`, when `a` leaves, with its time, with a change of host, and by force
  (right `admin`): `a` is shown `NoticeKind.PEN_UNLOCKED` and, by force, `PEN_TAKEN`. When one under
  the lease leaves or lays the pen down, `a` has it again.
- Events are in `vspc.console.pen_events`.
"""

from collections.abc import Iterable

from vspc.common.clock import Cancellable, cancel
from vspc.common.values import duration_text
from vspc.console.access import REASON
from vspc.console.attachment import Attachment, Refusal
from vspc.console.context import ConsoleContext
from vspc.console.events import Event, PenReleased, PenTaken
from vspc.console.notices import NoticeKind
from vspc.console.pen_events import GivenBecause, LockEnd, PenGiven, PenJoined, PenLock
from vspc.console.pen_line import PenLine
from vspc.console.pen_locking import PenConsole, PenLocking, PenViewers, is_admin

WRITERS = 2
"""Attachments that may type at once, by the right `join`."""


class Pen:
    """The pen of one console: `holders` may type, any number of operators may read. `line` has
    those who wait for it, `locking` its lock or lease.

    At a terminal it is laid down when no key was typed for `ConsoleContext.pen_idle` seconds. A
    program keeps it, since it cannot ask for it again.
    """

    __slots__ = (
        "_attachments",
        "_context",
        "_timer",
        "holders",
        "is_requested",
        "line",
        "locking",
    )

    def __init__(
        self, context: ConsoleContext, console: PenConsole, attachments: PenViewers
    ) -> None:
        self._context = context
        self._attachments = attachments
        self._timer: Cancellable | None = None
        self.holders: tuple[Attachment, ...] = ()
        self.is_requested = False  # whether another attachment was refused since it was picked up
        self.locking = PenLocking(context, console, attachments, self)
        self.line = PenLine(context, attachments, self, self.locking)

    @property
    def holder(self) -> Attachment | None:
        """The first of those who may type; None while the pen is free."""
        return self.holders[0] if self.holders else None

    @property
    def lock(self) -> PenLock | None:
        """The lock or lease in force."""
        return self.locking.lock

    @property
    def recording_fails(self) -> bool:
        """Whether no attachment may begin to type, because it could not be recorded."""
        return self._context.audit.refuses

    @property
    def state(self) -> str:
        """ "the pen is free", "alice has the pen", and by whom it is locked."""
        has = "have" if len(self.holders) > 1 else "has"
        text = f"{_names(self.holders)} {has} the pen" if self.holders else "the pen is free"
        return text if self.lock is None else f"{text}, {self.lock.long_text}"

    # Who may have it

    def fitness(self, attachment: Attachment) -> Refusal | None:
        """Whether `attachment` may have it at all."""
        if attachment.session.read_only:
            return Refusal.READ_ONLY
        if "write" not in attachment.rights or attachment not in self._attachments:
            return Refusal.RIGHT
        if REASON in attachment.rights and not attachment.session.reason:
            return Refusal.REASON
        return self._attachments.approvals.refusal(attachment)

    def request(self, attachment: Attachment, force: bool = False) -> Refusal | None:
        """`attachment` wants it: why it cannot have it now, with `force` also if another holds it.
        Where it lacks approval, that is asked for.
        """
        unfit = self.fitness(attachment)
        if unfit is Refusal.APPROVAL:
            self._attachments.approvals.ask(attachment, again=True)
        if unfit is not None or attachment in self.holders:
            return unfit
        barred = self.locking.bars(attachment)
        if barred and not (force and is_admin(attachment.session, attachment.rights)):
            return Refusal.LOCKED
        if force and not barred and "force" not in attachment.rights:
            return Refusal.RIGHT
        if self.recording_fails:
            return Refusal.AUDIT
        return Refusal.PEN if self.holders and not force else None

    def may_share(self, holders: tuple[Attachment, ...]) -> bool:
        """Whether all of `holders` may type at once."""
        every = all("join" in each.rights for each in holders)
        return every and len(holders) <= WRITERS and self.lock is None

    # Taking it

    def pick_up(self, attachment: Attachment) -> Refusal | None:
        """`attachment` types a key or a BREAK: it takes a free pen if it may write.

        With only the right to BREAK it does so while the pen is free, and does not keep others from
        typing.
        """
        if attachment in self.holders:
            self._use(attachment)
            return None
        if self.recording_fails:
            return Refusal.AUDIT
        if self.locking.bars(attachment):
            return Refusal.LOCKED
        if self.holders:
            self.is_requested = True
            return Refusal.PEN
        unapproved = self._attachments.approvals.refusal(attachment)
        if unapproved is not None:
            self._attachments.approvals.ask(attachment)
            return unapproved
        if "write" in attachment.rights:
            self._pick_up(attachment)
        return None

    def take(self, attachment: Attachment, force: bool = False) -> Refusal | None:
        """`attachment` wants it; with `force` also if another holds it, and with the right `admin`
        also if it is locked, which ends the lock.
        """
        refusal = self.request(attachment, force)
        if refusal is Refusal.PEN:
            self.is_requested = True
            for holder in self.holders:
                if self._attachments.presence is not None:
                    self._attachments.presence.pen_wanted(attachment, holder)
        if refusal is not None:
            return refusal
        self.acknowledged(attachment)
        if attachment in self.holders:
            self._use(attachment)
        elif not self.holders and not self.locking.bars(attachment):
            self._pick_up(attachment)
        else:
            self._force(attachment)
        return None

    def acknowledged(self, attachment: Attachment) -> None:
        """Who asks for it has seen a change of host."""
        attachment.must_ask = False
        self._attachments.host_change_seen()
        self._context.changes.console(attachment.console.id)

    def _pick_up(self, attachment: Attachment) -> None:
        self._set((attachment,))
        self._publish(PenTaken(attachment.ref))
        if self._attachments.presence is not None:
            self._attachments.presence.pen_taken(attachment)

    def _force(self, attachment: Attachment) -> None:
        former, barred = self.holders, self.locking.bars(attachment)
        names = _names(former)
        self._set((attachment,))
        self._publish(PenTaken(attachment.ref, names or None))
        if barred:
            self.locking.end(LockEnd.FORCED, attachment.session)
        for each in former:
            took = each.session.about(attachment.session, "took", "took")
            each.show(NoticeKind.PEN_TAKEN.notice(who=took))
        self._passed(attachment, f"the pen, taken from {names}" if names else "the pen", former)

    def join(self, attachment: Attachment) -> Refusal | None:
        """`attachment` types, too, beside the holder: both need the right `join`. Takes a pen that
        is free.
        """
        refusal = self.request(attachment)
        if refusal is not Refusal.PEN:
            return refusal or self.take(attachment)
        former = self.holders
        if not self.may_share((*former, attachment)):
            return Refusal.JOIN
        self.acknowledged(attachment)
        self._set((*former, attachment))
        self._publish(PenTaken(attachment.ref))
        self._publish(PenJoined(attachment.ref, _names(former)))
        for each in former:
            types = each.session.about(attachment.session, "types", "type")
            each.show(NoticeKind.PEN_JOINED.notice(who=types))
        self._passed(attachment, f"the pen, too, beside {_names(former)}", former)
        return None

    def hand(self, givers: tuple[Attachment, ...], to: Attachment, because: GivenBecause) -> None:
        """`to` holds it instead of `givers`, who are told by the caller."""
        self._set((*(each for each in self.holders if each not in givers), to))
        for giver in givers:
            self._publish(PenReleased(giver.ref))
        self._publish(PenTaken(to.ref))
        giver_session = givers[0].session if givers else None
        self._publish(PenGiven(to.ref, giver_session, because))

    def _passed(self, to: Attachment, what: str, told: Iterable[Attachment]) -> None:
        if self._attachments.presence is not None:
            self._attachments.presence.pen_passed(to, what, told)

    # Laying it down

    def lay_down(
        self, why: str = "laid it down", yours: str = "", attachment: Attachment | None = None
    ) -> None:
        """`attachment`, or each holder, has it no longer: the first in line has it now, or the next
        key takes it. Attachments are told `why`, after the former holder's name; the former holder
        itself `yours`, after "you", unless that is empty.
        """
        gone = tuple(each for each in self.holders if attachment in (None, each))
        if not gone:
            return
        self.drop(gone, why)
        for former in gone:
            if not self.holders and self._attachments.presence is not None:
                self._attachments.presence.pen_freed(former, why, yours)
            elif yours:
                former.show(NoticeKind.PEN_LAID_DOWN.notice(why=yours))

    def drop(self, gone: tuple[Attachment, ...], why: str) -> None:
        """`gone` have it no longer. Whoever has it now is told, and others that it does; where
        nobody has, the caller tells them.
        """
        rest = tuple(each for each in self.holders if each not in gone)
        heir = None if rest else self._heir(gone)
        if heir is not None:
            self._inherit(gone, heir, why)
            return
        self._set(rest)
        other = rest[0].ref if rest else None
        for former in gone:
            self._publish(PenReleased(former.ref, other))
        if rest:
            over = f"{_names(gone)} {why}"
            rest[0].show(NoticeKind.PEN_ALONE.notice(why=over))
            self._passed(rest[0], f"the pen alone: {over}", gone)

    def lock_changed(self) -> None:
        """It is locked now, or no longer: it may be free, and somebody wait for it."""
        heir = None if self.holders else self._heir(())
        if heir is not None:
            self._inherit((), heir, "")
        self.line.lock_changed()

    def _heir(self, gone: tuple[Attachment, ...]) -> Attachment | None:
        if self.locking.is_leased:
            lessee = self.locking.lessee
            return None if lessee in gone or self.recording_fails else lessee
        return self.line.heir()

    def _inherit(self, gone: tuple[Attachment, ...], heir: Attachment, why: str) -> None:
        if self.locking.is_leased:
            self.hand(gone, heir, GivenBecause.LEASE)
            return
        self.hand(gone, heir, GivenBecause.NEXT)
        behind = f": {_names(gone)} {why}" if gone else ""
        heir.show(NoticeKind.PEN_GIVEN.notice(why=f"you were first in line{behind}"))
        self._passed(heir, f"the pen as the first in line{behind}", ())

    def left(self, attachment: Attachment) -> None:
        """`attachment` has left the console."""
        self.line.leave(attachment)
        if attachment in self.holders:
            self.drop((attachment,), "left")
        self.locking.end_lease(attachment)

    # What changes on the console

    def reassess(self, attachment: Attachment, why: str) -> None:
        """The rights of `attachment` have changed; `why` it may no longer type, if so."""
        if "write" not in attachment.rights:
            self.deny(attachment, why)
        elif len(self.holders) > 1 and not self.may_share(self.holders):
            alone = "may no longer join another writer"
            self.lay_down(alone, alone, self.holders[-1])

    def deny(self, attachment: Attachment, why: str) -> None:
        """`attachment` may not have it: neither now nor as the next one in line."""
        self.line.leave(attachment, why)
        self.lay_down(why, attachment=attachment)
        self.locking.end_lease(attachment, LockEnd.RIGHT)

    def host_changed(self) -> None:
        """The console's host is another one: it has to be asked for, and a lease is over."""
        self.line.clear("the host has changed")
        if self.locking.is_leased:
            self.locking.end(LockEnd.HOST)
        self.lay_down("has to ask for it, the host has changed")

    # Holding it

    def _set(self, holders: tuple[Attachment, ...]) -> None:
        """`holders` have it from now on; what others typed is recorded now."""
        before, self.holders = self.holders, holders
        self.is_requested = False
        for each in before:
            if each not in holders:
                self._context.accounting.record(each.account)
                self._context.accounting.record(each.answers)
        now = self._context.clock.seconds()
        for each in holders:
            if each not in before:
                each.used = now
        self.line.holders_changed(before, holders)
        self._restart_timer()

    def _use(self, attachment: Attachment) -> None:
        """A holder did something."""
        attachment.used = self._context.clock.seconds()
        if self._timer is None and attachment.is_terminal:
            self._restart_timer()

    def _restart_timer(self) -> None:
        """Look again when the first of those at terminals will have been idle for too long."""
        cancel(self._timer)
        self._timer = None
        used = [each.used for each in self.holders if each.is_terminal]
        limit = self._context.pen_idle()
        if limit and used:
            left = min(used) + limit - self._context.clock.seconds()
            self._timer = self._context.clock.call_later(max(0.0, left), self._check_idle)

    def _check_idle(self) -> None:
        self._timer = None
        limit, now = self._context.pen_idle(), self._context.clock.seconds()
        for holder in self.holders:
            if limit and holder.is_terminal and now - holder.used >= limit:
                rest = f"typed nothing for {duration_text(limit)}"
                self.lay_down(f"has {rest}", f"have {rest}", holder)
        if self._timer is None:
            self._restart_timer()

    def _publish(self, event: Event) -> None:
        self._context.events.publish(event)


def _names(attachments: Iterable[Attachment]) -> str:
    return " and ".join(each.operator.name for each in attachments)
