"""Sharing a pen: asking, waiting in line, giving, joining, locks, leases."""

import json

from twisted.trial.unittest import SynchronousTestCase

from tests.fakes import ALL, READ, FakeSink, World, session
from vspc.console.access import NOTHING, Operator, Rights, Voucher
from vspc.console.attachment import Attachment, AttachmentKind, Refusal, Typed
from vspc.console.console import Console
from vspc.console.events import HostChange
from vspc.console.pen_events import (
    AskEnd,
    GivenBecause,
    LeaseEnded,
    LockEnd,
    PenAnswered,
    PenGiven,
    PenLock,
    PenUnlocked,
)
from vspc.console.pen_line import Waits
from vspc.console.pen_locking import LEASE_TIME, LOCK_LONGEST, LOCK_TIME
from vspc.console.pen_locks import LIMIT as LOCKS
from vspc.console.pen_locks import RETURN, _value
from vspc.console.pen_queue import LIMIT as LINE
from vspc.console.presence_notices import BURST

WRITE: Rights = frozenset({"read", "write"})
FORCE: Rights = WRITE | {"force"}
JOIN: Rights = WRITE | {"join"}


class Sharing(SynchronousTestCase):
    """A console with alice, bob and carol at terminals; nobody has the pen."""

    rights = FORCE

    def setUp(self) -> None:
        self.world = World()
        self.context = self.world.console_context
        self.console, self.line = self.world.connected()
        self.pen = self.console.pen
        self.sinks: dict[Attachment, FakeSink] = {}
        self.alice, self.bob, self.carol = (self.come(n) for n in ("alice", "bob", "carol"))
        self.forget()

    def come(
        self,
        name: str,
        rights: Rights | None = None,
        kind: AttachmentKind = AttachmentKind.TERMINAL,
    ) -> Attachment:
        sink, who = FakeSink(), session(name)
        if self.context.sessions.get(who.id) is None:
            self.context.sessions.enter(who, lambda _reason: None, bounded=False)
        end = self.console.history.end
        attachment = self.console.attach(who, rights or self.rights, sink, end, kind)
        sink.attachment = attachment
        self.sinks[attachment] = sink
        return attachment

    def told(self, attachment: Attachment) -> list[str]:
        """What it was told since this was last asked."""
        self.world.turn()
        sink = self.sinks[attachment]
        notices, sink.notices = sink.notices, []
        return notices

    def forget(self) -> None:
        for each in self.sinks:
            self.told(each)

    def wait(self, seconds: float) -> None:
        self.world.clock.advance(seconds)

    def happened(self, kind: type) -> list[object]:
        return [event for event in self.world.happened if isinstance(event, kind)]


