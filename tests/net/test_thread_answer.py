"""Answers of threads to coroutines."""

from collections.abc import Callable

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from vspc.net.thread_answer import ThreadAnswer


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
