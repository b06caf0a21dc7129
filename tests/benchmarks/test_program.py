"""The program around the rows: what a row that fails costs, and what is printed."""

import sys
from io import StringIO

from twisted.trial.unittest import SynchronousTestCase

from benchmarks import __main__ as program
from benchmarks.bench import Bench
from benchmarks.measuring import OURS, Found, Row
from benchmarks.processes import BenchmarkError


def found(bench: Bench) -> Found:
    bench.add(OURS, 1.0)
    return bench.found()


def lost(bench: Bench) -> Found:
    raise BenchmarkError("vspc has 1 bytes of 2")


def broken(bench: Bench) -> Found:
    raise OSError("no ssh here")


class Rows(SynchronousTestCase):
    def setUp(self) -> None:
        self.said = StringIO()
        self.patch(sys, "stdout", self.said)
        self.patch(sys, "stderr", StringIO())

    def measured(self, *rows: Row) -> list[str]:
        return [each.name for found in program.measured(rows, Bench) for each in found]

    def test_one_that_fails_is_told_and_the_next_is_measured(self) -> None:
        rows = (Row("a", "A", "ms", lost), Row("b", "B", "ms", broken), Row("c", "C", "ms", found))
        self.assertEqual(self.measured(*rows), ["c"])
        said = self.said.getvalue()
        self.assertIn("a: no figure: BenchmarkError: vspc has 1 bytes of 2\n", said)
        self.assertIn("b: no figure: OSError: no ssh here\n", said)
        self.assertIn("3 of 3 rows", said)

    def test_a_checkout_without_sources_is_refused(self) -> None:
        with self.assertRaises(SystemExit) as ended:
            program.main(["--against", self.mktemp(), "idle"])
        self.assertEqual(ended.exception.code, 2)

    def test_of_rows_with_one_work_those_with_values_have_figures(self) -> None:
        rows = (Row("a", "A", "ms", found), Row("b", "B", "ms", found, pick="p50"))
        self.assertEqual(self.measured(*rows), ["a"])
        self.assertIn("b: no figure: ", self.said.getvalue())
