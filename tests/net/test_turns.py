"""Turns of the reactor are measured, and a slow one is reported while it lasts, with its place."""

import sys
from threading import Event
from typing import Any

import twisted.internet
from twisted.internet.defer import Deferred
from twisted.internet.epollreactor import EPollReactor
from twisted.trial.unittest import SynchronousTestCase, TestCase

from vspc.net.turns import REPORTS, TurnWatch, stack_text


class _Poller:
    """In the place of an epoll object: what happens while nobody works."""

    def __init__(self) -> None:
        self.registered: list[int] = []

    def poll(self, timeout: float, most: int) -> list[tuple[int, int]]:
        return [(7, 1)]

    def register(self, descriptor: int, mask: int) -> None:
        self.registered.append(descriptor)

    def modify(self, descriptor: int, mask: int) -> None: ...

    def unregister(self, descriptor: int) -> None: ...


class _Reactor:
    def __init__(self) -> None:
        self._poller = _Poller()


class Lengths(SynchronousTestCase):
    """With time that passes when the test says so."""

    def setUp(self) -> None:
        self.now = 0.0
        self.limit = 1e9  # the watching thread has nothing to say
        self.over: list[float] = []
        self.reactor = _Reactor()
        self.watch = TurnWatch(
            self.reactor, lambda: self.limit, lambda *_: None, self.over.append, lambda: self.now
        )
        self.watch.start()
        self.addCleanup(self.watch.stop)

    def turn(self, seconds: float) -> None:
        """One turn, after the wait for it."""
        self.assertEqual(self.reactor._poller.poll(1.0, 3), [(7, 1)])
        self.now += seconds

    def test_a_turn_lasts_from_one_wait_to_the_next(self) -> None:
        for seconds in (0.002, 0.2, 0.002):
            self.turn(seconds)
        self.turn(0)
        self.assertEqual(sum(self.watch.lengths.counts), 3)
        self.assertAlmostEqual(self.watch.lengths.total, 0.204)
        self.assertAlmostEqual(self.watch.longest, 0.2)

    def test_slow_turns_are_counted(self) -> None:
        self.limit = 0.1
        for seconds in (0.05, 0.2, 0.1, 0.3):
            self.turn(seconds)
        self.turn(0)
        self.assertEqual(self.watch.slow, 2)

    def test_the_reactor_has_its_own_poller_back_at_the_end(self) -> None:
        self.reactor._poller.register(3, 1)
        self.watch.stop()
        self.assertIsInstance(self.reactor._poller, _Poller)
        self.assertEqual(self.reactor._poller.registered, [3])
        self.assertFalse(self.watch.measures)

    def test_a_reactor_that_waits_in_another_way_is_not_measured(self) -> None:
        watch = TurnWatch(object(), lambda: 1.0, lambda *_: None, self.over.append)
        watch.start()
        self.assertFalse(watch.measures)
        watch.stop()


class Reports(SynchronousTestCase):
    """With a real thread, and turns that last until they were reported."""

    def test_a_slow_turn_is_reported_while_it_lasts_and_when_it_is_over(self) -> None:
        reports: list[tuple[float, str]] = []
        over: list[float] = []
        told = Event()

        def report(seconds: float, stack: str) -> None:
            reports.append((seconds, stack))
            told.set()

        working = _Reactor()
        watch = TurnWatch(working, lambda: 0.01, report, over.append)
        watch.start()
        self.addCleanup(watch.stop)

        def stuck_in_something(password: str) -> None:
            self.assertTrue(told.wait(30), password)

        for _ in range(3):
            working._poller.poll(0, 1)
        stuck_in_something("hunter2")
        self.assertEqual(len(reports), 1)
        seconds, stack = reports[0]
        self.assertGreater(seconds, 0.01)
        self.assertIn("stuck_in_something", stack)
        self.assertIn("test_turns.py:", stack)
        self.assertNotIn("hunter2", stack)
        working._poller.poll(0, 1)
        self.assertEqual(len(over), 1)
        self.assertGreaterEqual(over[0], seconds)

    def test_only_a_few_are_reported_in_a_minute_and_all_are_counted(self) -> None:
        reports: list[float] = []
        now = 0.0
        idle = _Reactor()
        watch = TurnWatch(
            idle,
            lambda: 1.0,
            lambda seconds, _: reports.append(seconds),
            lambda _: None,
            lambda: now,
        )
        watch.start()
        self.addCleanup(watch.stop)
        for _ in range(3 * REPORTS):
            idle._poller.poll(0, 1)
            now += 1.5
            watch._look()
        idle._poller.poll(0, 1)
        self.assertLessEqual(len(reports), REPORTS + 1)
        self.assertEqual(watch.slow, 3 * REPORTS)

    def test_a_stack_is_bounded(self) -> None:
        def deep(left: int) -> str:
            return deep(left - 1) if left else stack_text(sys._getframe())

        self.assertEqual(deep(100).count(" < "), 19)


class RealReactor(TestCase):
    """Twisted's own: what is replaced is there, and it goes on."""

    def test_turns_of_the_running_reactor_are_measured(self) -> "Deferred[None]":
        reactor: Any = twisted.internet.reactor
        self.assertIsInstance(reactor, EPollReactor)
        watch = TurnWatch(reactor, lambda: 60.0, lambda *_: None, lambda _: None)
        watch.start()
        self.addCleanup(watch.stop)
        self.assertTrue(watch.measures)
        done: Deferred[None] = Deferred()
        left = 20

        def again() -> None:
            nonlocal left
            left -= 1
            if left:
                reactor.callLater(0, again)
            else:
                done.callback(None)

        again()
        return done.addCallback(lambda _: self.assertGreaterEqual(sum(watch.lengths.counts), 10))
