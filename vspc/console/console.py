"""One serial port of one VM, alive across moves: who it is, who is on it, who types.

The VM's half, its line and its history, is `vspc.console.lineside`.
"""

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

from vspc.console import events
from vspc.console.access import REASON, Operator, Rights, Subject
from vspc.console.attachment import Attachment, AttachmentKind, Refusal, Sink, Typed
from vspc.console.company import Company
from vspc.console.identity import DEFAULT_ZONE
from vspc.console.input_queue import amount
from vspc.console.lineside import ConsoleContext, LineSide
from vspc.console.pen import Pen
from vspc.console.session import Session

if TYPE_CHECKING:
    from vspc.console.vm import Vm


class ConsoleState(Enum):
    """What `list` shows of a console's line (contract)."""

    CONNECTED = "connected"
    MIGRATING = "migrating"
    AWAY = "away"
    QUARANTINED = "quarantined"


class Console(LineSide):
    """What an operator selects. `quarantined`: administrators read it, nobody types."""

    __slots__ = (
        "_company",
        "_pen",
        "attachments",
        "id",
        "label",
        "number",
        "ordinal",
        "port_key",
        "quarantined",
        "service_uri",
        "vm",
    )

    def __init__(
        self,
        context: ConsoleContext,
        vm: "Vm",
        console_id: str,
        port_key: str,
        label: str | None,
        ordinal: int,
        number: int,
        history_limit: int | None = None,
    ) -> None:
        super().__init__(context, history_limit or context.history_limit)
        self.id = console_id
        self.vm = vm
        self.port_key = port_key
        self.label = label
        self.ordinal = ordinal  # among the consoles of this VM with this port key
        self.number = number
        self.quarantined = history_limit is not None
        self.service_uri = ""
        self.attachments: dict[Attachment, None] = {}
        self._pen = Pen(self, context)
        self._company: Company | None = None  # while there is somebody

    # Who and what it is

    @property
    def state(self) -> ConsoleState:
        """Connected, in a vMotion, without a line, or kept apart."""
        if self.quarantined:
            return ConsoleState.QUARANTINED
        if self.migrating:
            return ConsoleState.MIGRATING
        return ConsoleState.AWAY if self.line is None else ConsoleState.CONNECTED

    @property
    def live(self) -> bool:
        """Whether it has a line, or is about to have one."""
        return self.line is not None or self.migrating

    @property
    def name(self) -> str:
        """The VM's name as displayed; with several ports, all have it."""
        return self.vm.name

    @property
    def port(self) -> str | int | None:
        """The port's label, or its number where the VM has several, or None."""
        if self.label is not None:
            return self.port_word
        return self.number if len(self.vm.consoles) > 1 else None

    @property
    def port_word(self) -> str:
        """What tells this port from the VM's others when it is typed: unique among them."""
        if self.label is None:
            return str(self.number)
        return self.label if self.ordinal == 1 else f"{self.label}~{self.ordinal}"

    @property
    def title(self) -> str:
        """Zone, unless it is the default one, name and port, as notices and lists show them."""
        zone = "" if self.vm.zone == DEFAULT_ZONE else f"{self.vm.zone}/"
        port = "" if self.port is None else f":{self.port}"
        return f"{zone}{self.name}{port}"

    @property
    def subject(self) -> Subject:
        """What access rules look at."""
        return Subject(self.vm.said_name, self.vm.zone, self.vm.uuid, self.quarantined)

    @property
    def _console(self) -> "Console":
        return self

    # The operators' side

    def attach(
        self,
        session: Session,
        rights: Rights,
        sink: Sink,
        offset: int,
        kind: AttachmentKind = AttachmentKind.VERB,
        reads_only: bool = False,
    ) -> Attachment:
        """A new attachment that reads from `offset`; the caller has checked `read`."""
        now = self._context.clock.wall()
        attachment = Attachment(self, session, rights, sink, offset, now, kind, reads_only)
        self.attachments[attachment] = None
        self._publish(events.Attached(attachment))
        if kind is not AttachmentKind.VERB:
            self._company = self._company or Company(self, self._context.clock)
            self._company.came(attachment)
        self.mark()
        return attachment

    def detach(self, attachment: Attachment) -> None:
        """`attachment` leaves, and lays down the pen."""
        if attachment not in self.attachments:
            return
        del self.attachments[attachment]
        self._context.accounting.left(attachment.account)
        self._context.accounting.left(attachment.answers)
        self._publish(events.Detached(attachment))
        had_pen = attachment.has_pen
        if had_pen:
            self._pen.lay_down()
        if self._company is not None:
            self._tell_company(self._company, attachment, had_pen)
        self.shrink()

    def _tell_company(self, company: Company, attachment: Attachment, had_pen: bool) -> None:
        """`attachment` has left."""
        if attachment.kind is not AttachmentKind.VERB:
            company.left(attachment, had_pen)
        elif had_pen and self._pen.is_wanted:
            company.pen_is_free(attachment, "laid it down", "")
        if not self.attachments:
            company.close()
            self._company = None

    def shrink(self) -> None:
        if self._is_idle:
            self._context.observer.when_written(self, self._kept)

    @property
    def _is_idle(self) -> bool:
        """Whether it has no line, and nobody is on it."""
        return not (self.live or self.attachments or self.quarantined)

    def _kept(self, start: int, end: int) -> None:
        """The log has all from `start` to `end`: who wants to read that reads it there."""
        if self._is_idle and start <= self.history.start and self.history.end <= end:
            self.history.release()

    def type(self, attachment: Attachment, data: bytes) -> Typed:
        """Input from `attachment`; the first key typed while the pen is free takes it."""
        refusal = self._refusal(attachment, "write")
        return Typed(0, refusal) if refusal else Typed(self.input.type(data, attachment.account))

    def answer(self, attachment: Attachment, data: bytes) -> Typed:
        """What the terminal of `attachment` sends by itself (law 13). All terminals answer what the
        VM asks; it gets what the pen's holder's says, or, where nobody has it, what that says which
        came first of those that may type. What others say is dropped, and no pen is taken.
        """
        if not self.live or self.quarantined or self._answering is not attachment:
            return Typed(len(data))
        return Typed(self.input.type(data, attachment.answers))

    @property
    def _answering(self) -> Attachment | None:
        """Whose terminal answers."""
        if self.pen is not None:
            return self.pen if self.pen.may_answer else None
        if self.recording_fails:
            return None
        return next((each for each in self.attachments if each.may_answer), None)

    def send_break(self, attachment: Attachment) -> Typed:
        """A BREAK from `attachment`; it needs the right `break` and the pen like a key."""
        refusal = self._refusal(attachment, "break")
        if refusal is not None:
            return Typed(0, refusal)
        if self.line is not None and not self.line.carries_break:
            return Typed(0, Refusal.LINE)
        return Typed(int(self.input.send_break(attachment.account)))

    def may_type(self, attachment: Attachment) -> Refusal | None:
        """Take the pen for `attachment` as its first key would; why not, if it may not type."""
        return self._refusal(attachment, "write")

    def _refusal(self, attachment: Attachment, right: str) -> Refusal | None:
        if attachment.session.read_only:
            return Refusal.READ_ONLY
        if right not in attachment.rights or attachment not in self.attachments:
            return Refusal.RIGHT
        if not self.live or self.quarantined:
            return Refusal.AWAY
        if attachment.must_ask:
            return Refusal.HOST
        if REASON in attachment.rights and not attachment.session.reason:
            return Refusal.REASON
        return self._pen.pick_up(attachment)

    @property
    def pen(self) -> Attachment | None:
        """Whoever may type."""
        return self._pen.holder

    def take_pen(self, attachment: Attachment, force: bool = False) -> Refusal | None:
        """`attachment` asks to type; with `force` from whoever has the pen."""
        if attachment not in self.attachments:
            return Refusal.RIGHT
        return self._pen.take(attachment, force)

    def lay_pen(self, why: str = "laid it down", yours: str = "") -> None:
        """Nobody types any more: others are told `why`, and whoever had the pen `yours`."""
        former = self.pen
        self._pen.lay_down()
        if former is not None and self._company is not None:
            self._company.pen_is_free(former, why, yours)

    def asked_for_pen(self, attachment: Attachment, holder: Attachment) -> None:
        """`attachment` wants the pen that `holder` has."""
        if self._company is not None:
            self._company.asks(attachment, holder)

    @property
    def recording_fails(self) -> bool:
        """Whether nobody may begin to type, because it could not be recorded."""
        return self._context.audit.refuses

    def pen_left(self, attachment: Attachment) -> None:
        """`attachment` types no more: what it typed is to be recorded."""
        self._context.accounting.record(attachment.account)
        self._context.accounting.record(attachment.answers)

    def reassess(self, rights_of: Callable[[Operator, Subject], Rights]) -> None:
        """The rules, or this console's name, have changed: they count for those on it, too."""
        for attachment in list(self.attachments):
            before = attachment.rights
            rights = attachment.session.narrowed(
                rights_of(attachment.operator, self.subject), self.subject
            )
            attachment.rights = rights
            if "read" not in attachment.rights:
                attachment.expel("you may no longer read this console")
                continue
            attachment.title = self.title
            if "write" not in attachment.rights:
                attachment.withdraw()
                had_pen, types = attachment.has_pen, attachment.kind is not AttachmentKind.VERB
                if had_pen:
                    self.lay_pen("may no longer type")
                if "write" in before and (had_pen or types):
                    attachment.notice("you may no longer type here")
                continue
            if "write" not in before and attachment.kind is not AttachmentKind.VERB:
                attachment.notice("you may type here now")
            if "break" not in rights and (breaks := self.input.withdraw_breaks(attachment.account)):
                attachment.notice(f"you may send no BREAK any more: {amount(0, breaks)} not sent")

    def tell(self, text: str) -> None:
        """One line for everybody attached, at this place of the output."""
        for attachment in self.attachments:
            attachment.notice(text)

    def mark(self) -> None:
        if self.attachments:
            self._context.wakeups.mark(self)

    def unsettle(self, old: str, new: str) -> None:
        if self.pen is not None:
            self.lay_pen("has to ask for it, the host has changed")
        for attachment in self.attachments:
            attachment.must_ask = True
        for attachment in list(self.attachments):
            self.tell_sink(attachment.sink.host_changed, old, new)

    def room_grew(self) -> None:
        for attachment in list(self.attachments):
            self.tell_sink(attachment.sink.writable)

    def tell_sink(self, call: Callable[..., None], *arguments: str) -> None:
        """Call a sink of somebody on this console, or of one who has just left it."""
        self._context.wakeups.tell(call, *arguments)
