"""What was typed is recorded only if it came back."""

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.console.echo import LIMIT, WINDOW, Echo, Recorded, typed_text


class Desk:
    """An operator and a VM, and a clock; `record` is all that was recorded."""

    def __init__(self) -> None:
        self.echo = Echo()
        self.now = 100.0
        self.record: list[Recorded] = []

    def type(self, data: bytes) -> None:
        self.echo.typed(data, self.now)
        self.look()

    def say(self, data: bytes) -> None:
        self.echo.output(data, self.now)
        self.look()

    def look(self) -> None:
        self.record += self.echo.due(self.now)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.look()

    def converse(self, data: bytes, said: bytes | None = None) -> None:
        """Type `data`; the VM says the same, or `said`."""
        self.type(data)
        self.wait(0.05)
        self.say(data if said is None else said)

    def login(self, said: bytes) -> None:
        """Ask for something."""
        self.wait(2 * WINDOW)
        self.say(said)

    @property
    def texts(self) -> list[bytes]:
        return [recorded.text for recorded in self.record if recorded.text is not None]

    @property
    def hidden(self) -> int:
        return sum(recorded.hidden for recorded in self.record)


class Case(SynchronousTestCase):
    """With a desk."""

    def setUp(self) -> None:
        self.desk = Desk()

    def says(self, *expected: bytes | int) -> None:
        """The record is `expected`: texts, and numbers of hidden bytes."""
        said = [r.hidden if r.text is None else r.text for r in self.desk.record]
        self.assertEqual(said, list(expected))


class Commands(Case):
    """What is echoed is text."""

    def test_a_command_typed_key_by_key(self) -> None:
        self.desk.say(b"$ ")
        for key in b"ls -l":
            self.desk.converse(bytes([key]))
            self.desk.wait(1.0)
        self.says()  # not before its line is whole: the rest might be a secret
        self.desk.converse(b"\r", b"\r\ntotal 0\r\n$ ")
        self.says(b"ls -l\r")

    def test_a_command_that_is_pasted_and_echoed_at_once(self) -> None:
        self.desk.converse(b"ls -l\r", b"ls -l\r\ntotal 0\r\n")
        self.says(b"ls -l\r")

    def test_keys_that_are_ahead_of_their_echo(self) -> None:
        self.desk.type(b"l")
        self.desk.type(b"s")
        self.desk.say(b"l")
        self.desk.type(b"\r")
        self.desk.say(b"s\r")
        self.desk.say(b"\n")
        self.says(b"ls\r")

    def test_two_lines_at_once_that_the_kernel_echoes(self) -> None:
        self.desk.converse(b"cd /\rpwd\r", b"cd /\r\npwd\r\n")
        self.says(b"cd /\r", b"pwd\r")

    def test_line_ends_come_back_in_each_way(self) -> None:
        for typed in (b"a\r", b"a\n"):
            for said in (b"a\r\n", b"a\n", b"a\r"):
                desk = Desk()
                desk.converse(typed, said)
                self.assertEqual(desk.texts, [typed], said)

    def test_output_while_no_echo_is_awaited(self) -> None:
        self.desk.converse(b"l")
        self.desk.say(b"[  12.3] eth0 is up\r\n")
        self.desk.converse(b"s")
        self.desk.converse(b"\r", b"\r\n")
        self.says(b"ls\r")

    def test_rubbing_out(self) -> None:
        for rubbed in (b"\b \b", b"\b\x1b[K"):
            desk = Desk()
            desk.converse(b"lx")
            desk.converse(b"\x7f", rubbed)
            desk.converse(b"s\r", b"s\r\n")
            self.assertEqual(desk.texts, [b"lx\x7fs\r"])

    def test_an_interrupt_ends_a_line(self) -> None:
        self.desk.converse(b"sleep 9\x03", b"sleep 9^C")
        self.says(b"sleep 9\x03")

    def test_an_interrupt_at_a_prompt_for_a_secret(self) -> None:
        self.desk.converse(b"secr\x03", b"^C\r\n$ ")
        self.desk.wait(WINDOW)
        self.desk.converse(b"ls\r", b"ls\r\n")
        self.says(5, b"ls\r")

    def test_an_editor_that_wraps_a_long_line(self) -> None:
        self.desk.converse(b"0123456789\r", b"01234 \r56789\r\n")
        self.says(b"0123456789\r")

    def test_letters_of_several_bytes(self) -> None:
        typed = "zażółć\r".encode()
        self.desk.type(typed[:3])
        self.desk.type(typed[3:])
        self.desk.say(typed[:4])
        self.desk.say(typed[4:] + b"\n")
        self.says(typed)


