"""Timers of a real reactor while the time of day is set."""

from twisted.internet.selectreactor import SelectReactor
from twisted.trial.unittest import SynchronousTestCase

from vspc.net.reactor import time_monotonically

HOUR = 3600.0


class AClockThatIsSet(SynchronousTestCase):
    def setUp(self) -> None:
        self.wall = 1.7e9
        self.reactor = SelectReactor()
        self.addCleanup(self.reactor.disconnectAll)
        self.reactor.seconds = lambda: self.wall
        self.fired: list[str] = []

    def put_off(self, name: str, seconds: float) -> None:
        self.reactor.callLater(seconds, self.fired.append, name)

    def test_timers_are_due_neither_at_once_nor_an_hour_late(self) -> None:
        self.put_off("before", 60)
        time_monotonically(self.reactor)
        self.put_off("after", 50)
        for by in (HOUR, -HOUR, -HOUR):
            self.wall += by
            self.put_off("now", 0)
            self.reactor.runUntilCurrent()
            self.assertEqual(self.fired, ["now"])
            del self.fired[:]
            self.assertTrue(30 < (self.reactor.timeout() or 0) <= 50)

    def test_without_it_they_follow(self) -> None:
        self.put_off("a timer of 60 s", 60)
        self.wall += HOUR
        self.reactor.runUntilCurrent()
        self.assertEqual(self.fired, ["a timer of 60 s"])
