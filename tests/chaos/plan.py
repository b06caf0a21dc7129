"""What the adversary does and when: a function of the seed and of how long it goes on.

A plan is rounds. A round begins with all kinds of harm, kills included; then the server lives on,
the same lesser harm is done twice, and between the two nothing happens for a while: memory and
descriptors of the process are compared there.
"""

import random
from collections.abc import Callable, Sequence
from enum import Enum

from attrs import evolve, frozen


class Fault(Enum):
    """One kind of harm, or of work for the server."""

    # Connections of VMs
    CUT = "cut"
    FINISH = "finish"
    HALF_OPEN = "half-open"
    STALL = "stall"
    SPLIT = "split"
    DELAY = "delay"
    # What VMs do
    MOVE = "move"
    BURST = "burst"
    POWER = "power"
    # Connections of operators and programs
    CUT_OPERATOR = "cut-operator"
    STALL_OPERATOR = "stall-operator"
    PASTE = "paste"
    # Strangers
    GARBAGE = "garbage"
    IDLE_CONNECTIONS = "idle-connections"
    HANDSHAKES = "handshakes"
    NEGOTIATION = "negotiation"
    LOGINS = "logins"
    # The server
    RELOAD = "reload"
    BROKEN_RELOAD = "broken-reload"
    RESTART = "restart"
    KILL = "kill"
    HANDOVER = "handover"
    KILL_AND_HANDOVER = "kill-and-handover"
    DAMAGE = "damage"
    # Its disk
    FULL_DISK = "full-disk"
    FILE_LIMIT = "file-limit"
    # The plan itself
    QUIET = "quiet"
    MEASURE = "measure"
    CHECK = "check"


ENDING = (
    *(Fault.RESTART, Fault.KILL, Fault.DAMAGE),
    *(Fault.HANDOVER, Fault.HANDOVER, Fault.KILL_AND_HANDOVER, Fault.KILL_AND_HANDOVER),
)
"""The process of the server ends with these; a handover is one through the descriptor store."""

LESSER = (
    *(Fault.CUT, Fault.FINISH, Fault.HALF_OPEN, Fault.STALL, Fault.SPLIT, Fault.DELAY),
    *(Fault.MOVE, Fault.MOVE, Fault.MOVE, Fault.MOVE, Fault.BURST, Fault.BURST, Fault.POWER),
    *(Fault.CUT_OPERATOR, Fault.STALL_OPERATOR, Fault.PASTE),
    *(Fault.GARBAGE, Fault.IDLE_CONNECTIONS, Fault.HANDSHAKES, Fault.NEGOTIATION, Fault.LOGINS),
    *(Fault.RELOAD, Fault.BROKEN_RELOAD, Fault.FULL_DISK, Fault.FILE_LIMIT),
)
"""Everything else, as often as it is listed."""

ROUND = 120.0
"""Seconds of a round, at most."""

WARM_UP, SETTLE = 3.0, 5.0
"""Seconds before the first harm; and until what was harmed is as before, at most as a rule."""

STEP = 0.3
"""Seconds between two kinds of harm, on average."""

LIFE = 3.6
"""Seconds between two ends of the server, on average."""


@frozen
class Step:
    """One thing to do `at` so many seconds from the beginning; `seed` chooses how, and to whom."""

    at: float
    fault: Fault
    seed: int

    def __str__(self) -> str:
        return f"{self.at:8.2f} s {self.fault.value} ({self.seed})"


def make_plan(seed: int, seconds: float) -> list[Step]:
    """The steps, by time; the last is a check at about `seconds`."""
    chance = random.Random(seed)
    rounds = max(1, round(seconds / ROUND))
    length = seconds / rounds
    return [step for number in range(rounds) for step in _round(chance, number * length, length)]


def _round(chance: random.Random, start: float, length: float) -> list[Step]:
    quiet = min(SETTLE, length / 12)
    half = (length - 4 * quiet) / 2
    steps = []
    at = start + (WARM_UP if start == 0 else 1.0)
    turn = start + half
    steps += _ends(chance, at, turn)
    steps += _lesser(chance, at, turn)
    again = _lesser(chance, 0.0, half / 2)
    for _ in range(2):
        steps.append(Step(turn, Fault.QUIET, 0))
        turn += quiet
        steps += [evolve(step, at=turn + step.at) for step in again]
        turn += half / 2
        steps += [Step(turn, Fault.QUIET, 0), Step(turn + quiet / 2, Fault.MEASURE, 0)]
        turn += quiet
    steps.append(Step(start + length, Fault.CHECK, 0))
    return sorted(steps, key=lambda step: step.at)


def _ends(chance: random.Random, start: float, end: float) -> list[Step]:
    """All ways to end."""
    first = start + chance.uniform(1, LIFE)
    return _in_turn(
        chance, ENDING, first, end - 2, lambda: max(2.5, chance.uniform(LIFE / 2, 3 * LIFE / 2))
    )


def _lesser(chance: random.Random, start: float, end: float) -> list[Step]:
    """All that harms without an end."""
    first = start + chance.uniform(0, STEP)
    return _in_turn(chance, LESSER, first, end - 1, lambda: chance.uniform(0, 2 * STEP))


def _in_turn(
    chance: random.Random,
    faults: Sequence[Fault],
    at: float,
    end: float,
    pause: Callable[[], float],
) -> list[Step]:
    """Each of them in its turn, in a random order, again and again."""
    steps: list[Step] = []
    waiting: list[Fault] = []
    while at < end:
        if not waiting:
            waiting = list(faults)
            chance.shuffle(waiting)
        steps.append(Step(at, waiting.pop(), chance.randrange(1 << 30)))
        at += pause()
    return steps