class Asking(Sharing):
    def setUp(self) -> None:
        super().setUp()
        self.alice.type(b"a")
        self.assertEqual(self.pen.line.ask(self.carol), Waits(1))

    def test_the_holder_is_asked_and_nobody_else(self) -> None:
        self.assertEqual(self.told(self.alice), ["carol asks for the pen"])
        self.assertEqual(self.told(self.bob), [])

    def test_a_yes_gives_it_and_all_are_told(self) -> None:
        self.forget()
        self.assertIs(self.pen.line.answer(self.alice, yes=True), self.carol)
        self.assertEqual(self.pen.holders, (self.carol,))
        self.assertEqual(self.told(self.alice), ["carol has the pen now; you are reading now"])
        self.assertEqual(self.told(self.carol), ["you have the pen now: alice gave it"])
        self.assertEqual(self.told(self.bob), ["carol has the pen: alice gave it"])
        self.assertEqual(self.alice.type(b"x"), Typed(0, Refusal.PEN))

    def test_a_no_keeps_it_and_the_one_who_asked_is_told(self) -> None:
        self.pen.line.answer(self.alice, yes=False)
        self.assertEqual(self.told(self.carol), ["alice keeps the pen"])
        self.assertEqual((self.pen.holders, len(self.pen.line)), ((self.alice,), 0))
        self.wait(60)
        self.assertTrue(self.alice.has_pen)

    def test_no_answer_is_a_yes(self) -> None:
        self.forget()
        self.wait(20)
        self.assertTrue(self.carol.has_pen)
        self.assertEqual(
            self.told(self.alice),
            ["carol has the pen now, as you did not answer; you are reading now"],
        )
        self.assertEqual(self.told(self.carol), ["you have the pen now: alice did not answer"])

    def test_with_no_time_limit_no_answer_is_none(self) -> None:
        object.__setattr__(self.context, "ask_timeout", lambda: 0.0)
        self.pen.line.leave(self.carol)
        self.pen.line.ask(self.carol)
        self.wait(86400)
        self.assertTrue(self.alice.has_pen)

    def test_one_who_leaves_asks_no_longer_and_the_holder_is_told(self) -> None:
        self.forget()
        self.carol.detach()
        self.assertIn("carol no longer asks for the pen", self.told(self.alice))
        self.wait(60)
        self.assertTrue(self.alice.has_pen)
        self.assertIsNone(self.pen.line.answer(self.alice, yes=True))

    def test_a_second_one_is_asked_about_when_the_first_is_answered(self) -> None:
        self.pen.line.ask(self.bob)
        self.wait(1)
        self.forget()
        self.pen.line.answer(self.alice, yes=False)
        self.assertEqual(self.told(self.alice), ["bob asks for the pen"])
        self.pen.line.answer(self.alice, yes=True)
        self.assertTrue(self.bob.has_pen)

    def test_a_yes_to_one_shows_no_question_of_the_next_one(self) -> None:
        self.pen.line.ask(self.bob)
        self.wait(5)
        self.forget()
        self.pen.line.answer(self.alice, yes=True)
        self.assertEqual(self.told(self.alice), ["carol has the pen now; you are reading now"])
        self.assertIn("you wait for the pen as number 1 in line", self.told(self.bob))
        self.assertEqual(self.told(self.carol), ["you have the pen now: alice gave it"])

    def test_one_who_asks_and_then_forces_it(self) -> None:
        self.pen.line.ask(self.bob)
        self.wait(5)
        self.forget()
        self.assertIsNone(self.pen.take(self.carol, force=True))
        self.assertEqual(self.told(self.carol), [])
        self.assertEqual(self.told(self.alice), ["carol took the pen; you are reading now"])

    def test_that_one_asks_no_longer_is_told_before_the_next_question(self) -> None:
        self.pen.line.ask(self.bob)
        self.wait(5)
        self.forget()
        self.pen.line.leave(self.carol)
        self.assertEqual(
            self.told(self.alice), ["carol no longer asks for the pen", "bob asks for the pen"]
        )

    def test_who_asked_a_former_holder_waits(self) -> None:
        self.pen.line.ask(self.bob)
        self.forget()
        self.pen.line.answer(self.alice, yes=True)
        self.assertIn("you wait for the pen as number 1 in line", self.told(self.bob))
        self.wait(100)
        self.assertTrue(self.carol.has_pen)
        self.pen.lay_down()
        self.assertTrue(self.bob.has_pen)

    def test_it_is_forced_while_somebody_asks(self) -> None:
        self.bob.take_pen(force=True)
        ends = [event.end for event in self.happened(PenAnswered)]  # type: ignore[attr-defined]
        self.assertEqual(ends, [AskEnd.WITHDRAWN])
        self.wait(100)
        self.assertTrue(self.bob.has_pen)

    def test_only_the_holder_answers(self) -> None:
        self.assertIsNone(self.pen.line.answer(self.bob, yes=True))
        self.assertTrue(self.alice.has_pen)

    def test_one_who_lost_the_right_meanwhile_gets_nothing(self) -> None:
        self.console.reassess(lambda who, _: READ if who.name == "carol" else FORCE)
        self.assertIsNone(self.pen.line.answer(self.alice, yes=True))
        self.wait(60)
        self.assertTrue(self.alice.has_pen)
        self.assertIn("you no longer wait for the pen: may no longer type", self.told(self.carol))

    def test_what_the_former_holder_typed_is_not_lost(self) -> None:
        self.alice.type(b"bc")
        self.pen.line.answer(self.alice, yes=True)
        self.carol.type(b"d")
        self.assertEqual(self.line.sent, b"abcd")

    def test_a_program_cannot_be_asked(self) -> None:
        self.alice.detach()
        raw = self.come("ci", kind=AttachmentKind.PROGRAM)
        self.pen.lay_down()
        raw.take_pen()
        self.assertEqual(self.pen.line.ask(self.carol), Refusal.PROGRAM)

    def test_a_free_pen_is_taken(self) -> None:
        self.alice.detach()
        self.carol.detach()
        self.assertIsNone(self.pen.line.ask(self.bob))
        self.assertTrue(self.bob.has_pen)


