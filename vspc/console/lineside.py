"""The VM's half of a console: its line, how the line changes, and what is told of that.

A line may change by vMotion, which is proved, or otherwise: then nobody has proved that it is the
same VM, and whoever was typing has to be told, and to ask for the pen again.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from attrs import Factory, field, frozen

from vspc.common.clock import Cancellable, Clock
from vspc.common.values import duration_text
from vspc.console import events
from vspc.console.audit import Audit, NoAudit
from vspc.console.conditions import Condition, Conditions, begun, ended, since
from vspc.console.events import Event, EventBus, How
from vspc.console.history import Budget, History
from vspc.console.identity import Provenance
from vspc.console.input_accounting import InputAccount, InputAccounting
from vspc.console.input_flow import InputFlow, InputFlowOwner
from vspc.console.input_queue import Dropped
from vspc.console.ports import Line
from vspc.console.wakeups import Wakeups

if TYPE_CHECKING:
    from vspc.console.console import Console


BREAK_PAIR = 0.1
"""Seconds within which a second BREAK from the VM is the same one, said in another way."""

HOLDING = 3.0
"""Seconds of a vMotion after which everybody attached is told that it goes on."""


class OutputObserver(Protocol):
    """Who hears every byte of every VM at once, in order, and never makes anybody wait: the log."""

    def next_offset(self, console: "Console") -> int:
        """`console` is new here; the offset of its next byte: where its log ends, or 0."""

    def last_output(self, console_id: str) -> float | None:
        """When its VM said its last byte, in seconds since 1970, if there is a log of it and no
        console.
        """

    def last_name(self, console_id: str) -> str | None:
        """What the VM of that console called itself last, where there is a log of it and no such
        console; else None.
        """

    def when_written(self, console: "Console", call: Callable[[int, int], None]) -> None:
        """Call `call` with the two offsets between which the log of `console` has everything, as
        soon as all that it has said is written, which may be at once; never if it has no log.
        Another `call` for the same console takes the place of the one before.
        """

    def output(self, console: "Console", offset: int, data: bytes) -> None:
        """The VM said `data`, from `offset`. Must not raise."""

    def input(self, console: "Console", data: bytes) -> None:
        """Somebody typed `data`, and it went to the VM. Must not raise."""


class NoOutputObserver:
    """Nobody listens."""

    def next_offset(self, console: "Console") -> int:
        """Every console begins anew."""
        del console
        return 0

    def last_output(self, console_id: str) -> float | None:
        """Nobody knows."""
        del console_id
        return None

    def last_name(self, console_id: str) -> str | None:
        """No log is kept of it."""
        del console_id
        return None

    def when_written(self, console: "Console", call: Callable[[int, int], None]) -> None:
        """It never is."""

    def output(self, console: "Console", offset: int, data: bytes) -> None:
        """Nothing is kept of it."""

    def input(self, console: "Console", data: bytes) -> None:
        """Nor of this."""


@frozen
class ConsoleContext:
    """What every console needs and shares: time, memory, waking, telling, and the log.

    `pen_idle`: seconds after which a pen that nobody uses is laid down; 0: never.
    """

    clock: Clock
    budget: Budget
    wakeups: Wakeups
    events: EventBus
    history_limit: int
    observer: OutputObserver = field(factory=NoOutputObserver)
    audit: Audit = field(factory=NoAudit)
    pen_idle: Callable[[], float] = lambda: 0.0
    accounting: InputAccounting = field(
        default=Factory(lambda context: InputAccounting(context.events.publish), takes_self=True)
    )


@frozen
class HostChange:
    """A console's host became another one and it was no vMotion. `at`: seconds since 1970."""

    old: str
    new: str
    at: float


