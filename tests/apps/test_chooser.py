"""The chooser on a terminal: what is shown, what is typed, what comes of it."""

from collections.abc import Callable, Sequence

from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.apps.screen import Screen
from tests.fakes import FakeClock
from vspc.apps.chooser.chooser import AGE_INTERVAL, TURN_BYTES, Chooser
from vspc.apps.chooser.columns import ListWidths, lay_out, measure
from vspc.apps.chooser.filters import FILTER_LIMIT, matching
from vspc.apps.chooser.frame import PreviewText
from vspc.apps.chooser.model import Choice, Decision, Section, Visit
from vspc.apps.chooser.pace import BETWEEN, CHANGE_INTERVAL, RefreshPace
from vspc.apps.chooser.row import FixedOutputTime, Left, Row
from vspc.apps.keyboard import ESCAPE_PATIENCE
from vspc.common.columns import cells, clip, pad
from vspc.common.text import safe
from vspc.console.ports import Program, Terminal

UP, DOWN, PAGE_UP, PAGE_DOWN = b"\x1b[A", b"\x1b[B", b"\x1b[5~", b"\x1b[6~"
HOME, END, ESCAPE, ENTER = b"\x1b[H", b"\x1b[F", b"\x1b", b"\r"


NOW = FakeClock().wall()


def row(name: str, idle: float | None = None, **more: object) -> Row:
    """A console that is its name, and that has been silent for `idle` seconds."""
    return Row(
        **{
            "handle": name,
            "name": name,
            "state": "connected",
            "writer": None,
            "readers": 0,
            "output": FixedOutputTime(None if idle is None else NOW - idle),
            "address": "10.0.0.1",
            "key": name,
            **more,
        }  # type: ignore[arg-type]
    )


def rows(count: int) -> list[Row]:
    return [row(f"web{number:04}", address=f"10.0.{number % 7}.9") for number in range(count)]


@define(eq=False)
class FakeChannel:
    """A channel whose terminal is a `Screen`, or plain text where it has no cursor."""

    terminal: Terminal | None
    screen: Screen
    free: int = 65536
    asked_full: bool = False
    taken: int = 0
    plain: bytearray = field(factory=bytearray)
    writes: list[int] = field(factory=list)
    address: str = "192.0.2.1"
    finished: int | None = None

    def start(self, program: Program) -> None:
        raise AssertionError

    def room(self) -> int:
        self.asked_full = self.asked_full or not self.free
        return self.free

    def write(self, data: bytes) -> None:
        self.writes.append(len(data))
        self.free = max(0, self.free - len(data))
        if self.terminal is not None and self.terminal.kind == "dumb":
            self.plain += data
        else:
            self.screen.feed(data)

    def write_error(self, data: bytes) -> None:
        self.write(data)

    def consumed(self, count: int) -> None:
        assert count > 0
        self.taken += count

    def finish(self, status: int) -> None:
        self.finished = status


class FakeSource:
    """A `RowSource` over the rows of a bench."""

    def __init__(self, rows: Callable[[], Sequence[Row]], wall: Callable[[], float]) -> None:
        self.look = rows
        self.listed: Sequence[Row] = ()
        self.now = wall
        self.parts: list[Section] = []
        self.kept: set[object] = set()
        self.said: dict[object, list[str]] = {}
        self.empty: Sequence[str] = ("no consoles yet", "Each appears here.")
        self.short = ""
        self.refused: list[str] = []

    def sections(self) -> Sequence[Section]:
        return self.parts

    def rows(self) -> Sequence[Row]:
        self.listed = self.look()
        return self.listed

    def widths(self) -> ListWidths:
        return measure(self.listed)

    def favourites(self) -> set[object]:
        return set(self.kept)

    def favour(self, row: Row) -> str:
        if len(self.kept) > 2:
            return "there are 3 favourites already"
        self.kept ^= {row.key}
        return ""

    def preview(self, row: Row, lines: int) -> PreviewText:
        return PreviewText(row.name, self.said.get(row.key, [])[-lines:])

    def why_empty(self) -> Sequence[str]:
        return self.empty

    def told(self) -> str:
        return self.short

    def refusals(self) -> Sequence[str]:
        return self.refused


class Bench:
    """A chooser, its terminal and its owner."""

    def __init__(
        self,
        listed: Sequence[Row],
        columns: int = 80,
        rows: int = 24,
        kind: str = "xterm",
        remark: str = "",
        visit: Visit | None = None,
        pace: RefreshPace | None = None,
    ) -> None:
        self.clock = FakeClock()
        self.rows = list(listed)
        self.looks = 0
        self.cost = 0.0
        self.ends: list[Decision | str] = []
        self.typed = 0
        self.screen = Screen(columns, rows)
        self.channel = FakeChannel(Terminal(kind, columns, rows), self.screen)
        self.source = FakeSource(self.look, self.clock.wall)
        self.chooser = Chooser(
            self.channel,
            self.clock,
            self.source,
            self.ends.append,
            lambda: self.ends.append("left"),
            "vspc",
            remark,
            visit,
            pace,
        )

    def look(self) -> Sequence[Row]:
        self.looks += 1
        self.clock.twisted.rightNow += self.cost
        return list(self.rows)

    def shown(self) -> "Bench":
        """Begun and painted."""
        self.turn()
        return self

    def turn(self) -> None:
        """End this reactor turn, and the one that paints."""
        self.clock.advance(0)
        self.clock.advance(0)
        self.let_paint()

    def let_paint(self) -> None:
        """Wait for the next repaint, if one is due."""
        painting = [
            each.getTime() - self.clock.seconds()
            for each in self.clock.twisted.getDelayedCalls()
            if getattr(each, "func", None) == self.chooser._paint
        ]
        self.clock.advance(max(painting, default=0.0))

    def type(self, *packets: bytes) -> None:
        for packet in packets:
            self.chooser.received(packet)
            self.typed += len(packet)
            self.turn()

    def escape(self) -> None:
        self.type(ESCAPE)
        self.clock.advance(ESCAPE_PATIENCE)
        self.turn()

    def change(self, listed: Sequence[Row]) -> None:
        """The list is another, and the chooser has had time to look."""
        self.rows = list(listed)
        self.chooser.changed()
        self.clock.advance(CHANGE_INTERVAL)
        self.turn()

    def drain(self, room: int = 65536) -> None:
        self.channel.free = room
        if self.channel.asked_full:
            self.channel.asked_full = False
            self.chooser.drained()
        self.turn()

    @property
    def selected(self) -> str:
        """The name in the selected row."""
        (line,) = self.screen.selected
        return line.removeprefix(">").split()[0]


