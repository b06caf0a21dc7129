"""A set that mostly has one member."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.console.names import SmallSet

STEPS = st.lists(st.tuples(st.sampled_from(["add", "discard"]), st.integers(0, 4)))


class Sets(SynchronousTestCase):
    @given(STEPS)
    def test_it_is_as_a_dictionary(self, steps: list[tuple[str, int]]) -> None:
        few, known = SmallSet[int](), dict[int, None]()
        for step, number in steps:
            if step == "add":
                few.add(number)
                known[number] = None
            else:
                few.discard(number)
                known.pop(number, None)
            self.assertEqual(list(few), list(known))
            self.assertEqual((len(few), bool(few)), (len(known), bool(known)))
            self.assertEqual([n in few for n in range(6)], [n in known for n in range(6)])
