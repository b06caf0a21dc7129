"""`send`: exactly what was said is typed, and 0 means that the VM has it."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.apps.opsdesk import CAROL, OpsDesk
from tests.apps.support import ALICE, BOB, XTERM, FakeChannel
from tests.fakes import FakeLine
from vspc.apps.verb_input import ENTER, FORCE
from vspc.apps.verbs.commandline import Words as Source
from vspc.apps.verbs.grammar import Parsed
from vspc.apps.verbs.kinds import UsageError
from vspc.apps.verbs.parser import parse as parse_words
from vspc.apps.verbs.send import GRAMMAR, JSON, TEXT, TIME_OUT, TIMEOUT
from vspc.console.access import Access, Rule
from vspc.console.console import Console
from vspc.console.events import How
from vspc.console.input_flow import WAITING


def parse(words: tuple[str, ...]) -> Parsed:
    """The words behind the name."""
    return parse_words(GRAMMAR, Source(words), 0.0, "web01")


def answer(console: Console, line: FakeLine, most: int = 1 << 30) -> None:
    """The line answers what it was asked, and what it is asked then."""
    while line.questions and most:
        line.questions -= 1
        most -= 1
        console.link.answered()


MOVES = ("answer", "migrate", "move", "resume", "wait")


class SendCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.desk = OpsDesk()
        self.web, self.line = self.desk.connected("web01", f"{1:032x}")

    def assert_sent(self, line: str, typed: bytes) -> FakeChannel:
        channel = self.desk.ask(line)
        self.assertEqual((channel.status, channel.complaint), (0, ""), line)
        self.assertEqual(bytes(self.line.sent), typed)
        return channel


class Words(SynchronousTestCase):
    def test_options_before_text_and_some_behind_it(self) -> None:
        wanted = parse(("--timeout", "5", "--force", "reboot", "now", "--enter", "--json"))
        self.assertEqual(wanted.get(TEXT), b"reboot now")
        self.assertEqual((wanted.get(TIME_OUT), wanted.has(FORCE)), (5.0, True))
        self.assertTrue(wanted.has(ENTER) and wanted.has(JSON))
        self.assertEqual(parse(("ls", "--timeout=2m")).get(TIME_OUT), 120.0)
        self.assertEqual(parse(("ls", "--timeout", "3")).get(TIME_OUT), 3.0)

    def test_what_looks_like_an_option_within_text_is_text(self) -> None:
        self.assertEqual(parse(("ls", "--color", "-l")).get(TEXT), b"ls --color -l")
        wanted = parse(("--enter", "--", "ls", "--json"))
        self.assertEqual((wanted.get(TEXT), wanted.has(JSON)), (b"ls --json", False))
        self.assertEqual(parse(("--", "--")).get(TEXT), b"--")
        self.assertEqual(parse(("-",)).get(TEXT), b"-")

    def test_without_text_it_is_standard_input(self) -> None:
        self.assertEqual(parse(("--json",)).get(TEXT), None)
        self.assertEqual(parse(("--enter", "--")).get(TEXT), None)

    def test_what_makes_no_sense(self) -> None:
        self.assertEqual(OpsDesk().ask("send web01 ''").status, 2)
        for words in (
            ("--bogus", "x"),
            ("--timeout",),
            ("--timeout", "0", "x"),
            ("--timeout", "8d", "x"),
            ("--enter=1", "x"),
            ("\ud800",),
        ):
            self.assertRaises(UsageError, parse, words)

    def test_text_is_not_shown_by_accident(self) -> None:
        self.assertNotIn("canary", repr(parse(("canary",))))


class Sending(SendCase):
    def test_exactly_what_stands_behind_the_name(self) -> None:
        self.assert_sent("send web01 a  'b' c\\\\r '$HOME'", b"a  'b' c\\\\r '$HOME'")

    def test_bytes_come_as_they_were(self) -> None:
        self.assert_sent("send web01 'gr\u00fc\udcff\x03'", b"gr\xc3\xbc\xff\x03")

    def test_enter_alone_or_behind_the_text(self) -> None:
        self.assert_sent("send web01 reboot --enter", b"reboot\r")
        self.assert_sent("send web01 --enter ''", b"reboot\r\r")

    def test_json_has_the_offset_of_the_output(self) -> None:
        self.web.link.output(b"login: ")
        channel = self.assert_sent("send web01 --json root", b"root")
        self.assertEqual(json.loads(channel.text), {"offset": 7, "bytes": 4})

    def test_options_may_come_before_the_name(self) -> None:
        channel = self.assert_sent("send --json --timeout 5 web01 --enter ls", b"ls\r")
        self.assertEqual(json.loads(channel.text)["bytes"], 3)
        self.assert_sent("send --timeout=5 web01 -- --json", b"ls\r--json")

    def test_the_pen_is_taken_and_laid_down(self) -> None:
        self.assert_sent("send web01 x", b"x")
        self.assertIsNone(self.web.pen.holder)
        self.assertFalse(self.web.attachments)
        self.assertEqual([e["result"] for e in self.desk.audited("send")], ["ok"])

    def test_usage(self) -> None:
        for line in (
            "send",
            "send --enter",
            "send -- web01 x",
            "send --timeout --",
            "send web01 ''",
            "send web01 --bogus x",
            "send --bogus web01 x",
            "send web01 'a' b",
        ):
            channel = self.desk.ask(line)
            self.assertEqual(channel.status, 2, line)
            self.assertIn("usage: send", channel.complaint)

    def test_a_terminal_is_no_standard_input(self) -> None:
        self.assertEqual(self.desk.ask("send web01", terminal=XTERM).status, 2)
        self.assertEqual(self.desk.ask("send web01 x", terminal=XTERM).status, 0)

    def test_the_audit_file_has_counts_and_no_text(self) -> None:
        self.assert_sent("send web01 canary-5a1 --enter", b"canary-5a1\r")
        (event,) = self.desk.audited("send")
        self.assertEqual((event["bytes"], event["result"]), (11, "ok"))
        self.assertNotIn("canary", json.dumps(self.desk.record.lines))
        self.assertEqual(self.desk.delivered(), (11, 0))


class Delivered(SendCase):
    """0 is said when the last byte has passed the gate."""

    def test_a_long_text_waits_for_the_answers(self) -> None:
        channel = self.desk.ask("send web01 --json")
        channel.type(b"x" * 10_000)
        assert channel.program is not None
        channel.program.ended_input()
        self.desk.run_on()
        self.assertIsNone(channel.status)
        self.web.link.output(b"echo")
        answer(self.web, self.line)
        self.desk.run_on()
        self.assertEqual(channel.status, 0)
        self.assertEqual(json.loads(channel.text), {"offset": 4, "bytes": 10_000})
        self.assertEqual(len(self.line.sent), 10_000)

    def test_a_vmotion_holds_it_and_the_target_gets_it(self) -> None:
        self.web.link.migrate()
        channel = self.desk.ask("send web01 reboot --enter")
        self.desk.run_on(5, 1.0)
        self.assertIsNone(channel.status)
        self.assertIn("[web01 is migrating; 7 bytes held]", channel.complaint)
        target = FakeLine("10.0.0.2")
        self.web.link.move(target, "10.0.0.1", 1.0)
        self.desk.run_on()
        self.assertEqual((channel.status, bytes(target.sent)), (0, b"reboot\r"))

    def test_a_vm_that_has_suspended_input(self) -> None:
        self.line.suspended = True
        channel = self.desk.ask("send web01 --timeout 10 canary")
        self.desk.run_on(11, 1.0)
        self.assertEqual(channel.status, 5)
        self.assertIn("took no input for 10 s (it has suspended input)", channel.complaint)

    def test_a_vmotion_that_comes_to_nothing_lets_it_go_on(self) -> None:
        self.web.link.migrate()
        channel = self.desk.ask("send web01 x")
        self.web.link.resume()
        self.desk.run_on()
        self.assertEqual((channel.status, bytes(self.line.sent)), (0, b"x"))

    def test_what_a_vmotion_holds_too_long_is_withdrawn(self) -> None:
        self.web.link.migrate()
        channel = self.desk.ask("send web01 --timeout 10 canary")
        self.desk.run_on(11, 1.0)
        self.assertEqual(channel.status, 5)
        self.assertIn(
            "took no input for 10 s (vMotion in progress); nothing was sent", channel.complaint
        )
        self.web.link.resume()
        self.assertEqual(bytes(self.line.sent), b"")
        self.assertEqual(self.web.input.waiting, 0)
        self.assertEqual(self.desk.delivered(), (0, 6))
        self.assertEqual(self.desk.audited("send")[0]["result"], "timed-out")

    def test_some_of_it_is_typed_when_time_is_over(self) -> None:
        channel = self.desk.ask("send web01 --timeout 3")
        channel.type(b"y" * 6000)
        self.desk.run_on(10, 1.0)
        self.assertEqual(channel.status, 5)
        sent = len(self.line.sent)
        self.assertIn(f"{sent} bytes were sent, {6000 - sent} were not", channel.complaint)
        answer(self.web, self.line)
        self.assertEqual(len(self.line.sent), sent)

    def test_without_a_time_of_its_own_a_minute_is_waited(self) -> None:
        self.line.unread = 4096
        channel = self.desk.ask("send web01")
        channel.type(b"y" * 6000)
        self.desk.run_on(int(TIMEOUT) - 1, 1.0)
        self.assertIsNone(channel.status)
        self.desk.run_on(2, 1.0)
        self.assertEqual(channel.status, 5)

    def test_a_change_in_a_turn_that_comes_after_the_time_limit(self) -> None:
        channel = self.desk.ask("send web01 --timeout 3")
        channel.type(b"y" * 6000)
        self.web.attachments.room_grew()
        self.desk.clock.advance(10)
        self.assertEqual(channel.status, 5)
        self.assertEqual(self.desk.audited("send")[0]["result"], "timed-out")

    def test_time_counts_from_the_last_byte_that_was_taken(self) -> None:
        channel = self.desk.ask("send web01 --timeout 10")
        channel.type(b"z" * 40_000)
        for _ in range(12):
            self.desk.run_on(4, 1.0)
            answer(self.web, self.line, 1)
        self.assertIsNone(channel.status)
        answer(self.web, self.line)
        self.desk.run_on(30, 1.0)  # nothing is to be typed: it waits for input
        self.assertIsNone(channel.status)

    def test_the_vm_goes_away_in_the_middle(self) -> None:
        channel = self.desk.ask("send web01")
        channel.type(b"p" * 9000)
        sent = len(self.line.sent)
        self.web.link.disconnect("powered off")
        self.desk.run_on()
        self.assertEqual(channel.status, 1)
        self.assertIn(
            f"web01 is away; {sent} bytes were sent, {9000 - sent} were not", channel.complaint
        )
        self.assertEqual(self.desk.delivered(), (sent, 9000 - sent))

    def test_the_host_changes_in_the_middle(self) -> None:
        channel = self.desk.ask("send web01")
        channel.type(b"p" * 9000)
        new = FakeLine("10.0.0.9")
        self.web.link.replace(new, "silent", How.TOOK_OVER)
        self.desk.run_on()
        self.assertEqual(channel.status, 1)
        self.assertIn("web01 is on 10.0.0.9 now; it was on 10.0.0.1", channel.complaint)
        self.assertEqual(bytes(new.sent), b"")
        self.assertEqual(self.web.input.waiting, 0)

    def test_waiting_input_is_withdrawn_when_the_operator_leaves(self) -> None:
        self.web.link.migrate()
        channel = self.desk.ask("send web01 x")
        channel.close()
        self.web.link.resume()
        self.assertEqual(bytes(self.line.sent), b"")
        self.assertFalse(self.web.attachments)
        self.assertEqual(self.desk.audited("send")[0]["detail"], "left")

    def test_control_c_in_a_terminal_takes_it_back(self) -> None:
        self.web.link.migrate()
        channel = self.desk.ask("send web01 x", terminal=XTERM)
        channel.type(b"y")
        self.assertIsNone(channel.status)
        channel.type(b"\x03")
        self.assertEqual((channel.status, channel.under_way), (1, 0))
        self.assertIn("interrupted; nothing was sent", channel.text)
        self.web.link.resume()
        self.assertEqual(bytes(self.line.sent), b"")

    def test_what_others_typed_before_stays_where_it_was(self) -> None:
        self.web.link.migrate()
        other = self.desk.ask("raw web01", self.desk.login(CAROL))
        other.type(b"mine")
        channel = self.desk.ask("send web01 --force --timeout 5 yours")
        other.type(b"!")
        self.desk.run_on(6, 1.0)
        self.assertEqual(channel.status, 5)
        self.web.link.resume()
        self.assertEqual(bytes(self.line.sent), b"mine")


class StandardInput(SendCase):
    def test_it_is_typed_as_it_comes_and_ends_with_it(self) -> None:
        channel = self.desk.ask("send web01 --json")
        channel.type(b"one\n")
        self.assertEqual(bytes(self.line.sent), b"one\n")
        self.assertEqual(channel.under_way, 0)
        self.assertIsNone(channel.status)
        channel.type(b"two")
        assert channel.program is not None
        channel.program.ended_input()
        self.assertEqual((channel.status, bytes(self.line.sent)), (0, b"one\ntwo"))

    def test_enter_comes_behind_it(self) -> None:
        channel = self.desk.ask("send web01 --enter")
        channel.type(b"ls")
        assert channel.program is not None
        channel.program.ended_input()
        self.assertEqual(bytes(self.line.sent), b"ls\r")

    def test_nothing_more_is_typed_after_the_operator_leaves(self) -> None:
        self.line.answers, self.line.unread = False, 4096
        channel = self.desk.ask("send web01")
        for _ in range(2):
            channel.type(b"x" * 60_000)
        sent = len(self.line.sent)
        self.line.unread = 0
        channel.close()
        self.desk.run_on(20, 0.1)
        self.assertEqual((len(self.line.sent), self.web.input.waiting), (sent, 0))
        self.assertEqual(self.desk.audited("send")[0]["bytes"], sent)
        self.assertEqual(self.desk.delivered(), (sent, 65536))

    def test_more_than_waits_in_a_console_keeps_the_window_closed(self) -> None:
        channel = self.desk.ask("send web01")
        for _ in range(30):
            channel.type(b"q" * 8192)
        self.assertLessEqual(self.web.input.waiting, WAITING)
        self.assertGreater(channel.under_way, 100_000)
        assert channel.program is not None
        channel.program.ended_input()
        answer(self.web, self.line)
        self.desk.run_on()
        self.assertEqual((channel.status, channel.under_way), (0, 0))
        self.assertEqual(bytes(self.line.sent), b"q" * 8192 * 30)

    @settings(max_examples=60, deadline=None)
    @given(
        pieces=st.lists(st.binary(min_size=1, max_size=6000), min_size=1, max_size=8),
        moves=st.lists(
            st.sampled_from(["answer", "migrate", "move", "resume", "wait"]), max_size=12
        ),
    )
    def test_the_line_gets_the_text_whatever_happens_meanwhile(
        self, pieces: list[bytes], moves: list[str]
    ) -> None:
        desk = OpsDesk()
        web, line = desk.connected("web01", f"{1:032x}")
        lines = [line]
        channel = desk.ask("send web01 --json")
        for step in range(max(len(pieces), len(moves))):
            if step < len(pieces):
                channel.type(pieces[step])
            match moves[step] if step < len(moves) else "":
                case "answer":
                    answer(web, lines[-1], 1)
                case "migrate" if not web.link.migrating:
                    web.link.migrate()
                case "move" if web.link.migrating:
                    lines.append(FakeLine(f"10.0.0.{len(lines) + 1}"))
                    web.link.move(lines[-1], lines[-2].address, 0.1)
                case "resume" if web.link.migrating:
                    web.link.resume()
                case "wait":
                    desk.run_on(3, 0.5)
        assert channel.program is not None
        channel.program.ended_input()
        if web.link.migrating:
            web.link.resume()
        answer(web, lines[-1])
        desk.run_on(200, 0.1)
        whole = b"".join(pieces)
        self.assertEqual(b"".join(bytes(each.sent) for each in lines), whole)
        self.assertEqual(channel.status, 0)
        self.assertEqual(json.loads(channel.text)["bytes"], len(whole))
        self.assertEqual(channel.under_way, 0)
        self.assertEqual(desk.delivered(), (len(whole), 0))

    @settings(max_examples=60, deadline=None)
    @given(
        size=st.integers(min_value=1, max_value=20_000),
        answers=st.integers(min_value=0, max_value=4),
        end=st.sampled_from(["away", "host", "close", "timeout", "kick"]),
    )
    def test_the_count_in_its_message_is_what_the_line_got(
        self, size: int, answers: int, end: str
    ) -> None:
        desk = OpsDesk()
        web, line = desk.connected("web01", f"{1:032x}")
        channel = desk.ask("send web01 --timeout 4")
        channel.type(b"k" * size)
        answer(web, line, answers)
        (attachment,) = web.attachments
        match end:
            case "away":
                web.link.disconnect("off")
            case "host":
                web.link.replace(FakeLine("10.0.0.9"), "silent", How.TOOK_OVER)
            case "close":
                channel.close()
            case "timeout":
                desk.run_on(4, 1.5)
            case "kick":
                attachment.expel("go")
        desk.run_on(3)
        got = len(line.sent)
        if channel.status is None and end != "close":
            self.assertEqual(got, size)  # all of it was delivered before, and input may come
            channel.close()
        (event,) = desk.audited("send")
        self.assertEqual(event["bytes"], got)
        self.assertEqual(desk.delivered(), (got, size - got))
        answer(web, line)
        desk.run_on(3)
        self.assertEqual(len(line.sent), got)


class Refused(SendCase):
    def test_while_another_operator_has_the_pen(self) -> None:
        self.desk.ask("raw web01", self.desk.login(CAROL)).type(b"c")
        channel = self.desk.ask("send web01 x")
        self.assertEqual(
            (channel.status, channel.complaint),
            (4, "carol is typing on web01; nothing was sent\n"),
        )
        self.assertEqual(bytes(self.line.sent), b"c")
        self.assertEqual(len(self.desk.audited("denied")), 1)

    def test_standard_input_does_not_wait_to_be_refused(self) -> None:
        self.desk.ask("raw web01", self.desk.login(CAROL)).type(b"c")
        self.assertEqual(self.desk.ask("send web01").status, 4)

    def test_force_takes_the_pen_with_the_right_for_it(self) -> None:
        other = self.desk.ask("raw web01", self.desk.login(CAROL))
        other.type(b"c")
        self.assertEqual(self.desk.ask("send web01 --force x").status, 0)
        self.assertEqual(bytes(self.line.sent), b"cx")
        self.desk.turn()
        self.assertIn("alice took the pen", other.complaint)
        may = frozenset({"read", "write"})
        self.desk.rules = Access((Rule(frozenset({"*"}), ("*",), may),))
        other.type(b"d")
        refused = self.desk.ask("send web01 --force y")
        self.assertEqual(refused.status, 4)
        without = "carol is typing on web01, and you have no right `force` there; nothing was sent"
        self.assertEqual(refused.complaint.splitlines()[-1], without)
        self.assertNotIn("force", self.desk.ask("send web01 y").complaint)
        expecting = self.desk.ask("expect web01 --force --send y x")
        self.assertEqual(expecting.status, 4)
        self.assertIn("no right `force`", expecting.complaint)

    def test_a_removed_operator_gets_one_count(self) -> None:
        channel = self.desk.ask("send web01")
        channel.type(b"abc")
        self.web.link.migrate()
        channel.type(b"x" * (WAITING + 1000))
        (attachment,) = self.web.attachments
        attachment.expel("removed by dave")
        self.assertEqual(
            channel.complaint.splitlines()[-1],
            f"web01: removed by dave; 3 bytes were sent, {WAITING + 1000} were not",
        )

    def test_the_pen_is_taken_from_it(self) -> None:
        self.web.link.migrate()
        channel = self.desk.ask("send web01")
        channel.type(b"first")
        forced = self.desk.console_attachment(self.web)
        self.assertIsNone(forced.take_pen(force=True))
        channel.type(b"second")
        self.assertEqual(channel.status, 4)
        self.assertIn("carol is typing on web01; nothing was sent", channel.complaint)
        self.web.link.resume()
        self.assertEqual(bytes(self.line.sent), b"")

    def test_without_the_right(self) -> None:
        channel = self.desk.ask("send web01 x", self.desk.login(BOB))
        self.assertEqual(channel.status, 4)
        self.assertIn("no right to type on web01", channel.complaint)
        self.assertFalse(self.web.attachments)
        self.assertEqual(self.desk.audited("denied")[0]["verb"], "send")

    def test_an_away_console(self) -> None:
        self.web.link.disconnect("off")
        channel = self.desk.ask("send web01 x")
        self.assertEqual(
            (channel.status, channel.complaint), (1, "web01 is away; nothing was sent\n")
        )

    def test_a_rule_that_requires_a_reason(self) -> None:
        rights = frozenset({"read", "write", "reason"})
        self.desk.rules = Access((Rule(frozenset({"alice"}), ("*",), rights),))
        channel = self.desk.ask("send web01 x")
        self.assertEqual(channel.status, 4)
        self.assertIn("reason=TEXT before the verb", channel.complaint)
        self.assertEqual(self.desk.ask("reason=CHG1 send web01 x").status, 0)
        self.assertEqual(self.desk.audited("send")[-1]["reason"], "CHG1")

    def test_when_nothing_can_be_recorded(self) -> None:
        self.desk.record.refuses = True
        channel = self.desk.ask("send web01 x")
        self.assertEqual(channel.status, 1)
        self.assertIn("while the audit file cannot be written", channel.complaint)
        self.assertEqual(bytes(self.line.sent), b"")

    def test_rights_that_are_lost_while_it_types(self) -> None:
        self.web.link.migrate()
        channel = self.desk.ask("send web01 x")
        self.desk.rules = Access(())
        self.web.reassess(self.desk.rights)
        self.assertEqual(channel.status, 1)
        self.assertRegex(channel.complaint, "may no longer read this console; .*nothing was sent")
        self.web.link.resume()
        self.assertEqual(bytes(self.line.sent), b"")

    def test_the_right_is_lost_while_it_types_and_reading_is_not(self) -> None:
        channel = self.desk.ask("send web01")
        channel.type(b"one")
        self.desk.rules = Access((Rule(frozenset({"*"}), ("*",), frozenset({"read"})),))
        self.web.reassess(self.desk.rights)
        channel.type(b"two")
        self.assertEqual(channel.status, 4)
        self.assertIn("no right to type on web01; 3 bytes were sent, 3 were not", channel.complaint)

    def test_force_does_not_help_where_nothing_can_be_recorded(self) -> None:
        self.desk.ask("raw web01", self.desk.login(CAROL)).type(b"c")
        self.desk.record.refuses = True
        self.assertEqual(self.desk.ask("send web01 --force x").status, 1)

    def test_an_end_in_the_middle_of_it(self) -> None:
        self.web.link.migrate()
        channel = self.desk.ask("send web01 x")
        (attachment,) = self.web.attachments
        attachment.end("no more")
        self.desk.turn()
        self.assertEqual(channel.status, 1)
        self.assertIn("no more; nothing was sent", channel.complaint)

    def test_cautions_before_typing(self) -> None:
        self.web.link.replace(FakeLine("10.0.0.9"), "silent", How.TOOK_OVER)
        channel = self.desk.ask("send web01 x")
        self.assertEqual(channel.status, 0)
        self.assertIn("[web01 is on 10.0.0.9 since", channel.complaint)

    def test_no_more_places(self) -> None:
        session = self.desk.login(ALICE)
        for _ in range(256):
            self.desk.ask("raw web01", session)
        self.assertEqual(self.desk.ask("send web01 x", session).status, 1)
        self.assertEqual(self.desk.audited("limit")[0]["limit"], "max_attachments")
