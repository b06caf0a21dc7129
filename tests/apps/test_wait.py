"""`wait`: until a console is connected, or away, whether it was there before or not."""

import json

from twisted.trial.unittest import SynchronousTestCase

from tests.apps.opsdesk import CAROL, DAVE, OpsDesk
from tests.apps.support import ALICE, BOB, FakeChannel
from tests.fakes import FakeLine
from vspc.apps.verbs.limits import ALL_WAITING, WAITING
from vspc.apps.verbs.wait import TIMEOUT
from vspc.console.access import Access, Operator, Rule
from vspc.console.events import RulesChanged


class WaitCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.desk = OpsDesk()

    def ask(self, line: str, operator: Operator = ALICE) -> FakeChannel:
        return self.desk.ask(line, self.desk.login(operator))

    def assert_goes_on(self, channel: FakeChannel) -> None:
        self.desk.clock.advance(0)
        self.assertIsNone(channel.status, channel.complaint)

    def assert_ended(self, channel: FakeChannel, text: str) -> None:
        self.desk.clock.advance(0)
        self.assertEqual((channel.status, channel.text), (0, text), channel.complaint)


class Connected(WaitCase):
    def test_one_that_is_connected_already(self) -> None:
        self.desk.connected("Web 01", f"{1:032x}")
        self.assert_ended(self.ask("wait 'web 01' --timeout 5"), "Web%2001\n")
        self.assert_ended(self.ask(f"wait uuid:{1:032x}"), "Web%2001\n")

    def test_one_that_is_not_there_yet(self) -> None:
        channel = self.ask("wait web01")
        self.desk.connected("web02", f"{2:032x}")
        self.assert_goes_on(channel)
        self.desk.connected("web01", f"{1:032x}")
        self.assertIsNone(channel.status, "not in the middle of what happens to the console")
        self.assert_ended(channel, "web01\n")
        self.assertEqual(self.desk.failures, 0)

    def test_the_beginning_of_a_name_is_another_name(self) -> None:
        self.desk.connected("web10", f"{1:032x}")
        self.assert_goes_on(self.ask("wait web1"))

    def test_the_first_that_matches_a_pattern(self) -> None:
        channel = self.ask("wait 'build-*'")
        self.desk.connected("test-1", f"{1:032x}")
        self.assert_goes_on(channel)
        self.desk.connected("build-7", f"{2:032x}")
        self.assert_ended(channel, "build-7\n")

    def test_a_port_and_a_zone(self) -> None:
        port, zone = self.ask("wait web01:b"), self.ask("wait 'lab/*'")
        self.desk.connected("web01", f"{1:032x}", port_label="a")
        self.assert_goes_on(port)
        self.desk.connected("web01", f"{1:032x}", port_label="b")
        self.assert_ended(port, "web01:b\n")
        self.desk.connected("db", f"{3:032x}", zone="lab")
        self.assert_ended(zone, "lab/db\n")

    def test_an_away_console_of_that_name_does_not_count_until_it_returns(self) -> None:
        web, _ = self.desk.connected("web01", f"{1:032x}")
        web.link.disconnect("switched off")
        self.desk.roster.settle(web)
        whole, pattern = self.ask("wait web01"), self.ask("wait 'web0?'")
        self.assert_goes_on(whole)
        self.assert_goes_on(pattern)
        web.link.connect(FakeLine())
        self.desk.roster.settle(web)
        self.assert_ended(whole, "web01\n")
        self.assert_ended(pattern, "web01\n")

    def test_another_vm_that_gets_the_name_of_an_away_one(self) -> None:
        web, _ = self.desk.connected("web01", f"{1:032x}")
        web.link.disconnect("switched off")
        self.desk.roster.settle(web)
        channel = self.ask("wait web01 --json")
        other, _ = self.desk.connected("web01", f"{2:032x}")
        self.desk.clock.advance(0)
        self.assertEqual(json.loads(channel.text)["id"], other.id)

    def test_a_rename_brings_the_name(self) -> None:
        web, _ = self.desk.connected("new-vm", f"{1:032x}")
        channel = self.ask("wait web01")
        self.assert_goes_on(channel)
        self.desk.roster.rename(web.vm, "web01")
        self.assert_ended(channel, "web01\n")

    def test_a_vmotion_is_no_absence(self) -> None:
        web, _ = self.desk.connected("web01", f"{1:032x}")
        web.link.migrate()
        self.assert_ended(self.ask("wait web01"), "web01\n")

    def test_a_quarantined_line_does_not_count(self) -> None:
        web, _ = self.desk.connected("web01", f"{1:032x}")
        claim = self.desk.claim("web01", f"{1:032x}", address="10.0.0.9")
        channel = self.ask("wait 'web01~*'", DAVE)
        held = self.desk.roster.quarantine(claim, web.vm)
        assert held is not None
        held.link.connect(FakeLine())
        self.assertTrue(held.quarantined and held.name.startswith("web01~"))
        self.assert_goes_on(channel)
        self.assert_goes_on(self.ask(f"wait {held.name}", DAVE))

    def test_the_time_is_over(self) -> None:
        channel = self.ask("wait web01 --timeout 5")
        self.desk.clock.advance(4.9)
        self.assert_goes_on(channel)
        self.desk.clock.advance(0.2)
        self.assertEqual((channel.status, channel.text), (5, ""))
        self.assertEqual(channel.complaint, "timed out after 5 s: web01 is not connected\n")

    def test_without_a_time_of_its_own_a_minute_is_waited(self) -> None:
        channel = self.ask("wait web01")
        self.desk.clock.advance(TIMEOUT - 0.1)
        self.assert_goes_on(channel)
        self.desk.clock.advance(0.2)
        self.assertEqual(channel.status, 5)


