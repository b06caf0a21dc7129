"""Time zones have the names of the IANA, and a wrong name is answered with the nearest ones."""

from twisted.trial.unittest import SynchronousTestCase

from vspc.common.timezones import NAMES, UnknownZone, local_time, time_zone, zone_text

AT = 1795777323.0  # 2026-11-27 11:02:03 UTC


class Named(SynchronousTestCase):
    def test_a_name_in_any_case(self) -> None:
        for name in ("Europe/Berlin", "europe/berlin", "UTC", "utc", "Asia/Kolkata"):
            self.assertEqual(str(time_zone(name)).casefold(), name.casefold())
        self.assertIn("Europe/Berlin", NAMES)

    def test_a_wrong_name_is_answered_with_the_nearest(self) -> None:
        for typed, near in (
            ("Europe/Berln", "Europe/Berlin"),
            ("berlin", "Europe/Berlin"),
            ("America/NewYork", "America/New_York"),
        ):
            error = self.assertRaises(UnknownZone, time_zone, typed)
            self.assertIn(f"unknown time zone '{typed}'; did you mean {near}", str(error))

    def test_a_name_that_is_none(self) -> None:
        for typed in ("", "qqqq", "../../etc/passwd", "/etc/passwd", "x" * 10_000, "a\x1b[2J\0"):
            error = self.assertRaises(UnknownZone, time_zone, typed)
            self.assertIn("written Europe/Berlin", str(error))
            self.assertTrue(str(error).isprintable())
            self.assertLess(len(str(error)), 200)


class Shown(SynchronousTestCase):
    def test_the_zone_and_its_offset(self) -> None:
        self.assertEqual(zone_text(AT, time_zone("Europe/Berlin")), "Europe/Berlin, UTC+01:00")
        summer = AT - 150 * 86400
        self.assertEqual(zone_text(summer, time_zone("Europe/Berlin")), "Europe/Berlin, UTC+02:00")
        self.assertIn("UTC", zone_text(AT, None))

    def test_any_time(self) -> None:
        for at in (-1.0, 1e300, float("nan"), float("inf")):
            local_time(at, time_zone("Pacific/Kiritimati"))
