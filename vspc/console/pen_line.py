"""Those in line for one pen: they wait until it is free, or ask its holder, who answers."""

from collections.abc import Iterator

from attrs import frozen

from vspc.console.attachment import Attachment, Refusal
from vspc.console.context import ConsoleContext
from vspc.console.notices import NoticeKind
from vspc.console.pen_events import AskEnd, GivenBecause, LockEnd, PenAnswered, PenAsked
from vspc.console.pen_locking import HeldPen, PenLocking, PenViewers
from vspc.console.pen_queue import PenQueue


@frozen
class Waits:
    """One waits for the pen: `place` is 1 for the first in line."""

    place: int


class PenLine:
    """Who waits, and who of them asks. At most `pen_queue.LIMIT` wait."""

    __slots__ = ("_attachments", "_context", "_locking", "_pen", "_queue")

    def __init__(
        self,
        context: ConsoleContext,
        attachments: PenViewers,
        pen: HeldPen,
        locking: PenLocking,
    ) -> None:
        self._context = context
        self._attachments = attachments
        self._pen = pen
        self._locking = locking
        self._queue: PenQueue | None = None  # made when somebody waits

    def __iter__(self) -> Iterator[Attachment]:
        return iter(self._queue or ())

    def __len__(self) -> int:
        return 0 if self._queue is None else len(self._queue)

    @property
    def asker(self) -> Attachment | None:
        """The one about whom the holder is asked now."""
        return None if self._queue is None else self._queue.asker

    def place(self, attachment: Attachment) -> int:
        """1 for the first; 0 for one who does not wait."""
        return 0 if self._queue is None else self._queue.place(attachment)

    @property
    def asked(self) -> Attachment:
        """The one who is asked; to be called while there is a holder."""
        holders = self._pen.holders
        return next((each for each in holders if each.is_terminal), holders[0])

    @property
    def answer_time(self) -> float:
        """Seconds after which a holder who was asked has given the pen; 0: never."""
        return 0.0 if self._locking.lock is not None else self._context.ask_timeout()

    # Waiting and asking

    def queue(self, attachment: Attachment) -> Refusal | Waits | None:
        """`attachment` takes the pen, or waits until it is free."""
        return self._wait(attachment, asks=False)

    def ask(self, attachment: Attachment) -> Refusal | Waits | None:
        """`attachment` takes the pen, or its holder is asked: no answer for `ask_timeout` is a yes,
        unless it is locked. A program cannot be asked.
        """
        holders = self._pen.holders
        if holders and not any(each.is_terminal for each in holders):
            refusal = self._pen.request(attachment)
            return Refusal.PROGRAM if refusal is Refusal.PEN else refusal
        return self._wait(attachment, asks=True)

    def _wait(self, attachment: Attachment, asks: bool) -> Refusal | Waits | None:
        refusal = self._pen.request(attachment)
        if refusal is None:
            return self._pen.take(attachment)
        owner_can_be_asked = asks and self._pen.holders and not self._locking.is_leased
        if refusal is not Refusal.PEN and not (refusal is Refusal.LOCKED and owner_can_be_asked):
            return refusal
        if self._queue is None:
            clock = self._context.clock
            self._queue = PenQueue(
                clock, lambda: self.answer_time, self._show_question, self._unanswered
            )
        waited = attachment in self._queue
        place = self._queue.add(attachment, asks)
        if not place:
            return Refusal.QUEUE
        self._pen.acknowledged(attachment)
        self._pen.is_requested = True
        if asks:
            self._context.events.publish(PenAsked(attachment.ref, self._holder))
        elif not waited and self._attachments.presence is not None:
            for holder in self._pen.holders:
                self._attachments.presence.pen_wanted(attachment, holder, waits=True)
        return Waits(place)

    @property
    def _holder(self) -> str:
        return self._pen.holders[0].operator.name if self._pen.holders else ""

    def _show_question(self, _asker: Attachment) -> None:
        for holder in self._pen.holders:
            if holder.is_terminal:
                self.show_question(holder)

    def show_question(self, holder: Attachment) -> None:
        """Show `holder` the question that is open, if there is one."""
        if self.asker is not None:
            asks = holder.session.about(self.asker.session, "asks", "ask")
            hint = ("y N", ": {} gives it, {} refuses")
            holder.show(NoticeKind.PEN_ASKED.notice(hint, asks=asks))

    def leave(self, attachment: Attachment, why: str = "") -> bool:
        """It waits no longer; whether it did. It is told `why` unless that is empty."""
        if self._queue is None:
            return False
        was_asker = self._queue.asker is attachment
        waited = self._queue.remove(attachment)
        if was_asker:
            self._publish_end(attachment, AskEnd.WITHDRAWN)
            for holder in self._pen.holders:
                asked = holder.session.about(attachment.session, "no longer asks", "no longer ask")
                holder.show(NoticeKind.PEN_ASK_OVER.notice(asked=asked))
        self._queue.show_next()
        if waited and why:
            attachment.show(NoticeKind.PEN_NOT_WAITED.notice(why=why))
        self._tidy()
        return waited

    def clear(self, why: str) -> None:
        """Nobody waits any longer; who did is told `why`."""
        if self._queue is not None:
            for each in self._queue.clear():
                each.show(NoticeKind.PEN_NOT_WAITED.notice(why=why))
            self._tidy()

    def _tidy(self) -> None:
        """Nothing of a line in which nobody is, is left."""
        if self._queue is not None and self._queue.is_over:
            self._queue = None

    def close(self) -> None:
        """Nobody is on the console."""
        if self._queue is not None:
            self._queue.close()
            self._queue = None

    def _publish_end(self, asker: Attachment, end: AskEnd, asked: str = "") -> None:
        self._context.events.publish(PenAnswered(asker.ref, asked or self._holder, end))

    # Answers

    def answer(self, attachment: Attachment, yes: bool) -> Refusal | Attachment | None:
        """The holder answers the one who asks, who is returned; None where nobody does."""
        asker = self.asker
        if asker is None or self._queue is None or attachment not in self._pen.holders:
            return None
        if yes:
            return self._say_yes(attachment, asker)
        self._publish_end(asker, AskEnd.REFUSED)
        keeps = asker.session.about(attachment.session, "keeps", "keep")
        asker.show(NoticeKind.PEN_KEPT.notice(who=keeps))
        self._queue.refuse()
        self._tidy()
        return asker

    def _say_yes(self, attachment: Attachment, asker: Attachment) -> Refusal | Attachment:
        others = tuple(each for each in self._pen.holders if each is not attachment)
        if others and not self._pen.may_share((*others, asker)):
            self._pen.lay_down(attachment=attachment)  # the other has not answered yet
            return asker
        return self._transfer((attachment,), asker, GivenBecause.ASKED) or asker

    def _unanswered(self, asker: Attachment) -> None:
        refusal = self._transfer(self._pen.holders, asker, GivenBecause.UNANSWERED)
        if refusal is not None:
            self.leave(asker, "it may not be given to you now")

    def give(self, attachment: Attachment, to: Attachment) -> Refusal | None:
        """A holder gives it to another, who need not have asked; a refusal is about that one. A
        lease cannot be given.
        """
        if attachment not in self._pen.holders:
            return Refusal.PEN
        others = tuple(each for each in self._pen.holders if each is not attachment)
        if to in others:
            self._pen.lay_down(attachment=attachment)
            return None
        if others and not self._pen.may_share((*others, to)):
            return Refusal.JOIN
        return self._transfer((attachment,), to, GivenBecause.GIVEN)

    def _transfer(
        self, givers: tuple[Attachment, ...], to: Attachment, because: GivenBecause
    ) -> Refusal | None:
        refusal = self._pen.fitness(to)
        approver = None
        if refusal is Refusal.APPROVAL and because is not GivenBecause.UNANSWERED:
            may_give = self._attachments.approvals.may_give
            approver = next((each for each in givers if may_give(each, to)), None)
            refusal = None if approver is not None else refusal
        bars = self._locking.bars(to)
        if refusal is None and bars and self._locking.is_leased:
            refusal = Refusal.LOCKED
        if refusal is None and self._context.audit.refuses:
            refusal = Refusal.AUDIT
        if refusal is not None:
            return refusal
        if approver is not None:
            self._attachments.approvals.give(approver, to)
        if self._queue is not None and self._queue.asker is to:
            unanswered = because is GivenBecause.UNANSWERED
            self._publish_end(to, AskEnd.UNANSWERED if unanswered else AskEnd.GIVEN)
            self._queue.remove(to)
        self._pen.acknowledged(to)
        to.reads_only = False
        self._pen.hand(givers, to, because)
        if bars:
            self._locking.end(LockEnd.GIVEN, givers[0].session)
        self._tell_given(givers, to, because)
        return None

    def _tell_given(
        self, givers: tuple[Attachment, ...], to: Attachment, because: GivenBecause
    ) -> None:
        unanswered = because is GivenBecause.UNANSWERED
        why, does = (", as you did not answer", "did not answer") if unanswered else ("", "gave it")
        for giver in givers:
            has = giver.session.about(to.session, "has", "have")
            giver.show(NoticeKind.PEN_GONE.notice(who=has, why=why))
        to.show(NoticeKind.PEN_GIVEN.notice(why=to.session.about(givers[0].session, does, does)))
        if self._attachments.presence is not None:
            names = " and ".join(each.operator.name for each in givers)
            self._attachments.presence.pen_passed(to, f"the pen: {names} {does}", givers)

    # What the pen needs

    def heir(self) -> Attachment | None:
        """The first who may have a pen that is free."""
        if self._queue is None:
            return None
        if self._context.audit.refuses:
            self.clear("the audit file cannot be written")
            return None
        for each in self._queue:
            if self._pen.fitness(each) is not None:
                self.leave(each, "you may not type")
            elif not self._locking.bars(each):
                return each
        return None

    def lock_changed(self) -> None:
        """A question has a time without a lock only: it is shown again."""
        if self._queue is not None:
            self._queue.ask_again()

    def holders_changed(self, before: tuple[Attachment, ...], now: tuple[Attachment, ...]) -> None:
        """Who has it now waits no longer. Nobody has asked those who have it now, unless one of
        them had it before: who had asked waits.
        """
        if self._queue is None:
            return
        asked = before[0].operator.name if before else ""
        for each in now:
            if self._queue.asker is each:
                self._publish_end(each, AskEnd.WITHDRAWN, asked)
            self._queue.remove(each)
        if before and not any(each in now for each in before):
            for each in self._queue.holder_changed():
                self._publish_end(each, AskEnd.WITHDRAWN, asked)
                each.show(NoticeKind.PEN_WAITS.notice(place=self._queue.place(each)))
        self._queue.show_next()
        self._tidy()
