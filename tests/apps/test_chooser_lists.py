"""The chooser's lists, orders, marks, favourites, previews and pages on a terminal."""

from collections.abc import Sequence

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.apps.test_chooser import (
    DOWN,
    ENTER,
    ESCAPE,
    NOW,
    PAGE_DOWN,
    Bench,
    row,
    rows,
)
from vspc.apps.chooser.chooser import PREVIEW_INTERVAL
from vspc.apps.chooser.filters import FIELDS, matching
from vspc.apps.chooser.model import ALL, Broadcast, Choice, Order, Section, ViewState, Visit, Watch
from vspc.apps.chooser.pace import REPAINTS, RepaintPace
from vspc.apps.chooser.preview import LINE, preview_lines
from vspc.apps.chooser.row import FixedOutputTime, Left, Row
from vspc.common.columns import cells
from vspc.console.ports import Terminal

LEFT, RIGHT, INSERT = b"\x1b[D", b"\x1b[C", b"\x1b[2~"
FAVOURITE, ORDER, REVERSE, PREVIEW, REFUSED = b"\x06", b"\x0f", b"\x12", b"\x16", b"\x18"


def names(listed: Sequence[Row]) -> list[str]:
    return [each.name for each in listed]


def part(bench: Bench, title: str, *wanted: str) -> Section:
    """A section with those of these names."""
    return Section(title, lambda: [each for each in bench.rows if each.name in wanted])


class Filtering(SynchronousTestCase):
    def test_words_for_zone_port_and_note(self) -> None:
        listed = [
            row("lab/web01", zone="lab", description="Billing, primary"),
            row("web02:ttyS1", zone="default", port="ttyS1", note="alice: disk REPLACED"),
            row("web03:2", port="2", zone="prod", writer="alice,Carol"),
        ]
        for text, found in (
            ("zone:lab", ["lab/web01"]),
            ("zone:l", ["lab/web01"]),
            ("port:ttyS1", ["web02:ttyS1"]),
            ("port:ttys", ["web02:ttyS1"]),
            ("writer:carol", ["web03:2"]),
            ("carol", ["web03:2"]),
            ("port:", ["web02:ttyS1", "web03:2"]),
            ("port:1", []),
            ("note:billing", ["lab/web01"]),
            ("note:replaced", ["web02:ttyS1"]),
            ("note:", ["lab/web01", "web02:ttyS1"]),
            ("web zone:prod port:2 note:", []),
            ("web zone:prod port:2", ["web03:2"]),
        ):
            self.assertEqual(names(matching(listed, text)), found, text)

    @settings(deadline=None)
    @given(
        st.lists(
            st.builds(
                row,
                st.text("abAB1", min_size=1, max_size=4),
                state=st.sampled_from(["connected", "away", "quarantined"]),
                writer=st.sampled_from([None, "alice", "Bob"]),
                description=st.text("ab", max_size=3),
            ),
            max_size=8,
        ),
        st.lists(
            st.sampled_from(
                ["a", "b", "A1", "al", "aw", "con", "connected", "state:a", "writer:-", "note:a"]
            ),
            max_size=3,
        ),
    )
    def test_each_word_narrows_as_a_simple_loop_would(
        self, listed: list[Row], words: list[str]
    ) -> None:
        def has(each: Row, word: str) -> bool:
            field, colon, value = word.casefold().partition(":")
            if colon and field in FIELDS:
                return each in FIELDS[field]([each], value)
            state = each.state != "connected" or word == "connected"
            return (
                word.casefold() in each.name.casefold()
                or (state and each.state.startswith(word.casefold()))
                or each.writer.casefold().startswith(word.casefold())
            )

        wanted = [each for each in listed if all(has(each, word) for word in words)]
        self.assertEqual(list(matching(listed, " ".join(words))), wanted)


