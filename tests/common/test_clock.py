"""A time of day that is set is noticed; one that NTP corrects is not worth a line."""

from typing import cast

from twisted.trial.unittest import SynchronousTestCase

from vspc.common.clock import CLOCK_SET, Clock, ClockWatch


class SetClock:
    """A clock whose time of day may be set."""

    def __init__(self) -> None:
        self.now = 100.0
        self.day = 1.7e9

    def seconds(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.day + self.now


class Watching(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = SetClock()
        self.watch = ClockWatch(cast(Clock, self.clock))

    def test_a_clock_that_runs_is_not_set(self) -> None:
        for _ in range(5):
            self.clock.now += 1000
            self.assertIsNone(self.watch.moved())

    def test_set_forward_and_back_is_told_once_each(self) -> None:
        for by in (3600.0, -3600.0):
            self.clock.day += by
            self.assertEqual(self.watch.moved(), by)
            self.assertIsNone(self.watch.moved())

    def test_less_than_the_limit_is_not_told_and_does_not_add_up(self) -> None:
        for _ in range(5):
            self.clock.day += CLOCK_SET * 0.75
            self.assertIsNone(self.watch.moved())
