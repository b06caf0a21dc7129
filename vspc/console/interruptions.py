"""Where operators were when the server was restarted: their terminals go on there."""

from collections.abc import Callable, Iterable, Iterator

from attrs import frozen

from vspc.common.clock import Clock, Timer
from vspc.console.attachment import AttachmentKind
from vspc.console.sessions import OpenSession

REMEMBERED = 60.0
"""Seconds after a start in which an operator who logs in again comes back to the same console."""

INTERRUPTED = 1024
"""Terminals of which this is remembered."""

LATEST = 2**62
"""The `offset` of a terminal whose process was killed: where the output of the console ends when
the next process begins.
"""


@frozen(eq=False)
class Interruption:
    """A terminal of `operator` on the console with that id, which has shown the output up to
    `offset`.
    """

    operator: str
    console: str
    offset: int


def interrupted(sessions: Iterable[OpenSession]) -> list[Interruption]:
    """The terminals of `sessions` on consoles now, at most `INTERRUPTED`."""

    def found() -> Iterator[Interruption]:
        for each in sessions:
            for attachment in each.attachments:
                if attachment.kind is AttachmentKind.TERMINAL:
                    name = attachment.session.operator.name
                    yield Interruption(name, attachment.console.id, attachment.cursor.offset)

    return [each for each, _ in zip(found(), range(INTERRUPTED), strict=False)]


def _nothing(_interruption: Interruption) -> None:
    """Nobody asks."""


class Interruptions:
    """Those of the process before, each until its operator is back, or `REMEMBERED` is over: then
    `over` is called with it.
    """

    def __init__(self, clock: Clock, over: Callable[[Interruption], None] = _nothing) -> None:
        self._left: list[Interruption] = []
        self._limit = Timer(clock)
        self._over = over

    def restore(self, found: Iterable[Interruption]) -> None:
        """The server has started just now."""
        self._left = list(found)[:INTERRUPTED]
        self._limit.start(REMEMBERED, self._forget)

    @property
    def left(self) -> tuple[Interruption, ...]:
        """Those whose operators are not back yet."""
        return tuple(self._left)

    def take(self, operator: str) -> Interruption | None:
        """The oldest one of `operator`, once."""
        found = next((each for each in self._left if each.operator == operator), None)
        if found is not None:
            self._left.remove(found)
            self._over(found)
        return found

    def stop(self) -> None:
        """The server ends: `left` stays as it is."""
        self._limit.stop()

    def _forget(self) -> None:
        left, self._left = self._left, []
        for each in left:
            self._over(each)
