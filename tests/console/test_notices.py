"""A notice that a condition begins is followed by one that it ends (law 13); presence."""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.fakes import ALL, READ, FakeLine, FakeSink, World, session
from vspc.console.access import Operator, Rights, Subject, approval_needed
from vspc.console.attachment import Attachment, AttachmentKind
from vspc.console.console import Console
from vspc.console.events import How
from vspc.console.input_flow import PATIENCE
from vspc.console.link import HOLDING
from vspc.console.notices import NoticeKind
from vspc.console.presence_notices import BURST
from vspc.console.remote import RemoteSystem
from vspc.wire.uri import RemoteUri


class Scene:
    """A console with a terminal on it; `told` is what it was told."""

    def __init__(self) -> None:
        self.world = World()
        self.console, self.line = self.world.connected()
        self.alice, self.alices = self.join("alice")
        self.addresses = iter(range(2, 250))

    def join(
        self, name: str, kind: AttachmentKind = AttachmentKind.TERMINAL
    ) -> tuple[Attachment, FakeSink]:
        sink = FakeSink()
        end = self.console.history.end
        attachment = self.console.attach(session(name), ALL, sink, end, kind)
        sink.attachment = attachment
        return attachment, sink

    @property
    def told(self) -> list[str]:
        self.world.turn()
        return self.alices.notices

    @property
    def kinds(self) -> list[NoticeKind]:
        self.world.turn()
        return self.alices.kinds

    def wait(self, seconds: float) -> None:
        self.world.clock.advance(seconds)

    def fresh(self) -> FakeLine:
        self.line = FakeLine(f"10.0.0.{next(self.addresses)}")
        return self.line

    # What happens to a console

    def goes(self) -> None:
        self.console.link.disconnect("connection lost")

    def comes(self) -> None:
        self.console.link.connect(self.fresh())

    def stalls(self) -> None:
        self.line.unread = 1 << 20  # bytes that its TCP has not acknowledged
        self.alice.take_pen()
        self.alice.type(b"p" * 9000)
        self.wait(PATIENCE)

    def suspends(self) -> None:
        self.line.suspended = True
        self.console.link.flow_changed()
        self.alice.take_pen()
        self.alice.type(b"s" * 20)
        self.wait(PATIENCE)

    def goes_on(self) -> None:
        self.line.suspended = False
        self.console.link.flow_changed()

    def answers(self) -> None:
        while self.line.questions:
            self.line.questions -= 1
            self.console.link.answered()

    def migrates(self) -> None:
        self.console.link.migrate()
        self.wait(HOLDING)

    def moves(self) -> None:
        self.console.link.move(self.fresh(), "10.0.0.1", 4.0)

    def stays(self) -> None:
        self.console.link.end_migration("it was aborted")

    def resumes(self) -> None:
        self.console.link.resume()

    def is_replaced(self) -> None:
        self.console.link.replace(self.fresh(), "the old line does not answer", How.REPLACED)

    def is_replaced_by_the_same_host(self) -> None:
        address, self.line = self.line.address, FakeLine(self.line.address)
        self.line.address = address
        self.console.link.replace(self.line, "the old line does not answer", How.REPLACED)

    # What others do with the pen

    def other(self, name: str) -> Attachment:
        there = (each for each in self.console.attachments if each.operator.name == name)
        return next(there, None) or self.join(name)[0]

    def alice_types(self) -> None:
        self.assert_none(self.alice.take_pen())

    def alice_asks(self) -> None:
        self.console.pen.line.ask(self.alice)

    def alice_forces(self) -> None:
        self.assert_none(self.alice.take_pen(force=True))

    def alice_says_yes(self) -> None:
        self.console.pen.line.answer(self.alice, True)

    def bob_types(self) -> None:
        self.assert_none(self.other("bob").take_pen())

    def bob_lays_it_down(self) -> None:
        self.console.pen.lay_down(attachment=self.other("bob"))

    def bob_asks(self) -> None:
        self.console.pen.line.ask(self.other("bob"))

    def bob_leaves_the_line(self) -> None:
        self.console.pen.line.leave(self.other("bob"))

    def bob_forces(self) -> None:
        self.assert_none(self.other("bob").take_pen(force=True))

    def bob_locks(self) -> None:
        self.assert_none(self.console.pen.locking.take_and_lock(self.other("bob")))

    def bob_unlocks(self) -> None:
        bob = self.other("bob")
        self.assert_none(self.console.pen.locking.unlock(bob.session, bob.rights))

    def carol_forces(self) -> None:
        self.assert_none(self.other("carol").take_pen(force=True))

    def carol_lays_it_down(self) -> None:
        self.console.pen.lay_down(attachment=self.other("carol"))

    def comes_from_elsewhere(self) -> None:
        self.goes()
        self.comes()

    @staticmethod
    def assert_none(refusal: object) -> None:
        assert refusal is None, refusal

    def takes_it_all(self) -> None:
        """It answers nothing, but what waits goes out as TCP has it."""
        self.line.unread = 0
        self.wait(1)

    def loses_write(self) -> None:
        self.console.reassess(lambda _operator, _subject: READ)

    # Approval of what others type

    def rules(self, needs: str = "", gives: str = "") -> None:
        def rights(who: Operator, _subject: Subject) -> Rights:
            need = approval_needed(["@leads"]) if who.name == needs else frozenset()
            return ALL | need | ({"approves:@leads"} if who.name == gives else frozenset())

        self.console.reassess(rights)

    def alice_needs_approval(self) -> None:
        self.other("bob")
        self.rules("alice", "bob")
        self.alice.take_pen()

    def alice_may_approve(self) -> None:
        self.other("bob")
        self.rules("bob", "alice")
        self.other("bob").take_pen()

    def is_approved(self) -> None:
        self.console.attachments.approvals.answer(self.other("bob"), yes=True)

    def is_not_approved(self) -> None:
        self.console.attachments.approvals.answer(self.other("bob"), yes=False)

    def bob_leaves(self) -> None:
        self.other("bob").detach()

    def gets_write(self) -> None:
        self.console.reassess(lambda _operator, _subject: ALL)

    def withdraws(self) -> None:
        self.alice.withdraw()

    def remote_goes(self) -> None:
        uri = RemoteUri.parse("tcp://moxa-1:4001")
        self.console.remote_changed(RemoteSystem(uri, "not connected: it closed the connection"))

    def remote_comes(self) -> None:
        uri = RemoteUri.parse("tcp://moxa-1:4001")
        self.console.remote_changed(RemoteSystem(uri, "connected, at 10.0.9.7", True))


