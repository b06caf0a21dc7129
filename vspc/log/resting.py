"""Lines of VMs that say more than the log's thread writes: they rest until it has caught up.

What such a VM says waits in its socket, as it does for its share of a turn; nobody else's waits. A
disk that stands still or fails is not waited for: after `REST` the line goes on, whatever is lost
of its log then, and does not rest again before its log has caught up once.
"""

from attrs import define, field

from vspc.common.clock import Cancellable, Clock
from vspc.console.console import Console
from vspc.console.ports import Line

REST = 1.0
"""Seconds that a line rests at most."""


@define(eq=False)
class Resting:
    """Which lines rest, by the ids of their consoles."""

    clock: Clock
    _lines: dict[str, tuple[Line, Cancellable]] = field(factory=dict, init=False)
    _given_up: set[str] = field(factory=set, init=False)

    def begin(self, console: Console) -> None:
        """Too much of it waits to be written. Not in a vMotion, which travels in the line."""
        line = console.link.line
        if line is None or console.link.migrating or console.id in self._given_up:
            return
        if console.id in self._lines:
            if self._lines[console.id][0] is line:
                return
            self._end(console.id)
        timer = self.clock.call_later(REST, lambda: self._give_up(console.id))
        self._lines[console.id] = (line, timer)
        line.rest()

    def caught_up(self, console_id: str) -> None:
        """Little enough of it waits."""
        self._given_up.discard(console_id)
        self._end(console_id)

    def _give_up(self, console_id: str) -> None:
        self._given_up.add(console_id)
        self._end(console_id)

    def forget(self, console_id: str) -> None:
        """It has no line any more, or another one."""
        self._given_up.discard(console_id)
        self._end(console_id)

    def _end(self, console_id: str) -> None:
        line, timer = self._lines.pop(console_id, (None, None))
        if timer is not None and timer.active():
            timer.cancel()
        if line is not None:
            line.go_on()
