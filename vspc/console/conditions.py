"""What those on a console were told that goes on: they are told when it is over (law 13). Pure.

A tuple of few pairs, and an empty one where nothing goes on: there are thousands of consoles.
"""

from enum import Enum


class Condition(Enum):
    """What goes on for a while."""

    AWAY = "away"  # it has no line
    HELD = "held"  # a migration takes its time, and input is held
    UNANSWERED = "unanswered"  # the VM's host does not answer
    WAITING = "waiting"  # input waits for that


Conditions = tuple[tuple[Condition, float], ...]
"""Those that somebody was told of, and since when, in seconds for measuring."""


def begun(conditions: Conditions, condition: Condition, now: float) -> Conditions:
    """With `condition`, which goes on since `now` unless it did before."""
    if since(conditions, condition) is not None:
        return conditions
    return (*conditions, (condition, now))


def ended(conditions: Conditions, *over: Condition) -> Conditions:
    """Without those that are `over`."""
    return tuple(each for each in conditions if each[0] not in over)


def since(conditions: Conditions, condition: Condition) -> float | None:
    """Since when `condition` goes on, if it does."""
    return next((at for each, at in conditions if each is condition), None)