Step = Callable[[Scene], None]


@frozen
class Begins:
    """How it begins, what is told then, and for each way to end what is told then."""

    steps: tuple[Step, ...]
    kind: NoticeKind
    ends: tuple[tuple[tuple[Step, ...], NoticeKind], ...]


def forty_seconds(scene: Scene) -> None:
    scene.wait(40)


def an_hour(scene: Scene) -> None:
    scene.wait(3600)


CONDITIONS: tuple[Begins, ...] = (
    Begins(
        (Scene.goes,),
        NoticeKind.AWAY,
        (((forty_seconds, Scene.comes), NoticeKind.CONNECTED),),
    ),
    Begins(
        (Scene.migrates,),
        NoticeKind.MIGRATING,
        (
            ((Scene.moves,), NoticeKind.MOVED),
            ((Scene.stays,), NoticeKind.NOT_MOVED),
            ((Scene.resumes,), NoticeKind.RESUMED),
            ((Scene.goes,), NoticeKind.AWAY),
            ((Scene.is_replaced,), NoticeKind.MIGRATION_OVER),
            ((Scene.is_replaced_by_the_same_host,), NoticeKind.MIGRATION_OVER),
        ),
    ),
    Begins(
        (Scene.stalls,),
        NoticeKind.UNANSWERED,
        (
            ((Scene.answers,), NoticeKind.ANSWERED),
            ((Scene.takes_it_all, Scene.answers), NoticeKind.ANSWERED),
            ((Scene.goes,), NoticeKind.AWAY),
            ((Scene.is_replaced,), NoticeKind.ANSWERED),
            ((Scene.is_replaced_by_the_same_host,), NoticeKind.ANSWERED),
            ((Scene.migrates, Scene.moves), NoticeKind.ANSWERED),
        ),
    ),
    Begins(  # input that waits
        (Scene.stalls,),
        NoticeKind.UNANSWERED,
        (
            ((Scene.answers,), NoticeKind.CAUGHT_UP),
            ((Scene.takes_it_all,), NoticeKind.CAUGHT_UP),
            ((Scene.withdraws,), NoticeKind.CAUGHT_UP),
            ((Scene.goes,), NoticeKind.UNSENT),
            ((Scene.is_replaced,), NoticeKind.UNSENT),
            ((Scene.migrates, Scene.moves, Scene.answers), NoticeKind.CAUGHT_UP),
        ),
    ),
    Begins(
        (Scene.suspends,),
        NoticeKind.SUSPENDED,
        (
            ((Scene.goes_on,), NoticeKind.GOES_ON),
            ((Scene.goes_on,), NoticeKind.CAUGHT_UP),
            ((Scene.withdraws,), NoticeKind.CAUGHT_UP),
            ((Scene.goes,), NoticeKind.AWAY),
            ((Scene.goes,), NoticeKind.UNSENT),
            ((Scene.is_replaced,), NoticeKind.GOES_ON),
            ((Scene.migrates, Scene.moves), NoticeKind.GOES_ON),
            ((Scene.migrates, Scene.stays, Scene.goes_on), NoticeKind.GOES_ON),
        ),
    ),
    Begins(
        (Scene.remote_goes,),
        NoticeKind.REMOTE_MISSING,
        (
            ((Scene.remote_comes,), NoticeKind.REMOTE_CONNECTED),
            ((Scene.goes,), NoticeKind.AWAY),
        ),
    ),
    Begins(
        (Scene.loses_write,),
        NoticeKind.MAY_NOT_TYPE,
        (((Scene.gets_write,), NoticeKind.MAY_TYPE),),
    ),
    Begins(
        (Scene.bob_types, Scene.bob_lays_it_down),
        NoticeKind.PEN_FREE,
        (((Scene.bob_types,), NoticeKind.PEN_PASSED),),
    ),
    Begins(
        (Scene.bob_types, Scene.bob_locks),
        NoticeKind.PEN_LOCKED,
        (
            ((Scene.bob_unlocks,), NoticeKind.PEN_UNLOCKED),
            ((an_hour,), NoticeKind.PEN_UNLOCKED),
            ((Scene.alice_forces,), NoticeKind.PEN_UNLOCKED),
        ),
    ),
    Begins(
        (Scene.alice_types, Scene.bob_asks),
        NoticeKind.PEN_ASKED,
        (
            ((Scene.bob_leaves_the_line,), NoticeKind.PEN_ASK_OVER),
            ((forty_seconds,), NoticeKind.PEN_GONE),
            ((Scene.alice_says_yes,), NoticeKind.PEN_GONE),
            ((Scene.bob_forces,), NoticeKind.PEN_TAKEN),
        ),
    ),
    Begins(
        (Scene.alice_needs_approval,),
        NoticeKind.APPROVAL_NEEDED,
        (
            ((Scene.is_approved,), NoticeKind.APPROVAL_GIVEN),
            ((Scene.is_not_approved,), NoticeKind.APPROVAL_REFUSED),
            ((an_hour,), NoticeKind.APPROVAL_REFUSED),
            ((Scene.rules,), NoticeKind.APPROVAL_NEEDLESS),
        ),
    ),
    Begins(
        (Scene.alice_needs_approval, Scene.is_approved),
        NoticeKind.APPROVAL_GIVEN,
        (
            ((Scene.bob_leaves,), NoticeKind.APPROVAL_ENDED),
            ((an_hour,), NoticeKind.APPROVAL_ENDED),
        ),
    ),
    Begins(
        (Scene.alice_may_approve,),
        NoticeKind.APPROVAL_ASKED,
        (
            ((Scene.bob_leaves,), NoticeKind.APPROVAL_OVER),
            ((an_hour,), NoticeKind.APPROVAL_OVER),
            ((Scene.rules,), NoticeKind.APPROVAL_OVER),
        ),
    ),
    Begins(  # one who asked the former holder waits for the next one
        (Scene.bob_types, Scene.alice_asks, Scene.carol_forces),
        NoticeKind.PEN_WAITS,
        (
            ((Scene.carol_lays_it_down,), NoticeKind.PEN_GIVEN),
            ((Scene.loses_write,), NoticeKind.PEN_NOT_WAITED),
            ((Scene.comes_from_elsewhere,), NoticeKind.PEN_NOT_WAITED),
        ),
    ),
)

