"""Input that waits for its VM, and how many bytes each attachment typed: every byte that a VM got
is attributed to a session.

`InputFlow` counts into an `InputAccount` for each attachment. `InputAccounting` publishes what is
new in it (`events.Delivered`) when the pen is laid down or its holder leaves, and otherwise every
`INTERVAL`. The counts that were published of a console add up to what its VM got.
"""

from collections import deque
from collections.abc import Callable, Iterable

from attrs import frozen

from vspc.console.events import Delivered, Event, EventSource
from vspc.console.remote import REMOTE
from vspc.console.session import Session

INTERVAL = 5.0
"""Seconds after which typing that goes on is recorded."""

REMOTE_INTERVAL = 3600.0
"""The same for what remote systems send, which may go on for ever."""


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
        self._changed_accounts: dict[InputAccount, None] = {}
        self._recorded = self._remotes_recorded = 0.0

    def delivered(self, account: InputAccount, count: int) -> None:
        """`count` bytes went to the VM."""
        account.delivered += count
        self._changed(account, count, 0)

    def dropped(self, account: InputAccount, count: int) -> None:
        """`count` bytes will not be sent."""
        account.dropped += count
        self._changed(account, 0, count)

    def _changed(self, account: InputAccount, delivered: int, dropped: int) -> None:
        self._changed_accounts[account] = None
        if account.on_change is not None:
            account.on_change(delivered, dropped)
        if account.is_closed and not account.waiting:
            self.record(account)

    def close_account(self, account: InputAccount) -> None:
        """Nothing more is typed for it; some of it may wait."""
        account.is_closed = True
        self.record(account)

    def record(self, account: InputAccount) -> None:
        """Publish what is new."""
        if self._changed_accounts.pop(account, account) is account:
            return
        count, account.delivered = account.delivered, 0
        dropped, account.dropped = account.dropped, 0
        typed, answers = (0, count) if account.is_answers else (count, 0)
        self._publish(Delivered(account.console.ref, account.session, typed, dropped, answers))

    def tick(self, now: float) -> None:
        """Call it every second or so."""
        if now - self._recorded < INTERVAL:
            return
        self._recorded = now
        is_hour = now - self._remotes_recorded >= REMOTE_INTERVAL
        if is_hour:
            self._remotes_recorded = now
        for account in list(self._changed_accounts):
            if is_hour or account.session is None or account.session.operator != REMOTE:
                self.record(account)

    def close(self) -> None:
        """Publish all that is new."""
        for account in list(self._changed_accounts):
            self.record(account)


BREAK_COST = 64
"""Bytes that a BREAK counts for, so that breaks are bounded, too."""

_JOINED = 4096
"""Bytes up to which pieces of one account are joined: keys cost little."""


Piece = tuple[bytes, InputAccount]
"""Typed text and its account; a BREAK is empty."""


@frozen
class Dropped:
    """What was typed and will not be sent: bytes of text, and BREAKs. Answers are not counted:
    they were not typed.
    """

    count: int
    breaks: int

    def __bool__(self) -> bool:
        return bool(self.count or self.breaks)

    def __str__(self) -> str:
        return amount(self.count, self.breaks)


def amount(count: int, breaks: int) -> str:
    """ "12 bytes", "1 BREAK", "1 byte and 2 BREAKs": what was typed, for people."""
    found = [f"{count} byte{'' if count == 1 else 's'}"] if count or not breaks else []
    found += [f"{breaks} BREAK{'' if breaks == 1 else 's'}"] if breaks else []
    return " and ".join(found)


def cost(data: bytes) -> int:
    """Bytes that `data` may take on a line: 0xFF takes two on telnet, and CR where it is NVT.

    Counted for all lines: what is bounded by it is only ever bounded more tightly.
    """
    return len(data) + data.count(0xFF) + data.count(0x0D)


class InputQueue:
    """First in, first out. `size`: bytes, a BREAK counted as `BREAK_COST`."""

    __slots__ = ("_items", "size")

    def __init__(self) -> None:
        # Made when something waits: an empty deque takes 700 bytes of each console.
        self._items: deque[Piece] | None = None
        self.size = 0

    def __bool__(self) -> bool:
        return bool(self._items)

    @property
    def _queue(self) -> deque[Piece]:
        if self._items is None:
            self._items = deque()
        return self._items

    def put(self, data: bytes, account: InputAccount) -> None:
        """Text, behind all else."""
        items = self._queue
        last = items[-1] if items else None
        joins = last is not None and last[1] is account and last[0] != b""
        if last is not None and joins and len(last[0]) + len(data) <= _JOINED:
            items[-1] = last[0] + data, account
        else:
            items.append((data, account))
        self.size += len(data)
        account.waiting += len(data)

    def put_break(self, account: InputAccount) -> None:
        """A BREAK, behind all else."""
        self._queue.append((b"", account))
        self.size += BREAK_COST

    def take(self, limit: int, on_the_wire: int) -> Piece:
        """What is first: of text at most `limit` bytes (over 0), and about as many as `cost`
        `on_the_wire`.
        """
        items = self._queue
        data, account = items.popleft()
        if not data:
            self.size -= BREAK_COST
            self._items = items or None
            return data, account
        piece = data[:limit]
        if cost(piece) > on_the_wire:
            piece = piece[: max(1, on_the_wire // 2)]
        if len(piece) < len(data):
            items.appendleft((data[len(piece) :], account))
        self._items = items or None
        self.size -= len(piece)
        account.waiting -= len(piece)
        return piece, account

    def clear(self) -> tuple[Dropped, list[tuple[InputAccount, int]]]:
        """Forget everything: how much that was, and of whom."""
        items, self._items = self._items or (), None
        texts = [item for item in items if item[0]]
        typed = sum(len(data) for data, account in texts if not account.is_answers)
        dropped = Dropped(typed, len(items) - len(texts))
        self.size = 0
        for data, account in texts:
            account.waiting -= len(data)
        return dropped, [(account, len(data)) for data, account in texts]

    def withdraw(self, account: InputAccount) -> int:
        """Forget what one account typed, BREAKs too; how many bytes of text."""
        count, account.waiting = account.waiting, 0
        items = self._items or ()
        kept = deque(item for item in items if item[1] is not account)
        if len(kept) < len(items):
            self._items = kept or None
            self.size = sum(len(data) or BREAK_COST for data, _ in kept)
        return count

    def withdraw_breaks(self, account: InputAccount) -> int:
        """Forget the BREAKs of one account; how many."""
        items = self._items or ()
        kept = deque(item for item in items if item[1] is not account or item[0])
        count = len(items) - len(kept)
        self.size -= BREAK_COST * count
        self._items = kept or None
        return count

    @property
    def state(self) -> tuple[bytes, ...]:
        """As bytes, a BREAK empty; whose it is does not outlive the process."""
        return tuple(data for data, _ in self._items or ())

    def restore(self, state: Iterable[bytes], account: InputAccount) -> None:
        """Take up `state`, all of which is `account`'s."""
        for item in state:
            if item:
                self.put(item, account)
            else:
                self.put_break(account)
