"""A VM and its consoles. A console is one serial port of one VM, alive across moves.

The two sides of a console are components of it: `vspc.console.link` is the VM's, with the line;
`vspc.console.attachments` is the operators', with the pen.
"""

from collections.abc import Callable
from enum import Enum

from vspc.console.access import Operator, Rights, Subject
from vspc.console.attachment import VERBS, Attachment, AttachmentKind, Sink
from vspc.console.attachments import Attachments
from vspc.console.context import ConsoleContext
from vspc.console.descriptions import ConsoleText
from vspc.console.events import ConsoleRef, Described
from vspc.console.history import REST, History
from vspc.console.identity import DEFAULT_ZONE, Identity, Provenance, next_free
from vspc.console.input_queue import amount
from vspc.console.link import VmLink
from vspc.console.notices import NoticeKind
from vspc.console.pen_events import LockEnd
from vspc.console.remote import RemoteSystem
from vspc.console.session import Session


class ConsoleState(Enum):
    """What `list` shows of a console's line (contract)."""

    CONNECTED = "connected"
    MIGRATING = "migrating"
    AWAY = "away"
    QUARANTINED = "quarantined"


class Console:
    """What an operator selects. `quarantined`: administrators read it, no operator types.

    `label` is that of the port in the service URI, `ordinal` counts the consoles of this VM with
    the same `port_key`, `number` those without a label, as they are shown. `dial_uri`: where the
    server connects to for it; empty where the VM connects to the server.
    """

    __slots__ = (
        "_context",
        "attachments",
        "dial_uri",
        "history",
        "id",
        "input",
        "label",
        "link",
        "number",
        "ordinal",
        "pen",
        "port_key",
        "quarantined",
        "remote",
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
        """`history_limit`: bytes of the history of a quarantined console; None for all others."""
        self._context = context
        self.id = console_id
        self.vm = vm
        self.port_key = port_key
        self.label = label
        self.ordinal = ordinal
        self.number = number
        self.quarantined = history_limit is not None
        self.service_uri = ""
        self.dial_uri = ""
        self.remote: RemoteSystem | None = None
        self.history = History(context.budget, history_limit or context.history_limit)
        self.attachments = Attachments(context, self)
        self.pen = self.attachments.pen
        self.link = VmLink(context, self)
        self.input = self.link.input

    # Identity

    @property
    def state(self) -> ConsoleState:
        """Connected, in a vMotion, without a line, or quarantined."""
        if self.quarantined:
            return ConsoleState.QUARANTINED
        if self.link.migrating:
            return ConsoleState.MIGRATING
        return ConsoleState.AWAY if self.link.line is None else ConsoleState.CONNECTED

    @property
    def live(self) -> bool:
        """Whether it has a line, or is about to have one."""
        return self.link.line is not None or self.link.migrating

    @property
    def takes_input(self) -> bool:
        """Whether what is typed can go to the VM, now or when a migration is over."""
        return self.live and not self.quarantined

    @property
    def carries_break(self) -> bool:
        """Whether its line carries a BREAK; while there is none that is not known."""
        return self.link.line is None or self.link.line.carries_break

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
        """The port as it is typed: unique among the VM's."""
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
        return Subject(self.vm.claimed_name, self.vm.zone, self.vm.uuid, self.quarantined)

    @property
    def ref(self) -> ConsoleRef:
        """What it is now, for events."""
        return ConsoleRef(
            self.id,
            self.title,
            self.name,
            self.port,
            self.vm.zone,
            self.vm.uuid,
            self.link.last_address,
            self.quarantined,
        )

    # What operators wrote about it

    @property
    def text(self) -> ConsoleText:
        """Its description, and the last note."""
        return self._context.descriptions.of(self.id)

    async def describe(self, text: str) -> str:
        """Set its description; an empty one removes it. Why it is not set, or not kept on the disk;
        or "".
        """
        if not self._context.descriptions.describe(self.id, text):
            return "there are too many descriptions; the description is as it was"
        self._context.events.publish(Described(self.ref))
        error = await self._context.descriptions.keep()
        return f"the description will be lost at a restart: {error}" if error else ""

    async def note(self, text: str) -> None:
        """`text` is the last note on it; its log has all of them."""
        self._context.descriptions.note(self.id, text)
        self._context.events.publish(Described(self.ref))
        await self._context.descriptions.keep()

    def remote_changed(self, remote: RemoteSystem) -> None:
        """Its remote system is connected now, or no longer, or cannot be."""
        self.remote = remote
        connected = remote.is_connected
        kind = NoticeKind.REMOTE_CONNECTED if connected else NoticeKind.REMOTE_MISSING
        self.attachments.show(kind.notice(title=self.title, uri=remote.uri, state=remote.state))

    # Operators

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
        self.attachments.enter(attachment)
        return attachment

    def reassess(self, rights_of: Callable[[Operator, Subject], Rights]) -> None:
        """The rules, or this console's name, have changed: that counts for its attachments, too."""
        changed = list[tuple[Attachment, Rights]]()
        for attachment in self.attachments:  # all of them first: a pen goes from one to another
            session = attachment.session
            rights = session.narrowed(rights_of(session.operator, self.subject), self.subject)
            changed.append((attachment, attachment.rights))
            attachment.rights = rights
        for attachment, before in changed:
            rights = attachment.rights
            had_pen = attachment.has_pen
            if "read" not in rights:
                attachment.expel("you may no longer read this console")
                continue
            attachment.title = self.title
            self.pen.reassess(attachment, "may no longer type")
            if "write" not in rights:
                self._stop_typing(attachment, had_pen, "write" in before)
                continue
            if "write" not in before and attachment.kind not in VERBS:
                attachment.show(NoticeKind.MAY_TYPE.notice())
            if "break" not in rights and (n := self.input.withdraw_breaks(attachment.account)):
                attachment.show(NoticeKind.MAY_NOT_BREAK.notice(unsent=amount(0, n)))

        self.attachments.approvals.reassess(self.attachments)
        lock = self.pen.lock
        if lock is not None and "write" not in rights_of(lock.operator, self.subject):
            self.pen.locking.end(LockEnd.RIGHT)

    def _stop_typing(self, attachment: Attachment, had_pen: bool, could_type: bool) -> None:
        attachment.withdraw()
        if could_type and (had_pen or attachment.kind not in VERBS):
            attachment.show(NoticeKind.MAY_NOT_TYPE.notice())

    def missed(self, count: int) -> None:
        """An attachment was told that `count` bytes of output are lost for it."""
        self._context.counts.missed += count

    # Memory

    def release_memory(self) -> None:
        """Give the history's memory back once the log has it, if neither a line nor an attachment
        needs it.
        """
        if self._is_idle:
            self._context.observer.when_written(self.id, self._written)

    def shrink_history(self, before: float) -> None:
        """Keep the end of the history only, once the log has it all, if nothing has been said since
        `before`, in seconds since 1970, and no attachment needs it.
        """
        said, link = self.link.last_output, self.link
        is_quiet = said is not None and said < before and link.line is not None
        if is_quiet and not self.attachments and self.history.capacity > REST:
            self._context.observer.when_written(self.id, self._shrink)

    def _shrink(self, start: int, end: int) -> None:
        """The log has everything from `start` to `end`."""
        if not self.attachments and self.history.is_within(start, end):
            self.history.shrink()

    @property
    def _is_idle(self) -> bool:
        return not (self.live or self.attachments or self.quarantined)

    def _written(self, start: int, end: int) -> None:
        """The log has everything from `start` to `end`: it is read there."""
        if self._is_idle and self.history.is_within(start, end):
            self.history.release()


class Vm:
    """One virtual machine: an identity, a name, and its ports as consoles.

    `claimed_name` is the name that the VM gives, `name` the displayed one, which `Names` sets.
    `quarantined` are the consoles of lines that claim to be this VM, in the order of their claims.
    """

    __slots__ = ("claimed_name", "consoles", "identity", "name", "quarantined", "uuid", "zone")

    def __init__(self, identity: Identity, uuid: str | None, claimed_name: str) -> None:
        self.identity = identity
        self.uuid = uuid
        self.zone = identity.zone
        self.claimed_name = claimed_name
        self.name = ""
        self.consoles: dict[tuple[str, int], Console] = {}
        self.quarantined: dict[Console, None] = {}

    @property
    def id(self) -> str:
        """16 hex digits, made each time: few names need it."""
        return self.identity.console_id("", 0)

    @property
    def live(self) -> bool:
        """Whether any of its ports has a line."""
        return any(console.live for console in self.consoles.values())

    @property
    def last_address(self) -> str:
        """The host that it is on, or was on last; empty if it never had a line."""
        consoles = sorted(self.consoles.values(), key=lambda c: (not c.live, -c.link.since))
        return consoles[0].link.last_address if consoles else ""

    @property
    def provenance(self) -> Provenance:
        """The best that any of its ports has seen."""
        return max((c.link.provenance for c in self.consoles.values()), default=Provenance.PLAIN)

    def free_number(self, label: str | None = None) -> int:
        """A number for a port that no port has, and no label is, `label` included."""
        consoles = self.consoles.values()
        numbers = {c.number for c in consoles if c.label is None}
        labels = {c.label for c in consoles} | {label}
        return next_free(numbers | {int(word) for word in labels if word and word.isdecimal()})
