"""A real reactor while the time of day is set, the process stands still, and memory runs out."""

import os
from typing import Any

from twisted.internet.selectreactor import SelectReactor
from twisted.trial.unittest import SynchronousTestCase

from vspc.net.reactor import keep_waker, time_monotonically

HOUR = 3600.0


class AClockThatIsSet(SynchronousTestCase):
    def setUp(self) -> None:
        self.wall = 1.7e9
        self.reactor = SelectReactor()
        self.addCleanup(self.reactor.disconnectAll)
        self.reactor.seconds = lambda: self.wall
        self.fired: list[str] = []

    def put_off(self, name: str, seconds: float) -> None:
        self.reactor.callLater(seconds, self.fired.append, name)

    def test_timers_are_due_neither_at_once_nor_an_hour_late(self) -> None:
        self.put_off("before", 60)
        time_monotonically(self.reactor)
        self.put_off("after", 50)
        for by in (HOUR, -HOUR, -HOUR):
            self.wall += by
            self.put_off("now", 0)
            self.reactor.runUntilCurrent()
            self.assertEqual(self.fired, ["now"])
            del self.fired[:]
            self.assertTrue(30 < (self.reactor.timeout() or 0) <= 50)

    def test_without_it_they_follow(self) -> None:
        self.put_off("a timer of 60 s", 60)
        self.wall += HOUR
        self.reactor.runUntilCurrent()
        self.assertEqual(self.fired, ["a timer of 60 s"])


class AProcessThatStandsStill(SynchronousTestCase):
    def setUp(self) -> None:
        self.now = 1000.0
        self.reactor = SelectReactor()
        self.addCleanup(self.reactor.disconnectAll)
        time_monotonically(self.reactor, lambda: self.now)
        self.fired: list[str] = []
        self.reactor.callLater(30, self.fired.append, "a wait of 30 s")

    def turn(self) -> float | None:
        """What the reactor does before it waits, and how long it would."""
        self.reactor.runUntilCurrent()
        return self.reactor.timeout()

    def test_what_arrived_meanwhile_is_read_first(self) -> None:
        self.turn()
        self.now += 20  # it waits; something happens, and takes too long
        self.reactor.callLater(0, self.fired.append, "next")
        self.now += 40
        self.assertEqual(self.turn(), 9.0)
        self.assertEqual(self.fired, ["next"])

    def test_the_wait_goes_on_by_what_was_left(self) -> None:
        self.turn()
        self.now += 30 + 3600  # it was stopped while it waited: all that is over is the wait itself
        self.turn()
        self.assertEqual(self.fired, ["a wait of 30 s"])
        self.reactor.callLater(30, self.fired.append, "another")
        self.assertEqual(self.turn(), 30.0)
        self.reactor.runUntilCurrent()
        for _ in range(3):
            self.now += 3600  # and now in each of three turns
            self.reactor.runUntilCurrent()
        self.assertEqual(len(self.fired), 1)
        self.assertEqual(self.reactor.timeout(), 27.0)

    def test_what_is_not_late_is_counted_whole(self) -> None:
        for _ in range(10):
            self.turn()
            self.now += 2.9
        self.assertEqual(self.fired, [])
        self.assertAlmostEqual(self.turn() or 0, 1.0)
        self.now += 1.0
        self.turn()
        self.assertEqual(self.fired, ["a wait of 30 s"])

    def test_waiting_without_a_timer_is_no_stall(self) -> None:
        reactor = SelectReactor()
        self.addCleanup(reactor.disconnectAll)
        time_monotonically(reactor, lambda: self.now)
        self.assertIsNone(reactor.timeout())
        before = reactor.seconds()
        reactor.timeout()
        self.now += 3600
        self.assertEqual(reactor.seconds() - before, 3600)


class NoMemory(SynchronousTestCase):
    """Threads answer while nothing can be allocated."""

    def setUp(self) -> None:
        self.reactor = SelectReactor()
        self.addCleanup(self.reactor.disconnectAll)
        keep_waker(self.reactor)
        self.answers: list[int] = []

    def answer(self) -> None:
        """A thread answers, and a turn follows."""
        self.reactor.callFromThread(self.answers.append, len(self.answers))
        self.reactor.doIteration(None)  # until it is woken
        self.reactor.runUntilCurrent()

    def test_they_wake_the_reactor_then_and_afterwards(self) -> None:
        def fail(*_: Any) -> int:
            raise MemoryError

        failing = self.patch(os, "readv", fail)
        self.answer()
        self.answer()
        failing.restore()
        for _ in range(3):
            self.answer()
        self.assertEqual(self.answers, list(range(5)))
        self.reactor.doIteration(0)
        self.assertEqual(self.answers, list(range(5)))