class Lists(SynchronousTestCase):
    def bench(self) -> Bench:
        bench = Bench(rows(30))
        bench.source.parts = [
            part(bench, "favourites"),
            part(bench, "racks", "web0003", "web0007"),
            part(bench, "lab", "web0009"),
        ]
        return bench.shown()

    def test_left_and_right_turn_to_lists_that_have_a_console(self) -> None:
        bench = self.bench()
        bench.type(RIGHT)
        self.assertIn("< racks >", bench.screen.lines[0])
        self.assertTrue(bench.screen.lines[0].endswith("2 of 2"))
        self.assertEqual(bench.selected, "web0003")
        bench.type(RIGHT)
        self.assertEqual(bench.selected, "web0009")
        bench.type(RIGHT)
        self.assertTrue(bench.screen.lines[0].endswith("30 of 30"))
        bench.type(LEFT, LEFT, b"7")
        self.assertIn("< racks >", bench.screen.lines[0])
        self.assertEqual(bench.selected, "web0007")

    def test_a_list_that_becomes_empty_says_so_and_one_that_is_gone_is_left(self) -> None:
        bench = self.bench()
        bench.type(RIGHT)
        bench.change(bench.rows[10:])
        self.assertIn("no consoles here", bench.screen.text)
        bench.source.parts = []
        bench.change(bench.rows)
        self.assertTrue(bench.screen.lines[0].endswith("20 of 20"))

    def test_orders_and_back(self) -> None:
        listed = [
            row("a", idle=50, writer="zoe"),
            row("b", idle=5, state="away", address=""),
            row("c", writer="bob", address="10.0.0.0"),
        ]
        choice = Choice()
        choice.replace(listed)
        for order, found in (
            (Order.NAME, "abc"),
            (Order.STATE, "bac"),
            (Order.OUTPUT, "bac"),
            (Order.WRITER, "cab"),
            (Order.ADDRESS, "cab"),
            (Order.NAME, "abc"),
        ):
            self.assertIs(choice.order, order)
            self.assertEqual("".join(names(choice.shown)), found, order)
            choice.reverse()
            self.assertEqual("".join(names(choice.shown)), found[::-1], order)
            choice.reverse()
            choice.sort_on()

    def test_the_order_is_shown_and_the_list_begins_at_its_first(self) -> None:
        bench = Bench([row("a"), row("b", state="away")]).shown()
        bench.type(DOWN, ORDER, REVERSE)
        self.assertIn("by state, reversed", bench.screen.lines[0])
        self.assertEqual(bench.selected, "a")

    def test_all_of_it_is_as_it_was_after_a_visit(self) -> None:
        listed = [row("a"), row("b", state="away"), row("c")]
        view = ViewState("racks", Order.STATE, True, frozenset("bx"), False)
        bench = Bench(listed, visit=Visit(listed[2], "", view))
        bench.source.parts = [part(bench, "racks", "a", "b", "c")]
        bench.shown()
        self.assertIn("< racks >  by state, reversed", bench.screen.lines[0])
        self.assertIn(">   c", bench.screen.selected[0])
        self.assertIn("1 marked", bench.screen.lines[-1])