class ShowingTests(SynchronousTestCase):
    def test_an_ordinary_terminal_shows_every_column(self) -> None:
        bench = Bench(
            [
                row("db", writer="alice", readers=3, idle=4.2),
                row("web01", state="away", idle=7300, address=""),
            ]
        ).shown()
        self.assertEqual(
            [
                "vspc" + " " * 70 + "2 of 2",
                "type to filter",
                "  NAME   STATE      WRITER  READERS  OUTPUT  ADDRESS",
                "> db     connected  alice         3      4s  10.0.0.1",
                "  web01  away       -             0      2h",
            ],
            bench.screen.lines[:5],
        )
        self.assertEqual(
            "Enter attach  Space mark  ^V preview  left/right lists  Esc clear/leave  ? help",
            bench.screen.lines[-1],
        )
        self.assertEqual(
            ["> db     connected  alice         3      4s  10.0.0.1"], [bench.screen.selected[0]]
        )

    def test_it_takes_the_terminal_over_and_gives_it_back(self) -> None:
        bench = Bench(rows(3))
        before = set(bench.screen.modes)
        bench.turn()
        self.assertEqual({"?1049", "?2004"}, bench.screen.modes)
        bench.type(b"\x03")
        self.assertEqual(before, bench.screen.modes)
        self.assertEqual("", bench.screen.text.strip())
        self.assertEqual(["left"], bench.ends)

    def test_a_small_window_drops_columns_from_the_right(self) -> None:
        bench = Bench([row("a-console-with-a-long-name-indeed", writer="alice")], 40, 10).shown()
        self.assertEqual("  NAME" + " " * 25 + "STATE", bench.screen.lines[2])
        self.assertEqual("> a-console-wit…g-name-indeed  connected", bench.screen.lines[3])

    def test_of_a_name_that_is_cut_the_last_line_has_all(self) -> None:
        names = [f"production-frankfurt-rack{n:03}-application-server" for n in range(1, 501)]
        bench = Bench([row("db"), *map(row, names)]).shown()
        self.assertEqual("Enter attach", bench.screen.lines[-1][:12])
        bench.type(DOWN, DOWN)
        self.assertIn("…rack002-app", bench.screen.selected[0])
        self.assertEqual(f"{names[1]}  ? help", bench.screen.lines[-1])
        bench.type(b"rack077")
        self.assertEqual(f"{names[76]}  ? help", bench.screen.lines[-1])

    def test_a_small_window_keeps_the_writer_of_short_names(self) -> None:
        bench = Bench([row("web01", writer="alice")], 40, 10).shown()
        self.assertEqual("> web01  connected  alice         0", bench.screen.lines[3])

    def test_a_low_window_keeps_the_list_longest(self) -> None:
        for height, first in ((1, 0), (2, 1), (4, 2), (8, 3)):
            bench = Bench(rows(9), 40, height).shown()
            self.assertTrue(bench.screen.lines[first].startswith("> web0000"), height)

    def test_every_window_is_survived(self) -> None:
        for listed in ([], rows(3), [row("漢字" * 20, state="quarantined", readers=10**9)]):
            for columns in (1, 2, 3, 5, 19, 20, 21, 40, 300):
                for height in (1, 2, 3, 4, 6, 8, 30):
                    bench = Bench(listed, columns, height).shown()
                    bench.type(b"?", b"x", b"web", DOWN, ESCAPE)

    def test_names_from_outside_cannot_move_the_cursor(self) -> None:
        evil = "a\x1b[2Jb\r\n\u202ec"
        bench = Bench([row(evil, writer=evil, address=evil, state="\x9b2J")], columns=200).shown()
        self.assertIn("a\\x1b[2Jb\\x0d\\x0a\\u202ec", bench.screen.lines[3])

    def test_a_title_that_is_safe_already_is_not_escaped_again(self) -> None:
        title = safe("a\x1b[2J\\b")
        for kind in ("xterm", "dumb"):
            bench = Bench([row(title, writer=title)], columns=200, kind=kind).shown()
            text = bench.screen.text + bench.channel.plain.decode()
            self.assertIn("a\\x1b[2J\\\\b ", text)
            self.assertNotIn("\\\\x1b", text)
        bench = Bench(rows(2), remark=f"{title}: removed by dave").shown()
        self.assertIn("a\\x1b[2J\\\\b: removed by dave", bench.screen.lines[-1])

    def test_wide_characters_keep_the_columns_straight(self) -> None:
        bench = Bench([row("漢字コンソール" * 5), row("e\u0301a"), row("plain")], 60).shown()
        lines = bench.screen.lines[3:6]
        self.assertTrue(lines[0].startswith("> 漢字コンソール…漢字コンソール"), lines)
        places = {cells(line.partition("connected")[0]) for line in lines}
        self.assertEqual(1, len(places))

    def test_nobody_yet_is_said_and_the_list_fills(self) -> None:
        bench = Bench([], 40, 10).shown()
        self.assertIn("no consoles yet", bench.screen.text)
        bench.type(ENTER)
        bench.change([row("web01")])
        self.assertEqual("web01", bench.selected)
        self.assertEqual(40 - len("1 of 1"), bench.screen.lines[0].index("1 of 1"))
        self.assertEqual([], bench.ends)

    def test_ages_go_on_while_nothing_changes(self) -> None:
        bench = Bench([row("web01", idle=1), row("web02", idle=200)]).shown()
        written = bench.screen.written
        bench.clock.advance(AGE_INTERVAL)
        bench.turn()
        self.assertIn("6s", bench.screen.lines[3])
        self.assertLess(bench.screen.written - written, 150)

    def test_help_is_shown_and_any_key_goes_back(self) -> None:
        for columns, height in ((80, 24), (40, 10)):
            bench = Bench(rows(30), columns, height).shown()
            before = bench.screen.lines
            bench.type(b"?")
            self.assertIn("Up, Down", bench.screen.text)
            while "^C, ^D       leave" not in bench.screen.text:
                self.assertIn("any key goes on, Esc back", bench.screen.lines[-1])
                bench.type(b"x")
            self.assertIn("any key goes back", bench.screen.lines[-1])
            bench.type(b"x")
            self.assertEqual(before, bench.screen.lines)
            bench.type(b"?")
            bench.escape()
            self.assertEqual(before, bench.screen.lines)
            self.assertEqual([], bench.ends)

    def test_another_window_size_is_painted_anew(self) -> None:
        bench = Bench(rows(50)).shown()
        bench.type(END)
        for columns, height in ((40, 10), (1, 1), (132, 50)):
            bench.screen.resize(columns, height)
            bench.channel.terminal = Terminal("xterm", columns, height)
            bench.chooser.resized()
            bench.turn()
            self.assertEqual(
                "> web0049"[:columns] if columns > 1 else "w", bench.screen.selected[0][:9]
            )
        self.assertEqual("web0049", bench.selected)

    def test_control_l_paints_everything_again(self) -> None:
        bench = Bench(rows(5)).shown()
        before = bench.screen.lines
        bench.screen.resize(80, 24)
        bench.type(b"\x0c")
        self.assertEqual(before, bench.screen.lines)