class TenThousand(Sharing):
    def test_askers_are_bounded_and_so_is_what_the_holder_is_told(self) -> None:
        self.alice.type(b"a")
        refused = 0
        for number in range(10_000):
            asker = self.come(f"o{number}")
            refused += self.pen.line.ask(asker) is Refusal.QUEUE
            self.sinks.pop(asker)
        self.assertEqual((refused, len(self.pen.line)), (10_000 - LINE, LINE))
        self.wait(5)
        self.assertLessEqual(len(self.told(self.alice)), BURST + 6)

    def test_questions_again_and_again_are_bounded(self) -> None:
        self.alice.type(b"a")
        for _ in range(1000):
            self.pen.line.ask(self.carol)
            self.pen.line.leave(self.carol)
        asked = [text for text in self.told(self.alice) if "no longer" not in text]
        self.assertEqual(asked, ["carol asks for the pen"])


class InLine(Sharing):
    def setUp(self) -> None:
        super().setUp()
        self.alice.type(b"a")
        self.assertEqual(self.pen.line.queue(self.bob), Waits(1))
        self.assertEqual(self.pen.line.queue(self.carol), Waits(2))

    def test_the_holder_is_told_who_waits(self) -> None:
        self.assertEqual(
            self.told(self.alice), ["bob waits for the pen", "carol waits for the pen"]
        )

    def test_the_first_has_it_when_it_is_laid_down(self) -> None:
        self.forget()
        self.pen.lay_down()
        self.assertEqual(self.pen.holders, (self.bob,))
        self.assertEqual(
            self.told(self.bob),
            ["you have the pen now: you were first in line: alice laid it down"],
        )
        self.assertEqual(
            self.told(self.alice), ["bob has the pen as the first in line: alice laid it down"]
        )
        given = self.happened(PenGiven)
        self.assertEqual(given[0].because, GivenBecause.NEXT)  # type: ignore[attr-defined]

    def test_the_first_has_it_when_the_holder_leaves(self) -> None:
        self.alice.detach()
        self.bob.detach()
        self.assertEqual(self.pen.holders, (self.carol,))
        self.assertIn("bob left", self.told(self.carol))

    def test_the_first_has_it_when_the_holder_types_nothing(self) -> None:
        object.__setattr__(self.context, "pen_idle", lambda: 900.0)
        self.alice.type(b"a")
        self.forget()
        self.wait(901)
        self.assertEqual(self.pen.holders, (self.bob,))
        self.assertIn(
            "you have laid down the pen: you have typed nothing for 15 min", self.told(self.alice)
        )

    def test_waiting_again_changes_no_place(self) -> None:
        self.assertEqual(self.pen.line.queue(self.carol), Waits(2))

    def test_one_whose_rights_go_with_those_of_the_holder_never_has_it(self) -> None:
        self.forget()
        lost = ("alice", "bob")
        self.console.reassess(lambda who, _: READ if who.name in lost else FORCE)
        self.assertEqual(self.pen.holders, (self.carol,))
        self.assertFalse(any("you have the pen" in each for each in self.told(self.bob)))

    def test_one_who_asks_keeps_the_place_after_a_no(self) -> None:
        self.pen.line.ask(self.bob)
        self.pen.line.answer(self.alice, yes=False)
        self.assertEqual(self.pen.line.place(self.bob), 1)

    def test_a_change_of_host_ends_the_line(self) -> None:
        self.console.attachments.host_changed(HostChange("10.0.0.1", "10.0.0.2", 0.0))
        self.assertEqual((self.pen.holders, len(self.pen.line)), ((), 0))
        self.assertIn("you no longer wait for the pen: the host has changed", self.told(self.bob))

    def test_nobody_begins_to_type_while_nothing_can_be_recorded(self) -> None:
        object.__setattr__(self.context, "audit", Refusing())
        self.pen.lay_down()
        self.assertEqual((self.pen.holders, len(self.pen.line)), ((), 0))
        self.assertIn(
            "you no longer wait for the pen: the audit file cannot be written",
            self.told(self.carol),
        )

    def test_nothing_of_it_is_left_when_all_have_gone(self) -> None:
        for each in (self.alice, self.bob, self.carol):
            each.detach()
        self.wait(2)
        self.assertEqual(self.world.clock.twisted.getDelayedCalls(), [])


