"""How many bytes each attachment typed, and what became of them: every byte that a VM got is
attributed to a session.

`InputFlow` counts into an `InputAccount` for each attachment. `InputAccounting` publishes what is
new in it (`events.Delivered`) when the pen is laid down or its holder leaves, and otherwise every
`INTERVAL`. The counts that were published of a console add up to what its VM got.
"""

from collections.abc import Callable

from vspc.console.events import Delivered, Event, EventSource
from vspc.console.session import Session

INTERVAL = 5.0
"""Seconds after which what somebody is typing is recorded, while he goes on."""


class InputAccount:
    """What one attachment typed that was not published yet; `waiting` bytes are in `InputFlow`.

    With `is_answers` it is what its terminal sent by itself. `on_break` is called for a BREAK that
    was sent, `on_change` with bytes as they are delivered, and as they are dropped; neither may
    raise or type.
    """

    __slots__ = (
        "console",
        "delivered",
        "dropped",
        "is_answers",
        "is_closed",
        "on_break",
        "on_change",
        "session",
        "waiting",
    )

    def __init__(
        self, console: EventSource, session: Session | None, is_answers: bool = False
    ) -> None:
        self.console = console
        self.session = session
        self.is_answers = is_answers
        self.waiting = 0
        self.delivered = 0
        self.dropped = 0
        self.on_change: Callable[[int, int], None] | None = None
        self.on_break: Callable[[], None] | None = None
        self.is_closed = False


class InputAccounting:
    """The accounts with unpublished changes."""

    def __init__(self, publish: Callable[[Event], None]) -> None:
        self._publish = publish
        self._news: dict[InputAccount, None] = {}
        self._recorded = 0.0

    def delivered(self, account: InputAccount, count: int) -> None:
        """`count` bytes went to the VM."""
        account.delivered += count
        self._changed(account, count, 0)

    def dropped(self, account: InputAccount, count: int) -> None:
        """`count` bytes will not be sent."""
        account.dropped += count
        self._changed(account, 0, count)

    def _changed(self, account: InputAccount, delivered: int, dropped: int) -> None:
        self._news[account] = None
        if account.on_change is not None:
            account.on_change(delivered, dropped)
        if account.is_closed and not account.waiting:
            self.record(account)

    def close_account(self, account: InputAccount) -> None:
        """Nothing more is typed for it; some of it may wait."""
        account.is_closed = True
        self.record(account)

    def record(self, account: InputAccount) -> None:
        """Say what is new."""
        if self._news.pop(account, account) is account:
            return
        count, account.delivered = account.delivered, 0
        dropped, account.dropped = account.dropped, 0
        typed, answers = (0, count) if account.is_answers else (count, 0)
        self._publish(Delivered(account.console.ref, account.session, typed, dropped, answers))

    def tick(self, now: float) -> None:
        """Call it every second or so."""
        if now - self._recorded >= INTERVAL:
            self._recorded = now
            self.close()

    def close(self) -> None:
        """Say all that is new."""
        for account in list(self._news):
            self.record(account)
