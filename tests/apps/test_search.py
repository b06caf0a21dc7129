"""`^Ec/`: the log is searched on a screen of its own; what the VM says meanwhile is not lost."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.apps.support import ALICE, XTERM, FakeChannel
from tests.apps.test_log import LogTestCase
from tests.apps.test_terminal import DUMB, TerminalTest
from tests.console import screens
from tests.fakes import session
from vspc.apps.following import Memory
from vspc.apps.terminal.search.frame import frame, styled
from vspc.apps.terminal.search.lines import (
    Direction,
    Find,
    SearchAnswer,
    SearchQuestion,
    Show,
    ShownLine,
)
from vspc.apps.terminal.search.model import SearchModel
from vspc.apps.terminal.search.view import COMMANDS, REDRAWN, SearchMode
from vspc.apps.verbs.context import Call
from vspc.apps.verbs.stream_search import SearchPattern
from vspc.apps.verbs.table import VERBS
from vspc.console.access import Access
from vspc.console.emulated_screen import EmulatedScreen
from vspc.console.emulation import emulate
from vspc.console.history import Budget, History
from vspc.console.ports import Terminal
from vspc.console.screen_image import ScreenImage


def image(channel: FakeChannel) -> ScreenImage:
    """What the operator's terminal shows."""
    assert channel.terminal is not None
    screen = EmulatedScreen(channel.terminal.columns, channel.terminal.rows)
    emulate(screen, bytes(channel.output))
    return screen.image


def seen(channel: FakeChannel) -> list[str]:
    """Its rows."""
    return image(channel).text


def status(channel: FakeChannel) -> str:
    """The last one."""
    return seen(channel)[-1]


def marked(channel: FakeChannel) -> list[str]:
    """What is shown in reverse video."""
    rows = image(channel).rows
    found = ("".join(c.text for c in row if c.rendition == b"\x1b[7m") for row in rows)
    return [text for text in found if text]


