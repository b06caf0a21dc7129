"""A bounded amount of work for each connection in each turn of the reactor (law 11).

What a peer sends is counted in *events*: a command or packet is one, `BYTES` of data are one, what
costs more counts as several. Each connection has a `Share` of events in a turn, a tenth of it
before its peer is identified or logged in (`proven`). What is over waits: the connection is paused
and its `work` is called in a later turn, in the order of `Scheduler`.
"""

import math
from collections import OrderedDict
from collections.abc import Callable

from vspc.common.addresses import rate_key

EVENTS = 128
"""Events of one proven connection in a turn."""

EVENTS_UNPROVEN = EVENTS // 10
"""The same of one that is not."""

TURN_EVENTS = 768
"""Events of all connections together in a turn."""

RESERVED = 192
"""Of these, how many are reserved for what arrives in the turn; those that wait get the others."""

RESERVED_FOR_PROVEN = TURN_EVENTS // 2
"""Of these, how many are reserved for proven connections."""

FIRST_EVENTS = 16
"""Events of a connection that waited without being over its share, when its turn comes."""

TURN_SECONDS = 0.003
"""Seconds in a turn after which no other waiting connection is served."""

BYTES = 4096
"""Bytes of data that count as one more event."""

DOUBLED = 64
"""Bytes 0xFF, doubled on the wire, that count as one more event."""

COMMAND = 4
"""Events that a telnet command of a proven peer counts as, such as BRK, unless it has no effect."""

NEGOTIATION = 4
"""Events that a telnet negotiation of a proven peer counts as: each has an answer."""

SUBNEGOTIATION = 6
"""Events that a telnet subnegotiation of a proven peer counts as."""

PORT_CHANGE = 8
"""Events that a change of port settings counts as, beside the subnegotiation that brings it."""

SUBNEGOTIATION_BYTES = 64
"""Bytes of a telnet subnegotiation that count as one more event."""

HANDSHAKE = 160
"""Events that one step of a TLS handshake, or of an SSH key exchange, counts as."""

SIGNATURE = 32
"""Events that checking one signature counts as."""

REGISTERING = 48
"""Events that the registration of a line counts as, and the end of a registered one."""

CLOSING = EVENTS_UNPROVEN // 2
"""Events that the end of any other connection counts as."""

BUSY_TURNS = 16
"""Turns after which a connection that was over its share is treated like the others."""

PATIENCE = 10.0
"""Seconds for which a connection that is not proven may be over its share."""

RESPITE = 2.0
"""Seconds within its share after which that time begins again."""

FLOODING = 16
"""Turns over its share after which it counts as one that failed to log in or identify itself."""

_HALF = TURN_EVENTS / 2

FLOOD = f"it exceeded the limits of an unidentified connection for {PATIENCE:g} s"
"""Why a connection is closed that is over its share for `PATIENCE`."""


class Share:
    """One connection's part of each turn. `proven`: its peer is identified or logged in; `waiting`:
    it waits for a later turn.
    """

    __slots__ = (
        "_busy_until",
        "_half",
        "_is_over",
        "_left",
        "_over_at",
        "_over_since",
        "_overs",
        "_scheduler",
        "_turn",
        "_work",
        "host",
        "proven",
        "waiting",
    )

    def __init__(self, scheduler: "Scheduler", host: str) -> None:
        self._scheduler = scheduler
        self.host = host
        self.proven = False
        self._turn = -1  # the last one in which it worked
        self._left = self._half = 0.0  # events left in that turn; half of what it began with
        self._busy_until = 0
        self.waiting = False
        self._work: Callable[[], None] | None = None
        self._over_since = self._over_at = -math.inf
        self._overs = 0  # turns in which it was over its share
        self._is_over = False  # whether it waits because of that

    @property
    def floods(self) -> bool:
        """Whether it was over its share more often than a login or identification takes."""
        return not self.proven and self._overs >= FLOODING

    def open(self) -> bool:
        """Whether what has just arrived may be worked on now; if not, call `wait`."""
        scheduler = self._scheduler
        if self.waiting or scheduler.left <= (0 if self.proven else RESERVED_FOR_PROVEN):
            return False
        if self._turn == scheduler.turn:
            return self._left > 0
        return scheduler.turn >= self._busy_until

    def spend(self, events: int = 1) -> bool:
        """Count `events` of work; whether there may be more in this turn."""
        scheduler = self._scheduler
        if self._turn != scheduler.turn:
            self._begin_turn()
        self._left -= events
        scheduler.left -= events
        if self._left < self._half or scheduler.left < _HALF:
            scheduler.arm()
        return self._left > 0 and scheduler.left > 0

    def prove(self, events: int = 0) -> None:
        """Its peer is identified or logged in, which cost `events`; it has a whole share of each
        turn, this one included.
        """
        if not self.proven:
            self.proven = True
            if self._turn == self._scheduler.turn:
                self._left += EVENTS - EVENTS_UNPROVEN
                self._half = EVENTS / 2
            self.spend(events)

    def has(self, events: int) -> bool:
        """Whether work that was begun in this turn may go on for `events` at least."""
        return self._left >= events and self._scheduler.left >= events

    def wait(self, work: Callable[[], None]) -> bool:
        """Have `work` called in a later turn. False: it is not proven and has been over its share
        for `PATIENCE`; `work` is not called, and the connection must be closed.
        """
        scheduler = self._scheduler
        over = self._is_over = self._turn == scheduler.turn and self._left <= 0
        if over:
            self._overs += 1
            if not self._is_patient():
                return False
        self._work, self.waiting = work, True
        scheduler.enter(self, late=over or scheduler.turn < self._busy_until)
        return True

    def leave(self) -> None:
        """It waits no longer."""
        if self.waiting:
            self._work, self.waiting = None, False
            self._scheduler.remove(self)

    def served_in(self, turn: int) -> bool:
        """Whether it has worked in `turn`."""
        return self._turn == turn

    def serve(self, most: float, late: bool) -> None:
        """Its turn has come, for `most` events; `late`: it is over its share, or was one of the
        last times. Who keeps to it from then on is one of the others after `BUSY_TURNS`.
        """
        work, self._work, self.waiting = self._work, None, False
        self._scheduler.waiting -= 1
        self._begin_turn()
        if late:
            if self._is_over:
                self._busy_until = self._turn + BUSY_TURNS
            self._over_at = self._scheduler.seconds()  # waiting does not count as within the share
        self._left = min(self._left, most)
        if work is not None:
            work()

    def _begin_turn(self) -> None:
        self._turn = self._scheduler.turn
        self._left = self._scheduler.events[self.proven]
        self._half = self._left / 2

    def _is_patient(self) -> bool:
        if self.proven:
            return True
        now = self._scheduler.seconds()
        if now - self._over_at > RESPITE:
            self._over_since = now
        self._over_at = now
        return now - self._over_since < PATIENCE


