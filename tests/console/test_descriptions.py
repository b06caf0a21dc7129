"""Descriptions of consoles: bounded, and round over a file whatever is in that."""

import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.console import descriptions
from vspc.console.descriptions import LENGTH, ConsoleText, Descriptions

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


class Texts(SynchronousTestCase):
    def test_an_empty_one_removes_it_and_notes_stay_apart(self) -> None:
        texts = Descriptions()
        self.assertTrue(texts.describe("a", "billing"))
        texts.note("a", "alice: disk replaced")
        self.assertEqual(texts.of("a"), ConsoleText("billing", "alice: disk replaced"))
        texts.describe("a", "")
        self.assertEqual(texts.of("a"), ConsoleText("", "alice: disk replaced"))
        texts.note("a", "")
        self.assertEqual(texts.as_value(), {})

    def test_there_are_so_many_and_no_more(self) -> None:
        self.patch(descriptions, "COUNT", 3)
        texts = Descriptions()
        self.assertEqual([texts.describe(each, "x") for each in "abcd"], [True] * 3 + [False])
        self.assertTrue(texts.describe("a", "another"))
        texts.describe("b", "")
        self.assertTrue(texts.describe("d", "x"))

    def test_all_together_have_so_many_bytes(self) -> None:
        self.patch(descriptions, "TOTAL", 1000)
        texts = Descriptions()
        placed = [texts.describe(str(number), "\U0001d400" * 20) for number in range(9)]
        self.assertIn(False, placed)
        self.assertLess(len(json.dumps(texts.as_value())), 1200)
        self.assertTrue(texts.describe("0", "short"))

    @given(JSON)
    def test_whatever_the_file_has_it_is_taken_up_or_left_out(self, value: object) -> None:
        texts = Descriptions()
        texts.restore(value)
        again = Descriptions()
        self.assertTrue(again.restore(json.loads(json.dumps(texts.as_value()))))
        self.assertEqual(again.as_value(), texts.as_value())

    def test_what_is_too_long_in_a_file_is_cut(self) -> None:
        texts = Descriptions()
        self.assertTrue(texts.restore({"a": ["x" * 1000, "y" * 1000]}))
        self.assertEqual(texts.of("a"), ConsoleText("x" * LENGTH, "y" * LENGTH))