class MovingTests(SynchronousTestCase):
    def test_arrows_pages_and_ends_scroll_a_long_list(self) -> None:
        bench = Bench(rows(2000), 40, 10).shown()
        for keys, name in (
            (UP, "web0000"),
            (DOWN, "web0001"),
            (b"\x0e\x0e\t\x10", "web0003"),
            (PAGE_DOWN, "web0008"),
            (PAGE_UP, "web0003"),
            (END, "web1999"),
            (DOWN, "web1999"),
            (PAGE_UP * 2, "web1989"),
            (HOME, "web0000"),
            (b"\x1bOB\x1b[1;2B", "web0002"),
        ):
            bench.type(keys)
            self.assertEqual(name, bench.selected)

    def test_one_step_writes_two_lines(self) -> None:
        bench = Bench(rows(2000)).shown()
        written = bench.screen.written
        bench.type(DOWN)
        self.assertLess(bench.screen.written - written, 250)

    def test_a_key_that_changes_nothing_writes_nothing(self) -> None:
        bench = Bench(rows(3)).shown()
        written = bench.screen.written
        bench.type(UP, HOME, b"\x1b[C", b"\x02")
        self.assertEqual(written, bench.screen.written)

    def test_enter_attaches_the_selected(self) -> None:
        bench = Bench(rows(9)).shown()
        bench.type(DOWN, DOWN, ENTER)
        self.assertEqual([bench.rows[2]], bench.ends)


