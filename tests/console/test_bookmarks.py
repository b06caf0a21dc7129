"""Favourites and recent consoles: bounded, and round over a file whatever is in that."""

import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.console.test_descriptions import JSON
from vspc.console import bookmarks
from vspc.console.bookmarks import FAVOURITES, LENGTH, RECENT, Bookmarks, OperatorBookmarks


class Kept(SynchronousTestCase):
    def test_favourites_come_and_go_and_there_are_so_many(self) -> None:
        kept = Bookmarks()
        self.assertTrue(all(kept.favour("alice", str(n)) for n in range(FAVOURITES)))
        self.assertFalse(kept.favour("alice", "more"))
        self.assertTrue(kept.favour("alice", "7"))
        self.assertTrue(kept.favour("alice", "more"))
        self.assertEqual(kept.of("bob"), OperatorBookmarks())

    def test_the_last_console_is_the_first_of_the_recent_ones(self) -> None:
        changes = list[int]()
        kept = Bookmarks(lambda: changes.append(1))
        for number in (*range(RECENT + 5), 9, 9):
            kept.visited("alice", str(number))
        recent = kept.of("alice").recent
        self.assertEqual((len(recent), recent[:2]), (RECENT, ("9", "24")))
        self.assertEqual(len(changes), RECENT + 6)

    def test_of_too_many_operators_the_one_longest_ago_is_lost(self) -> None:
        self.patch(bookmarks, "OPERATORS", 2)
        kept = Bookmarks()
        for name in ("alice", "bob", "alice", "carol"):
            kept.visited(name, f"of {name}")
            kept.favour(name, "x")
        self.assertEqual(list(kept.as_value()), ["alice", "carol"])

    def test_a_hostile_name_is_a_key_and_a_long_one_is_not_kept(self) -> None:
        kept = Bookmarks()
        kept.visited("../../etc/passwd\0\n", "a")
        kept.visited("x" * (LENGTH + 1), "a")
        again = Bookmarks()
        self.assertTrue(again.restore(json.loads(json.dumps(kept.as_value()))))
        self.assertEqual(list(again.as_value()), ["../../etc/passwd\0\n"])

    @given(JSON)
    def test_whatever_the_file_has_it_is_taken_up_or_left_out(self, value: object) -> None:
        kept = Bookmarks()
        kept.restore(value)
        again = Bookmarks()
        self.assertTrue(again.restore(json.loads(json.dumps(kept.as_value()))))
        self.assertEqual(again.as_value(), kept.as_value())

    @given(
        st.dictionaries(
            st.text(max_size=3),
            st.tuples(st.lists(st.text(max_size=3)), st.lists(st.text(max_size=3))),
        )
    )
    def test_what_has_the_right_shape_is_within_the_limits(
        self, value: dict[str, tuple[list[str], list[str]]]
    ) -> None:
        kept = Bookmarks()
        kept.restore({name: [list(one), list(other)] for name, (one, other) in value.items()})
        for favourites, recent in kept.as_value().values():
            self.assertLessEqual(len(favourites), FAVOURITES)
            self.assertLessEqual(len(recent), RECENT)
            self.assertEqual(len(set(favourites)), len(favourites))
