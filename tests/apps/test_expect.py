"""`expect`: waits until a VM says something, and prints what it was."""

import json
from collections.abc import Callable
from typing import TypeVar

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.apps.opsdesk import CAROL, OpsDesk
from tests.apps.support import BOB, XTERM, FakeChannel
from tests.fakes import FakeLine, FakeThreads
from tests.log.inline import Logged
from vspc.apps.following import Memory
from vspc.apps.verbs.commandline import Words as Source
from vspc.apps.verbs.expect import FROM, GRAMMAR, JSON, TIME_OUT, TIMEOUT, patterns, typed
from vspc.apps.verbs.grammar import NAME, Parsed
from vspc.apps.verbs.kinds import UsageError
from vspc.apps.verbs.limits import EXPECTING, WorkPool, WorkPoolFull
from vspc.apps.verbs.parser import parse as parse_words
from vspc.apps.verbs.stream_search import WINDOW
from vspc.console.access import Access
from vspc.console.console import Console
from vspc.console.events import How
from vspc.console.input_flow import WAITING
from vspc.console.logs import LogView, MarkerKind

T = TypeVar("T")


def parse(words: tuple[str, ...]) -> Parsed:
    """What the words of a process say, which make sense."""
    parsed = parse_words(GRAMMAR, Source(words), 0.0)
    patterns(parsed), typed(parsed)
    return parsed


PATTERNS = ("login: ", "a+b", "(?s)a.*b", "^x", "b\\r\\n", "(a|b){3}", "[^x]x")


class ExpectCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.desk = OpsDesk()
        self.web, self.line = self.desk.connected("web01", f"{1:032x}")

    def output(self, data: bytes) -> None:
        self.web.link.output(data)
        self.desk.turn()
        self.desk.clock.advance(0.011)


class Words(SynchronousTestCase):
    def test_options_wherever_they_are(self) -> None:
        wanted = parse(("web01", "--timeout=5", "last", "login", "--json", "--from", "boot"))
        self.assertEqual((wanted[NAME], wanted.get(TIME_OUT)), ("web01", 5.0))
        self.assertEqual((wanted.get(FROM), wanted.has(JSON)), ("boot", True))
        self.assertEqual(parse(("web01", "x", "--from", "12")).get(FROM), 12)
        self.assertEqual(typed(parse(("web01", "x", "--send", "a b", "--enter"))), b"a b\r")
        self.assertEqual(patterns(parse(("web01", "--", "--x")))[0].pattern.pattern, b"(?m)--x")

    def test_what_makes_no_sense(self) -> None:
        for words in (
            (),
            ("web01",),
            ("web01", ""),
            ("web01", "("),
            ("web01", "x", "--fail", "("),
            ("web01", "x", "--fail", ""),
            ("web01", "x", "--from", "yesterday"),
            ("web01", "x", "--from", "-1"),
            ("web01", "x", "--timeout", "soon"),
            ("web01", "x", "--force"),
            ("web01", "--bogus", "x"),
        ):
            self.assertRaises(UsageError, parse, words)

    def test_patterns_have_a_length(self) -> None:
        self.assertRaises(UsageError, parse, ("web01", "\\pL" * 334))
        parse(("web01", "x" * 1000))

    def test_text_is_not_shown_by_accident(self) -> None:
        self.assertNotIn("canary", repr(parse(("web01", "x", "--send", "canary"))))


