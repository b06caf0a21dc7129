"""The pages: a text is made once for all who ask within a second, in a thread, whatever happens."""

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred

from tests.server.test_metrics import MetricsCase
from vspc.doors.metrics import door
from vspc.doors.metrics.door import FRESH, MetricPages
from vspc.doors.metrics.exposition import render
from vspc.doors.metrics.http import PageAnswer


class InTurns:
    """In the place of a pool: a call is made when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def submit(self, call: Callable[..., Any], /, *arguments: Any) -> None:
        self.waiting.append(lambda: call(*arguments))

    def close(self) -> None:
        self.waiting.clear()


class Pages(MetricsCase):
    def setUp(self) -> None:
        super().setUp()
        self.now = self.sources.clock.seconds()
        self.failures = 0
        self.patch(type(self.sources.clock), "seconds", lambda _clock: self.now)
        self.pages = MetricPages(self.sources, lambda call: call(), self.failed)
        self.pool = InTurns()
        self.pages._pool = self.pool  # type: ignore[assignment]

    def failed(self) -> None:
        self.failures += 1

    def ask(self, path: bytes = b"/metrics") -> "Deferred[PageAnswer]":
        async def asking() -> PageAnswer:
            return await self.pages.pages[path]()

        return Deferred.fromCoroutine(asking())

    def answer(self, asked: "Deferred[PageAnswer]") -> PageAnswer:
        return self.successResultOf(asked)

    def test_all_who_ask_at_once_get_one_text(self) -> None:
        asked = [self.ask() for _ in range(5)]
        self.assertEqual(len(self.pool.waiting), 1)
        self.assertNoResult(asked[0])
        self.pool.waiting.pop()()
        bodies = {self.answer(each).body for each in asked}
        self.assertEqual(len(bodies), 1)
        self.assertIn(b"\nvspc_healthy ", bodies.pop())  # a busy disk is none of its business

    def test_for_a_second_it_is_given_again_then_made_anew(self) -> None:
        first = self.ask()
        self.pool.waiting.pop()()
        text = self.answer(first).body
        self.console(1, "web01")
        self.now += FRESH / 2
        self.assertEqual(self.answer(self.ask()).body, text)
        self.assertEqual(self.pool.waiting, [])
        self.now += FRESH / 2
        again = self.ask()
        self.pool.waiting.pop()()
        self.assertIn(b'\nvspc_consoles{state="connected"} 1.0\n', self.answer(again).body)

    def test_a_defect_in_the_text_is_an_answer_too_and_the_next_one_is_tried(self) -> None:
        def broken(_collected: object) -> bytes:
            raise ValueError

        self.patch(door, "render", broken)
        asked = self.ask()
        self.pool.waiting.pop()()
        self.assertEqual((self.answer(asked).status, self.failures), (500, 1))
        self.patch(door, "render", render)
        self.now += FRESH
        asked = self.ask()
        self.pool.waiting.pop()()
        self.assertEqual(self.answer(asked).status, 200)

    def test_a_client_that_leaves_meanwhile_costs_the_others_nothing(self) -> None:
        gone, there = self.ask(), self.ask()
        gone.cancel()
        self.failureResultOf(gone, CancelledError)
        self.pool.waiting.pop()()
        self.assertEqual(self.answer(there).status, 200)

    def test_health_and_readiness_need_no_thread(self) -> None:
        self.service.parts.metrics._beat = self.now
        for path in (b"/healthz", b"/readyz"):
            self.assertEqual(self.answer(self.ask(path)), PageAnswer(200, b"ok\n"))
        self.now += 3600
        self.service.parts.metrics.stopping()
        for path, word in ((b"/healthz", b"reactor: "), (b"/readyz", b"stopping")):
            found = self.answer(self.ask(path))
            self.assertEqual(found.status, 503)
            self.assertIn(word, found.body)
