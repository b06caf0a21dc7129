"""Approval of what others type: who is asked, what is sent before and after, how it ends."""

from collections.abc import Callable
from random import Random

from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.fakes import FakeLine, FakeSink, World, session
from vspc.console.access import (
    Access,
    Operator,
    Rights,
    Rule,
    Subject,
    approval_needed,
    approvers,
    may_approve,
)
from vspc.console.approval_events import Approval
from vspc.console.approvals import APPROVED_FOR, ASK_AGAIN, Approvals
from vspc.console.attachment import Attachment, AttachmentKind, Refusal, Typed
from vspc.console.events import HostChange
from vspc.console.pen_line import Waits
from vspc.console.session import Session

NEEDS: Rights = frozenset({"read", "write", "break", "force"}) | approval_needed(["@leads"])
GIVES: Rights = frozenset({"read", "write", "approves:@leads"})
BOTH: Rights = NEEDS | GIVES

TERMINAL, PROGRAM = AttachmentKind.TERMINAL, AttachmentKind.PROGRAM


class RulesWithApproval(SynchronousTestCase):
    access = Access(
        (
            Rule(
                frozenset({"alice", "@leads"}),
                ("web*",),
                frozenset({"read", "write"}) | approval_needed({"@leads", "erin"}),
                approve=frozenset({"@leads", "erin"}),
            ),
            Rule(frozenset({"erin", "dave"}), ("*",), frozenset({"read"})),
        )
    )
    web = Subject("web1", "default", None)
    alice, bob = Operator("alice"), Operator("bob", frozenset({"leads"}))

    def of(self, who: Operator, name: str = "web1") -> Rights:
        return self.access.rights(who, Subject(name, "default", None))

    def test_who_needs_it_and_who_may_give_it(self) -> None:
        self.assertEqual(approvers(self.of(self.alice)), ("@leads", "erin"))
        for who in (self.bob, Operator("erin"), Operator("x", frozenset({"leads"}))):
            self.assertTrue(may_approve(self.of(who), self.of(self.alice)), who)
        self.assertFalse(may_approve(self.of(Operator("dave")), self.of(self.alice)))
        self.assertFalse(may_approve(self.of(self.alice), self.of(self.alice)))

    def test_not_one_who_does_not_read_the_console(self) -> None:
        self.assertEqual(self.of(Operator("zoe"), "web1"), frozenset())
        self.assertEqual(self.of(self.bob, "db1"), frozenset())
        self.assertEqual(self.of(Operator("erin"), "db1"), {"read"})

    def test_a_group_is_not_an_operator_of_that_name(self) -> None:
        self.assertFalse(may_approve(self.of(Operator("@leads")), self.of(self.alice)))

    def test_a_login_that_only_reads_may_approve(self) -> None:
        reads = Session("1", self.bob, session().proof, "", 0.0, read_only=True)
        narrowed = reads.narrowed(self.of(self.bob), self.web)
        self.assertEqual(narrowed, {"read", "approves:@leads"})
        self.assertTrue(may_approve(narrowed, self.of(self.alice)))


class ApprovalTest(SynchronousTestCase):
    """alice needs approval of bob or carol, who are not there yet."""

    def setUp(self) -> None:
        self.world = World()
        self.context = self.world.console_context
        self.console, self.line = self.world.connected()
        self.approvals = self.console.attachments.approvals
        self.sinks: dict[Attachment, FakeSink] = {}
        self.alice = self.come("alice", NEEDS)
        self.told(self.alice)

    def come(
        self, name: str, rights: Rights, kind: AttachmentKind = TERMINAL, reason: str = ""
    ) -> Attachment:
        sink = FakeSink()
        who = session(name, reason=reason)
        attachment = self.console.attach(who, rights, sink, self.console.history.end, kind)
        sink.attachment = attachment
        self.sinks[attachment] = sink
        return attachment

    def told(self, attachment: Attachment) -> list[str]:
        """What it was told since this was last asked, but for who comes and goes."""
        self.world.turn()
        sink = self.sinks[attachment]
        notices, sink.notices = sink.notices, []
        return [each for each in notices if not each.endswith(("attached", " left"))]

    def forget(self) -> None:
        for each in self.sinks:
            self.told(each)

    def wait(self, seconds: float) -> None:
        self.world.clock.advance(seconds)

    @property
    def steps(self) -> list[tuple[str, str | None, str | None]]:
        """What was published: the step, who answered, why it ended."""
        return [
            (
                each.step.value,
                None if each.by is None else each.by.operator.name,
                None if each.end is None else each.end.value,
            )
            for each in self.world.happened
            if isinstance(each, Approval)
        ]