class Waiting(ExpectCase):
    def test_so_many_patterns_at_a_time_and_no_more(self) -> None:
        waiting = [self.desk.say("expect web01 login:") for _ in range(EXPECTING)]
        refused = self.desk.say("expect web01 login:")
        self.assertEqual(refused.status, 1)
        self.assertIn(f"already wait for {EXPECTING} patterns", refused.complaint)
        waiting.pop().close()
        self.assertIsNone(self.desk.say("expect web01 login:").status)
        self.output(b"login: ")
        for _ in range(EXPECTING):
            self.assertIsNone(self.desk.say("expect web01 login:").status)

    def test_the_match_is_printed_when_it_comes(self) -> None:
        channel = self.desk.ask("expect web01 'log[a-z]+: $'")
        self.output(b"web01 log")
        self.assertIsNone(channel.status)
        self.output(b"in: ")
        self.assertEqual((channel.status, channel.text), (0, "login: \n"))
        self.assertEqual(channel.complaint, "")
        self.assertFalse(self.web.attachments)

    def test_earlier_output_does_not_match(self) -> None:
        self.web.link.output(b"login: ")
        channel = self.desk.ask("expect web01 login:")
        self.output(b"\r\n")
        self.assertIsNone(channel.status)

    def test_json_has_place_and_groups(self) -> None:
        self.web.link.output(b"12345")
        channel = self.desk.ask("expect web01 --json '(\\w+) (x)?login'")
        self.output(b"\x1bweb01 login")
        self.assertEqual(
            json.loads(channel.text),
            {"match": "web01 login", "offset": 6, "end": 17, "groups": ["web01", None]},
        )

    def test_a_terminal_gets_nothing_that_makes_it_answer(self) -> None:
        channel = self.desk.ask("expect web01 '(?s)<.*>'")
        self.output(b"<\x1b[6n\x1b]0;x\x07\x1b[31mred>")
        self.assertEqual(bytes(channel.output), b"<\x1b[31mred>\n")
        channel = self.desk.ask("expect web01 '(?s)<.*>'", terminal=XTERM)
        self.output(b"<\x1b[c\r\n>")
        self.assertNotIn(b"\x1b", bytes(channel.output))

    def test_time_is_over(self) -> None:
        channel = self.desk.ask("expect web01 --timeout 5 login:")
        self.output(b"booting")
        self.desk.run_on(6, 1.0)
        self.assertEqual((channel.status, channel.text), (5, ""))
        self.assertIn("timed out after 5 s: web01 has not printed it", channel.complaint)
        self.assertIn("searched offsets 0 to 7", channel.complaint)
        self.assertFalse(self.web.attachments)
        self.assertEqual(self.desk.audited("expect")[0]["result"], "timed-out")

    def test_without_a_time_of_its_own_a_minute_is_waited(self) -> None:
        channel = self.desk.ask("expect web01 login:")
        self.desk.run_on(int(TIMEOUT) - 1, 1.0)
        self.assertIsNone(channel.status)
        self.desk.run_on(2, 1.0)
        self.assertEqual((channel.status, channel.text), (5, ""))

    def test_what_came_in_the_last_moment_counts(self) -> None:
        channel = self.desk.ask("expect web01 --timeout 5 login:")
        self.desk.clock.advance(4.999)
        self.web.link.output(b"hm ")
        self.desk.turn()
        self.web.link.output(b"login:")
        self.desk.turn()
        self.desk.clock.advance(0.1)
        self.assertEqual(channel.status, 0)

    def test_so_does_what_came_while_it_rested(self) -> None:
        channel = self.desk.ask("expect web01 --timeout 5 '(?s)x.*login:'")
        self.desk.clock.advance(4.9995)
        self.web.link.output(b"x" * 50_000)
        self.desk.turn()
        self.web.link.output(b"login:")
        self.desk.turn()
        self.assertIsNone(channel.status)
        self.desk.clock.advance(0.0005)
        self.assertEqual(channel.status, 0)

    def test_what_must_not_come_ends_it(self) -> None:
        channel = self.desk.ask("expect web01 --fail '[Pp]anic.*' login:")
        self.output(b"Panic: \x1b[31mno root\r\n")
        self.assertEqual((channel.status, channel.text), (1, ""))
        self.assertIn("--fail matched at offset 0 of web01: Panic: ", channel.complaint)
        self.assertNotIn("\x1b", channel.complaint)
        (event,) = self.desk.audited("expect")
        self.assertEqual((event["result"], event["detail"], event["offset"]), ("failed", "fail", 0))

    def test_whichever_comes_first(self) -> None:
        channel = self.desk.ask("expect web01 --fail panic login:")
        self.output(b"login: panic")
        self.assertEqual(channel.status, 0)

    def test_lines(self) -> None:
        channel = self.desk.ask("expect web01 '^login: $'")
        self.output(b"last login: \r\nlogin: ")
        self.assertEqual(channel.status, 0)

    def test_an_away_console_is_waited_for(self) -> None:
        self.web.link.disconnect("reboot")
        channel = self.desk.ask("expect web01 login:")
        self.desk.run_on(3, 1.0)
        self.web.link.connect(FakeLine())
        self.output(b"login:")
        self.assertEqual(channel.status, 0)

    def test_going_away_is_a_notice_and_is_waited_for(self) -> None:
        channel = self.desk.ask("expect web01 login:")
        self.web.link.disconnect("reboot")
        self.desk.turn()
        self.assertIsNone(channel.status)
        self.assertIn("[web01 is away (reboot)]", channel.complaint)

    def test_an_away_console_ends_it_where_that_is_wished(self) -> None:
        self.web.link.output(b"Power down.\r\n")
        self.web.link.disconnect("switched off")
        channel = self.desk.ask("expect web01 login: --away fail")
        self.desk.run_on(3)
        self.assertEqual(channel.status, 1)
        self.assertIn("web01 is away (switched off)\n", channel.complaint)
        found = self.desk.ask("expect web01 down --from 0 --away fail")
        self.desk.run_on(3)
        self.assertEqual((found.status, found.text), (0, "down\n"))
        sending = self.desk.ask("expect web01 --send x --away fail login:")
        self.desk.run_on(3)
        self.assertEqual(sending.status, 1)
        waiting = self.desk.ask("expect web01 login: --away wait")
        self.desk.run_on(3)
        self.assertIsNone(waiting.status)

    def test_going_away_ends_it_when_what_came_before_has_been_searched(self) -> None:
        other, _ = self.desk.connected("web02", f"{2:032x}")
        lines = ("expect web01 --away fail login:", "expect web01 --away fail 'd.wn'")
        missed, found = (self.desk.ask(line) for line in lines)
        other.link.disconnect("switched off")
        self.output(b"power d")
        self.assertIsNone(missed.status)
        self.web.link.output(b"own")
        self.web.link.disconnect("switched off")
        self.desk.run_on(3)
        self.assertEqual((missed.status, found.status), (1, 0))
        self.assertIn("web01 is away (switched off)\n", missed.complaint)
        self.web.link.connect(FakeLine())
        self.web.link.disconnect("switched off")
        self.assertEqual(self.desk.failures, 0)

    def test_a_vmotion_is_no_absence(self) -> None:
        channel = self.desk.ask("expect web01 --away fail login:")
        self.web.link.migrate()
        self.web.link.lose_source()
        self.desk.run_on(3)
        self.assertIsNone(channel.status)
        self.web.link.end_migration("the target did not come")
        self.desk.run_on(3)
        self.assertEqual(channel.status, 1)

    def test_a_vmotion_between_two_halves(self) -> None:
        channel = self.desk.ask("expect web01 login:")
        self.output(b"log")
        self.web.link.migrate()
        self.web.link.move(FakeLine("10.0.0.2"), "10.0.0.1", 0.2)
        self.output(b"in:")
        self.assertEqual(channel.status, 0)

    def test_another_host_ends_it_after_earlier_output_is_searched(self) -> None:
        first = self.desk.ask("expect web01 login:")
        second = self.desk.ask("expect web01 never", self.desk.login(CAROL))
        self.web.link.output(b"login:")
        self.web.link.replace(FakeLine("10.0.0.9"), "silent", How.TOOK_OVER)
        self.web.link.output(b"never")
        self.desk.turn()
        self.desk.run_on()
        self.assertEqual((first.status, second.status), (0, 1))
        self.assertIn("web01 is on 10.0.0.9 now; it was on 10.0.0.1", second.complaint)

    def test_a_kick_or_the_loss_of_the_right_to_read_ends_it(self) -> None:
        first = self.desk.ask("expect web01 x")
        (attachment,) = self.web.attachments
        attachment.expel("go")
        self.assertEqual(first.status, 1)
        second = self.desk.ask("expect web01 x")
        self.desk.rules = Access(())
        self.web.reassess(self.desk.rights)
        self.assertEqual(second.status, 1)
        self.assertIn("you may no longer read", second.complaint)

    def test_nothing_is_left_when_the_operator_leaves(self) -> None:
        channel = self.desk.ask("expect web01 x")
        channel.close()
        self.assertFalse(self.web.attachments)
        self.assertEqual(self.desk.clock.twisted.getDelayedCalls(), [])
        terminal = self.desk.ask("expect web01 x", terminal=XTERM)
        terminal.type(b"\x03")
        self.assertEqual(terminal.status, 1)

    def test_input_is_not_kept(self) -> None:
        channel = self.desk.ask("expect web01 x")
        channel.type(b"whatever")
        assert channel.program is not None
        channel.program.ended_input()
        self.assertEqual(channel.under_way, 0)
        self.assertIsNone(channel.status)
        self.assertEqual(bytes(self.line.sent), b"")

    def test_the_right_to_read_is_enough(self) -> None:
        channel = self.desk.ask("expect web01 x", self.desk.login(BOB))
        self.output(b"x")
        self.assertEqual(channel.status, 0)

    def test_usage(self) -> None:
        channel = self.desk.ask("expect web01 'a(b'")
        self.assertEqual(channel.status, 2)
        self.assertIn("missing ): a(b", channel.complaint)
        self.assertIn("usage: expect", channel.complaint)


