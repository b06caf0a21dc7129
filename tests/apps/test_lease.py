"""Leases: a program holds the pen of a console, and other commands of its operator use it."""

import json
from typing import Any

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from tests.apps.support import ROOT, FakeChannel
from tests.apps.test_verbs import VerbTest
from tests.audit.holding import Recorded
from tests.fakes import FakeLine
from vspc.apps.leasing import LEASE
from vspc.apps.verbs.commandline import CommandLine, Words
from vspc.apps.verbs.kinds import UsageError
from vspc.apps.verbs.parser import parse
from vspc.apps.verbs.send import GRAMMAR, TEXT
from vspc.console.access import Access, Operator, Rule
from vspc.console.events import Event, How
from vspc.console.pen_events import Leased, LeaseEnded

CI = Operator("carol")


class LeaseTest(VerbTest):
    def setUp(self) -> None:
        super().setUp()
        self.told: list[Event] = []
        self.desk.events.subscribe(self.told.append)

    def lease(self, line: str = "lease web01", operator: Operator = CI) -> tuple[FakeChannel, str]:
        """A lease that is held, and its id."""
        channel = self.desk.say(line, operator)
        self.assertIsNone(channel.status, channel.complaint)
        return channel, channel.text.splitlines()[0]

    def sent(self) -> bytes:
        sent, self.line.sent[:] = bytes(self.line.sent), b""
        return sent

    def answer(self) -> None:
        """The VM's host has answered, and a turn is over."""
        while self.line.questions:
            self.line.questions -= 1
            self.web.link.answered()
        self.desk.turn()
        self.desk.clock.advance(0)


class Held(LeaseTest):
    def test_its_id_is_printed_first_and_is_128_random_bits(self) -> None:
        _, lease = self.lease("lease web01 build 512")
        self.assertRegex(lease, r"\Alease-[0-9a-f]{32}\Z")
        self.assertIn("leased to carol (build 512) until ", self.web.pen.state)
        self.assertNotIn(lease, repr(self.told))

    def test_as_json(self) -> None:
        channel = self.desk.say("lease web01 --for 1h --json build 512", CI)
        facts = json.loads(channel.text)
        self.assertEqual(facts["console"]["name"], "web01")
        self.assertEqual(facts["label"], "build 512")
        self.assertLess(facts["since"], facts["until"])
        self.assertEqual(len(channel.text.splitlines()), 1)

    def test_others_are_refused_with_its_holder_and_label(self) -> None:
        channel, _ = self.lease("lease web01 build 512")
        refused = self.desk.say("send web01 x")
        self.assertEqual(refused.status, 4)
        self.assertIn("web01 is leased to carol (build 512) until ", refused.complaint)
        self.assertEqual(self.desk.say("send --force web01 x").status, 4)
        raw = self.desk.say("raw web01")
        raw.type(b"x")
        self.assertEqual(raw.status, 4)
        self.assertEqual(self.desk.say("lease web01").status, 4)
        self.assertEqual(self.desk.say("lease --force web01").status, 4)
        self.assertEqual(
            self.desk.say("send web01 x", CI).status, 4
        )  # also its own, without the id
        self.assertEqual(self.sent(), b"")
        channel.close()
        self.assertEqual(self.desk.say("send web01 x").status, 0)

    def test_commands_of_its_operator_type_under_it_one_after_the_other(self) -> None:
        _, lease = self.lease()
        for _ in range(2):
            self.assertEqual(self.desk.say(f"send web01 --lease {lease} x", CI).status, 0)
            self.assertEqual(self.web.pen.holder and self.web.pen.holder.operator, CI)
        self.assertEqual(self.desk.say(f"break web01 --lease {lease}", CI).status, 0)
        expecting = self.desk.say(f"expect web01 --lease {lease} --send ls login:", CI)
        self.answer()
        self.assertEqual(self.sent(), b"xxls")
        again = self.desk.say(f"send web01 y --lease {lease}", CI)
        self.assertEqual(again.status, 4)  # one at a time
        self.web.link.output(b"login:")
        self.answer()
        self.desk.clock.advance(0.1)
        self.assertEqual(expecting.status, 0, expecting.complaint)
        raw = self.desk.say(f"raw web01 --lease={lease}", CI)
        raw.type(b"z")
        self.assertEqual(self.sent(), b"z")

    def test_ids_that_are_wrong_foreign_or_over_get_one_answer(self) -> None:
        channel, lease = self.lease()
        for line, operator in (
            ("send web01 --lease lease-0 x", CI),
            (f"send web01 --lease {lease}0 x", CI),
            (f"send web01 --lease {lease} x", Operator("alice")),
            (f"send secret --lease {lease} x", CI),
            ("send web01 --lease=\udc80 x", CI),
            (f"break web01 --lease {lease}", Operator("alice")),
        ):
            refused = self.desk.say(line, operator)
            self.assertEqual(refused.status, 1, line)
            self.assertIn("has no lease of yours with that ID", refused.complaint)
        channel.close()
        refused = self.desk.say(f"send web01 --lease {lease} x", CI)
        self.assertIn("web01 has no lease of yours with that ID", refused.complaint)
        self.assertEqual(self.sent(), b"")

    def test_the_rights_of_whom_it_is_for(self) -> None:
        self.assertEqual(
            self.desk.say("lease web01", Operator("bob", frozenset({"readers"}))).status, 4
        )
        self.assertEqual(self.desk.say("lease nothing", CI).status, 3)
        for wrong in ("lease", "lease web01 --for 25h", "lease web01 --for 0"):
            self.assertEqual(self.desk.say(wrong, CI).status, 2, wrong)
        self.assertIn("at most 24h", self.desk.say("lease web01 --for 25h", CI).complaint)