class Secrets(Case):
    """What is not echoed is a number."""

    def test_a_password_at_login(self) -> None:
        self.desk.login(b"web01 login: ")
        self.desk.converse(b"root\r", b"root\r\n")
        self.desk.login(b"Password: ")
        self.desk.type(b"secret\r")
        self.desk.wait(0.1)
        self.desk.say(b"\r\nLast login: never\r\n# ")
        self.desk.converse(b"id\r", b"id\r\nuid=0(root)\r\n# ")
        self.says(b"root\r", 7, b"id\r")

    def test_a_password_typed_slowly_is_one_number(self) -> None:
        for key in b"secret":
            self.desk.type(bytes([key]))
            self.desk.wait(0.3)
        self.desk.type(b"\r")
        self.desk.say(b"\r\n# ")
        self.says(7)

    def test_a_password_given_up_in_the_middle(self) -> None:
        self.desk.type(b"sec")
        self.desk.wait(WINDOW)
        self.says()
        self.desk.wait(WINDOW)
        self.says(3)

    def test_an_echo_that_is_late(self) -> None:
        self.desk.type(b"ls\r")
        self.desk.now += WINDOW
        self.desk.say(b"ls\r\n")
        self.says(3)

    def test_the_letters_scattered_in_other_output(self) -> None:
        for key in b"secret":
            self.desk.type(bytes([key]))
            for byte in b"these are letters, scattered: secret":
                self.desk.say(bytes([byte]))
        self.desk.converse(b"\r", b"\r\n")
        self.assertEqual((self.desk.texts, self.desk.hidden), ([], 7))

    def test_output_that_happens_to_begin_with_the_first_letters(self) -> None:
        for key in b"secret\r":
            self.desk.type(bytes([key]))
            self.desk.say(b"sec" if key in b"s" else b"kernel: ")
        self.says(7)

    def test_stars(self) -> None:
        for key in b"se*ret":
            self.desk.converse(bytes([key]), b"*")
        self.desk.converse(b"\r", b"\r\n")
        self.assertEqual((self.desk.texts, self.desk.hidden), ([], 7))

    def test_a_program_that_stops_echoing_in_the_middle_of_a_line(self) -> None:
        self.desk.converse(b"pass")
        self.desk.wait(10.0)
        self.desk.type(b"word\r")
        self.desk.wait(WINDOW)
        self.says(9)

    def test_what_is_held_when_the_pen_is_laid_down(self) -> None:
        self.desk.converse(b"unfinished")
        self.desk.type(b" line")
        self.desk.record += self.desk.echo.close()
        self.says(15)
        self.assertIsNone(self.desk.echo.deadline)

    def test_a_program_that_takes_keys_without_lines(self) -> None:
        for _ in range(3):
            self.desk.converse(b"j", b"\x1b[2;1Hsecond line")
        self.desk.wait(WINDOW)
        self.says(3)