class Sending(ExpectCase):
    def test_it_is_typed_when_everything_is_ready(self) -> None:
        channel = self.desk.ask("expect web01 --send 'uname -r' --enter '[0-9.]+-amd64'")
        self.assertEqual(bytes(self.line.sent), b"uname -r\r")
        self.output(b"uname -r\r\n6.1.0-amd64\r\n# ")
        self.assertEqual(channel.text, "6.1.0-amd64\n")
        (event,) = self.desk.audited("expect")
        self.assertEqual((event["bytes"], event["result"]), (9, "ok"))
        self.assertNotIn("uname", json.dumps(self.desk.record.lines))
        self.assertIsNone(self.web.pen.holder)

    def test_exactly_the_text(self) -> None:
        self.desk.ask("expect web01 --send '\u00fc\\r' x")
        self.assertEqual(bytes(self.line.sent), "\u00fc\\r".encode())

    def test_without_the_right_to_type_it_fails_at_once(self) -> None:
        channel = self.desk.ask("expect web01 --send x y", self.desk.login(BOB))
        self.assertEqual(channel.status, 4)
        self.desk.ask("raw web01", self.desk.login(CAROL)).type(b"c")
        channel = self.desk.ask("expect web01 --send x y")
        self.assertEqual(
            (channel.status, channel.complaint),
            (4, "carol is typing on web01; nothing was sent\n"),
        )
        self.assertEqual(self.desk.ask("expect web01 --force --send x y").status, None)
        self.assertEqual(bytes(self.line.sent), b"cx")

    def test_an_away_vm_is_not_waited_for_where_something_is_to_be_typed(self) -> None:
        self.web.link.disconnect("off")
        self.assertEqual(self.desk.ask("expect web01 --send x y").status, 1)

    def test_a_match_does_not_end_it_before_the_vm_has_the_text(self) -> None:
        self.web.link.output(b"ready")
        self.web.link.migrate()
        channel = self.desk.ask("expect web01 --from 0 --send go ready")
        self.desk.run_on()
        self.assertIsNone(channel.status)
        self.web.link.resume()
        self.desk.run_on()
        self.assertEqual((channel.status, bytes(self.line.sent)), (0, b"go"))

    def test_a_match_is_not_enough_where_the_text_is_held_too_long(self) -> None:
        self.web.link.output(b"ready")
        self.web.link.migrate()
        channel = self.desk.ask("expect web01 --timeout 3 --from 0 --send go ready")
        self.desk.run_on(4, 1.0)
        self.assertEqual((channel.status, channel.text), (5, ""))
        self.assertIn("web01 takes no input", channel.complaint)
        self.web.link.resume()
        self.assertEqual(bytes(self.line.sent), b"")

    def test_a_console_that_is_full_takes_it_later(self) -> None:
        self.web.link.migrate()
        self.desk.ask("raw web01", self.desk.login(CAROL)).type(b"c" * WAITING)
        channel = self.desk.ask("expect web01 --force --send go x")
        self.assertIsNone(channel.status)
        self.web.link.resume()
        while self.line.questions:
            self.line.questions -= 1
            self.web.link.answered()
        self.desk.run_on()
        self.assertEqual(bytes(self.line.sent), b"c" * WAITING + b"go")
        self.output(b"x")
        self.assertEqual(channel.status, 0)

    def test_cautions_before_typing(self) -> None:
        self.web.link.replace(FakeLine("10.0.0.9"), "silent", How.TOOK_OVER)
        channel = self.desk.ask("expect web01 --send go x")
        self.assertIn("[web01 is on 10.0.0.9 since", channel.complaint)

    def test_what_is_held_too_long_is_withdrawn(self) -> None:
        self.web.link.migrate()
        channel = self.desk.ask("expect web01 --timeout 3 --send canary x")
        self.desk.run_on(4, 1.0)
        self.assertEqual(channel.status, 5)
        self.assertIn("nothing was sent", channel.complaint)
        self.web.link.resume()
        self.assertEqual(bytes(self.line.sent), b"")

    def test_a_vm_that_goes_away_without_taking_it(self) -> None:
        self.web.link.migrate()
        channel = self.desk.ask("expect web01 --send canary x")
        self.web.link.lose_source()
        self.web.link.end_migration("too late")
        self.desk.run_on()
        self.assertEqual(channel.status, 1)
        self.assertIn("nothing was sent", channel.complaint)

    def test_another_host_gets_nothing_of_it(self) -> None:
        self.web.link.migrate()
        channel = self.desk.ask("expect web01 --send canary x")
        new = FakeLine("10.0.0.9")
        self.web.link.replace(new, "silent", How.TOOK_OVER)
        self.desk.run_on()
        self.assertEqual((channel.status, bytes(new.sent)), (1, b""))
        self.assertIn("web01 is on 10.0.0.9 now", channel.complaint)
        self.assertIn("nothing was sent", channel.complaint)

    def test_a_match_is_none_where_another_host_came_before_the_text_was_typed(self) -> None:
        self.web.link.output(b"ready")
        self.web.link.migrate()
        channel = self.desk.ask("expect web01 --from 0 --send go ready")
        self.desk.run_on()
        self.web.link.replace(FakeLine("10.0.0.9"), "silent", How.TOOK_OVER)
        self.desk.run_on()
        self.assertEqual((channel.status, channel.text), (1, ""))
        self.assertFalse(self.web.attachments)


