"""Law 6: nothing from outside moves a cursor, adds a line or makes a terminal answer."""

import re

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.common.text import (
    SAFE_LIMIT,
    SafeOutputStream,
    ensure_safe,
    safe,
    safe_once,
    safe_output,
)


class Words(SynchronousTestCase):
    def test_plain_words_stay(self) -> None:
        for word in ("web01", "büro 東京", "a=b \"c\" 'd'", ""):
            self.assertEqual(safe(word), word)

    def test_what_is_shown_instead(self) -> None:
        self.assertEqual(safe(b"a\nb\x1b[2J\xff\\"), "a\\x0ab\\x1b[2J\\xff\\\\")
        self.assertEqual(safe("\u202e\u2028\ufeff"), "\\u202e\\u2028\\ufeff")

    def test_what_is_cut_is_counted(self) -> None:
        self.assertEqual(safe("x" * 300, 10), "x" * 10 + "...(+290)")

    @given(st.one_of(st.text(max_size=400), st.binary(max_size=400)))
    def test_always_one_bounded_printable_line(self, word: str | bytes) -> None:
        shown = safe(word)
        self.assertTrue(shown.isprintable() or all(c.isprintable() or c.isspace() for c in shown))
        self.assertEqual(len(shown.splitlines()), 1 if shown else 0)
        self.assertLess(len(shown), SAFE_LIMIT * 10 + 20)

    @given(st.text(max_size=50), st.text(max_size=50))
    def test_different_words_look_different(self, one: str, other: str) -> None:
        self.assertEqual(safe(one) == safe(other), one == other)


class Output(SynchronousTestCase):
    def test_text_and_colours_stay(self) -> None:
        text = b"\x1b[1;31mred\x1b[m\ttab\r\nback\x08 \xc3\xbc"
        self.assertEqual(safe_output(text), text)

    def test_whole_sequences_go(self) -> None:
        for sequence in (
            b"\x1b[6n",
            b"\x1b[?1049h",
            b"\x1b]0;title\x07",
            b"\x1b]52;c;Zm9v\x1b\\",
            b"\x1bP+q544e\x1b\\",
            b"\x1b_x\x1b\\",
            b"\x1b(0",
            b"\x1bc",
            b"\x05",
            b"\x07",
            b"\xc2\x9b6n",
            b"\x1b[" + b"1;" * 100 + b"m",
        ):
            shown = safe_output(b"a" + sequence + b"b")
            self.assertNotIn(b"\x1b", shown, sequence)
            self.assertTrue(shown.startswith(b"a"))
            self.assertTrue(shown.endswith(b"b"), shown)

    @given(st.binary(max_size=300))
    def test_nothing_but_text_and_colours_is_left(self, data: bytes) -> None:
        shown = safe_output(data)
        shown.decode("utf-8")
        rest = re.sub(rb"\x1b\[[0-9;:]*m", b"", shown)
        self.assertNotRegex(rest, rb"[\x00-\x07\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]")
        self.assertEqual(safe_output(shown), shown)

    def test_what_is_safe_already_is_not_escaped_again(self) -> None:
        for text in ("web01", "a\x1b[2J", "back\\slash", "x" * 500, "漢字"):
            once = safe(text)
            self.assertEqual(ensure_safe(once), once)
        self.assertEqual(ensure_safe("a\x1b\\x07"), "a\\x1b\\x07")

    @given(st.text(max_size=50))
    @example("\U0002ebe1" * 50)
    @example("\x1f" * SAFE_LIMIT)
    @example("\x1f" * (SAFE_LIMIT + 1))
    @example("a" * (2 * SAFE_LIMIT))
    def test_once_or_twice_is_the_same_and_ends_in_no_open_escape(self, text: str) -> None:
        once = safe_once(text)
        self.assertEqual(safe_once(once), once)
        self.assertEqual(safe_once(safe(text)), safe(text))
        self.assertEqual((len(once) - len(once.rstrip("\\"))) % 2, 0, once)


PIECES = st.sampled_from(
    (
        *(b"\x1b", b"[", b"31", b"m", b"]", b"0;x", b"\x07", b"\\", b"(", b"B", b"P", b"\n"),
        *("é".encode()[:1], "é".encode()[1:], b"\xc2", b"\x9b", b"\xe2\x80", b"\xae", b"text"),
    )
)


class InPieces(SynchronousTestCase):
    """`SafeOutputStream`."""

    @given(st.lists(st.one_of(PIECES, st.binary(max_size=3)), max_size=30))
    def test_it_is_what_it_would_be_as_a_whole(self, pieces: list[bytes]) -> None:
        stream = SafeOutputStream()
        shown = b"".join([*map(stream.feed, pieces), stream.end()])
        self.assertEqual(shown, safe_output(b"".join(pieces)))

    def test_what_is_held_back_is_bounded(self) -> None:
        stream = SafeOutputStream()
        for _ in range(100):
            stream.feed(b"\x1b]" + b"x" * 1000)
            stream.feed(b"y" * 1000)
            self.assertLessEqual(len(stream._held), stream.LONGEST)
        self.assertEqual(stream.feed(b"\x07 end"), b" end")