class Bounds(Case):
    """Whatever is typed."""

    def test_more_than_the_limit_is_hidden(self) -> None:
        self.desk.type(b"x" * LIMIT)
        self.says()
        self.desk.type(b"y")
        self.desk.say(b"x" * LIMIT + b"y")
        self.desk.type(b"\r")
        self.says(LIMIT + 2)

    def test_a_line_that_is_too_long_although_it_is_echoed(self) -> None:
        for _ in range(LIMIT + 10):
            self.desk.converse(b"x")
        self.desk.converse(b"\r", b"\r\n")
        self.assertEqual((self.desk.texts, self.desk.hidden), ([], LIMIT + 11))
        self.desk.converse(b"ls\r", b"ls\r\n")
        self.assertEqual(self.desk.texts, [b"ls\r"])

    def test_a_line_of_the_limit(self) -> None:
        line = b"x" * (LIMIT - 1) + b"\r"
        self.desk.converse(line, line + b"\n")
        self.says(line)

    def test_results_that_are_not_fetched(self) -> None:
        for _ in range(LIMIT):
            self.desk.echo.typed(b"ls\r", 1.0)
            self.desk.echo.output(b"ls\r\n", 1.0)
        self.desk.look()
        self.assertEqual(len(self.desk.texts), LIMIT // 3)
        self.assertEqual(self.desk.hidden, 3 * LIMIT - len(self.desk.texts) * 3)

    def test_when_to_look(self) -> None:
        self.assertIsNone(self.desk.echo.deadline)
        self.desk.type(b"a")
        self.desk.wait(0.1)
        self.desk.type(b"b")
        self.assertEqual(self.desk.echo.deadline, 100.0 + WINDOW)
        self.desk.now = 100.0 + WINDOW
        self.desk.look()
        self.assertEqual(self.desk.echo.deadline, self.desk.now + WINDOW)
        self.desk.now += WINDOW
        self.desk.look()
        self.assertIsNone(self.desk.echo.deadline)
        self.says(2)


class Words(SynchronousTestCase):
    """How a marker says it."""

    def test_text_and_number(self) -> None:
        self.assertEqual(Recorded(b"ls\r").words, "typed: ls\\x0d")
        self.assertEqual(Recorded(None, 7).words, "bytes that were not echoed: 7")
        self.assertEqual(typed_text("typed: ls\\x0d"), "ls\r")
        self.assertIsNone(typed_text("bytes that were not echoed: 7"))

    def test_bytes_that_are_no_text(self) -> None:
        self.assertEqual(typed_text(Recorded(b"\x9b\\x41\r").words), "\ufffd\\x41\r")

    def test_marker_texts_from_elsewhere(self) -> None:
        for words in ("typed: \\xzz", "typed: \\Uffffffff", "typed: \\ud800", "typed: \\q\\"):
            text = typed_text(words)
            self.assertIsNotNone(text)
            text.encode()  # type: ignore[union-attr]

    @settings(deadline=None)
    @given(st.text(st.characters(codec="utf-8").filter(lambda c: not 0x80 <= ord(c) < 0x100)))
    def test_what_was_typed_is_read_back(self, text: str) -> None:
        self.assertEqual(typed_text(Recorded(text.encode()).words), text)


LETTERS = st.sampled_from(
    [b"a", b"b", b"s", b"e", b" ", b"\r", b"\n", b"\x7f", b"\b", b"^", b"\x03"]
)
PIECES = st.lists(LETTERS, max_size=6).map(b"".join)
VISIBLE = st.binary(max_size=20).map(lambda data: bytes(33 + byte % 90 for byte in data))
STEPS = st.lists(
    st.tuples(st.sampled_from(["type", "say"]), PIECES) | st.tuples(st.just("echo"), PIECES),
    max_size=40,
)


class Always(SynchronousTestCase):
    """Whatever they do."""

    @settings(deadline=None, max_examples=150)
    @given(STEPS, st.lists(st.floats(0.0, 0.6), min_size=40, max_size=40))
    def test_every_byte_is_accounted_for_in_order(
        self, steps: list[tuple[str, bytes]], times: list[float]
    ) -> None:
        desk, typed = Desk(), b""
        for (step, data), seconds in zip(steps, times, strict=False):
            if step != "say":
                desk.type(data)
                typed += data
            if step != "type":
                desk.say(data)
            desk.wait(seconds)
        desk.record += desk.echo.close()
        at = 0
        for recorded in desk.record:
            length = recorded.hidden if recorded.text is None else len(recorded.text)
            if recorded.text is not None:
                self.assertEqual(recorded.text, typed[at : at + length])
            self.assertGreater(length, 0)
            at += length
        self.assertEqual(at, len(typed))

    @settings(deadline=None)
    @given(
        st.text("abcdefgh", min_size=1).map(str.encode),
        st.lists(st.text("ijklmn$ \n", min_size=1).map(str.encode)),
        st.integers(0, 50),
    )
    def test_a_secret_that_is_not_echoed_never_appears(
        self, secret: bytes, others: list[bytes], at: int
    ) -> None:
        desk = Desk()
        chunks = [*others[:at], b"", *others[at:]]
        for index, key in enumerate([*secret, 13]):
            desk.type(bytes([key]))
            desk.say(chunks[index % len(chunks)])
            desk.wait(0.2)
        desk.record += desk.echo.close()
        for text in desk.texts:
            self.assertEqual(text, b"\r")

    @settings(deadline=None, max_examples=150)
    @given(
        st.text("abc", min_size=2, max_size=6).map(str.encode), st.lists(st.text("abc", max_size=5))
    )
    def test_a_pasted_secret_that_no_output_holds_never_appears(
        self, secret: bytes, others: list[str]
    ) -> None:
        output = [text.encode() for text in others]
        assume(secret not in b"".join(output))
        desk = Desk()
        desk.type(secret)
        for chunk in output:
            desk.say(chunk)
        desk.type(b"\r")
        desk.say(b"\r\n")
        desk.record += desk.echo.close()
        for text in desk.texts:
            self.assertEqual(text, b"\r")

    @settings(deadline=None, max_examples=150)
    @given(
        st.lists(
            st.binary(min_size=0, max_size=20).map(
                _visible := lambda b: bytes(33 + x % 90 for x in b)
            )
        ),
        st.data(),
    )
    def test_what_is_echoed_appears(self, lines: list[bytes], data: st.DataObject) -> None:
        desk = Desk()
        for line in lines:
            desk.login(b"\r\n$ ")
            rest = line + b"\r"
            while rest:
                size = data.draw(st.integers(1, len(rest)))
                part, rest = rest[:size], rest[size:]
                self._echo(desk, part, data.draw(st.integers(1, size)))
        self.assertEqual(desk.texts, [line + b"\r" for line in lines])
        self.assertEqual(desk.hidden, 0)

    def _echo(self, desk: Desk, part: bytes, size: int) -> None:
        desk.type(part)
        said = part.replace(b"\r", b"\r\n")
        for at in range(0, len(said), size):
            desk.wait(0.01)
            desk.say(said[at : at + size])