class Leaving(ExpectCase):
    def test_waiting_input_is_withdrawn_when_the_operator_leaves(self) -> None:
        carol = self.desk.console_attachment(self.web, CAROL)
        self.web.link.migrate()
        carol.type(b"x" * (WAITING - 100))
        carol.detach()
        channel = self.desk.ask(f"expect web01 --send '{'s' * 190}' login:")
        channel.close()
        self.assertEqual(self.web.input.waiting, WAITING - 100)
        self.assertEqual(self.desk.audited("expect")[0]["bytes"], 0)

    def test_the_offsets_of_a_time_out_are_those_searched(self) -> None:
        pattern = "(a|b)*a(a|b){300}c"
        self.desk.context = evolve(self.desk.context, work_pool=WorkPool(FakeThreads()))
        channel = self.desk.ask(f"expect web01 --timeout 5 '{pattern}'")
        self.output(b"ab" * 10_000)
        self.desk.run_on(6, 1.0)
        self.assertIn("searched offsets 0 to 0;", channel.complaint)


class Places(ExpectCase):
    def test_from_an_offset(self) -> None:
        self.web.link.output(b"one two one")
        channel = self.desk.ask("expect web01 --json --from 4 one")
        self.assertEqual(json.loads(channel.text)["offset"], 8)
        self.assertEqual(self.desk.ask("expect web01 --from 12 one").status, 1)

    def test_from_the_last_match_of_this_operator(self) -> None:
        self.web.link.output(b"a one a two a three")
        self.desk.ask("expect web01 --from 0 'a o'")
        for offset in (6, 12):
            channel = self.desk.ask("expect web01 --from last --json a")
            self.assertEqual(json.loads(channel.text)["offset"], offset)
        other = self.desk.ask("expect web01 --from last a", self.desk.login(CAROL))
        self.assertIsNone(other.status)
        self.assertIn("no earlier match of yours on web01", other.complaint)

    def test_from_a_boot_where_none_is_known(self) -> None:
        channel = self.desk.ask("expect web01 --from boot x")
        self.assertEqual(channel.status, 1)
        self.assertIn("no boot of web01 in its log", channel.complaint)

    def test_a_gap_is_reported_and_the_search_continues(self) -> None:
        self.web.link.output(b"login:" + b"x" * 3 * 65536)
        channel = self.desk.ask("expect web01 --from 0 login:")
        self.desk.run_on(50)
        self.assertIsNone(channel.status)
        self.assertIn(f"[output lost: offsets 0 to {2 * 65536 + 6} of web01", channel.complaint)
        self.output(b"login:")
        self.desk.run_on(50)
        self.assertEqual(channel.status, 0)

    def test_the_limit_of_history(self) -> None:
        self.web.link.output(b"secret")
        limit = evolve(self.desk.context, history_limit=lambda _operator, _subject: 10.0)
        self.desk.context = limit
        channel = self.desk.ask("expect web01 --from 0 secret")
        self.assertEqual((channel.status, channel.text), (4, ""))
        self.assertEqual(len(self.desk.audited("denied")), 1)
        self.assertIsNone(self.desk.ask("expect web01 x").status)