class Ends(LeaseTest):
    def over(self) -> str:
        """Why the last one ended, and that it was recorded."""
        (ended,) = [each for each in self.told if isinstance(each, LeaseEnded)]
        return ended.end.value

    def test_with_its_channel(self) -> None:
        channel, _ = self.lease()
        channel.close()
        self.assertEqual(self.over(), "channel-closed")
        self.assertIsNone(self.web.pen.holder)
        self.assertEqual(len(self.web.attachments), 0)

    def test_after_its_time_with_status_5(self) -> None:
        channel, _ = self.lease("lease web01 --for 90s")
        self.desk.clock.advance(89)
        self.assertIsNone(channel.status)
        self.desk.clock.advance(2)
        self.assertEqual(channel.status, 5)
        self.assertIn("web01: the lease of carol is over: its time is over", channel.complaint)
        self.assertIsNone(self.web.pen.holder)

    def test_ten_minutes_without_a_time(self) -> None:
        channel, _ = self.lease()
        self.desk.clock.advance(599)
        self.assertIsNone(channel.status)
        self.desk.clock.advance(2)
        self.assertEqual(channel.status, 5)

    def test_by_force_of_an_administrator_with_who_it_was(self) -> None:
        channel, lease = self.lease()
        raw = self.desk.say(f"raw web01 --lease {lease}", CI)
        raw.type(b"x")
        self.assertEqual(self.desk.say("send --force web01 y", ROOT).status, 0)
        self.desk.turn()
        self.assertEqual((channel.status, raw.status), (1, 1))
        self.assertIn("the lease of carol is over: root forced it", channel.complaint)
        self.assertIn("the lease of carol is over: root forced it", raw.complaint)
        self.assertEqual(self.sent(), b"xy")
        self.assertEqual(self.over(), "forced")

    def test_what_types_under_it_ends_with_what_it_has_sent(self) -> None:
        channel, lease = self.lease()
        sending = self.desk.say(f"send web01 --lease {lease}", CI)
        sending.type(b"p" * 9000)
        expecting = self.desk.say("expect web01 never", CI)
        channel.close()
        self.desk.clock.advance(0)
        self.assertEqual(sending.status, 1)
        why = r"of carol is over: its program has left; \d+ bytes were sent, \d+ were not"
        self.assertRegex(sending.complaint, why)
        self.assertIsNone(expecting.status)
        self.answer()
        self.assertLessEqual(len(self.sent()), 4096)

    def test_when_its_program_is_removed_from_the_console(self) -> None:
        channel, lease = self.lease()
        raw = self.desk.say(f"raw web01 --lease {lease}", CI)
        self.assertEqual(self.desk.say("kick web01 carol", ROOT).status, 0)
        self.desk.turn()
        self.assertEqual((channel.status, raw.status), (1, 1))
        self.assertIn("removed by root", channel.complaint)
        self.assertEqual(self.over(), "channel-closed")

    def test_by_unlock(self) -> None:
        channel, _ = self.lease()
        self.assertEqual(self.desk.say("unlock web01", CI).status, 0)
        self.assertEqual(channel.status, 1)
        self.assertIsNone(self.web.pen.holder)

    def test_when_the_console_is_forgotten(self) -> None:
        channel, _ = self.lease()
        self.web.link.disconnect("off")
        self.desk.say("forget web01", ROOT)
        self.desk.turn()
        self.assertEqual(channel.status, 1)
        self.assertIn(self.over(), ("channel-closed", "console-forgotten"))

    def test_a_raw_one_shows_what_came_before_its_end(self) -> None:
        raw = self.desk.say("raw web01 --lease --for 10s", CI, window=3)
        self.web.link.output(b"before")
        self.desk.clock.advance(11)
        self.web.link.output(b"after")
        self.desk.turn()
        self.assertIsNone(self.web.pen.holder)
        raw.read(100)
        self.assertEqual((raw.text, raw.status), ("before", 5))

    def test_when_the_host_changes_with_both_addresses(self) -> None:
        channel, lease = self.lease()
        raw = self.desk.say(f"raw web01 --lease {lease}", CI)
        self.web.link.replace(FakeLine("10.0.0.9"), "silent", How.TOOK_OVER)
        self.desk.turn()
        for each in (channel, raw):
            self.assertEqual(each.status, 1)
            self.assertIn("web01 is on 10.0.0.9 now; it was on 10.0.0.1", each.complaint)
        self.assertEqual(self.over(), "host-changed")

    def test_not_with_a_vmotion_or_a_vm_that_is_away(self) -> None:
        channel, lease = self.lease()
        self.web.link.migrate()
        self.web.link.move(self.line, "10.0.0.1", 0.1)
        self.web.link.disconnect("off")
        self.assertIsNone(channel.status)
        self.assertEqual(self.desk.say(f"send web01 --lease {lease} x", CI).status, 1)
        self.assertIsNone(channel.status)

    def test_when_its_operator_may_type_no_more(self) -> None:
        channel, _ = self.lease()
        self.desk.rules = Access((Rule(frozenset({"carol"}), ("*",), frozenset({"read"})),))
        self.web.reassess(self.desk.rights)
        self.desk.turn()
        self.assertIsNone(self.web.pen.holder)
        self.assertEqual(channel.status, 1)


