"""docs/runbook.md says what each event of the log means."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.documents import TREE

CALLS = frozenset(
    {"warn", "error", "critical", "failure", "refuse", "report", "report_problem"}
    | {"_report_problem"}
)
"""Methods whose first argument is an event."""

EVENT = re.compile(r"[a-z]+(-[a-z]+)*")
ROW = re.compile(r"^\| (`[a-z`, -]+`) \|", re.MULTILINE)


def events(source: str) -> set[str]:
    """The events that a module may log."""
    return set(_events(source))


def _events(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        if ast.unparse(node.func).rpartition(".")[2] not in CALLS:
            continue
        first = node.args[0]
        for each in [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]:
            if (
                isinstance(each, ast.Constant)
                and isinstance(each.value, str)
                and EVENT.fullmatch(each.value)
            ):
                yield each.value


def modules() -> Iterator[Path]:
    """Those of the server."""
    for path in (TREE / "vspc").rglob("*.py"):
        if not path.is_relative_to(TREE / "vspc" / "simulator"):
            yield path


class Runbook(SynchronousTestCase):
    def setUp(self) -> None:
        text = (TREE / "docs" / "runbook.md").read_text(encoding="utf-8")
        rows = ROW.findall(text.partition("## Tasks")[0])
        self.described = [name for row in rows for name in re.findall("`(.*?)`", row)]
        self.logged = {
            name for path in modules() for name in events(path.read_text(encoding="utf-8"))
        } - NOT_EVENTS

    def test_every_event_is_in_it(self) -> None:
        self.assertEqual(sorted(self.logged - set(self.described)), [])

    def test_what_is_in_it_is_an_event(self) -> None:
        self.assertEqual(sorted(set(self.described) - self.logged), [])

    def test_none_is_in_it_twice(self) -> None:
        self.assertEqual(len(self.described), len(set(self.described)))


NOT_EVENTS = frozenset({"lease", "dropped", "ended", "left", "refused"})
"""Results of verbs, which methods of the same names have as arguments."""


class Finding(SynchronousTestCase):
    def test_an_event_that_a_module_logs_is_found(self) -> None:
        source = "log.warn('a-b', x=1)\nlog.info('c-d')\nself.report('e' if x else 'f-g', {})"
        self.assertEqual(events(source), {"a-b", "e", "f-g"})
