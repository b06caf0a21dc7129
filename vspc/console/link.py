"""The VM's side of a console: its line, how lines change, and what attachments are told of that.

A line changes by vMotion, which is proved, or otherwise: then nothing has proved that it is the
same VM, and those who type are told, and have to ask for the pen again.
"""

from typing import Protocol

from vspc.common.clock import Cancellable, cancel
from vspc.console import events
from vspc.console.attachments import Attachments
from vspc.console.context import ConsoleContext
from vspc.console.events import Event, EventSource, HostChange, How
from vspc.console.history import History
from vspc.console.identity import Provenance
from vspc.console.input_flow import InputFlow
from vspc.console.input_queue import InputAccount
from vspc.console.link_notices import Condition, LinkNotices
from vspc.console.notices import NoticeKind
from vspc.console.port_state import PortState
from vspc.console.ports import Line

BREAK_PAIR = 0.1
"""Seconds within which a second BREAK from the VM is the same one, sent in another way."""

HOLDING = 3.0
"""Seconds of a vMotion after which attachments are told that it goes on."""


class LinkedConsole(EventSource, Protocol):
    """A console, as its link needs it."""

    id: str
    quarantined: bool
    dial_uri: str
    history: History
    attachments: Attachments

    @property
    def title(self) -> str:
        """Zone, name and port, as notices and lists show them."""

    def release_memory(self) -> None:
        """The console has no line."""


