"""Typing that another operator has to approve: at terminals, and by programs, which wait."""

import json

from twisted.trial.unittest import SynchronousTestCase

from tests.apps.opsdesk import OpsDesk
from tests.apps.support import XTERM, FakeChannel
from vspc.audit.refusals import RecentRefusals
from vspc.audit.subscriber import AuditSubscriber
from vspc.console.access import Access, Operator, Rule, approval_needed

ERIN = Operator("erin")
LEAD = Operator("lead", frozenset({"leads"}))
OTHER = Operator("other", frozenset({"leads"}))

EVERY = frozenset({"read", "write", "break", "force"})
LEADS = frozenset({"@leads"})


class ApprovalTest(SynchronousTestCase):
    """erin types on web01 with the approval of @leads only."""

    def setUp(self) -> None:
        self.desk = OpsDesk()
        self.web, self.line = self.desk.connected("web01", f"{1:032x}")
        clock = self.desk.clock
        subscriber = AuditSubscriber(
            self.desk.record, RecentRefusals(clock.wall), clock.seconds, clock.wall
        )
        self.desk.events.subscribe(subscriber.handle, *subscriber.EVENTS)
        self.allow(LEADS)

    def allow(self, approve: frozenset[str]) -> None:
        needed = EVERY | approval_needed(approve)
        self.desk.rules = Access(
            (
                Rule(frozenset({"erin"}), ("*",), needed, approve=approve),
                Rule(frozenset({"*"}), ("*",), EVERY),
            )
        )
        self.web.reassess(self.desk.rights)

    def attach(self, operator: Operator, reason: str = "") -> FakeChannel:
        login = self.desk.login(operator, reason=reason)
        return self.desk.ask("console web01", login, XTERM)

    def run_verb(self, line: str) -> FakeChannel:
        return self.desk.ask(line, self.desk.login(ERIN))

    def shown(self, channel: FakeChannel) -> str:
        self.desk.run_on(3)
        return channel.text

    def sent(self) -> bytes:
        return bytes(self.line.sent)


