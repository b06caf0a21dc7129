"""`broadcast`: the same is typed at many VMs, with a result for each."""

import json

from twisted.trial.unittest import SynchronousTestCase

from tests.apps.opsdesk import CAROL, DAVE, OpsDesk
from tests.apps.support import ALICE, BOB, XTERM, FakeChannel
from vspc.apps.verbs.many import ANSWER, AT_ONCE
from vspc.console.access import Access, Operator, Rule
from vspc.console.ports import Terminal


class BroadcastCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.desk = OpsDesk()
        self.web, self.line = self.desk.connected("web01", f"{1:032x}")
        self.web2, self.line2 = self.desk.connected("web02", f"{2:032x}")

    def say(
        self, words: str, operator: Operator = ALICE, terminal: Terminal | None = None
    ) -> FakeChannel:
        channel = self.desk.ask(f"broadcast {words}", self.desk.login(operator), terminal)
        self.desk.run_on()
        return channel

    def results(self, channel: FakeChannel) -> dict[str, str]:
        return {each["console"]: each["result"] for each in json.loads(channel.text)}

    def take_pen_of_web2(self) -> None:
        attachment = self.desk.console_attachment(self.web2)
        self.assertIsNone(attachment.take_pen())


class Asking(BroadcastCase):
    def test_without_a_terminal_the_count_is_needed_and_the_list_is_shown(self) -> None:
        for words in ("'web*' reboot", "'web*' --yes 1 reboot", "'web*' --yes 3 reboot"):
            channel = self.say(words)
            self.assertEqual(channel.status, 2, words)
            self.assertRegex(channel.text, r"web01 +connected +- +yes\nweb02 ")
            self.assertEqual(channel.complaint, "nothing is typed; --yes 2 types on 2 consoles\n")
        self.assertEqual((self.line.sent, self.line2.sent), (b"", b""))

    def test_a_terminal_is_asked_and_yes_is_the_only_answer_that_types(self) -> None:
        for answer, status in ((b"no\r", 1), (b"\r", 1), (b"y\r", 1), (b"\x03", 1), (b"\x04", 1)):
            channel = self.say("'web*' --enter reboot", terminal=XTERM)
            self.assertIn("type 7 bytes on 2 consoles? (yes/no) ", channel.text)
            channel.type(answer)
            self.desk.run_on()
            self.assertEqual(channel.status, status, answer)
            self.assertEqual(self.line.sent, b"")
        channel = self.say("'web*' --enter reboot", terminal=XTERM)
        for key in (b"y", b"x", b"\x7f", b"es\r", b"dropped"):
            channel.type(key)
        self.desk.run_on()
        self.assertEqual((channel.status, self.line.sent), (0, b"reboot\r"))
        self.assertIn("yx\b \bes\r\n", channel.text)

    def test_nobody_answers(self) -> None:
        channel = self.say("'web*' reboot", terminal=XTERM)
        self.desk.run_on(2, ANSWER)
        self.assertEqual((channel.status, self.line.sent), (5, b""))

    def test_a_terminal_that_gives_the_count_is_not_asked(self) -> None:
        channel = self.say("'web*' --yes 2 x", terminal=XTERM)
        self.assertEqual((channel.status, self.line.sent), (0, b"x"))

    def test_what_may_not_be_typed_on_is_listed_and_not_counted(self) -> None:
        rights = frozenset({"read", "write"})
        self.desk.rules = Access(
            (
                Rule(frozenset({"bob"}), ("web01",), rights),
                Rule(frozenset({"bob"}), ("web02",), frozenset({"read"})),
            )
        )
        self.desk.connected("web03", f"{3:032x}")
        listed = self.say("'web*' x", BOB)
        self.assertRegex(listed.text, r"web02 +connected +- +no right\n")
        self.assertNotIn("web03", listed.text)
        self.assertIn("--yes 1 types on 1 console\n", listed.complaint)
        channel = self.say("'web*' --yes 1 --json x", BOB)
        self.assertEqual(self.results(channel), {"web01": "delivered", "web02": "refused"})
        self.assertEqual((channel.status, self.line2.sent), (4, b""))
        self.assertEqual([each["detail"] for each in self.desk.audited("denied")], ["right"])

    def test_nowhere_may_be_typed(self) -> None:
        channel = self.say("'web*' --yes 0 x", DAVE)
        self.assertEqual(channel.status, 4)
        self.assertIn("no right to type on any of these consoles", channel.complaint)

    def test_what_makes_no_sense(self) -> None:
        self.assertEqual(self.say("'nothing*' --yes 1 x").status, 3)
        self.assertEqual(self.say("'web*' --yes 2").status, 2)
        self.assertEqual(self.say("'web*' --yes 2 ''").status, 2)
        self.assertEqual(self.say("'web*' --yes two x").status, 2)


