"""When the journal is told how far the offsets of consoles may go."""

from collections.abc import Callable

from attrs import define, field

from vspc.common.clock import Cancellable, Clock
from vspc.log.entry import QUIET, RecorderEntry


@define(eq=False)
class Reserves:
    """Calls `say` for each console whose reserve is another one, and lowers those of consoles that
    do not talk fast any more: after a kill a small number is to be true of them.
    """

    clock: Clock
    failing: Callable[[], bool]
    say: Callable[[RecorderEntry], None]
    _far: dict[RecorderEntry, None] = field(factory=dict, init=False)
    _timer: Cancellable | None = field(default=None, init=False)

    def renew(self, entry: RecorderEntry, size: int = 0) -> bool:
        """Whether the reserve of `entry`, which said `size` bytes just now, had to be said anew."""
        failing = self.failing() or entry.gap is not None
        if not entry.reserve(self.clock.seconds(), size, failing):
            return False
        self.say(entry)
        if entry.is_far:
            self._far[entry] = None
            self._look_soon()
        return True

    def _look_soon(self) -> None:
        if self._timer is None:
            self._timer = self.clock.call_later(QUIET, self._look)

    def _look(self) -> None:
        self._timer = None
        if not self.failing():
            for entry in [entry for entry in self._far if entry.gap is None]:
                if entry.calm_down(self.clock.seconds()):
                    self.say(entry)
                if not entry.is_far:
                    self.forget(entry)
        if self._far:
            self._look_soon()

    def forget(self, entry: RecorderEntry) -> None:
        """Its console is gone."""
        self._far.pop(entry, None)
