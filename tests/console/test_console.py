"""Consoles with attachments: cursors, notices, the pen, what happens when lines come and go."""

from twisted.trial.unittest import SynchronousTestCase

from tests.fakes import ALL, READ, FakeLine, FakeSink, World, session
from vspc.console import events
from vspc.console.attachment import Refusal, Typed
from vspc.console.console import ConsoleState
from vspc.console.events import HostChange, How


class Reading(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World(history=4096)
        self.console, self.line = self.world.connected()

    def test_all_attachments_read_all_in_order(self) -> None:
        sinks = [self.world.attach(self.console, name)[1] for name in ("alice", "bob")]
        self.console.link.output(b"Linux ")
        self.world.turn()
        self.console.link.output(b"version\n")
        self.world.turn()
        self.assertEqual([bytes(s.output) for s in sinks], [b"Linux version\n"] * 2)

    def test_a_turn_with_many_outputs_wakes_once(self) -> None:
        _, sink = self.world.attach(self.console)
        self.world.turn()
        for _ in range(100):
            self.console.link.output(b"x")
        self.world.turn()
        self.assertEqual(sink.wakes, 1)

    def test_a_slow_reader_is_told_exactly_what_was_lost(self) -> None:
        _, sink = self.world.attach(self.console)
        sink.stalled = True
        self.console.link.output(b"a" * 4096)
        self.console.link.output(b"b" * 1000)
        self.world.turn()
        sink.read()
        self.assertEqual(sink.losses, [(0, 1000)])
        self.assertEqual(bytes(sink.output), b"a" * 3096 + b"b" * 1000)

    def test_a_notice_stands_where_it_happened(self) -> None:
        _, sink = self.world.attach(self.console)
        attachment = sink.attachment
        assert attachment is not None
        self.console.link.output(b"before")
        self.console.attachments.tell("here")
        self.console.link.output(b"after")
        seen = [attachment.cursor.next(100) for _ in range(3)]
        self.assertEqual(
            [getattr(s, "data", getattr(s, "text", None)) for s in seen],
            [b"before", "here", b"after"],
        )

    def test_a_notice_about_lost_bytes_comes_before_what_is_kept(self) -> None:
        _, sink = self.world.attach(self.console)
        sink.stalled = True
        self.console.link.output(b"old")
        self.console.attachments.tell("then")
        self.console.link.output(b"n" * 5000)
        sink.read()
        self.assertEqual(sink.notices, ["then"])
        self.assertEqual(sink.losses, [(0, 5003 - 4096)])

    def test_one_attachment_that_fails_does_not_affect_others(self) -> None:
        _, broken = self.world.attach(self.console, "alice")
        _, healthy = self.world.attach(self.console, "bob")
        broken.attachment = None  # its `ready` raises now
        self.console.link.output(b"text")
        self.world.turn()
        self.assertEqual(self.world.failures, 1)
        self.assertEqual(bytes(healthy.output), b"text")

    def test_a_sink_that_raises_costs_neither_its_vm_nor_anybody_else(self) -> None:
        class Broken(FakeSink):
            def writable(self) -> None:
                raise ValueError

            def host_changed(self, old: str, new: str) -> None:
                raise ValueError

            def ended(self, reason: str) -> None:
                raise ValueError

        console, _ = self.world.connected("web02", None)
        console.attach(session("bob"), ALL, Broken(), 0)
        _, sink = self.world.attach(console)
        console.attachments.room_grew()
        console.attachments.host_changed(HostChange("10.0.0.1", "10.0.0.2", 0.0))
        self.assertEqual((sink.writables, sink.changes), (1, [("10.0.0.1", "10.0.0.2")]))
        console.reassess(lambda _operator, _subject: frozenset())
        self.assertEqual(sink.over, "you may no longer read this console")
        self.assertEqual(self.world.failures, 3)


class Pen(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.console, self.line = self.world.connected()
        self.alice, self.alices = self.world.attach(self.console, "alice")
        self.bob, self.bobs = self.world.attach(self.console, "bob")

    def test_the_first_key_takes_it_and_others_only_read(self) -> None:
        self.assertEqual(self.alice.type(b"ls\r"), Typed(3))
        self.assertEqual(self.bob.type(b"x"), Typed(0, Refusal.PEN))
        self.assertEqual(bytes(self.line.sent), b"ls\r")

    def test_leaving_lays_it_down(self) -> None:
        self.alice.type(b"a")
        self.alice.detach()
        self.assertEqual(self.bob.type(b"b"), Typed(1))

    def test_force_takes_it_and_the_former_holder_is_told_by_whom(self) -> None:
        self.alice.type(b"a")
        self.assertIsNone(self.bob.take_pen(force=True))
        self.world.turn()
        self.assertEqual(self.alices.notices, ["bob took the pen; you are reading now"])
        self.assertEqual(self.alice.type(b"a"), Typed(0, Refusal.PEN))

    def test_without_the_right_a_key_does_nothing(self) -> None:
        carol, _ = self.world.attach(self.console, "carol", READ)
        self.assertEqual(carol.type(b"x"), Typed(0, Refusal.RIGHT))
        self.assertEqual(carol.send_break(), Typed(0, Refusal.RIGHT))
        self.assertIsNone(self.console.pen.holder)

    def test_the_pen_is_lost_with_the_right(self) -> None:
        self.alice.type(b"a")
        self.console.reassess(lambda who, _: READ if who.name == "alice" else ALL)
        self.world.turn()
        self.assertEqual(self.alices.notices, ["you may no longer type here"])
        self.assertEqual(self.alice.type(b"a"), Typed(0, Refusal.RIGHT))
        self.assertEqual(self.bob.type(b"b"), Typed(1))

    def test_an_attachment_that_left_types_nothing(self) -> None:
        self.alice.detach()
        self.assertEqual(self.alice.type(b"a"), Typed(0, Refusal.RIGHT))
        self.assertEqual(self.alice.take_pen(), Refusal.RIGHT)
        self.assertIsNone(self.console.pen.holder)

    def test_what_waits_of_one_who_lost_the_right_is_not_typed(self) -> None:
        self.console.link.migrate()
        self.alice.type(b"reboot\r")
        self.bob.take_pen(force=True)
        self.bob.type(b"b")
        self.console.reassess(lambda who, _: READ if who.name == "alice" else ALL)
        self.console.link.resume()
        self.assertEqual(self.line.sent, b"b")

    def test_without_the_right_to_read_one_does_not_learn_its_new_name(self) -> None:
        self.world.roster.rename(self.console.vm, "secret01")
        self.console.reassess(lambda who, _: frozenset() if who.name == "bob" else ALL)
        self.assertEqual((self.alice.title, self.bob.title), ("secret01", "web01"))
        self.assertEqual(self.bobs.over, "you may no longer read this console")

    def test_a_break_follows_the_pen(self) -> None:
        self.alice.type(b"a")
        self.assertEqual(self.bob.send_break(), Typed(0, Refusal.PEN))
        self.assertEqual(self.alice.send_break(), Typed(1))
        self.assertEqual(self.line.log, [b"a", "BREAK"])


class Lines(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.console, self.line = self.world.connected()
        self.alice, self.sink = self.world.attach(self.console)

    def test_a_line_that_closes_leaves_the_history_and_the_people(self) -> None:
        self.console.link.output(b"last words\n")
        self.console.link.disconnect("powered off")
        self.world.turn()
        self.assertIs(self.console.state, ConsoleState.AWAY)
        self.assertEqual(bytes(self.sink.output), b"last words\n")
        self.assertEqual(self.sink.notices, ["web01 is away (powered off)"])
        self.assertEqual(self.alice.type(b"x"), Typed(0, Refusal.AWAY))

    def test_input_that_waited_for_a_line_that_ends_is_refused_with_its_size(self) -> None:
        self.line.answers = True
        self.alice.type(b"p" * 10_000)
        waiting = self.console.input.waiting
        self.console.link.disconnect("gone")
        self.world.turn()
        self.assertIn(f"web01 is away: {waiting} bytes not sent", self.sink.notices)
        fresh = FakeLine()
        self.console.link.connect(fresh)
        self.assertEqual(bytes(fresh.sent), b"")

    def test_a_move_keeps_attachments_and_shows_one_marker(self) -> None:
        self.console.link.migrate()
        self.assertEqual(self.alice.type(b"held"), Typed(4))
        target = FakeLine("10.0.0.2")
        self.console.link.move(target, "10.0.0.1", 1.24)
        self.world.turn()
        self.assertEqual(bytes(target.sent), b"held")
        self.assertEqual(self.sink.notices, ["web01 moved from 10.0.0.1 to 10.0.0.2 in 1.2 s"])
        self.assertIs(self.console.state, ConsoleState.CONNECTED)
        self.assertTrue(self.alice.has_pen)

    def test_an_aborted_migration_releases_input_to_the_source(self) -> None:
        self.console.link.migrate()
        self.alice.type(b"held")
        self.console.link.end_migration("aborted")
        self.assertEqual(bytes(self.line.sent), b"held")

    def test_a_source_that_is_lost_in_mid_migration_does_not_lose_held_input(self) -> None:
        self.console.link.migrate()
        self.alice.type(b"held")
        self.console.link.lose_source()
        self.assertIs(self.console.state, ConsoleState.MIGRATING)
        target = FakeLine("10.0.0.2")
        self.console.link.move(target, "10.0.0.1", 1.0)
        self.assertEqual(bytes(target.sent), b"held")

    def test_a_migration_that_ends_without_any_line_leaves_it_away(self) -> None:
        self.console.link.migrate()
        self.alice.type(b"held")
        self.console.link.lose_source()
        self.console.link.end_migration("too late")
        self.world.turn()
        self.assertIs(self.console.state, ConsoleState.AWAY)
        self.assertIn("web01 is away: 4 bytes not sent", self.sink.notices)

    def test_what_waited_for_a_replaced_line_does_not_run_on_the_new_one(self) -> None:
        self.alice.type(b"p" * 10_000)
        fresh = FakeLine("10.0.0.9")
        waiting = self.console.input.waiting
        self.console.link.replace(fresh, "the line before does not answer", How.TOOK_OVER)
        self.assertEqual(bytes(fresh.sent), b"")
        happened = self.world.happened[-1]
        assert isinstance(happened, events.Replaced)
        self.assertEqual((happened.old, happened.new), ("10.0.0.1", "10.0.0.9"))
        self.world.turn()
        self.assertEqual(
            self.sink.notices,
            [
                "web01 is on 10.0.0.9 now; it was on 10.0.0.1, and this was not a vMotion",
                f"the line before does not answer: {waiting} bytes not sent",
            ],
        )

    def test_after_a_change_of_host_the_pen_has_to_be_asked_for(self) -> None:
        self.alice.type(b"ls\r")
        fresh = FakeLine("10.0.0.9")
        self.console.link.replace(fresh, "silent", How.TOOK_OVER)
        self.assertEqual(self.sink.changes, [("10.0.0.1", "10.0.0.9")])
        self.assertIsNone(self.console.pen.holder)
        self.assertEqual(self.alice.type(b"reboot\r"), Typed(0, Refusal.HOST))
        self.assertEqual(self.alice.send_break(), Typed(0, Refusal.HOST))
        self.assertEqual(bytes(fresh.sent), b"")
        self.assertIsNone(self.alice.take_pen())
        self.assertEqual(self.alice.type(b"x"), Typed(1))

    def test_power_off_and_on_elsewhere_is_a_change_of_host_and_on_the_same_is_none(self) -> None:
        self.console.link.disconnect("off")
        self.console.link.connect(FakeLine())
        self.assertEqual(self.sink.changes, [])
        self.console.link.disconnect("off")
        self.console.link.connect(FakeLine("10.0.0.9"))
        self.assertEqual(self.sink.changes, [("10.0.0.1", "10.0.0.9")])

    def test_a_host_that_does_not_read_is_told_with_what_waits(self) -> None:
        self.line.unread = 5000
        self.alice.type(b"p" * 9000)
        waiting = self.console.input.waiting
        self.world.clock.advance(5.1)
        self.world.turn()
        self.assertEqual(self.sink.notices, [f"web01 does not answer: {waiting} bytes wait"])

    def test_three_seconds_of_holding_are_told_once(self) -> None:
        self.console.link.migrate()
        self.alice.type(b"twelve bytes")
        self.world.clock.advance(2.9)
        self.assertFalse(self.alice.cursor.pending)
        self.world.clock.advance(0.2)
        self.world.clock.advance(60)
        self.world.turn()
        self.assertEqual(self.sink.notices, ["web01 is migrating; 12 bytes held"])

    def test_a_reader_that_ends_has_everything_up_to_there_and_nothing_after(self) -> None:
        self.console.link.output(b"before")
        self.alice.end("moved")
        self.console.link.output(b"after")
        self.world.turn()
        self.assertEqual((bytes(self.sink.output), self.sink.over), (b"before", "moved"))
