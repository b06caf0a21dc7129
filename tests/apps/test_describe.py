"""`describe`: what a console is for, shown where consoles are listed."""

import json

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.apps.opsdesk import OpsDesk
from tests.apps.support import BOB
from vspc.apps.verbs.describe import PATIENCE
from vspc.console.access import Access, Rule
from vspc.console.descriptions import LENGTH, Descriptions


class Describing(SynchronousTestCase):
    def setUp(self) -> None:
        self.desk = OpsDesk()
        self.web, _ = self.desk.connected("web01", f"{1:032x}")
        self.desk.connected("db", f"{2:032x}")
        every = frozenset({"read", "write", "admin"})
        self.desk.rules = Access(
            (Rule(frozenset({"alice"}), ("web*",), every), *self.desk.rules.rules)
        )

    def test_it_is_shown_in_lists_and_info(self) -> None:
        channel = self.desk.ask("describe web01 billing, \x1b[2Jprimary")
        self.assertEqual((channel.status, channel.text), (0, ""))
        shown = "billing, \\x1b[2Jprimary"
        rows = json.loads(self.desk.ask("list --json").text)
        self.assertEqual([row["description"] for row in rows], [None, shown])
        self.assertIn(f"description: {shown}\n", self.desk.ask("info web01").text)
        table = self.desk.ask("list").text
        self.assertIn("DESCRIPTION", table)
        self.assertIn(shown, table)
        self.assertEqual(self.desk.ask("describe web01").text, f"{shown}\n")
        self.assertEqual(self.desk.ask("describe web01 --remove").status, 0)
        self.assertEqual(self.desk.ask("describe web01").text, "-\n")
        self.assertEqual(self.desk.ask("describe web01 again").status, 0)
        self.assertEqual(self.desk.ask("describe web01 ''").status, 0)
        self.assertNotIn("DESCRIPTION", self.desk.ask("list").text)

    def test_the_audit_has_its_size_and_not_its_text(self) -> None:
        self.desk.ask("describe web01 billing")
        (event,) = self.desk.audited("describe")
        self.assertEqual((event["bytes"], event["result"]), (7, "ok"))
        self.assertNotIn("billing", json.dumps(self.desk.record.lines))

    def test_it_needs_the_right_admin_on_that_console(self) -> None:
        for line, session in (
            ("describe db x", self.desk.login()),
            ("describe web01 x", self.desk.login(BOB)),
        ):
            channel = self.desk.ask(line, session)
            self.assertEqual(channel.status, 4, line)
            self.assertIn("you have no right to describe", channel.complaint)

    def test_a_long_one_is_refused(self) -> None:
        channel = self.desk.ask(f"describe web01 {'x' * (LENGTH + 1)}")
        self.assertEqual(channel.status, 2)
        self.assertEqual(self.desk.ask(f"describe web01 {'x' * LENGTH}").status, 0)

    def test_the_disk_fails(self) -> None:
        async def full() -> str:
            return "no space left on device"

        object.__setattr__(self.desk.console_context, "descriptions", Descriptions(full))
        channel = self.desk.ask("describe web01 billing")
        self.assertEqual(channel.status, 1)
        self.assertIn("will be lost at a restart: no space left on device", channel.complaint)
        self.assertEqual(self.web.text.description, "billing")

    def test_the_disk_does_not_answer(self) -> None:
        async def hang() -> str:
            return await Deferred[str]()

        object.__setattr__(self.desk.console_context, "descriptions", Descriptions(hang))
        channel = self.desk.ask("describe web01 billing")
        self.desk.clock.advance(PATIENCE - 1)
        self.assertIsNone(channel.status)
        self.desk.clock.advance(1)
        self.assertEqual(channel.status, 1)
        self.assertIn("not written to disk after 10 s", channel.complaint)
        self.assertEqual(self.web.text.description, "billing")