class OfOneCommand(LeaseTest):
    def test_expect_has_one_while_it_waits_and_types_nothing(self) -> None:
        channel = self.desk.say("expect web01 --lease login:", CI)
        self.assertEqual(self.desk.say("send web01 x").status, 4)
        self.assertEqual(self.web.pen.lock and self.web.pen.lock.text, "leased to carol (expect)")
        self.web.link.output(b"login:")
        self.answer()
        self.desk.clock.advance(0.1)
        self.assertEqual(channel.status, 0)
        self.assertIsNone(self.web.pen.lock)

    def test_send_has_one_until_it_is_sent(self) -> None:
        self.assertEqual(self.desk.say("send web01 --lease --enter reboot", CI).status, 0)
        self.assertEqual(self.sent(), b"reboot\r")
        self.assertEqual(
            [type(each) for each in self.told if isinstance(each, Leased | LeaseEnded)],
            [Leased, LeaseEnded],
        )

    def test_it_is_refused_while_another_types(self) -> None:
        alice, _ = self.desk.attach(self.web, "alice")
        alice.type(b"x")
        for line in ("send web01 --lease y", "expect web01 --lease y", "raw web01 --lease"):
            refused = self.desk.say(line, CI)
            self.assertEqual(refused.status, 4, line)
            self.assertIn("alice is typing on web01", refused.complaint)
        self.assertEqual(self.desk.say("send web01 --lease --force y", CI).status, 0)

    def test_what_does_not_go_together(self) -> None:
        for line in (
            *("send web01 --lease= x", "send web01 --for 5m x", "raw web01 --lease ro"),
            *("send web01 --lease lease-1 --for 5m x", "raw web01 --lease catch"),
        ):
            self.assertEqual(self.desk.say(line, CI).status, 2, line)


