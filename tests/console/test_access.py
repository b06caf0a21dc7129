"""Rules: the first that matches decides, none means nothing."""

from twisted.trial.unittest import SynchronousTestCase

from vspc.console.access import Access, Operator, Subject, matches

ALICE = Operator("alice", frozenset({"netops"}))


def subject(name: str, zone: str = "default", uuid: str | None = None) -> Subject:
    return Subject(name, zone, uuid)


class Patterns(SynchronousTestCase):
    def test_names_without_case(self) -> None:
        self.assertTrue(matches("WEB*", subject("web01")))
        self.assertFalse(matches("web", subject("web01")))

    def test_uuids_in_any_spelling(self) -> None:
        there = subject("x", uuid="4213aabb" + "0" * 24)
        self.assertTrue(matches("uuid:4213AABB-*", there))
        self.assertFalse(matches("uuid:4213", there))
        self.assertFalse(matches("uuid:*", subject("x")))

    def test_zones(self) -> None:
        self.assertTrue(matches("prod/*", subject("web01", "prod")))
        self.assertFalse(matches("prod/*", subject("web01")))
        self.assertTrue(matches("*", subject("web01", "prod")))

    def test_a_slash_in_a_name_is_no_zone(self) -> None:
        self.assertFalse(matches("prod/*", subject("prod/web01")))
        self.assertTrue(matches("prod%2Fweb*", subject("prod/web01")))


class Rules(SynchronousTestCase):
    def test_the_first_that_matches_decides(self) -> None:
        access = Access.of(
            [
                (["alice"], ["secret*"], []),
                (["@netops"], ["web*"], ["read", "write"]),
                (["*"], ["*"], ["read"]),
            ]
        )
        self.assertEqual(access.rights(ALICE, subject("secret1")), frozenset())
        self.assertEqual(access.rights(ALICE, subject("web01")), {"read", "write"})
        self.assertEqual(access.rights(Operator("bob"), subject("web01")), {"read"})

    def test_without_rules_there_is_nothing(self) -> None:
        self.assertEqual(Access().rights(ALICE, subject("web01")), frozenset())

    def test_a_group_is_not_an_operator_of_that_name(self) -> None:
        access = Access.of([(["@netops"], ["*"], ["read"])])
        self.assertEqual(access.rights(Operator("netops"), subject("x")), frozenset())
        self.assertEqual(access.rights(Operator("@netops"), subject("x")), frozenset())

    def test_auditors_read_everything_and_type_nowhere(self) -> None:
        access = Access.of([(["dora"], ["web*"], ["read", "write"])])
        dora = Operator("dora", roles=frozenset({"audit"}))
        self.assertEqual(access.rights(dora, subject("db01")), {"read"})
        self.assertEqual(access.rights(dora, subject("web01")), {"read", "write"})
        self.assertIsNone(access.history(dora, subject("db01")))
        apart = Subject("db01", "default", None, quarantined=True)
        self.assertEqual(access.rights(dora, apart), frozenset())
