"""Questions about the audit file: who is answered, and who is not any more."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from vspc.audit.reader import FOLLOWERS, READS, FileAuditReader
from vspc.audit.refusals import RecentRefusals
from vspc.common.worker import WorkerPool
from vspc.console.audit import AuditPage, AuditPosition, AuditQuery, AuditUnavailable


class Later(WorkerPool):
    """Threads that begin when the test says so; `barred`: the system has none."""

    def __init__(self) -> None:
        super().__init__("later", lambda: None)
        self.work: list[Callable[[], Any]] = []
        self.barred = False

    def submit(self, call: Callable[..., Any], /, *arguments: Any) -> None:
        if self.barred:
            raise RuntimeError("can't start new thread")
        self.work.append(lambda: call(*arguments))

    def run(self) -> None:
        while self.work:
            self.work.pop(0)()


class Trail(SynchronousTestCase):
    def setUp(self) -> None:
        self.reader = Later()
        self.turns: list[Callable[[], None]] = []
        path = Path(self.mktemp())
        path.write_bytes(b"")
        self.records = FileAuditReader(
            path, RecentRefusals(lambda: 0.0), lambda *_: None, self.turns.append, self.reader
        )

    def turn(self) -> None:
        """What was said in the reactor's thread."""
        turns, self.turns[:] = list(self.turns), []
        for call in turns:
            call()

    def read(self) -> "Deferred[AuditPage]":
        return Deferred.fromCoroutine(self.records.read(AuditQuery(0.0), None))

    def wait(self) -> "Deferred[None]":
        page = AuditPage((), AuditPosition(0, 0), True)
        return Deferred.fromCoroutine(self.records.wait(page))

    def test_an_answer_comes_once(self) -> None:
        reading = self.read()
        self.assertNoResult(reading)
        self.reader.run()
        self.turn()
        self.turn()
        self.successResultOf(reading)

    def test_after_close_nothing_is_answered_not_even_what_was_read_before(self) -> None:
        reading, waiting = self.read(), self.wait()
        self.reader.run()
        self.records.written([b"{}"])
        self.records.close()
        self.turn()
        self.assertNoResult(reading)
        self.assertNoResult(waiting)

    def test_cancelled_reads_are_bounded_while_the_disk_stalls(self) -> None:
        cancelled = []
        for _ in range(1000):
            reading = self.read()
            if not reading.called:
                reading.cancel()
                self.failureResultOf(reading, CancelledError)
                cancelled.append(reading)
            else:
                self.failureResultOf(reading, AuditUnavailable)
        self.assertEqual((len(cancelled), len(self.reader.work)), (READS, READS))
        self.reader.run()
        self.turn()
        self.assertNoResult(self.read())

    def test_a_cancelled_follower_makes_room_for_another(self) -> None:
        for _ in range(2 * FOLLOWERS):
            waiting = self.wait()
            self.assertNoResult(waiting)
            waiting.cancel()
            self.failureResultOf(waiting, CancelledError)

    def test_without_threads_a_read_fails_and_takes_no_place(self) -> None:
        self.reader.barred = True
        for _ in range(READS + 1):
            self.failureResultOf(self.read(), AuditUnavailable)
        self.reader.barred = False
        self.assertNoResult(self.read())

    def test_a_follower_that_fails_does_not_keep_the_others_waiting(self) -> None:
        def bad(_: None) -> None:
            raise ValueError

        failing, following = self.wait().addCallback(bad), self.wait()
        self.records.written([b"{}"])
        self.turn()
        self.failureResultOf(failing, ValueError)
        self.successResultOf(following)