class Refusing:
    refuses = True

    def record(self, *_facts: object, **_more: object) -> None:
        return


class Giving(Sharing):
    def test_to_one_who_has_not_asked(self) -> None:
        self.alice.type(b"a")
        self.carol.reads_only = True
        self.assertIsNone(self.pen.line.give(self.alice, self.carol))
        self.assertEqual((self.pen.holders, self.carol.reads_only), ((self.carol,), False))

    def test_not_to_one_who_may_not_type(self) -> None:
        self.alice.type(b"a")
        dave = self.come("dave", READ)
        self.assertEqual(self.pen.line.give(self.alice, dave), Refusal.RIGHT)
        self.assertTrue(self.alice.has_pen)

    def test_only_by_the_holder(self) -> None:
        self.alice.type(b"a")
        self.assertEqual(self.pen.line.give(self.bob, self.carol), Refusal.PEN)


class Joining(Sharing):
    rights = JOIN

    def setUp(self) -> None:
        super().setUp()
        self.alice.type(b"a")

    def test_both_type_and_all_are_told(self) -> None:
        self.assertIsNone(self.pen.join(self.bob))
        self.assertEqual((self.alice.type(b"b"), self.bob.type(b"c")), (Typed(1), Typed(1)))
        self.assertEqual(self.told(self.alice), ["bob types here, too"])
        self.assertEqual(self.told(self.carol), ["bob has the pen, too, beside alice"])
        self.assertEqual(self.pen.join(self.carol), Refusal.JOIN)

    def test_not_without_the_right_on_both_sides(self) -> None:
        dave = self.come("dave", WRITE)
        self.assertEqual(self.pen.join(dave), Refusal.JOIN)
        self.pen.lay_down()
        dave.type(b"d")
        self.assertEqual(self.pen.join(self.bob), Refusal.JOIN)

    def test_one_of_two_leaves_and_the_other_types_on(self) -> None:
        self.pen.join(self.bob)
        self.forget()
        self.alice.detach()
        self.assertEqual(self.pen.holders, (self.bob,))
        self.assertEqual(self.told(self.carol), ["bob has the pen alone: alice left", "alice left"])
        self.assertEqual(self.told(self.bob), ["you type alone now: alice left", "alice left"])

    def test_who_types_on_is_told_that_the_other_one_does_not(self) -> None:
        self.pen.join(self.bob)
        self.forget()
        self.pen.lay_down(attachment=self.bob)
        self.assertEqual(self.told(self.alice), ["you type alone now: bob laid it down"])
        self.assertEqual(self.told(self.carol), ["alice has the pen alone: bob laid it down"])

    def test_a_right_that_is_lost_ends_it(self) -> None:
        self.pen.join(self.bob)
        self.forget()
        self.console.reassess(lambda who, _: WRITE if who.name == "alice" else JOIN)
        self.assertEqual(self.pen.holders, (self.alice,))
        self.assertEqual(
            self.told(self.bob),
            ["you have laid down the pen: you may no longer join another writer"],
        )
        why = "bob may no longer join another writer"
        self.assertEqual(self.told(self.alice), [f"you type alone now: {why}"])

    def test_force_takes_it_from_both(self) -> None:
        dave = self.come("dave", FORCE)
        self.pen.join(self.bob)
        self.forget()
        self.assertIsNone(dave.take_pen(force=True))
        for each in (self.alice, self.bob):
            self.assertEqual(self.told(each), ["dave took the pen; you are reading now"])
        self.assertEqual(self.told(self.carol), ["dave has the pen, taken from alice and bob"])

    def test_a_yes_of_one_of_two_is_for_itself(self) -> None:
        self.pen.join(self.bob)
        dave = self.come("dave", WRITE)
        self.pen.line.ask(dave)
        self.assertIs(self.pen.line.answer(self.alice, yes=True), dave)
        self.assertEqual((self.pen.holders, self.pen.line.asker), ((self.bob,), dave))
        self.pen.line.answer(self.bob, yes=True)
        self.assertEqual(self.pen.holders, (dave,))

    def test_a_yes_of_one_of_two_who_may_all_join(self) -> None:
        self.pen.join(self.bob)
        self.pen.line.ask(self.carol)
        self.pen.line.answer(self.alice, yes=True)
        self.assertEqual(set(self.pen.holders), {self.bob, self.carol})