class LineSide(InputFlowOwner):
    """`since` and `last_output` are seconds since 1970. `Console` adds the operators' half."""

    __slots__ = (
        "_broke",
        "_conditions",
        "_context",
        "_holding",
        "breaks_from_vm",
        "bytes_from_vm",
        "bytes_to_vm",
        "history",
        "host_change",
        "input",
        "last_address",
        "last_move",
        "last_output",
        "line",
        "migrating",
        "moves",
        "provenance",
        "since",
        "unseen_change",
    )

    def __init__(self, context: ConsoleContext, history_limit: int) -> None:
        self._context = context
        self.history = History(context.budget, history_limit)
        self.input = InputFlow(context.clock, self)
        self.line: Line | None = None
        self.last_address = ""  # of the line that it has, or had last
        self.provenance = Provenance.PLAIN
        self.migrating = False
        self.moves = 0
        self.last_move: events.Moved | None = None
        self.host_change: HostChange | None = None
        self.unseen_change: HostChange | None = None  # the last that no administrator has seen
        self.since = context.clock.wall()
        self.last_output: float | None = None
        self.bytes_from_vm = 0
        self.bytes_to_vm = 0
        self.breaks_from_vm = 0
        self._broke: float | None = None  # when the VM sent a BREAK last
        self._holding: Cancellable | None = None
        self._conditions: Conditions = ()

    @property
    def _console(self) -> "Console":
        """Itself: there is no other kind."""
        raise NotImplementedError

    # What the VM says

    def output(self, data: bytes) -> None:
        """The VM said `data`."""
        self.bytes_from_vm += len(data)
        self.last_output = self._context.clock.wall()
        self._context.observer.output(self._console, self.history.end, data)
        self.history.append(data)
        self.mark()

    def broke(self) -> None:
        """The VM sent a BREAK."""
        now = self._context.clock.seconds()
        if self._broke is not None and now - self._broke < BREAK_PAIR:
            return
        self._broke = now
        self.breaks_from_vm += 1
        self.tell("break from the VM")
        self._publish(events.Broke(self._console, None))

    def answered(self) -> None:
        """The line answered a question of `input`."""
        self._answers_again(self.input.waiting)
        self.input.answered()

    def _answers_again(self, waiting: int, where: str = "") -> None:
        """Whoever was told that the VM does not answer is told that it does, again."""
        rest = f"; {waiting} bytes wait" if waiting else ""
        if self._end(Condition.UNANSWERED, f"{self.title} answers again{where}{rest}"):
            self._publish(events.AnswersAgain(self._console, waiting))

    # Lines that come and go

    def connect(self, line: Line) -> None:
        """`line` is this console's from now on; it had none."""
        returned = self.bytes_from_vm > 0 or self.moves > 0
        self._take(line)
        self._tell_connected(line)
        self._publish(events.Connected(self._console, returned))

    def _tell_connected(self, line: Line) -> None:
        away = since(self._conditions, Condition.AWAY)
        self._give_way(Condition.AWAY)
        # None: it had been away since before this process.
        lasts = ""
        if away is not None:
            lasts = f", after {duration_text(round(self._context.clock.seconds() - away))}"
        self.tell(f"{self.title} is connected again, from {line.address}{lasts}")

    def _begin(self, condition: Condition, text: str = "") -> None:
        """`condition` goes on; `text` says so to all, unless something else has."""
        self._conditions = begun(self._conditions, condition, self._context.clock.seconds())
        if text:
            self.tell(text)

    def _end(self, condition: Condition, text: str) -> bool:
        """It is over, and `text` is told if its beginning was; whether that is so."""
        was_told = since(self._conditions, condition) is not None
        if was_told:
            self._give_way(condition)
            self.tell(text)
        return was_told

    def _give_way(self, *over: Condition) -> None:
        """They are over, and what is told instead says so."""
        self._conditions = ended(self._conditions, *over)

    def replace(self, line: Line, why: str, how: How) -> None:
        """`line` takes the place of the one that is there; what waited for that one is refused."""
        old = self.last_address
        self.line = None
        self.input.disconnect()
        # The pen first: what makes room must not let anybody type at the new line.
        self._change_host(old, line.address, how)
        self._tell_unsent(self.input.drop(), why)
        self._give_way(Condition.WAITING)
        self._take(line)
        self._publish(events.Replaced(self._console, old, line.address, why))

    def disconnect(self, reason: str) -> None:
        """The last line is gone outside a migration: the console is away, with its history."""
        self.line = None
        self._end_holding()
        self.since = self._context.clock.wall()
        self.input.disconnect()
        unsent = self.input.drop()
        self._give_way(Condition.HELD, Condition.UNANSWERED, Condition.WAITING)
        self._begin(Condition.AWAY, f"{self.title} is away ({reason})")
        self._tell_unsent(unsent, f"{self.title} is away")
        self._publish(events.WentAway(self._console, reason, unsent.count))
        self.shrink()

    def _take(self, line: Line, proved: bool = False) -> None:
        if proved:
            self.host_change = None
            # Away, too, where the target came after its migration had been given up.
            self._give_way(Condition.HELD, Condition.AWAY)
        else:
            self._end(Condition.HELD, f"{self.title} is no longer migrating")
            self._change_host(self.last_address, line.address, How.JOINED)
        self.line = line
        self.last_address = line.address
        self.provenance = max(self.provenance, line.provenance)
        self._end_holding()
        self.since = self._context.clock.wall()
        self._answers_again(self.input.waiting, f", from {line.address}")
        self.input.connect(line)

    def _change_host(self, old: str, new: str, how: How) -> None:
        """Nobody has proved that the VM at `new` is the one that was at `old`."""
        if not old or old == new:
            return
        self.last_address = new
        self.host_change = self.unseen_change = HostChange(old, new, self._context.clock.wall())
        self.tell(f"{self.title} is on {new} now; it was on {old}, and this was no vMotion")
        self.unsettle(old, new)
        self._publish(events.HostChanged(self._console, old, new, how))

    def host_change_seen(self) -> None:
        """An administrator knows of the last change of host."""
        if self.unseen_change is not None:
            self.unseen_change = None
            self._publish(events.HostChangeSeen(self._console))

    def _tell_unsent(self, unsent: Dropped, why: str) -> None:
        if unsent:
            self.tell(f"{why}: {unsent} not sent")

    # vMotion

    def migrate(self) -> None:
        """A vMotion has the go-ahead: hold input."""
        self._hold()
        self._publish(events.MigrationBegan(self._console))

    def _hold(self) -> None:
        self.migrating = True
        self.input.hold()
        if self._holding is None:
            self._holding = self._context.clock.call_later(HOLDING, self._tell_holding)

    def _tell_holding(self) -> None:
        self._holding = None
        waiting = self.input.waiting
        self._begin(Condition.HELD, f"{self.title} is migrating; {waiting} bytes held")

    def _end_holding(self) -> None:
        self.migrating = False
        if self._holding is not None:
            self._holding.cancel()
            self._holding = None

    def lose_source(self) -> None:
        """The source is gone in mid-migration; the target may still come."""
        self.line = None
        self.input.disconnect()
        self._hold()

    def resume(self) -> None:
        """The source has not moved, whatever becomes of the migration: input goes to it again."""
        self._end_holding()
        self._give_way(Condition.HELD)
        self.tell(f"{self.title} goes on at {self.last_address}: its vMotion has not happened")
        self.input.release()

    def move(self, line: Line, source: str, seconds: float) -> None:
        """The vMotion is complete: `line` is the target; what was held goes to it."""
        self.moves += 1
        self.tell(f"{self.title} moved from {source} to {line.address} in {seconds:.1f} s")
        self._take(line, proved=True)
        self.last_move = events.Moved(
            self._console, source, line.address, seconds, self._context.clock.wall()
        )
        self._publish(self.last_move)

    def end_migration(self, reason: str) -> None:
        """The vMotion came to nothing: input goes to the source if it lives."""
        self._end_holding()
        self._give_way(Condition.HELD)
        self.tell(f"{self.title} did not move: {reason}")
        self._publish(events.MigrationEnded(self._console, reason))
        if self.line is None:
            self.disconnect(reason)
        else:
            self.input.release()

    # What the other half does

    @property
    def title(self) -> str:
        """Name and port, as notices and lists show it."""
        raise NotImplementedError

    def tell(self, text: str) -> None:
        """One line for everybody attached, at this place of the output."""
        raise NotImplementedError

    def mark(self) -> None:
        """There is something to show."""
        raise NotImplementedError

    def shrink(self) -> None:
        """Nobody is on it any more, or it has no line: if both is so, little memory must do."""
        raise NotImplementedError

    def unsettle(self, old: str, new: str) -> None:
        """The host changed without proof: whoever types has to ask again."""
        raise NotImplementedError

    def unanswered(self, waiting: int) -> None:
        self._begin(Condition.UNANSWERED, f"{self.title} does not answer: {waiting} bytes wait")
        self._begin(Condition.WAITING)
        self._publish(events.Stalled(self._console, waiting))

    def caught_up(self) -> None:
        self._end(Condition.WAITING, f"nothing waits for {self.title} any more")

    def delivered(self, data: bytes, account: InputAccount) -> None:
        self.bytes_to_vm += len(data)
        self._context.accounting.delivered(account, len(data))
        if not account.is_answers:
            self._context.observer.input(self._console, data)

    def sent_break(self, account: InputAccount) -> None:
        who = account.session.operator.name if account.session is not None else "somebody"
        self._publish(events.Broke(self._console, who, account.session))
        if account.on_break is not None:
            account.on_break()

    def dropped(self, count: int, account: InputAccount) -> None:
        self._context.accounting.dropped(account, count)

    def nobody(self) -> InputAccount:
        return InputAccount(self._console, None)

    def _publish(self, event: Event) -> None:
        self._context.events.publish(event)