class FromTheLog(SynchronousTestCase):
    """Consoles that are logged: what memory has lost is there."""

    def setUp(self) -> None:
        self.desk = OpsDesk()
        self.desk.clock.advance(1)
        self.logged = Logged(self.desk)
        self.addCleanup(self.logged.close)
        self.desk.context = evolve(self.desk.context, logs=self.logged.log.queries)
        self.web, self.line = self.desk.connected("web01", f"{1:032x}")

    def output(self, data: bytes) -> None:
        for at in range(0, len(data), 60_000):
            self.web.link.output(data[at : at + 60_000])
            self.desk.run_on(2, 0.1)

    def test_an_offset_that_memory_has_lost(self) -> None:
        self.output(b"first line\r\n" + b"x" * 300_000 + b"the end")
        channel = self.desk.ask("expect web01 --from 0 --json '^first'")
        self.desk.run_on(200)
        self.assertEqual(json.loads(channel.text)["offset"], 0)
        channel = self.desk.ask("expect web01 --from 0 --json 'x{30}the end'")
        self.desk.run_on(400)
        self.assertEqual(json.loads(channel.text)["end"], 300_019)
        self.assertEqual(channel.complaint, "")

    def test_nothing_is_shown_after_the_right_to_read_is_lost_during_a_query(self) -> None:
        self.output(b"the secret\r\n")
        context = self.desk.context
        self.desk.context = evolve(context, history_limit=lambda _operator, _subject: 3600.0)
        self.logged.writer.held = True
        bob = self.desk.login(BOB)
        lines = ("expect web01 --from 0 secret", "expect web01 --from boot x", "log web01 --grep t")
        channels = [self.desk.ask(line, bob) for line in lines]
        self.desk.rules = Access(())
        self.web.reassess(self.desk.rights)
        self.logged.writer.held = False
        self.logged.writer.catch_up()
        self.desk.run_on(50)
        self.assertEqual([channel.text for channel in channels], ["", "", ""])
        self.assertEqual([channel.status for channel in channels], [1, 1, 1])
        self.assertFalse(self.web.attachments)

    def test_the_limit_of_history_in_the_log(self) -> None:
        self.output(b"old\r\n")
        self.desk.clock.advance(100)
        self.output(b"new\r\n")
        limited = evolve(self.desk.context, history_limit=lambda _operator, _subject: 50.0)
        self.desk.context = limited
        channel = self.desk.ask("expect web01 --from 5 new")
        self.desk.run_on(50)
        self.assertEqual(channel.status, 0)
        channel = self.desk.ask("expect web01 --from 4 new")
        self.desk.run_on(50)
        self.assertEqual(channel.status, 4)
        self.assertIn("offset 5", channel.complaint)

    def test_from_the_last_boot(self) -> None:
        self.output(b"login: one\r\n")
        self.web.link.disconnect("off")
        self.desk.clock.advance(700)
        self.web.link.connect(FakeLine())
        self.output(b"Linux version 6.1\r\nlogin: two\r\n")
        channel = self.desk.ask("expect web01 --from boot 'login: [a-z]+'")
        self.desk.run_on(50)
        self.assertEqual(channel.text, "login: two\n")

    def test_one_that_falls_behind_misses_nothing(self) -> None:
        held = FakeThreads()
        self.desk.context = evolve(self.desk.context, work_pool=WorkPool(held))
        channel = self.desk.ask("expect web01 '(?s)needle.*?point'")
        self.output(b"y" * 60_000 + b"needle " + b"z" * 200_000 + b" point" + b"y" * 100_000)
        for _ in range(100):
            held.go()
            self.desk.run_on(3, 0.02)
        self.assertEqual(channel.status, 0)
        self.assertEqual(len(channel.output), 200_014)


