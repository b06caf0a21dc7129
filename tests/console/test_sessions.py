"""Who is in: counted, bounded, ended."""

from contextlib import ExitStack

from twisted.trial.unittest import SynchronousTestCase

from tests.fakes import ALL, FakeSink, World
from vspc.console.access import Operator
from vspc.console.session import Proof, Session
from vspc.console.sessions import Quota, Sessions


def session(number: int, operator: str = "alice") -> Session:
    return Session(f"s{number}", Operator(operator), Proof("publickey"), "192.0.2.1", 0.0)


class SessionsTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.quota = Quota(sessions=3, attachments=2, followed=1)
        self.sessions = Sessions(lambda: self.quota)
        self.ended: list[str] = []
        self.busy: set[str] = set()

    def enter(self, one: Session, bounded: bool = True) -> str:
        return self.sessions.enter(
            one,
            lambda text: self.ended.append(one.id),
            lambda: one.id not in self.busy,
            bounded,
        )

    def test_the_oldest_that_is_not_in_use_is_ended_for_a_new_one(self) -> None:
        for number in (1, 2, 3):
            self.assertEqual(self.enter(session(number)), "")
        self.busy.add("s1")
        self.assertEqual(self.enter(session(4)), "")
        self.assertEqual(self.ended, ["s2"])
        self.assertEqual([each.session.id for each in self.sessions], ["s1", "s3", "s4"])

    def test_where_all_are_in_use_the_new_one_is_refused_and_others_are_not_touched(self) -> None:
        self.enter(session(9, "bob"))
        for number in (1, 2, 3):
            self.enter(session(number))
            self.busy.add(f"s{number}")
        self.assertIn("3 sessions already", self.enter(session(4)))
        self.assertEqual(self.enter(session(5, "bob")), "")
        self.assertEqual(self.enter(session(6), bounded=False), "")
        self.assertEqual(self.ended, [])
        self.sessions.leave(session(1))
        self.sessions.leave(session(1))
        self.assertEqual(len(self.sessions.of("alice")), 3)

    def test_a_reload_changes_how_many(self) -> None:
        self.quota = Quota(sessions=1)
        self.enter(session(1))
        self.busy.add("s1")
        self.assertTrue(self.enter(session(2)))
        self.quota = Quota(sessions=2)
        self.assertEqual(self.enter(session(2)), "")

    def test_where_a_reload_has_lowered_it_all_that_are_too_many_give_way(self) -> None:
        for number in (1, 2, 3):
            self.enter(session(number))
        self.quota = Quota(sessions=1)
        self.assertEqual(self.enter(session(4)), "")
        self.assertEqual(self.ended, ["s1", "s2", "s3"])
        self.assertEqual([each.session.id for each in self.sessions], ["s4"])

    def test_attachments_of_all_sessions_of_an_operator_count_together(self) -> None:
        world = World()
        object.__setattr__(world.console_context, "sessions", self.sessions)
        console = world.console()
        one, two = session(1), session(2)
        self.enter(one)
        self.enter(two)
        first = console.attach(one, ALL, FakeSink(), 0)
        self.assertEqual(self.sessions.attaching(two), "")
        console.attach(two, ALL, FakeSink(), 0)
        self.assertIn("2 consoles already", self.sessions.attaching(one))
        present = self.sessions.get("s1")
        assert present is not None
        self.assertEqual(list(present.attachments), [first])
        first.detach()
        self.assertEqual(self.sessions.attaching(one), "")

    def test_places_for_logs_that_are_followed(self) -> None:
        one, two = session(1), session(2)
        self.enter(one)
        self.enter(two)
        with self.sessions.following(one) as why_not:
            self.assertEqual(why_not, "")
            with self.sessions.following(two) as why_not:
                self.assertIn("1 are allowed", why_not)
        with self.sessions.following(two) as why_not:
            self.assertEqual(why_not, "")

    def test_who_comes_from_the_machine_itself_has_no_limits(self) -> None:
        with ExitStack() as places:
            for number in range(10):
                local = session(number, "root@local")
                self.assertEqual(self.enter(local, bounded=False), "")
                self.assertEqual(places.enter_context(self.sessions.following(local)), "")
                self.assertEqual(self.sessions.attaching(local), "")
