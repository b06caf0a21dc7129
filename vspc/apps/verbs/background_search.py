"""Searching what a VM says as it says it, without holding anything up."""

from collections.abc import Callable
from functools import partial

from vspc.apps.verbs.context import VerbContext
from vspc.apps.verbs.stream_search import WINDOW, Look, Match, SearchPatterns, StreamSearch
from vspc.common.clock import Cancellable

PAUSE = 0.01
"""Seconds between two searches of a whole window; less for less."""

AGAIN = 1.0
"""Seconds after which it tries again where too many search."""


class BackgroundSearch:
    """One search: `found` hears of its match, `more` when it takes more, or has nothing to do."""

    def __init__(
        self,
        world: VerbContext,
        sought: tuple[SearchPatterns, ...],
        found: Callable[[Match], None],
        more: Callable[[], None],
    ) -> None:
        self._world = world
        self._hunt = StreamSearch(sought)
        self._tell_found = found
        self._more = more
        self._over = False
        self._looking: Cancellable | None = None
        self._pause: Cancellable | None = None

    @property
    def room(self) -> int:
        """Bytes that it takes now."""
        return 0 if self._over else self._hunt.room

    @property
    def due(self) -> bool:
        """Whether there is something that was not searched."""
        return self._hunt.due

    @property
    def end(self) -> int:
        """The offset behind what it has searched."""
        return self._hunt.searched

    def feed(self, offset: int, data: bytes) -> None:
        """The VM said `data`."""
        self._hunt.feed(offset, data)
        self._look()

    def hurry(self) -> None:
        """Look now, instead of in a moment."""
        if self._pause is not None and self._pause.active():
            self._pause.cancel()
        self._look()

    def _look(self) -> None:
        resting = self._pause is not None and self._pause.active()
        if self._over or self._looking is not None or resting or not self._hunt.due:
            return
        look = self._hunt.look()
        task = self._world.aside.do(look.cost, look.search, partial(self._looked, look))
        if task is None:
            self._rest(AGAIN)
        elif task.active():
            self._looking = task

    def _looked(self, look: Look, found: Match | None) -> None:
        self._looking = None
        if self._over:
            return
        if found is None:
            self._hunt.missed()
            # Output in drops is searched together: each search may be of a whole window again.
            self._rest(PAUSE * look.length / WINDOW)
        else:
            self._over = True
            self._tell_found(found)

    def _rest(self, seconds: float) -> None:
        self._pause = self._world.clock.call_later(seconds, self._rested)

    def _rested(self) -> None:
        self._pause = None
        self._look()
        if not self._over:
            self._more()

    def stop(self) -> None:
        """Nothing is wanted any more."""
        self._over = True
        for waiting in (self._looking, self._pause):
            if waiting is not None and waiting.active():
                waiting.cancel()
