"""Searching in pieces finds what a search of the whole would have found."""

import random
import time
from typing import Any

import re2
from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.apps.verbs.kinds import UsageError
from vspc.apps.verbs.stream_search import (
    WINDOW,
    Match,
    SearchPattern,
    StreamSearch,
    compiled,
    reach,
)

LETTERS = st.sampled_from([b"a", b"b", b"\n", b"\r\n", b" ", b"x", "\u00e9".encode(), b"\xc3"])
ATOMS = st.sampled_from(
    ["a", "b", "ab", "x", ".", "[^a]", "\\n", "\\b", "\\B", "^", "$", "\\A", "\\s", "\u00e9", "(a)"]
)
PATTERNS = st.lists(
    st.tuples(ATOMS, st.sampled_from(["", "", "", "*", "+", "?", "{2}", "*?"])),
    min_size=1,
    max_size=5,
).map(lambda parts: "".join(atom + often for atom, often in parts))


def patterns_of(*patterns: str) -> tuple[SearchPattern, ...]:
    return tuple(SearchPattern.of("REGEX", pattern) for pattern in patterns)


def search_pieces(search: StreamSearch, pieces: list[bytes], start: int = 0) -> Match | None:
    """What is found when each piece is searched as it comes."""
    at = start
    for piece in pieces:
        for begin in range(0, len(piece), search.window // 4):
            part = piece[begin : begin + search.window // 4]
            search.feed(at, part)
            at += len(part)
            found = search.look().search()
            if found is not None:
                return found
            search.missed()
    return None


class InPieces(SynchronousTestCase):
    @settings(max_examples=400, deadline=None)
    @given(
        pattern=PATTERNS,
        pieces=st.lists(st.lists(LETTERS, min_size=1).map(b"".join), min_size=1, max_size=6),
    )
    @example("a\\B", [b"a", b"b"])
    @example("\\Ab", [b"a", b"b"])
    @example("^ab", [b"x\na", b"b"])
    @example("\\bb", [b"a", b"b"])
    def test_as_if_all_output_were_searched_each_time(
        self, pattern: str, pieces: list[bytes]
    ) -> None:
        try:
            wanted = patterns_of(pattern)
        except UsageError:
            return
        found = search_pieces(StreamSearch(wanted), pieces, 1000)
        whole = b""
        for piece in pieces:
            whole += piece
            expected = wanted[0].pattern.search(whole)
            if expected is not None:
                self.assertIsNotNone(found)
                assert found is not None
                self.assertEqual(found.offset, 1000 + expected.start())
                self.assertEqual(found.text, expected.group())
                self.assertEqual(found.groups, expected.groups())
                return
        self.assertIsNone(found)

    @settings(max_examples=30, deadline=None)
    @given(
        before=st.integers(min_value=0, max_value=3 * WINDOW),
        cuts=st.lists(st.integers(min_value=1, max_value=WINDOW), max_size=20),
        length=st.sampled_from([1, 10, 1000, WINDOW // 2, WINDOW * 3 // 4 - 10]),
        repeats=st.booleans(),
    )
    def test_behind_any_amount_of_text_a_match_up_to_three_quarters_of_the_window(
        self, before: int, cuts: list[int], length: int, repeats: bool
    ) -> None:
        needle = b"<" + b"n" * length + b">"
        text = b"x\r\n" * (before // 3) + needle + b"tail"
        pattern = "<n+>" if repeats or length > 10 else "<" + "n" * length + ">"
        pieces, at = [], 0
        for cut in [*cuts, len(text)]:
            pieces.append(text[at : at + cut])
            at += cut
        found = search_pieces(StreamSearch(patterns_of(pattern)), pieces)
        assert found is not None
        self.assertEqual((found.offset, found.text), (before // 3 * 3, needle))

    def test_what_was_forgotten_is_no_beginning_of_text_or_line(self) -> None:
        for pattern in ("\\Ay+", "^y+", "\\by+"):
            for text in (b"ny" * WINDOW, b"nny" * WINDOW):
                self.assertIsNone(
                    search_pieces(StreamSearch(patterns_of(pattern)), [text]), pattern
                )

    def test_no_more_than_the_window_is_kept_or_searched(self) -> None:
        search = StreamSearch(patterns_of("q+"))
        most = 0
        for number in range(40):
            search.feed(number * 50_000, b"a" * 50_000)
            look = search.look()
            most = max(most, len(look.text))
            self.assertIsNone(look.search())
            search.missed()
        self.assertLessEqual(most, WINDOW + 1)

    def test_a_gap_is_no_place_for_a_match(self) -> None:
        search = StreamSearch(patterns_of("ab"))
        self.assertIsNone(search_pieces(search, [b"a"]))
        self.assertIsNone(search_pieces(search, [b"b"], 2))
        found = search_pieces(search, [b"ab"], 3)
        assert found is not None
        self.assertEqual(found.offset, 3)

    def test_of_two_patterns_the_one_that_ends_first(self) -> None:
        for text, which in ((b"panic login:", 0), (b"login: panic", 1)):
            found = search_pieces(StreamSearch(patterns_of("panic", "login:")), [text])
            assert found is not None
            self.assertEqual(found.which, which)
        found = search_pieces(
            StreamSearch(patterns_of("panic", "(?s)boot.*login:")), [b"boot panic login:"]
        )
        assert found is not None
        self.assertEqual(found.which, 0)

    def test_output_during_a_search(self) -> None:
        search = StreamSearch(patterns_of("needle"))
        search.feed(0, b"hay nee")
        look = search.look()
        search.feed(7, b"dle")
        self.assertIsNone(look.search())
        search.missed()
        self.assertTrue(search.due)
        found = search.look().search()
        assert found is not None
        self.assertEqual(found.offset, 4)


class Patterns(SynchronousTestCase):
    def test_how_long_a_match_may_be(self) -> None:
        self.assertEqual(reach("login:"), 24)
        for pattern in ("a*", "a+", "a{3}"):
            self.assertEqual(reach(pattern), WINDOW)

    @settings(max_examples=200, deadline=None)
    @given(PATTERNS, st.lists(LETTERS).map(b"".join))
    def test_no_match_is_longer(self, pattern: str, text: bytes) -> None:
        try:
            (each,) = patterns_of(pattern)
        except UsageError:
            return
        found = each.pattern.search(text)
        if found is not None:
            self.assertLessEqual(len(found.group()), each.reach)

    def test_an_error_has_its_position(self) -> None:
        with self.assertRaises(UsageError) as caught:
            SearchPattern.of("REGEX", "login: (?=x)")
        said = str(caught.exception)
        self.assertIn("REGEX", said)
        self.assertIn("invalid perl operator: (?=", said)
        self.assertIn("at character 8", said)
        self.assertNotIn("(?m)", said)
        self.assertRaises(UsageError, SearchPattern.of, "REGEX", "\udcff")

    def test_a_pattern_that_is_too_large(self) -> None:
        with self.assertRaises(UsageError) as caught:
            SearchPattern.of("--fail", "(.{30}){30}")
        self.assertIn("--fail is too large", str(caught.exception))

    def test_what_is_too_large_is_found_out_with_little_memory_and_time(self) -> None:
        given: list[int] = []
        compile_it = re2.compile

        def watched(pattern: bytes, options: Any) -> Any:
            given.append(options.max_mem)
            return compile_it(pattern, options)

        self.patch(re2, "compile", watched)
        for pattern in (r"\pL" * 333, "(.{30}){30}", "x{1000}" * 5):
            with self.assertRaisesRegex(UsageError, "--fail is too large: at most 4096"):
                compiled("--fail", pattern)
        self.assertLessEqual(max(given), 512 * 1024)

    def test_a_large_one_has_a_smaller_window(self) -> None:
        small, large = (
            StreamSearch(patterns_of("login: $")),
            StreamSearch(patterns_of("(?s)a.{500}q")),
        )
        self.assertEqual(small.window, WINDOW)
        self.assertLess(large.window, WINDOW // 2)
        self.assertGreaterEqual(large.window, WINDOW // 4)

    def test_literals_are_not_searched_again(self) -> None:
        """Work in proportion to what is said: a byte at a time costs no whole window each."""
        search = StreamSearch(patterns_of("login:"))
        searched = 0
        for at in range(5000):
            search.feed(at, b"a")
            look = search.look()
            searched += look.length
            self.assertIsNone(look.search())
            search.missed()
        self.assertLess(searched, 5000 * 30)


def measure() -> None:
    """What a search costs at worst; by hand: python -m tests.apps.test_stream_search."""
    chosen = random.Random(1)
    texts = [bytes(chosen.choices(letters, k=WINDOW)) for letters in (b"a", b"ab", b"abcdef \n")]
    for pattern in ("login:", "(?i)panic|oops", "[^z]*z", "(?s)a.{580}q", "(a?){240}a{240}q"):
        search = StreamSearch(patterns_of(pattern))
        worst = 0.0
        for text in texts:
            began = time.perf_counter()
            re2.compile(search.look().patterns[0]).search(text[: search.window])
            worst = max(worst, time.perf_counter() - began)
        print(f"{pattern:20} {search.window // 1024:4} KiB {1000 * worst:8.2f} ms")


if __name__ == "__main__":
    measure()