class Shelf:
    """A log store that has what memory has, or cannot be read."""

    def __init__(self, console: Console, readable: bool) -> None:
        self.console = console
        self.readable = readable

    def keeps(self, console_id: str) -> bool:
        return console_id == self.console.id

    def mark(self, console_id: str, kind: MarkerKind, text: str) -> bool:
        raise NotImplementedError

    async def query(self, console_id: str, question: Callable[[LogView], T]) -> T | None:
        del console_id
        return question(Memory(self.console.history, 0.0)) if self.readable else None


class LogsInTrouble(ExpectCase):
    def lost(self, readable: bool) -> FakeChannel:
        self.desk.context = evolve(self.desk.context, logs=Shelf(self.web, readable))
        self.web.link.output(b"x" * 100_000)
        channel = self.desk.ask("expect web01 --from 0 login:")
        self.desk.run_on(40, 0.01)
        return channel

    def test_a_gap_in_the_log_is_reported_and_the_search_continues(self) -> None:
        for readable in (True, False):
            self.setUp()
            channel = self.lost(readable)
            start = self.web.history.start
            self.assertIn(f"[output lost: offsets 0 to {start} of web01", channel.complaint)
            self.output(b"login:")
            self.desk.run_on(40, 0.01)
            self.assertEqual(channel.status, 0, readable)

    def test_a_log_that_cannot_be_asked_for_boots(self) -> None:
        self.lost(False)
        channel = self.desk.ask("expect web01 --from boot x")
        self.assertEqual(channel.status, 1)
        self.assertIn("the log of web01 cannot be read now", channel.complaint)


