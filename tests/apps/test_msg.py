"""`msg`: everybody on a console reads it, and its VM gets nothing."""

import json

from twisted.trial.unittest import SynchronousTestCase

from tests.apps.opsdesk import CAROL, OpsDesk
from tests.apps.support import BOB, XTERM


class Messages(SynchronousTestCase):
    def setUp(self) -> None:
        self.desk = OpsDesk()
        self.web, self.line = self.desk.connected("web01", f"{1:032x}")
        self.there = self.desk.ask("console web01", self.desk.login(CAROL), XTERM)

    def test_everybody_there_reads_it(self) -> None:
        other = self.desk.ask("raw web01")
        channel = self.desk.ask("msg web01 going down at  6")
        self.desk.turn()
        self.assertEqual((channel.status, channel.complaint), (0, ""))
        for each in (self.there.text, other.complaint):
            self.assertIn("[message from alice: going down at  6]", each)
        self.assertEqual(bytes(self.line.sent), b"")
        (event,) = self.desk.audited("msg")
        self.assertEqual((event["bytes"], event["recipients"]), (16, 2))
        self.assertNotIn("going", json.dumps(self.desk.record.lines))

    def test_nothing_in_it_reaches_a_terminal_as_control(self) -> None:
        self.desk.ask("msg web01 '\x1b[2J\u202e]\r\n[web01 is away'")
        self.desk.turn()
        said = "message from alice: \\x1b[2J\\u202e]\\x0d\\x0a[web01 is away]"
        self.assertIn(said, self.there.text)

    def test_the_right_to_read_is_enough_a_few_times_a_minute(self) -> None:
        session = self.desk.login(BOB)
        for _ in range(10):
            self.assertEqual(self.desk.ask("msg web01 hello", session).status, 0)
        channel = self.desk.ask("msg web01 hello", self.desk.login(BOB))
        self.assertEqual(channel.status, 1)
        self.assertIn("10 messages a minute", channel.complaint)
        self.assertEqual(self.desk.audited("limit")[0]["limit"], "messages")
        self.assertEqual(self.desk.ask("msg web01 hello").status, 0)
        self.desk.clock.advance(6.1)
        self.assertEqual(self.desk.ask("msg web01 hello", session).status, 0)

    def test_without_operators_on_the_console(self) -> None:
        self.there.close()
        channel = self.desk.ask("msg web01 hello")
        self.assertEqual(
            (channel.status, channel.complaint),
            (1, "no operators are on web01; the message was not sent\n"),
        )

    def test_usage(self) -> None:
        for line in ("msg", "msg web01", "msg web01 ''", f"msg web01 {'x' * 1001}"):
            self.assertEqual(self.desk.ask(line).status, 2, line)
