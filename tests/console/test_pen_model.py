"""A model of sharing: pen, line, questions, joining, locks, leases, idle pens, force, reloads,
vMotions, changes of host and restarts, in any order.

One invariant: whoever types was allowed to at that moment, and everybody concerned has been told.
"""

import json
from collections.abc import Callable

from attrs import define, evolve, field
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from twisted.trial.unittest import SynchronousTestCase

from tests.fakes import FakeLine, FakeSink, World, session
from vspc.console.access import Operator, Rights, Subject
from vspc.console.attachment import Attachment, AttachmentKind, Refusal
from vspc.console.audit import Audit
from vspc.console.notices import NoticeKind
from vspc.console.pen import WRITERS
from vspc.console.pen_events import PenLock
from vspc.console.pen_line import Waits
from vspc.console.pen_locking import LOCK_LONGEST
from vspc.console.pen_locks import RETURN
from vspc.console.session import Session

NAMES = ("alice", "bob", "carol")
LONE = frozenset({"read", "write"})
RIGHTS: tuple[Rights, ...] = (
    frozenset({"read"}),
    frozenset({"read", "break"}),
    LONE,
    LONE | {"force"},
    LONE | {"join"},
    LONE | {"join", "force", "break"},
    LONE | {"admin"},
    LONE | {"force", "admin", "join"},
)
TERMINAL, PROGRAM, VERB = AttachmentKind.TERMINAL, AttachmentKind.PROGRAM, AttachmentKind.VERB
LOSES = frozenset(
    {
        *(NoticeKind.PEN_TAKEN, NoticeKind.PEN_GONE, NoticeKind.PEN_LAID_DOWN),
        *(NoticeKind.MAY_NOT_TYPE, NoticeKind.HOST_CHANGED),
    }
)
"""What tells its reader that it has the pen no longer."""


class Refusing(Audit):
    """An audit file that cannot be written, with `on_failure = "refuse"`."""

    @property
    def refuses(self) -> bool:
        return True


@define(eq=False)
class Person:
    """An attachment, and what it believes from what it did and what it was shown."""

    attachment: Attachment
    sink: FakeSink
    has_pen: bool = False
    waits: bool = False
    queues: bool = False  # it waits whatever the answer to its question is
    locked: bool = False
    read: int = field(default=0)

    def tell(self) -> None:
        """Read what it was shown."""
        kinds, texts = self.sink.kinds[self.read :], self.sink.notices[self.read :]
        self.read += len(kinds)
        for kind, text in zip(kinds, texts, strict=True):
            self._read(kind, text)

    def _read(self, kind: NoticeKind, text: str) -> None:
        if kind in LOSES or (kind is NoticeKind.PEN_FREE and "you have " in text):
            self.has_pen = False
        match kind:
            case NoticeKind.PEN_GIVEN:
                self.has_pen, self.waits, self.queues = True, False, False
            case NoticeKind.PEN_WAITS:
                self.waits = self.queues = True
            case NoticeKind.PEN_NOT_WAITED:
                self.waits = self.queues = False
            case NoticeKind.PEN_KEPT:
                self.waits = self.queues
            case NoticeKind.PEN_LOCKED:
                self.locked = True
            case NoticeKind.PEN_UNLOCKED:
                self.locked = False
                if self.attachment.lease:  # it may have been lent, which is over, too
                    self.has_pen = self.attachment.has_pen
            case NoticeKind.MORE if "the pen" in text and "for the pen" not in text.split(", ")[-1]:
                self.locked = " by " in text or " to " in text