def a_lock(world: World, console: Console) -> PenLock:
    operator = Operator("alice", frozenset({"netops"}), voucher=Voucher("id", ("a", "b")))
    now = world.clock.wall()
    return PenLock(console.ref, operator, "s-alice", now, now + 7200, "firmware")


class Locking(Sharing):
    def test_nobody_else_types_and_all_are_told(self) -> None:
        self.assertIsNone(self.pen.locking.take_and_lock(self.alice, reason="firmware"))
        self.assertEqual(self.told(self.bob), ["alice locked the pen for 1 h (firmware)"])
        for refusal in (
            self.bob.take_pen(),
            self.bob.take_pen(force=True),
            self.pen.line.queue(self.bob),
        ):
            self.assertEqual(refusal, Refusal.LOCKED)
        self.pen.lay_down()
        self.assertEqual(self.bob.type(b"b"), Typed(0, Refusal.LOCKED))
        self.assertEqual(self.bob.send_break(), Typed(0, Refusal.RIGHT))
        self.assertEqual(self.alice.type(b"a"), Typed(1))

    def test_an_administrator_forces_it_which_ends_it(self) -> None:
        dave = self.come("dave", ALL)
        self.pen.locking.take_and_lock(self.alice)
        self.forget()
        self.assertEqual(dave.take_pen(), Refusal.LOCKED)
        self.assertIsNone(dave.take_pen(force=True))
        self.assertIsNone(self.pen.lock)
        self.assertEqual(
            self.told(self.alice),
            ["the lock of alice is over: dave forced it", "dave took the pen; you are reading now"],
        )

    def test_it_ends_at_its_time(self) -> None:
        self.pen.locking.take_and_lock(self.alice)
        self.wait(LOCK_TIME - 1)
        self.assertIsNotNone(self.pen.lock)
        self.forget()
        self.wait(1)
        self.assertIsNone(self.pen.lock)
        for each in (self.alice, self.bob):
            self.assertEqual(self.told(each), ["the lock of alice is over: its time is over"])
        self.assertTrue(self.alice.has_pen)

    def test_a_day_is_the_longest(self) -> None:
        self.pen.locking.take_and_lock(self.alice, 1e9)
        assert self.pen.lock is not None
        self.assertEqual(self.pen.lock.until - self.pen.lock.since, LOCK_LONGEST)

    def test_it_ends_with_the_last_session_of_its_owner(self) -> None:
        self.pen.locking.take_and_lock(self.alice)
        self.alice.detach()
        self.assertIsNotNone(self.pen.lock)
        self.context.sessions.leave(self.alice.session)
        self.assertIsNone(self.pen.lock)
        self.assertIn(
            "the lock of alice is over: its owner has no session any more", self.told(self.bob)
        )

    def test_a_kept_one_does_not(self) -> None:
        self.pen.locking.set_lock(self.alice.session, ALL, keeps=True)
        self.alice.detach()
        self.context.sessions.leave(self.alice.session)
        self.assertIsNotNone(self.pen.lock)

    def test_the_first_in_line_has_it_when_the_lock_is_over(self) -> None:
        self.alice.type(b"a")
        self.pen.line.queue(self.bob)
        self.pen.locking.take_and_lock(self.alice)
        self.pen.lay_down()
        self.assertEqual(self.pen.holders, ())
        self.assertIsNone(self.pen.locking.unlock(self.alice.session, self.rights))
        self.assertEqual(self.pen.holders, (self.bob,))

    def test_only_its_owner_and_administrators_end_it(self) -> None:
        self.pen.locking.take_and_lock(self.alice)
        self.assertEqual(self.pen.locking.unlock(self.bob.session, FORCE), Refusal.LOCKED)
        self.assertIsNone(self.pen.locking.unlock(self.bob.session, ALL))

    def test_not_while_another_has_the_pen(self) -> None:
        self.alice.type(b"a")
        self.assertEqual(self.pen.locking.take_and_lock(self.bob), Refusal.PEN)
        self.assertEqual(self.pen.locking.set_lock(self.bob.session, ALL), Refusal.PEN)

    def test_an_owner_who_is_asked_need_not_answer_and_a_yes_ends_it(self) -> None:
        self.pen.locking.take_and_lock(self.alice)
        self.assertEqual(self.pen.line.ask(self.bob), Waits(1))
        self.wait(600)
        self.assertTrue(self.alice.has_pen)
        self.pen.line.answer(self.alice, yes=True)
        self.assertEqual((self.pen.holders, self.pen.lock), ((self.bob,), None))
        ends = [event.end for event in self.happened(PenUnlocked)]  # type: ignore[attr-defined]
        self.assertEqual(ends, [LockEnd.GIVEN])

    def test_a_question_has_no_time_while_it_is_locked(self) -> None:
        self.alice.type(b"a")
        self.pen.line.ask(self.bob)
        self.wait(10)
        self.pen.locking.take_and_lock(self.alice)
        self.wait(60)
        self.assertEqual(self.pen.holders, (self.alice,))
        self.forget()
        self.pen.locking.unlock(self.alice.session, self.rights)
        self.assertEqual(self.told(self.alice)[-1], "bob asks for the pen")
        self.wait(20)
        self.assertEqual(self.pen.holders, (self.bob,))

    def test_it_excludes_one_who_had_joined(self) -> None:
        self.pen.lay_down()
        erin, frank = self.come("erin", JOIN), self.come("frank", JOIN)
        erin.type(b"e")
        self.pen.join(frank)
        self.assertIsNone(self.pen.locking.take_and_lock(erin))
        self.assertEqual(self.pen.holders, (erin,))
        self.assertIn("you may not type while it is locked", " ".join(self.told(frank)))

    def test_it_ends_when_its_owner_may_no_longer_type(self) -> None:
        self.pen.locking.set_lock(self.alice.session, ALL, keeps=True)
        self.alice.detach()
        self.console.reassess(lambda who, _: READ if who.name == "alice" else FORCE)
        self.assertIsNone(self.pen.lock)

    def test_it_survives_a_vmotion_and_a_change_of_host(self) -> None:
        self.pen.locking.take_and_lock(self.alice)
        self.console.attachments.host_changed(HostChange("10.0.0.1", "10.0.0.2", 0.0))
        self.assertIsNotNone(self.pen.lock)
        self.assertEqual(self.bob.take_pen(), Refusal.LOCKED)

    def test_an_owner_elsewhere_is_told_of_its_end(self) -> None:
        self.pen.locking.take_and_lock(self.alice)
        other = self.world.console("web02", None)
        sink = FakeSink()
        sink.attachment = other.attach(self.alice.session, ALL, sink, 0, AttachmentKind.TERMINAL)
        self.alice.detach()
        self.pen.locking.unlock(self.bob.session, ALL)
        self.world.turn()
        self.assertEqual(sink.notices, ["web01: the lock of alice is over: bob ended it"])

    def test_a_reason_is_one_short_line(self) -> None:
        reason = "\x1b]0;x\x07 \u202e\n" + "long " * 1000
        self.pen.locking.take_and_lock(self.alice, reason=reason)
        assert self.pen.lock is not None
        self.assertTrue(self.pen.lock.long_text.isprintable())
        self.assertLess(len(self.pen.lock.long_text), 300)

    def test_it_ends_with_its_console(self) -> None:
        away = self.world.console("db01", None)
        away.pen.locking.set_lock(self.alice.session, ALL, keeps=True)
        self.assertEqual(len(self.context.locks.saved), 1)
        self.world.roster.forget(away)
        self.assertEqual(self.context.locks.saved, [])

    def test_their_number_is_bounded(self) -> None:
        locks, lock = self.context.locks, a_lock(self.world, self.console)
        for number in range(LOCKS):
            ref = self.world.console(f"vm{number}", None).ref
            locks.restore([_value(PenLock(ref, lock.operator, "s", lock.since, lock.until))])
        self.assertEqual(self.pen.locking.take_and_lock(self.alice), Refusal.LOCKS)