EVENTS = frozenset(
    {
        NoticeKind.BREAK,
        NoticeKind.REPLACED,
        NoticeKind.HOST_CHANGED,
        NoticeKind.MAY_NOT_BREAK,
        NoticeKind.ATTACHED,
        NoticeKind.LEFT,
        NoticeKind.PEN_WAITED,
        NoticeKind.PEN_KEPT,
        NoticeKind.PEN_JOINED,
        NoticeKind.PEN_ALONE,
        NoticeKind.PEN_LAID_DOWN,
        NoticeKind.PEN_TAKEN,
        NoticeKind.PEN_IS_TAKEN,
        NoticeKind.PEN_IS_FREE,
        NoticeKind.MORE,
        NoticeKind.TEXT,
    }
)
"""What happens at once, and is over when it is told."""


class TableOfNotices(SynchronousTestCase):
    def test_each_condition_ends_with_a_notice(self) -> None:
        for begins in CONDITIONS:
            for steps, kind in begins.ends:
                scene = Scene()
                for step in begins.steps:
                    step(scene)
                self.assertIn(begins.kind, scene.kinds)
                before = len(scene.kinds)
                for step in steps:
                    step(scene)
                self.assertIn(kind, scene.kinds[before:], (begins.kind, steps))

    def test_a_host_that_does_not_answer_is_known_as_long_as_it_does_not(self) -> None:
        scene = Scene()
        self.assertFalse(scene.console.link.is_unanswered)
        scene.stalls()
        self.assertTrue(scene.console.link.is_unanswered)
        scene.answers()
        self.assertFalse(scene.console.link.is_unanswered)

    def test_every_kind_is_in_the_table(self) -> None:
        """A new one has to be put there: does something begin with it?"""
        known = EVENTS.union(
            *({begins.kind, *(kind for _, kind in begins.ends)} for begins in CONDITIONS)
        )
        self.assertEqual(set(NoticeKind) - known, set())

    def test_their_text(self) -> None:
        scene = Scene()
        for step in (Scene.stalls, Scene.answers, Scene.goes, forty_seconds, Scene.comes):
            step(scene)
        for pattern, text in zip(
            (
                r"web01 does not answer: \d+ bytes wait",
                r"web01 answers again; \d+ bytes wait",
                r"no input waits for web01 any more",
                r"web01 is away \(connection lost\)",
                r"web01 is connected again, from 10\.0\.0\.2, after 40 s",
                r"web01 is on 10\.0\.0\.2 now; it was on 10\.0\.0\.1, and this was not a vMotion",
            ),
            sorted(scene.told, key=lambda text: text.startswith("web01 is on")),
            strict=True,
        ):
            self.assertRegex(text, rf"\A{pattern}\Z")


