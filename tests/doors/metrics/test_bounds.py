"""What floods of requests and of unknown words cost the metrics."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.fakes import FakeClock
from vspc.console.events import Suspicion
from vspc.doors.metrics import door
from vspc.doors.metrics.counting import COMBINATIONS, OTHER, EventCounts
from vspc.doors.metrics.door import FRESH, MetricPages
from vspc.doors.metrics.http import PageAnswer
from vspc.doors.metrics.sources import MetricSources


class LaterPool:
    """Makes the calls when it is told to."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def submit(self, call: Callable[..., None], *arguments: object) -> None:
        self.waiting.append(lambda: call(*arguments))

    def run(self) -> None:
        while self.waiting:
            self.waiting.pop(0)()


class Bounds(SynchronousTestCase):
    def test_of_very_many_words_the_last_count_together(self) -> None:
        counts = EventCounts()
        for number in range(COMBINATIONS + 5):
            counts.on_event(Suspicion(f"kind {number}", None, "10.0.0.1", "", ""))
        self.assertLessEqual(len(counts.security), COMBINATIONS + 1)
        self.assertEqual(counts.security[OTHER], 5)

    def test_many_requests_cost_one_collection_a_second(self) -> None:
        clock, collected, pool = FakeClock(), list[object](), LaterPool()
        self.patch(door, "collect", collected.append)
        self.patch(door, "render", lambda _families: b"text")
        self.patch(door, "WorkerPool", lambda *_: pool)
        sources = cast(MetricSources, SimpleNamespace(clock=clock))
        page = MetricPages(sources, lambda call: call(), self.fail).pages[b"/metrics"]
        for seconds, count in ((0.0, 1), (FRESH / 2, 1), (FRESH, 2)):
            clock.advance(seconds)
            answers: list[Deferred[PageAnswer]] = [
                Deferred.fromCoroutine(cast(Any, page())) for _ in range(5)
            ]
            pool.run()
            for answer in answers:
                self.assertEqual(self.successResultOf(answer).body, b"text")
            self.assertEqual(len(collected), count)