class Asking(ApprovalTest):
    def test_a_key_asks_and_is_not_sent(self) -> None:
        bob = self.come("bob", GIVES)
        self.forget()
        self.assertEqual(self.alice.type(b"ls\r"), Typed(0, Refusal.APPROVAL))
        self.assertEqual(self.told(self.alice), ["typing needs approval by @leads; asked: bob"])
        self.assertEqual(self.told(bob), ["alice asks to type on web01"])
        self.alice.type(b"x")
        self.assertEqual(self.told(bob), [])
        self.assertFalse(self.alice.has_pen)
        self.assertEqual(self.line.sent, b"")

    def test_a_break_asks_too(self) -> None:
        self.assertEqual(self.alice.send_break(), Typed(0, Refusal.APPROVAL))
        self.assertTrue(self.approvals.is_open(self.alice))
        self.assertEqual(self.line.log, [])

    def test_what_a_terminal_answers_by_itself_is_not_sent_before(self) -> None:
        self.assertFalse(self.alice.may_answer)
        self.assertEqual(self.alice.answer(b"\x1b[0n"), Typed(4))
        self.assertEqual(self.line.sent, b"")

    def test_nobody_is_there_and_one_comes_later(self) -> None:
        self.alice.type(b"x")
        nobody = "typing needs approval by @leads; none of them is on web01, one has to attach"
        self.assertEqual(self.told(self.alice), [nobody])
        bob = self.come("bob", GIVES)
        self.assertEqual(self.told(bob), ["alice asks to type on web01"])
        self.assertEqual(self.told(self.alice), ["typing needs approval by @leads; asked: bob"])

    def test_a_reason_and_a_program_are_shown(self) -> None:
        bob = self.come("bob", GIVES)
        self.come("dora", NEEDS, PROGRAM, reason="CHG1\x1b[2J").type(b"x")
        self.assertEqual(
            self.told(bob)[-1], "dora asks to type on web01 with a program (CHG1\\x1b[2J)"
        )

    def test_yes_and_the_next_key_takes_the_pen(self) -> None:
        bob, carol = self.come("bob", GIVES), self.come("carol", GIVES)
        self.alice.type(b"x")
        self.forget()
        self.assertIs(self.approvals.answer(bob, yes=True), self.alice)
        self.assertEqual(
            self.told(self.alice),
            ["bob approves: you may type while bob is on the console, 1 h at most"],
        )
        self.assertEqual(self.told(carol), ["bob approved what alice asked for"])
        self.assertEqual(self.alice.type(b"ls\r"), Typed(3))
        self.assertTrue(self.alice.has_pen)
        self.assertEqual(self.line.sent, b"ls\r")
        self.assertEqual(self.steps, [("asked", None, None), ("given", "bob", None)])

    def test_no_and_it_has_to_be_asked_for_again(self) -> None:
        bob = self.come("bob", GIVES)
        self.alice.type(b"x")
        self.forget()
        self.assertIs(self.approvals.answer(bob, yes=False), self.alice)
        self.assertEqual(self.told(self.alice), ["bob refuses: you may not type"])
        self.assertEqual(self.alice.type(b"x"), Typed(0, Refusal.APPROVAL))
        self.assertEqual(self.alice.take_pen(), Refusal.APPROVAL)  # too soon
        self.assertFalse(self.approvals.is_open(self.alice))
        self.wait(ASK_AGAIN)
        self.alice.type(b"x")
        self.assertEqual(self.told(bob), [])
        self.assertEqual(self.alice.take_pen(), Refusal.APPROVAL)
        self.assertEqual(self.told(bob), ["alice asks to type on web01"])

    def test_nobody_answers(self) -> None:
        bob = self.come("bob", GIVES)
        self.alice.type(b"x")
        self.forget()
        self.wait(300)
        self.assertEqual(self.told(self.alice), ["no answer for 5 min: you may not type"])
        self.assertEqual(self.told(bob), ["alice no longer asks"])
        self.assertIsNone(self.approvals.answer(bob, yes=True))
        self.alice.type(b"x")
        self.assertEqual(self.told(bob), ["alice asks to type on web01"])

    def test_no_other_session_of_the_same_operator_and_no_program_may_approve(self) -> None:
        other = self.come("alice", BOTH)
        program = self.come("bob", GIVES, PROGRAM)
        self.alice.type(b"x")
        for each in (other, program, self.alice):
            self.assertIsNone(self.approvals.question(each))
            self.assertIsNone(self.approvals.answer(each, yes=True))
        self.assertIn("none of them", self.told(self.alice)[0])

    def test_questions_come_one_at_a_time_with_a_second_between(self) -> None:
        bob = self.come("bob", GIVES)
        dora = self.come("dora", NEEDS)
        self.alice.type(b"x")
        dora.type(b"x")
        self.forget()
        self.approvals.answer(bob, yes=True)
        self.assertIsNone(self.approvals.answer(bob, yes=True))
        self.wait(1)
        self.assertEqual(self.told(bob), ["dora asks to type on web01"])
        self.assertIs(self.approvals.answer(bob, yes=True), dora)

    def test_thousands_who_ask(self) -> None:
        bob = self.come("bob", GIVES)
        for number in range(3000):
            self.come(f"o{number}", NEEDS).type(b"x")
        self.assertEqual(self.told(bob)[-1], "o0 asks to type on web01")
        self.wait(300)
        self.assertIsNone(self.approvals.question(bob))