class Work(ExpectCase):
    """Patterns do not stall the server."""

    PATTERN = "(?s)[a-b].{300}q"

    def setUp(self) -> None:
        super().setUp()
        self.held = FakeThreads()
        self.desk.context = evolve(self.desk.context, work_pool=WorkPool(self.held))

    def test_a_long_search_is_done_in_a_thread(self) -> None:
        channel = self.desk.ask(f"expect web01 '{self.PATTERN}'")
        self.output(b"ab" * 20_000)
        self.assertEqual(len(self.held.waiting), 1)
        self.output(b"ab" * 200 + b"q")
        self.assertEqual(len(self.held.waiting), 1)
        self.held.go()
        self.desk.run_on()
        self.held.go()
        self.assertEqual(channel.status, 0)

    def test_a_short_one_is_not(self) -> None:
        channel = self.desk.ask("expect web01 login:")
        self.output(b"x" * 4000 + b"login:")
        self.assertEqual(channel.status, 0)

    def test_where_too_many_search_it_waits_for_its_turn(self) -> None:
        self.desk.context = evolve(self.desk.context, work_pool=Crowded())
        channel = self.desk.ask("expect web01 login:")
        self.output(b"login:")
        self.assertIsNone(channel.status)
        self.desk.run_on(3, 0.5)
        self.assertEqual(channel.status, 0)

    def test_it_ends_although_its_search_does_not(self) -> None:
        channel = self.desk.ask(f"expect web01 --timeout 5 '{self.PATTERN}'")
        self.output(b"ab" * 20_000)
        self.desk.run_on(6, 1.0)
        self.assertEqual(channel.status, 5)
        self.held.go()
        self.assertEqual(channel.status, 5)

    def test_one_thread_for_all_of_them_and_the_small_ones_first(self) -> None:
        large = [self.desk.ask("expect web01 '[a-b].{300}z'") for _ in range(3)]
        small = self.desk.ask("expect web01 '[a-b]+q'", self.desk.login(CAROL))
        for _ in range(3):
            self.web.link.output(b"ab" * 20_000)
        self.web.link.output(b"q")
        self.desk.turn()
        self.assertEqual(len(self.held.waiting), 1)
        for _ in range(9):
            self.held.go()
            self.desk.run_on(40, 0.001)
        self.assertEqual(small.status, 0)
        self.assertEqual([each.status for each in large], [None] * 3)

    def test_output_in_drops_is_searched_together(self) -> None:
        looks: list[int] = []
        self.desk.context = evolve(self.desk.context, work_pool=Counting(looks))
        self.desk.ask("expect web01 'never+'")
        self.output(b"x" * 60_000)
        for _ in range(1000):
            self.web.link.output(b"x")
            self.desk.turn()
            self.desk.clock.advance(0.00001)
        self.assertLess(len(looks), 20)