class Marking(SynchronousTestCase):
    def test_space_marks_and_w_watches_them(self) -> None:
        bench = Bench(rows(9)).shown()
        bench.type(DOWN, b" ", b" ", DOWN, b" ")
        self.assertIn("3 marked: w watch  b broadcast  u unmark all", bench.screen.lines[-1])
        self.assertEqual(
            [line[:3] for line in bench.screen.lines[3:9]][:5], ["   ", " + ", " + ", "   ", " + "]
        )
        bench.type(b"w")
        (end,) = bench.ends
        assert isinstance(end, Watch)
        self.assertEqual(names(end.rows), ["web0001", "web0002", "web0004"])

    def test_a_filter_is_typed_with_any_letter_while_nothing_is_marked(self) -> None:
        bench = Bench(rows(9)).shown()
        bench.type(b"web0001")
        self.assertEqual(bench.screen.lines[1], "filter: web0001_")

    def test_in_a_filter_space_is_text_until_the_selection_is_moved(self) -> None:
        bench = Bench(rows(30)).shown()
        bench.type(b"web", b" ", b"1")
        self.assertEqual(bench.screen.lines[1], "filter: web 1_")
        bench.type(DOWN, b" ")
        self.assertEqual(bench.screen.lines[1], "filter: web 1_")
        self.assertIn("1 marked", bench.screen.lines[-1])

    def test_other_keys_mark_anywhere_and_all_at_once(self) -> None:
        for key in (b"\x14", INSERT, b"\x00"):
            bench = Bench(rows(30)).shown()
            bench.type(b"web1", b"\x7f", key)
            self.assertIn("1 marked", bench.screen.lines[-1], key)
        bench = Bench(rows(30)).shown()
        bench.type(b"web002", b"\x01")
        self.assertIn("10 marked", bench.screen.lines[-1])
        bench.type(b"\x01")
        self.assertNotIn("marked", bench.screen.lines[-1])

    def test_a_slash_begins_a_filter_with_the_letters_of_the_commands(self) -> None:
        bench = Bench(rows(30)).shown()
        bench.type(b" ", b"/", b"web001")
        self.assertEqual(bench.screen.lines[1], "filter: web001_")
        self.assertIn("1 marked; up or down, then w or b", bench.screen.lines[-1])
        bench.type(b" ")
        self.assertEqual(bench.screen.lines[1], "filter: web001 _")

    def test_other_letters_begin_a_filter_as_ever(self) -> None:
        bench = Bench([row("db"), row("app")]).shown()
        bench.type(b" ", b"d", b"b")
        self.assertEqual(bench.screen.lines[1], "filter: db_")
        self.assertEqual(bench.ends, [])

    def test_escape_clears_the_filter_then_the_marks_and_then_leaves(self) -> None:
        bench = Bench(rows(3)).shown()
        bench.type(b" ", b"/", b"x")
        bench.escape()
        self.assertEqual(bench.screen.lines[1], "type to filter")
        self.assertIn("1 marked", bench.screen.lines[-1])
        bench.escape()
        self.assertNotIn("marked", bench.screen.lines[-1])
        self.assertEqual(bench.ends, [])
        bench.escape()
        self.assertEqual(bench.ends, ["left"])

    def test_b_asks_for_a_text(self) -> None:
        bench = Bench(rows(3)).shown()
        bench.type(b" ", b" ", b"b", b"uptime | wc", b" -x", b"\x7f")
        self.assertEqual(bench.screen.lines[1], "type on 2 consoles: uptime | wc -_")
        self.assertIn("Esc does not", bench.screen.lines[-1])
        bench.type(b"\x17", ENTER)
        (end,) = bench.ends
        assert isinstance(end, Broadcast)
        self.assertEqual((names(end.rows), end.text), (["web0000", "web0001"], "uptime | wc "))

    def test_an_empty_text_and_escape_type_nothing(self) -> None:
        bench = Bench(rows(3)).shown()
        bench.type(b" ", b"b", ENTER)
        self.assertEqual(bench.ends, [])
        bench.escape()
        self.assertIn("1 marked", bench.screen.lines[-1])
        bench.type(b"u")
        self.assertNotIn("marked", bench.screen.lines[-1])

    def test_marks_of_consoles_that_are_forgotten_go_with_them(self) -> None:
        bench = Bench(rows(9)).shown()
        bench.type(b" " * 9)
        bench.change(bench.rows[5:])
        self.assertIn("4 marked", bench.screen.lines[-1])
        bench.change([])
        self.assertNotIn("marked", bench.screen.text)

    def test_ten_thousand_marks(self) -> None:
        bench = Bench(rows(10_000)).shown()
        bench.type(b"\x01", PAGE_DOWN, b"w")
        (end,) = bench.ends
        assert isinstance(end, Watch)
        self.assertEqual(len(end.rows), 10_000)


class Favourites(SynchronousTestCase):
    def test_a_key_makes_one_and_it_is_shown(self) -> None:
        bench = Bench(rows(9)).shown()
        bench.type(DOWN, FAVOURITE)
        self.assertEqual(bench.source.kept, {"web0001"})
        self.assertEqual(bench.screen.lines[4][:11], "> * web0001")
        bench.type(FAVOURITE)
        self.assertEqual(bench.screen.lines[4][:9], "> web0001")

    def test_why_there_cannot_be_more_is_told(self) -> None:
        bench = Bench(rows(9)).shown()
        for _ in range(4):
            bench.type(FAVOURITE, DOWN)
        self.assertIn("there are 3 favourites already; Enter goes on", bench.screen.lines[-1])