class FilteringTests(SynchronousTestCase):
    def test_typing_narrows_and_backspace_widens(self) -> None:
        bench = Bench(rows(2000)).shown()
        bench.type(b"b19", b"99")
        self.assertEqual("filter: b1999_", bench.screen.lines[1])
        self.assertTrue(bench.screen.lines[0].endswith(" 1 of 2000"))
        self.assertEqual("web1999", bench.selected)
        bench.type(b"\x7f\x08")
        self.assertTrue(bench.screen.lines[0].endswith(" 100 of 2000"))

    def test_every_word_must_match_and_those_with_a_dot_may_match_the_address(self) -> None:
        listed = [row("Web01", address="10.1.0.1"), row("web02"), row("ÄRGER")]
        for text, names in (
            ("WEB", ["Web01", "web02"]),
            ("web 10.1.", ["Web01"]),
            (" 01  eB ", ["Web01"]),
            ("ärg", ["ÄRGER"]),
            ("web db", []),
            ("web 0.1", ["Web01", "web02"]),
            ("10", []),
            ("", ["Web01", "web02", "ÄRGER"]),
        ):
            self.assertEqual(names, [each.name for each in matching(listed, text)], text)

    def test_states_and_writers_are_filtered_by_too(self) -> None:
        listed = [
            row("web01", state="away"),
            row("runaway", writer="alice"),
            row("db", writer="Bob", address="10.1.0.1"),
            row("con", state="quarantined"),
        ]
        for text, names in (
            ("away", ["web01", "runaway"]),
            ("state:away", ["web01"]),
            ("state:", ["web01", "runaway", "db", "con"]),
            ("aw w", ["web01", "runaway"]),
            ("quar", ["con"]),
            ("con", ["con"]),  # nearly all are connected
            ("connected", ["runaway", "db"]),
            ("bob", ["db"]),
            ("writer:b", ["db"]),
            ("writer:-", ["web01", "con"]),
            ("writer:- state:away", ["web01"]),
            ("name:un", ["runaway"]),
            ("address:10.1", ["db"]),
            ("10.1.", ["db"]),
        ):
            found = [each.name for each in matching(listed, text)]
            self.assertEqual(names, found, text)

    def test_the_very_name_is_selected_though_another_was_moved_to(self) -> None:
        bench = Bench([row("web-1"), row("web-10"), row("web-11")]).shown()
        bench.type(DOWN, b"web-1")
        self.assertEqual("web-1", bench.selected)
        bench.type(b"1")
        self.assertEqual("web-11", bench.selected)

    def test_a_name_that_has_it_comes_before_a_state_that_begins_so(self) -> None:
        bench = Bench([row("db", state="away"), row("runaway")]).shown()
        bench.type(b"away")
        self.assertEqual("runaway", bench.selected)

    def test_if_only_one_is_left_enter_takes_it(self) -> None:
        bench = Bench(rows(50)).shown()
        bench.type(b"0031" + ENTER)
        self.assertEqual([bench.rows[31]], bench.ends)

    def test_enter_with_no_match_does_nothing(self) -> None:
        bench = Bench(rows(5)).shown()
        bench.type(b"nobody", ENTER)
        self.assertIn("no console matches", bench.screen.text)
        self.assertEqual([], bench.ends)

    def test_the_very_name_is_selected_before_longer_ones(self) -> None:
        bench = Bench([row("old-web1"), row("web10"), row("web1")]).shown()
        bench.type(b"WEB")
        self.assertEqual("web10", bench.selected)
        bench.type(b"1")
        self.assertEqual("web1", bench.selected)

    def test_what_was_moved_to_stays_selected_while_it_matches(self) -> None:
        bench = Bench(rows(30)).shown()
        bench.type(DOWN * 12, b"web")
        self.assertEqual("web0012", bench.selected)
        bench.type(b"002")
        self.assertEqual("web0020", bench.selected)

    def test_escape_clears_the_filter_and_then_leaves(self) -> None:
        bench = Bench(rows(5)).shown()
        bench.type(b"web")
        bench.escape()
        self.assertEqual("type to filter", bench.screen.lines[1])
        self.assertEqual([], bench.ends)
        bench.escape()
        self.assertEqual(["left"], bench.ends)

    def test_words_and_all_are_erased(self) -> None:
        choice = Choice()
        for character in " web  01 ":
            choice.type(character)
        self.assertEqual("web  01 ", choice.text)
        choice.erase_word()
        self.assertEqual("web  ", choice.text)
        choice.erase_word()
        self.assertEqual("", choice.text)
        choice.type("x")
        choice.clear()
        self.assertEqual("", choice.text)

    def test_a_question_mark_within_a_filter_is_text(self) -> None:
        bench = Bench(rows(5)).shown()
        bench.type(b"w?")
        self.assertEqual("filter: w?_", bench.screen.lines[1])

    def test_a_filter_wider_than_the_window_shows_its_end(self) -> None:
        bench = Bench(rows(5), 20, 10).shown()
        bench.type("漢".encode() * 15 + b"end")
        self.assertTrue(bench.screen.lines[1].endswith("漢end_"))

    def test_a_filter_is_bounded(self) -> None:
        bench = Bench(rows(5), 200).shown()
        bench.type(b"w" * 500)
        bench.turn()
        self.assertEqual(f"filter: {'w' * FILTER_LIMIT}_", bench.screen.lines[1])

    def test_a_pasted_line_filters_and_attaches_to_nothing(self) -> None:
        bench = Bench(rows(5)).shown()
        bench.type(b"\x1b[200~web0003\n\x1b[201~")
        self.assertEqual([], bench.ends)
        self.assertEqual("web0003", bench.selected)


