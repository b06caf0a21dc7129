"""Coroutines that wait: for a time, for a change, for a thread."""

from collections.abc import Callable

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.fakes import FakeClock
from vspc.net.waiting import RunningCoroutine, ThreadAnswer, Wakeup, sleep, within


class TimeLimits(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = FakeClock()
        self.work: Deferred[int] = Deferred()
        self.cancelled = False

    def begin(self) -> Deferred[int]:
        async def work() -> int:
            try:
                return await self.work
            except CancelledError:
                self.cancelled = True
                raise

        return Deferred.fromCoroutine(within(self.clock, 5, work()))

    def no_timer_is_left(self) -> None:
        self.assertEqual(self.clock.twisted.getDelayedCalls(), [])

    def test_it_is_done_in_time(self) -> None:
        waiting = self.begin()
        self.clock.advance(4.9)
        self.work.callback(3)
        self.assertEqual(self.successResultOf(waiting), 3)
        self.no_timer_is_left()

    def test_the_time_was_over_before_it_began(self) -> None:
        waiting = Deferred.fromCoroutine(within(self.clock, -0.5, self.work))
        self.clock.advance(0)
        self.failureResultOf(waiting, TimeoutError)
        self.no_timer_is_left()

    def test_it_takes_too_long(self) -> None:
        waiting = self.begin()
        self.clock.advance(5)
        self.failureResultOf(waiting, TimeoutError)
        self.assertTrue(self.cancelled)
        self.work.callback(3)
        self.no_timer_is_left()

    def test_it_fails(self) -> None:
        waiting = self.begin()
        self.work.errback(ValueError())
        self.failureResultOf(waiting, ValueError)
        self.no_timer_is_left()

    def test_the_coroutine_that_waits_is_cancelled(self) -> None:
        waiting = self.begin()
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.assertTrue(self.cancelled)
        self.no_timer_is_left()

    def test_sleeping(self) -> None:
        asleep = Deferred.fromCoroutine(sleep(self.clock, 2))
        self.clock.advance(1.9)
        self.assertNoResult(asleep)
        self.clock.advance(0.1)
        self.assertIsNone(self.successResultOf(asleep))
        asleep = Deferred.fromCoroutine(sleep(self.clock, 2))
        asleep.cancel()
        self.failureResultOf(asleep, CancelledError)
        self.no_timer_is_left()


class Wakeups(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = FakeClock()
        self.wakeup = Wakeup(self.clock)

    def wait(self, seconds: float | None = None) -> Deferred[bool]:
        return Deferred.fromCoroutine(self.wakeup.wait(seconds))

    def test_set_before_and_during_a_wait(self) -> None:
        self.wakeup.set()
        self.assertTrue(self.successResultOf(self.wait()))
        waiting = self.wait()
        self.assertNoResult(waiting)
        self.wakeup.set()
        self.assertTrue(self.successResultOf(waiting))
        self.assertNoResult(self.wait())

    def test_set_later_is_one_call_in_the_next_turn(self) -> None:
        waiting = self.wait()
        self.wakeup.set_later()
        self.wakeup.set_later()
        self.assertNoResult(waiting)
        self.clock.advance(0)
        self.assertTrue(self.successResultOf(waiting))
        self.assertNoResult(self.wait())

    def test_without_memory_for_a_call_the_next_set_later_makes_it(self) -> None:
        def fail(*_: object) -> None:
            raise MemoryError

        waiting, failing = self.wait(), self.patch(self.clock, "call_later", fail)
        self.assertRaises(MemoryError, self.wakeup.set_later)
        failing.restore()
        self.wakeup.set_later()
        self.clock.advance(0)
        self.assertTrue(self.successResultOf(waiting))

    def test_the_time_is_over(self) -> None:
        waiting = self.wait(3)
        self.clock.advance(3)
        self.assertFalse(self.successResultOf(waiting))
        self.assertEqual(self.clock.twisted.getDelayedCalls(), [])

    def test_an_error_reaches_the_wait_under_way_or_the_next_one(self) -> None:
        waiting = self.wait(3)
        self.wakeup.throw(ValueError())
        self.failureResultOf(waiting, ValueError)
        self.wakeup.throw(ValueError())
        self.failureResultOf(self.wait(), ValueError)
        self.assertNoResult(self.wait())

    def test_a_cancelled_wait_leaves_nothing(self) -> None:
        waiting = self.wait(3)
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.assertFalse(self.wakeup.is_awaited)
        self.assertEqual(self.clock.twisted.getDelayedCalls(), [])


class Running(SynchronousTestCase):
    def test_it_is_cancelled_where_it_waits_and_not_while_it_runs(self) -> None:
        steps: list[str] = []

        async def run() -> None:
            await going_on
            running.cancel()
            steps.append("went on")
            try:
                await Deferred()
            except CancelledError:
                steps.append("cancelled")
                raise

        going_on: Deferred[None] = Deferred()
        running = RunningCoroutine(run())
        going_on.callback(None)
        self.assertTrue(running.active())
        running.cancel()
        self.assertFalse(running.active())
        running.cancel()
        self.assertEqual(steps, ["went on", "cancelled"])

    def test_what_it_raises_is_logged(self) -> None:
        async def run() -> None:
            raise ValueError

        self.assertFalse(RunningCoroutine(run()).active())
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)


class Answers(SynchronousTestCase):
    def setUp(self) -> None:
        self.calls: list[Callable[[], None]] = []
        self.answer: ThreadAnswer[int] = ThreadAnswer(self.calls.append)
        self.waiting = Deferred.fromCoroutine(self.answer.wait())

    def turn(self) -> None:
        """The reactor's thread makes the calls that wait for it."""
        while self.calls:
            self.calls.pop(0)()

    def test_it_arrives_in_the_reactors_thread_and_once(self) -> None:
        self.answer.give(1)
        self.answer.give(2)
        self.assertNoResult(self.waiting)
        self.assertFalse(self.answer.over)
        self.turn()
        self.assertEqual(self.successResultOf(self.waiting), 1)
        self.assertTrue(self.answer.over)

    def test_after_cancelling_it_is_dropped(self) -> None:
        self.answer.give(1)
        self.waiting.cancel()
        self.failureResultOf(self.waiting, CancelledError)
        self.assertTrue(self.answer.over)
        self.turn()
