"""`watch`: the output of many consoles, line by line."""

import json

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from tests.apps.opsdesk import CAROL, OpsDesk
from tests.apps.support import ALICE, BOB, XTERM, FakeChannel
from tests.fakes import FakeThreads
from vspc.apps.verbs import watch
from vspc.apps.verbs.limits import WorkPool
from vspc.apps.verbs.watch import GATHER, IDLE, LATE, SHARE
from vspc.common.clock import Clock
from vspc.console.access import Access, Operator, Rule
from vspc.console.console import Console
from vspc.console.ports import Terminal
from vspc.console.sessions import Quota, Sessions
from vspc.net.waiting import sleep


class WatchCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.desk = OpsDesk()
        self.web, _ = self.desk.connected("web01", f"{1:032x}")
        self.db, _ = self.desk.connected("db01", f"{2:032x}")

    def watch(
        self,
        words: str,
        operator: Operator = ALICE,
        terminal: Terminal | None = None,
        window: int = 1 << 20,
    ) -> FakeChannel:
        channel = self.desk.ask(f"watch {words}", self.desk.login(operator), terminal, window)
        self.pass_time()
        return channel

    def pass_time(self, seconds: float = GATHER) -> None:
        """So much, and as many turns of the reactor as it takes."""
        self.desk.turn()
        self.desk.clock.advance(seconds)
        for _ in range(50):
            self.desk.turn()
            self.desk.clock.advance(0.0)

    def say(self, console: Console, data: bytes) -> None:
        console.link.output(data)
        self.pass_time()


class Lines(WatchCase):
    def test_lines_of_all_that_match_behind_their_names(self) -> None:
        channel = self.watch("'web*' db01")
        self.say(self.web, b"one\r\nt")
        self.say(self.db, b"three\r\n")
        self.say(self.web, b"wo\r\n")
        self.assertEqual(channel.text, "web01: one\ndb01: three\nweb01: two\n")
        self.assertIn("[watching 2 consoles, and those that appear", channel.complaint)
        self.assertIsNone(channel.status)

    def test_others_are_not_watched(self) -> None:
        channel = self.watch("'web*'")
        self.say(self.db, b"hello\r\n")
        self.assertEqual(channel.text, "")

    def test_lines_of_a_moment_are_gathered_by_console(self) -> None:
        channel = self.watch("'*'")
        for console, data in ((self.web, b"a\nb\n"), (self.db, b"c\n"), (self.web, b"d\n")):
            console.link.output(data)
        self.desk.turn()
        self.assertEqual(channel.text, "")
        self.pass_time()
        self.assertEqual(channel.text, "web01: a\nweb01: b\nweb01: d\ndb01: c\n")

    def test_a_prompt_is_shown_when_nothing_follows_it(self) -> None:
        channel = self.watch("web01")
        self.say(self.web, b"login: ")
        self.pass_time(IDLE / 2)
        self.assertEqual(channel.text, "")
        self.pass_time(IDLE)
        self.pass_time()
        self.assertEqual(channel.text, "web01: login: \n")
        self.say(self.web, b"\r\n")
        self.say(self.web, b"root\r\n")
        self.assertEqual(channel.text, "web01: login: \nweb01: root\n")

    def test_nothing_in_it_is_a_control_sequence_without_a_terminal(self) -> None:
        channel = self.watch("web01")
        self.say(self.web, b"\x1b[31mred\x1b[6n\x07 and\b \x9b5n\r\n")
        self.assertEqual(channel.text, "web01: red and \ufffd5n\n")

    def test_names_are_coloured_on_a_terminal_and_colours_end_with_their_line(self) -> None:
        channel = self.watch("web01", terminal=XTERM)
        del channel.output[:]
        self.say(self.web, b"\x1b[31mred\b\b\x1b[6n\r\nplain\r\n")
        self.assertRegex(
            channel.text,
            "^\x1b\\[3[1-6]mweb01\x1b\\[m: \x1b\\[31mred\x1b\\[m\r\n"
            "\x1b\\[3[1-6]mweb01\x1b\\[m: plain\r\n$",
        )

    def test_a_terminal_without_a_cursor_gets_no_colours(self) -> None:
        channel = self.watch("web01", terminal=Terminal("dumb", 80, 24))
        self.say(self.web, b"\x1b[31mred\r\n")
        self.assertNotIn("\x1b", channel.text)

    def test_times(self) -> None:
        channel = self.watch("web01 -t")
        self.say(self.web, b"one\r\n")
        self.assertRegex(channel.text, r"^web01: 2023-11-14T22:13:2\d\.\d{3}Z one\n$")

    def test_json_has_a_line_for_each(self) -> None:
        channel = self.watch("--json '*'")
        self.say(self.web, b"on\xc3\xa9\r\n")
        self.say(self.db, b"two\r\n")
        first, second = map(json.loads, channel.text.splitlines())
        self.assertLessEqual(
            {"console": "web01", "handle": "web01", "offset": 0, "text": "on\xe9"}.items(),
            first.items(),
        )
        self.assertEqual((second["console"], second["text"]), ("db01", "two"))

    def test_json_and_times_exclude_each_other(self) -> None:
        self.assertEqual(self.watch("--json -t '*'").status, 2)

    def test_only_lines_that_match(self) -> None:
        channel = self.watch("'*' --grep 'pan.c|Oops'")
        self.say(self.web, b"a panic\r\nno")
        self.say(self.web, b"thing\r\n")
        self.say(self.db, b"Oops\r\n")
        self.assertEqual(channel.text, "web01: a panic\ndb01: Oops\n")

    def test_large_searches_have_a_thread_and_show_nothing_that_was_forbidden_since(self) -> None:
        threads = FakeThreads()
        self.desk.context = evolve(self.desk.context, work_pool=WorkPool(threads))
        channel = self.watch(r"'*' --grep '(a.{40}){6}|panic'")
        for _ in range(200):
            self.web.link.output(b"panic\r\n" * 500)
            self.pass_time()
            if threads.waiting:
                break
        else:
            self.fail("no thread")
        before = channel.text
        self.web.reassess(lambda _operator, _subject: frozenset())
        threads.run()
        self.pass_time()
        self.assertEqual(channel.text, before)
        self.assertIn("web01: [you may no longer read this console]", channel.complaint)


