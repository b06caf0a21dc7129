"""A console for a program: exact bytes on stdout, everything else on stderr, no escape commands.

Lossless or ended: a reader that falls behind what is kept in memory goes on from the console's log
at the same offsets (law 1). Where the log does not have the bytes either the program ends with
status 1 and both offsets. It also ends when the VM's host changes without a vMotion: a program
cannot ask for the pen.
"""

from collections.abc import Callable, Iterable
from functools import partial

from attrs import frozen

from vspc.apps.console_input import OperatorInput, RefusedInput, catch_pen
from vspc.apps.describe import cautions
from vspc.apps.following import Following
from vspc.apps.forms import PLAIN, BreakKey, Form, Mistake, ProgramInput
from vspc.apps.leasing import LeaseWish, ProgramLease
from vspc.apps.verb_input import refused_status
from vspc.apps.verbs.context import DONE, FAILED, Call, complain
from vspc.console.attachment import Attachment, AttachmentKind, Refusal
from vspc.console.console import Console
from vspc.console.events import Event, PenReleased, PenTaken
from vspc.console.notices import Notice, NoticeKind
from vspc.console.ports import Program


@frozen
class BridgeRules:
    """What ends a bridge besides the end of its channel: input that is refused with one of
    `refusals`, with `breaks` also a BREAK, and with `unsent` also input that was taken and does not
    go to the VM after all.

    `on_break` is called for a BREAK from the VM, in its place among the output.
    """

    refusals: frozenset[Refusal] = frozenset(
        {
            Refusal.PEN,
            Refusal.LOCKED,
            Refusal.RIGHT,
            Refusal.READ_ONLY,
            Refusal.REASON,
            Refusal.APPROVAL,
            Refusal.UNANSWERED,
        }
    )
    breaks: bool = True
    unsent: bool = False
    on_break: Callable[[], None] | None = None


RAW = BridgeRules()
"""A program ends where it may not type; a VM that is away may come back."""

DEBUGGER = BridgeRules(RAW.refusals | {Refusal.LINE, Refusal.TOO_MUCH, Refusal.AWAY})
"""The same for one that cannot do without BREAKs, and whose packets must not reach a kernel that
none has stopped: the VM may come back without.
"""

MISTAKES = 100
"""Lines of input that are not understood, after which a program is ended."""


