"""Text in columns: how wide it is, how it is cut, tables that fit a terminal."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.common.columns import (
    Heading,
    cells,
    clip,
    pad,
    pad_name,
    shared_beginnings,
    shorten,
    table,
)

NAMES = st.text(st.characters(exclude_categories=("C", "Zl", "Zp")), max_size=60)


class Cutting(SynchronousTestCase):
    def test_the_middle_is_left_out(self) -> None:
        for text, width, shown in (
            ("web01", 5, "web01"),
            ("production-web-0017", 11, "produ…-0017"),
            ("漢字漢字漢字漢字", 7, "漢字…字"),
            ("ab", 1, "a"),
            ("abc", 2, "a…"),
            ("abc", 0, ""),
        ):
            self.assertEqual(shorten(text, width), shown, (text, width))

    def test_the_difference_to_its_neighbours_is_kept(self) -> None:
        names = [
            "prod-eu-west-datacenter-frankfurt-rack76-application-server",
            "prod-eu-west-datacenter-frankfurt-rack77-application-server",
            "staging-eu-west-datacenter-frankfurt-app-0017",
            "staging-eu-west-datacenter-frankfurt-app-0018",
            "zz-a-name-unlike-any-other-in-the-whole-list",
        ]
        shown = [
            shorten(name, 31, same)
            for name, same in zip(names, shared_beginnings(names), strict=True)
        ]
        self.assertEqual(
            shown,
            [
                "prod-e…rack76-application-ser..",
                "prod-e…rack77-application-ser..",
                "staging-eu-west…nkfurt-app-0017",
                "staging-eu-west…nkfurt-app-0018",
                "zz-a-name-unlik…-the-whole-list",
            ],
        )
        rows = [(name, "1", "-") for name in names]
        for line in table(Tables.HEADINGS, rows, 40).splitlines()[1:3]:
            self.assertRegex(line, "rack7[67]")

    def test_an_accent_stays_with_its_letter(self) -> None:
        self.assertEqual(shorten("abcdefg" + "e\u0301" * 3, 5), "ab…e\u0301e\u0301")

    @settings(deadline=None)
    @given(NAMES, st.integers(0, 30))
    def test_what_is_cut_has_its_width(self, text: str, width: int) -> None:
        for short in (shorten(text, width), shorten(text, width, 9), clip(text, width)):
            self.assertLessEqual(cells(short), width)
            self.assertLessEqual(len(short.encode()), 4 * width)
        self.assertEqual(width, cells(pad(text, width)))
        self.assertEqual(width, cells(pad_name(text, width)))


class Tables(SynchronousTestCase):
    HEADINGS = (
        Heading("NAME", names=True, least=10),
        Heading("N", right=True),
        Heading("WHERE", names=True),
    )

    @settings(deadline=None)
    @given(st.lists(st.tuples(NAMES, st.just("12"), NAMES), max_size=8), st.integers(24, 120))
    def test_no_line_is_wider_than_the_terminal(
        self, rows: list[tuple[str, str, str]], width: int
    ) -> None:
        lines = table(self.HEADINGS, rows, width).split("\n")
        self.assertEqual(len(lines), len(rows) + 2)
        self.assertLessEqual(max(map(cells, lines)), width)

    def test_for_a_program_nothing_is_cut_and_one_long_name_moves_its_own_row_alone(self) -> None:
        shown = table(self.HEADINGS, [("x" * 60, "1", "a"), ("漢", "2", "b")])
        heading, long, wide = shown.splitlines()
        self.assertEqual(long, "x" * 60 + "  1  a")
        self.assertEqual(cells(wide.partition("2")[0]), heading.index(" N ") + 1)
