"""Figures, ratios and goals."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from benchmarks.measuring import FLOOR, Figure, Found, Goal, Result, Row, percentile
from benchmarks.report import decode, encode, number, shown


def row(goal: Goal | None = None) -> Row:
    return Row("line", "a line", "us", lambda bench: Found({}), goal)


def result(goal: Goal | None = None, generator: float = 0.1, **values: list[float]) -> Result:
    return Result.of(row(goal), Found({"": values}, generator, ("conman",)))


class Figures(SynchronousTestCase):
    @given(st.lists(st.floats(0, 1e6), min_size=1))
    def test_the_median_is_between_the_least_and_the_most(self, values: list[float]) -> None:
        figure = Figure.of(values)
        self.assertTrue(figure.least <= figure.median <= figure.most)
        self.assertEqual(figure.repeats, len(values))

    def test_no_values_are_a_mistake(self) -> None:
        self.assertRaises(ValueError, Figure.of, [])

    def test_percentiles(self) -> None:
        values = [float(each) for each in range(100, 0, -1)]
        found = [percentile(values, part) for part in (0, 0.5, 0.99, 1)]
        self.assertEqual(found, [1, 51, 100, 100])


class Goals(SynchronousTestCase):
    def test_a_ratio_to_the_floor(self) -> None:
        found = result(Goal(1.5, FLOOR), vspc=[3.0, 2.0, 9.0], floor=[2.0])
        self.assertEqual((found.ratio(), found.is_met), (1.5, True))
        self.assertIs(result(Goal(1.4, FLOOR), vspc=[3.0], floor=[2.0]).is_met, False)

    def test_a_figure_of_its_own(self) -> None:
        self.assertIs(result(Goal(2.0), vspc=[2.0]).is_met, True)
        self.assertIs(result(Goal(2.0), vspc=[2.1]).is_met, False)

    def test_each_value_of_a_goal_for_each(self) -> None:
        goal = Goal(2.0, each=True)
        self.assertIs(result(goal, vspc=[1.0, 1.0, 2.1]).is_met, False)
        self.assertIs(result(goal, vspc=[1.0, 1.0, 2.0]).is_met, True)
        self.assertIn("goal 2 us each: met", shown(result(goal, vspc=[2.0])))

    def test_without_the_other_nothing_is_met_or_missed(self) -> None:
        found = result(Goal(1.5, FLOOR), vspc=[1.0])
        self.assertIsNone(found.is_met)
        self.assertIsNone(found.ratio())
        self.assertIsNone(result(None, vspc=[1.0]).is_met)

    def test_a_floor_of_nothing_has_no_ratio(self) -> None:
        self.assertIsNone(result(None, vspc=[1.0], floor=[0.0]).ratio())

    def test_a_busy_generator_is_told(self) -> None:
        self.assertFalse(result(generator=0.8, vspc=[1.0]).is_bound)
        self.assertIn("bound by it", shown(result(generator=0.81, vspc=[1.0])))


class Shown(SynchronousTestCase):
    def test_a_row(self) -> None:
        found = result(Goal(1.5, FLOOR), vspc=[1.0, 3.0, 2.0], floor=[1.0])
        self.assertEqual(
            shown(found).splitlines(),
            [
                "a line [line]: goal 1.5 x floor: MISSED",
                "    vspc                     2 us (1 to 3, 3 repeats)",
                "    floor                    1 us (1 to 1, 1 repeats); vspc has 2.00 times that",
                "    conman             not installed",
                "    the load generator used 10% of a core",
            ],
        )

    def test_numbers_have_three_digits(self) -> None:
        found = [number(each) for each in (0, 0.12345, 12.345, 123.45, 12345.6)]
        self.assertEqual(found, ["0", "0.123", "12.3", "123", "12346"])

    def test_json_comes_back(self) -> None:
        found = result(Goal(1.5, FLOOR), vspc=[1.0, 2.0], floor=[1.0])
        recording = decode(encode([found], {"processor": "2 of x"}))
        self.assertEqual(dict(recording.results), {"line": found})
        self.assertEqual(recording.machine, {"processor": "2 of x"})
