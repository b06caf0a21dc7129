"""`^Ect`: the time of each line in a live console, in the time zone of its operator."""

from tests.apps.support import ALICE, XTERM, FakeChannel
from tests.apps.test_log import LogTestCase
from tests.apps.test_search import seen
from tests.apps.test_terminal import DUMB, TerminalTest
from tests.console import screens
from tests.fakes import session
from vspc.apps.terminal.screen import LEAST, SHOWN
from vspc.apps.verbs.context import Call
from vspc.apps.verbs.table import VERBS
from vspc.common.timezones import local_time, time_zone


class TimesTest(TerminalTest):
    def setUp(self) -> None:
        super().setUp()
        self.berlin = time_zone("Europe/Berlin")

    def timed(self, words: str = "tz=Europe/Berlin", **how: object) -> FakeChannel:
        channel = self.attach(words=words, **how)  # type: ignore[arg-type]
        channel.type(b"\x05ct")
        return channel

    def stamp(self, ago: float = 0.0) -> str:
        now = local_time(self.desk.clock.wall() - ago, self.berlin)
        return now.strftime("%H:%M:%S ")


class Times(TimesTest):
    def test_each_line_has_the_time_of_its_first_byte(self) -> None:
        alice = self.timed()
        self.says(b"one")
        first = self.stamp()
        self.desk.clock.advance(61)
        self.says(b" goes on\r\ntwo\r\n")
        self.assertEqual(seen(alice)[-24:].count(f"{first}one goes on"), 1)
        self.assertIn(f"{self.stamp()}two", seen(alice))

    def test_the_zone_is_said_and_they_can_be_hidden(self) -> None:
        alice = self.timed()
        self.assertIn("[times of lines are shown: Europe/Berlin, UTC+0", alice.text)
        alice.type(b"\x05ct")
        self.assertIn("[times of lines are not shown any more]", alice.text)
        alice.output.clear()
        self.says(b"one\r\n")
        self.assertEqual(alice.text, "one\r\n")

    def test_without_a_zone_it_is_the_server_s(self) -> None:
        self.assertIn("UTC+0", self.timed(words="").text)

    def test_a_name_that_is_no_zone(self) -> None:
        for words in ("tz=Europe/Berln", "tz=berlin"):
            text = self.attach(words=words).text
            self.assertIn("did you mean Europe/Berlin", text)
        self.assertIn("unknown time zone", self.attach(words="tz=../../etc/passwd").text)

    def test_colours_are_those_of_the_vm_behind_a_stamp(self) -> None:
        alice = self.timed()
        alice.output.clear()
        self.says(b"\x1b[31mred\r\nalso")
        stamp = self.stamp().encode()
        between = b"\x1b[m" + stamp + b"\x1b[31m"
        self.assertEqual(
            bytes(alice.output), b"\x1b[31m" + between + b"red\r\n" + between + b"also"
        )

    def test_a_line_that_has_begun_gets_none(self) -> None:
        alice = self.attach(words="tz=UTC")
        self.says(b"$ ")
        alice.type(b"\x05ct")
        alice.output.clear()
        self.says(b"\x1b[K")
        self.assertNotIn(b":", bytes(alice.output))

    def test_a_program_that_uses_the_whole_screen_is_not_disturbed(self) -> None:
        for program in (screens.VI, screens.TOP, screens.DIALOG, screens.GRUB):
            alice, bob = self.timed(), self.attach(words="replay=0")
            self.desk.turn()
            for channel in (alice, bob):
                channel.output.clear()
            self.says(program)
            self.assertEqual(alice.text, bob.text)
            self.says(b"\x1b[?1049l\x1b[m\x1b(B\r\n" + b"text\r\n" * 30)
            self.assertIn(self.stamp() + "text", seen(alice)[-2])
            for channel in (alice, bob):
                channel.type(b"\x05c.")

    def test_a_progress_bar_has_one(self) -> None:
        alice = self.timed()
        alice.output.clear()
        for percent in (b"10%\r", b"20%\r", b"30%\r\n"):
            self.says(percent)
        self.assertEqual(alice.text.count(self.stamp()), 1)

    def test_lines_that_come_while_the_terminal_is_slow_have_their_time(self) -> None:
        alice = self.timed()
        alice.window = 0
        self.says(b"early\r\n")
        early = self.stamp()
        self.desk.clock.advance(30)
        self.says(b"late\r\n")
        alice.read(1 << 20)
        self.assertIn(f"{early}early", alice.text)
        self.assertIn(f"{self.stamp()}late", alice.text)

    def test_a_turn_shows_a_bounded_number_of_lines(self) -> None:
        alice = self.timed()
        alice.output.clear()
        self.web.link.output(b"x\r\n" * 3 * SHOWN)
        self.desk.turn()
        lines = alice.output.count(b"\n")
        self.assertTrue(LEAST <= lines <= SHOWN, lines)
        for _ in range(6):
            self.desk.clock.advance(0)
            self.desk.turn()
        self.assertEqual(alice.output.count(b"x\r\n"), 3 * SHOWN)

    def test_a_terminal_without_a_cursor(self) -> None:
        alice = self.timed(terminal=DUMB)
        self.says(b"one\r\n")
        self.assertTrue(alice.text.endswith(f"{self.stamp()}one\r\n"))
        self.assertNotIn("\x1b", alice.text)


class OfTheLog(LogTestCase):
    def test_a_replay_has_the_times_of_the_log(self) -> None:
        host = self.vm()
        self.output(host, b"one\r\n")
        first = local_time(self.desk.clock.wall(), time_zone("UTC")).strftime("%H:%M:%S ")
        self.desk.clock.advance(86400 * 2)
        self.output(host, b"\x1b[2Jtwo\r\n\r\n$ ")
        alice = FakeChannel(XTERM, 1 << 20)
        call = Call(self.desk.context, session(ALICE), alice)
        VERBS.run_line(call, "console web01 replay=0 tz=UTC")
        alice.type(b"\x05ct\x05cr")
        self.run_on()
        self.assertRegex(alice.text, r"\r\n\d{4}-\d\d-\d\d " + first[:5])
        self.assertRegex(alice.text, r"\r\n\d\d:\d\d:\d\d two\r\n\r\n")