class VmLink:
    """The line of one console, and its input. `since` and `last_output` are seconds since 1970;
    `last_address` is the host of the line that it has, or had last.

    `away_reason`: why it has none, empty where that is not known; `next_try`: when the server will
    connect to it again, in seconds since 1970, None where it will not; `remark`: what is wrong with
    the line that it has.
    """

    __slots__ = (
        "_break_at",
        "_console",
        "_context",
        "_holding",
        "_notices",
        "away_reason",
        "breaks_from_vm",
        "bytes_from_vm",
        "bytes_to_vm",
        "input",
        "last_address",
        "last_move",
        "last_output",
        "line",
        "migrating",
        "moves",
        "next_try",
        "port",
        "provenance",
        "remark",
        "since",
        "unseen_change",
    )

    def __init__(self, context: ConsoleContext, console: LinkedConsole) -> None:
        self._context = context
        self._console = console
        self.input = InputFlow(context.clock, self)
        self.line: Line | None = None
        self.last_address = ""
        self.provenance = Provenance.PLAIN
        self.migrating = False
        self.moves = 0
        self.last_move: events.Moved | None = None
        self.unseen_change: HostChange | None = None  # the last that no administrator has seen
        self.since = context.clock.wall()
        self.away_reason = self.remark = ""
        self.next_try: float | None = None
        self.last_output: float | None = None
        self.bytes_from_vm = 0
        self.bytes_to_vm = 0
        self.breaks_from_vm = 0
        self.port = PortState(context, console)
        self._break_at: float | None = None  # when the VM sent a BREAK last
        self._holding: Cancellable | None = None
        self._notices = LinkNotices(context.clock, console)

    # What the VM sends

    def output(self, data: bytes) -> None:
        """The VM sent `data`."""
        console, context, count = self._console, self._context, len(data)
        history = console.history
        self.bytes_from_vm += count
        context.counts.from_vm += count
        self.last_output = at = context.clock.wall()
        if not console.quarantined:
            context.observer.output(console.id, history.end, data, at)
        history.append(data)
        console.attachments.mark()

    def output_lost(self, count: int, why: str) -> None:
        """The VM sent `count` bytes that were not kept, because of `why`: a gap in its output."""
        console = self._console
        start = console.history.end
        self.bytes_from_vm += count
        self._context.counts.from_vm += count
        if not console.quarantined:
            self._context.observer.lost(console.id, start, start + count, why)
        console.history.skip(count)
        console.attachments.lose(start, start + count, why)

    def break_received(self) -> None:
        """The VM sent a BREAK."""
        now = self._context.clock.seconds()
        if self._break_at is not None and now - self._break_at < BREAK_PAIR:
            return
        self._break_at = now
        self.breaks_from_vm += 1
        self._notices.show(NoticeKind.BREAK)
        self._publish(events.BreakSignal(self._console.ref, None))

    def flow_changed(self) -> None:
        """The line takes no input for a while, or takes it again."""
        self._end_suspended()
        self.input.flow_changed()

    def _end_suspended(self, where: str = "") -> None:
        """Attachments that were told that the VM takes no input are told that it does again."""
        if self.line is None or not self.line.suspended:
            waiting = self.input.waiting
            self._notices.goes_on(Condition.SUSPENDED, NoticeKind.GOES_ON, waiting, where)

    @property
    def is_unanswered(self) -> bool:
        """Whether input waits for a VM's host that does not answer."""
        return self._notices.has(Condition.UNANSWERED)

    def answered(self) -> None:
        """The line answered a question of `input`."""
        self._end_unanswered(self.input.waiting)
        self.input.answered()

    def _end_unanswered(self, waiting: int, where: str = "") -> None:
        """Attachments that were told that the VM does not answer are told that it does again."""
        if self._notices.goes_on(Condition.UNANSWERED, NoticeKind.ANSWERED, waiting, where):
            self._publish(events.AnswersAgain(self._console.ref, waiting))

    # Lines that come and go

    def connect(self, line: Line) -> None:
        """`line` is this console's from now on; it had none."""
        returned = self.bytes_from_vm > 0 or self.moves > 0
        self._take(line)
        self._notices.connected(line.address)
        self._publish(events.Connected(self._console.ref, returned))

    def replace(self, line: Line, why: str, how: How) -> None:
        """`line` takes the place of the one that is there; what waited for that one is refused."""
        old = self.last_address
        self.line = None
        unproven = self.input.unproven
        self.input.disconnect()
        # The pen first: what makes room must not let anyone type at the new line.
        self._change_host(old, line.address, how)
        self._notices.dropped(self.input.drop(), why)
        if not self._is_other_host(old, line.address):
            self._notices.replaced(line.address, why, unproven)
        self._take(line)
        self._publish(events.Replaced(self._console.ref, old, line.address, why))

    def disconnect(self, reason: str) -> None:
        """The last line is gone outside a migration: the console is away, with its history."""
        self.line = None
        self.away_reason, self.remark = reason, ""
        self.port.forget()
        self._end_holding()
        self.since = self._context.clock.wall()
        self.input.disconnect()
        unsent = self.input.drop()
        self._notices.went_away(reason, unsent)
        self._publish(events.WentAway(self._console.ref, reason, unsent.count))
        self._console.release_memory()

    def stay_away(self, reason: str) -> None:
        """The server does not connect to it for `reason`: attachments are told of a new one."""
        told, self.away_reason, self.next_try = self.away_reason, reason, None
        self.changed()
        if reason != told:
            self._notices.show(NoticeKind.AWAY, reason=reason)

    def remark_on(self, what: str) -> None:
        """Something is wrong with its line, or with "" no longer: attachments are told once."""
        if what != self.remark:
            told, self.remark = self.remark, what
            text = what or f"no longer: {told}"
            self._console.attachments.tell(f"{self._console.title}: {text}")

    def _take(self, line: Line, proved: bool = False) -> None:
        if proved:
            self._console.attachments.host_change = None
            # Away, too, where the target came after its migration had been given up.
            self._notices.forget(Condition.HELD, Condition.AWAY)
        else:
            self._notices.end(Condition.HELD, NoticeKind.MIGRATION_OVER)
            self.port.forget()
            self._change_host(self.last_address, line.address, How.JOINED)
        self.line = line
        self.away_reason, self.next_try = "", None
        self.last_address = line.address
        self.provenance = max(self.provenance, line.provenance)
        self._end_holding()
        self.since = self._context.clock.wall()
        self._end_unanswered(self.input.waiting, f", from {line.address}")
        self._end_suspended(f", at {line.address}")
        self.input.connect(line)

    def _change_host(self, old: str, new: str, how: How) -> None:
        """Nothing has proved that the VM at `new` is the one that was at `old`.

        Where the server connects to it, the configuration says which host is the right one.
        """
        if not self._is_other_host(old, new):
            return
        self.last_address = new
        self.unseen_change = change = HostChange(old, new, self._context.clock.wall())
        self._notices.show(NoticeKind.HOST_CHANGED, old=old, new=new)
        self._console.attachments.host_changed(change)
        self._publish(events.HostChanged(self._console.ref, old, new, how))

    def _is_other_host(self, old: str, new: str) -> bool:
        return bool(old) and old != new and not self._console.dial_uri

    def host_change_seen(self) -> None:
        """An administrator has seen the last change of host."""
        if self.unseen_change is not None:
            self.unseen_change = None
            self._publish(events.HostChangeSeen(self._console.ref))

    # vMotion

    def migrate(self) -> None:
        """A vMotion has the go-ahead: hold input."""
        self._hold()
        self._publish(events.MigrationBegan(self._console.ref))

    def _hold(self) -> None:
        self.migrating = True
        self.input.hold()
        if self._holding is None:
            self._holding = self._context.clock.call_later(HOLDING, self._tell_holding)

    def _tell_holding(self) -> None:
        self._holding = None
        self._notices.begin(Condition.HELD)
        self._notices.show(NoticeKind.MIGRATING, waiting=self.input.waiting)

    def _end_holding(self) -> None:
        self.migrating = False
        cancel(self._holding)
        self._holding = None

    def lose_source(self) -> None:
        """The source is gone in mid-migration; the target may still come."""
        self.line = None
        self.input.disconnect()
        self._hold()

    def resume(self) -> None:
        """The source has not moved, whatever becomes of the migration: input goes to it again."""
        self._end_holding()
        self._notices.forget(Condition.HELD)
        self._notices.show(NoticeKind.RESUMED, address=self.last_address)
        self.input.release()

    def move(self, line: Line, source: str, seconds: float) -> None:
        """The vMotion is complete: `line` is the target; what was held goes to it."""
        self.moves += 1
        self._notices.show(NoticeKind.MOVED, source=source, target=line.address, seconds=seconds)
        self._take(line, proved=True)
        wall = self._context.clock.wall()
        self.last_move = events.Moved(self._console.ref, source, line.address, seconds, wall)
        self._publish(self.last_move)

    def end_migration(self, reason: str) -> None:
        """The vMotion came to nothing: input goes to the source if it lives."""
        self._end_holding()
        self._notices.forget(Condition.HELD)
        self._notices.show(NoticeKind.NOT_MOVED, reason=reason)
        self._publish(events.MigrationEnded(self._console.ref, reason))
        if self.line is None:
            self.disconnect(reason)
        else:
            self.input.release()

    # What `input` reports

    def delivered(self, data: bytes, account: InputAccount) -> None:
        """`data` went to the VM."""
        self.bytes_to_vm += len(data)
        self._context.counts.to_vm += len(data)
        self._context.accounting.delivered(account, len(data))
        if not account.is_answers and not self._console.quarantined:
            self._context.observer.input(self._console.id, data)

    def sent_break(self, account: InputAccount) -> None:
        """A BREAK went to the VM."""
        session = account.session
        operator = session.operator.name if session is not None else "unknown"
        self._publish(events.BreakSignal(self._console.ref, operator, session))
        if account.on_break is not None:
            account.on_break()

    def dropped(self, count: int, account: InputAccount) -> None:
        """`count` bytes that were taken will not go to the VM."""
        self._context.counts.refused += count
        self._context.accounting.dropped(account, count)

    def withdrawn(self, count: int, account: InputAccount) -> None:
        """The owner of `account` has taken back `count` bytes, or may no longer type."""
        self._context.counts.withdrawn += count
        self._context.accounting.dropped(account, count)

    def waits(self, change: int) -> None:
        """So many more bytes wait, or fewer."""
        self._context.counts.waits(change)

    def room_grew(self) -> None:
        """Input that was not taken may be typed again."""
        self._console.attachments.room_grew()

    def unanswered(self, waiting: int) -> None:
        """The VM's host does not answer; `waiting` bytes wait for it."""
        self._notices.waits(Condition.UNANSWERED, NoticeKind.UNANSWERED, waiting)
        self._publish(events.Stalled(self._console.ref, waiting))

    def suspended(self, waiting: int) -> None:
        """The VM has asked for no input, and `waiting` bytes wait, some of them since a while."""
        self._notices.waits(Condition.SUSPENDED, NoticeKind.SUSPENDED, waiting)

    def caught_up(self) -> None:
        """After that, nothing waits any more."""
        self._notices.end(Condition.WAITING, NoticeKind.CAUGHT_UP)

    def changed(self) -> None:
        """Input went to the line, or waits for it, or what that depends on is another."""
        self._context.changes.console(self._console.id)

    def _publish(self, event: Event) -> None:
        self._context.events.publish(event)