class Previews(SynchronousTestCase):
    def bench(self, columns: int = 80, height: int = 24) -> Bench:
        bench = Bench(rows(9), columns, height)
        bench.source.said = {
            "web0000": [f"line {number}" for number in range(99)],
            "web0001": ["login: "],
        }
        return bench.shown()

    def wait(self, bench: Bench) -> None:
        for _ in range(3):
            bench.clock.advance(PREVIEW_INTERVAL)
            bench.turn()

    def test_below_the_list(self) -> None:
        bench = self.bench()
        bench.type(PREVIEW)
        self.wait(bench)
        self.assertEqual(bench.screen.lines[14:16], ["web0000", "line 91"])
        self.assertEqual(bench.screen.lines[22], "line 98")
        self.assertEqual(bench.selected, "web0000")

    def test_beside_a_list_of_a_wide_window(self) -> None:
        bench = self.bench(130)
        bench.type(PREVIEW)
        self.wait(bench)
        self.assertTrue(bench.screen.lines[4].endswith(" | line 80"), bench.screen.lines[4])
        self.assertIn("| web0000", bench.screen.lines[3])

    def test_it_follows_what_the_console_says_and_the_selection(self) -> None:
        bench = self.bench()
        bench.type(PREVIEW)
        self.wait(bench)
        bench.source.said["web0000"].append("newest")
        self.wait(bench)
        self.assertEqual(bench.screen.lines[22], "newest")
        bench.type(DOWN)
        self.assertEqual(bench.screen.lines[14:16], ["web0001", ""])
        self.wait(bench)
        self.assertEqual(bench.screen.lines[14:16], ["web0001", "login:"])

    def test_a_console_is_not_read_while_the_selection_moves_on(self) -> None:
        bench = self.bench()
        read = list[str]()
        reads = bench.source.preview

        def preview(each: Row, lines: int) -> object:
            read.append(each.name)
            return reads(each, lines)

        bench.source.preview = preview  # type: ignore[assignment,method-assign]
        bench.type(PREVIEW)
        for _ in range(6):
            bench.type(DOWN)
        self.assertEqual(read, [])
        self.wait(bench)
        self.assertEqual(set(read), {"web0006"})

    def test_a_window_without_room_says_so(self) -> None:
        bench = self.bench(40, 12)
        bench.type(PREVIEW)
        self.wait(bench)
        said = "no room for a preview; ^V turns it off"
        self.assertEqual(bench.screen.lines[-1].rstrip(), said)
        bench.type(PREVIEW)
        self.assertIn("Enter attach", bench.screen.lines[-1])
        self.assertFalse(bench.chooser._view.previews)

    def test_nothing_that_a_vm_prints_is_a_control(self) -> None:
        data = b"\x1b[2J\x1b]0;x\x07\x1b[6n\x1b[>cabc\x1b[31mred\x1b[m\r\n10%\r20%\r\n"
        rubbed = b"ab\b\bcd\b \b\n" + "\x9b6na\u202eb\u200bc\\".encode()
        found = preview_lines(data + rubbed, 9)
        self.assertEqual(found, ["abcred", "20%", "c ", "6nab\\u200bc\\"])

    @given(st.binary(max_size=600), st.integers(-1, 9))
    def test_any_output_is_printable_lines(self, data: bytes, count: int) -> None:
        found = preview_lines(data, count)
        self.assertLessEqual(len(found), max(count, 0))
        for line in found:
            self.assertTrue(line.isprintable(), repr(line))
            self.assertLessEqual(len(line), 10 * LINE)
            self.assertGreaterEqual(cells(line), 0)