class OtherWaysToThePen(ApprovalTest):
    def setUp(self) -> None:
        super().setUp()
        self.bob = self.come("bob", GIVES)
        self.bob.type(b"b")

    def test_force_join_and_the_line_need_approval_first(self) -> None:
        self.assertEqual(self.alice.take_pen(force=True), Refusal.APPROVAL)
        pen = self.console.pen
        self.assertEqual(pen.join(self.alice), Refusal.APPROVAL)
        self.assertEqual(pen.line.queue(self.alice), Refusal.APPROVAL)
        self.assertEqual(pen.line.ask(self.alice), Refusal.APPROVAL)
        self.assertEqual(pen.locking.lease(self.alice), Refusal.APPROVAL)
        self.assertEqual(
            pen.locking.set_lock(self.alice.session, self.alice.rights), Refusal.APPROVAL
        )
        self.approvals.answer(self.bob, yes=True)
        self.assertEqual(pen.line.queue(self.alice), Waits(1))

    def test_a_key_while_another_types_asks_nobody(self) -> None:
        self.assertEqual(self.alice.type(b"x"), Typed(0, Refusal.PEN))
        self.assertFalse(self.approvals.is_open(self.alice))

    def test_giving_it_is_approving_where_the_giver_may(self) -> None:
        self.assertIsNone(self.console.pen.line.give(self.bob, self.alice))
        self.assertTrue(self.alice.has_pen)
        self.assertIs(self.approvals.approver(self.alice), self.bob)
        dora = self.come("dora", NEEDS)
        self.assertEqual(self.console.pen.line.give(self.alice, dora), Refusal.APPROVAL)

    def test_no_answer_to_a_question_for_the_pen_is_no_approval(self) -> None:
        self.alice.take_pen()
        self.approvals.answer(self.bob, yes=True)
        self.console.pen.line.ask(self.alice)
        self.console.attachments.host_changed(HostChange("10.0.0.1", "10.0.0.2", 0.0))
        self.wait(60)
        self.assertFalse(self.alice.has_pen)

    def test_who_waits_in_line_leaves_it_when_approval_ends(self) -> None:
        carol = self.come("carol", GIVES)
        self.alice.take_pen()
        self.approvals.answer(carol, yes=True)
        self.console.pen.line.queue(self.alice)
        carol.detach()
        self.assertEqual(len(self.console.pen.line), 0)
        self.bob.detach()
        self.assertEqual(self.console.pen.holders, ())


