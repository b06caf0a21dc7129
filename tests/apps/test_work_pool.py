"""Heavy work: in one thread, the cheapest first, and little at once."""

from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.fakes import FakeThreads
from vspc.apps.verbs.limits import AT_ONCE, RATE, TASKS, WorkPool, WorkPoolFull

MUCH = AT_ONCE + 1


class WorkPoolTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.threads = FakeThreads()
        self.held = self.threads.waiting
        self.done: list[object] = []
        self.now = 0.0
        self.failures = 0
        self.pool = WorkPool(self.threads, lambda: self.now, self.fails)

    def fails(self) -> None:
        self.failures += 1

    def do(
        self,
        cost: int,
        work: Callable[[], Any],
        done: Callable[[Any], object] | None = None,
    ) -> "Deferred[Any]":
        """Ask for `work`; `done` gets what it returned."""
        doing = Deferred.fromCoroutine(self.pool.do(cost, work))
        return doing.addCallback(done or self.done.append)

    def go(self) -> None:
        """The thread does what it has."""
        self.threads.go()

    def test_little_is_done_at_once(self) -> None:
        self.do(AT_ONCE, lambda: "little")
        self.assertEqual((self.done, self.held), (["little"], []))

    def test_much_is_done_one_after_the_other_the_cheapest_first(self) -> None:
        for cost in (3, 9, 1, 2):
            self.do(MUCH + cost, partial(int, cost))
        for _ in range(4):
            self.assertEqual(len(self.held), 1)
            self.go()
        self.assertEqual(self.done, [3, 1, 2, 9])

    def test_what_is_cancelled_is_not_done(self) -> None:
        first = self.do(MUCH, lambda: "first")
        second = self.do(MUCH, lambda: "second")
        self.do(MUCH, lambda: "third")
        for cancelled in (first, second):
            cancelled.cancel()
            self.failureResultOf(cancelled, CancelledError)
        self.go()
        self.go()
        self.assertEqual((self.done, self.held), (["third"], []))

    def test_an_error_of_one_coroutine_does_not_hold_up_the_next_work(self) -> None:
        def bad(_found: object) -> None:
            raise ValueError

        raised = self.do(MUCH, lambda: 1, bad)
        self.do(MUCH, lambda: 2)
        self.go()
        self.go()
        self.assertEqual(self.done, [2])
        self.failureResultOf(raised, ValueError)

    def test_cancelled_work_takes_no_place(self) -> None:
        self.do(MUCH, lambda: 0)
        for _ in range(TASKS):
            cancelled = self.do(MUCH + 9, lambda: 1)
            cancelled.cancel()
            self.failureResultOf(cancelled, CancelledError)
        self.assertNoResult(self.do(MUCH + 99, lambda: 2))

    def test_without_a_thread_it_is_not_taken_and_later_it_is(self) -> None:
        self.threads.none_left = True
        self.failureResultOf(self.do(MUCH, lambda: 1), WorkPoolFull)
        self.threads.none_left = False
        self.do(MUCH, lambda: 2)
        self.go()
        self.assertEqual((self.done, self.held), ([2], []))

    def test_work_that_raises(self) -> None:
        for cost in (1, MUCH):
            self.do(cost, lambda: 1 // 0)
        self.go()
        self.assertEqual((self.done, self.failures), ([None, None], 2))
        self.do(MUCH, lambda: "next")
        self.go()
        self.assertEqual(self.done[-1], "next")

    def test_much_of_little_is_much(self) -> None:
        for _ in range(2 * RATE // AT_ONCE):
            self.do(AT_ONCE, lambda: "")
        self.assertEqual(len(self.done), RATE // AT_ONCE)
        self.now += 0.5
        done = len(self.done)
        for _ in range(RATE // AT_ONCE):
            self.do(AT_ONCE, lambda: "")
        self.assertEqual(len(self.done) - done, RATE // AT_ONCE // 2)

    def test_no_more_waits_than_may(self) -> None:
        for _ in range(TASKS + 1):
            self.assertNoResult(self.do(MUCH, lambda: ""))
        self.failureResultOf(self.do(MUCH, lambda: ""), WorkPoolFull)
        self.assertEqual(self.done, [])
