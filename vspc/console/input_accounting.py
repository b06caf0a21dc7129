"""What everybody typed and what became of it, to the byte: whatever reaches a VM is somebody's.

The gate counts into a tally for each attachment; the ledger says what is new in it when the pen is
laid down or its holder leaves, and otherwise every few seconds (`events.Delivered`). The counts
of all that is said of a console add up to what its VM got.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from vspc.console.events import Delivered, Event

if TYPE_CHECKING:
    from vspc.console.console import Console
    from vspc.console.session import Session

INTERVAL = 5.0
"""Seconds after which what somebody is typing is recorded, while he goes on."""


class InputAccount:
    """What one attachment typed that nothing was said of yet; `waiting` is in the gate.

    With `is_answers` it is what its terminal said by itself. `broke` is told of a BREAK that went,
    `heard` of bytes as they are delivered, and as they are dropped; they must neither raise nor
    type.
    """

    __slots__ = (
        "broke",
        "console",
        "delivered",
        "dropped",
        "heard",
        "is_answers",
        "is_left",
        "session",
        "waiting",
    )

    def __init__(
        self, console: "Console", session: "Session | None", is_answers: bool = False
    ) -> None:
        self.console = console
        self.session = session
        self.is_answers = is_answers
        self.waiting = 0
        self.delivered = 0
        self.dropped = 0
        self.heard: Callable[[int, int], None] | None = None
        self.broke: Callable[[], None] | None = None
        self.is_left = False


class InputAccounting:
    """The tallies with news."""

    def __init__(self, publish: Callable[[Event], None]) -> None:
        self._publish = publish
        self._news: dict[InputAccount, None] = {}
        self._recorded = 0.0

    def delivered(self, tally: InputAccount, count: int) -> None:
        """`count` bytes went to the VM."""
        tally.delivered += count
        self._changed(tally, count, 0)

    def dropped(self, tally: InputAccount, count: int) -> None:
        """`count` bytes will not be sent."""
        tally.dropped += count
        self._changed(tally, 0, count)

    def _changed(self, tally: InputAccount, delivered: int, dropped: int) -> None:
        self._news[tally] = None
        if tally.heard is not None:
            tally.heard(delivered, dropped)
        if tally.is_left and not tally.waiting:
            self.record(tally)

    def left(self, tally: InputAccount) -> None:
        """Nothing more is typed for it; some of it may wait."""
        tally.is_left = True
        self.record(tally)

    def record(self, tally: InputAccount) -> None:
        """Say what is new."""
        if self._news.pop(tally, tally) is tally:
            return
        count, tally.delivered = tally.delivered, 0
        dropped, tally.dropped = tally.dropped, 0
        typed, answers = (0, count) if tally.is_answers else (count, 0)
        self._publish(Delivered(tally.console, tally.session, typed, dropped, answers))

    def tick(self, now: float) -> None:
        """Call it every second or so."""
        if now - self._recorded >= INTERVAL:
            self._recorded = now
            self.close()

    def close(self) -> None:
        """Say all that is new."""
        for tally in list(self._news):
            self.record(tally)
