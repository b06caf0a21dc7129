"""Input on its way to a VM: law 2 (four visible fates) and law 3 (GOAHEAD never behind a paste).

At most `UNANSWERED` bytes are on a line that the VM's host has not answered for: after each half
of it the line is asked a question, and the answer means that everything before it was read. The
rest waits here, where a migration can hold it. Keystrokes never reach the bound.
"""

from typing import Protocol

from attrs import frozen

from vspc.common.clock import Cancellable, Clock, cancel
from vspc.console.input_queue import BREAK_COST, Dropped, InputAccount, InputQueue, cost
from vspc.console.ports import Line

WAITING = 64 * 1024
"""Bytes of input that wait in a console, held or not, before its writers' windows close."""

UNANSWERED = 4096 - 64
"""Bytes on the wire without an answer: 4 KiB, less the questions themselves."""

ASK_AFTER = UNANSWERED // 2
"""Bytes after which a question is asked: half, so that answers come before the bound does."""

PATIENCE = 5.0
"""Seconds after which an unanswered question gives way to the weaker bound (bytes that TCP has
not acknowledged)."""

POLL = 0.05
"""Seconds between looks at what TCP has acknowledged, under the weaker bound only."""


@frozen
class InputFlowState:
    """An `InputFlow` as a value: what waits (a BREAK is empty), and what is unanswered.

    `in_break`: a BREAK on the line has begun, and not ended.
    """

    queue: tuple[bytes, ...] = ()
    held: bool = False
    in_break: bool = False
    asked: tuple[int, ...] = ()
    since: int = 0
    weak: bool = False


class InputFlowOwner(Protocol):
    """What an `InputFlow` reports to: its console's side of the VM."""

    def delivered(self, data: bytes, account: InputAccount) -> None:
        """`data`, typed by the owner of `account`, went to the VM."""

    def sent_break(self, account: InputAccount) -> None:
        """A BREAK of the owner of `account` went to the VM."""

    def dropped(self, count: int, account: InputAccount) -> None:
        """`count` bytes that were taken will not go to the VM."""

    def withdrawn(self, count: int, account: InputAccount) -> None:
        """`count` bytes that were taken were taken back."""

    def waits(self, change: int) -> None:
        """So many more bytes wait, or fewer."""

    def room_grew(self) -> None:
        """After less was taken than was typed: more may be typed now."""

    def unanswered(self, waiting: int) -> None:
        """The VM's host has not answered for `PATIENCE`; `waiting` bytes wait for it."""

    def suspended(self, waiting: int) -> None:
        """The VM has not taken input for `PATIENCE` because it has suspended it (RFC 2217). Again
        `PATIENCE` after more was typed: that may have been somebody else.
        """

    def caught_up(self) -> None:
        """After that, nothing waits any more: it was sent, or taken back."""

    def changed(self) -> None:
        """`InputFlow.state` may be another now."""