class ChangingTests(SynchronousTestCase):
    def test_the_selection_stays_on_its_console(self) -> None:
        bench = Bench(rows(100), 40, 10).shown()
        bench.type(DOWN * 50)
        place = bench.screen.lines.index(bench.screen.selected[0])
        bench.change([row(f"new{number}") for number in range(20)] + bench.rows)
        self.assertEqual("web0050", bench.selected)
        self.assertEqual(place, bench.screen.lines.index(bench.screen.selected[0]))
        bench.change(bench.rows[10:])
        self.assertEqual("web0050", bench.selected)

    def test_a_console_that_has_gone_is_not_replaced_under_the_finger(self) -> None:
        bench = Bench(rows(5)).shown()
        bench.type(DOWN)
        gone = bench.rows.pop(1)
        bench.chooser.changed()
        bench.type(ENTER)  # typed before anybody could see it go
        self.assertEqual([], bench.ends)
        bench.type(ENTER)
        self.assertNotIn(gone, bench.ends)
        self.assertEqual([bench.rows[1]], bench.ends)

    def test_a_remark_stays_until_enter_which_takes_nothing(self) -> None:
        bench = Bench(rows(3), remark="web01: dave\x1b[2J sent you off").shown()
        told = "web01: dave\\x1b[2J sent you off; Enter goes on"
        self.assertEqual(told, bench.screen.lines[-1].rstrip())
        bench.type(b"r", b"m", DOWN)
        self.assertEqual(told, bench.screen.lines[-1].rstrip())
        bench.type(ENTER)
        self.assertEqual([], bench.ends)
        self.assertNotIn("sent you off", "\n".join(bench.screen.lines))
        self.assertIn("type to filter", bench.screen.lines[1])
        bench.type(ENTER)
        self.assertEqual(["web0000"], [each.name for each in bench.ends if isinstance(each, Row)])

    def test_a_remark_on_a_small_terminal(self) -> None:
        for columns, height in ((20, 10), (20, 5), (20, 2)):
            bench = Bench(rows(3), columns, height, remark="x" * 100).shown()
            text = "\n".join(bench.screen.lines)
            self.assertIn("; Enter goes on"[:columns], text, (columns, height))
            bench.type(ENTER)
            self.assertEqual([], bench.ends)

    def test_what_has_gone_is_said_until_a_key(self) -> None:
        bench = Bench(rows(5)).shown()
        bench.change(bench.rows[1:])
        self.assertEqual("web0000 is gone; Enter goes on", bench.screen.lines[-1])
        bench.type(DOWN)
        self.assertIn("Enter attach", bench.screen.lines[-1])

    def test_enter_goes_on_from_what_has_gone_and_the_next_one_attaches(self) -> None:
        bench = Bench(rows(5)).shown()
        bench.change(bench.rows[1:])
        bench.type(ENTER)
        self.assertEqual([], bench.ends)
        self.assertIn("Enter attach", bench.screen.lines[-1])
        bench.type(ENTER)
        self.assertEqual(["web0001"], [each.name for each in bench.ends if isinstance(each, Row)])

    def test_a_list_that_changes_all_the_time_is_looked_at_four_times_a_second(self) -> None:
        bench = Bench(rows(5)).shown()
        before = bench.looks
        for _ in range(100):
            bench.chooser.changed()
            bench.chooser.changed()
            bench.clock.advance(0.01)
        self.assertLessEqual(bench.looks - before, 4)
        self.assertGreaterEqual(bench.looks - before, 3)

    def storm(self, cost: float, seconds: int) -> int:
        """Looks at a list that changes all the time and takes `cost` seconds to look at."""
        bench = Bench(rows(5))
        bench.cost = cost
        bench.shown()
        before = bench.looks
        for _ in range(seconds * 10):
            bench.chooser.changed()
            bench.clock.advance(0.1)
        return bench.looks - before

    def test_a_list_that_takes_long_is_looked_at_less_often(self) -> None:
        self.assertIn(self.storm(0.1, seconds=60), (14, 15))

    def test_of_many_lists_each_is_looked_at_less_often(self) -> None:
        lists = RefreshPace()
        paces = [lists.list_pace() for _ in range(10)]
        self.assertEqual({each.wait(100.0) for each in paces}, {0.0})
        for each in paces:
            each.refreshed(100.0)
            each.spent(100.0, 0.01)
        self.assertEqual({round(each.wait(100.0), 6) for each in paces}, {4.0})
        self.assertEqual({each.wait(104.0) for each in paces}, {0.0})
        self.assertEqual(lists.list_pace().wait(100.0), 0.0)

    def test_a_list_that_takes_long_makes_no_short_one_wait_for_it(self) -> None:
        lists = RefreshPace()
        long, short = lists.list_pace(), lists.list_pace()
        for pace, took in ((long, 0.2), (short, 0.005)):
            pace.refreshed(100.0)
            pace.spent(100.0, took)
        # Both pay half until the short one has paid, 2 x 40 x 0.005 s, then the long one pays all.
        self.assertAlmostEqual(short.wait(100.0), 0.4)
        self.assertAlmostEqual(long.wait(100.0), 40 * 0.205)
        self.assertEqual((short.wait(100.5), long.wait(108.2)), (0.0, 0.0))

    def test_all_lists_together_take_no_more_than_their_share(self) -> None:
        lists = RefreshPace()
        costs = {lists.list_pace(): cost for cost in (0.001, 0.002, 0.05, 0.1)}
        looks, now, spent = dict.fromkeys(costs, 0), 0.0, 0.0
        while now < 200.0:
            now += 0.05
            for pace, cost in costs.items():
                if not pace.wait_in_turn(now):
                    pace.refreshed(now)
                    pace.spent(now, cost)
                    looks[pace] += 1
                    spent += cost
        self.assertLess(spent, 200.0 / 40 + sum(costs.values()))
        self.assertGreater(spent, 0.9 * 200.0 / 40)
        # The short ones hardly wait, and the longest gets what the others leave.
        first, second, third, fourth = looks.values()
        self.assertGreater(min(first, second), 500)
        self.assertTrue(10 < fourth < third < 100, (third, fourth))

    def test_what_others_cost_makes_a_list_wait_longer(self) -> None:
        lists = RefreshPace()
        mine, other = lists.list_pace(), lists.list_pace()
        mine.refreshed(100.0)
        mine.spent(100.0, 0.05)
        self.assertAlmostEqual(mine.wait(101.0), 1.0)
        other.spent(101.0, 0.05)
        self.assertAlmostEqual(mine.wait(101.0), 2.0)

    def test_lists_whose_time_it_is_are_looked_at_one_after_the_other(self) -> None:
        pace = RefreshPace()
        bench = Bench(rows(5), pace=pace).shown()
        bench.clock.advance(1)
        before = bench.looks
        bench.chooser.changed()
        pace.list_pace().spent(bench.clock.seconds(), 0.0)  # in this turn of the reactor
        bench.clock.advance(0)
        self.assertEqual(bench.looks, before)
        bench.clock.advance(BETWEEN)
        self.assertEqual(bench.looks, before + 1)

    def test_what_keys_cost_makes_no_other_list_wait(self) -> None:
        pace = RefreshPace()
        bench = Bench(rows(5), pace=pace).shown()
        other = Bench(rows(5), pace=pace).shown()
        bench.type(b"nothing like it")
        for each in (bench, other):
            each.clock.advance(10)
        before, bench.cost = bench.looks, 0.1
        for _ in range(20):
            bench.chooser.changed()
            bench.type(ENTER)
        self.assertGreaterEqual(bench.looks - before, 20)
        seen = other.looks
        other.chooser.changed()
        other.clock.advance(1)
        self.assertEqual(other.looks, seen + 1)

    def test_but_never_less_than_twice_a_minute(self) -> None:
        self.assertIn(self.storm(10.0, seconds=60), (1, 2))

    def test_enters_without_a_change_cost_no_look(self) -> None:
        bench = Bench(rows(5)).shown()
        bench.type(b"nothing like it")
        before = bench.looks
        bench.type(*[ENTER] * 50)
        self.assertEqual((before, []), (bench.looks, bench.ends))

    def test_a_change_after_a_pause_is_shown_at_once(self) -> None:
        bench = Bench(rows(5)).shown()
        bench.clock.advance(1)
        bench.rows = rows(6)
        bench.chooser.changed()
        bench.turn()
        self.assertIn("web0005", bench.screen.text)

    @settings(deadline=None, max_examples=150)
    @given(st.data())
    def test_the_model_agrees_with_a_simple_one(self, data: st.DataObject) -> None:
        names = st.lists(st.sampled_from(["a", "ab", "abc", "b", "bc", "c"]), unique=True)
        choice = Choice()
        steps = data.draw(st.lists(st.sampled_from("+<dupDPHE rw"), max_size=25))
        for step in steps:
            held = choice.selected
            match step:
                case "+":
                    choice.type(data.draw(st.sampled_from("abc ")))
                case "<":
                    choice.erase()
                case "r":
                    listed = [row(name) for name in data.draw(names)]
                    choice.replace(listed)
                    still = held and [e for e in choice.shown if e.name == held.name]
                    if still:
                        self.assertEqual(held, choice.selected)
                case "w":
                    height = data.draw(st.integers(0, 4))
                    window = choice.window(height)
                    self.assertEqual(min(height, len(choice.shown)), len(window))
                    if window:
                        self.assertIn(choice.selected, window)
                case _:
                    choice.page({"d": 1, "u": -1}.get(step, 0))
                    choice.move({"D": 1, "p": -1}.get(step, 0))
                    (choice.first if step == "H" else choice.last if step == "E" else list)()
            words = choice.text.split()
            wanted = [e for e in choice.entries if all(w in e.name for w in words)]
            self.assertEqual(wanted, list(choice.shown))
            exact = [e for e in wanted if e.name == choice.text.strip()]
            if step in "+<" and exact and choice.selected != held:
                self.assertEqual(exact[0], choice.selected)
            self.assertEqual(bool(wanted), choice.selected is not None)


