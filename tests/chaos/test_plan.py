"""Plans: the same for the same seed, and everything has its turn."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.chaos.plan import ENDING, LESSER, Fault, make_plan


class Plans(SynchronousTestCase):
    @given(st.integers(0, 1 << 32), st.floats(30, 600))
    def test_the_same_seed_is_the_same_plan_in_order_and_ends_with_a_check(
        self, seed: int, seconds: float
    ) -> None:
        plan = make_plan(seed, seconds)
        self.assertEqual(plan, make_plan(seed, seconds))
        self.assertEqual([step.at for step in plan], sorted(step.at for step in plan))
        self.assertIs(plan[-1].fault, Fault.CHECK)
        self.assertAlmostEqual(plan[-1].at, seconds)

    def test_another_seed_is_another_plan(self) -> None:
        self.assertNotEqual(make_plan(1, 60), make_plan(2, 60))

    def test_in_two_minutes_every_fault_has_its_turn(self) -> None:
        for seed in range(20):
            faults = {step.fault for step in make_plan(seed, 120)}
            self.assertEqual({*ENDING, *LESSER} - faults, set(), seed)

    def test_between_two_measurements_the_same_is_done_and_the_server_lives_on(self) -> None:
        plan = make_plan(5, 120)
        first, second = [n for n, step in enumerate(plan) if step.fault is Fault.MEASURE]
        between = [step for step in plan[first:second] if step.fault in (*ENDING, *LESSER)]
        before = [step for step in plan[:first] if step.fault in (*ENDING, *LESSER)]
        last = before[-len(between) :]
        self.assertEqual([(s.fault, s.seed) for s in between], [(s.fault, s.seed) for s in last])
        self.assertFalse({step.fault for step in between} & set(ENDING))