class Away(WaitCase):
    def test_until_it_goes(self) -> None:
        web, _ = self.desk.connected("web01", f"{1:032x}")
        channel = self.ask("wait web01 --state away")
        self.assert_goes_on(channel)
        web.link.disconnect("switched off")
        self.desk.roster.settle(web)
        self.assert_ended(channel, "web01\n")
        self.assert_ended(self.ask("wait 'web*' --state away"), "web01\n")

    def test_a_console_has_to_be_there(self) -> None:
        self.desk.connected("secret", f"{1:032x}")
        for operator, line in ((ALICE, "web01"), (ALICE, "'web*'"), (BOB, "secret")):
            channel = self.ask(f"wait {line} --state away", operator)
            self.assertEqual(channel.status, 3, line)
            self.assertIn("no console", channel.complaint)


class Rights(WaitCase):
    def test_a_console_that_one_may_not_read_never_comes(self) -> None:
        waits = [self.ask(f"wait {word} --timeout 5", BOB) for word in ("secret", "'s*'", "absent")]
        self.desk.connected("secret", f"{1:032x}")
        self.desk.clock.advance(5)
        self.assertEqual([each.status for each in waits], [5, 5, 5])
        complaints = {each.complaint.replace("secret", "absent") for each in waits}
        self.assertEqual(len({each.replace("s*", "absent") for each in complaints}), 1, complaints)

    def test_a_rename_makes_it_readable(self) -> None:
        web, _ = self.desk.connected("secret", f"{1:032x}")
        channel = self.ask(f"wait uuid:{1:032x}", BOB)
        self.assert_goes_on(channel)
        self.desk.roster.rename(web.vm, "web01")
        self.assert_ended(channel, "web01\n")

    def test_a_reload_makes_it_readable(self) -> None:
        self.desk.connected("secret", f"{1:032x}")
        whole, pattern = self.ask("wait secret", BOB), self.ask("wait 's*'", BOB)
        self.desk.rules = Access((Rule(frozenset({"bob"}), ("*",), frozenset({"read"})),))
        self.assert_goes_on(whole)
        self.desk.events.publish(RulesChanged())
        self.assert_ended(whole, "secret\n")
        self.assert_ended(pattern, "secret\n")


class Bounds(WaitCase):
    def test_so_many_at_a_time_for_each_operator_and_for_all(self) -> None:
        mine = self.desk.login(ALICE)
        waits = [self.desk.ask("wait web01", mine) for _ in range(WAITING)]
        refused = self.desk.ask("wait web01", mine)
        self.assertEqual(refused.status, 1)
        self.assertIn("limit reached", refused.complaint)
        self.assertEqual(self.desk.audited("limit")[0]["limit"], "waiting")
        waits.pop().close()
        self.assert_goes_on(self.desk.ask("wait web01", mine))
        for number in range(ALL_WAITING - WAITING):
            self.assert_goes_on(self.ask("wait web01", Operator(f"other{number // WAITING}")))
        self.assertEqual(self.ask("wait web01", CAROL).status, 1)

    def test_the_end_of_each_is_recorded(self) -> None:
        left = self.ask("wait web01")
        timed_out = self.ask("wait 'web*' --timeout 1")
        self.desk.clock.advance(1)
        self.desk.clock.advance(1)
        left.close()
        self.desk.connected("web01", f"{1:032x}")
        self.ask("wait web01 --state connected")
        self.assertEqual(timed_out.status, 5)
        facts = [
            (each["target"], each["result"], each["seconds"], each.get("name"), each["kind"])
            for each in self.desk.audited("wait")
        ]
        self.assertEqual(
            facts,
            [
                ("web*", "timed-out", 1.0, None, "connected"),
                ("web01", "failed", 2.0, None, "connected"),
                ("web01", "ok", 0.0, "web01", "connected"),
            ],
        )

    def test_what_makes_no_sense(self) -> None:
        for words in ("", "web01 --state migrating", "web01 --timeout 8d", "web01 x"):
            self.assertEqual(self.ask(f"wait {words}").status, 2, words)
