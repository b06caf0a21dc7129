"""What all consoles of a server share: time, memory, wake-ups, subscribers, the log's observer."""

from collections.abc import Callable
from typing import Protocol

from attrs import Factory, field, frozen

from vspc.common.clock import Clock
from vspc.console.audit import Audit
from vspc.console.changes import StateChanges
from vspc.console.counts import ConsoleCounts
from vspc.console.descriptions import Descriptions
from vspc.console.events import EventBus
from vspc.console.history import Budget
from vspc.console.input_queue import InputAccounting
from vspc.console.pen_locks import PenLocks
from vspc.console.sessions import Quota, Sessions


class OutputObserver:
    """Gets all output and input of all consoles at once, in order, and never blocks: the log.

    Consoles are named by their ids. No method may raise. This one keeps nothing.
    """

    __slots__ = ()

    def next_offset(self, console_id: str) -> int:
        """The offset of the next byte of a new console: where its log ends, or 0."""
        del console_id
        return 0

    def last_output(self, console_id: str) -> float | None:
        """When its VM sent its last byte, in seconds since 1970, if there is a log of it and no
        console.
        """
        del console_id
        return None

    def last_name(self, console_id: str) -> str | None:
        """The name that its VM gave last, if there is a log of it and no console."""
        del console_id
        return None

    def when_written(self, console_id: str, call: Callable[[int, int], None]) -> None:
        """Call `call` with the two offsets between which its log is complete, as soon as all its
        output is written, which may be at once; never if it has no log. Another `call` for the same
        console replaces the one before.
        """

    def output(self, console_id: str, offset: int, data: bytes, at: float) -> None:
        """The VM sent `data`, from `offset`; it came `at`, in seconds since 1970."""

    def lost(self, console_id: str, start: int, end: int, why: str) -> None:
        """What the VM sent from `start` to `end` (exclusive) was not kept, because of `why`."""

    def input(self, console_id: str, data: bytes) -> None:
        """`data` was typed, and went to the VM."""


class Wakeable(Protocol):
    """What has something to show at the end of this reactor turn."""

    def wake(self) -> None:
        """Show it."""


class Wakeups:
    """Wakes what was marked once per reactor turn, however many bytes came in it."""

    def __init__(
        self, soon: Callable[[Callable[[], None]], None], failed: Callable[[], None]
    ) -> None:
        """`soon` calls back at the end of this reactor turn; `failed` inside an except block."""
        self._soon = soon
        self._failed = failed
        self._marked: dict[Wakeable, None] = {}

    def mark(self, wakeable: Wakeable) -> None:
        """Wake it at the end of this turn."""
        if not self._marked:
            self._soon(self._wake)
        self._marked[wakeable] = None

    def _wake(self) -> None:
        marked, self._marked = self._marked, {}
        for wakeable in marked:
            wakeable.wake()

    def guard(self, call: Callable[..., None], *arguments: object) -> None:
        """Call a sink: if it raises no other attachment is affected (law 9)."""
        try:
            call(*arguments)
        except Exception:
            self._failed()


@frozen
class ConsoleContext:
    """`pen_idle`: seconds after which a pen that is not used is laid down; 0: never.
    `ask_timeout`: seconds after which a holder who was asked for it has given it; 0: never.
    `approve_timeout`: seconds for which a request for approval stands.
    """

    clock: Clock
    budget: Budget
    wakeups: Wakeups
    events: EventBus
    history_limit: int
    observer: OutputObserver = field(factory=OutputObserver)
    audit: Audit = field(factory=Audit)
    pen_idle: Callable[[], float] = lambda: 0.0
    sessions: Sessions = field(factory=lambda: Sessions(Quota))
    descriptions: Descriptions = field(factory=Descriptions)
    ask_timeout: Callable[[], float] = lambda: 0.0
    approve_timeout: Callable[[], float] = lambda: 300.0
    locks: PenLocks = field(
        default=Factory(
            lambda context: PenLocks(context.clock, context.events, context.sessions),
            takes_self=True,
        )
    )
    changes: StateChanges = field(factory=StateChanges)
    accounting: InputAccounting = field(
        default=Factory(lambda context: InputAccounting(context.events.publish), takes_self=True)
    )
    counts: ConsoleCounts = field(factory=ConsoleCounts)
