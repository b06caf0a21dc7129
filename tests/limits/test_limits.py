"""docs/limits.md has every limit, and each has a test."""

from types import ModuleType

from twisted.trial.unittest import SynchronousTestCase

from tests.documents import TREE
from tests.limits.constants import constants, keys, of_module
from tests.limits.page import ROOMS, page, shown
from tests.limits.register import (
    Entry,
    configuration,
    full_name,
    is_test,
    mistakes,
    modules,
    undescribed,
)

SOURCE = '''
FIRST = 5
SECOND = 0.5
"""Seconds of
both."""
LONELY = 7

_PRIVATE = 8

_TOLD = 9
"""Bytes."""
NAME = "text"

class Table:
    ROWS = 10
    """Rows."""
'''


class TheRegister(SynchronousTestCase):
    def test_every_number_says_what_happens_there_and_which_test_shows_it(self) -> None:
        self.assertEqual(mistakes(map(full_name, constants()), modules()), [])

    def test_every_limit_has_a_docstring(self) -> None:
        self.assertEqual(undescribed(constants(), modules()), [])

    def test_every_key_of_the_configuration_does(self) -> None:
        self.assertEqual(mistakes(map(full_name, keys()), configuration()), [])

    def test_the_page_is_what_it_says(self) -> None:
        written = (TREE / "docs" / "limits.md").read_text(encoding="utf-8")
        self.assertEqual(written, page(), "run `make limits`")

    def test_every_room_is_in_it(self) -> None:
        rooms = {each.module.split(".")[1] for each in constants()}
        self.assertEqual(rooms - set(ROOMS), set())


class Finding(SynchronousTestCase):
    def test_a_number_that_is_not_in_it_and_an_entry_about_nothing_are_mistakes(self) -> None:
        found = mistakes(["vspc.net.x.NEW"], {"vspc.net.x.OLD": Entry(is_limit=False)})
        self.assertEqual(
            [each.partition(":")[0] for each in found], ["vspc.net.x.NEW", "vspc.net.x.OLD"]
        )

    def test_a_limit_without_a_text_or_with_a_test_that_is_not_there_is_a_mistake(self) -> None:
        there = f"limits.test_limits.Finding.{self._testMethodName}"
        gone = f"{there}_of_old"
        found = mistakes(
            ["a", "b", "c"], {"a": Entry("", there), "b": Entry("x", gone), "c": Entry("x", there)}
        )
        self.assertEqual(found, ["a: what happens there?", f"b: there is no test {gone!r}"])

    def test_what_is_no_test(self) -> None:
        here = "limits.test_limits"
        for name in (
            "",
            "x",
            here,
            f"{here}.Finding",
            f"{here}.Finding.setUp",
            f"{here}.SOURCE.test_x",
        ):
            self.assertFalse(is_test(name), name)

    def test_numbers_are_found_with_their_docstrings(self) -> None:
        module = ModuleType("vspc.net.example")
        exec(SOURCE, module.__dict__)
        found = [(each.name, each.value, each.text) for each in of_module(module, SOURCE)]
        wanted = [
            ("FIRST", 5, "Seconds of both."),
            ("SECOND", 0.5, "Seconds of both."),
            ("LONELY", 7, ""),
            ("_TOLD", 9, "Bytes."),
            ("Table.ROWS", 10, "Rows."),
        ]
        self.assertEqual(found, wanted)

    def test_values_have_their_units(self) -> None:
        for value, unit, text in (
            (65536, "Bytes", "64 KiB"),
            (1000, "Bytes", "1,000 B"),
            (0.5, "Seconds", "0.5 s"),
            (120.0, "Seconds", "2 min"),
            (86400 * 7, "Seconds", "7 d"),
            (20000, "Lines", "20,000"),
        ):
            self.assertEqual(shown(value, unit), text)
