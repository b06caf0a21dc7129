"""What is said of a certificate that is not valid, or not for long."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.net.authorities import certificate
from vspc.net.certificates import (
    NAMES,
    WARN_DAYS,
    Validity,
    alternative_names,
    presented_host,
    validity_of,
)
from vspc.net.tls import YEARS, load_pair

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2026, 12, 31, tzinfo=UTC)


class Periods(SynchronousTestCase):
    def test_of_very_many_names_the_first_are_looked_at(self) -> None:
        made = certificate("web", names=[f"h{n}.example" for n in range(NAMES + 5)])
        found = alternative_names(made.certificate)
        self.assertEqual(found, tuple(f"h{n}.example" for n in range(NAMES)))

    def test_the_message_at_each_time(self) -> None:
        period = Validity(BEGIN, END)
        second, day = timedelta(seconds=1), timedelta(days=1)
        for now, said in (
            (BEGIN - second, "not valid before 2026-01-01"),
            (BEGIN, ""),
            (END - WARN_DAYS * day, ""),
            (END - WARN_DAYS * day + second, "expires on 2026-12-31, in 29 days"),
            (END - day, "expires on 2026-12-31, in 1 day"),
            (END - second, "expires on 2026-12-31, in less than a day"),
            (END + second, "expired on 2026-12-31"),
        ):
            self.assertEqual(period.problem(now), said)

    def test_days_left(self) -> None:
        period = Validity(BEGIN, END)
        self.assertEqual(period.days_left(END - timedelta(days=3, hours=1)), 3)
        self.assertLess(period.days_left(END + timedelta(seconds=1)), 0)

    def test_the_name_by_which_others_reach_the_server(self) -> None:
        for names, expected in (
            ((), ""),
            (("localhost", "*.example.com"), ""),
            (("localhost", "*.example.com", "vspc.example.com", "b"), "vspc.example.com"),
        ):
            self.assertEqual(presented_host(certificate("x", names=names).pem), expected, names)

    def test_the_certificate_that_is_made(self) -> None:
        directory = Path(self.mktemp())
        directory.mkdir()
        found = validity_of(load_pair(None, None, directory).certificate)
        now = datetime.now(UTC)
        self.assertEqual(found.problem(now), "")
        self.assertGreater(found.days_left(now), 365 * YEARS - 2)

    def test_no_certificate(self) -> None:
        self.assertRaises(ValueError, validity_of, b"nothing")
