"""Events of consoles as markers of their logs; reconnections, which are no boots; recorded input.

A line that comes back although its VM went on running is a reconnection, not a boot. Input is
recorded as far as the VM echoed it: what was typed without an echo (a password) is only counted.
"""

from collections.abc import Callable, Iterator

from attrs import define, field

from vspc.common.clock import Cancellable, Clock
from vspc.common.text import safe
from vspc.console import events
from vspc.console.echo import Echo, Recorded
from vspc.console.events import HOST_CLOSED, ConsoleRef, Event
from vspc.console.log_reading import LOST, RESTARTED
from vspc.console.logs import MarkerKind


def markers(event: Event) -> Iterator[tuple[ConsoleRef, MarkerKind, str]]:
    """The markers of `event`, each with the console whose log it belongs to; one safe line."""
    match event:
        case events.Connected(console):
            yield console, MarkerKind.CONNECTED, f"{console.title} at {console.address}"
        case events.Replaced(console, old, new, why):
            yield console, MarkerKind.CONNECTED, f"{console.title} at {new}, was {old} ({why})"
        case events.Moved(console, source, target, seconds):
            text = f"{console.title} moved from {source} to {target} in {seconds:.1f} s"
            yield console, MarkerKind.MOVED, text
        case events.WentAway(console, reason, unsent):
            if unsent:
                yield console, MarkerKind.DROPPED, f"{unsent} bytes were not sent"
            yield console, MarkerKind.AWAY, reason
        case events.Renamed(console, old):
            yield console, MarkerKind.RENAMED, f"{safe(old)} is {console.title}"
        case events.Attached(attachment):
            who = f"{attachment.session.operator.name} from {attachment.session.address}"
            yield attachment.console, MarkerKind.ATTACHED, who
        case events.Detached(attachment):
            yield attachment.console, MarkerKind.LEFT, attachment.session.operator.name
        case events.PenTaken(attachment, former):
            from_whom = f", taken from {former}" if former else ""
            yield (
                attachment.console,
                MarkerKind.PEN,
                f"{attachment.session.operator.name} types{from_whom}",
            )
        case events.PenReleased(attachment):
            yield attachment.console, MarkerKind.PEN, "released"
        case events.BreakSignal(console, operator):
            yield console, MarkerKind.BREAK, f"by {operator or 'the VM'}"
        case events.SettingsChanged(console, settings):
            yield console, MarkerKind.SETTINGS, str(settings)


STOPPED = "the server stopped"
"""Why lines go that are there when it does."""


@define(eq=False)
class Reconnections:
    """Which consoles have a line, and which lost theirs although their VMs went on, by id.

    `booted`: whether a console ever showed the beginning of a boot.
    """

    booted: Callable[[str], bool]
    _connected: dict[str, None] = field(factory=dict, init=False)
    _before: set[str] = field(factory=set, init=False)  # had a line when an earlier process ended
    _lost: dict[str, str] = field(factory=dict, init=False)  # the address of each

    def remember(self, console_id: str) -> None:
        """It had a line when an earlier process was stopped or killed."""
        self._before.add(console_id)

    def forget(self, console_id: str) -> None:
        """Nothing is known of it any more."""
        self._before.discard(console_id)
        self._lost.pop(console_id, None)

    @property
    def connected(self) -> list[str]:
        """The ids of those that have a line."""
        return list(self._connected)

    def handle(self, event: Event) -> None:
        """Keep in mind what has happened; after `read`."""
        match event:
            case events.Connected(console) | events.Replaced(console) | events.Moved(console) if (
                not console.quarantined
            ):
                self._connected[console.id] = None
                self.forget(console.id)
            case events.WentAway(console, reason):
                self._connected.pop(console.id, None)
                if reason != HOST_CLOSED:
                    self._lost[console.id] = console.address
            case events.Forgotten(console):
                self._connected.pop(console.id, None)
                self.forget(console.id)

    def read(self, event: Event, kind: MarkerKind, text: str) -> tuple[MarkerKind, str]:
        """The marker of a new line: `kind` and `text`, unless its VM has only reconnected."""
        why = None
        match event:
            case events.Connected(console):
                why = self._why(console, console.address)
            case events.Replaced(console, old, new) if old == new:
                why = LOST
            case events.Replaced(console):
                why = "" if self.booted(console.id) else None
        if kind is not MarkerKind.CONNECTED or why is None:
            return kind, text
        return MarkerKind.RECONNECTED, f"{text}, {why}" if why else text

    def _why(self, console: ConsoleRef, address: str) -> str | None:
        if console.id in self._before:
            return RESTARTED
        if self._lost.get(console.id) == address:
            return LOST
        return "" if self.booted(console.id) else None


@define(eq=False)
class TypedInput:
    """An `Echo` for each console on which an operator typed lately, and its timer.

    It ends when another operator types. While no operator does it goes on for earlier input whose
    echo is still on its way: `send` leaves as soon as the VM has its text.
    """

    clock: Clock
    mark: Callable[[str, MarkerKind, str], bool]
    _echoes: dict[str, Echo] = field(factory=dict, init=False)
    _timers: dict[str, Cancellable] = field(factory=dict, init=False)
    _names: dict[str, str] = field(factory=dict, init=False)  # of who typed last
    _left: set[str] = field(factory=set, init=False)  # where no operator types any more

    def begin(self, console_id: str, operator: str) -> None:
        """`operator` types from now on."""
        if console_id in self._echoes and self._names.get(console_id) != operator:
            self.end(console_id)
        self._left.discard(console_id)
        self._names[console_id] = operator

    def leave(self, console_id: str) -> None:
        """No operator types from now on."""
        echo = self._echoes.get(console_id)
        if echo is None or echo.deadline is None:
            self.end(console_id)
        else:
            self._left.add(console_id)

    def input(self, console_id: str, data: bytes) -> None:
        """`data` went to the VM."""
        echo = self._echoes.setdefault(console_id, Echo())
        echo.typed(data, self.clock.seconds())
        self._report(console_id, echo)

    def output(self, console_id: str, data: bytes) -> None:
        """`data` came from the VM; to be called before it is kept: a marker stands before the
        echo.
        """
        echo = self._echoes.get(console_id)
        if echo is not None:
            echo.output(data, self.clock.seconds())
            self._report(console_id, echo)

    def end(self, console_id: str) -> None:
        """What is still awaited is hidden."""
        self._left.discard(console_id)
        self._names.pop(console_id, None)
        echo = self._echoes.pop(console_id, None)
        self._stop(console_id)
        if echo is not None:
            self._record(console_id, echo.close())

    def _report(self, console_id: str, echo: Echo) -> None:
        now = self.clock.seconds()
        self._record(console_id, echo.due(now))
        self._stop(console_id)
        deadline = echo.deadline
        if deadline is None and console_id in self._left:
            self.end(console_id)
        elif deadline is not None:
            delay = max(0.0, deadline - now)
            self._timers[console_id] = self.clock.call_later(delay, lambda: self._late(console_id))

    def _late(self, console_id: str) -> None:
        self._timers.pop(console_id, None)
        echo = self._echoes.get(console_id)
        if echo is not None:
            self._report(console_id, echo)

    def _stop(self, console_id: str) -> None:
        timer = self._timers.pop(console_id, None)
        if timer is not None and timer.active():
            timer.cancel()

    def _record(self, console_id: str, recorded: list[Recorded]) -> None:
        for one in recorded:
            self.mark(console_id, MarkerKind.INPUT, one.words)