class Consoles(WatchCase):
    def test_one_that_appears_is_shown_from_its_first_byte(self) -> None:
        channel = self.watch("'web*'")
        web2, _ = self.desk.connected("web02", f"{3:032x}")
        web2.link.output(b"BIOS\r\n")
        self.pass_time()
        self.assertEqual(channel.text, "web02: BIOS\n")

    def test_one_that_is_not_there_yet_is_waited_for(self) -> None:
        channel = self.watch("new01")
        self.assertIsNone(channel.status)
        self.assertIn("watching 0 consoles", channel.complaint)
        new, _ = self.desk.connected("new01", f"{3:032x}")
        self.say(new, b"first\r\n")
        self.assertEqual(channel.text, "new01: first\n")

    def test_one_that_is_renamed_so_that_it_matches_is_shown_from_then_on(self) -> None:
        channel = self.watch("'web*'")
        self.say(self.db, b"before\r\n")
        self.desk.roster.rename(self.db.vm, "web09")
        self.pass_time()
        self.say(self.db, b"after\r\n")
        self.assertEqual(channel.text, "web09: after\n")

    def test_one_that_is_renamed_stays_under_its_new_name(self) -> None:
        channel = self.watch("web01")
        self.desk.roster.rename(self.web.vm, "other")
        self.say(self.web, b"still\r\n")
        self.assertEqual(channel.text, "other: still\n")

    def test_an_ambiguous_name(self) -> None:
        self.desk.connected("web02", f"{3:032x}")
        channel = self.watch("web0")
        self.assertEqual(channel.status, 3)
        self.assertIn("ambiguous", channel.complaint)

    def test_those_that_may_not_be_read_do_not_exist(self) -> None:
        secret, _ = self.desk.connected("secret1", f"{3:032x}")
        channel = self.watch("'*'", BOB)
        later, _ = self.desk.connected("secret2", f"{4:032x}")
        self.say(secret, b"x\r\n")
        self.say(later, b"y\r\n")
        self.assertEqual(channel.text, "")
        self.assertIn("watching 2 consoles", channel.complaint)
        self.assertEqual(len(secret.attachments), 0)

    def test_the_right_is_lost(self) -> None:
        channel = self.watch("'*'", BOB)
        self.web.link.output(b"half")
        self.pass_time()
        self.web.reassess(lambda _operator, _subject: frozenset())
        self.web.link.output(b" secret\r\n")
        self.say(self.db, b"goes on\r\n")
        self.assertEqual(channel.text, "db01: goes on\n")
        self.assertIn("web01: [you may no longer read this console]", channel.complaint)

    def test_one_that_is_forgotten_and_comes_back(self) -> None:
        channel = self.watch("'*'")
        self.desk.roster.forget(self.web)
        web, _ = self.desk.connected("web01", f"{1:032x}")
        self.pass_time()
        self.say(web, b"again\r\n")
        self.assertEqual(channel.text, "web01: again\n")
        self.assertIn("web01: [", channel.complaint)

    def test_notices_go_to_stderr_behind_the_name(self) -> None:
        channel = self.watch("'*'")
        self.web.attachments.tell("something happened")
        self.pass_time()
        self.assertIn("web01: [something happened]\n", channel.complaint)
        self.assertEqual(channel.text, "")
        channel = self.watch("'*' --grep x")
        self.web.attachments.tell("something else")
        self.pass_time()
        self.assertNotIn("something else", channel.complaint)

    def test_no_more_than_the_limit(self) -> None:
        self.patch(watch, "WATCHED", 1)
        channel = self.watch("'*'")
        self.assertIn("limit reached: 1 consoles are watched, and no more", channel.complaint)
        self.assertEqual([each["limit"] for each in self.desk.audited("limit")], ["watched"])
        self.say(self.db, b"a\n")
        self.say(self.web, b"b\n")
        self.assertEqual(len(channel.text.splitlines()), 1)


