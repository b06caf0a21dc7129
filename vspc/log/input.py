"""What operators type, in the log: lines that the VM sent back, and of all else the number."""

from collections.abc import Callable

from attrs import define, field

from vspc.common.clock import Cancellable, Clock
from vspc.console.console import Console
from vspc.console.echo import Echo, Recorded
from vspc.console.logs import MarkerKind


@define(eq=False)
class Typists:
    """An `Echo` for each console on which somebody has typed lately, and its timer.

    It ends when somebody else types. When nobody does it goes on for what was typed before, whose
    echo is still on its way: `send` leaves as soon as the VM has its text.
    """

    clock: Clock
    mark: Callable[[Console, MarkerKind, str], bool]
    _echoes: dict[Console, Echo] = field(factory=dict, init=False)
    _timers: dict[Console, Cancellable] = field(factory=dict, init=False)
    _names: dict[Console, str] = field(factory=dict, init=False)  # of who typed last
    _left: set[Console] = field(factory=set, init=False)  # where nobody types any more

    def begin(self, console: Console, operator: str) -> None:
        """`operator` types from now on."""
        if console in self._echoes and self._names.get(console) != operator:
            self.end(console)
        self._left.discard(console)
        self._names[console] = operator

    def leave(self, console: Console) -> None:
        """Nobody types from now on."""
        echo = self._echoes.get(console)
        if echo is None or echo.deadline is None:
            self.end(console)
        else:
            self._left.add(console)

    def typed(self, console: Console, data: bytes) -> None:
        """`data` went to the VM."""
        echo = self._echoes.setdefault(console, Echo())
        echo.typed(data, self.clock.seconds())
        self._tell(console, echo)

    def said(self, console: Console, data: bytes) -> None:
        """The VM said `data`; to be called before it is kept: a marker stands before the echo."""
        echo = self._echoes.get(console)
        if echo is not None:
            echo.said(data, self.clock.seconds())
            self._tell(console, echo)

    def end(self, console: Console) -> None:
        """What is still awaited is hidden."""
        self._left.discard(console)
        self._names.pop(console, None)
        echo = self._echoes.pop(console, None)
        self._stop(console)
        if echo is not None:
            self._say(console, echo.close())

    def _tell(self, console: Console, echo: Echo) -> None:
        now = self.clock.seconds()
        self._say(console, echo.due(now))
        self._stop(console)
        deadline = echo.deadline
        if deadline is None and console in self._left:
            self.end(console)
        elif deadline is not None:
            delay = max(0.0, deadline - now)
            self._timers[console] = self.clock.call_later(delay, lambda: self._late(console))

    def _late(self, console: Console) -> None:
        self._timers.pop(console, None)
        echo = self._echoes.get(console)
        if echo is not None:
            self._tell(console, echo)

    def _stop(self, console: Console) -> None:
        timer = self._timers.pop(console, None)
        if timer is not None and timer.active():
            timer.cancel()

    def _say(self, console: Console, recorded: list[Recorded]) -> None:
        for one in recorded:
            self.mark(console, MarkerKind.INPUT, one.words)