class Ending(ApprovalTest):
    def setUp(self) -> None:
        super().setUp()
        self.bob, self.carol = self.come("bob", GIVES), self.come("carol", GIVES)
        self.alice.type(b"x")
        self.approvals.answer(self.bob, yes=True)
        self.alice.type(b"a" * 5000)  # some of it waits for an answer of the VM's host
        self.sent = len(self.line.sent)
        self.forget()

    def assert_over(self, why: str, end: str) -> None:
        unsent = 5000 - self.sent
        self.assertIn(f"{why}: {unsent} bytes not sent", self.told(self.alice))
        self.assertEqual(self.steps[-1], ("ended", None, end))
        self.assertFalse(self.alice.has_pen)
        for _ in range(3):
            self.console.link.answered()
        self.assertEqual(len(self.line.sent), self.sent)

    def test_who_approved_it_leaves_though_others_who_may_are_there(self) -> None:
        self.bob.detach()
        self.assert_over("approval is over, bob has left the console", "approver-left")
        self.wait(1)
        self.assertEqual(self.alice.type(b"x"), Typed(0, Refusal.APPROVAL))
        self.assertEqual(self.told(self.carol)[-1], "alice asks to type on web01")

    def test_another_one_leaves(self) -> None:
        self.carol.detach()
        self.assertEqual(self.alice.type(b"x").refusal, None)

    def test_its_time_is_over(self) -> None:
        self.wait(APPROVED_FOR)
        self.assertIn("approval of alice is over: it lasts 1 h", self.told(self.bob))
        self.assertEqual(self.steps[-1], ("ended", None, "time"))
        self.assertFalse(self.alice.has_pen)

    def test_who_approved_it_may_no_longer(self) -> None:
        self.console.reassess(
            lambda who, _subject: {
                "alice": NEEDS,
                "bob": frozenset({"read"}),
            }.get(who.name, GIVES)
        )
        self.assert_over("approval is over, bob may no longer approve", "approver-right")
        self.assertIn("approval of alice is over: you may no longer approve", self.told(self.bob))

    def test_the_host_changes(self) -> None:
        self.console.attachments.host_changed(HostChange("10.0.0.1", "10.0.0.2", 0.0))
        self.assert_over("approval is over, the host has changed", "host-changed")

    def test_it_is_not_needed_any_more(self) -> None:
        self.console.reassess(lambda _who, _subject: GIVES)
        self.assertEqual(self.steps[-1], ("ended", None, "not-needed"))
        self.assertTrue(self.alice.has_pen)
        self.assertEqual(self.alice.type(b"x").refusal, None)
        self.assertEqual(self.told(self.bob), ["approval of alice is over: it is no longer needed"])

    def test_another_group_is_asked_from_now_on(self) -> None:
        needs = frozenset({"read", "write"}) | approval_needed(["@bosses"])
        self.console.reassess(lambda who, _subject: needs if who.name == "alice" else GIVES)
        self.assert_over("approval is over, bob may no longer approve", "approver-right")

    def test_who_types_leaves(self) -> None:
        self.alice.detach()
        self.assertEqual(self.steps[-1], ("ended", None, "left"))
        self.assertEqual(self.told(self.bob), ["alice left; the pen is free"])
        self.wait(2 * APPROVED_FOR)

    def test_what_a_vmotion_holds_is_not_sent_either(self) -> None:
        self.console.link.migrate()
        self.alice.type(b"held")
        self.bob.detach()
        target = FakeLine()
        self.console.link.move(target, "10.0.0.1", 1.0)
        self.assertEqual(target.sent, b"")

    def test_away_and_back_is_still_approved(self) -> None:
        self.console.link.disconnect("lost")
        self.assertEqual(self.alice.type(b"x"), Typed(0, Refusal.AWAY))
        line = FakeLine()
        self.console.link.connect(line)
        self.alice.type(b"y")
        self.assertEqual(line.sent, b"y")

    def test_a_rule_that_wants_it_from_now_on_takes_the_pen(self) -> None:
        dave = self.come("dave", frozenset({"read", "write", "force"}))
        dave.take_pen(force=True)
        dave.type(b"d")
        self.forget()
        rights = {"alice": NEEDS, "dave": NEEDS}
        self.console.reassess(lambda who, _subject: rights.get(who.name, GIVES))
        self.assertIn("typing needs approval by @leads now", self.told(dave)[-1])
        self.assertFalse(dave.has_pen)


