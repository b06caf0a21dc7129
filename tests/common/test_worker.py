"""Threads beside the reactor: one that is woken, a few that take calls; and what waits for them."""

import threading
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.common import worker
from vspc.common.worker import BoundedQueue, Worker, WorkerPool

PATIENCE = 5.0


class Barred(threading.Thread):
    """A thread that the system has no room for."""

    def start(self) -> None:
        raise RuntimeError("can't start new thread")


class Pool(SynchronousTestCase):
    def setUp(self) -> None:
        self.failures = 0
        self.pool = WorkerPool("test-reader", self.fail_inside, 2)
        self.addCleanup(self.pool.close)

    def fail_inside(self) -> None:
        self.failures += 1

    def do(self) -> bool:
        """One piece of work; whether it was done."""
        done = threading.Event()
        self.pool.submit(done.set)
        return done.wait(PATIENCE)

    def test_work_is_done_after_work_that_fails(self) -> None:
        def bad() -> None:
            raise ValueError

        self.pool.submit(bad)
        self.assertTrue(self.do())
        self.assertTrue(self.do())
        self.assertEqual(self.failures, 1)

    def test_where_there_are_no_threads_for_a_moment_there_are_some_later(self) -> None:
        self.patch(worker, "Thread", Barred)
        done: list[Any] = []
        for _ in range(3):
            self.assertRaises(RuntimeError, self.pool.submit, done.append, 1)
        self.patch(worker, "Thread", threading.Thread)
        self.assertTrue(self.do())
        self.assertEqual(done, [])  # whoever asked then was told, and has gone

    def test_with_one_thread_the_rest_waits_for_it(self) -> None:
        begun, go_on = threading.Event(), threading.Event()

        def work() -> None:
            begun.set()
            go_on.wait(PATIENCE)

        self.pool.submit(work)
        self.assertTrue(begun.wait(PATIENCE))

        self.patch(worker, "Thread", Barred)
        done = threading.Event()
        self.pool.submit(done.set)
        go_on.set()
        self.assertTrue(done.wait(PATIENCE))

    def test_after_the_end_nothing_begins(self) -> None:
        done: list[int] = []
        self.pool.close()
        self.pool.submit(done.append, 1)
        self.assertEqual(done, [])

    def test_what_waits_is_done_before_the_end_if_there_is_time(self) -> None:
        done: list[int] = []
        for number in range(100):
            self.pool.submit(done.append, number)
        self.pool.close(PATIENCE)
        self.assertEqual(sorted(done), list(range(100)))

    def test_a_call_that_does_not_return_does_not_keep_the_process_from_ending(self) -> None:
        go_on = threading.Event()
        self.addCleanup(go_on.set)
        self.pool.submit(go_on.wait)
        self.pool.close(0.01)


class NoMemory(SynchronousTestCase):
    """Not even for the report of a failure: the thread stays."""

    def setUp(self) -> None:
        self.patch(worker, "PAUSE", 0.0)
        self.failures = 0
        self.done = threading.Event()

    def fail_inside(self) -> None:
        self.failures += 1
        raise MemoryError

    def work(self) -> None:
        """Fails three times."""
        if self.failures < 3:
            raise MemoryError
        self.done.set()

    def test_of_a_worker(self) -> None:
        def step() -> float | None:
            self.work()
            return None

        one = Worker("test", step, self.fail_inside)
        one.start()
        self.assertTrue(self.done.wait(PATIENCE))
        self.assertTrue(one.stop(PATIENCE))
        self.assertEqual(self.failures, 3)

    def test_of_a_pool(self) -> None:
        pool = WorkerPool("test", self.fail_inside)
        self.addCleanup(pool.close)
        for _ in range(4):
            pool.submit(self.work)
        self.assertTrue(self.done.wait(PATIENCE))
        self.assertEqual(self.failures, 3)

    def test_where_there_is_none_for_a_thread_the_caller_is_told(self) -> None:
        class TooMuch(threading.Thread):
            def start(self) -> None:
                raise MemoryError

        pool = WorkerPool("test", self.fail_inside)
        self.patch(worker, "Thread", TooMuch)
        self.assertRaisesRegex(RuntimeError, "no memory for a thread", pool.submit, self.work)
        self.assertEqual(pool.waiting, 0)


