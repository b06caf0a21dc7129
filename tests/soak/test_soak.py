"""The soak model for a while, always with the same steps; `make soak-model` takes new ones."""

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from tests.soak.machine import Soak

EXAMPLES, STEPS = 1000, 50


class SoakTest(SynchronousTestCase):
    def test_whatever_happens_nothing_is_lost_doubled_or_stolen(self) -> None:
        run_state_machine_as_test(
            Soak,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                derandomize=True,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
