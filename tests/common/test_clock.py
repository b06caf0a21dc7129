"""A time of day that is set is noticed; one that NTP corrects is not worth a line."""

from typing import cast

from twisted.trial.unittest import SynchronousTestCase

from vspc.common.clock import CLOCK_SET, DOUBT, JUMP, Clock, ClockWatch, DeletionClock


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


class Deleting(SynchronousTestCase):
    """By which time things are too old."""

    YEAR = 365 * 86400.0

    def setUp(self) -> None:
        self.clock = SetClock()
        self.ages = DeletionClock(self.clock.seconds, self.clock.wall)

    def run_on(self, seconds: float) -> float:
        self.clock.now += seconds
        return self.ages.time()

    def test_time_that_passes_counts_however_long_nobody_asked(self) -> None:
        self.assertEqual(self.run_on(self.YEAR), self.clock.wall())
        self.assertIsNone(self.ages.doubted)

    def test_set_by_an_hour_or_back_it_counts_at_once(self) -> None:
        for by in (JUMP, -self.YEAR):
            self.clock.day += by
            self.assertEqual(self.run_on(1), self.clock.wall())

    def test_set_by_a_year_it_counts_after_a_day(self) -> None:
        self.clock.day += self.YEAR
        self.assertEqual(self.run_on(1), self.clock.wall() - self.YEAR)
        self.assertEqual(self.ages.doubted, self.YEAR)
        self.assertEqual(self.run_on(DOUBT - 1), self.clock.wall() - self.YEAR)
        self.assertEqual(self.run_on(1), self.clock.wall())
        self.assertIsNone(self.ages.doubted)

    def test_set_right_again_within_the_day_nothing_was_too_old(self) -> None:
        self.clock.day += self.YEAR
        self.run_on(DOUBT - 1)
        self.clock.day -= self.YEAR
        self.assertEqual(self.run_on(1), self.clock.wall())
        self.clock.day += self.YEAR  # and wrong again: another day
        self.run_on(1)
        self.assertEqual(self.run_on(DOUBT - 1), self.clock.wall() - self.YEAR)

    def test_set_twice_the_day_begins_again(self) -> None:
        self.clock.day += self.YEAR
        self.run_on(DOUBT - 1)
        self.clock.day += self.YEAR
        self.assertEqual(self.run_on(1), self.clock.wall() - 2 * self.YEAR)

    def test_wrong_from_the_beginning_it_counts_after_a_day(self) -> None:
        last = self.clock.wall() - self.YEAR
        self.ages = DeletionClock(self.clock.seconds, self.clock.wall, last)
        self.assertEqual(self.ages.time(), last)
        self.run_on(1)
        self.assertEqual(self.run_on(DOUBT), self.clock.wall())

    def test_what_was_kept_later_than_now_makes_nothing_older(self) -> None:
        last = self.clock.wall() + self.YEAR
        self.ages = DeletionClock(self.clock.seconds, self.clock.wall, last)
        self.assertEqual(self.ages.time(), self.clock.wall())