class OneThread(SynchronousTestCase):
    """A worker that does what is put into its queue."""

    def setUp(self) -> None:
        self.queue: BoundedQueue[int] = BoundedQueue(3, 100)
        self.seen: list[int] = []
        self.taken = threading.Event()
        self.failures = 0
        self.ended = 0
        self.worker = Worker("test", self.step, self.fail_inside, self.end)

    def step(self) -> float | None:
        with self.worker.changed:
            items = self.queue.take()
        for item in items:
            self.taken.set()
            self.seen.append(10 // item)
        return None

    def fail_inside(self) -> None:
        self.failures += 1

    def end(self) -> None:
        self.ended += 1

    def put(self, *items: int) -> None:
        with self.worker.changed:
            for item in items:
                self.queue.put(item, 1)
            self.worker.wake()

    def test_what_was_put_before_the_start_and_before_the_end_is_done(self) -> None:
        self.put(1)
        self.worker.start()
        self.put(2, 5)
        self.assertTrue(self.worker.stop(PATIENCE))
        self.assertEqual((self.seen, self.failures, self.ended), ([10, 5, 2], 0, 1))

    def test_one_that_is_woken_again_at_once_rests_and_the_end_wakes_it(self) -> None:
        steps = threading.Semaphore(0)

        def step() -> None:
            self.step()
            steps.release()

        self.worker = Worker("test", step, self.fail_inside, rest=1000.0)
        self.put(1)
        self.worker.start()
        self.assertTrue(steps.acquire(timeout=PATIENCE))
        self.put(2)
        self.assertTrue(steps.acquire(timeout=PATIENCE))
        for item in (5, 10):
            self.put(item)
        self.assertEqual(self.seen, [10, 5])
        self.assertTrue(self.worker.stop(PATIENCE))
        self.assertEqual(self.seen, [10, 5, 2, 1])

    def test_one_that_was_left_alone_for_a_while_does_not_rest(self) -> None:
        self.worker = Worker("test", self.step, self.fail_inside, rest=1e-9)
        self.worker.start()
        for item in (1, 2, 5):
            self.taken.clear()
            self.put(item)
            self.assertTrue(self.taken.wait(PATIENCE))
        self.assertTrue(self.worker.stop(PATIENCE))
        self.assertEqual(self.seen, [10, 5, 2])

    def test_a_defect_is_reported_and_the_next_step_comes(self) -> None:
        self.patch(worker, "PAUSE", 0.01)
        self.worker.start()
        self.put(0)
        self.assertTrue(self.taken.wait(PATIENCE))
        self.put(1)
        self.assertTrue(self.worker.stop(PATIENCE))
        self.assertEqual((self.seen, self.failures, self.ended), ([10], 1, 1))

    def test_it_is_called_again_after_the_seconds_that_it_returned(self) -> None:
        calls: list[int] = []
        third = threading.Event()

        def step() -> float | None:
            calls.append(1)
            if len(calls) >= 3:
                third.set()
            return None if made.stopping else 0.001

        made = Worker("test", step, self.fail_inside)
        made.start()
        self.assertTrue(third.wait(PATIENCE))
        self.assertTrue(made.stop(PATIENCE))

    def test_a_step_that_does_not_return_does_not_keep_the_process_from_ending(self) -> None:
        go_on = threading.Event()

        def step() -> None:
            go_on.wait()

        made = Worker("test", step, self.fail_inside)
        made.start()
        self.assertFalse(made.stop(0.01))
        go_on.set()

    def test_one_that_never_began_has_ended(self) -> None:
        self.assertTrue(self.worker.stop(PATIENCE))


class Queues(SynchronousTestCase):
    @given(st.lists(st.integers(0, 40)), st.integers(1, 6), st.integers(1, 100))
    def test_it_never_has_more_than_its_limits_and_loses_nothing_uncounted(
        self, sizes: list[int], count: int, size: int
    ) -> None:
        queue: BoundedQueue[int] = BoundedQueue(count, size)
        lost = 0
        taken: list[int] = []
        for number, each in enumerate(sizes):
            lost += not queue.put(number, each)
            waiting = queue.first(100)
            self.assertLessEqual(len(waiting), count)
            self.assertLessEqual(sum(sizes[at] for at in waiting), size)
            if number % 3 == 2 and waiting:
                taken.append(waiting[0])
                queue.done(1)
        taken += queue.take()
        self.assertEqual(queue.take_lost(), lost)
        self.assertEqual(len(taken) + lost, len(sizes))
        self.assertEqual(taken, sorted(taken))

    def test_what_is_put_back_comes_first(self) -> None:
        queue: BoundedQueue[str] = BoundedQueue(2, 2)
        queue.put("c", 1)
        queue.put_back([("a", 1), ("b", 1)])
        self.assertFalse(queue.has_room(1))
        self.assertEqual(queue.take(), ["a", "b", "c"])