class ExactBridge(Program):
    """`raw`, `-W`, `console` without a terminal, and sockets for programs."""

    def __init__(
        self,
        call: Call,
        console: Console,
        offset: int,
        read_only: bool = False,
        ends_with_input: bool = False,
        rules: BridgeRules = RAW,
        catches: bool = False,
        form: Form = PLAIN,
        wish: LeaseWish | None = None,
    ) -> None:
        """`ends_with_input`: it ends with 0 when all input has come and is taken. `catches`: it
        takes the pen at the beginning, or ends; with a `wish` it types under a lease, or ends.
        `form`: how output and input are written.
        """
        self._call = call
        self._channel = call.channel
        self._console = console
        self._ends_with_input = ends_with_input
        self._rules = rules
        self._catches = catches
        self._form = form
        self._live = console.history.end  # later output is shown when it comes
        self._status = FAILED  # that of an end which comes in its place of the output
        self._mistakes = 0  # in the input
        self._input_ended = False
        self._is_over = self._is_purging = False
        self._attachment = console.attach(
            call.session, call.rights(console), self, offset, AttachmentKind.PROGRAM, read_only
        )
        self._lease = (
            None
            if wish is None
            else ProgramLease(call, console, self._attachment, wish, self._lease_over)
        )
        self._begins_later = False  # when its typing is approved
        if form.is_debugger:
            console.attachments.add_debugger(self._attachment)
        self._output = Following(call.context, self._attachment, self)
        self._input = OperatorInput(call.channel, self._attachment, self._refused)
        self._refusals = RefusedInput(call, console, partial(self._tell, "refused"))
        self._unsubscribe = (
            call.context.events.subscribe(self._happened) if form.is_told_all else lambda: None
        )
        if rules.unsent:
            self._attachment.account.on_change = self._sent

    def begin(self, early: bytes = b"") -> None:
        """Cautions on stderr, then output from `offset` on; `early` was received before."""
        self._write(self._form.begin(self._attachment))
        for caution in cautions(self._call.context, self._console):
            self._tell("caution", caution)
        refusal = self._take_pen()
        if early:  # before the end of input, of which the channel may tell at once
            self.received(early)
        self._channel.start(self)
        self._caught(refusal)
        self.ready()

    def _caught(self, refusal: Refusal | None) -> None:
        if refusal is not None and not self._is_over:
            self._refusals.record(refusal)
            self._tell("refused", self._refusals.text(refusal))
            self._leave(refused_status(refusal))

    def _take_pen(self) -> Refusal | None:
        """What it begins with: now, or when its typing is approved; why not, if that fails."""
        refusal = None
        if self._lease is not None:
            refusal = self._lease.take()
        elif self._catches:
            refusal = catch_pen(self._console, self._attachment)
        self._begins_later = self._attachment.waits_for_approval
        return None if self._begins_later else refusal

    def _lease_over(self, why: str, status: int) -> None:
        """What the VM has printed until now is shown, and nothing is typed any more."""
        self._status = status
        self._attachment.reads_only = True
        self._attachment.end(why)
        self._console.pen.lay_down(attachment=self._attachment)

    def _tell(self, event: str, text: str, **facts: object) -> None:
        """Something that happened at this place of the output."""
        shown = self._form.event(event, self._attachment.cursor.offset, text, facts)
        self._write(shown)
        if not shown:
            complain(self._channel, f"[{text}]")

    def _write(self, data: bytes) -> None:
        if data:
            self._channel.write(data)

    def _happened(self, event: Event) -> None:
        if not isinstance(event, PenTaken | PenReleased):
            return
        who = event.attachment.session
        if event.attachment.console.id == self._console.id:
            taken = isinstance(event, PenTaken)
            kind = NoticeKind.PEN_IS_TAKEN if taken else NoticeKind.PEN_IS_FREE
            self._attachment.show(kind.notice(operator=who.operator.name, session=who.id))

    @property
    def attachment(self) -> Attachment:
        """Its place on the console."""
        return self._attachment

    def purge(self, output: bool, typed: bool) -> None:
        """Drop what the program has not been shown, and what it has typed and the VM has not got:
        it wishes so.
        """
        if output:
            self._output.skip()
        if typed:
            self._is_purging = True
            self._input.purge()
            self._is_purging = False

    # `Program`

    def received(self, data: bytes) -> None:
        self._input.received(len(data))
        self._type(self._form.typed(data))
        self._input.settle()

    def _type(self, pieces: Iterable[ProgramInput]) -> None:
        for piece in pieces:
            if self._is_over:
                return
            if isinstance(piece, Mistake):
                self._mistaken(piece)
            elif isinstance(piece, BreakKey):
                self._input.send_break()
            else:
                self._input.type(piece)

    def _mistaken(self, mistake: Mistake) -> None:
        self._tell("error", mistake.text, line=mistake.line)
        self._mistakes += 1
        if self._mistakes >= MISTAKES:
            self._tell("ended", f"{MISTAKES} lines of input were not understood")
            self._leave(FAILED)

    def ended_input(self) -> None:
        self._type(self._form.ended())
        self._input_ended = self._ends_with_input
        self._leave_at_end()

    def drained(self) -> None:
        self.ready()

    def break_requested(self) -> bool:
        return self._input.send_break()

    def closed(self) -> None:
        self._stop()

    # `Sink`

    def ready(self) -> None:
        """Show what there is, as much as the channel takes."""
        self._output.go_on()

    def writable(self) -> None:
        if self._begins_later:
            self._caught(self._take_pen())
        self._input.pump()
        self._input.settle()
        self._leave_at_end()

    def _leave_at_end(self) -> None:
        if self._input_ended and not self._input:
            self.ready()
            self._leave(DONE)

    def host_changed(self, old: str, new: str) -> None:
        title = self._console.title
        self._attachment.end(f"{title}: ended, because its host changed; to go on, connect again")

    def ended(self, reason: str) -> None:
        self.output_ended(f"{self._attachment.title}: {reason}")

    # `FollowReader`

    def room(self) -> int:
        return self._form.room(self._channel.room())

    def take_output(self, offset: int, data: bytes) -> None:
        at = self._output.at
        if at is None and offset >= self._live:
            at = self._call.context.clock.wall()
        self._write(self._form.output(offset, data, at))

    def missing(self, start: int, end: int, why: str) -> None:
        self._tell(
            "lost",
            f"output lost: offsets {start} to {end} of {self._console.title} are no longer kept"
            + (f" ({why})" if why else ""),
            start=start,
            end=end,
        )
        self._leave(FAILED)

    def notice(self, notice: Notice) -> None:
        self._refusals.report()
        if notice.kind is NoticeKind.BREAK and self._rules.on_break is not None:
            self._rules.on_break()
        else:
            self._tell(notice.kind.event, notice.text, **notice.facts)

    def output_ended(self, reason: str) -> None:
        self._refusals.report()
        self._tell("ended", reason)
        self._leave(self._status)

    # The end

    def _refused(self, refusal: Refusal, count: int, breaks: int) -> None:
        self._refusals.add(refusal, count, breaks)
        if refusal in self._rules.refusals and (count or self._rules.breaks):
            self._leave(refused_status(refusal))

    def _sent(self, _delivered: int, dropped: int) -> None:
        if dropped and not self._is_purging:
            self._call.context.clock.call_later(0, self._leave_unsent)

    def _leave_unsent(self) -> None:
        if not self._is_over:
            self._tell("unsent", "input that had been taken was not sent")
            self._leave(FAILED)

    def _leave(self, status: int) -> None:
        self._write(self._form.end(self._attachment.cursor.offset, status))
        self._stop()
        self._channel.finish(status)

    def _stop(self) -> None:
        self._is_over = True
        self._unsubscribe()
        if self._lease is not None:
            self._lease.close()
        self._output.stop()
        self._input.close()
        self._refusals.close()
        self._attachment.detach()
