"""A queue that one client cannot fill for the others."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.net.limits import FairQueue

LIMIT = 5
ASKERS = "abc"


class Queue(SynchronousTestCase):
    def test_askers_have_their_turns_and_their_own_order(self) -> None:
        turns = FairQueue[str](10)
        for item in ("a1", "a2", "a3", "b1", "c1", "c2"):
            self.assertIsNone(turns.add(item[0], item))
        taken = [turns.next() for _ in range(7)]
        self.assertEqual(taken, ["a1", "b1", "c1", "a2", "c2", "a3", None])

    def test_a_full_queue_sends_away_the_newest_of_the_longest_row(self) -> None:
        turns = FairQueue[str](3)
        for item in ("a1", "a2", "a3"):
            turns.add("a", item)
        self.assertEqual(turns.add("b", "b1"), "a3")
        self.assertEqual(turns.add("a", "a4"), "a4")
        self.assertEqual(turns.add("b", "b2"), "b2")  # equal rows: the newcomer goes
        self.assertEqual(list(turns), ["a1", "a2", "b1"])

    def test_what_does_not_wait_is_not_removed(self) -> None:
        turns = FairQueue[str](3)
        turns.add("a", "a1")
        turns.remove("a", "a2")
        turns.remove("b", "a1")
        self.assertEqual(len(turns), 1)
        turns.remove("a", "a1")
        self.assertEqual((len(turns), list(turns), turns.next()), (0, [], None))

    @given(
        st.lists(
            st.one_of(
                st.tuples(st.just("add"), st.sampled_from(ASKERS)),
                st.tuples(st.just("next"), st.just("")),
                st.tuples(st.just("remove"), st.sampled_from(ASKERS)),
            )
        )
    )
    def test_whatever_happens_it_is_bounded_and_loses_nothing(
        self, steps: list[tuple[str, str]]
    ) -> None:
        turns = FairQueue[tuple[str, int]](LIMIT)
        inside: list[tuple[str, int]] = []
        for number, (step, asker) in enumerate(steps):
            if step == "add":
                before = list(inside)
                inside.append((asker, number))
                over = turns.add(asker, (asker, number))
                if len(before) < LIMIT:
                    self.assertIsNone(over)
                else:
                    assert over is not None
                    rows = {each: sum(who == each for who, _ in inside) for each in ASKERS}
                    self.assertEqual(rows[over[0]], max(rows.values()))
                    newest = max(item for item in inside if item[0] == over[0])
                    self.assertEqual(over, newest)
                    inside.remove(over)
            elif step == "next":
                item = turns.next()
                if inside:
                    assert item is not None
                    self.assertEqual(item, min(each for each in inside if each[0] == item[0]))
                    inside.remove(item)
                else:
                    self.assertIsNone(item)
            else:
                mine = [item for item in inside if item[0] == asker]
                for item in mine[-1:]:
                    turns.remove(asker, item)
                    inside.remove(item)
            self.assertEqual((sorted(turns), len(turns)), (sorted(inside), len(inside)))
            self.assertLessEqual(len(turns), LIMIT)

    @given(st.lists(st.sampled_from(ASKERS), max_size=LIMIT))
    def test_an_item_waits_for_at_most_one_of_each_other_client(self, askers: list[str]) -> None:
        turns = FairQueue[str](LIMIT)
        for asker in askers:
            turns.add(asker, asker)
        taken = [turns.next() for _ in askers]
        last = dict.fromkeys(askers, -1)
        for at, one in enumerate(taken):
            assert one is not None
            between = taken[last[one] + 1 : at]
            self.assertEqual(len(between), len(set(between)))
            last[one] = at