class Searching(TerminalTest):
    """A console without a log: what is in memory."""

    def setUp(self) -> None:
        super().setUp()
        self.says(b"".join(b"line %d\r\n" % n for n in range(100)) + b"$ ")
        self.alice = self.attach()

    def search(self, pattern: bytes = b"line .7", channel: FakeChannel | None = None) -> None:
        (channel or self.alice).type(b"\x05c/")
        (channel or self.alice).type(pattern + b"\r")
        self.desk.turn()

    def keys(self, keys: bytes) -> None:
        self.alice.type(keys)
        self.desk.turn()

    def test_the_last_match_is_found_and_marked(self) -> None:
        self.search()
        self.assertTrue(image(self.alice).is_alternate)
        self.assertEqual(marked(self.alice), ["line 97"])
        self.assertIn("/line .7/", status(self.alice))
        self.assertIn("n later, p earlier", status(self.alice))

    def test_p_and_n_go_to_earlier_and_later_ones(self) -> None:
        self.search()
        for key, line in ((b"p", "87"), (b"p", "77"), (b"n", "87"), (b"n", "97")):
            self.keys(key)
            self.assertEqual(marked(self.alice), [f"line {line}"])
        self.keys(b"n")
        self.assertEqual(marked(self.alice), ["line 97"])
        self.assertIn("no later match", status(self.alice))
        self.keys(b"p" * 20)
        self.assertEqual(marked(self.alice), ["line 17"])
        self.assertIn("no earlier match", status(self.alice))

    def test_enter_leaves_and_the_terminal_is_as_it_was(self) -> None:
        before = image(self.alice)
        self.search()
        self.keys(b"\r")
        self.assertEqual(image(self.alice).text, before.text)
        self.assertEqual(image(self.alice).cursor, before.cursor)
        self.keys(b"x")
        self.assertEqual(self.sent(), b"x")
        self.assertEqual(self.alice.under_way, 0)

    def test_it_is_recorded_without_the_pattern(self) -> None:
        self.search()
        self.keys(b"p\r")
        [event] = self.desk.audited("log-read")
        self.assertEqual((event["verb"], event["detail"]), ("console", "search"))
        self.assertLess(event["offset"], event["end"])
        self.assertNotIn("line", str(event))

    def test_nothing_is_typed_at_the_vm_meanwhile(self) -> None:
        self.search()
        self.keys(b"nnpp\x1b[A\x1b[6~zzz\x05c.")
        self.assertEqual(self.sent(), b"")
        self.assertIsNone(self.web.pen.holder)

    def test_output_meanwhile_is_told_and_shown_at_the_end(self) -> None:
        self.search()
        self.says(b"news 1\r\nnews 2\r\n")
        self.assertNotIn("news", "".join(seen(self.alice)))
        self.desk.clock.advance(REDRAWN)
        self.assertIn("2 new lines", status(self.alice))
        self.keys(b"\r")
        self.assertEqual(seen(self.alice)[-3:-1], ["$ news 1", "news 2"])

    def test_notices_meanwhile_are_shown_at_the_end(self) -> None:
        self.search()
        self.web.attachments.tell("hello")
        self.desk.turn()
        self.assertNotIn("hello", "".join(seen(self.alice)))
        self.desk.clock.advance(REDRAWN)
        self.assertIn("[hello]  /line .7/", status(self.alice))
        self.keys(b"\r")
        self.assertIn("[hello]", seen(self.alice))

    def test_a_match_in_what_came_meanwhile_is_later(self) -> None:
        self.search()
        self.says(b"line x7\r\n")
        self.keys(b"n")
        self.assertEqual(marked(self.alice), ["line x7"])

    def test_another_pattern(self) -> None:
        self.search()
        self.keys(b"/line 5[0-3]\r")
        self.assertEqual(marked(self.alice), ["line 53"])
        self.keys(b"/\x03")
        self.assertEqual(marked(self.alice), ["line 53"])

    def test_a_pattern_that_is_wrong_or_found_nowhere(self) -> None:
        self.search(b"a[")
        self.assertIn("invalid regular expression", status(self.alice))
        self.keys(b"/nowhere\r")
        self.assertIn("no match", status(self.alice))
        self.keys(b"p")
        self.assertIn("no match", status(self.alice))

    def test_a_pattern_that_everything_matches(self) -> None:
        self.search(b".*")
        self.assertEqual(marked(self.alice), ["$ "])
        self.keys(b"p")
        self.assertEqual(marked(self.alice), ["line 99"])
        self.keys(b"/x*\rpp")
        self.assertEqual(marked(self.alice), [])

    def test_without_a_pattern_enter_and_control_c_leave(self) -> None:
        for key in (b"\r", b"\x03"):
            self.keys(b"\x05c/")
            self.assertIn("line 99", seen(self.alice)[-3])
            self.keys(key)
            self.assertFalse(image(self.alice).is_alternate)

    def test_arrows_and_pages_scroll(self) -> None:
        self.search()
        top = seen(self.alice)[0]
        self.keys(b"\x1b[A")
        self.assertEqual(seen(self.alice)[1], top)
        self.keys(b"\x1b[B")
        self.assertEqual(seen(self.alice)[0], top)
        self.keys(b"b" * 30)
        self.assertEqual(seen(self.alice)[0], "line 0")
        self.keys(b" " * 30)
        self.assertIn("$", seen(self.alice)[:-1][-1])

    def test_the_window_changes(self) -> None:
        self.search()
        for columns, rows in ((40, 5), (6, 2), (20, 1), (100, 30)):
            self.alice.terminal = Terminal("xterm", columns, rows)
            assert self.alice.program is not None
            del self.alice.output[:]
            self.alice.program.resized()
            self.desk.turn()
            shown = seen(self.alice)
            self.assertTrue(
                any("line 97"[:columns] in row for row in shown), (columns, rows, shown)
            )

    def test_the_terminal_is_given_back_where_the_connection_ends_or_the_operator_is_removed(
        self,
    ) -> None:
        self.search()
        assert self.alice.program is not None
        self.alice.program.give_back()
        self.assertFalse(image(self.alice).is_alternate)
        carol = self.attach()
        self.search(channel=carol)
        for attachment in list(self.web.attachments):
            attachment.expel("removed by root")
        self.assertIn("[web01: removed by root]", seen(carol))
        self.assertFalse(image(carol).is_alternate)

    def test_modes_of_the_vm_are_back(self) -> None:
        self.says(b"\x1b[?1000h\x1b[3;9r\x1b[4h\x1b[1;31m")
        self.search()
        self.assertTrue(self.alice.output.rstrip().rfind(b"\x1b[?1000l") > 0)
        self.keys(b"\r")
        now = image(self.alice)
        self.assertEqual((now.margins, now.inserts), ((2, 8), True))
        self.assertEqual(now.rendition, b"\x1b[1;31m")
        self.assertGreater(
            self.alice.output.rfind(b"\x1b[?1000h"), self.alice.output.rfind(b"\x1b[?1000l")
        )

    def test_an_editor_is_painted_again(self) -> None:
        self.says(screens.VI)
        before = seen(self.alice)
        self.search()
        self.assertEqual(marked(self.alice), ["line 97"])
        self.says(b"\x1b[3;1HNEW\x1b[2;1H")
        self.keys(b"\r")
        self.assertEqual(seen(self.alice), [*before[:2], "NEW", *before[3:]])
        self.assertTrue(image(self.alice).is_alternate)

    def test_a_terminal_without_a_cursor_is_shown_lines(self) -> None:
        bob = self.attach(terminal=DUMB)
        bob.type(b"\x05c/line .7\r")
        self.desk.turn()
        for line in ("  line 95\r\n  line 96\r\n> line 97\r\n  line 98\r\n", "n later, p earlier"):
            self.assertIn(line, bob.text)
        bob.type(b"p")
        self.desk.turn()
        self.assertIn("> line 87\r\n", bob.text)
        bob.type(b"\r")
        self.says(b"more\r\n")
        self.assertTrue(bob.text.endswith("more\r\n"))
        self.assertNotIn("\x1b", bob.text)

    def test_a_slow_terminal_gets_the_last_state_only(self) -> None:
        self.search()
        self.alice.window = 0
        before = len(self.alice.output)
        self.keys(b"ppp")
        self.assertEqual(len(self.alice.output), before)
        self.alice.read(1 << 20)
        self.assertEqual(marked(self.alice), ["line 67"])