class Sharing(RuleBasedStateMachine):
    """One console, three operators with up to eight attachments."""

    def __init__(self) -> None:
        super().__init__()
        self.rights: dict[str, Rights] = dict.fromkeys(NAMES, RIGHTS[5])
        self.epoch = 1_700_000_000.0
        self.sessions = 0
        self.hosts = 1
        self.lease = ""
        self.begin(None)

    def begin(self, locks: object) -> None:
        """A server starts."""
        self.world = World()
        self.world.clock.epoch = self.epoch
        self.context = self.world.console_context
        object.__setattr__(self.context, "pen_idle", lambda: 900.0)
        if locks is not None:
            assert self.context.locks.restore(json.loads(json.dumps(locks)))
        self.started = self.world.clock.wall()
        self.console, self.line = self.world.connected()
        self.console.reassess(self.rights_of)
        self.pen = self.console.pen
        self.people: list[Person] = []
        for name in NAMES:
            self.come(name, TERMINAL)

    def rights_of(self, operator: Operator, _subject: Subject | None = None) -> Rights:
        return self.rights[operator.name]

    def one(self, number: int) -> Person | None:
        return self.people[number % len(self.people)] if self.people else None

    def settle(self) -> None:
        self.world.turn()
        for person in self.people:
            person.tell()

    # Coming and going

    @rule(name=st.sampled_from(NAMES), kind=st.sampled_from((TERMINAL, PROGRAM, VERB)))
    def comes(self, name: str, kind: AttachmentKind) -> None:
        self.come(name, kind)

    def come(self, name: str, kind: AttachmentKind) -> None:
        if len(self.people) >= 8 or "read" not in self.rights[name]:
            return
        self.sessions += 1
        made = evolve(session(name), id=f"s{self.sessions}")
        self.context.sessions.enter(made, lambda _reason: None, bounded=False)
        self.enter(made, kind)

    @rule(number=st.integers(0, 7))
    def come_again(self, number: int) -> None:
        person = self.one(number)
        if person is not None and len(self.people) < 8:
            self.enter(person.attachment.session, TERMINAL)

    def enter(self, made: Session, kind: AttachmentKind) -> None:
        sink = FakeSink()
        rights, end = self.rights[made.operator.name], self.console.history.end
        attachment = self.console.attach(made, rights, sink, end, kind)
        sink.attachment = attachment
        self.people.append(Person(attachment, sink, locked=self.pen.lock is not None))
        self.settle()

    @rule(number=st.integers(0, 7), stays=st.booleans())
    def go(self, number: int, stays: bool) -> None:
        person = self.one(number)
        if person is None:
            return
        self.people.remove(person)
        person.attachment.detach()
        gone = person.attachment.session
        if not stays and not any(each.attachment.session is gone for each in self.people):
            self.context.sessions.leave(gone)
        self.settle()

    # What one does

    @rule(number=st.integers(0, 7))
    def type(self, number: int) -> None:
        person = self.one(number)
        if person is None:
            return
        attachment, before = person.attachment, self.written()
        was_free, lock = not self.pen.holders, self.pen.lock
        may_begin = not isinstance(self.context.audit, Refusing)
        typed = attachment.type(b"x")
        if typed.taken or self.written() > before:
            assert "write" in self.rights[attachment.operator.name]
            assert attachment in self.pen.holders
            assert not attachment.must_ask
            assert person.has_pen or (was_free and may_begin)
            assert lock is None or self.is_owner(lock, attachment)
            person.has_pen, person.waits, person.queues = True, False, False
        else:
            assert typed.refusal is not None
        self.settle()

    def written(self) -> int:
        return len(self.line.sent) + self.console.input.waiting

    @staticmethod
    def is_owner(lock: PenLock, attachment: Attachment) -> bool:
        if lock.is_lease:
            return attachment.lease == lock.id
        return attachment.operator.name == lock.operator.name

    @rule(number=st.integers(0, 7))
    def send_break(self, number: int) -> None:
        person = self.one(number)
        if person is not None:
            lock, others = self.pen.lock, set(self.pen.holders) - {person.attachment}
            mine = person.attachment in self.pen.holders
            if person.attachment.send_break().taken:
                assert "break" in self.rights[person.attachment.operator.name]
                assert mine or not others
                assert lock is None or self.is_owner(lock, person.attachment)
                person.has_pen = person.has_pen or person.attachment.has_pen
                person.waits = person.waits and not person.has_pen
            self.settle()

    # Each a rule of its own, so that they are most of what happens.

    @rule(number=st.integers(0, 7))
    def take(self, number: int) -> None:
        self.want(number, "take")

    @rule(number=st.integers(0, 7))
    def force(self, number: int) -> None:
        self.want(number, "force")

    @rule(number=st.integers(0, 7))
    def queue(self, number: int) -> None:
        self.want(number, "queue")

    @rule(number=st.integers(0, 7))
    def queue_again(self, number: int) -> None:
        self.want(number, "queue")

    @rule(number=st.integers(0, 7))
    def ask(self, number: int) -> None:
        self.want(number, "ask")

    @rule(number=st.integers(0, 7))
    def ask_again(self, number: int) -> None:
        self.want(number, "ask")

    @rule(number=st.integers(0, 7))
    def join(self, number: int) -> None:
        self.want(number, "join")

    @rule(number=st.integers(0, 7))
    def lock(self, number: int) -> None:
        self.want(number, "lock")

    @rule(number=st.integers(0, 7))
    def lease_it(self, number: int) -> None:
        self.want(number, "lease")

    def want(self, number: int, how: str) -> None:
        person = self.one(number)
        if person is None:
            return
        attachment, pen = person.attachment, self.pen
        lock = pen.lock
        may_take = lock is None or self.is_owner(lock, attachment)
        is_admin = "admin" in attachment.rights
        ways: dict[str, Callable[[], object]] = {
            "take": lambda: pen.take(attachment),
            "force": lambda: pen.take(attachment, force=True),
            "queue": lambda: pen.line.queue(attachment),
            "ask": lambda: pen.line.ask(attachment),
            "join": lambda: pen.join(attachment),
            "lock": lambda: pen.locking.take_and_lock(attachment, 3600, "reason"),
            "lease": lambda: pen.locking.lease(attachment, 600, "build 512"),
        }
        outcome = ways[how]()
        if isinstance(outcome, PenLock):
            self.lease = outcome.id
        if isinstance(outcome, Waits):
            person.waits, person.queues = True, person.queues or how == "queue"
        elif not isinstance(outcome, Refusal):
            assert may_take or (how == "force" and is_admin)
        if attachment.has_pen and not isinstance(outcome, Waits):
            person.has_pen, person.waits, person.queues = True, False, False
        self.settle()

    @rule(to=st.integers(0, 7), how=st.sampled_from(("yes", "no", "give")))
    def give(self, to: int, how: str) -> None:
        """A holder does."""
        held = [each for each in self.people if each.attachment in self.pen.holders]
        giver, taker = next(iter(held[to % 2 :]), None), self.one(to)
        if giver is None or taker is None:
            return
        line = self.pen.line
        if how == "give":
            line.give(giver.attachment, taker.attachment)
        else:
            line.answer(giver.attachment, how == "yes")
        giver.has_pen = giver.attachment.has_pen
        self.settle()

    @rule(number=st.integers(0, 7), holds=st.booleans())
    def only_read(self, number: int, holds: bool) -> None:
        person = self.one(number)
        if holds:
            held = (each for each in self.people if each.attachment in self.pen.holders)
            person = next(held, None)
        if person is not None:
            self.pen.line.leave(person.attachment)
            person.waits = person.queues = False
            if person.attachment.has_pen:
                self.pen.lay_down(attachment=person.attachment)
                person.has_pen = False
            self.settle()

    @rule(number=st.integers(0, 7), keeps=st.booleans(), seconds=st.sampled_from((60, 1e9)))
    def lock_from_elsewhere(self, number: int, keeps: bool, seconds: float) -> None:
        person = self.one(number)
        if person is not None:
            who = person.attachment.session
            self.pen.locking.set_lock(who, self.rights[who.operator.name], seconds, "", keeps)
            self.settle()

    @rule(number=st.integers(0, 7))
    def unlock(self, number: int) -> None:
        person = self.one(number)
        if person is not None:
            lock, who = self.pen.lock, person.attachment.session
            refusal = self.pen.locking.unlock(who, self.rights[who.operator.name])
            own = lock is None or lock.operator.name == who.operator.name
            assert (refusal is None) == (own or "admin" in self.rights[who.operator.name])
            self.settle()

    @rule(number=st.integers(0, 7))
    def type_under_a_lease(self, number: int) -> None:
        person = self.one(number)
        if person is not None:
            self.pen.locking.use_lease(person.attachment, self.lease)
            if person.attachment.has_pen:
                person.has_pen, person.waits, person.queues = True, False, False
            self.settle()

    # What happens

    @rule(seconds=st.sampled_from((0.5, 1.0, 20.0, 600.0, 900.0, 3600.0)))
    def wait(self, seconds: float) -> None:
        object.__setattr__(self.context, "audit", Audit())
        self.world.clock.advance(seconds)
        self.settle()

    @rule(name=st.sampled_from(NAMES), rights=st.sampled_from(RIGHTS))
    def reload(self, name: str, rights: Rights) -> None:
        self.rights[name] = rights
        self.console.reassess(self.rights_of)
        self.settle()

    @rule(how=st.sampled_from(("moves", "stays", "same host", "another host")))
    def vm(self, how: str) -> None:
        """A vMotion, or the VM goes away and comes back."""
        if how in ("moves", "stays"):
            self.migrate(how == "moves")
        else:
            self.come_back(how == "same host")

    def migrate(self, moves: bool) -> None:
        link = self.console.link
        if link.line is None:
            return
        link.migrate()
        self.settle()
        if moves:
            self.line = self.fresh()
            link.move(self.line, "10.0.0.1", 1.0)
        else:
            link.resume()
        self.settle()

    def come_back(self, same_host: bool) -> None:
        """On another host nobody types before asking."""
        link = self.console.link
        address = link.last_address
        link.disconnect("off")
        self.settle()
        self.line = FakeLine(address) if same_host else self.fresh()
        link.connect(self.line)
        assert same_host or not self.pen.holders
        self.settle()

    def fresh(self) -> FakeLine:
        self.hosts += 1
        return FakeLine(f"10.0.{self.hosts // 250}.{self.hosts % 250}")

    @rule()
    def audit(self) -> None:
        """The audit file cannot be written for a while."""
        object.__setattr__(self.context, "audit", Refusing())

    @rule(seconds=st.sampled_from((0.0, 600.0)))
    def restart(self, seconds: float) -> None:
        """All sessions end, no lock does."""
        before = {(lock.operator.name, lock.until) for lock in self.context.locks.saved}
        if not before:
            return
        self.context.locks.stop()
        for opened in self.context.sessions:
            self.context.sessions.leave(opened.session)
        self.epoch = self.world.clock.wall() + seconds
        self.begin(self.context.locks.as_value())
        after = {(lock.operator.name, lock.until) for lock in self.context.locks.saved}
        allowed = {name for name in NAMES if "write" in self.rights[name]}
        assert after == {each for each in before if each[1] > self.epoch and each[0] in allowed}

    # The invariant

    @invariant()
    def who_may_type_is_allowed_to(self) -> None:
        pen = self.pen
        assert len(pen.holders) <= WRITERS
        for each in pen.holders:
            assert each in self.console.attachments
            assert "write" in self.rights[each.operator.name]
            assert len(pen.holders) == 1 or "join" in self.rights[each.operator.name]
            assert pen.lock is None or self.is_owner(pen.lock, each)

    @invariant()
    def a_lock_has_an_owner_and_an_end(self) -> None:
        lock, now = self.pen.lock, self.world.clock.wall()
        if lock is None:
            return
        assert now < lock.until <= lock.since + LOCK_LONGEST
        assert "write" in self.rights[lock.operator.name]
        if lock.is_lease:
            assert self.pen.locking.lessee is not None
        elif not lock.keeps and now >= self.started + RETURN:
            assert self.context.sessions.of(lock.operator.name)

    @invariant()
    def a_free_pen_is_not_waited_for(self) -> None:
        pen = self.pen
        if not pen.holders:
            assert all(pen.locking.bars(each) for each in pen.line), list(pen.line)
        assert not set(pen.line) & set(pen.holders)

    @invariant()
    def everybody_concerned_has_been_told(self) -> None:
        leased = self.pen.locking.is_leased
        for person in self.people:
            attachment = person.attachment
            if attachment not in self.console.attachments:
                continue  # a reload took the right to read, which ended it
            if not (leased and attachment.lease):  # it lends the pen to its own operator
                assert person.has_pen == attachment.has_pen, (attachment.kind, person.has_pen)
            assert person.waits == (attachment in set(self.pen.line))

    @invariant()
    def terminals_know_whether_it_is_locked(self) -> None:
        presence = self.console.attachments.presence
        if presence is not None and not presence.is_behind:
            for person in self.people:
                if person.attachment.kind is TERMINAL:
                    assert person.locked == (self.pen.lock is not None)

    @invariant()
    @precondition(lambda self: not self.people)
    def nothing_is_left_of_the_line(self) -> None:
        assert len(self.pen.line) == 0


class SharingModel(SynchronousTestCase):
    def test_in_any_order(self) -> None:
        run_state_machine_as_test(
            Sharing,
            settings=settings(
                max_examples=40,
                stateful_step_count=40,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
