"""`status`: how the server is."""

import json

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from tests.verbs.opsdesk import CAROL, DAVE, OpsDesk


class Status(SynchronousTestCase):
    def setUp(self) -> None:
        self.desk = OpsDesk()
        self.desk.connected("web01", f"{1:032x}")
        away, _ = self.desk.connected("web02", f"{2:032x}")
        away.disconnect("off")
        self.desk.ask("raw web01", self.desk.login(CAROL)).type(b"x")
        self.desk.ask("raw web01", self.desk.login(CAROL))
        self.desk.world = evolve(
            self.desk.world,
            status=lambda: {
                "version": "1.0",
                "log": {"behind_bytes": 12, "last_error": None},
                "hosts": ["a\x1b", "b"],
                "tls": True,
                "limits_hit": {"max_sessions": 3},
                "audit": {"copies": {}},
            },
        )
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

    def test_as_lines(self) -> None:
        lines = self.desk.ask("status", self.daves).text.splitlines()
        self.assertIn("consoles connected: 1", lines)
        self.assertIn("log behind bytes: 12", lines)
        self.assertIn("log last error: -", lines)
        self.assertIn("hosts: a\\x1b, b", lines)
        self.assertIn("tls: yes", lines)
        self.assertIn("limits hit max sessions: 3", lines)
        self.assertIn("audit copies: -", lines)
        self.assertIn("audit refuses: no", lines)

    def test_only_administrators(self) -> None:
        channel = self.desk.ask("status")
        self.assertEqual((channel.status, channel.text), (4, ""))
        self.assertEqual(self.desk.events("denied")[0]["verb"], "status")

    def test_usage(self) -> None:
        self.assertEqual(self.desk.ask("status web01", self.daves).status, 2)