class WaitingForAnswers(ApprovalTest):
    """Requests that are open when something changes."""

    def setUp(self) -> None:
        super().setUp()
        self.bob = self.come("bob", GIVES)
        self.alice.type(b"x")
        self.forget()

    def test_who_asked_leaves(self) -> None:
        self.alice.detach()
        self.assertIn("alice no longer asks", self.told(self.bob))
        self.assertEqual(self.steps[-1], ("withdrawn", None, "left"))
        self.wait(1000)

    def test_who_was_asked_may_no_longer(self) -> None:
        self.console.reassess(
            lambda who, _subject: NEEDS if who.name == "alice" else frozenset({"read"})
        )
        self.assertIn("you are no longer asked about alice", self.told(self.bob))
        self.assertIsNone(self.approvals.answer(self.bob, yes=True))

    def test_it_is_not_needed_any_more(self) -> None:
        self.console.reassess(lambda _who, _subject: GIVES)
        self.assertIn("typing needs no approval any more", self.told(self.alice))
        self.assertIn("alice no longer asks", self.told(self.bob))
        self.assertEqual(self.alice.type(b"y"), Typed(1))

    def test_who_asked_may_not_type_at_all_any_more(self) -> None:
        self.console.reassess(
            lambda who, _subject: frozenset({"read"}) if who.name == "alice" else GIVES
        )
        self.assertEqual(self.steps[-1], ("withdrawn", None, "right-lost"))
        self.assertEqual(self.alice.type(b"y"), Typed(0, Refusal.RIGHT))

    def test_the_host_changes(self) -> None:
        self.console.attachments.host_changed(HostChange("10.0.0.1", "10.0.0.2", 0.0))
        self.assertEqual(self.steps[-1], ("withdrawn", None, "host-changed"))

    def test_the_vm_is_away_meanwhile(self) -> None:
        self.console.link.disconnect("lost")
        self.approvals.answer(self.bob, yes=True)
        self.assertEqual(self.alice.type(b"x"), Typed(0, Refusal.AWAY))


class Programs(ApprovalTest):
    """What a program types waits, and is refused once."""

    def setUp(self) -> None:
        super().setUp()
        self.bob = self.come("bob", GIVES)
        self.program = self.come("alice", NEEDS, PROGRAM)

    @property
    def writables(self) -> int:
        return self.sinks[self.program].writables

    def test_it_waits_and_goes_on(self) -> None:
        self.assertIsNone(self.program.may_type())
        self.assertEqual(self.program.type(b"abc"), Typed(0))
        self.assertEqual(self.program.send_break(), Typed(0))
        self.approvals.answer(self.bob, yes=True)
        self.assertEqual(self.writables, 1)
        self.assertEqual(self.program.type(b"abc"), Typed(3))
        self.assertEqual(self.line.sent, b"abc")

    def test_it_is_refused(self) -> None:
        self.program.type(b"abc")
        self.approvals.answer(self.bob, yes=False)
        self.assertEqual(self.writables, 1)
        self.assertEqual(self.program.type(b"abc"), Typed(0, Refusal.APPROVAL))
        self.wait(100)
        self.assertEqual(self.program.take_pen(), Refusal.APPROVAL)
        self.assertFalse(self.approvals.is_open(self.program))

    def test_nobody_answers(self) -> None:
        self.program.type(b"abc")
        self.wait(300)
        self.assertEqual(self.program.type(b"abc"), Typed(0, Refusal.UNANSWERED))

    def test_it_ends_in_the_middle(self) -> None:
        self.program.type(b"abc")
        self.approvals.answer(self.bob, yes=True)
        self.program.type(b"abc")
        self.bob.detach()
        self.assertEqual(self.program.type(b"def"), Typed(0, Refusal.APPROVAL))
        self.assertEqual(self.line.sent, b"abc")


