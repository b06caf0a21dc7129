"""Every byte that reaches a VM is attributed to a session."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.fakes import FakeLine, World
from vspc.console.events import Delivered, Event
from vspc.console.input_queue import INTERVAL, REMOTE_INTERVAL, InputAccounting
from vspc.console.remote import REMOTE


class Accounts(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.console, self.line = self.world.connected()
        self.said: list[Delivered] = []
        self.world.events.subscribe(self._heard)

    def _heard(self, event: Event) -> None:
        if isinstance(event, Delivered):
            self.said.append(event)

    def counts(self) -> list[tuple[str, int, int]]:
        return [
            (each.session.operator.name if each.session else "", each.count, each.dropped)
            for each in self.said
        ]

    def test_it_is_published_when_its_attachment_leaves(self) -> None:
        alice, _ = self.world.attach(self.console)
        alice.type(b"reboot\r")
        self.assertEqual(self.counts(), [])
        alice.detach()
        self.assertEqual(self.counts(), [("alice", 7, 0)])

    def test_it_is_published_when_the_pen_changes_hands(self) -> None:
        alice, _ = self.world.attach(self.console)
        bob, _ = self.world.attach(self.console, "bob")
        alice.type(b"abc")
        bob.take_pen(force=True)
        bob.type(b"de")
        self.console.pen.lay_down()
        self.assertEqual(self.counts(), [("alice", 3, 0), ("bob", 2, 0)])

    def test_what_a_remote_system_sends_is_published_hourly_and_when_it_leaves(self) -> None:
        accounting = self.world.console_context.accounting
        accounting.tick(REMOTE_INTERVAL)
        remote, _ = self.world.attach(self.console, REMOTE.name)
        remote.type(b"abc")
        accounting.tick(REMOTE_INTERVAL + INTERVAL)
        self.assertEqual(self.counts(), [])
        accounting.tick(2 * REMOTE_INTERVAL)
        self.assertEqual(self.counts(), [(REMOTE.name, 3, 0)])
        remote.type(b"de")
        remote.detach()
        self.assertEqual(self.counts()[1:], [(REMOTE.name, 2, 0)])

    def test_what_is_held_in_a_migration_counts_when_it_goes_out(self) -> None:
        alice, _ = self.world.attach(self.console)
        self.console.link.migrate()
        alice.type(b"held")
        alice.detach()
        self.assertEqual(self.counts(), [])
        self.console.link.move(FakeLine("10.0.0.2"), "10.0.0.1", 0.1)
        self.assertEqual(self.counts(), [("alice", 4, 0)])

    def test_dropped_bytes_are_counted_apart(self) -> None:
        alice, _ = self.world.attach(self.console)
        self.console.link.migrate()
        alice.type(b"held")
        self.console.link.disconnect("gone")
        alice.detach()
        self.assertEqual(self.counts(), [("alice", 0, 4)])

    def test_who_types_on_is_recorded_once_a_minute(self) -> None:
        accounting = InputAccounting(self._heard)
        account = self.world.attach(self.console)[0].account
        accounting.delivered(account, 5)
        accounting.tick(INTERVAL)
        accounting.delivered(account, 2)
        accounting.tick(INTERVAL * 1.5)
        self.assertEqual(self.counts(), [("alice", 5, 0)])
        accounting.tick(INTERVAL * 2)
        self.assertEqual(self.counts(), [("alice", 5, 0), ("alice", 2, 0)])


STEPS = (
    *("a types", "b types", "a pastes", "a leaves", "b forces", "begin", "complete", "abort"),
    *("loss", "answer", "back"),
)


class Sums(SynchronousTestCase):
    """Whatever happens, the counts add up to what the lines got."""

    @settings(deadline=None, max_examples=60)
    @given(
        st.lists(
            st.sampled_from(STEPS),
            max_size=30,
        )
    )
    def test_it_adds_up(self, steps: list[str]) -> None:
        world = World()
        console, line = world.connected()
        lines = [line]
        said: list[Delivered] = []
        world.events.subscribe(
            lambda event: said.append(event) if isinstance(event, Delivered) else None
        )
        people = {name: world.attach(console, name)[0] for name in ("a", "b")}
        for step in steps:
            match step:
                case "a types" | "b types":
                    people[step[0]].type(b"x")
                case "a pastes":
                    people["a"].type(b"p" * 9000)
                case "a leaves":
                    people["a"].detach()
                    people["a"] = world.attach(console, "a")[0]
                case "b forces":
                    people["b"].take_pen(force=True)
                case "begin" if console.link.line is not None:
                    console.link.migrate()
                case "complete" if console.link.migrating:
                    lines.append(FakeLine("10.0.0.2"))
                    console.link.move(lines[-1], "10.0.0.1", 0.1)
                case "abort" if console.link.migrating:
                    console.link.end_migration("it was aborted")
                case "loss" if console.link.line is not None:
                    console.link.disconnect("lost")
                case "back" if not console.live:
                    lines.append(FakeLine())
                    console.link.connect(lines[-1])
                case "answer" if console.link.line is not None and lines[-1].questions:
                    lines[-1].questions -= 1
                    console.link.answered()
        for attachment in people.values():
            attachment.detach()
        waiting = console.input.waiting
        console.input.drop()
        sent = sum(len(each.sent) for each in lines)
        self.assertEqual(sum(each.count for each in said), sent)
        self.assertEqual(console.link.bytes_to_vm, sent)
        self.assertGreaterEqual(sum(each.dropped for each in said), waiting)
