"""The configuration in force: what rules give is remembered until they change."""

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.config.test_load import KEY
from vspc.config import Config, load
from vspc.console.access import Operator, Subject
from vspc.reload import Live

RULE = """
[operators.alice]
authorized_keys = ["{key}"]
groups = ["{group}"]
[[access]]
operators = ["@net"]
consoles = ["web*"]
rights = ["read"]
[operators.bob]
groups = ["net"]
authorized_keys = ["{key}"]
"""


class Rights(SynchronousTestCase):
    def config(self, group: str) -> Config:
        path = Path(self.mktemp())
        path.write_text(RULE.format(key=KEY, group=group))
        return load(path)

    def test_a_reload_counts_for_what_was_asked_before(self) -> None:
        live = Live(self.config("net"))
        web, alice = Subject("web01", "default", None), Operator("alice", frozenset({"net"}))
        for _ in range(2):
            self.assertEqual(live.rights(alice, web), {"read"})
            self.assertEqual(live.rights(alice, Subject("db1", "default", None)), frozenset())
        live.take(self.config("other"))
        self.assertEqual(live.rights(alice, web), frozenset())

    def test_a_rename_is_another_question(self) -> None:
        live = Live(self.config("net"))
        alice = Operator("alice")
        self.assertEqual(live.rights(alice, Subject("web01", "default", None)), {"read"})
        self.assertEqual(live.rights(alice, Subject("lab01", "default", None)), frozenset())

    def test_somebody_who_is_no_operator_any_more_has_none(self) -> None:
        live = Live(self.config("net"))
        nobody = Operator("carol", frozenset({"net"}))
        self.assertEqual(live.rights(nobody, Subject("web01", "default", None)), frozenset())
