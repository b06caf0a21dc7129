"""What is kept of peers is bounded, and one peer pushes out only its own."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.common.addresses import rate_key
from vspc.common.recent import RecentByAddress

IN_ALL, OF_ONE = 6, 3

_ADDRESSES = st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.0.3", "2001:db8::1", "2001:db8::2"])


class Recent(SynchronousTestCase):
    """Values by key."""

    def test_a_flood_of_one_host_leaves_those_of_others(self) -> None:
        kept = RecentByAddress[int, int](IN_ALL, OF_ONE)
        kept.put("10.0.0.1", -1, -1)
        for number in range(100):
            kept.put("10.0.0.2", number, number)
        self.assertEqual(list(kept), [-1, 97, 98, 99])

    def test_what_is_put_again_is_the_newest_and_what_is_replaced_keeps_its_place(self) -> None:
        kept = RecentByAddress[str, int](IN_ALL, OF_ONE)
        kept.put("10.0.0.1", "a", 1)
        kept.put("10.0.0.1", "b", 2)
        kept.put("10.0.0.1", "a", 3)
        self.assertEqual(list(kept), [2, 3])
        kept.replace("b", 4)
        self.assertEqual(list(kept), [4, 3])
        kept.drop("b")
        kept.drop("not there")
        self.assertEqual((list(kept), kept.get("b"), kept.get("a")), ([3], None, 3))

    @given(st.lists(st.tuples(_ADDRESSES, st.integers(0, 12), st.booleans())))
    def test_the_bounds_hold_whatever_comes(self, steps: list[tuple[str, int, bool]]) -> None:
        kept = RecentByAddress[int, str](IN_ALL, OF_ONE)
        for address, key, comes in steps:
            if comes:
                kept.put(address, key, address)
                self.assertEqual(list(kept)[-1], address)
            else:
                kept.drop(key)
            counts = Counter(rate_key(each) for each in kept)
            self.assertLessEqual(len(kept), IN_ALL)
            self.assertTrue(all(count <= OF_ONE for count in counts.values()), counts)