class Telling(SynchronousTestCase):
    def test_why_there_is_no_console(self) -> None:
        bench = Bench([], 40, 10)
        bench.source.empty = ("no rule lets you read any of 6 consoles",)
        bench.shown()
        self.assertIn("no rule lets you read any of 6 consoles", bench.screen.text)

    def test_what_is_refused_is_told_and_listed_with_a_key(self) -> None:
        bench = Bench(rows(3))
        bench.source.short = "1 quarantined, 40 refused (^X)"
        bench.source.refused = [f"refusal {number}" for number in range(40)]
        bench.shown()
        self.assertIn("1 quarantined, 40 refused (^X)", bench.screen.lines[0])
        bench.type(REFUSED)
        self.assertEqual(bench.screen.lines[0], "refusal 0")
        self.assertIn("any key goes on", bench.screen.lines[-1])
        bench.type(REFUSED)
        self.assertEqual(bench.screen.lines[0], "refusal 23")
        bench.type(b"x")
        self.assertIn("40 refused", bench.screen.lines[0])
        bench.source.refused = []
        bench.type(REFUSED)
        self.assertEqual(bench.screen.lines[0], "nothing is refused now")

    def test_locks_are_shown_before_descriptions(self) -> None:
        locked = "locked by alice (firmware) until 14:00"
        listed = [row("web01", description="billing, primary", lock=locked), row("db")]
        for columns, shown in ((70, ["LOCK"]), (80, ["LOCK", "DESCRIPTION"])):
            bench = Bench(listed, columns).shown()
            headings = bench.screen.lines[2].split()
            self.assertEqual([h for h in headings if h in ("LOCK", "DESCRIPTION")], shown)
        self.assertIn(locked, Bench(listed, 140).shown().screen.text)

    def test_descriptions_are_shown_where_there_is_room(self) -> None:
        listed = [row("web01", description="billing, primary", address="10.200.100.100"), row("db")]
        for columns, shown in (
            (50, []),
            (70, ["DESCRIPTION"]),
            (100, ["ADDRESS", "DESCRIPTION"]),
        ):
            headings = Bench(listed, columns).shown().screen.lines[2].split()
            self.assertEqual([h for h in headings if h in ("ADDRESS", "DESCRIPTION")], shown)


class Pacing(SynchronousTestCase):
    @given(st.lists(st.floats(0, 2), max_size=60))
    def test_never_more_than_so_many_in_any_second(self, pauses: list[float]) -> None:
        pace, now, painted = RepaintPace(), 0.0, list[float]()
        for pause in pauses:
            now += pause
            now += pace.wait(now)
            pace.painted(now)
            painted.append(now)
        for first, sixth in zip(painted, painted[REPAINTS:], strict=False):
            self.assertGreaterEqual(sixth - first, 1.0 - 1e-9)

    def test_the_first_keys_are_shown_at_once(self) -> None:
        pace = RepaintPace()
        pace.painted(10.0)
        self.assertEqual(pace.wait(10.0), 0.0)
        pace.painted(10.0)
        self.assertLess(pace.wait(10.0), 0.06)

    @settings(deadline=None, max_examples=60)
    @given(st.data())
    def test_whatever_happens_it_stays_in_its_window_and_keeps_its_pace(
        self, data: st.DataObject
    ) -> None:
        every = [row(f"w{n}", idle=n, writer=[None, "bob"][n % 2]) for n in range(12)]
        every.append(row("漢字\u202e" * 9, description="e\u0301" * 20))
        bench = Bench(every, data.draw(st.integers(1, 150)), data.draw(st.integers(1, 40)))
        bench.source.parts = [part(bench, "racks", "w1", "w2"), part(bench, "none")]
        bench.source.said = {f"w{n}": ["漢字 x" * 40] * n for n in range(12)}
        painted = list[float]()
        paint = bench.chooser._view.paint

        def counted() -> bool:
            is_new = paint()
            if is_new:
                painted.append(bench.clock.seconds())
            return is_new

        bench.chooser._view.paint = counted  # type: ignore[method-assign]
        keys = [
            b"w",
            b"b",
            b"u",
            b"/",
            b"?",
            b" ",
            b"1",
            b"\x7f",
            DOWN,
            LEFT,
            RIGHT,
            INSERT,
            b"\x01",
        ]
        keys += [FAVOURITE, ORDER, REVERSE, PREVIEW, REFUSED, PAGE_DOWN, ENTER, ESCAPE, b"\x0c"]
        for _ in range(data.draw(st.integers(0, 25))):
            step = data.draw(st.sampled_from(["key", "keys", "list", "size", "time"]))
            if bench.ends:
                break
            if step == "key":
                bench.chooser.received(data.draw(st.sampled_from(keys)))
            elif step == "keys":
                bench.chooser.received(data.draw(st.binary(max_size=6)))
            elif step == "list":
                bench.rows = data.draw(st.lists(st.sampled_from(every), unique_by=lambda r: r.key))
                bench.chooser.changed()
            elif step == "size":
                size = data.draw(st.integers(1, 150)), data.draw(st.integers(1, 40))
                bench.screen.resize(*size)
                bench.channel.terminal = Terminal("xterm", *size)
                bench.chooser.resized()
            bench.clock.advance(data.draw(st.sampled_from([0, 0.01, 0.1, 0.3, 2])))
        for first, sixth in zip(painted, painted[REPAINTS:], strict=False):
            self.assertGreaterEqual(sixth - first, 1.0 - 1e-9)
        bench.chooser.closed()
        self.assertEqual(bench.clock.twisted.getDelayedCalls(), [])


