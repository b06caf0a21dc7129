"""One alert after the other: tried again, given up, and never lost without a word."""

from itertools import pairwise
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.alerts.support import Answers
from tests.fakes import FakeClock
from vspc.alerts.delivery import DELIVERY_TIME, KEPT, LONGEST_PAUSE, TRIES, Delivery, Undelivered
from vspc.alerts.queue import AlertQueue, QueuedAlert


class Delivering(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = FakeClock()
        self.events: list[tuple[str, dict[str, object]]] = []
        directory = Path(self.mktemp())
        self.queue = AlertQueue(directory, lambda call: call(), lambda call: call(), self.report)
        self.queue.load(["a"])
        self.action = Answers()
        self.defects = 0
        self.delivery = Delivery(
            "a", self.action, self.queue, self.clock, self.report, self.failed, lambda: 0.0
        )
        self.delivery.start()
        self.addCleanup(self.delivery.stop)

    def report(self, event: str, facts: dict[str, object]) -> None:
        self.events.append((event, facts))

    def failed(self) -> None:
        self.defects += 1

    def add(self, *ids: str) -> None:
        for each in ids:
            item = QueuedAlert.of({"id": each, "alert": "a"}, self.clock.wall())
            self.queue.add(item)
        self.delivery.wake()
        self.clock.advance(0)

    @property
    def taken(self) -> list[str]:
        return [item.id for item in self.action.taken]

    def test_one_after_the_other(self) -> None:
        self.action.is_slow = True
        self.add("1", "2")
        self.assertEqual(len(self.action.tried), 1)
        self.action.under_way[0].callback(None)
        self.action.under_way[1].callback(None)
        self.assertEqual(self.taken, ["1", "2"])
        self.assertEqual(self.events, [])

    def test_pauses_double_up_to_a_limit(self) -> None:
        self.action.errors += [Undelivered("no route")] * 12
        self.add("1")
        times = [0.0]
        while not self.taken:
            before = len(self.action.tried)
            self.clock.advance(1.0)
            if len(self.action.tried) > before:
                times.append(self.clock.seconds())
        pauses = [b - a for a, b in pairwise(times)]
        self.assertEqual(pauses[:9], [1, 2, 4, 8, 16, 32, 64, 128, 256])
        self.assertEqual(max(pauses), LONGEST_PAUSE)
        self.assertEqual(
            [event for event, _ in self.events], ["alert-not-delivered", "alert-delivered-again"]
        )
        self.assertEqual(self.events[0][1]["to"], "webhook https://example.com/...")
        self.assertEqual((self.delivery.failures, self.delivery.problem), (12, ""))

    def test_one_that_is_refused_does_not_hold_up_the_next(self) -> None:
        self.action.errors += [Undelivered("the answer is 400", True)] * TRIES
        self.add("1", "2")
        for _ in range(100):
            self.clock.advance(1.0)
        self.assertEqual(self.taken, ["2"])
        (event,) = [facts for event, facts in self.events if event == "alert-dropped"]
        self.assertEqual((event["id"], event["why"]), ("1", f"the answer is 400, {TRIES} times"))
        self.assertEqual(self.queue.dropped, {"a": 1})

    def test_a_defect_ends_neither_the_alert_nor_those_behind_it(self) -> None:
        self.action.errors += [ValueError("oh")] * TRIES
        self.add("1", "2")
        for _ in range(100):
            self.clock.advance(1.0)
        self.assertEqual((self.taken, self.defects), (["2"], TRIES))
        self.assertEqual(self.queue.dropped, {"a": 1})

    def test_what_is_a_day_old_is_given_up(self) -> None:
        self.action.errors += [Undelivered("no route")] * 1000
        self.add("1")
        self.clock.advance(KEPT + 1)
        self.clock.advance(LONGEST_PAUSE)
        self.assertEqual(self.queue.waiting("a"), 0)
        self.assertEqual(self.events[-1][1]["why"], "it is a day old")

    def test_an_answer_that_does_not_come(self) -> None:
        self.action.is_slow = True
        self.add("1")
        self.clock.advance(DELIVERY_TIME)
        self.assertEqual(self.delivery.problem, f"it took over {DELIVERY_TIME:g} s")
        self.action.is_slow = False
        self.clock.advance(1.0)
        self.assertEqual(self.taken, ["1"])

    def test_after_the_end_nothing_is_tried_and_nothing_is_lost(self) -> None:
        self.action.is_slow = True
        self.add("1", "2")
        self.delivery.stop()
        self.assertEqual(len(self.action.tried), 1)
        self.assertEqual(self.queue.waiting("a"), 2)
        self.assertEqual(self.clock.twisted.getDelayedCalls(), [])
