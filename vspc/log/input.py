"""What operators type, in the log: lines that the VM sent back, and of all else the number."""

from collections.abc import Callable

from attrs import define, field

from vspc.common.clock import Cancellable, Clock
from vspc.console.echo import Echo, Recorded
from vspc.console.logs import MarkerKind


@define(eq=False)
class Typists:
    """An `Echo` for each console on which somebody has typed lately, and its timer.

    It ends when somebody else types. When nobody does it goes on for what was typed before, whose
    echo is still on its way: `send` leaves as soon as the VM has its text.
    """

    clock: Clock
    mark: Callable[[str, MarkerKind, str], bool]
    _echoes: dict[str, Echo] = field(factory=dict, init=False)
    _timers: dict[str, Cancellable] = field(factory=dict, init=False)
    _names: dict[str, str] = field(factory=dict, init=False)  # of who typed last
    _left: set[str] = field(factory=set, init=False)  # where nobody types any more

    def begin(self, console_id: str, operator: str) -> None:
        """`operator` types from now on."""
        if console_id in self._echoes and self._names.get(console_id) != operator:
            self.end(console_id)
        self._left.discard(console_id)
        self._names[console_id] = operator

    def leave(self, console_id: str) -> None:
        """Nobody types from now on."""
        echo = self._echoes.get(console_id)
        if echo is None or echo.deadline is None:
            self.end(console_id)
        else:
            self._left.add(console_id)

    def typed(self, console_id: str, data: bytes) -> None:
        """`data` went to the VM."""
        echo = self._echoes.setdefault(console_id, Echo())
        echo.typed(data, self.clock.seconds())
        self._tell(console_id, echo)

    def said(self, console_id: str, data: bytes) -> None:
        """The VM said `data`; to be called before it is kept: a marker stands before the echo."""
        echo = self._echoes.get(console_id)
        if echo is not None:
            echo.said(data, self.clock.seconds())
            self._tell(console_id, echo)

    def end(self, console_id: str) -> None:
        """What is still awaited is hidden."""
        self._left.discard(console_id)
        self._names.pop(console_id, None)
        echo = self._echoes.pop(console_id, None)
        self._stop(console_id)
        if echo is not None:
            self._say(console_id, echo.close())

    def _tell(self, console_id: str, echo: Echo) -> None:
        now = self.clock.seconds()
        self._say(console_id, echo.due(now))
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
            self._tell(console_id, echo)

    def _stop(self, console_id: str) -> None:
        timer = self._timers.pop(console_id, None)
        if timer is not None and timer.active():
            timer.cancel()

    def _say(self, console_id: str, recorded: list[Recorded]) -> None:
        for one in recorded:
            self.mark(console_id, MarkerKind.INPUT, one.words)