class Results(BroadcastCase):
    def test_delivered_everywhere(self) -> None:
        channel = self.say("'web*' --yes 2 --enter sync; reboot")
        self.assertEqual(channel.status, 0)
        self.assertEqual((self.line.sent, self.line2.sent), (b"sync; reboot\r",) * 2)
        self.assertRegex(channel.text, r"web01 +delivered +0.0  -\nweb02 +delivered +0.0  -\n$")
        self.assertFalse(self.web.attachments)
        self.assertEqual([each["bytes"] for each in self.desk.audited("send")], [13, 13])
        self.assertEqual([each["verb"] for each in self.desk.audited("command")], ["broadcast"])

    def test_more_than_are_done_at_a_time(self) -> None:
        lines = [self.desk.connected(f"many{n}", f"{n + 10:032x}")[1] for n in range(3 * AT_ONCE)]
        channel = self.say(f"'many*' --yes {len(lines)} --json x")
        self.assertEqual(channel.status, 0)
        self.assertEqual({bytes(line.sent) for line in lines}, {b"x"})
        self.assertEqual(set(self.results(channel).values()), {"delivered"})

    def test_another_operator_has_the_pen(self) -> None:
        self.take_pen_of_web2()
        channel = self.say("'web*' --yes 2 x")
        self.assertEqual((channel.status, self.line2.sent), (4, b""))
        self.assertRegex(channel.text, "web02 +refused +.*carol")
        (denied,) = self.desk.audited("denied")
        self.assertEqual((denied["verb"], denied["detail"]), ("broadcast", "pen"))
        self.assertIn("done on 1 of 2 consoles", channel.complaint)

    def test_one_is_away(self) -> None:
        self.desk.console("web03", f"{3:032x}")
        channel = self.say("'web*' --yes 3 --json x")
        self.assertEqual(channel.status, 1)
        self.assertEqual(self.results(channel)["web03"], "refused")
        self.assertIn("web03 is away", channel.text)

    def test_one_does_not_take_it(self) -> None:
        self.line2.answers, self.line2.unread = False, 4096
        before = self.desk.ask("send web02")
        before.type(b"x" * 60_000)
        before.close()
        taken = len(self.line2.sent)
        channel = self.say("'web*' --yes 2 --json --timeout 5 word")
        self.desk.run_on(7, 1.0)
        self.assertEqual(self.results(channel), {"web01": "delivered", "web02": "waiting"})
        self.assertIn("web02 took no input for 5 s; nothing was sent", channel.text)
        self.line2.unread = 0
        self.desk.run_on(10, 1.0)
        self.assertEqual((channel.status, len(self.line2.sent)), (5, taken))

    def test_a_migration_that_ends_in_time(self) -> None:
        self.web2.link.migrate()
        channel = self.say("'web*' --yes 2 --json x")
        self.assertIsNone(channel.status)
        self.web2.link.end_migration("aborted")
        self.desk.run_on()
        found = json.loads(channel.text)
        self.assertEqual([each["result"] for each in found], ["delivered", "delivered"])
        self.assertEqual([each["why"] for each in found], ["", "held during a vMotion, then typed"])
        self.assertEqual((channel.status, self.line2.sent), (0, b"x"))

    def test_a_migration_that_takes_longer(self) -> None:
        self.web2.link.migrate()
        channel = self.say("'web*' --yes 2 --timeout 5 --json word")
        self.desk.run_on(7, 1.0)
        found = json.loads(channel.text)
        self.assertEqual([each["result"] for each in found], ["delivered", "held"])
        self.assertIn("(vMotion in progress); nothing was sent", found[1]["why"])
        self.web2.link.end_migration("aborted")
        self.desk.run_on()
        self.assertEqual((channel.status, self.line2.sent), (5, b""))

    def test_the_right_to_read_goes_while_others_are_typed_on(self) -> None:
        for number in range(AT_ONCE):
            self.desk.connected(f"a{number:02}", f"{number + 10:032x}")[0].link.migrate()
        channel = self.desk.ask(f"broadcast '*' --yes {AT_ONCE + 2} --json --timeout 5 x")
        self.desk.run_on(2)
        self.desk.rules = Access((Rule(frozenset({"alice"}), ("a*",), frozenset({"read"})),))
        self.desk.run_on(8, 1.0)
        self.assertEqual(self.results(channel)["web01"], "failed")
        self.assertEqual(self.line.sent, b"")

    def test_control_c_withdraws_what_waits(self) -> None:
        self.web2.link.migrate()
        channel = self.say("'web*' --yes 2 x", terminal=XTERM)
        channel.type(b"\x03")
        self.assertEqual(channel.status, 1)
        self.web2.link.end_migration("aborted")
        self.desk.run_on()
        self.assertEqual((self.line2.sent, len(self.web2.attachments)), (b"", 0))

    def test_one_console_by_its_name(self) -> None:
        self.assertEqual(self.say("web01 --yes 1 x", CAROL).status, 0)
        self.assertEqual((self.line.sent, self.line2.sent), (b"x", b""))
