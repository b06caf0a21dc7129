"""Times of day, written and read as RFC 3339 has them."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.common.clock import LATEST, parse_rfc3339, rfc3339


class Rfc3339(SynchronousTestCase):
    def test_written(self) -> None:
        self.assertEqual(rfc3339(1.7e9), "2023-11-14T22:13:20.000Z")
        self.assertEqual(rfc3339(1.7e9, "seconds"), "2023-11-14T22:13:20Z")
        self.assertEqual(rfc3339(1.7e9 + 0.25, "microseconds"), "2023-11-14T22:13:20.250000Z")
        self.assertEqual(parse_rfc3339(rfc3339(1.7e9, local=True)), 1.7e9)

    def test_a_clock_may_be_set_to_anything(self) -> None:
        for at in (float("nan"), float("-inf"), -1.0):
            self.assertEqual(rfc3339(at), "1970-01-01T00:00:00.000Z")
        for at in (float("inf"), 1e300, LATEST + 1):
            self.assertEqual(rfc3339(at), rfc3339(LATEST))
            self.assertTrue(rfc3339(at, local=True).startswith("9999-"))

    def test_without_an_offset_it_is_utc(self) -> None:
        self.assertEqual(parse_rfc3339("2023-11-14T22:13:20"), 1.7e9)
        self.assertEqual(parse_rfc3339("2023-11-14T23:13:20+01:00"), 1.7e9)
        self.assertEqual(parse_rfc3339("1970-01-02"), 86400.0)

    def test_what_is_not_a_time(self) -> None:
        for text in ("", "yesterday", "2023-13-01", "9" * 100):
            self.assertRaises(ValueError, parse_rfc3339, text)

    @given(st.integers(0, int(LATEST * 1000)))
    def test_what_is_written_is_read(self, milliseconds: int) -> None:
        read = parse_rfc3339(rfc3339(milliseconds / 1000))
        self.assertLess(abs(read - milliseconds / 1000), 0.0011)
