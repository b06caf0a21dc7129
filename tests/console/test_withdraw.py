"""Typed input that waits is taken back, for one attachment only."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.fakes import ALL, FakeSink, World, session
from vspc.console.attachment import Attachment
from vspc.console.events import BreakSignal, Delivered


class Eager(FakeSink):
    """A client whose window is full: what he types next is there already."""

    def writable(self) -> None:
        assert self.attachment is not None
        self.attachment.type(b"rm -rf /\r")


MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("a"), st.binary(min_size=1, max_size=3000)),
        st.tuples(st.just("b"), st.binary(min_size=1, max_size=3000)),
        st.tuples(st.just("break"), st.just(b"")),
        st.tuples(st.just("answer"), st.just(b"")),
        st.tuples(st.just("hold"), st.just(b"")),
        st.tuples(st.just("release"), st.just(b"")),
    ),
    max_size=20,
)


class Withdrawing(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.console, self.line = self.world.connected()

    def here(self, name: str) -> Attachment:
        return self.world.attach(self.console, name)[0]

    def test_what_waits_of_one_attachment_only(self) -> None:
        alice, bob = self.here("alice"), self.here("bob")
        self.console.link.migrate()
        alice.type(b"mine")
        alice.send_break()
        bob.take_pen(force=True)
        bob.type(b"his")
        self.assertEqual((alice.withdraw(), alice.withdraw()), (4, 0))
        self.console.link.resume()
        self.assertEqual(self.line.log, [b"his"])
        self.assertEqual(self.console.input.waiting, 0)

    def test_a_break_that_was_withdrawn_is_not_published(self) -> None:
        alice = self.here("alice")
        self.console.link.migrate()
        alice.send_break()
        alice.withdraw()
        alice.send_break()
        said = [each for each in self.world.happened if isinstance(each, BreakSignal)]
        self.assertEqual(said, [])
        self.console.link.resume()
        said = [each for each in self.world.happened if isinstance(each, BreakSignal)]
        self.assertEqual(
            [(each.operator, each.session) for each in said], [("alice", alice.session)]
        )
        self.assertEqual(self.line.log, ["BREAK"])

    def test_a_break_that_waits_when_the_right_to_it_is_taken(self) -> None:
        alice = self.here("alice")
        self.console.link.migrate()
        alice.type(b"before")
        alice.send_break()
        alice.type(b"after")
        self.console.reassess(lambda operator, subject: ALL - {"break"})
        self.console.link.resume()
        self.assertEqual(bytes(self.line.sent), b"beforeafter")
        self.assertNotIn("BREAK", self.line.log)
        self.assertEqual(self.console.input.waiting, 0)

    def test_room_for_others(self) -> None:
        alice, (bob, sink) = self.here("alice"), self.world.attach(self.console, "bob")
        self.console.link.migrate()
        alice.type(b"x" * 70_000)
        bob.take_pen(force=True)
        self.assertEqual(bob.type(b"y").taken, 0)
        alice.withdraw()
        self.assertEqual(sink.writables, 1)
        self.assertEqual(bob.type(b"y").taken, 1)

    def test_one_that_is_expelled_types_none_of_what_was_not_taken(
        self,
    ) -> None:
        sink = Eager()
        alice = self.console.attach(session("alice"), ALL, sink, 0)
        sink.attachment = alice
        self.console.link.migrate()
        self.assertLess(alice.type(b"x" * 70_000).taken, 70_000)
        alice.expel("locked out")
        self.assertEqual(alice.type(b"y").taken, 0)
        self.console.link.resume()
        self.assertEqual((self.line.sent, self.console.input.waiting), (b"", 0))
        self.assertIsNone(self.console.pen.holder)
        events = [each for each in self.world.happened if isinstance(each, Delivered)]
        self.assertEqual(sum(each.dropped for each in events), 64 * 1024)

    @settings(max_examples=100, deadline=None)
    @given(MOVES, MOVES)
    def test_the_rest_arrives_in_order_and_the_accounts_add_up(
        self, before: list[tuple[str, bytes]], after: list[tuple[str, bytes]]
    ) -> None:
        world = World()
        console, line = world.connected()
        people = {name: world.attach(console, name)[0] for name in ("a", "b")}
        taken = {"a": b"", "b": b""}

        def play(moves: list[tuple[str, bytes]]) -> None:
            for what, data in moves:
                match what:
                    case "a" | "b":
                        people[what].take_pen(force=True)
                        count = people[what].type(data).taken
                        taken[what] += data[:count]
                    case "break" if console.pen.holder is not None:
                        console.pen.holder.send_break()
                    case "answer" if line.questions:
                        line.questions -= 1
                        console.link.answered()
                    case "hold" if not console.link.migrating:
                        console.link.migrate()
                    case "release" if console.link.migrating:
                        console.link.resume()

        play(before)
        gone = people["a"].withdraw()
        early = len(taken["a"]) - gone
        play(after)
        if console.link.migrating:
            console.link.resume()
        while line.questions:
            line.questions -= 1
            console.link.answered()
        world.console_context.accounting.close()
        said = [each for each in world.happened if isinstance(each, Delivered)]
        self.assertEqual(sum(each.count for each in said), len(line.sent))
        self.assertEqual(sum(each.dropped for each in said), gone)
        self.assertEqual(len(line.sent), len(taken["a"]) + len(taken["b"]) - gone)
        self.assertGreaterEqual(early, 0)
        self.assertEqual(console.input.waiting, 0)
