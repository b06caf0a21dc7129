"""What the attachments of a console are told of its line: as lines come and go, and what goes on.

What was said to begin is said to end (law 13), once, whichever way it ends.
"""

from enum import Enum
from typing import Protocol

from vspc.common.clock import Clock
from vspc.common.values import duration_text
from vspc.console.attachments import Attachments
from vspc.console.input_queue import Dropped
from vspc.console.notices import NoticeKind


class Condition(Enum):
    """What attachments were told that goes on."""

    AWAY = "away"  # the console has no line
    HELD = "held"  # a migration takes its time, and input is held
    UNANSWERED = "unanswered"  # the VM's host does not answer
    SUSPENDED = "suspended"  # the VM has asked for no input
    WAITING = "waiting"  # input waits for that


class NotifiedConsole(Protocol):
    """A console, as these notices need it."""

    attachments: Attachments

    @property
    def title(self) -> str:
        """Zone, name and port, as notices show them."""


class LinkNotices:
    """The notices of one console's line, and the conditions that go on."""

    __slots__ = ("_clock", "_conditions", "_console")

    def __init__(self, clock: Clock, console: NotifiedConsole) -> None:
        self._clock = clock
        self._console = console
        # A tuple, since there are thousands of consoles, and it is nearly always empty.
        self._conditions: tuple[tuple[Condition, float], ...] = ()

    def show(self, kind: NoticeKind, **values: object) -> None:
        """One notice, whether or not it begins or ends anything."""
        self._console.attachments.show(kind.notice(None, title=self._console.title, **values))

    # Conditions

    def has(self, condition: Condition) -> bool:
        """Whether `condition` goes on."""
        return self._began(condition) is not None

    def begin(self, *conditions: Condition) -> None:
        """They go on, from now unless they did before."""
        for each in conditions:
            if self._began(each) is None:
                self._conditions += ((each, self._clock.seconds()),)

    def forget(self, *conditions: Condition) -> None:
        """They have ended, as another notice shows."""
        self._conditions = tuple(each for each in self._conditions if each[0] not in conditions)

    def end(self, condition: Condition, kind: NoticeKind, **values: object) -> bool:
        """It has ended: attachments are told if they were told of its beginning; whether."""
        goes_on = self.has(condition)
        if goes_on:
            self.forget(condition)
            self.show(kind, **values)
        return goes_on

    def _began(self, condition: Condition) -> float | None:
        """When `condition` began, in seconds for measuring, if it goes on."""
        return next((at for each, at in self._conditions if each is condition), None)

    # Lines that come and go

    def connected(self, address: str) -> None:
        """It has a line again, from `address`."""
        began = self._began(Condition.AWAY)
        self.forget(Condition.AWAY)
        # None: it had been away since before this process.
        after = "" if began is None else f", after {duration_text(self._clock.seconds() - began)}"
        self.show(NoticeKind.CONNECTED, address=address, after=after)

    def replaced(self, address: str, why: str, unproven: int) -> None:
        """Another line took the place of its own; `unproven` bytes went to that without answer."""
        rest = f"; up to {unproven} bytes of input may not have arrived" if unproven else ""
        self.show(NoticeKind.REPLACED, address=address, why=why, unproven=rest)

    def went_away(self, reason: str, unsent: Dropped) -> None:
        """Its last line is gone, and with it what waited."""
        self.forget(Condition.HELD, Condition.UNANSWERED, Condition.SUSPENDED, Condition.WAITING)
        self.begin(Condition.AWAY)
        self.show(NoticeKind.AWAY, reason=reason)
        self.dropped(unsent, f"{self._console.title} is away")

    # Input that waits

    def dropped(self, unsent: Dropped, why: str) -> None:
        """What waited will not be sent."""
        self.forget(Condition.WAITING)
        if unsent:
            self.show(NoticeKind.UNSENT, why=why, unsent=unsent)

    def waits(self, condition: Condition, kind: NoticeKind, waiting: int) -> None:
        """So many bytes wait, because of `condition`."""
        self.begin(condition, Condition.WAITING)
        self.show(kind, waiting=waiting)

    def goes_on(self, condition: Condition, kind: NoticeKind, waiting: int, where: str) -> bool:
        """`condition` has ended, with so many bytes still to send; whether it went on until now."""
        rest = f"; {waiting} bytes wait" if waiting else ""
        return self.end(condition, kind, where=where, rest=rest)
