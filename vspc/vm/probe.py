"""Whether an old line lives: both ends of the question, of whoever asks and of who is asked."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

from vspc.common.clock import Cancellable
from vspc.console.console import Console
from vspc.console.ports import Line
from vspc.console.takeover import Old
from vspc.vm.line_observer import VmLine

if TYPE_CHECKING:
    from vspc.vm.server import LineServer


class Probing:
    """A newcomer asks old lines, each once, and remembers what they have shown.

    Lines, not consoles: another line may have taken a console meanwhile. Each has the time limit
    of a probe to answer.
    """

    __slots__ = ("_asked", "_decide", "_server", "_shown")

    def __init__(self, server: "LineServer", decide: Callable[[], None]) -> None:
        """`decide` is called whenever a line has shown something new."""
        self._server = server
        self._decide = decide
        self._shown: dict[Line, Old] = {}
        self._asked: dict[Line, Cancellable] = {}

    def old(self, line: Line) -> Old:
        """What is known of `line`."""
        return self._shown.get(line, Old.THERE)

    def ask(self, consoles: Iterable[Console]) -> bool:
        """Ask the lines of `consoles` that were not asked; whether an answer is to come."""
        for console in consoles:
            line = console.line
            if line is not None and line not in self._shown and line not in self._asked:
                self._ask(line)
        return bool(self._asked)

    def _ask(self, line: Line) -> None:
        former = self._server.session_of(line)
        if former is not None and former.probed.ask(self):
            silent = partial(self.learn, line, Old.SILENT)
            self._asked[line] = self._server.clock.call_later(self._server.timeouts.probe, silent)
        else:
            # A line that cannot be asked counts as alive: keepalive ends it if it is not.
            self._shown[line] = Old.ANSWERED

    def learn(self, line: Line, old: Old) -> None:
        """`line` answered, or did not, or is gone."""
        patience = self._asked.pop(line, None)
        if patience is None:
            return
        if patience.active():
            patience.cancel()
        self._shown[line] = old
        self._decide()

    def stop(self) -> None:
        """Wait for no answer any more."""
        for patience in self._asked.values():
            if patience.active():
                patience.cancel()
        self._asked.clear()

    def forget(self) -> None:
        """What was shown counts no longer: everybody is asked again."""
        self.stop()
        self._shown.clear()


class Probed:
    """An old line that is asked: newcomers wait for what it shows."""

    __slots__ = ("_askers", "_line")

    def __init__(self, line: VmLine) -> None:
        self._line = line
        self._askers: list[Probing] = []

    def ask(self, newcomer: Probing) -> bool:
        """Have `newcomer` told whether the line answers; False if it cannot be asked."""
        if not self._askers and not self._line.probe():
            return False
        self._askers.append(newcomer)
        return True

    def tell(self, old: Old) -> None:
        """The line has answered, or is gone."""
        askers, self._askers = self._askers, []
        for newcomer in askers:
            newcomer.learn(self._line, old)
