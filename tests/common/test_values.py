"""Sizes and durations, read and shown."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.common.values import (
    age_text,
    duration_text,
    parse_duration,
    parse_size,
    size_text,
    written_duration,
    written_size,
)


class Ages(SynchronousTestCase):
    def test_they_are_short(self) -> None:
        ages = [age_text(seconds) for seconds in (None, -3, 0, 59.9, 60, 3599, 7200, 86400 * 9999)]
        self.assertEqual(["-", "0s", "0s", "59s", "1m", "59m", "2h", "9999d"], ages)


class Shown(SynchronousTestCase):
    def test_sizes(self) -> None:
        for count, text in (
            (0, "0 B"),
            (1023, "1023 B"),
            (12288, "12 KiB"),
            (65920 << 10, "64.4 MiB"),
            (256 << 20, "256 MiB"),
            (20 << 30, "20 GiB"),
            (5 << 50, "5120 TiB"),
        ):
            self.assertEqual(size_text(count), text)

    def test_times(self) -> None:
        for seconds, text in (
            (0, "0 s"),
            (17.9, "17 s"),
            (200, "3 min 20 s"),
            (3600, "1 h"),
            (3 * 86400 + 7, "3 d"),
            (3 * 86400 + 7200, "3 d 2 h"),
            (-1, "0 s"),
        ):
            self.assertEqual(duration_text(seconds), text)


class Reading(SynchronousTestCase):
    def test_durations(self) -> None:
        for text, seconds in (("30", 30.0), ("0.5s", 0.5), ("10 m", 600.0), ("7d", 7 * 86400.0)):
            self.assertEqual(parse_duration(text), seconds)
        for text in ("", "s", "-1", "1w", "1,5", "1e3", "\u0663s", "1 d ", "9" * 12):
            self.assertIsNone(parse_duration(text), text)

    def test_sizes(self) -> None:
        for text, count in (("0B", 0), ("1536 B", 1536), ("64KiB", 65536), ("1GiB", 1 << 30)):
            self.assertEqual(parse_size(text), count)
        for text in ("", "64", "64KB", "64kib", "1.5GiB", "-1B", "\u0663KiB"):
            self.assertIsNone(parse_size(text), text)

    @given(st.integers(1, 10**9 - 1))
    def test_what_is_written_is_read_as_the_same(self, number: int) -> None:
        self.assertEqual(parse_size(written_size(number)), number)
        self.assertEqual(parse_duration(written_duration(number)), number)
        self.assertEqual(parse_duration(written_duration(number / 8)), number / 8)
