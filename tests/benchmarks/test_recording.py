"""What is recorded, the document made of it, and what a check says."""

from pathlib import Path

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from benchmarks import document, recording
from benchmarks.measuring import OURS, Found, Goal, Result, Row
from benchmarks.report import Recording
from benchmarks.rows.curves import CHAPTERS
from benchmarks.table import ROWS, chosen
from tests.benchmarks.test_measuring import result

MACHINE = {"processor": "2 of x", "Python": "3.11.7", "load": "0.1"}


class Merging(SynchronousTestCase):
    def merged(self, machine: dict[str, str]) -> set[str]:
        old = Recording(MACHINE, {"text": evolve(result(vspc=[1.0]), name="text")})
        return set(recording.merged(old, machine, [result(vspc=[2.0])]).results)

    def test_a_row_is_added_on_the_same_machine_whatever_its_load(self) -> None:
        self.assertEqual(self.merged(MACHINE | {"load": "9.0"}), {"text", "line"})

    def test_figures_of_another_machine_are_dropped(self) -> None:
        self.assertEqual(self.merged(MACHINE | {"Python": "3.13.1"}), {"line"})

    def test_rows_are_in_the_order_of_the_table(self) -> None:
        found = recording.merged(
            Recording({}, {}),
            MACHINE,
            [evolve(result(vspc=[1.0]), name=n) for n in ("text", "line")],
        )
        self.assertEqual(list(found.results), ["line", "text"])


class Checking(SynchronousTestCase):
    def worse(self, before: Result, now: Result) -> list[str]:
        row = Row(now.name, now.title, now.unit, lambda bench: Found({}), spread=1.5)
        return recording.worse(Recording({}, {before.name: before}), [now], [row])

    def test_a_ratio_within_its_spread_is_good_whatever_the_machine(self) -> None:
        before, now = result(vspc=[3.0], floor=[1.0]), result(vspc=[45.0], floor=[10.0])
        self.assertEqual(self.worse(before, now), [])

    def test_a_ratio_over_it_is_told(self) -> None:
        before, now = result(vspc=[3.0], floor=[1.0]), result(vspc=[4.6], floor=[1.0])
        expected = ["line: 4.6 times floor, recorded 3, at most 1.5 times that"]
        self.assertEqual(self.worse(before, now), expected)

    def test_the_goal_says_what_it_is_compared_with(self) -> None:
        goal = Goal(1.0, "conman")
        before = result(goal, vspc=[3.0], floor=[1.0], conman=[1.0])
        now = result(goal, vspc=[3.0], floor=[1.0], conman=[0.5])
        expected = ["line: 6 times conman, recorded 3, at most 1.5 times that"]
        self.assertEqual(self.worse(before, now), expected)

    def test_memory_is_compared_as_it_is(self) -> None:
        before = evolve(result(vspc=[10.0], floor=[1.0]), unit="KiB")
        now = evolve(result(vspc=[16.0], floor=[2.0]), unit="KiB")
        expected = ["line: 16 KiB, recorded 10, at most 1.5 times that"]
        self.assertEqual(self.worse(before, now), expected)

    def test_what_stands_alone_is_not_compared(self) -> None:
        self.assertEqual(self.worse(result(vspc=[1.0]), result(vspc=[9.0])), [])

    def test_what_was_not_recorded_is_told(self) -> None:
        other = evolve(result(vspc=[1.0]), name="text")
        self.assertEqual(self.worse(other, result(vspc=[9.0])), ["line: not recorded"])


