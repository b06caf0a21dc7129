"""One serial port of one VM, alive across moves: its history, its line, who is on it, its pen."""

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

from attrs import frozen

from vspc.console import happenings
from vspc.console.access import Operator, Rights, Subject
from vspc.console.attachment import Attachment, Refusal, Sink, Typed
from vspc.console.gate import Gate, GateOwner
from vspc.console.happenings import Happening, Happenings
from vspc.console.history import Budget, History
from vspc.console.pen import Pen
from vspc.console.ports import Clock, Line
from vspc.console.wakeups import Wakeups

if TYPE_CHECKING:
    from vspc.console.roster import Vm


BREAK_PAIR = 0.1
"""Seconds within which a second BREAK from the VM is the same one, said in another way."""


class State(Enum):
    """What `list` shows of a console's line (contract)."""

    CONNECTED = "connected"
    MIGRATING = "migrating"
    AWAY = "away"


@frozen
class Shop:
    """What every console needs and shares: time, memory, waking, telling."""

    clock: Clock
    budget: Budget
    wakeups: Wakeups
    happenings: Happenings
    history_limit: int


class Console(GateOwner):
    """What an operator selects. `since` and `last_output` are seconds since 1970."""

    __slots__ = (
        "_broke",
        "_pen",
        "_shop",
        "attachments",
        "breaks_from_vm",
        "bytes_from_vm",
        "bytes_to_vm",
        "gate",
        "history",
        "id",
        "label",
        "last_output",
        "line",
        "migrating",
        "moves",
        "number",
        "ordinal",
        "port_key",
        "service_uri",
        "since",
        "vm",
    )

    def __init__(
        self,
        shop: Shop,
        vm: "Vm",
        console_id: str,
        port_key: str,
        label: str | None,
        ordinal: int,
        number: int,
    ) -> None:
        self._shop = shop
        self.id = console_id
        self.vm = vm
        self.port_key = port_key
        self.label = label
        self.ordinal = ordinal  # among the consoles of this VM with this port key
        self.number = number
        self.service_uri = ""
        self.history = History(shop.budget, shop.history_limit)
        self.gate = Gate(shop.clock, self)
        self.line: Line | None = None
        self.migrating = False
        self.attachments: dict[Attachment, None] = {}
        self._pen = Pen(self, shop.happenings.publish)
        self.since = shop.clock.wall()
        self.last_output: float | None = None
        self.bytes_from_vm = 0
        self.bytes_to_vm = 0
        self.breaks_from_vm = 0
        self._broke: float | None = None  # when the VM sent a BREAK last
        self.moves = 0

    # Who and what it is

    @property
    def state(self) -> State:
        """Connected, in a vMotion, or without a line."""
        if self.migrating:
            return State.MIGRATING
        return State.AWAY if self.line is None else State.CONNECTED

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
        """Name and port, as notices and lists show it."""
        return self.name if self.port is None else f"{self.name}:{self.port}"

    @property
    def subject(self) -> Subject:
        """What access rules look at."""
        return Subject(self.name, self.vm.zone, self.vm.uuid)

    # The VM's side

    def output(self, data: bytes) -> None:
        """The VM said `data`."""
        self.bytes_from_vm += len(data)
        self.last_output = self._shop.clock.wall()
        self.history.append(data)
        if self.attachments:
            self._shop.wakeups.mark(self)

    def broke(self) -> None:
        """The VM sent a BREAK."""
        now = self._shop.clock.seconds()
        if self._broke is not None and now - self._broke < BREAK_PAIR:
            return
        self._broke = now
        self.breaks_from_vm += 1
        self.tell("break from the VM")
        self._publish(happenings.Broke(self, None))

    def answered(self) -> None:
        """The line answered a question of the gate."""
        self.gate.answered()

    def connect(self, line: Line) -> None:
        """`line` is this console's from now on; it had none."""
        returned = self.bytes_from_vm > 0 or self.moves > 0
        self._take(line)
        self._publish(happenings.Connected(self, returned))

    def replace(self, line: Line) -> None:
        """`line` takes over from one that no longer answers; what waited for it is refused."""
        old = "" if self.line is None else self.line.address
        self.line = None
        self.gate.disconnect()
        unsent = self.gate.drop()
        if unsent:
            self.tell(f"{unsent} bytes not sent: the line they waited for is dead")
        self._take(line)
        if old and old != line.address:
            self.tell(f"now on {line.address}, was on {old} which no longer answered")
        self._publish(happenings.Replaced(self, old, line.address, unsent))

    def disconnect(self, reason: str) -> None:
        """The last line is gone outside a migration: the console is away, with its history."""
        self.line = None
        self.migrating = False
        self.since = self._shop.clock.wall()
        self.gate.disconnect()
        unsent = self.gate.drop()
        self.tell(f"{self.title} is away ({reason})")
        self._tell_unsent(unsent)
        self._publish(happenings.WentAway(self, reason, unsent))

    def migrate(self) -> None:
        """A vMotion has the go-ahead: hold input."""
        self.migrating = True
        self.gate.hold()
        self._publish(happenings.MigrationBegan(self))

    def lose_source(self) -> None:
        """The source is gone in mid-migration; the target may still come."""
        self.line = None
        self.gate.disconnect()

    def move(self, line: Line, source: str, seconds: float) -> None:
        """The vMotion is complete: `line` is the target; what was held goes to it."""
        self.moves += 1
        self.tell(f"{self.title} moved from {source} to {line.address} in {seconds:.1f} s")
        self._take(line)
        self._publish(happenings.Moved(self, source, line.address, seconds))

    def end_migration(self, reason: str) -> None:
        """The vMotion came to nothing: input goes to the source if it lives."""
        self.migrating = False
        self.tell(f"{self.title} did not move: {reason}")
        self._publish(happenings.MigrationEnded(self, reason))
        if self.line is None:
            self.disconnect(reason)
        else:
            self.gate.release()

    def _take(self, line: Line) -> None:
        self.line = line
        self.migrating = False
        self.since = self._shop.clock.wall()
        self.gate.connect(line)

    # The operators' side

    def attach(
        self, operator: Operator, rights: Rights, address: str, sink: Sink, offset: int
    ) -> Attachment:
        """A new attachment that reads from `offset`; the caller has checked `read`."""
        attachment = Attachment(
            self, operator, rights, address, sink, offset, self._shop.clock.wall()
        )
        self.attachments[attachment] = None
        self._publish(happenings.Attached(attachment))
        self.mark()
        return attachment

    def detach(self, attachment: Attachment) -> None:
        """`attachment` leaves, and lays down the pen."""
        if attachment not in self.attachments:
            return
        del self.attachments[attachment]
        self._publish(happenings.Detached(attachment))
        if self.pen is attachment:
            self.lay_pen()

    def type(self, attachment: Attachment, data: bytes) -> Typed:
        """Input from `attachment`; the first key typed while the pen is free takes it."""
        refusal = self._refusal(attachment, "write")
        return Typed(0, refusal) if refusal else Typed(self.gate.type(data))

    def send_break(self, attachment: Attachment) -> Typed:
        """A BREAK from `attachment`; it needs the right `break` and the pen like a key."""
        refusal = self._refusal(attachment, "break")
        if refusal is not None:
            return Typed(0, refusal)
        if self.line is not None and not self.line.carries_break:
            return Typed(0, Refusal.LINE)
        sent = self.gate.send_break()
        if sent:
            self._publish(happenings.Broke(self, attachment.operator.name))
        return Typed(int(sent))

    def _refusal(self, attachment: Attachment, right: str) -> Refusal | None:
        if right not in attachment.rights:
            return Refusal.RIGHT
        if not self.live:
            return Refusal.AWAY
        return self._pen.pick_up(attachment)

    @property
    def pen(self) -> Attachment | None:
        """Whoever may type."""
        return self._pen.holder

    def take_pen(self, attachment: Attachment, force: bool = False) -> Refusal | None:
        """`attachment` asks to type; with `force` from whoever has the pen."""
        return self._pen.take(attachment, force)

    def lay_pen(self) -> None:
        """Nobody types any more."""
        self._pen.lay_down()

    def reassess(self, rights_of: Callable[[Operator, Subject], Rights]) -> None:
        """The rules, or this console's name, have changed: they count for those on it, too."""
        for attachment in list(self.attachments):
            attachment.rights = rights_of(attachment.operator, self.subject)
            if "read" not in attachment.rights:
                attachment.detach()
                attachment.sink.ended("you may no longer read this console")
            elif attachment.has_pen and "write" not in attachment.rights:
                self.lay_pen()

    def tell(self, text: str) -> None:
        """One line for everybody attached, at this place of the output."""
        for attachment in self.attachments:
            attachment.notice(text)

    def _tell_unsent(self, unsent: int) -> None:
        if unsent:
            self.tell(f"{self.title} is away: {unsent} bytes not sent")

    def mark(self) -> None:
        """There is something to show."""
        self._shop.wakeups.mark(self)

    # GateOwner

    def delivered(self, count: int) -> None:
        self.bytes_to_vm += count

    def room_grew(self) -> None:
        for attachment in list(self.attachments):
            attachment.sink.writable()

    def _publish(self, happening: Happening) -> None:
        self._shop.happenings.publish(happening)