class Slow(WatchCase):
    def test_what_was_left_out_is_said_for_each_console(self) -> None:
        channel = self.watch("'*'", window=0)
        for console in (self.web, self.db):
            console.link.output(b"".join(b"line %d\r\n" % each for each in range(1000)))
        self.pass_time(LATE + 1)
        channel.read(1 << 20)
        self.pass_time()
        self.assertIn("web01: [", channel.complaint)
        for name, console in (("web01", self.web), ("db01", self.db)):
            lines = [line for line in channel.text.splitlines() if line.startswith(name)]
            self.assertEqual(lines, [f"{name}: line {number}" for number in (997, 998, 999)])
            end = console.history.end - 3 * len("line 999\r\n")
            said = f"{name}: [{end} bytes left out, the client is too slow (offsets 0 to {end})]"
            self.assertIn(said, channel.complaint)

    def test_json_says_it_too(self) -> None:
        channel = self.watch("web01 --json", window=0)
        self.web.link.output(b"x\r\n" * 1000)
        self.pass_time(LATE + 1)
        channel.read(1 << 20)
        self.pass_time()
        gap = json.loads(channel.text.splitlines()[0])
        self.assertEqual((gap["marker"], gap["offset"], gap["end"]), ("gap", 0, 2991))

    def test_more_than_memory_keeps(self) -> None:
        channel = self.watch("web01", window=0)
        for _ in range(20):
            self.web.link.output(b"y" * 8191 + b"\n")
        channel.read(1 << 20)
        self.pass_time()
        self.assertIn("bytes left out, the client is too slow (offsets 0 to ", channel.complaint)

    def test_a_burst_is_shown_whole_to_a_client_that_takes_it(self) -> None:
        channel = self.watch("'*'")
        self.say(self.web, b"0123456\n" * 4000)
        self.say(self.db, b"x\n")
        self.assertEqual(channel.text.count("0123456"), 4000)
        self.assertNotIn("left out", channel.complaint)

    def test_one_turn_does_little_and_others_have_theirs(self) -> None:
        turns: list[float] = []

        async def counting(clock: Clock, seconds: float) -> None:
            turns.append(seconds)
            await sleep(clock, seconds)

        self.patch(watch, "sleep", counting)
        channel = self.watch("'*'")
        self.web.link.output(b"0123456\n" * 8000)
        self.db.link.output(b"x\n")
        self.pass_time()
        self.assertGreaterEqual(turns.count(0), 64000 // SHARE - 1)
        self.assertEqual(channel.text.count("0123456"), 8000)
        before, _, _ = channel.text.partition("db01: x")
        self.assertEqual(before.count("0123456"), SHARE // 8)


class Ends(WatchCase):
    def test_control_c_and_a_client_that_goes_leave_no_attachment(self) -> None:
        channel = self.watch("'*'", terminal=XTERM)
        self.assertEqual(len(self.web.attachments), 1)
        channel.type(b"\x03")
        self.assertEqual(channel.status, 0)
        other = self.watch("'*'")
        other.close()
        self.assertEqual((len(self.web.attachments), len(self.db.attachments)), (0, 0))
        self.desk.connected("web02", f"{3:032x}")
        self.pass_time()
        self.assertEqual(self.desk.failures, 0)

    def test_it_is_one_of_what_an_operator_follows_and_no_place_on_a_console(self) -> None:
        sessions = Sessions(lambda: Quota(attachments=2, followed=1))
        object.__setattr__(self.desk.console_context, "sessions", sessions)
        self.desk.sessions = sessions
        self.desk.context = evolve(self.desk.context, sessions=sessions)
        who = self.desk.login(CAROL)
        first = self.desk.ask("watch '*'", who)
        self.assertIsNone(first.status)
        second = self.desk.ask("watch '*'", who)
        self.assertEqual(second.status, 1)
        self.assertIn("you follow 1 logs already", second.complaint)
        self.assertEqual(self.desk.ask("send web01 x", who).status, 0)

    def test_it_is_recorded(self) -> None:
        self.watch("'*'")
        self.assertEqual([each["verb"] for each in self.desk.audited("command")], ["watch"])

    def test_nobody_is_told_that_it_came_but_who_shows_it(self) -> None:
        seen = self.desk.console_attachment(self.web)
        self.watch("'*'")
        self.assertEqual(getattr(seen.sink, "notices"), [])  # noqa: B009
        self.assertIn("alice", self.desk.ask("who web01").text)

    def test_rules_decide_each_time(self) -> None:
        self.desk.rules = Access((Rule(frozenset({"bob"}), ("db*",), frozenset({"read"})),))
        channel = self.watch("'*'", BOB)
        self.assertIn("watching 1 console,", channel.complaint)
