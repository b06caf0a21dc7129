"""docs/reliability.md names tests that exist."""

import re

from twisted.trial.unittest import SynchronousTestCase

from tests.documents import TREE
from tests.limits.register import is_test

ROW = re.compile(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \| [^|]+ \|$", re.MULTILINE)


class Reliability(SynchronousTestCase):
    def setUp(self) -> None:
        text = (TREE / "docs" / "reliability.md").read_text(encoding="utf-8")
        self.rows = ROW.findall(text)[2:]

    def test_each_row_names_tests_that_exist(self) -> None:
        self.assertGreater(len(self.rows), 20)
        for fault, _, tests in self.rows:
            names = re.findall("`(.*?)`", tests)
            self.assertTrue(names, fault)
            for name in names:
                self.assertTrue(is_test(name), f"{fault}: {name}")