STEPS: Mapping[str, Step] = MappingProxyType(
    {
        "goes": Scene.goes,
        "comes": Scene.comes,
        "stalls": Scene.stalls,
        "answers": Scene.answers,
        "suspends": Scene.suspends,
        "goes on": Scene.goes_on,
        "migrates": Scene.migrates,
        "moves": Scene.moves,
        "stays": Scene.stays,
        "resumes": Scene.resumes,
        "is replaced": Scene.is_replaced,
        "takes it all": Scene.takes_it_all,
        "waits": forty_seconds,
    }
)


def possible(console: Console, step: str) -> bool:
    """Whether that can happen to it now."""
    match step:
        case "comes":
            return not console.live
        case "moves" | "stays" | "resumes":
            return console.link.migrating and console.link.line is not None
        case "goes" | "stalls" | "suspends" | "goes on" | "migrates" | "is replaced":
            return console.link.line is not None
    return console.link.line is not None or step == "waits"


class Believed:
    """What the notices say that goes on, to a reader of all of them."""

    def __init__(self, kinds: list[NoticeKind]) -> None:
        self.away = self.held = self.silent = self.waiting = self.suspended = False
        for kind in kinds:
            self.read(kind)

    def read(self, kind: NoticeKind) -> None:
        match kind:
            case NoticeKind.AWAY:
                self.away, self.held, self.silent, self.waiting = True, False, False, False
                self.suspended = False
            case NoticeKind.CONNECTED:
                self.away = False
            case NoticeKind.MIGRATING:
                self.held = True
            case (
                NoticeKind.MOVED
                | NoticeKind.NOT_MOVED
                | NoticeKind.RESUMED
                | NoticeKind.MIGRATION_OVER
            ):
                self.held = False
            case NoticeKind.UNANSWERED:
                self.silent = self.waiting = True
            case NoticeKind.ANSWERED:
                self.silent = False
            case NoticeKind.SUSPENDED:
                self.suspended = self.waiting = True
            case NoticeKind.GOES_ON:
                self.suspended = False
            case NoticeKind.CAUGHT_UP | NoticeKind.UNSENT:
                self.waiting = False