@define(eq=False)
class WatchedLine(FakeLine):
    """Calls `check` for each byte that is sent."""

    check: Callable[[int], None] = field(kw_only=True)

    def send(self, data: bytes) -> None:
        for tag in set(data):
            self.check(tag)
        super().send(data)


class FourEyes:
    """alice and dora need approval, dora, bob and carol may approve; each attachment types a byte
    of its own. `yes` is who said yes about whom, by the test's own account.
    """

    def __init__(self) -> None:
        self.world = World()
        self.console = self.world.console()
        self.needs = {"alice": True, "dora": True, "bob": False, "carol": False}
        self.gives = {"alice": False, "dora": True, "bob": True, "carol": True}
        self.here: dict[int, Attachment] = {}
        self.yes: dict[Attachment, tuple[Attachment, float]] = {}
        self.sent = 0  # pieces of those who needed approval
        self.console.link.connect(WatchedLine(check=self.may_be_sent))
        for name, kind in ((0, 0), (3, 1), (1, 0)):
            self.come(name, kind)

    def rights(self, name: str) -> Rights:
        needs = approval_needed(["@leads"]) if self.needs[name] else frozenset()
        gives = {"approves:@leads"} if self.gives[name] else frozenset()
        return frozenset({"read", "write", "break", "force", "join"}) | needs | gives

    def may_be_sent(self, tag: int) -> None:
        """The rule: somebody else who may approve and is on the console has said yes."""
        attachment = self.here[tag]
        name = attachment.operator.name
        if not self.needs[name]:
            return
        self.sent += 1
        by, since = self.yes[attachment]
        assert by in self.here.values(), "who approved has left"
        assert by.operator.name != name, "approved by the same operator"
        assert self.gives[by.operator.name], "may not approve any more"
        assert self.world.clock.seconds() - since <= APPROVED_FOR, "too long ago"

    @property
    def approvals(self) -> Approvals:
        return self.console.attachments.approvals

    def one(self, number: int) -> tuple[int, Attachment]:
        return sorted(self.here.items())[number % len(self.here)]

    # Steps, each with two numbers

    def come(self, name: int, kind: int) -> None:
        if len(self.here) < 7:
            sink = FakeSink()
            who = ["alice", "bob", "carol", "dora"][name % 4]
            sink.attachment = self.console.attach(
                session(who),
                self.rights(who),
                sink,
                self.console.history.end,
                [TERMINAL, PROGRAM, AttachmentKind.VERB][kind % 3],
            )
            self.here[max(self.here, default=0x20) + 1] = sink.attachment

    def leave(self, number: int, _: int) -> None:
        if len(self.here) > 2:
            tag, attachment = self.one(number)
            attachment.withdraw()
            attachment.detach()
            del self.here[tag]

    def type(self, number: int, size: int) -> None:
        tag, attachment = self.one(number)
        attachment.type(bytes([tag]) * (6000 if size % 2 else 1))

    def force(self, number: int, size: int) -> None:
        self.one(number)[1].take_pen(force=True)
        self.type(number, size)

    def send_break(self, number: int, _: int) -> None:
        self.one(number)[1].send_break()

    def say_yes(self, number: int, size: int) -> None:
        asked = [each for each in self.here.values() if self.approvals.question(each) is not None]
        if asked:
            by = asked[number % len(asked)]
            asker = self.approvals.question(by)
            assert asker is not None
            self.yes[asker] = (by, self.world.clock.seconds())
            self.approvals.answer(by, yes=True)
            tag = next(tag for tag, each in self.here.items() if each is asker)
            self.force(sorted(self.here).index(tag), size)

    def say_no(self, number: int, _: int) -> None:
        self.approvals.answer(self.one(number)[1], yes=False)

    def want(self, number: int, how: int) -> None:
        attachment, pen = self.one(number)[1], self.console.pen
        match how % 5:
            case 0:
                attachment.take_pen()
            case 1:
                pen.line.ask(attachment)
            case 2:
                pen.line.queue(attachment)
            case 3:
                pen.join(attachment)
            case 4:
                pen.locking.lease(attachment, 60.0)

    def hand_over(self, number: int, how: int) -> None:
        pen = self.console.pen
        if not pen.holders:
            return
        holder = pen.holders[0]
        to = pen.line.asker if how % 3 == 0 else self.one(number)[1]
        if how % 3 == 1:
            pen.lay_down()
        elif to is not None:
            # A giver who may approve does so by giving, unless that is done already.
            if self.approvals.refusal(to) is not None:
                self.yes[to] = (holder, self.world.clock.seconds())
            if how % 3 == 0:
                pen.line.answer(holder, yes=True)
            else:
                pen.line.give(holder, to)

    def reload(self, who: int, what: int) -> None:
        rights = self.needs if what % 2 else self.gives
        name = ["alice", "bob", "carol", "dora"][who % 4]
        rights[name] = not rights[name]
        self.console.reassess(lambda who, _subject: self.rights(who.name))

    def wait(self, _: int, seconds: int) -> None:
        clock = self.world.clock
        until = clock.seconds() + [1, 20, 300, APPROVED_FOR / 2][seconds % 4]
        # The clock is at the end of a step while what was due in it is called.
        ends = sorted(since + APPROVED_FOR for _, since in self.yes.values())
        for moment in (*ends, until):
            if clock.seconds() < moment <= until:
                clock.advance(moment - clock.seconds())

    def answered(self, _: int, __: int) -> None:
        """The rest of long input may go."""
        self.console.link.answered()

    def move(self, what: int, _: int) -> None:
        link, line = self.console.link, WatchedLine(check=self.may_be_sent)
        held, lives = self.console.input.held, link.line is not None
        if held and what % 2:
            link.move(line, "10.0.0.1", 1.0)
        elif held:
            link.end_migration("aborted")
        elif not lives:
            link.connect(line)
        elif what % 4 == 0:
            link.disconnect("lost")
        elif what % 4 == 1:
            self.console.attachments.host_changed(HostChange("10.0.0.1", "10.0.0.2", 0.0))
            self.yes.clear()
        else:
            link.migrate()

    def check(self) -> None:
        self.world.turn()
        assert not self.world.failures
        for holder in self.console.pen.holders:
            assert self.approvals.refusal(holder) is None


ACTIONS = [
    FourEyes.come,
    FourEyes.leave,
    FourEyes.type,
    FourEyes.type,
    FourEyes.force,
    FourEyes.send_break,
    FourEyes.say_yes,
    FourEyes.say_yes,
    FourEyes.say_yes,
    FourEyes.say_no,
    FourEyes.want,
    FourEyes.hand_over,
    FourEyes.reload,
    FourEyes.wait,
    FourEyes.answered,
    FourEyes.move,
]


class Model(SynchronousTestCase):
    @settings(max_examples=40, deadline=None)
    @given(st.randoms(use_true_random=True))
    def test_no_byte_reaches_the_vm_without_an_approver_present_who_said_yes(
        self, random: Random
    ) -> None:
        eyes = FourEyes()
        for _ in range(100):
            random.choice(ACTIONS)(eyes, random.randrange(12), random.randrange(12))
            eyes.check()
