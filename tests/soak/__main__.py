"""`python -m tests.soak SECONDS`: the model with new random steps, until the time is over.

Prints the seed of each round; a failure prints the steps that lead to it, and ends with status 1.
`python -m tests.soak SECONDS SEED` repeats a round.
"""

import random
import sys
import time
import traceback

from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.soak.machine import Soak

EXAMPLES, STEPS = 200, 80
"""Of one round."""


def one_round(number: int) -> bool:
    """Whether nothing was wrong in the round with seed `number`."""
    print(f"seed {number}", flush=True)
    try:
        run_state_machine_as_test(
            seed(number)(Soak),
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
                print_blob=True,
            ),
        )
    except Exception:
        traceback.print_exc()
        return False
    return True


def main(words: list[str]) -> int:
    """Run rounds for as many seconds as the first word says."""
    end = time.monotonic() + float(words[0])
    if len(words) > 1:
        return 0 if one_round(int(words[1])) else 1
    while time.monotonic() < end:
        if not one_round(random.randrange(1 << 32)):
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