class ReturningTests(SynchronousTestCase):
    """Back in the chooser after a visit to a console."""

    def back(self, listed: Sequence[Row], visit: Visit, **more: str) -> Bench:
        return Bench(listed, visit=visit, **more).shown()  # type: ignore[arg-type]

    def test_the_filter_and_the_selection_are_as_they_were(self) -> None:
        listed = rows(30)
        bench = self.back(listed, Visit(listed[12], "web 1"))
        self.assertEqual("filter: web 1_", bench.screen.lines[1])
        self.assertEqual("web0012", bench.selected)
        bench.type(DOWN)
        self.assertEqual("web0013", bench.selected)

    def test_enter_goes_to_the_same_console_wherever_it_is_now(self) -> None:
        visited = row("web02", key="it", writer="alice")
        for now in (
            row("aaa", key="it"),  # renamed
            row("web02", key="it", state="away"),
            row("zzz", key="it", address="10.9.9.9"),
        ):
            for text in ("", "web", "state:connected", "writer:alice"):
                others = [row(f"web{number:02}", writer="alice") for number in range(20)]
                for place in (0, 7, 20):
                    listed = [*others[:place], now, *others[place:]]
                    bench = self.back(listed, Visit(visited, text))
                    bench.change(listed[::-1])  # sorted anew, too
                    bench.type(ENTER)
                    self.assertEqual([now], bench.ends, (now, text, place))

    def test_an_enter_that_comes_before_anything_is_shown_goes_there_too(self) -> None:
        listed = rows(9)
        bench = Bench(listed, visit=Visit(listed[4], ""))
        bench.type(ENTER)
        self.assertEqual([listed[4]], bench.ends)

    def test_one_that_the_filter_no_longer_matches_is_shown_until_the_filter_changes(self) -> None:
        listed = [row("a"), row("b", state="away"), row("c")]
        bench = self.back(listed, Visit(row("b"), "state:conn"))
        self.assertTrue(bench.screen.lines[0].endswith("3 of 3"))
        bench.type(b"e")
        self.assertTrue(bench.screen.lines[0].endswith("2 of 3"))

    def test_one_that_has_gone_is_told_and_enter_takes_no_other(self) -> None:
        bench = self.back(rows(3), Visit(row("web0009"), ""))
        self.assertIn("web0009 is gone", bench.screen.lines[-1])
        bench.type(ENTER)
        self.assertEqual([], bench.ends)

    def test_after_a_remark_enter_goes_there_whatever_was_typed_meanwhile(self) -> None:
        listed = rows(9)
        bench = self.back(listed, Visit(listed[4], "web"), remark="removed by dave")
        bench.type(b"reboot", DOWN, b"\x7f", ENTER)
        self.assertEqual([], bench.ends)
        self.assertEqual("type to filter", bench.screen.lines[1])
        bench.type(ENTER)
        self.assertEqual([listed[4]], bench.ends)

    def test_on_a_terminal_without_a_cursor_enter_alone_goes_there(self) -> None:
        listed = rows(3)
        bench = self.back(listed, Visit(listed[1], ""), kind="dumb")
        self.assertTrue(bench.channel.plain.decode().endswith("number or name [web0001]: "))
        bench.change(listed[::-1])
        bench.type(b"?" + ENTER, ENTER)
        self.assertEqual([listed[1]], bench.ends)
        gone = self.back(listed[2:], Visit(listed[1], ""), kind="dumb")
        gone.type(ENTER)
        self.assertIn("web0001 is gone", gone.channel.plain.decode())
        self.assertEqual([], gone.ends)

    def test_there_a_remark_is_told_and_what_was_typed_for_the_console_takes_nothing(self) -> None:
        listed = rows(3)
        remark = "web0001: removed by dave"
        bench = self.back(listed, Visit(listed[1], ""), kind="dumb", remark=remark)
        self.assertIn(remark, bench.channel.plain.decode())
        bench.type(b"1" + ENTER)
        self.assertEqual([], bench.ends)
        bench.type(ENTER)
        self.assertEqual([listed[1]], bench.ends)


