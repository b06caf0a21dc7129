"""`status`: how the server is."""

import json

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from tests.apps.opsdesk import CAROL, DAVE, OpsDesk


class Status(SynchronousTestCase):
    def setUp(self) -> None:
        self.desk = OpsDesk()
        self.desk.connected("web01", f"{1:032x}")
        away, _ = self.desk.connected("web02", f"{2:032x}")
        away.link.disconnect("off")
        self.desk.ask("raw web01", self.desk.login(CAROL)).type(b"x")
        self.desk.ask("raw web01", self.desk.login(CAROL))
        self.facts: dict[str, object] = {
            "version": "1.0",
            "log": {"behind_bytes": 12, "last_error": None},
            "hosts": ["a\x1b", "b"],
            "tls": True,
            "limits_hit": {"max_sessions": 3},
        }
        self.desk.context = evolve(self.desk.context, status=lambda: self.facts)
        self.daves = self.desk.login(DAVE)

    def test_as_json(self) -> None:
        found = json.loads(self.desk.ask("status --json", self.daves).text)
        self.assertEqual(
            found["consoles"], {"connected": 1, "migrating": 0, "away": 1, "quarantined": 0}
        )
        self.assertEqual((found["sessions"], found["operators"]), (3, 2))
        self.assertEqual((found["attachments"], found["writers"]), (2, 1))
        self.assertEqual(found["audit_refuses"], False)
        self.assertEqual(found["log"], {"behind_bytes": 12, "last_error": None})

    def test_what_no_line_is_made_for_is_shown_by_its_name_with_units(self) -> None:
        lines = self.lines()
        self.assertEqual(lines["log behind"], "12 B")
        self.assertEqual(lines["log last error"], "none")
        self.assertEqual(lines["hosts"], "a\\x1b, b")
        self.assertEqual(lines["tls"], "yes")
        self.assertEqual(lines["audit refuses"], "no")

    def test_text_has_each_fact_once(self) -> None:
        self.facts |= {
            "pid": 7,
            "uptime_seconds": 17,
            "since": "2026-11-30T00:00:00.000Z",
            "largest_memory_kib": 65920,
            "history": {"used": 12288, "total": 268435456},
            "lines": {"all": 3, "unidentified": 1},
            "ssh": {"connections": 4, "not_logged_in": 2, "passwords_turned_away": 0},
            "audit": {
                "state": "written",
                "waiting": 0,
                "lost": 0,
                "refuses": False,
                "copies": {"syslog": {"state": "sent"}},
            },
            "certificate": {
                "not_before": "2026-01-01T00:00:00.000Z",
                "not_after": "2036-11-28T00:00:00.000Z",
                "days_left": 3650,
                "problem": "",
            },
        }
        lines = self.lines()
        for label, text in (
            ("version", "1.0, process 7"),
            ("running", "17 s, since 2026-11-30T00:00:00.000Z"),
            ("memory", "64.4 MiB at the most so far"),
            ("certificate until", "2036-11-28, 3650 days left"),
            ("consoles", "1 connected, 0 migrating, 1 away, 0 quarantined"),
            ("VM connections", "3, 1 not identified"),
            ("SSH connections", "4, 2 not logged in, passwords turned away 0"),
            ("sessions", "3 of 2 operators"),
            ("attachments", "2, 1 with the pen"),
            ("input waiting", "0 B"),
            ("history", "12 KiB of 256 MiB"),
            ("audit", "written, 0 waiting, 0 lost, syslog state sent"),
            ("limits hit", "3 max_sessions"),
        ):
            self.assertEqual(lines.get(label), text, label)
        text = self.desk.ask("status", self.daves).text
        self.assertEqual(text.count("refuse"), 0)
        self.assertEqual(len(text.splitlines()), len(lines))  # no label twice

    def test_a_certificate_that_expires_soon_and_an_audit_file_that_fails(self) -> None:
        self.facts["certificate"] = {
            "not_after": "2026-12-02T00:00:00.000Z",
            "days_left": 1,
            "problem": "expires on 2026-12-02, in 1 day",
        }
        self.facts["audit_refuses"] = True
        self.facts["audit"] = {"state": "failing"}
        lines = self.lines()
        self.assertEqual(lines["certificate until"], "expires on 2026-12-02, in 1 day (1 day left)")
        self.assertEqual(lines["audit"], "failing; typing is refused until it is written")

    def test_json_keeps_exact_numbers(self) -> None:
        self.facts["history"] = {"used": 12289, "total": 268435457}
        found = json.loads(self.desk.ask("status --json", self.daves).text)
        self.assertEqual(found["history"], {"used": 12289, "total": 268435457})

    def lines(self) -> dict[str, str]:
        """What is printed, by its label."""
        rows = self.desk.ask("status", self.daves).text.splitlines()
        return {label: text.strip() for label, _, text in (row.partition(":") for row in rows)}

    def test_only_administrators(self) -> None:
        channel = self.desk.ask("status")
        self.assertEqual((channel.status, channel.text), (4, ""))
        self.assertEqual(self.desk.audited("denied")[0]["verb"], "status")

    def test_usage(self) -> None:
        self.assertEqual(self.desk.ask("status web01", self.daves).status, 2)
