"""The configuration in force: what rules give is remembered until they change."""

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.config.test_load import KEY
from vspc.config import Config, load
from vspc.console.access import Operator, Subject
from vspc.server import reload
from vspc.server.reload import Live, changes, needs_restart

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

    def test_so_many_decisions_are_remembered_then_they_are_made_anew(self) -> None:
        self.patch(reload, "REMEMBERED", 3)
        live, alice = Live(self.config("net")), Operator("alice")
        for number in range(10):
            self.assertEqual(live.rights(alice, Subject(f"web{number}", "default", None)), {"read"})
            self.assertLess(live._remembered, 3)

    def test_a_rename_is_another_question(self) -> None:
        live = Live(self.config("net"))
        alice = Operator("alice")
        self.assertEqual(live.rights(alice, Subject("web01", "default", None)), {"read"})
        self.assertEqual(live.rights(alice, Subject("lab01", "default", None)), frozenset())

    def test_a_removed_operator_has_none(self) -> None:
        live = Live(self.config("net"))
        nobody = Operator("carol", frozenset({"net"}))
        self.assertEqual(live.rights(nobody, Subject("web01", "default", None)), frozenset())

    def test_whose_rights_a_rename_changes(self) -> None:
        live = Live(self.config("net"))
        web, lab = Subject("web01", "default", None), Subject("lab01", "default", None)
        mapped = Operator("dora", frozenset({"net"}))
        self.assertEqual(live.affected(web, lab, [mapped]), {"alice", "bob"})
        self.assertEqual(live.affected(web, Subject("web02", "default", None), []), set())

    def test_and_for_whom_only_a_certificate_would_make_it_a_difference(self) -> None:
        path = Path(self.mktemp())
        path.write_text(
            f'[ssh.certificates]\nauthorities = ["{KEY}"]\n'
            '[[ssh.certificates.map]]\nprincipals = ["certs-*"]\ngroups = ["certs"]\n'
            '[[access]]\noperators = ["@certs"]\nconsoles = ["secret*"]\nrights = ["read"]\n'
        )
        live = Live(load(path))
        before, after = (Subject(name, "default", None) for name in ("db1", "secret1"))
        self.assertEqual(live.affected(before, after, []), {"certs-* (certificate)"})
        self.assertEqual(live.affected(after, after, []), set())


BREAKS = '[vm]\nbreak = "comport"\n'


class Changes(SynchronousTestCase):
    """What a reload says of itself."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp())

    def config(self, text: str) -> Config:
        self.path.write_text(text)
        return load(self.path)

    def test_tables_and_keys_that_differ_are_named(self) -> None:
        old = self.config("[operators.alice]\n[operators.bob]\n[ssh]\nmax_sessions = 5\n")
        new = self.config(
            '[operators.alice]\nroles = ["admin"]\n[operators.carol]\n'
            '[[access]]\noperators = ["alice"]\nconsoles = ["*"]\nrights = ["read"]\n'
        )
        self.assertEqual(
            changes(old, new),
            ["ssh.max_sessions", "operators.alice", "operators.bob", "operators.carol", "access"],
        )
        self.assertEqual(changes(old, old), [])
        self.assertEqual(changes(old, self.config(BREAKS))[0], "vm.break")

    def test_what_of_access_needs_a_restart(self) -> None:
        old = self.config("")
        self.assertEqual(needs_restart(old, self.config("[ssh]\nmax_sessions = 5\n")), [])
        self.assertEqual(needs_restart(old, self.config('[audit]\non_failure = "refuse"\n')), [])
        self.assertEqual(needs_restart(old, self.config('[audit]\nfile = "x"\n')), ["audit"])
