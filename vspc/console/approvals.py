"""Four eyes: who types on one console only while somebody who watches it has approved that.

Rights say who needs approval and who may give it (`vspc.console.access`). An attachment that needs
it and wants to type asks; terminals on the console that may approve are shown the question, one at
a time, and answer. Approval is about that one attachment. It ends when who gave it leaves the
console or may no longer approve, after `APPROVED_FOR`, with a change of host, and when it is no
longer needed. Then nothing more of that attachment goes to the VM, what waits included.

Nobody approves what the same operator types, in whatever session.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from attrs import define

from vspc.common.clock import Timer
from vspc.common.text import safe
from vspc.common.values import duration_text
from vspc.console.access import approvers, approving, may_approve
from vspc.console.approval_events import Approval, ApprovalEnd, ApprovalStep
from vspc.console.attachment import VERBS, Attachment, Refusal
from vspc.console.context import ConsoleContext
from vspc.console.input_queue import amount
from vspc.console.notices import NoticeKind
from vspc.console.session import Session

APPROVED_FOR = 3600.0
"""Seconds that an approval lasts at most."""

ASK_AGAIN = 10.0
"""Seconds after a refusal before the same attachment may ask again."""

ASK_INTERVAL = 1.0
"""Seconds between two questions that one terminal is shown."""

NAMED = 3
"""Operators that are named where several are asked."""


@define(eq=False)
class _Request:
    attachment: Attachment
    timer: Timer
    step: ApprovalStep = ApprovalStep.ASKED
    by: Attachment | None = None  # who approved it
    refused_at: float = 0.0

    @property
    def is_open(self) -> bool:
        return self.step is ApprovalStep.ASKED

    @property
    def is_given(self) -> bool:
        return self.step is ApprovalStep.GIVEN


@define(eq=False)
class _Approver:
    """A terminal on the console that may approve something."""

    pause: Timer  # runs for `ASK_INTERVAL` after a question
    asker: Attachment | None = None  # of the question that was shown and is open


class Approvals:
    """The requests of one console, in their order; at most one of each attachment.

    `deny` takes the pen, and a place in line for it, from one that needs approval again.
    """

    __slots__ = ("_approvers", "_context", "_deny", "_requests")

    def __init__(self, context: ConsoleContext, deny: Callable[[Attachment, str], None]) -> None:
        self._context = context
        self._deny = deny
        self._requests: dict[Attachment, _Request] = {}
        self._approvers: dict[Attachment, _Approver] = {}

    # What others need to know

    def refusal(self, attachment: Attachment) -> Refusal | None:
        """Why `attachment` may not type, as far as this is about approval."""
        if not approvers(attachment.rights):
            return None
        request = self._requests.get(attachment)
        if request is not None and request.is_given:
            return None
        is_terminal, step = attachment.is_terminal, None if request is None else request.step
        lapsed = step is ApprovalStep.UNANSWERED and not is_terminal
        return Refusal.UNANSWERED if lapsed else Refusal.APPROVAL

    def is_open(self, attachment: Attachment) -> bool:
        """Whether `attachment` has asked, and has no answer yet."""
        request = self._requests.get(attachment)
        return request is not None and request.is_open

    def has_given(self, operator: str) -> bool:
        """Whether an attachment of `operator` has approval."""
        every = self._requests.values()
        return any(each.is_given and each.attachment.operator.name == operator for each in every)

    def approver(self, attachment: Attachment) -> Attachment | None:
        """Who has approved that `attachment` types."""
        request = self._requests.get(attachment)
        return None if request is None else request.by

    def question(self, attachment: Attachment) -> Attachment | None:
        """About whom `attachment` was asked, and has not answered."""
        approver = self._approvers.get(attachment)
        return None if approver is None else approver.asker

    def may_give(self, attachment: Attachment, to: Attachment) -> bool:
        """Whether `attachment` may approve that `to` types."""
        return (
            attachment in self._approvers
            and attachment.operator.name != to.operator.name
            and may_approve(attachment.rights, to.rights)
        )

    def obstacle(self, attachment: Attachment) -> str:
        """What `attachment` lacks: "waiting for approval by @leads"."""
        request = self._requests.get(attachment)
        names = _names(approvers(attachment.rights))
        match ApprovalStep.ENDED if request is None else request.step:
            case ApprovalStep.ASKED:
                return f"waiting for approval by {names}"
            case ApprovalStep.REFUSED:
                return f"approval by {names} was refused"
            case ApprovalStep.UNANSWERED:
                return f"no approval by {names}, who did not answer"
        return f"typing needs approval by {names}"

    # Asking

    def ask(self, attachment: Attachment, again: bool = False) -> None:
        """`attachment` wants to type. After a refusal it has to say so (`again`), and not within
        `ASK_AGAIN`; a program asks once.
        """
        request = self._requests.get(attachment)
        if request is not None and not self._may_ask_again(request, again):
            return
        request = _Request(attachment, Timer(self._context.clock))
        self._requests[attachment] = request
        request.timer.start(self._context.approve_timeout(), lambda: self._unanswered(request))
        self._publish(request, ApprovalStep.ASKED)
        self._tell_asked(request)
        self._show_questions()

    def _may_ask_again(self, request: _Request, again: bool) -> bool:
        if request.is_open or request.is_given or not request.attachment.is_terminal:
            return False
        if request.step is ApprovalStep.REFUSED:
            return again and self._context.clock.seconds() >= request.refused_at + ASK_AGAIN
        return True

    def _tell_asked(self, request: _Request) -> None:
        attachment = request.attachment
        may = [each for each in self._approvers if self.may_give(each, attachment)]
        there = list(dict.fromkeys(each.operator.name for each in may))
        asked = ", ".join(there[:NAMED])
        asked += f" and {len(there) - NAMED} more" if len(there) > NAMED else ""
        title = attachment.console.title
        who = f"asked: {asked}" if there else f"none of them is on {title}, one has to attach"
        names = _names(approvers(attachment.rights))
        attachment.show(NoticeKind.APPROVAL_NEEDED.notice(names=names, who=who))

    def _show_questions(self) -> None:
        """Show each terminal that is not busy with another question the first that it may answer,
        if there is one.
        """
        for member, approver in self._approvers.items():
            if approver.asker is None and approver.pause.left is None:
                every = (each.attachment for each in self._requests.values() if each.is_open)
                asker = next((each for each in every if self.may_give(member, each)), None)
                if asker is not None:
                    approver.asker = asker
                    approver.pause.start(ASK_INTERVAL, self._show_questions)
                    self.show_question(member)

    def show_question(self, attachment: Attachment) -> None:
        """Show `attachment` the question that is open, if there is one."""
        asker = self.question(attachment)
        if asker is None:
            return
        asks = attachment.session.about(asker.session, "asks", "ask")
        how = "" if asker.is_terminal else " with a program"
        reason = f" ({safe(asker.session.reason)})" if asker.session.reason else ""
        on = f"{attachment.console.title}{how}{reason}"
        hint = ("y N", ": {} approves, {} refuses")
        attachment.show(NoticeKind.APPROVAL_ASKED.notice(hint, asks=asks, on=on))

    def entered(self, attachment: Attachment) -> None:
        """`attachment` is new on the console: it may be the one that others wait for."""
        self._enlist(attachment)
        if attachment in self._approvers:
            for request in self._requests.values():
                if request.is_open and self.may_give(attachment, request.attachment):
                    self._tell_asked(request)
            self._show_questions()

    def _enlist(self, attachment: Attachment) -> None:
        if attachment.is_terminal and approving(attachment.rights):
            self._approvers.setdefault(attachment, _Approver(Timer(self._context.clock)))
        else:
            self._strike(attachment)

    def _strike(self, attachment: Attachment) -> None:
        approver = self._approvers.pop(attachment, None)
        if approver is not None:
            approver.pause.stop()
            self._unask(attachment, approver)

    def _unask(self, member: Attachment, approver: _Approver) -> None:
        """A question that it was shown is not for it any more."""
        asker, approver.asker = approver.asker, None
        if asker is not None and member in member.console.attachments:
            over = f"you are no longer asked about {asker.operator.name}"
            member.show(NoticeKind.APPROVAL_OVER.notice(told=over))

    # Answers

    def answer(self, attachment: Attachment, yes: bool) -> Attachment | None:
        """`attachment` answers the question that it was shown; about whom. None: there is none."""
        asker = self.question(attachment)
        if asker is None:
            return None
        if yes:
            self.give(attachment, asker)
        else:
            self._refuse(self._requests[asker], attachment)
        return asker

    def give(self, attachment: Attachment, to: Attachment) -> None:
        """`attachment`, which may, approves that `to` types."""
        request = self._requests.get(to)
        if request is None:
            request = self._requests[to] = _Request(to, Timer(self._context.clock))
        request.step, request.by = ApprovalStep.GIVEN, attachment
        request.timer.start(APPROVED_FOR, lambda: self._end(request, ApprovalEnd.TIME))
        self._publish(request, ApprovalStep.GIVEN, attachment.session)
        who = to.session.about(attachment.session, "approves", "approve")
        limit, name = duration_text(APPROVED_FOR), attachment.operator.name
        to.show(NoticeKind.APPROVAL_GIVEN.notice(who=who, name=name, limit=limit))
        self._answered(request, attachment, "approved")

    def _refuse(self, request: _Request, by: Attachment) -> None:
        asker = request.attachment
        request.step = ApprovalStep.REFUSED
        request.refused_at = self._context.clock.seconds()
        request.timer.stop()
        self._publish(request, ApprovalStep.REFUSED, by.session)
        who = asker.session.about(by.session, "refuses", "refuse")
        asker.show(NoticeKind.APPROVAL_REFUSED.notice(who=who))
        self._answered(request, by, "refused")

    def _unanswered(self, request: _Request) -> None:
        request.step = ApprovalStep.UNANSWERED
        self._publish(request, ApprovalStep.UNANSWERED)
        who = f"no answer for {duration_text(self._context.approve_timeout())}"
        request.attachment.show(NoticeKind.APPROVAL_REFUSED.notice(who=who))
        self._answered(request)

    def _answered(self, request: _Request, by: Attachment | None = None, does: str = "") -> None:
        """It is no longer open. Others are told, and a program goes on, or ends."""
        asker = request.attachment
        for member, approver in self._approvers.items():
            if approver.asker is asker:
                approver.asker = None
                if member is not by:
                    over = member.session.about(asker.session, "no longer asks", "no longer ask")
                    if by is not None:
                        answers = member.session.about(by.session, does, does)
                        over = f"{answers} what {asker.operator.name} asked for"
                    member.show(NoticeKind.APPROVAL_OVER.notice(told=over))
        self._go_on(asker)
        self._show_questions()

    def _go_on(self, attachment: Attachment) -> None:
        """A program that waits looks again."""
        if attachment in attachment.console.attachments:
            self._context.wakeups.guard(attachment.sink.writable)

    # The end

    def _end(self, request: _Request, end: ApprovalEnd) -> None:
        """Nothing more of it goes to the VM."""
        by, asker = request.by, request.attachment
        request.step, request.by = ApprovalStep.ENDED, None
        request.timer.stop()
        self._publish(request, ApprovalStep.ENDED, end=end)
        self._tell_over(asker, by, end)
        name = "" if by is None else by.operator.name
        self._stop_typing(asker, f"approval is over, {_WHY[end].format(name=name)}")

    def _tell_over(self, asker: Attachment, by: Attachment | None, end: ApprovalEnd) -> None:
        """Who approved it watches no longer. That a person has left is told anyway."""
        if end is ApprovalEnd.LEFT and asker.kind not in VERBS:
            return
        if by is not None and by in by.console.attachments:
            over = f"approval of {asker.operator.name} is over: {_TOLD[end]}"
            by.show(NoticeKind.APPROVAL_OVER.notice(told=over))

    def _stop_typing(self, attachment: Attachment, why: str) -> None:
        self._deny(attachment, "needs approval")
        unsent = attachment.withdraw()
        rest = f": {amount(unsent, 0)} not sent" if unsent else ""
        attachment.show(NoticeKind.APPROVAL_ENDED.notice(why=why, rest=rest))
        self._go_on(attachment)

    def left(self, attachment: Attachment) -> None:
        """`attachment` has left the console."""
        might_have_approved = attachment in self._approvers
        self._strike(attachment)
        request = self._requests.get(attachment)
        if request is not None:
            self._drop(request, ApprovalEnd.LEFT)
        for each in list(self._requests.values()) if might_have_approved else ():
            if each.by is attachment:
                self._end(each, ApprovalEnd.APPROVER_LEFT)

    def _drop(self, request: _Request, end: ApprovalEnd) -> None:
        """It is over, and its attachment is not concerned any more."""
        asker, by = request.attachment, request.by
        was_open, was_given = request.is_open, request.is_given
        del self._requests[asker]
        request.timer.stop()
        request.step, request.by = ApprovalStep.ENDED, None
        if was_open:
            self._publish(request, ApprovalStep.WITHDRAWN, end=end)
            self._answered(request)
        elif was_given:
            self._publish(request, ApprovalStep.ENDED, end=end)
            self._tell_over(asker, by, end)

    def reassess(self, members: Iterable[Attachment]) -> None:
        """Rights of `members`, all on the console, have changed."""
        for member in members:
            self._enlist(member)
        for request in list(self._requests.values()):
            self._reassess(request)
        for member, approver in self._approvers.items():
            if approver.asker is not None and not self.may_give(member, approver.asker):
                self._unask(member, approver)
        for member in list(members):
            is_typing = member.has_pen or member.account.waiting > 0
            if is_typing and self.refusal(member) is not None:
                names = _names(approvers(member.rights))
                self._stop_typing(member, f"typing needs approval by {names} now")
        self._show_questions()

    def _reassess(self, request: _Request) -> None:
        asker, by = request.attachment, request.by
        if not {"write", "break"} & asker.rights:
            self._drop(request, ApprovalEnd.RIGHT)
        elif not approvers(asker.rights):
            if request.is_open:
                asker.show(NoticeKind.APPROVAL_NEEDLESS.notice())
            self._drop(request, ApprovalEnd.NEEDLESS)
        elif by is not None and not self.may_give(by, asker):
            self._end(request, ApprovalEnd.APPROVER_RIGHT)

    def host_changed(self) -> None:
        """It may be another VM: who had approval, or waits for it, has to ask again."""
        for request in list(self._requests.values()):
            if request.is_given:
                self._end(request, ApprovalEnd.HOST)
            elif request.is_open:
                self._drop(request, ApprovalEnd.HOST)

    def _publish(
        self,
        request: _Request,
        step: ApprovalStep,
        by: Session | None = None,
        end: ApprovalEnd | None = None,
    ) -> None:
        self._context.events.publish(Approval(request.attachment.ref, step, by, end))


def _names(names: Iterable[str]) -> str:
    return " or ".join("another operator" if name == "*" else name for name in names)


_WHY: Mapping[ApprovalEnd, str] = MappingProxyType(
    {
        ApprovalEnd.APPROVER_LEFT: "{name} has left the console",
        ApprovalEnd.APPROVER_RIGHT: "{name} may no longer approve",
        ApprovalEnd.TIME: f"it lasts {duration_text(APPROVED_FOR)}",
        ApprovalEnd.HOST: "the host has changed",
    }
)
"""What an attachment is told when its approval has ended."""

_TOLD: Mapping[ApprovalEnd, str] = MappingProxyType(
    {
        ApprovalEnd.LEFT: "the operator has left",
        ApprovalEnd.RIGHT: "the operator may no longer type",
        ApprovalEnd.APPROVER_RIGHT: "you may no longer approve",
        ApprovalEnd.TIME: f"it lasts {duration_text(APPROVED_FOR)}",
        ApprovalEnd.HOST: "the host has changed",
        ApprovalEnd.NEEDLESS: "it is no longer needed",
    }
)
"""The same of the one who gave it."""
