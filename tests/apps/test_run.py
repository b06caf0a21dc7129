"""`run`: types at many VMs, waits for a match on each, and says what became of each."""

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.apps.opsdesk import OpsDesk
from tests.apps.support import ALICE, BOB, FakeChannel
from vspc.apps.verbs.many import AT_ONCE
from vspc.console.access import Access, Operator, Rule
from vspc.console.console import Console


class Running(SynchronousTestCase):
    def setUp(self) -> None:
        self.desk = OpsDesk()
        self.web, self.line = self.desk.connected("web01", f"{1:032x}")
        self.web2, self.line2 = self.desk.connected("web02", f"{2:032x}")

    def begin(self, words: str, operator: Operator = ALICE) -> FakeChannel:
        channel = self.desk.ask(f"run {words}", self.desk.login(operator))
        self.desk.run_on()
        return channel

    def output(self, console: Console, data: bytes) -> None:
        console.link.output(data)
        self.desk.run_on(20, 0.01)

    def results(self, channel: FakeChannel) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(channel.text)
        return found

    def test_all_match(self) -> None:
        channel = self.begin("'web*' --send reboot --enter --expect 'login: $'")
        self.assertEqual((self.line.sent, self.line2.sent), (b"reboot\r", b"reboot\r"))
        self.output(self.web2, b"web02 login: ")
        self.assertIsNone(channel.status)
        self.output(self.web, b"web01 login: ")
        self.assertEqual(channel.status, 0)
        self.assertRegex(
            channel.text, r"web01 +matched +0\.\d +login: ?\nweb02 +matched +0\.\d +login: ?\n$"
        )
        self.assertEqual([each["verb"] for each in self.desk.audited("command")], ["run"])
        self.assertEqual([each["result"] for each in self.desk.audited("expect")], ["ok", "ok"])

    def test_one_is_late(self) -> None:
        channel = self.begin("'web*' --send x --expect done --timeout 5 --json")
        self.output(self.web, b"done")
        self.desk.run_on(6, 1.0)
        first, second = self.results(channel)
        self.assertEqual((first["result"], first["match"], first["end"]), ("matched", "done", 4))
        self.assertEqual((second["result"], second["status"]), ("timed-out", 5))
        self.assertIn("web02 has not printed it", second["why"])
        self.assertGreaterEqual(second["seconds"], 5.0)
        self.assertEqual(channel.status, 5)
        self.assertIn("done on 1 of 2 consoles", channel.complaint)

    def test_one_prints_what_it_must_not_and_another_is_late(self) -> None:
        channel = self.begin("'web*' --expect done --fail panic --timeout 5 --json")
        self.output(self.web, b"kernel panic")
        self.desk.run_on(6, 1.0)
        first, second = self.results(channel)
        self.assertEqual((first["result"], second["result"]), ("failed", "timed-out"))
        self.assertIn("--fail matched at offset 7 of web01: panic", first["why"])
        self.assertEqual(channel.status, 1)

    def test_without_text_reading_is_enough(self) -> None:
        channel = self.begin("'web*' --expect done --json", BOB)
        for console in (self.web, self.web2):
            self.output(console, b"done")
        self.assertEqual(channel.status, 0)

    def test_what_may_not_be_typed_on_is_refused_and_what_may_not_be_read_is_not_there(
        self,
    ) -> None:
        self.desk.rules = Access(
            (
                Rule(frozenset({"bob"}), ("web01",), frozenset({"read", "write"})),
                Rule(frozenset({"bob"}), ("web02",), frozenset({"read"})),
            )
        )
        self.desk.connected("web03", f"{3:032x}")
        channel = self.begin("'web*' --send x --expect done --json", BOB)
        self.output(self.web, b"done")
        found = self.results(channel)
        self.assertEqual([each["result"] for each in found], ["matched", "refused"])
        self.assertEqual((channel.status, self.line2.sent), (4, b""))

    def test_nowhere_may_be_typed(self) -> None:
        self.assertEqual(self.begin("'web*' --send x --expect y", BOB).status, 4)

    def test_another_operator_has_the_pen(self) -> None:
        self.assertIsNone(self.desk.console_attachment(self.web2).take_pen())
        channel = self.begin("'web*' --send x --expect done --json")
        self.output(self.web, b"done")
        self.assertEqual([each["result"] for each in self.results(channel)], ["matched", "refused"])
        self.assertEqual([each["detail"] for each in self.desk.audited("denied")], ["pen"])

    def test_a_count_that_is_wrong_types_nothing(self) -> None:
        channel = self.begin("'web*' --yes 3 --send x --expect y")
        self.assertEqual((channel.status, self.line.sent), (2, b""))
        self.assertIn("nothing is typed; --yes 2 types on 2 consoles", channel.complaint)
        self.assertIsNone(self.begin("'web*' --yes 2 --send x --expect y").status)

    def test_so_many_at_a_time(self) -> None:
        lines = [self.desk.connected(f"m{n:02}", f"{n + 10:032x}") for n in range(AT_ONCE + 8)]
        channel = self.begin("'m*' --send x --expect done --json")
        self.assertEqual(sum(line.sent == b"x" for _, line in lines), AT_ONCE)
        for console, _ in lines:
            self.output(console, b"done")
        for console, _ in lines[AT_ONCE:]:
            self.output(console, b"done")
        self.assertEqual((channel.status, len(self.results(channel))), (0, AT_ONCE + 8))

    def test_a_match_shows_nothing_that_makes_a_terminal_answer(self) -> None:
        channel = self.begin("web01 --expect '(?s)<.*>'")
        self.output(self.web, b"<\x1b[6n\x1b[31mred\r\n>")
        self.assertIn("<red\\x0a>", channel.text)
        self.assertNotIn("\x1b", channel.text)

    def test_the_client_leaves(self) -> None:
        channel = self.begin("'web*' --send x --expect done")
        channel.close()
        self.desk.run_on()
        self.assertEqual((len(self.web.attachments), len(self.web2.attachments)), (0, 0))

    def test_what_makes_no_sense(self) -> None:
        for words, status in (
            ("'web*' --send x", 2),
            ("'web*' --expect ''", 2),
            ("'web*' --expect '('", 2),
            ("'web*' --expect x --yes 2", 2),
            ("--expect x", 2),
            ("'nothing*' --expect x", 3),
        ):
            self.assertEqual(self.begin(words).status, status, words)