class Waiting(LeaseTest):
    def test_until_the_pen_is_free(self) -> None:
        alice, _ = self.desk.attach(self.web, "alice")
        alice.type(b"x")
        channel = self.desk.say("lease web01 --wait 5m", CI)
        self.assertEqual((channel.status, channel.text), (None, ""))
        self.assertIn("[alice is typing on web01: waiting]", channel.complaint)
        alice.detach()
        self.desk.clock.advance(0)
        self.assertRegex(channel.text, r"\Alease-[0-9a-f]{32}\n\Z")
        self.desk.clock.advance(299)
        self.assertIsNone(channel.status)

    def test_until_another_lease_is_over_in_order(self) -> None:
        first, _ = self.lease()
        others = [self.desk.say("lease web01 --wait 5m", ROOT) for _ in range(2)]
        self.assertEqual([each.text for each in others], ["", ""])
        first.close()
        self.desk.clock.advance(0)
        self.assertEqual([bool(each.text) for each in others], [True, False])
        others[0].close()
        self.desk.clock.advance(0)
        self.assertTrue(others[1].text)

    def test_in_vain(self) -> None:
        alice, _ = self.desk.attach(self.web, "alice")
        alice.type(b"x")
        channel = self.desk.say("lease web01 --wait 5s", CI)
        self.desk.clock.advance(6)
        self.assertEqual((channel.status, channel.text), (5, ""))
        self.assertIn("timed out after 5 s: alice is typing on web01", channel.complaint)
        self.assertEqual(len(self.web.attachments), 1)


class Recording(LeaseTest):
    def test_ids_are_not_recorded(self) -> None:
        audit = Recorded()
        self.desk.context = evolve(self.desk.context, audit=audit)
        channel, lease = self.lease("lease web01 build 512")
        self.desk.say(f"send web01 --lease {lease} x", CI)
        self.desk.say(f"send secret --lease {lease} x", CI)
        channel.close()
        self.assertEqual([line["event"] for line in audit.lines], ["send", "send"])
        self.assertNotIn(lease, str(audit.lines))


class Parsing(SynchronousTestCase):
    def said(self, line: str) -> tuple[Any, Any]:
        """What `--lease` and TEXT are in it, as one string and as words."""
        lines = [parse(GRAMMAR, CommandLine(line), 0.0)]
        if "'" not in line:
            lines.append(parse(GRAMMAR, Words(line.split()), 0.0))
        found = {(each.get(LEASE), each.get(TEXT)) for each in lines}
        self.assertEqual(len(found), 1, line)
        return found.pop()

    def test_the_id_may_be_left_out(self) -> None:
        lease = "lease-0f"
        for line, wanted in (
            ("web01 --lease reboot", ("", b"reboot")),
            ("web01 --lease", ("", None)),
            ("--lease web01 reboot", ("", b"reboot")),
            (f"web01 --lease {lease} reboot", (lease, b"reboot")),
            (f"web01 --lease={lease} reboot", (lease, b"reboot")),
            (f"web01 --lease '{lease}' reboot", (lease, b"reboot")),
            (f"web01 reboot --lease {lease}", (lease, b"reboot")),
            ("web01 reboot now --lease", ("", b"reboot now")),
            (f"web01 reboot --lease {lease} --enter", (lease, b"reboot")),
            ("web01 reboot --lease --enter", ("", b"reboot")),
            (f"web01 --lease --lease {lease} x", (lease, b"x")),
            (f"web01 --lease {lease} --lease x", ("", b"x")),
            ("web01 --lease=abc x", ("abc", b"x")),
        ):
            self.assertEqual(self.said(line), wanted, line)

    def test_an_empty_one_is_a_mistake(self) -> None:
        for line in ("web01 --lease= x", "web01 --lease='' x"):
            with self.assertRaises(UsageError):
                parse(GRAMMAR, CommandLine(line), 0.0)
