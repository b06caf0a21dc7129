"""`python -m tests.chaos SECONDS [SEED]`: chaos for so long; status 0 if nothing was wrong.

Prints the seed, and on a failure what differs, the last steps, and where the state is kept. The
same seed repeats the same plan.
"""

import sys
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from tests.chaos.run import Chaos

SEED = 20261130
"""The seed where none is given."""


LATE = 240.0
"""Seconds after its time at which a run that has not ended is given up."""


def main(words: list[str]) -> int:
    """The command line."""
    seconds = float(words[0]) if words else 120.0
    seed = int(words[1]) if len(words) > 1 and words[1] else SEED
    print(f"chaos for {seconds:g} s, seed {seed}", flush=True)
    clock: Any = reactor
    chaos = Chaos(clock, seed, seconds)
    ends: list[str] = []

    def over(result: object) -> None:
        ends.append(result.getTraceback() if isinstance(result, Failure) else "")
        clock.stop()

    clock.callWhenRunning(lambda: Deferred.fromCoroutine(chaos.run()).addBoth(over))
    clock.callLater(seconds + LATE, clock.stop)
    clock.run()
    problems = [*chaos.problems, *filter(None, ends)]
    if not ends:
        chaos.abandon()
        problems.append("the run was ended from outside, or did not come to its end")
    print(chaos.summary())
    if not problems:
        print("nothing is wrong")
        return 0
    print(f"FAILED with seed {seed}; everything is kept in {chaos.directory}")
    print(*problems, sep="\n")
    print("the last steps:")
    history = (chaos.directory / "history").read_text(encoding="utf-8").splitlines()
    print(*history[-25:], sep="\n")
    return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
