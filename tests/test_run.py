"""How the test runner counts, what tests skip for, and that both are told the truth."""

import os
import re
import unittest
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests import programs, run
from tests.environment import private_environment
from tests.run import TREE, Outcome, end_to_end_suite, read_summary, summarize, unit_suite


class Counting(SynchronousTestCase):
    """What trial's summary says."""

    def test_all_passed(self) -> None:
        outcome = read_summary("Ran 12 tests in 1.0s\n\nPASSED (successes=12)\n", 0)
        self.assertEqual(outcome, Outcome(12))
        self.assertTrue(outcome.good)

    def test_errors_and_unexpected_successes_are_failures(self) -> None:
        summary = "FAILED (failures=1, errors=2, unexpectedSuccesses=1, skips=4, successes=8)"
        outcome = read_summary(summary, 1)
        self.assertEqual(outcome, Outcome(8, 4, 4))
        self.assertFalse(outcome.good)

    def test_a_program_that_prints_such_a_line_does_not_count(self) -> None:
        output = "PASSED (successes=900)\nfoo\nFAILED (errors=1)\n"
        self.assertEqual(read_summary(output, 1), Outcome(0, 1, 0))

    def test_no_test_at_all_is_no_success(self) -> None:
        self.assertFalse(read_summary("Ran 0 tests in 0.0s\n\nPASSED\n", 0).good)
        self.assertFalse(read_summary("", 0).good)

    def test_a_status_against_the_summary_is_no_success(self) -> None:
        self.assertFalse(read_summary("PASSED (successes=1)\n", 1).good)
        self.assertFalse(read_summary("FAILED (errors=1, successes=1)\n", 0).good)

    def test_one_bad_suite_spoils_the_total(self) -> None:
        total = Outcome(3, 0, 1) + Outcome(whole=False)
        self.assertEqual(total, Outcome(3, 0, 1, whole=False))
        self.assertFalse(total.good)

    def test_the_end_names_what_was_missing_and_for_how_many_tests(self) -> None:
        text = summarize(Outcome(5, 0, 3), "tmux\ttmux\nps\tprocps\ntmux\ttmux\n")
        first, _, *rest = text.splitlines()
        self.assertEqual(first, "5 passed, 0 failed, 3 skipped")
        wanted = ["  ps (install procps): 1 test", "  tmux (install tmux): 2 tests"]
        self.assertEqual(rest, wanted)

    def test_each_test_module_is_in_one_suite(self) -> None:
        targets = [*unit_suite().targets, *end_to_end_suite().targets]
        self.assertEqual(len(targets), len(set(targets)))
        self.assertEqual({f"tests.{name}" for name in _top_names()} - set(targets), set())


class Places(SynchronousTestCase):
    """Where the temporary directories are."""

    def test_in_memory_where_there_is_room_and_end_to_end_tests_on_a_disk(self) -> None:
        memory = Path(self.mktemp())
        self.patch(run, "MEMORY", memory)
        self.patch(run, "ROOM", 1)
        self.assertIs(run.place(on_disk=False), None)
        memory.mkdir()
        self.assertEqual(run.place(on_disk=False), memory)
        self.assertIs(run.place(on_disk=True), None)
        self.patch(run, "ROOM", 1 << 60)
        self.assertIs(run.place(on_disk=False), None)


class Missing(SynchronousTestCase):
    """Programs that are not there."""

    def setUp(self) -> None:
        self.log = Path(self.mktemp())
        self.patch(os, "environ", {"PATH": "/nonexistent", programs.MISSING_LOG: str(self.log)})
        self.patch(programs, "_ADMINISTRATORS", "/nonexistent")

    def test_the_test_is_skipped_and_the_package_named(self) -> None:
        error = self.assertRaises(unittest.SkipTest, programs.require, "qemu-system-x86_64")
        self.assertIn("qemu-system-x86", str(error))
        self.assertEqual(self.log.read_text(), "qemu-system-x86_64\tqemu-system-x86\n")

    def test_under_vspc_no_skip_it_fails(self) -> None:
        os.environ[programs.NO_SKIP] = "1"
        self.assertRaises(AssertionError, programs.require, "tmux")
        self.assertFalse(self.log.exists())

    def test_make_deps_installs_the_package_of_each_program(self) -> None:
        makefile = (TREE / "Makefile").read_text()
        found = re.findall(r"^PACKAGES := ((?:.*\\\n)*.*)$", makefile, re.MULTILINE)
        listed = found[0].replace("\\", "").split()
        self.assertEqual(set(programs.PACKAGES.values()) - set(listed), set())


class Environment(SynchronousTestCase):
    """What tests and their programs see of the caller."""

    def test_his_files_agent_and_language_are_not_there(self) -> None:
        his = {
            "HOME": "/nonexistent/alice",
            "LANG": "de_DE.UTF-8",
            "LANGUAGE": "de",
            "PATH": "/bin",
            "PYTHONPATH": "/nonexistent/lib",
            "SSH_AUTH_SOCK": "/nonexistent/agent",
            "XDG_CONFIG_HOME": "/nonexistent/config",
        }
        self.patch(os, "environ", his)
        seen = private_environment(Path("/nonexistent/home"))
        wanted = {"HOME": "/nonexistent/home", "LC_ALL": "C.UTF-8", "PATH": "/bin", "TZ": "UTC"}
        self.assertEqual(seen, wanted)


def _top_names() -> set[str]:
    found = (path.relative_to(TREE / "tests").parts[0] for path in TREE.glob("tests/**/test_*.py"))
    return {name.removesuffix(".py") for name in found}
