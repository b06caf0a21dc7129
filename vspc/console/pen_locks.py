"""Which pens are locked or leased: by console, with their ends, over restarts.

A lock ends at its time, with the last session of its owner unless it is kept, and with its
console. After a restart its owner has `RETURN` seconds to come back. A lease is not kept over
restarts: its channel is not either.
"""

import contextlib
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from attrs import asdict, define, field

from vspc.common.clock import Clock, Timer
from vspc.common.text import safe
from vspc.console.access import Operator, Voucher
from vspc.console.events import ConsoleRef, Event, EventBus, Forgotten
from vspc.console.pen_events import (
    REASON_LIMIT,
    Leased,
    LeaseEnded,
    LockEnd,
    PenLock,
    PenLocked,
    PenUnlocked,
)
from vspc.console.session import Session
from vspc.console.sessions import Sessions

LIMIT = 1000
"""Locks at a time; leases are not counted, each has an attachment."""

RETURN = 600.0
"""Seconds after a restart in which the owner of a lock has to log in again."""


class LockedPen(Protocol):
    """A pen, as its lock needs it. No method may raise."""

    def lock_ended(self, lock: PenLock, end: LockEnd, by: Session | None) -> None:
        """`lock` is over, for whatever reason."""


@define(eq=False)
class _Held:
    lock: PenLock
    pen: LockedPen | None  # None until its console is there, after a restart
    timer: Timer = field()


class PenLocks:
    """All locks and leases of a server. `changed` is called when locks are to be saved."""

    def __init__(self, clock: Clock, events: EventBus, sessions: Sessions) -> None:
        self._clock = clock
        self._events = events
        self._sessions = sessions
        self._held: dict[str, _Held] = {}
        self._returning: Timer | None = None
        self._stopped = False
        self.changed: Callable[[], None] = lambda: None
        sessions.when_gone(self._gone)
        events.subscribe(self._on_event, Forgotten)

    def of(self, console_id: str) -> PenLock | None:
        """The lock or lease of a console."""
        held = self._held.get(console_id)
        return None if held is None else held.lock

    def bind(self, console_id: str, pen: LockedPen) -> None:
        """The console is there, and `pen` is its pen."""
        held = self._held.get(console_id)
        if held is not None:
            held.pen = pen

    def put(self, lock: PenLock, pen: LockedPen, by: Session) -> bool:
        """In force from now on, instead of an earlier one of the same owner. False: `LIMIT`."""
        console_id = lock.console.id
        if not lock.is_lease and console_id not in self._held and len(self.saved) >= LIMIT:
            return False
        before = self._held.get(console_id)
        if before is not None:
            self._drop(before)
        self._hold(lock, pen)
        if before is not None:
            self._publish_end(before.lock, LockEnd.REPLACED, by)
        event = Leased if lock.is_lease else PenLocked
        self._events.publish(event(lock.console, by, lock))
        self._save()
        return True

    def end(self, lock: PenLock, end: LockEnd, by: Session | None = None) -> None:
        """It is over; nothing where it is already."""
        held = self._held.get(lock.console.id)
        if held is None or held.lock is not lock:
            return
        self._drop(held)
        self._publish_end(lock, end, by)
        self._save()
        if held.pen is not None:
            held.pen.lock_ended(lock, end, by)

    def _hold(self, lock: PenLock, pen: LockedPen | None) -> None:
        held = _Held(lock, pen, Timer(self._clock))
        self._held[lock.console.id] = held
        self._wait(held)

    def _wait(self, held: _Held) -> None:
        left = held.lock.until - self._clock.wall()
        if left <= 0:
            self.end(held.lock, LockEnd.EXPIRED)
        else:  # again: the time of day may have been set back meanwhile
            held.timer.start(left, lambda: self._wait(held))

    def _drop(self, held: _Held) -> None:
        held.timer.stop()
        del self._held[held.lock.console.id]

    def _publish_end(self, lock: PenLock, end: LockEnd, by: Session | None) -> None:
        event = LeaseEnded if lock.is_lease else PenUnlocked
        self._events.publish(event(lock.console, by, lock, end))

    def _save(self) -> None:
        if not self._stopped:
            self.changed()

    def _gone(self, operator: str) -> None:
        """The last session of `operator` is over, unless it has another."""
        if self._stopped:
            return
        theirs = [held.lock for held in self._held.values() if held.lock.operator.name == operator]
        if any(_ends_with_owner(lock) for lock in theirs) and not self._sessions.of(operator):
            for lock in theirs:
                if _ends_with_owner(lock):
                    self.end(lock, LockEnd.GONE)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Forgotten):
            lock = self.of(event.console.id)
            if lock is not None:
                self.end(lock, LockEnd.FORGOTTEN)

    # Over restarts

    @property
    def saved(self) -> list[PenLock]:
        """The locks that survive a restart."""
        return [held.lock for held in self._held.values() if not held.lock.is_lease]

    def as_value(self) -> Any:
        """Those that survive a restart, as JSON values."""
        return [_value(lock) for lock in self.saved]

    def restore(self, value: Any) -> bool:
        """Take up what an earlier process gave with `as_value`, before there are consoles: at most
        `LIMIT`, and none that is over. False if something else was in it, which is left out.
        """
        found, given = list[PenLock](), value if isinstance(value, list) else []
        for each in given[:LIMIT]:
            with contextlib.suppress(ValueError):
                found.append(_lock(each))
        self._take_up(found)
        return isinstance(value, list) and len(found) == len(given)

    def _take_up(self, locks: Iterable[PenLock]) -> None:
        for lock in locks:
            if lock.until > self._clock.wall() and lock.console.id not in self._held:
                self._hold(lock, None)
        if self._held:
            self._returning = Timer(self._clock)
            self._returning.start(RETURN, self._end_missing)

    def _end_missing(self) -> None:
        for lock in self.saved:
            if _ends_with_owner(lock) and not self._sessions.of(lock.operator.name):
                self.end(lock, LockEnd.MISSING)

    def stop(self) -> None:
        """The server stops: that sessions end now ends no lock."""
        self._stopped = True
        for held in self._held.values():
            held.timer.stop()
        if self._returning is not None:
            self._returning.stop()


