"""What terminals send, as keys."""

from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.fakes import FakeClock
from vspc.apps.keyboard import (
    ESCAPE_PATIENCE,
    PASTE_PATIENCE,
    SEQUENCE_LIMIT,
    Key,
    Keyboard,
    Parser,
    Pressed,
)

SPELLINGS: dict[Key, tuple[bytes, ...]] = {
    Key.ENTER: (b"\r", b"\n", b"\r\n", b"\x1bOM"),
    Key.BACKSPACE: (b"\x7f", b"\x08"),
    Key.DELETE: (b"\x1b[3~", b"\x1b[3;5~"),
    Key.TAB: (b"\t",),
    Key.UP: (b"\x1b[A", b"\x1bOA", b"\x1b[1;5A", b"\x1bO5A", b"\x1b\x1b[A", b"\x1b\x1bOA"),
    Key.DOWN: (b"\x1b[B", b"\x1bOB", b"\x1b[1;2B"),
    Key.RIGHT: (b"\x1b[C", b"\x1bOC"),
    Key.LEFT: (b"\x1b[D", b"\x1bOD"),
    Key.HOME: (b"\x1b[H", b"\x1bOH", b"\x1b[1~", b"\x1b[7~", b"\x1b[1;5H"),
    Key.END: (b"\x1b[F", b"\x1bOF", b"\x1b[4~", b"\x1b[8~"),
    Key.PAGE_UP: (b"\x1b[5~", b"\x1b[5;2~"),
    Key.PAGE_DOWN: (b"\x1b[6~",),
    Key.CTRL_C: (b"\x03",),
    Key.CTRL_D: (b"\x04",),
    Key.CTRL_L: (b"\x0c",),
    Key.CTRL_N: (b"\x0e",),
    Key.CTRL_P: (b"\x10",),
    Key.CTRL_U: (b"\x15",),
    Key.CTRL_W: (b"\x17",),
}

PIECES = st.sampled_from(
    [
        *(spelling for spellings in SPELLINGS.values() for spelling in spellings),
        b"\x1b",
        b"\x1b[",
        b"\x1bO",
        b"\x1b]11;rgb:0/0/0\x07",
        b"\x1b[200~",
        b"\x1b[201~",
        b"\x1b[[A",
        "é漢🙂".encode(),
        b"\xc3",
        b"a",
        b" ",
    ]
)
TYPED = st.lists(PIECES | st.binary(max_size=5), max_size=30).map(b"".join)


def keys(data: bytes) -> list[Pressed]:
    return Parser().feed(data)


def text(data: bytes) -> str:
    """Of keys that are all text."""
    return "".join(str(key) for key in keys(data))