class Document(SynchronousTestCase):
    def test_the_figures_are_those_of_the_recording(self) -> None:
        text = document.DOCUMENT.read_text("utf-8")
        self.assertEqual(document.document(text, recording.read()), text)

    def test_what_is_around_the_figures_stays(self) -> None:
        text = f"before\n{document.BEGIN}old\n{document.END}after\n"
        found = Recording(MACHINE, {"line": result(Goal(1.5, "floor"), vspc=[3.0], floor=[1.0])})
        made = document.document(text, found)
        self.assertTrue(made.startswith(f"before\n{document.BEGIN}\n| machine | |\n"))
        self.assertTrue(made.endswith(f"\n{document.END}after\n"))
        row = "| a line, us | 3 (3 to 3) |  | 1 | conman: not installed | 3.0 x floor | 1.5 x floor"
        self.assertIn(f"\n{row} | MISSED |\n", made)
        self.assertNotIn("old", made)

    def chapter(self, name: str, kinds: dict[str, dict[int, float]]) -> list[str]:
        """The lines of a chapter with these values of each curve at each number."""
        found = {
            row.name: Result.of(row, Found({row.pick: {OURS: [kinds[row.curve][row.at]]}}))
            for row in ROWS
            if row.at in kinds.get(row.curve, ())
        }
        text = document.BEGIN + document.END
        lines = document.document(text, Recording(MACHINE, found)).splitlines()
        return lines[lines.index(f"### {CHAPTERS[name].title}") :]

    def test_a_chapter_says_where_lines_are_late_and_the_reactor_is_full(self) -> None:
        delays, shares = {1000: 1.5, 2000: 2.0, 4000: 51.0}, {1000: 40.0, 2000: 95.0, 4000: 120.0}
        lines = self.chapter("lines", {"lines-delay": delays, "lines-reactor": shares})
        self.assertIn("| 2,000 |  | 2 | 95 |  |", lines)
        self.assertIn(
            "Lines come later than 50 ms from 4,000 on; "
            "the reactor's thread is full from 2,000 on.",
            lines,
        )
        self.assertIn(f"![{CHAPTERS['lines'].title}](performance/lines.png)", lines)

    def test_a_chapter_without_a_knee_says_so(self) -> None:
        points = {"lines-delay": {1000: 1.5}, "lines-reactor": {1000: 40.0}}
        self.assertIn(
            "Lines come later than 50 ms at none of these, up to 1,000; the reactor's thread is "
            "full at none, up to 1,000.",
            self.chapter("lines", points),
        )

    def test_a_chapter_of_which_one_curve_was_measured_has_that(self) -> None:
        for kind in ("cost", "delay", "reactor"):
            lines = self.chapter("lines", {f"lines-{kind}": {1000: 1.5}})
            [row] = [line for line in lines if line.startswith("| 1,000 |")]
            self.assertEqual(row.count("1.5"), 1)
            self.assertNotIn("Lines come later", "".join(lines))

    def test_a_document_without_the_marks_is_refused(self) -> None:
        self.assertRaises(ValueError, document.document, "text", Recording({}, {}))

    def test_pictures_in_it_are_there(self) -> None:
        curves = {row.curve for row in ROWS if row.name in recording.read().results} - {""}
        drawn = {name for name, each in CHAPTERS.items() if curves & set(each.curves)}
        found = {path.stem for path in document.PICTURES.glob("*.png")}
        self.assertEqual(found, drawn)


class Choosing(SynchronousTestCase):
    def test_all_short_ones_or_all(self) -> None:
        self.assertFalse(any(row.is_long for row in chosen([], False)))
        self.assertEqual(tuple(chosen([], True)), ROWS)

    def test_by_the_beginning_of_a_name_or_by_the_whole_of_one(self) -> None:
        names = [row.name for row in chosen(["reader-1-"], False)]
        self.assertEqual(names, ["reader-1-text", "reader-1-random"])
        self.assertEqual([row.name for row in chosen(["memory"], False)], ["memory"])

    def test_an_unknown_one_is_told_with_those_that_there_are(self) -> None:
        self.assertRaisesRegex(
            ValueError, "'nothing'; there are registration ", chosen, ["nothing"], False
        )

    def test_no_two_have_one_name(self) -> None:
        self.assertEqual(len({row.name for row in ROWS}), len(ROWS))


class Reading(SynchronousTestCase):
    def test_a_recording_without_a_file_is_empty(self) -> None:
        self.patch(recording, "RECORDED", Path(self.mktemp()))
        self.assertEqual(recording.read(), Recording({}, {}))
