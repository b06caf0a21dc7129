"""The soak model for a while, always with the same steps; `make soak-model` takes new ones."""

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from tests.soak import kills
from tests.soak.machine import Soak

EXAMPLES, STEPS = 300, 50
SEED = 3


def soak(examples: int) -> None:
    """Raises what the model finds wrong in so many courses of events; always the same ones."""
    run_state_machine_as_test(
        Soak,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


class SoakTest(SynchronousTestCase):
    """tests/end_to_end/test_soak.py has more of it."""

    def test_whatever_happens_nothing_is_lost_doubled_or_stolen(self) -> None:
        soak(EXAMPLES)


class Kills(SynchronousTestCase):
    """A log whose process is killed at any moment; `python -m tests.soak.kills` goes on longer."""

    def test_what_is_kept_is_right_what_is_missing_is_marked_and_no_offset_is_used_twice(
        self,
    ) -> None:
        tally = kills.run(40, SEED)
        self.assertEqual(tally.complaints, [])
        self.assertGreater(tally.kept, 100_000)