class Prompting(SynchronousTestCase):
    """A terminal without a cursor."""

    def setUp(self) -> None:
        self.bench = Bench(rows(5), kind="dumb")
        self.bench.source.parts = [part(self.bench, "racks", "web0003")]
        self.bench.source.said = {"web0001": ["first", "login: "]}
        self.bench.shown()
        self.said()

    def said(self) -> str:
        self.bench.let_paint()
        text = self.bench.channel.plain.decode()
        self.bench.channel.plain.clear()
        return text

    def ask(self, line: bytes) -> str:
        self.bench.type(line + ENTER)
        return self.said()

    def test_commands_are_listed(self) -> None:
        for line in (b":help", b":", b":nonsense"):
            self.assertIn(":w N,N... or WORDS", self.ask(line))

    def test_favourites_lists_orders_and_previews(self) -> None:
        self.assertIn("web0001 is now a favourite", self.ask(b":f 2"))
        self.assertIn("web0001 is no longer a favourite", self.ask(b":f 2"))
        self.assertIn("lists: all, racks\r\n", self.ask(b":l"))
        self.assertIn("1  web0003", self.ask(b":l rac"))
        self.assertIn("5  web0004", self.ask(b":l all"))
        self.assertIn("orders: name, state, output", self.ask(b":o x"))
        self.assertIn("1  web0004", self.ask(b":o name"))
        self.assertIn("web0003\r\n", self.ask(b":p 2"))
        self.assertIn("login: \r\n", self.ask(b":p 4"))
        self.assertIn("no number 77", self.ask(b":p 77"))
        self.assertIn("nothing is refused now", self.ask(b":x"))

    def test_several_are_watched(self) -> None:
        self.assertIn("no console matches mail", self.ask(b":w mail"))
        self.ask(b":w 2, 4")
        (end,) = self.bench.ends
        assert isinstance(end, Watch)
        self.assertEqual(names(end.rows), ["web0001", "web0003"])

    def test_several_get_a_text(self) -> None:
        self.assertIn("a text is missing", self.ask(b":b 1,2"))
        self.ask(b":b state:conn = uptime = x")
        (end,) = self.bench.ends
        assert isinstance(end, Broadcast)
        self.assertEqual((len(end.rows), end.text), (5, "uptime = x"))


class Models(SynchronousTestCase):
    def test_a_row_whose_console_speaks_stays_equal(self) -> None:
        one = row("web01", idle=5)
        self.assertEqual(one, evolve(one, output=FixedOutputTime(NOW)))
        self.assertNotIsInstance(Left.LEFT, Row)
        self.assertEqual(ViewState().section, ALL)
