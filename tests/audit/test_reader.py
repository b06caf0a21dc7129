"""Questions about the audit file: who is answered, and who is not any more."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from vspc.audit.reader import ASKING, WAITING, FileAuditReader
from vspc.audit.refusals import RecentRefusals
from vspc.console.audit import AuditPage, AuditPosition, AuditQuery
from vspc.net.readers import Readers


class Later(Readers):
    """Threads that begin when the test says so; `barred`: the system has none."""

    def __init__(self) -> None:
        super().__init__(lambda: None)
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
        self.heard: list[AuditPage | None] = []

    def turn(self) -> None:
        """What was said in the reactor's thread."""
        turns, self.turns[:] = list(self.turns), []
        for call in turns:
            call()

    def wait(self, call: Callable[[], None]) -> None:
        self.assertIsNotNone(self.records.wait(AuditPage((), AuditPosition(0, 0), True), call))

    def test_an_answer_comes_once(self) -> None:
        self.assertIsNotNone(self.records.ask(AuditQuery(0.0), None, self.heard.append))
        self.reader.run()
        self.turn()
        self.turn()
        self.assertEqual(len(self.heard), 1)

    def test_after_the_end_nobody_is_answered_not_even_who_had_asked(self) -> None:
        self.records.ask(AuditQuery(0.0), None, self.heard.append)
        self.wait(lambda: self.heard.append(None))
        self.reader.run()
        self.records.written([b"{}"])
        self.records.close()
        self.turn()
        self.assertEqual(self.heard, [])

    def test_who_asks_and_goes_while_the_disk_stands_still_is_bounded(self) -> None:
        for _ in range(1000):
            asked = self.records.ask(AuditQuery(0.0), None, self.heard.append)
            if asked is not None:
                asked.cancel()
        self.assertEqual(len(self.reader.work), ASKING)
        self.reader.run()
        self.turn()
        self.assertIsNotNone(self.records.ask(AuditQuery(0.0), None, self.heard.append))
        self.assertEqual(self.heard, [])

    def test_who_follows_and_goes_takes_nobodys_place(self) -> None:
        for _ in range(2 * WAITING):
            waiting = self.records.wait(AuditPage((), AuditPosition(0, 0), True), lambda: None)
            assert waiting is not None
            waiting.cancel()

    def test_without_threads_who_asks_is_told_and_takes_no_place(self) -> None:
        self.reader.barred = True
        for _ in range(ASKING + 1):
            self.assertIsNone(self.records.ask(AuditQuery(0.0), None, self.heard.append))
        self.reader.barred = False
        self.assertIsNotNone(self.records.ask(AuditQuery(0.0), None, self.heard.append))

    def test_a_follower_who_breaks_leaves_the_others_their_news(self) -> None:
        def bad() -> None:
            raise ValueError

        self.wait(bad)
        self.wait(lambda: self.heard.append(None))
        self.records.written([b"{}"])
        self.assertRaises(ValueError, self.turn)
        self.records.written([b"{}"])
        self.turn()
        self.assertEqual(self.heard, [None])