class AnyOrder(SynchronousTestCase):
    @settings(deadline=None, max_examples=150)
    @given(st.lists(st.sampled_from(sorted(STEPS)), max_size=14))
    def test_all_notices_together_give_the_state(self, steps: list[str]) -> None:
        scene = Scene()
        for step in steps:
            if possible(scene.console, step):
                STEPS[step](scene)
            told, console = Believed(scene.kinds), scene.console
            self.assertEqual(told.away, not console.live, (step, scene.told))
            if not console.link.migrating:
                self.assertFalse(told.held, (step, scene.told))
            if console.link.line is not None and not console.link.line.suspended:
                self.assertFalse(told.suspended, (step, scene.told))
            if not console.input.waiting:
                self.assertFalse(told.waiting, (step, scene.told))
        if not scene.console.live:
            return
        if scene.console.link.migrating:
            scene.moves() if scene.console.link.line is not None else scene.goes()
        scene.answers()
        told = Believed(scene.kinds)
        self.assertFalse(told.silent and scene.console.live, scene.told)

    def test_an_away_that_comes_late_to_a_slow_reader_still_comes_first(self) -> None:
        scene = Scene()
        scene.alices.stalled = True
        scene.console.link.output(b"x" * 100)
        scene.goes()
        scene.comes()
        scene.world.turn()
        scene.alices.read()
        line = (NoticeKind.AWAY, NoticeKind.CONNECTED)
        self.assertEqual([kind for kind in scene.kinds if kind in line], list(line))