class Restarting(Sharing):
    def test_a_lock_round_trips_through_json(self) -> None:
        lock = a_lock(self.world, self.console)
        self.assertEqual(self.restart(lock).console_context.locks.of(lock.console.id), lock)

    def test_what_is_no_lock_is_refused(self) -> None:
        wrong: tuple[object, ...] = (None, 7, [], {}, {"name": 3})
        value = _value(a_lock(self.world, self.console))
        for key in value:
            for other in wrong:
                if value[key] != other and not (key == "since" or key == "until"):
                    self.assertFalse(self.context.locks.restore([{**value, key: other}]))

    def restart(self, *locks: PenLock) -> World:
        world = World()
        world.clock.epoch = self.world.clock.wall()
        value = [_value(each) for each in locks]
        self.assertTrue(world.console_context.locks.restore(json.loads(json.dumps(value))))
        return world

    def test_a_restored_lock_is_that_of_its_console(self) -> None:
        world = self.restart(a_lock(self.world, self.console))
        console, _ = world.connected()
        bob, _ = world.attach(console, "bob", FORCE)
        self.assertEqual(bob.type(b"x"), Typed(0, Refusal.LOCKED))

    def test_its_owner_has_to_come_back(self) -> None:
        world = self.restart(a_lock(self.world, self.console))
        console, _ = world.connected()
        bob, _ = world.attach(console, "bob", FORCE)
        world.clock.advance(RETURN)
        self.assertEqual(bob.type(b"x"), Typed(1))

    def test_one_that_came_back_keeps_it(self) -> None:
        world = self.restart(a_lock(self.world, self.console))
        console, _ = world.connected()
        world.console_context.sessions.enter(session("alice"), lambda _reason: None)
        world.clock.advance(RETURN)
        self.assertIsNotNone(console.pen.lock)

    def test_its_time_goes_on(self) -> None:
        lock = a_lock(self.world, self.console)
        self.world.clock.epoch += 7200
        self.assertEqual(self.restart(lock).console_context.locks.saved, [])

    def test_a_server_that_stops_ends_no_lock(self) -> None:
        saves: list[int] = []
        self.pen.locking.take_and_lock(self.alice)
        self.context.locks.changed = lambda: saves.append(1)
        self.context.locks.stop()
        self.context.sessions.leave(self.alice.session)
        self.assertEqual((len(self.context.locks.saved), saves), (1, []))