class AtTerminals(ApprovalTest):
    def test_keys_are_refused_until_one_says_yes(self) -> None:
        lead = self.attach(LEAD)
        erin = self.attach(ERIN, "CHG1")
        self.assertIn("typing needs approval by @leads", self.shown(erin))
        erin.type(b"ls\r")
        text = self.shown(erin)
        self.assertIn("[typing needs approval by @leads; asked: lead]", text)
        self.assertIn("[web01: waiting for approval by @leads: 3 bytes not sent]", text)
        asked = "[erin asks to type on web01 (CHG1): ^Ecy approves, ^EcN refuses]"
        self.assertIn(asked, self.shown(lead))
        lead.type(b"\x05cy")
        self.assertIn("you approve what erin types", self.shown(lead))
        self.assertIn("[lead approves: you may type while lead is on the", self.shown(erin))
        erin.type(b"id\r")
        self.assertEqual(self.sent(), b"id\r")
        who = self.desk.ask("who web01", self.desk.login(LEAD)).text
        self.assertIn("approved by lead", who)
        self.assertEqual(
            [
                (each["operator"], each["result"], each.get("subject"))
                for each in self.desk.audited("approve")
            ],
            [("erin", "asked", None), ("lead", "given", "erin")],
        )

    def test_no_and_asked_again(self) -> None:
        lead, erin = self.attach(LEAD), self.attach(ERIN)
        erin.type(b"x")
        self.shown(lead)
        lead.type(b"\x05cN")
        self.assertIn("you refuse what erin asks for", self.shown(lead))
        self.assertIn("[lead refuses: you may not type]", self.shown(erin))
        self.desk.clock.advance(10)
        erin.type(b"y")
        wanted = "[web01: approval by @leads was refused: 1 byte not sent; ^Eca asks for it]"
        self.assertIn(wanted, self.shown(erin))
        erin.type(b"\x05ca")
        self.assertEqual(self.shown(lead).count("erin asks to type"), 2)

    def test_the_approver_leaves_while_input_waits(self) -> None:
        lead, erin = self.attach(LEAD), self.attach(ERIN)
        erin.type(b"x")
        self.shown(lead)
        lead.type(b"\x05cy")
        erin.type(b"a" * 6000)
        sent = len(self.sent())
        lead.type(b"\x05c.")
        left = f"[approval is over, lead has left the console: {6000 - sent} bytes not sent]"
        self.assertIn(left, self.shown(erin))
        self.web.link.answered()
        self.assertEqual(len(self.sent()), sent)
        self.assertEqual(self.desk.audited("approve")[-1]["cause"], "approver-left")

    def test_a_question_for_the_pen_and_one_for_approval_are_answered_in_their_order(self) -> None:
        lead, erin, other = self.attach(LEAD), self.attach(ERIN), self.attach(OTHER)
        lead.type(b"l")
        erin.type(b"\x05ca")
        self.assertIn("erin asks to type on web01", self.shown(lead))
        other.type(b"\x05ck")
        self.assertIn("other asks for the pen", self.shown(lead))
        lead.type(b"\x05cy")
        text = self.shown(lead)
        self.assertIn("you approve what erin types", text)
        self.assertEqual(text.count("other asks for the pen"), 2)  # it is the next one
        lead.type(b"\x05cy")
        self.assertEqual([each.operator for each in self.web.pen.holders], [OTHER])

    def test_nobody_has_asked(self) -> None:
        lead = self.attach(LEAD)
        lead.type(b"\x05cy")
        self.assertIn("nobody asks you", self.shown(lead))

    def test_help_lists_the_answers_while_somebody_asks(self) -> None:
        lead = self.attach(LEAD)
        lead.type(b"\x05c?")
        self.assertNotIn("^Ecy", self.shown(lead))
        self.attach(ERIN).type(b"x")
        lead.type(b"\x05c?")
        self.assertIn("^Ecy", self.shown(lead))

    def test_a_reload_that_takes_approve_away_in_the_middle(self) -> None:
        lead, erin = self.attach(LEAD), self.attach(ERIN)
        erin.type(b"x")
        self.allow(frozenset())
        self.assertIn("[typing needs no approval any more]", self.shown(erin))
        self.assertIn("[you are no longer asked about erin]", self.shown(lead))
        erin.type(b"y")
        self.assertEqual(self.sent(), b"y")