class Crowded(WorkPool):
    """Has no place the first time."""

    asked = 0

    async def do(self, cost: int, work: Callable[[], T]) -> T | None:
        self.asked += 1
        if self.asked == 1:
            raise WorkPoolFull
        return await super().do(cost, work)


class Counting(WorkPool):
    """Keeps what each piece of work costs."""

    def __init__(self, costs: list[int]) -> None:
        super().__init__()
        self.costs = costs

    async def do(self, cost: int, work: Callable[[], T]) -> T | None:
        self.costs.append(cost)
        return await super().do(cost, work)


class AsThoughInOne(SynchronousTestCase):
    @settings(max_examples=80, deadline=None)
    @given(
        text=st.lists(
            st.sampled_from([b"a", b"b", b"login", b": ", b"\r\n", b"\xff", b"x" * 40]), max_size=30
        ).map(b"".join),
        cuts=st.lists(st.integers(min_value=1, max_value=30), max_size=12),
        pattern=st.sampled_from(
            ["login: ", "a+b", "(?s)a.*b", "^x", "b\\r\\n", "(a|b){3}", "[^x]x"]
        ),
        send=st.booleans(),
    )
    def test_found_wherever_it_is_cut(
        self, text: bytes, cuts: list[int], pattern: str, send: bool
    ) -> None:
        desk = OpsDesk()
        web, _ = desk.connected("web01", f"{1:032x}")
        web.link.output(b"before ")
        extra = "--send x" if send else ""
        channel = desk.ask(f"expect web01 --json {extra} '{pattern}'")
        whole, at = b"", 0
        expected = None
        compiled = patterns(parse(("web01", "--", pattern)))[0].pattern
        for cut in [*cuts, len(text)]:
            piece = text[at : at + cut]
            at += cut
            if not piece:
                continue
            whole += piece
            web.link.output(piece)
            desk.turn()
            desk.run_on(3, 0.01)
            expected = expected or compiled.search(whole)
        if expected is None:
            self.assertIsNone(channel.status)
        else:
            found = json.loads(channel.text)
            self.assertEqual(found["offset"], 7 + expected.start())
            self.assertEqual(found["end"], 7 + expected.end())

    def test_a_match_as_long_as_three_quarters_of_the_window(self) -> None:
        desk = OpsDesk()
        web, _ = desk.connected("web01", f"{1:032x}")
        channel = desk.ask("expect web01 '<x+>'")
        for piece in [b"<", *[b"x" * 30_000] * 6, b">"]:
            web.link.output(piece)
            desk.turn()
            desk.run_on(3, 0.02)
        self.assertEqual(channel.status, 0)
        self.assertLess(len(channel.output), WINDOW)