class ParserTests(SynchronousTestCase):
    def test_every_spelling_of_every_key(self) -> None:
        for key, spellings in SPELLINGS.items():
            for spelling in spellings:
                self.assertEqual(["x", key, "y"], keys(b"x" + spelling + b"y"), spelling)

    def test_text_is_utf_8(self) -> None:
        self.assertEqual("é漢🙂e\u0301 \\", text("é漢🙂e\u0301 \\".encode()))

    def test_what_is_not_utf_8_is_dropped(self) -> None:
        self.assertEqual("ab c", text(b"a\xc3b\xff\x80 \xf0\x9fc"))

    def test_invisible_characters_are_dropped_and_wide_spaces_are_spaces(self) -> None:
        self.assertEqual("a b c", text("a\u3000b\xa0\u202e\u200b\x9bc".encode()))

    def test_each_return_is_an_enter(self) -> None:
        self.assertEqual([Key.ENTER] * 3, keys(b"\r\r\n\n"))

    def test_the_keypad_in_application_mode_types_digits(self) -> None:
        self.assertEqual("10.0.2/8", text(b"\x1bOq\x1bOp\x1bOn\x1bOp\x1bOn\x1bOr\x1bOo\x1bOx"))

    def test_alt_with_a_letter_is_nothing(self) -> None:
        self.assertEqual("ab", text(b"a\x1bxb"))

    def test_escape_before_a_control_key_is_both(self) -> None:
        self.assertEqual([Key.ESCAPE, Key.CTRL_C], keys(b"\x1b\x03"))
        self.assertEqual([Key.ESCAPE, Key.ENTER], keys(b"\x1b\r"))

    def test_unknown_sequences_are_swallowed_whole(self) -> None:
        for sequence in (
            b"\x1b[15~",
            b"\x1b[?62;22c",
            b"\x1b[24;80R",
            b"\x1b[[A",
            b"\x1b[<0;1;1M",
            b"\x1b[?1A",
            b"\x1b[99999999999999999999~",
            b"\x1bOP",
            b"\x1b[" + b"1" * 10 * SEQUENCE_LIMIT + b"~",
        ):
            self.assertEqual(["x"], keys(sequence + b"x"), sequence)

    def test_late_answers_of_the_terminal_are_no_text(self) -> None:
        for sequence in (b"\x1b]11;rgb:0/0/0\x07", b"\x1b]11;rgb:0/0/0\x1b\\", b"\x1bP1$r0m\x1b\\"):
            self.assertEqual(["x"], keys(sequence + b"x"), sequence)

    def test_a_control_key_ends_a_sequence_that_was_begun(self) -> None:
        for begun in (b"\x1b[1;", b"\x1bO", b"\x1b]11;"):
            self.assertEqual([Key.CTRL_C], keys(begun + b"\x03"), begun)

    def test_a_paste_is_its_text_and_its_line_ends_are_spaces(self) -> None:
        self.assertEqual(
            "aweb01 é b", text("a\x1b[200~web01\n\x1b[A\x03\x7fé\tb\x1b[201~".encode())
        )
        self.assertEqual([Key.ENTER], keys(b"\x1b[200~\x1b[201~\r"))

    def test_a_paste_that_never_ends_is_over_after_silence(self) -> None:
        parser = Parser()
        self.assertEqual(["a"], parser.feed(b"\x1b[200~a\x03"))
        self.assertEqual(PASTE_PATIENCE, parser.patience)
        self.assertEqual([], parser.flush())
        self.assertEqual([Key.CTRL_C], parser.feed(b"\x03"))

    @settings(deadline=None)
    @given(TYPED, st.lists(st.integers(1, 7), max_size=40))
    @example(b"\x1b\x1b\x1b[A", [1, 1, 1, 1, 1])
    def test_any_chunking_gives_the_same_keys(self, data: bytes, sizes: list[int]) -> None:
        parser, found, at = Parser(), [], 0
        for size in [*sizes, len(data) + 1]:
            found += parser.feed(data[at : at + size])
            at += size
        self.assertEqual(keys(data), found)

    @settings(deadline=None)
    @given(TYPED)
    def test_any_bytes_give_keys_or_one_printable_character_and_end(self, data: bytes) -> None:
        parser = Parser()
        for key in [*parser.feed(data), *parser.flush()]:
            self.assertTrue(isinstance(key, Key) or (len(key) == 1 and key.isprintable()))
        self.assertIsNone(parser.patience)
        self.assertEqual(["x"], parser.feed(b"x"))


class KeyboardTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = FakeClock()
        self.late: list[Pressed] = []
        self.keyboard = Keyboard(self.clock, self.late.extend)

    def test_escape_alone_is_known_after_a_short_silence(self) -> None:
        self.assertEqual(["a"], self.keyboard.feed(b"a\x1b"))
        self.clock.advance(ESCAPE_PATIENCE - 0.001)
        self.assertEqual([], self.late)
        self.clock.advance(0.001)
        self.assertEqual([Key.ESCAPE], self.late)

    def test_escape_twice_is_two(self) -> None:
        self.keyboard.feed(b"\x1b\x1b")
        self.clock.advance(ESCAPE_PATIENCE)
        self.assertEqual([Key.ESCAPE] * 2, self.late)

    def test_an_arrow_key_in_two_packets_is_no_escape(self) -> None:
        self.assertEqual([], self.keyboard.feed(b"\x1b"))
        self.clock.advance(ESCAPE_PATIENCE / 2)
        self.assertEqual([Key.UP], self.keyboard.feed(b"[A"))
        self.clock.advance(60)
        self.assertEqual([], self.late)

    def test_a_sequence_that_never_ends_is_dropped(self) -> None:
        self.keyboard.feed(b"\x1b[1")
        self.clock.advance(ESCAPE_PATIENCE)
        self.assertEqual(["2", "~"], self.keyboard.feed(b"2~"))
        self.assertEqual([], self.late)

    def test_closed_it_waits_for_nothing(self) -> None:
        self.keyboard.feed(b"\x1b")
        self.keyboard.close()
        self.assertEqual([], self.clock.twisted.getDelayedCalls())