class InputFlow:
    """The way in to one console's line. `held`: a migration keeps input back.

    So does a line that is `suspended`, and a BREAK for as long as it lasts.
    """

    __slots__ = (
        "_asked",
        "_behind",
        "_breaking",
        "_clock",
        "_counted",
        "_is_short",
        "_line",
        "_owner",
        "_poll",
        "_queue",
        "_since",
        "_timeout",
        "_weak",
        "held",
    )

    def __init__(self, clock: Clock, owner: InputFlowOwner) -> None:
        self._clock = clock
        self._owner = owner
        self._line: Line | None = None
        self._queue = InputQueue()
        self.held = False
        # Bytes that each open question stands behind, oldest first; then those behind none yet.
        # Two or three at most: a list, because a deque takes 700 bytes of each console.
        self._asked: list[int] = []
        self._since = 0
        self._weak = False
        self._behind = False  # whether the owner was told that input waits
        self._is_short = False  # less was taken than was typed
        self._counted = 0  # bytes of those that wait that the owner knows of
        self._timeout: Cancellable | None = None
        self._poll: Cancellable | None = None
        self._breaking: Cancellable | None = None

    @property
    def waiting(self) -> int:
        """Bytes that wait, a BREAK counted as `BREAK_COST`."""
        return self._queue.size

    @property
    def unproven(self) -> int:
        """Bytes sent to the line since its last answer: it may not have read them."""
        return self._since + sum(self._asked)

    @property
    def is_suspended(self) -> bool:
        """Whether the other end of the line has said that it takes no input for a while."""
        return self._line is not None and self._line.suspended

    @property
    def obstacle(self) -> str:
        """What input waits for, if it waits."""
        if self.held:
            return "its vMotion"
        return "the VM to take input again" if self.is_suspended else "earlier input"

    @property
    def room(self) -> int:
        """Bytes that `type` would take now."""
        return max(0, WAITING - self.waiting)

    def type(self, data: bytes, account: InputAccount) -> int:
        """Send or keep `data`, counted in `account`; the number of bytes taken, from 0 to all.

        Needs a line or a hold.
        """
        if not self._queue and not self.held and cost(data) <= self._allowance():
            self._send(data, account)
            return len(data)
        taken = 0
        while taken < len(data) and (room := self.room):
            piece = data[taken : taken + room]
            self._queue.put(piece, account)
            taken += len(piece)
            self._pump()
        if taken < len(data):  # a request of another attachment stays
            self._is_short = True
        return taken

    def send_break(self, account: InputAccount) -> bool:
        """A BREAK, in its place among what waits; False if there is no room for it."""
        if self.room < BREAK_COST:
            self._is_short = True
            return False
        self._queue.put_break(account)
        self._pump()
        return True

    def hold(self) -> None:
        """Keep input back: a migration has begun."""
        self._end_break()
        self.held = True
        self._rest()

    def connect(self, line: Line) -> None:
        """Input goes to `line`, a new one, from now on."""
        self._leave_line()
        self._line = line
        self.held = False
        self._pump()

    def flow_changed(self) -> None:
        """The line is suspended now, or no longer."""
        self._rest()
        self._pump()

    def release(self) -> None:
        """The migration came to nothing: input goes on to the line it always had."""
        self.held = False
        self._pump()

    def disconnect(self) -> None:
        """The line is gone, what waits stays (during a migration)."""
        self._leave_line()
        self._line = None

    def drop(self) -> Dropped:
        """Refuse everything that waits; `caught_up` is not called for it."""
        self._behind = False
        unsent, owners = self._queue.clear()
        for account, count in owners:
            self._owner.dropped(count, account)
        self.held = False
        self._rest()
        self._pump()
        return unsent

    def withdraw(self, account: InputAccount) -> int:
        """Take back what waits of `account`; how many bytes."""
        before, count = self.waiting, self._queue.withdraw(account)
        if count:
            self._owner.withdrawn(count, account)
        if not self._queue:
            self._rest()  # no answer is needed any more
        if self.waiting < before:
            self._pump()
        return count

    def withdraw_breaks(self, account: InputAccount) -> int:
        """Take back the BREAKs of `account` that wait; how many."""
        count = self._queue.withdraw_breaks(account)
        self._pump()
        return count

    def answered(self) -> None:
        """The line answered the oldest question."""
        if not self._asked:
            return
        del self._asked[0]
        self._weak = False
        self._rest()
        self._ask_if_due()
        self._pump()

    @property
    def state(self) -> InputFlowState:
        """What another process needs to go on."""
        queue, in_break = self._queue.state, self._breaking is not None
        return InputFlowState(
            queue, self.held, in_break, tuple(self._asked), self._since, self._weak
        )

    def restore(self, state: InputFlowState, line: Line | None, account: InputAccount) -> None:
        """Go on from `state` over `line`; what waits is counted in `account`."""
        self._line = line
        self._queue.restore(state.queue, account)
        self._count()
        self.held = state.held
        self._asked.extend(state.asked)
        self._since, self._weak = state.since, state.weak
        if state.in_break and line is not None:
            self._breaking = self._clock.call_later(0, self._break_is_over)
        if self._queue and not self.held and line is not None:
            self._wait()

    def _leave_line(self) -> None:
        """Another line follows, or none; the one that was there may come back (a suspect)."""
        self._end_break()
        self._asked.clear()
        self._since = 0
        self._weak = False
        self._rest()

    def _allowance(self) -> int:
        """Bytes on the wire that may follow now."""
        if self._line is None or self.is_suspended or self._breaking is not None:
            return 0
        if not self._weak:
            return UNANSWERED - self.unproven
        unacknowledged = self._line.unacknowledged()
        return UNANSWERED if unacknowledged is None else UNANSWERED - unacknowledged

    def _send(self, data: bytes, account: InputAccount) -> None:
        assert self._line is not None
        self._owner.changed()
        self._line.send(data)
        self._owner.delivered(data, account)
        self._since += cost(data)
        self._ask_if_due()

    def _ask_if_due(self) -> None:
        assert self._line is not None
        # Under the weaker bound one question stays open: its answer, however late, ends it.
        if self._since < ASK_AFTER or (self._weak and self._asked):
            return
        if self._line.ask():
            self._asked.append(self._since)
        else:
            self._weak = True
        self._since = 0

    def _count(self) -> None:
        """Tell the owner how many bytes wait."""
        size = self._queue.size
        if size != self._counted:
            change, self._counted = size - self._counted, size
            self._owner.waits(change)

    def _pump(self) -> None:
        self._owner.changed()
        while self._queue and not self.held and (allowance := self._allowance()) > 0:
            self._advance(allowance)
        self._count()
        if self._queue and not self.held and self._line is not None:
            self._wait()
        if self._behind and not self._queue:
            self._behind = False
            self._owner.caught_up()
        if self._is_short and self.room >= BREAK_COST:
            self._is_short = False
            self._owner.room_grew()

    def _advance(self, allowance: int) -> None:
        assert self._line is not None
        data, account = self._queue.take(min(allowance, ASK_AFTER), allowance)
        if data:
            self._send(data, account)
        else:
            lasts = self._line.send_break()
            if lasts:
                self._breaking = self._clock.call_later(lasts, self._break_is_over)
            self._owner.sent_break(account)
            self._since += BREAK_COST
            self._ask_if_due()

    def _break_is_over(self) -> None:
        self._end_break()
        self._pump()

    def _end_break(self) -> None:
        """End the BREAK that lasts, if there is one: GOAHEAD must not stand in the middle of it,
        and no line may be left in it.
        """
        if self._breaking is not None:
            cancel(self._breaking)
            self._breaking = None
            assert self._line is not None
            self._line.end_break()

    def _wait(self) -> None:
        if self._breaking is not None:
            return
        if self._weak and not self.is_suspended:
            if self._poll is None:
                self._poll = self._clock.call_later(POLL, self._look)
        elif self._timeout is None:
            self._timeout = self._clock.call_later(PATIENCE, self._give_up_waiting)

    def _look(self) -> None:
        self._poll = None
        self._pump()

    def _give_up_waiting(self) -> None:
        self._timeout = None
        self._behind = True
        if self.is_suspended:
            self._owner.suspended(self.waiting)
            return
        self._weak = True
        self._owner.unanswered(self.waiting)
        self._pump()

    def _rest(self) -> None:
        self._owner.changed()
        cancel(self._timeout, self._poll)
        self._timeout = self._poll = None