class ByPrograms(ApprovalTest):
    def setUp(self) -> None:
        super().setUp()
        self.lead = self.attach(LEAD)

    def answer(self, key: bytes) -> None:
        self.shown(self.lead)
        self.lead.type(b"\x05c" + key)
        self.desk.run_on()

    def test_send_waits_and_types(self) -> None:
        send = self.run_verb("send web01 --json reboot")
        self.desk.run_on()
        self.assertIsNone(send.status)
        self.assertIn("typing needs approval by @leads; asked: lead", send.complaint)
        self.assertIn("erin asks to type on web01 with a program", self.shown(self.lead))
        self.answer(b"y")
        self.assertEqual((send.status, self.sent()), (0, b"reboot"))
        self.assertEqual(json.loads(send.text)["bytes"], 6)

    def test_send_is_refused(self) -> None:
        send = self.run_verb("send web01 reboot")
        self.answer(b"N")
        self.assertEqual((send.status, self.sent()), (4, b""))
        refused = "web01: approval by @leads was refused; nothing was sent"
        self.assertEqual(send.complaint.splitlines()[-1], refused)

    def test_send_waits_for_too_long(self) -> None:
        send = self.run_verb("send web01 reboot")
        self.desk.clock.advance(60)
        self.desk.run_on()
        self.assertEqual(send.status, 5)
        self.assertIn("(waiting for approval by @leads)", send.complaint)
        patient = self.run_verb("send web01 --timeout 1h reboot")
        self.desk.clock.advance(300)
        self.desk.run_on()
        self.assertEqual(patient.status, 5)
        self.assertIn("no approval by @leads, who did not answer", patient.complaint)
        self.assertEqual(self.sent(), b"")

    def test_send_by_force_takes_the_pen_only_when_it_is_approved(self) -> None:
        self.lead.type(b"l")
        send = self.run_verb("send web01 --force x")
        self.desk.run_on()
        self.assertEqual([each.operator for each in self.web.pen.holders], [LEAD])
        self.answer(b"y")
        self.assertEqual((send.status, self.sent()), (0, b"lx"))

    def test_expect_waits_with_what_it_types(self) -> None:
        expect = self.run_verb("expect web01 --send uname Linux")
        self.answer(b"y")
        self.web.link.output(b"Linux\r\n")
        self.desk.run_on()
        self.assertEqual((expect.status, self.sent()), (0, b"uname"))

    def test_a_break_waits(self) -> None:
        one = self.run_verb("break web01")
        self.desk.run_on()
        self.assertIsNone(one.status)
        self.assertIn("typing needs approval by @leads; asked: lead", one.complaint)
        self.answer(b"y")
        self.assertEqual((one.status, self.line.log), (0, ["BREAK"]))
        refused = self.run_verb("break web01 --sysrq b --yes")
        self.desk.clock.advance(1)
        self.answer(b"N")
        self.assertEqual(refused.status, 4)
        self.assertEqual(self.line.log, ["BREAK"])

    def test_raw_waits_with_its_window_closed(self) -> None:
        raw = self.run_verb("raw web01")
        raw.type(b"abc")
        self.assertEqual(raw.under_way, 3)
        self.desk.run_on()
        self.assertIn("typing needs approval by @leads; asked: lead", raw.complaint)
        self.answer(b"y")
        self.assertEqual((raw.under_way, self.sent()), (0, b"abc"))
        self.lead.type(b"\x05c.")
        self.desk.run_on()
        raw.type(b"def")
        self.assertEqual((raw.status, self.sent()), (4, b"abc"))

    def test_raw_that_catches_the_pen(self) -> None:
        raw = self.run_verb("raw web01 --catch")
        self.desk.run_on()
        self.assertIsNone(raw.status)
        self.answer(b"y")
        self.assertEqual([each.operator for each in self.web.pen.holders], [ERIN])
        refused = self.run_verb("raw web01 --catch")
        self.desk.clock.advance(1)
        self.answer(b"N")
        self.assertEqual(refused.status, 4)

    def test_raw_is_refused(self) -> None:
        raw = self.run_verb("raw web01")
        raw.type(b"abc")
        self.answer(b"N")
        self.assertEqual((raw.status, self.sent()), (4, b""))

    def test_many_at_once_wait_for_each_console(self) -> None:
        broadcast = self.run_verb("broadcast web* --yes 1 --timeout 5 reboot")
        self.answer(b"y")
        self.assertEqual((broadcast.status, self.sent()), (0, b"reboot"))

    def test_a_lease_waits_and_ends_with_the_approval(self) -> None:
        lease = self.run_verb("lease web01 --for 1h")
        self.desk.run_on()
        self.assertEqual((lease.status, lease.text), (None, ""))
        self.answer(b"y")
        held = lease.text.strip()
        self.assertTrue(held)
        under = self.run_verb(f"send web01 --lease {held} x")
        self.desk.run_on()
        self.assertIsNone(under.status)
        self.desk.clock.advance(1)
        self.answer(b"y")
        self.assertEqual((under.status, self.sent()), (0, b"x"))
        self.lead.type(b"\x05c.")
        self.desk.run_on()
        self.assertEqual(lease.status, 1)
        self.assertIsNone(self.web.pen.lock)
