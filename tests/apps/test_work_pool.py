"""Heavy work: in one thread, the cheapest first, and little at once."""

from collections.abc import Callable
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from vspc.apps.verbs.work_pool import AT_ONCE, LIMIT, RATE, WorkPool

MUCH = AT_ONCE + 1


class AsideTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.held: list[tuple[Callable[[], Any], Callable[[Any], None]]] = []
        self.done: list[object] = []
        self.now = 0.0
        self.failures = 0
        self.pool = WorkPool(
            lambda work, then: self.held.append((work, then)), lambda: self.now, self.fails
        )

    def fails(self) -> None:
        self.failures += 1

    def go(self) -> None:
        """The thread does what it has."""
        work, then = self.held.pop(0)
        then(work())

    def test_little_is_done_at_once(self) -> None:
        task = self.pool.do(AT_ONCE, lambda: "little", self.done.append)
        assert task is not None
        self.assertEqual((self.done, self.held, task.active()), (["little"], [], False))

    def test_much_is_done_one_after_the_other_the_cheapest_first(self) -> None:
        for cost in (3, 9, 1, 2):
            self.pool.do(MUCH + cost, lambda cost=cost: cost, self.done.append)  # type: ignore[misc]
        for _ in range(4):
            self.assertEqual(len(self.held), 1)
            self.go()
        self.assertEqual(self.done, [3, 1, 2, 9])

    def test_what_is_not_wanted_any_more(self) -> None:
        first = self.pool.do(MUCH, lambda: "first", self.done.append)
        second = self.pool.do(MUCH, lambda: "second", self.done.append)
        self.pool.do(MUCH, lambda: "third", self.done.append)
        assert first is not None
        assert second is not None
        first.cancel()
        second.cancel()
        self.go()
        self.go()
        self.assertEqual((self.done, self.held), (["third"], []))

    def test_whoever_raises_when_it_is_done_keeps_nobody_waiting(self) -> None:
        def bad(_found: object) -> None:
            raise ValueError

        self.pool.do(MUCH, lambda: 1, bad)
        self.pool.do(MUCH, lambda: 2, self.done.append)
        self.go()
        self.go()
        self.assertEqual((self.done, self.failures), ([2], 1))

    def test_who_has_gone_takes_nobodys_place(self) -> None:
        self.pool.do(MUCH, lambda: 0, self.done.append)
        for _ in range(LIMIT):
            task = self.pool.do(MUCH + 9, lambda: 1, self.done.append)
            assert task is not None
            task.cancel()
            self.assertIsNone(task.work)
        self.assertIsNotNone(self.pool.do(MUCH + 99, lambda: 2, self.done.append))

    def test_without_a_thread_it_is_not_taken_and_later_it_is(self) -> None:
        def none(_work: object, _then: object) -> None:
            raise RuntimeError("can't start new thread")

        thread, self.pool._in_thread = self.pool._in_thread, none
        self.assertIsNone(self.pool.do(MUCH, lambda: 1, self.done.append))
        self.pool._in_thread = thread
        self.assertIsNotNone(self.pool.do(MUCH, lambda: 2, self.done.append))
        self.go()
        self.assertEqual((self.done, self.held), ([2], []))

    def test_work_that_raises(self) -> None:
        for cost in (1, MUCH):
            self.pool.do(cost, lambda: 1 // 0, self.done.append)
        self.go()
        self.assertEqual((self.done, self.failures), ([None, None], 2))
        self.pool.do(MUCH, lambda: "next", self.done.append)
        self.go()
        self.assertEqual(self.done[-1], "next")

    def test_much_of_little_is_much(self) -> None:
        for _ in range(2 * RATE // AT_ONCE):
            self.pool.do(AT_ONCE, lambda: "", self.done.append)
        self.assertEqual(len(self.done), RATE // AT_ONCE)
        self.now += 0.5
        done = len(self.done)
        for _ in range(RATE // AT_ONCE):
            self.pool.do(AT_ONCE, lambda: "", self.done.append)
        self.assertEqual(len(self.done) - done, RATE // AT_ONCE // 2)

    def test_no_more_waits_than_may(self) -> None:
        tasks = [self.pool.do(MUCH, lambda: "", self.done.append) for _ in range(LIMIT + 2)]
        self.assertEqual([tasks.index(None), self.done], [LIMIT + 1, []])
