"""What those on a console were told that goes on: they are told when it is over (law 13). Pure."""

from collections.abc import Callable
from enum import Enum


class Condition(Enum):
    """What goes on for a while."""

    AWAY = "away"  # it has no line
    HELD = "held"  # a migration takes its time, and input is held
    UNANSWERED = "unanswered"  # the VM's host does not answer
    WAITING = "waiting"  # input waits for that


class Conditions:
    """Those that somebody was told of, since when."""

    __slots__ = ("_open", "_seconds", "_tell")

    def __init__(self, tell: Callable[[str], None], seconds: Callable[[], float]) -> None:
        """`tell` tells all, `seconds` is for measuring."""
        self._tell = tell
        self._seconds = seconds
        self._open: dict[Condition, float] | None = None  # nearly always

    def __contains__(self, condition: Condition) -> bool:
        return self._open is not None and condition in self._open

    def begin(self, condition: Condition, text: str = "") -> None:
        """`condition` goes on; `text` says so, unless something else has."""
        self._open = self._open or {}
        self._open.setdefault(condition, self._seconds())
        if text:
            self._tell(text)

    def end(self, condition: Condition, text: Callable[[float], str]) -> None:
        """It is over: if it was told, `text` is told, made of the seconds that it lasted."""
        if self._open is not None and condition in self._open:
            since = self._open[condition]
            self.give_way(condition)
            self._tell(text(self._seconds() - since))

    def give_way(self, *conditions: Condition) -> None:
        """They are over, and what is told instead says so."""
        left = {each: at for each, at in (self._open or {}).items() if each not in conditions}
        self._open = left or None