class Company(SynchronousTestCase):
    """Attachments that come, leave, ask for the pen and lay it down."""

    def setUp(self) -> None:
        self.scene = Scene()
        self.console, self.alice = self.scene.console, self.scene.alice

    def test_terminals_are_told_of_attachments(self) -> None:
        raw, raws = self.scene.join("carol", AttachmentKind.PROGRAM)
        bob, bobs = self.scene.join("bob")
        bob.detach()
        raw.detach()
        self.assertEqual(
            self.scene.told, ["carol attached", "bob attached", "bob left", "carol left"]
        )
        self.assertEqual((raws.notices, bobs.notices), ([], []))

    def test_verbs_come_and_go_unseen(self) -> None:
        send, _ = self.scene.join("carol", AttachmentKind.VERB)
        send.type(b"x")
        send.detach()
        self.assertEqual(self.scene.told, [])

    def test_that_the_pen_is_free(self) -> None:
        bob, bobs = self.scene.join("bob")
        bob.type(b"x")
        self.console.pen.lay_down()
        bob.type(b"x")
        bob.detach()
        self.assertEqual(
            self.scene.told[1:],
            ["the pen is free: bob laid it down", "bob has the pen", "bob left; the pen is free"],
        )
        self.scene.world.turn()
        self.assertEqual(bobs.notices, [])

    def test_a_verb_that_lays_it_down_is_told_if_it_was_asked_for(self) -> None:
        send, _ = self.scene.join("carol", AttachmentKind.VERB)
        send.type(b"x")
        self.alice.type(b"y")
        send.detach()
        self.assertEqual(self.scene.told, ["the pen is free: carol laid it down"])

    def test_a_request_is_told_to_its_holder_only(self) -> None:
        _, bobs = self.scene.join("bob")
        carol, _ = self.scene.join("carol")
        self.alice.type(b"x")
        before = len(self.scene.told)
        carol.take_pen()
        self.assertEqual(self.scene.told[before:], ["carol asks for the pen"])
        self.assertNotIn("carol asks for the pen", bobs.notices)

    def test_oneself_elsewhere_is_you(self) -> None:
        other, others = self.scene.join("alice")
        self.assertEqual(self.scene.told, ["you, from session s-alice (this one), attached"])
        self.alice.type(b"x")
        other.take_pen(force=True)
        self.assertEqual(
            self.scene.told[1:],
            ["you, from session s-alice (this one), took the pen; you are reading now"],
        )
        self.scene.world.turn()
        self.assertEqual(others.notices, [])

    def test_a_storm_costs_a_line_a_second_and_its_numbers_add_up(self) -> None:
        for _ in range(50):
            for _ in range(10):
                self.scene.join("bob")[0].detach()
            self.scene.wait(0.1)
        self.scene.wait(5)
        told = self.scene.told
        self.assertLessEqual(len(told), BURST + 6)
        came = sum(text == "bob attached" for text in told)
        came += sum(int(found[1]) for t in told if (found := re.search(r"(\d+) more attached", t)))
        left = sum(text == "bob left" for text in told)
        left += sum(int(found[1]) for t in told if (found := re.search(r"(\d+) more left", t)))
        self.assertEqual((came, left), (500, 500))

    def test_a_storm_hides_no_pen_that_is_free(self) -> None:
        bob, _ = self.scene.join("bob")
        for _ in range(20):
            self.scene.join("carol")[0].detach()
        bob.type(b"x")
        bob.detach()
        self.scene.wait(2)
        self.assertRegex(self.scene.told[-1], r"more attached, \d+ more left, the pen is free\Z")

    def test_asking_again_and_again_is_bounded(self) -> None:
        bob, _ = self.scene.join("bob")
        self.alice.type(b"x")
        for _ in range(100):
            bob.take_pen()
        self.scene.wait(2)
        self.assertLessEqual(len(self.scene.told), BURST + 2)

    def test_nothing_of_it_is_left_when_all_have_gone(self) -> None:
        for _ in range(20):
            self.scene.join("carol")[0].detach()
        self.alice.detach()
        self.assertEqual(self.scene.world.clock.twisted.getDelayedCalls(), [])