def _ends_with_owner(lock: PenLock) -> bool:
    return not lock.keeps and not lock.is_lease


def _value(lock: PenLock) -> dict[str, Any]:
    operator = {
        "name": lock.operator.name,
        "groups": sorted(lock.operator.groups),
        "roles": sorted(lock.operator.roles),
        "voucher": None if lock.operator.voucher is None else asdict(lock.operator.voucher),
    }
    return {
        "console": asdict(lock.console),
        "operator": operator,
        "session": lock.session,
        "since": lock.since,
        "until": lock.until,
        "reason": lock.reason,
        "keeps": lock.keeps,
    }


def _lock(value: Any) -> PenLock:
    """From `_value`. Raises ValueError."""
    match value:
        case {
            "console": dict(console),
            "operator": dict(operator),
            "session": str(session),
            "since": int() | float() as since,
            "until": int() | float() as until,
            "reason": str(reason),
            "keeps": bool(keeps),
        }:
            who, shown = _operator(operator), safe(reason, REASON_LIMIT)
            return PenLock(_console(console), who, session, since, until, shown, keeps)
    raise ValueError("it is not a list of locks")


def _operator(value: Any) -> Operator:
    match value:
        case {
            "name": str(name),
            "groups": list(groups),
            "roles": list(roles),
            "voucher": {"key_id": str(), "principals": [*_]} | None as found,
        }:
            voucher = found and Voucher(found["key_id"], tuple(map(str, found["principals"])))
            return Operator(name, frozenset(map(str, groups)), frozenset(map(str, roles)), voucher)
    raise ValueError("it is not a list of locks")


def _console(value: Any) -> ConsoleRef:
    match value:
        case {
            "id": str(id_),
            "title": str(title),
            "name": str(name),
            "port": str() | int() | None as port,
            "zone": str(zone),
            "uuid": str() | None as uuid,
            "address": str(address),
        }:
            return ConsoleRef(id_, title, name, port, zone, uuid, address, False)
    raise ValueError("it is not a list of locks")
