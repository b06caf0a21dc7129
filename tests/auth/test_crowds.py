"""Programs in any order of events, with children that a test controls."""

from collections.abc import Sequence
from typing import Any

from attrs import define, field
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from twisted.trial.unittest import SynchronousTestCase

from tests.auth.scripts import Ear, claimant
from tests.fakes import FakeClock
from vspc.auth.methods.command import converse
from vspc.auth.methods.publickey import authorized_keys
from vspc.auth.programs import IN_ALL, PATIENCE, RUNNING, STEP, TURN, WAITING, Programs
from vspc.config.values import ProgramPath
from vspc.console.authentication import ProofRefused, Proved, Question
from vspc.net.children import Child, ChildObserver

ADDRESSES = st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1"])
TEXTS = st.sampled_from(
    [
        b"ask x\n",
        b"ok\n",
        b"no\n",
        b"as",
        b"k\n",
        b"\n",
        b"ask\nok\n",
        b"tell x\n",
        b"wait 9 x\n",
        b"wait 9\nno\n",
    ]
)


@define(eq=False)
class FakeChild(Child):
    """A child that lives until the test ends it."""

    observer: ChildObserver
    heard: bytearray = field(factory=bytearray)
    deaf: bool = False
    signals: list[bool] = field(factory=list)
    lives: bool = True

    def write(self, data: bytes) -> None:
        self.heard += data

    def close_input(self) -> None:
        pass

    def ignore_output(self) -> None:
        self.deaf = True

    def end(self, force: bool = False) -> None:
        assert self.lives, "that number may be somebody else's by now"
        self.signals.append(force)

    def exit(self, status: int) -> None:
        self.lives = False
        self.observer.exited(status)


class Asker(Ear):
    """A login that waits for a verdict."""

    cancelled: bool = False

    def hear(self, said: Any) -> None:
        assert not self.cancelled, "heard after cancel"
        assert not self.is_over, "heard after the verdict"
        super().hear(said)

    @property
    def is_over(self) -> bool:
        return any(isinstance(each, Proved | ProofRefused | bytes) for each in self.said)


class Crowd(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.programs = Programs(None, self.clock, self.start)  # type: ignore[arg-type]
        self.children: list[FakeChild] = []
        self.askers: list[Asker] = []
        self.full = False

    def start(self, _reactor: object, _words: Sequence[str], observer: ChildObserver) -> Child:
        if self.full:
            raise OSError(11, "Resource temporarily unavailable")
        self.children.append(FakeChild(observer))
        return self.children[-1]

    @property
    def living(self) -> list[FakeChild]:
        return [child for child in self.children if child.lives]

    @rule(address=ADDRESSES, asks=st.booleans(), count=st.integers(1, 20))
    def come(self, address: str, asks: bool, count: int) -> None:
        for _ in range(count):
            asker = Asker()
            who, command = claimant(address=address), ProgramPath(("/x", "%u"))
            self.askers.append(asker)
            if asks:
                asker.follow(converse(self.programs, command, who, asker.ask))
            else:
                asker.follow(authorized_keys(self.programs, command, who, KEY))

    @precondition(lambda self: self.living)
    @rule(data=st.data(), text=TEXTS, error=st.booleans())
    def speak(self, data: st.DataObject, text: bytes, error: bool) -> None:
        child = data.draw(st.sampled_from(self.living))
        if not child.deaf:
            (child.observer.error_output if error else child.observer.output)(text)

    @precondition(lambda self: self.living)
    @rule(data=st.data(), status=st.sampled_from([0, 1, -9]), count=st.integers(1, 20))
    def exit(self, data: st.DataObject, status: int, count: int) -> None:
        first = data.draw(st.integers(0, len(self.living) - 1))
        for child in self.living[first : first + count]:
            child.exit(status)

    @precondition(lambda self: self.askers)
    @rule(data=st.data(), text=st.sampled_from([b"", b"secret", b"x" * 2000]))
    def answer(self, data: st.DataObject, text: bytes) -> None:
        asker = data.draw(st.sampled_from(self.askers))
        if asker.said and isinstance(asker.said[-1], Question) and not asker.asked.called:
            asker.answer(text)

    @precondition(lambda self: self.askers)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        asker = data.draw(st.sampled_from(self.askers))
        asker.cancelled = True
        asker.cancel()

    @rule(seconds=st.sampled_from([0, 1, PATIENCE, STEP, TURN]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(full=st.booleans())
    def fill(self, full: bool) -> None:
        self.full = full

    @invariant()
    def bounded(self) -> None:
        assert len(self.living) == len(self.programs._running) <= IN_ALL
        assert len(self.programs._queue) <= WAITING
        active = [run for run in self.programs._running if not run.is_waiting]
        full = len(self.programs._running) == IN_ALL or len(active) >= RUNNING
        assert not len(self.programs._queue) or full

    def teardown(self) -> None:
        """With children that ignore all but SIGKILL."""
        self.full = False
        for asker in self.askers:
            if asker.said and not asker.is_over:
                asker.cancelled = True
                asker.cancel()
        for _ in range(20):
            self.clock.advance(PATIENCE)
            for child in self.living:
                if True in child.signals:
                    child.exit(-9)
        self.clock.advance(0)
        assert (len(self.programs._running), len(self.programs._queue)) == (0, 0)
        assert all(asker.is_over or asker.cancelled for asker in self.askers)


KEY = b"\0\0\0\x0bssh-ed25519" + b"\0\0\0\x20" + bytes(32)


class Crowds(SynchronousTestCase):
    def test_in_any_order_each_login_has_one_verdict_and_nothing_is_left(self) -> None:
        bounds = settings(max_examples=60, stateful_step_count=40, deadline=None)
        run_state_machine_as_test(Crowd, settings=bounds)
