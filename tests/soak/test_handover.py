"""The soak model with the state written through: whatever happens, at the end of each turn another
process could go on from it.
"""

from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import invariant, run_state_machine_as_test
from msgspec import to_builtins
from twisted.trial.unittest import SynchronousTestCase

from tests.server.handover.support import WrittenScene
from tests.soak.machine import Soak
from tests.vm.support import Scene

EXAMPLES, STEPS = 30, 50


def assert_same(written: dict[str, Any], expected: dict[str, Any]) -> None:
    """Whether all values under all keys are; the message has only what is not."""
    differ = {
        (key, name): (written.get(key, {}).get(name), expected.get(key, {}).get(name))
        for key in written.keys() | expected.keys()
        for name in written.get(key, {}).keys() | expected.get(key, {}).keys()
        if written.get(key, {}).get(name) != expected.get(key, {}).get(name)
    }
    assert not differ, differ


class WrittenSoak(Soak):
    """The same with a store."""

    def make_scene(self) -> Scene:
        self.written_scene = WrittenScene()
        return self.written_scene

    @invariant()
    def the_state_is_written(self) -> None:
        scene = self.written_scene
        scene.clock.advance(0)
        assert not scene.problems
        written, expected = to_builtins(scene.written()), to_builtins(scene.expected())
        consoles, lines = expected["consoles"].pop("consoles"), expected.pop("lines")
        assert_same(written["consoles"].pop("consoles"), consoles)
        assert_same(written.pop("lines"), lines)
        assert written == expected, (written, expected)

    def teardown(self) -> None:
        super().teardown()
        self.written_scene.close()


class WrittenThrough(SynchronousTestCase):
    def test_whatever_happens_it_is_in_the_state_at_the_end_of_the_turn(self) -> None:
        run_state_machine_as_test(
            WrittenSoak,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