class EndingTests(SynchronousTestCase):
    def quiet(self, bench: Bench) -> None:
        """Nothing comes after the end, and everything typed was taken."""
        written = bench.screen.written
        bench.chooser.changed()
        bench.chooser.resized()
        bench.chooser.drained()
        bench.chooser.closed()
        self.assertEqual([], bench.clock.twisted.getDelayedCalls())
        self.assertEqual(written, bench.screen.written)
        self.assertEqual(1, len(bench.ends))
        self.assertEqual(bench.typed, bench.channel.taken)

    def test_control_c_and_control_d_leave_with_a_filter_too(self) -> None:
        for key in (b"\x03", b"\x04"):
            bench = Bench(rows(5)).shown()
            bench.type(b"web" + key)
            self.assertEqual(["left"], bench.ends)
            self.quiet(bench)

    def test_what_follows_the_deciding_key_is_taken_and_dropped(self) -> None:
        bench = Bench(rows(5)).shown()
        bench.type(ENTER + b"\x03" + b"x" * 500)
        self.assertEqual([bench.rows[0]], bench.ends)
        bench.type(b"more")
        self.quiet(bench)

    def test_a_channel_that_closes_is_left_without_a_word(self) -> None:
        bench = Bench(rows(5)).shown()
        bench.type(ESCAPE)
        written = bench.screen.written
        bench.chooser.closed()
        self.assertEqual(written, bench.screen.written)
        self.assertEqual(["left"], bench.ends)
        self.quiet(bench)

    def test_input_that_ends_leaves_after_what_was_typed(self) -> None:
        bench = Bench(rows(50)).shown()
        bench.chooser.received(b"x\x7f" * TURN_BYTES + b"0031" + ENTER)
        bench.chooser.ended_input()
        self.assertEqual([], bench.ends)
        for _ in range(4):
            bench.turn()
        self.assertEqual([bench.rows[31]], bench.ends)
        other = Bench(rows(5)).shown()
        other.chooser.ended_input()
        self.assertEqual(["left"], other.ends)

    def test_a_name_typed_before_anything_was_shown_is_taken(self) -> None:
        bench = Bench(rows(50))
        bench.type(b"web0031" + ENTER)
        self.assertEqual([bench.rows[31]], bench.ends)
        self.assertEqual(0, bench.screen.written)

    def test_an_enter_typed_before_anything_was_shown_takes_no_chance(self) -> None:
        bench = Bench(rows(50))
        bench.type(ENTER)
        self.assertEqual([], bench.ends)
        self.assertEqual("web0000", bench.selected)

    def test_there_is_nothing_to_break(self) -> None:
        self.assertFalse(Bench(rows(5)).shown().chooser.break_requested())

    def test_a_flood_of_keys_is_dealt_with_in_turns(self) -> None:
        bench = Bench(rows(200)).shown()
        flood = (b"w" + DOWN + b"\x7f") * 1000
        bench.chooser.received(flood)
        self.assertEqual(TURN_BYTES, bench.channel.taken)
        for _ in range(len(flood) // TURN_BYTES + 1):
            bench.turn()
        self.assertEqual(len(flood), bench.channel.taken)
        self.assertEqual([], bench.ends)


class ServiceTestCases(SynchronousTestCase):
    def test_without_room_nothing_is_painted_until_there_is(self) -> None:
        bench = Bench(rows(50))
        bench.channel.free = 0
        bench.turn()
        bench.type(DOWN, b"web", DOWN)
        bench.change(rows(60))
        self.assertEqual([], bench.channel.writes)
        bench.drain()
        self.assertEqual("web0002", bench.selected)
        self.assertEqual(1, len(bench.channel.writes))

    def test_a_frame_larger_than_the_room_comes_in_pieces(self) -> None:
        whole = Bench(rows(50)).shown()
        bench = Bench(rows(50))
        bench.channel.free = 200
        bench.turn()
        pieces = 1
        while bench.channel.asked_full:
            bench.drain(200)
            pieces += 1
        self.assertGreater(pieces, 5)
        self.assertEqual(whole.screen.lines, bench.screen.lines)
        self.assertLessEqual(max(bench.channel.writes), 200)

    def test_room_for_less_than_a_line_still_gets_on(self) -> None:
        bench = Bench(rows(3), 40, 10)
        bench.channel.free = 1
        bench.turn()
        while bench.channel.asked_full:
            bench.drain(1)
        self.assertEqual("web0000", bench.selected)

    def test_leaving_gives_the_terminal_back_without_room_too(self) -> None:
        bench = Bench(rows(3)).shown()
        bench.channel.free = 0
        bench.type(b"\x03")
        self.assertNotIn("?1049", bench.screen.modes)

    def test_the_largest_frame_is_below_64_kib(self) -> None:
        piled = "e" + "\u0301" * 150
        math = "\U0001d400" * 100
        for name in ("x" * 300, piled, math, "漢" * 200, "\\" * 150):
            listed = [
                row(f"{number}{name}", writer=name, state=name, address=name, key=number)
                for number in range(250)
            ]
            for columns in (40, 1000):
                bench = Bench(listed, columns, 1000)
                bench.turn()
                self.assertLess(bench.screen.written, 65536, (name[:2], columns))
                self.assertTrue(bench.screen.selected)

    def test_a_high_terminal_of_ordinary_names_is_used_whole(self) -> None:
        bench = Bench(rows(2000), 250, 250).shown()
        self.assertIn("Enter attach", bench.screen.lines[-1])


class PlainTests(SynchronousTestCase):
    def bench(self, listed: Sequence[Row], columns: int = 80, rows: int = 24) -> Bench:
        return Bench(listed, columns, rows, kind="dumb").shown()

    def said(self, bench: Bench) -> str:
        """What was printed since the last time."""
        text = bench.channel.plain.decode()
        bench.channel.plain.clear()
        return text

    def test_a_numbered_list_and_a_prompt(self) -> None:
        bench = self.bench([row("db", writer="alice", idle=3), row("web01", state="away")])
        self.assertEqual(
            "\r\nvspc\r\n"
            "1  db     connected  alice         0      3s  10.0.0.1\r\n"
            "2  web01  away       -             0       -  10.0.0.1\r\n"
            "number or name: ",
            self.said(bench),
        )

    def test_a_number_a_name_a_handle_and_a_part_choose(self) -> None:
        listed = [row("web1", handle="WEB%31"), row("web10"), row("db")]
        for typed, index in ((b"2", 1), (b"web1", 0), (b"web%31", 0), (b"d", 2), (b"EB10", 1)):
            bench = self.bench(listed)
            bench.type(typed + ENTER)
            self.assertEqual([listed[index]], bench.ends, typed)
            self.assertTrue(self.said(bench).endswith(typed.decode() + "\r\n"))

    def test_several_matches_are_listed_with_new_numbers(self) -> None:
        bench = self.bench([row("db"), row("web1"), row("web2")])
        bench.type(b"web" + ENTER)
        self.assertIn("1  web1", self.said(bench))
        bench.type(b"2" + ENTER)
        self.assertEqual([bench.rows[2]], bench.ends)

    def test_no_match_is_said(self) -> None:
        bench = self.bench(rows(3))
        bench.type(b"mail" + ENTER)
        self.assertIn("no console matches mail\r\n1  web0000", self.said(bench))
        bench.type(b"99999" + ENTER, "²".encode() + ENTER)
        self.assertEqual([], bench.ends)

    def test_a_number_keeps_its_console_while_the_list_changes(self) -> None:
        bench = self.bench(rows(3))
        bench.change([row("new"), *bench.rows])
        bench.type(b"1" + ENTER)
        self.assertEqual("web0000", getattr(bench.ends[0], "name", None))

    def test_a_number_whose_console_has_gone_takes_no_other(self) -> None:
        bench = self.bench(rows(3))
        bench.rows.pop(1)
        bench.chooser.changed()
        bench.type(b"2" + ENTER)
        self.assertIn("web0001 is gone", self.said(bench))
        self.assertEqual([], bench.ends)

    def test_typing_is_echoed_and_erased(self) -> None:
        bench = self.bench(rows(3))
        self.said(bench)
        bench.type("a漢".encode(), b"\x7f", b"b c", b"\x17", b"\x15")
        self.assertEqual("a漢\b \b\b \bb c" + "\b \b" * 4, self.said(bench))

    def test_nobody_yet_is_said_and_the_list_comes(self) -> None:
        bench = self.bench([])
        self.assertIn("no consoles yet", self.said(bench))
        bench.change(rows(1))
        self.assertIn("1  web0000", self.said(bench))
        bench.change(rows(2))
        self.assertEqual("", self.said(bench))

    def test_enter_alone_lists_again(self) -> None:
        bench = self.bench(rows(1))
        bench.rows = rows(2)
        bench.chooser.changed()
        bench.type(ENTER)
        self.assertIn("2  web0001", self.said(bench))

    def test_a_long_list_is_cut_and_counted(self) -> None:
        bench = self.bench(rows(2000))
        self.assertIn("and 1900 more: type a part of the name\r\n", self.said(bench))

    def test_control_d_leaves(self) -> None:
        bench = self.bench(rows(1))
        bench.type(b"\x04")
        self.assertEqual(["left"], bench.ends)

    def test_a_terminal_that_takes_nothing_is_owed_a_bounded_text(self) -> None:
        bench = self.bench(rows(2000))
        bench.channel.free = 0
        for _ in range(20):
            bench.type(ENTER, b"a\x7f" * 50)
        self.said(bench)
        bench.drain()
        self.assertLess(len(self.said(bench)), 20000)

    def test_no_terminal_at_all_is_plain(self) -> None:
        clock = FakeClock()
        channel = FakeChannel(None, Screen())
        source = FakeSource(lambda: rows(2), clock.wall)
        Chooser(channel, clock, source, lambda _row: None, lambda: None, "vspc")
        clock.advance(0)
        clock.advance(0)
        self.assertIn("number or name:", channel.screen.text)


class MeasuringTests(SynchronousTestCase):
    @settings(deadline=None)
    @given(st.text(max_size=40).map(safe), st.integers(0, 30))
    def test_clipped_and_padded_text_has_its_width(self, text: str, width: int) -> None:
        self.assertLessEqual(cells(clip(text, width)), width)
        self.assertEqual(width, cells(pad(text, width)))
        self.assertLessEqual(len(clip(text, width).encode()), 4 * width)

    def test_what_is_cut_is_marked(self) -> None:
        self.assertEqual("web..", clip("web0001", 5))
        self.assertEqual("we", clip("web0001", 2))
        self.assertEqual("漢..", clip("漢字漢字", 5))
        self.assertEqual("web01", clip("web01", 5))

    @settings(deadline=None)
    @given(st.integers(1, 300))
    def test_columns_fit(self, columns: int) -> None:
        layout = lay_out(measure([row("n" * 60, writer="w" * 9)]), columns)
        self.assertLessEqual(sum(width + 2 for _, width in layout) - 2, columns)

    def test_left_is_no_row(self) -> None:
        self.assertNotIsInstance(Left.LEFT, Row)