class Leasing(Sharing):
    def setUp(self) -> None:
        super().setUp()
        self.ci = self.come("ci", WRITE, AttachmentKind.VERB)
        lease = self.pen.locking.lease(self.ci, label="build 512")
        assert isinstance(lease, PenLock)
        self.lease = lease

    def test_nobody_else_types_and_all_are_told(self) -> None:
        self.assertEqual(self.lease.text, "leased to ci (build 512)")
        self.assertEqual(self.told(self.bob), ["ci leased the pen for 10 min (build 512)"])
        self.assertEqual(self.bob.take_pen(force=True), Refusal.LOCKED)
        self.assertEqual(self.pen.line.ask(self.bob), Refusal.LOCKED)
        self.assertEqual(self.ci.type(b"c"), Typed(1))

    def test_not_even_its_own_operator_elsewhere(self) -> None:
        self.assertEqual(self.come("ci").take_pen(), Refusal.LOCKED)

    def test_it_ends_with_its_channel(self) -> None:
        self.forget()
        self.ci.detach()
        self.assertIsNone(self.pen.lock)
        self.assertIn("the lease of ci is over: its program has left", self.told(self.bob))
        self.assertEqual(self.bob.type(b"x"), Typed(1))

    def test_it_ends_at_its_time_and_its_program_is_told(self) -> None:
        self.forget()
        self.wait(LEASE_TIME)
        self.assertEqual(self.told(self.ci), ["the lease of ci is over: its time is over"])
        self.assertTrue(self.ci.has_pen)
        self.assertIsNone(self.bob.take_pen(force=True))

    def test_the_right_admin_forces_it(self) -> None:
        dave = self.come("dave", ALL)
        self.forget()
        self.assertIsNone(dave.take_pen(force=True))
        self.assertEqual(
            self.told(self.ci),
            ["the lease of ci is over: dave forced it", "dave took the pen; you are reading now"],
        )
        ends = [event.end for event in self.happened(LeaseEnded)]  # type: ignore[attr-defined]
        self.assertEqual(ends, [LockEnd.FORCED])

    def test_another_command_types_under_it_and_gives_the_pen_back(self) -> None:
        send = self.come("ci", WRITE, AttachmentKind.VERB)
        self.assertEqual(send.type(b"x"), Typed(0, Refusal.LOCKED))
        self.assertIsNone(self.pen.locking.use_lease(send, self.lease.id))
        self.assertEqual((send.type(b"s"), self.ci.type(b"c")), (Typed(1), Typed(0, Refusal.PEN)))
        other = self.come("ci", WRITE, AttachmentKind.VERB)
        self.assertEqual(self.pen.locking.use_lease(other, self.lease.id), Refusal.PEN)
        send.detach()
        self.assertEqual(self.pen.holders, (self.ci,))
        self.assertIsNone(self.pen.locking.use_lease(other, self.lease.id))

    def test_only_of_the_same_operator_with_the_id(self) -> None:
        send = self.come("ci", WRITE, AttachmentKind.VERB)
        self.assertEqual(self.pen.locking.use_lease(send, "f" * 16), Refusal.LEASE)
        self.assertEqual(self.pen.locking.use_lease(send, "\udc80"), Refusal.LEASE)
        self.assertEqual(self.pen.locking.use_lease(self.bob, self.lease.id), Refusal.LEASE)

    def test_one_under_it_types_no_longer_when_it_is_over(self) -> None:
        send = self.come("ci", WRITE, AttachmentKind.VERB)
        self.pen.locking.use_lease(send, self.lease.id)
        self.ci.detach()
        self.assertIsNone(self.pen.lock)
        self.assertIsNone(self.bob.take_pen(force=True))
        self.assertEqual(self.pen.locking.use_lease(send, self.lease.id), Refusal.LEASE)

    def test_it_ends_with_a_change_of_host(self) -> None:
        self.console.attachments.host_changed(HostChange("10.0.0.1", "10.0.0.2", 0.0))
        self.assertEqual((self.pen.lock, self.pen.holders), (None, ()))

    def test_it_ends_with_the_right(self) -> None:
        self.console.reassess(lambda who, _: NOTHING if who.name == "ci" else FORCE)
        self.assertIsNone(self.pen.lock)

    def test_it_is_not_saved(self) -> None:
        self.assertEqual(self.context.locks.saved, [])

    def test_not_while_another_has_the_pen(self) -> None:
        self.pen.locking.end_lease(self.ci)
        self.pen.lay_down()
        self.bob.type(b"b")
        self.assertEqual(self.pen.locking.lease(self.ci), Refusal.PEN)