class InTheLog(LogTestCase):
    """A console with a log: all that is kept, with times."""

    def setUp(self) -> None:
        super().setUp()
        self.host = self.vm()
        self.output(self.host, b"first \x1b[31mpa\x1b[mnic\r\n")
        for _ in range(6):
            self.output(self.host, (b"x" * 78 + b"\r\n") * 1000)
        self.output(self.host, b"the end\r\n")
        self.alice = FakeChannel(XTERM, 1 << 22)
        VERBS.run_line(Call(self.desk.context, session(ALICE), self.alice), "console web01")
        self.run_on()

    def search(self, pattern: bytes) -> None:
        self.alice.type(b"\x05c/" + pattern + b"\r")
        self.run_on()

    def test_what_memory_has_lost_is_found_whatever_its_colours(self) -> None:
        self.search(b"first panic")
        self.assertEqual(marked(self.alice), ["first panic"])
        self.assertRegex(status(self.alice), r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")

    def test_nothing_from_before_the_operator_may_look_back(self) -> None:
        object.__setattr__(self.desk.context, "history_limit", lambda *_: 0.05)
        self.search(b"first panic")
        self.assertEqual(marked(self.alice), [])
        self.assertIn("no match", status(self.alice))

    def test_it_ends_with_the_right_to_read(self) -> None:
        self.desk.rules = Access()
        self.search(b"the end")
        self.assertNotIn("the end", marked(self.alice))

    def test_much_that_came_meanwhile_is_read_from_the_log(self) -> None:
        self.search(b"panic")
        for n in range(4):
            self.output(self.host, b"news %d\r\n" % n + b"y" * 40_000 + b"\r\n")
        self.alice.output.clear()
        self.alice.type(b"\r")
        self.run_on()
        for n in range(4):
            self.assertIn(f"news {n}", self.alice.text)
        self.assertNotIn("lost", self.alice.text)

    def test_of_a_packet_full_of_commands_a_few_count(self) -> None:
        self.search(b"x")
        asked = list[object]()
        self.patch(SearchMode, "_look", lambda _mode, request: asked.append(request))
        self.alice.type(b"p" * 32768)
        self.assertEqual(len(asked), COMMANDS)

    def test_what_memory_lost_while_a_prompt_was_open_is_read_from_the_log(self) -> None:
        self.alice.type(b"\x05cb")
        self.run_on()
        for n in range(4):
            self.output(self.host, b"news %d\r\n" % n + b"y" * 40_000 + b"\r\n")
        self.alice.output.clear()
        self.alice.type(b"\x03")
        self.run_on()
        for n in range(4):
            self.assertIn(f"news {n}", self.alice.text)
        self.assertNotIn("lost", self.alice.text)


def kept(data: bytes) -> Memory:
    history = History(Budget(), 1 << 16)
    history.append(data)
    return Memory(history, 0.0)


class Lines(SynchronousTestCase):
    """The questions to a log."""

    def find(self, data: bytes, pattern: str, offset: int, direction: Direction) -> int | None:
        request = Find(SearchPattern.of("", pattern), direction, offset)
        answer = SearchQuestion(request, 5, 2).answer(kept(data))
        self.assertFalse(answer.goes_on)
        return answer.found

    @settings(max_examples=100, deadline=None)
    @given(
        st.lists(st.sampled_from((b"a", b"ab", b"b", b"", b"\tab", b"\xff"))), st.integers(0, 60)
    )
    def test_as_looking_at_all_lines_would_find(self, lines: list[bytes], offset: int) -> None:
        data = b"".join(line + b"\r\n" for line in lines)
        starts = [data.rfind(b"\n", 0, at) + 1 for at in range(len(data))]
        matching = sorted({starts[at] for at in range(len(data)) if data[at : at + 1] == b"a"})
        offset = starts[min(offset, len(data) - 1)] if data else 0
        earlier = [at for at in matching if at < offset]
        later = [at for at in matching if at >= offset]
        self.assertEqual(
            self.find(data, "a", offset, Direction.EARLIER), earlier[-1] if earlier else None
        )
        self.assertEqual(self.find(data, "a", offset, Direction.LATER), later[0] if later else None)

    def test_lines_around_one(self) -> None:
        data = b"".join(b"%d\r\n" % n for n in range(9))
        shown = SearchQuestion(Show(None, 12, is_around=True), 5, 2).answer(kept(data)).lines
        self.assertEqual([each.text for each in shown], ["2", "3", "4", "5", "6"])
        shown = SearchQuestion(Show(None, len(data)), 3, 1).answer(kept(data)).lines
        self.assertEqual([each.text for each in shown], ["6", "7", "8"])

    def test_tabs_and_colours_are_no_part_of_columns(self) -> None:
        request = Find(SearchPattern.of("", "b+"), Direction.LATER, 0)
        [line] = SearchQuestion(request, 1, 0).answer(kept(b"a\t\x1b[31mb\x1b[mb\r\n")).lines
        self.assertEqual((line.text, line.spans), ("a       bb", ((8, 10),)))


class Frames(SynchronousTestCase):
    """What is painted fits, whatever the lines are."""

    @settings(max_examples=100, deadline=None)
    @given(
        st.text(st.sampled_from("ab漢é\u0301 \U0001f600"), max_size=40),
        st.integers(1, 30),
        st.tuples(st.integers(0, 40), st.integers(0, 40)),
    )
    def test_a_line_fits(self, text: str, columns: int, ends: tuple[int, int]) -> None:
        start, end = sorted(min(each, len(text)) for each in ends)
        line = ShownLine(0, 0.0, text, ((start, end),) if end > start else ())
        screen = EmulatedScreen(40, 3)
        emulate(screen, b"".join(styled(line, columns, b"\x1b[7m")))
        self.assertLessEqual(screen.image.cursor[0], max(columns, 1))
        self.assertEqual(screen.image.cursor[1], 0)

    def test_a_match_far_to_the_right_is_shown(self) -> None:
        line = ShownLine(7, 0.0, "x" * 500 + "panic" + "y" * 500, ((500, 505),))
        screen = EmulatedScreen(40, 3)
        emulate(screen, frame([line], 7, "status", (40, 3)))
        self.assertIn("xpanicy", screen.image.text[0])
        self.assertEqual(screen.image.text[2], "status")


class Model(SynchronousTestCase):
    def test_a_search_goes_on_and_tells_how_far_it_is(self) -> None:
        model = SearchModel(1000)
        request = model.search("x")
        assert request is not None
        found = SearchQuestion(request, 1, 0).answer(kept(b""))
        self.assertFalse(found.goes_on)
        onwards = model.took(request, type(found)(0, 1000, offset=250, goes_on=True))
        self.assertEqual(onwards and onwards.offset, 250)
        self.assertIn("25 % left", model.status("", "", 80))
        self.assertIsNone(model.took(request, None))
        self.assertIn("cannot be read", model.status("", "", 80))

    def test_of_a_pattern_that_is_longer_than_the_window_the_end_is_shown(self) -> None:
        model = SearchModel(0)
        model.typed = "x" * 90 + "漢end"
        self.assertEqual(model.status("", "", 20), "/" + "x" * 13 + "漢end")

    def test_a_pattern_is_shown_as_it_was_typed_and_a_narrow_window_has_what_came_of_it(
        self,
    ) -> None:
        model = SearchModel(0)
        request = model.search(r"\d+ of \S+")
        assert request is not None
        model.took(request, SearchAnswer(0, 0))
        self.assertEqual(model.status("", "", 40)[:25], r"no match  /\d+ of \S+/  n")
