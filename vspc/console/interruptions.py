"""Where operators were when the server was restarted: their terminals go on there."""

from collections.abc import Iterable, Iterator

from attrs import frozen

from vspc.common.clock import Clock
from vspc.console.attachment import AttachmentKind
from vspc.console.sessions import OpenSession

REMEMBERED = 60.0
"""Seconds after a start in which an operator who logs in again comes back to the same console."""

INTERRUPTED = 1024
"""Terminals of which this is remembered."""


@frozen
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


class Interruptions:
    """Those of the process before, each until its operator is back, or `REMEMBERED` is over."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._left: list[Interruption] = []
        self._until = 0.0

    def restore(self, found: Iterable[Interruption]) -> None:
        """The server has started just now."""
        self._left = list(found)[:INTERRUPTED]
        self._until = self._clock.seconds() + REMEMBERED

    def take(self, operator: str) -> Interruption | None:
        """The oldest one of `operator`, once."""
        if self._clock.seconds() >= self._until:
            self._left.clear()
        found = next((each for each in self._left if each.operator == operator), None)
        if found is not None:
            self._left.remove(found)
        return found