class _Queue:
    """Shares that wait: addresses take turns, and within one address its shares."""

    __slots__ = ("_hosts",)

    def __init__(self) -> None:
        self._hosts: OrderedDict[str, OrderedDict[Share, None]] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._hosts)

    def put(self, share: Share) -> None:
        self._hosts.setdefault(share.host, OrderedDict())[share] = None

    def remove(self, share: Share) -> None:
        mine = self._hosts.get(share.host)
        if mine is not None and share in mine:
            del mine[share]
            if not mine:
                del self._hosts[share.host]

    def take(self, turn: int) -> Share | None:
        """The next one that has not worked in `turn`; None if there is none."""
        for _ in range(len(self._hosts)):
            host = next(iter(self._hosts))
            self._hosts.move_to_end(host)
            share = next(iter(self._hosts[host]))
            # First in, first out: if the first was served in this turn, all were.
            if not share.served_in(turn):
                self.remove(share)
                return share
        return None


class Scheduler:
    """The order in which the connections of a server work.

    What arrives is worked on at once while the turn has room (`Share.open`). Connections that wait
    are served at the beginning of the next turns, each at most once in a turn: first those that
    met a full turn, with a few events each, proven ones before the others; then those that were
    over their own share. Each of the three groups has a part of the turn, and at least one of each
    is served.
    """

    def __init__(
        self,
        call_later: Callable[[float, Callable[[], None]], object],
        seconds: Callable[[], float],
    ) -> None:
        """`call_later` as the reactor's; `seconds` are never set back."""
        self._call_later = call_later
        self.seconds = seconds
        self.turn = 0
        self.left: float = TURN_EVENTS  # events that are left in this turn
        # Events of one connection in a turn: of one that is not proven, and of one that is.
        self.events: tuple[float, float] = (EVENTS_UNPROVEN, EVENTS)
        self._late = _Queue()  # over their own share
        self._fresh = _Queue()  # not over it, proven
        self._new = _Queue()  # not over it, not proven
        self._armed = False
        self._stopped = False
        self.over_budget = 0  # turns after which connections waited
        self.share_waits = self.turn_waits = 0  # waits over their own share, and others
        self.waiting = 0  # connections that wait now

    def share(self, host: str) -> Share:
        """The share of a new connection from `host`."""
        return Share(self, rate_key(host))

    def stop(self) -> None:
        """The server stops: what waits is worked on now, and nothing waits any more."""
        self._stopped = True
        self.events = math.inf, math.inf
        self.turn = 1 << 62
        self.left = math.inf
        for queue in (self._fresh, self._new, self._late):
            while (share := queue.take(self.turn)) is not None:
                share.serve(math.inf, late=False)

    # For shares

    def enter(self, share: Share, late: bool) -> None:
        """`share` waits."""
        if late:
            self.share_waits += 1
        else:
            self.turn_waits += 1
        self.waiting += 1
        (self._late if late else self._fresh if share.proven else self._new).put(share)
        self.arm()

    def remove(self, share: Share) -> None:
        """`share` waits no longer."""
        self.waiting -= 1
        for queue in (self._late, self._fresh, self._new):
            queue.remove(share)

    def arm(self) -> None:
        """Begin a new turn with the reactor's next one.

        Not needed while no share is half used: several turns of the reactor count as one then, and
        ordinary traffic costs no timer.
        """
        if not (self._armed or self._stopped):
            self._call_later(0, self._next_turn)
            self._armed = True  # not before: there may be no memory for the call

    def _next_turn(self) -> None:
        self._armed = False
        if self._stopped:
            return
        self.turn += 1
        self.left = TURN_EVENTS
        self.over_budget += self.waiting > 0
        try:
            self._serve()
        finally:
            if self._fresh or self._new or self._late:
                self.arm()

    def _serve(self) -> None:
        began, part = self.seconds(), TURN_SECONDS / 3
        middle = (TURN_EVENTS + RESERVED_FOR_PROVEN) / 2
        self._serve_some(self._fresh, FIRST_EVENTS, middle, began + part)
        self._serve_some(self._new, FIRST_EVENTS, RESERVED_FOR_PROVEN, began + 2 * part)
        self._serve_some(self._late, math.inf, RESERVED, began + TURN_SECONDS)

    def _serve_some(self, queue: _Queue, most: float, left: float, until: float) -> None:
        """Serve `queue` until at most `left` events are left, or the time is `until`."""
        while (share := queue.take(self.turn)) is not None:
            share.serve(most, queue is self._late)
            if self.left <= left or self.seconds() >= until:
                return
