"""A few threads that read: made when they are needed, and gone at the end."""

import threading
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from vspc.net import readers
from vspc.net.readers import Readers

PATIENCE = 5.0


class Barred(threading.Thread):
    """A thread that the system has no room for."""

    def start(self) -> None:
        raise RuntimeError("can't start new thread")


class Threads(SynchronousTestCase):
    def setUp(self) -> None:
        self.failures = 0
        self.readers = Readers(self.fail_inside, 2, "test-reader")
        self.addCleanup(self.readers.close)

    def fail_inside(self) -> None:
        self.failures += 1

    def do(self) -> bool:
        """One piece of work; whether it was done."""
        done = threading.Event()
        self.readers.submit(done.set)
        return done.wait(PATIENCE)

    def test_work_is_done_after_work_that_fails(self) -> None:
        def bad() -> None:
            raise ValueError

        self.readers.submit(bad)
        self.assertTrue(self.do())
        self.assertTrue(self.do())
        self.assertEqual(self.failures, 1)

    def test_where_there_are_no_threads_for_a_moment_there_are_some_later(self) -> None:
        self.patch(readers, "Thread", Barred)
        done: list[Any] = []
        for _ in range(3):
            self.assertRaises(RuntimeError, self.readers.submit, done.append, 1)
        self.patch(readers, "Thread", threading.Thread)
        self.assertTrue(self.do())
        self.assertEqual(done, [])  # whoever asked then was told, and has gone

    def test_with_one_thread_the_rest_waits_for_it(self) -> None:
        begun, go_on = threading.Event(), threading.Event()

        def work() -> None:
            begun.set()
            go_on.wait(PATIENCE)

        self.readers.submit(work)
        self.assertTrue(begun.wait(PATIENCE))

        self.patch(readers, "Thread", Barred)
        done = threading.Event()
        self.readers.submit(done.set)
        go_on.set()
        self.assertTrue(done.wait(PATIENCE))

    def test_after_the_end_nothing_begins(self) -> None:
        done: list[int] = []
        self.readers.close()
        self.readers.submit(done.append, 1)
        self.assertEqual(done, [])
