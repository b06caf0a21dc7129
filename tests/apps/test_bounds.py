"""What operators and programs may ask for, and how long they wait: what happens beyond."""

from types import SimpleNamespace
from typing import cast

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.apps.support import ROOT, XTERM, Desk, FakeChannel
from tests.apps.test_chooser import ENTER, Bench, rows
from tests.apps.test_escape_commands import BEGINS, ENDS, EscapeTest
from tests.apps.test_lockout import LockoutCase
from tests.apps.test_log import LogTestCase
from vspc.apps import following
from vspc.apps.chooser import prompt
from vspc.apps.chooser.views import TEXT_LIMIT
from vspc.apps.following import LogCursor, LogStalled
from vspc.apps.terminal import joining, replay
from vspc.apps.terminal.command import OperatorTerminal
from vspc.apps.terminal.pages import MOST_LINES, show_lines
from vspc.apps.terminal.screen import ASKED, COVERED, Screen
from vspc.apps.typing import paste
from vspc.apps.verbs import lockout, msg, note
from vspc.apps.verbs.context import USAGE
from vspc.apps.verbs.kinds import DIGITS, LONGEST_WAIT
from vspc.console.ports import Terminal
from vspc.log.query import QUERY_TIMEOUT


class Asked(SynchronousTestCase):
    def setUp(self) -> None:
        self.desk = Desk()
        self.desk.connected("web01")

    def test_numbers_and_times_over_their_limits_are_usage_errors(self) -> None:
        for line in (
            f"log web01 -n {'1' * (DIGITS + 1)}",
            f"wait web01 --timeout {LONGEST_WAIT / 86400 + 1:g}d",
            f"lockout alice --for {lockout.LONGEST / 86400 + 1:g}d",
        ):
            channel = self.desk.say(line, ROOT)
            self.assertEqual(channel.status, USAGE, (line, channel.complaint))

    def test_texts_over_their_limits(self) -> None:
        for line in (f"msg web01 {'x' * (msg.LIMIT + 1)}", f"note web01 {'x' * (note.LIMIT + 1)}"):
            channel = self.desk.say(line)
            self.assertEqual(channel.status, USAGE, (line[:20], channel.complaint))


class Typed(SynchronousTestCase):
    def test_a_text_for_the_marked_consoles(self) -> None:
        bench = Bench(rows(3)).shown()
        bench.type(b" ", b"b", *[b"x" * 100] * (TEXT_LIMIT // 100 + 1))
        bench.type(ENTER)
        (end,) = bench.ends
        self.assertEqual(len(end.text), TEXT_LIMIT)  # type: ignore[union-attr]

    def test_a_line_of_the_chooser_without_a_cursor(self) -> None:
        bench = Bench(rows(3), kind="dumb").shown()
        bench.channel.plain.clear()
        bench.type(b":", *[b"y" * 100] * (prompt.LINE_LIMIT // 100 + 2))
        bench.let_paint()
        self.assertEqual(bench.channel.plain.count(b"y"), prompt.LINE_LIMIT - 1)


class Waiting(LogTestCase):
    def test_a_log_that_never_has_what_the_history_lost_is_given_up(self) -> None:
        host = self.vm()
        self.output(host, b"one\n")
        self.logged.writer.held = True
        cursor = LogCursor(self.desk.context, self.console, 4)
        stalled: list[BaseException] = []

        async def follow() -> None:
            try:
                while True:
                    await cursor.read(65536)
            except LogStalled as error:
                stalled.append(error)

        Deferred.fromCoroutine(follow())
        for _ in range(int(following.PATIENCE + 3 * QUERY_TIMEOUT)):
            self.assertEqual(stalled, [])
            self.desk.clock.advance(1)
            self.desk.turn()
            if stalled:
                return
        self.fail("it waits longer")

    def test_threads_that_are_all_busy_keep_no_terminal_waiting(self) -> None:
        host = self.vm()
        self.output(host, b"login: ")
        self.logged.writer.held = True
        channel = self.desk.say("console web01", terminal=XTERM)
        self.desk.clock.advance(joining.PATIENCE)
        self.desk.clock.advance(replay.PATIENCE)
        self.run_on(5)
        self.assertIn("login: ", channel.text)


class OnAScreen(EscapeTest):
    def setUp(self) -> None:
        super().setUp()
        self.channel = FakeChannel(XTERM)
        self.screen = Screen(self.channel, self.desk.clock)

    def test_of_lines_that_wait_behind_another_screen_the_last_are_shown(self) -> None:
        self.screen.cover()
        for number in range(COVERED + 3):
            self.screen.line(f"line {number}.")
        self.screen.uncover()
        self.assertNotIn("line 2.", self.channel.text)
        self.assertEqual(self.channel.text.count("line "), COVERED)

    def test_a_position_that_comes_too_late_is_no_answer(self) -> None:
        self.screen.show(b"\x1b[6n")
        self.assertTrue(self.screen.asked())
        self.screen.show(b"\x1b[6n")
        self.desk.clock.advance(ASKED + 1)
        self.assertFalse(self.screen.asked())

    def test_of_very_many_lines_of_a_command_some_are_shown(self) -> None:
        terminal = SimpleNamespace(call=SimpleNamespace(channel=self.channel), screen=self.screen)
        self.channel.terminal = Terminal("dumb", 80, MOST_LINES + 10)
        show_lines(cast(OperatorTerminal, terminal), [f"row {n}." for n in range(MOST_LINES + 5)])
        self.assertEqual(self.channel.text.count("row "), MOST_LINES)
        self.assertIn("... 5 more", self.channel.text)


class Pasted(EscapeTest):
    def test_a_vm_that_never_stops_talking_is_pasted_no_more(self) -> None:
        self.type(b"\x05cP", b"\r")
        self.type(BEGINS + b"one\ntwo\n" + ENDS)
        for _ in range(int(paste.NEVER_QUIET / paste.QUIET) + 2):
            self.web.link.output(b".")
            self.desk.run_on(1, paste.QUIET / 2)
            self.web.link.output(b".")
            self.desk.run_on(1, paste.QUIET / 2)
        self.assertNotIn(b"two", self.sent)
        self.assertIn("paste", self.alice.text.rpartition("[")[2])


class LockedOut(LockoutCase):
    def test_a_lockout_that_the_disk_does_not_take_counts_and_says_so(self) -> None:
        self.paper.at_once = False
        channel = self.say("lockout carol")
        self.assertIsNone(channel.status)
        self.assertEqual(len(self.lockouts.listed()), 1)
        self.desk.clock.advance(lockout.PATIENCE)
        self.assertEqual(channel.status, 1)
        self.assertIn("disk", channel.complaint)
