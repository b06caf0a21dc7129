"""Standard error of programs, and what of it is logged."""

import base64
import shlex

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.auth.scripts import events_of
from tests.fakes import FakeClock
from vspc.auth.dialogue import encoded
from vspc.auth.programs import (
    ERROR_BYTES,
    LINE,
    LINES,
    MINUTE,
    WITHHELD,
    LineLimit,
    Secrets,
    StderrLog,
)
from vspc.common.text import SAFE_LIMIT


class Logged(SynchronousTestCase):
    def setUp(self) -> None:
        self.events = events_of(self)
        self.clock = FakeClock()
        self.line_limit = LineLimit(self.clock)
        self.stderr = self.run_of("/x")

    def run_of(self, program: str) -> StderrLog:
        return StderrLog(program, Secrets(), self.line_limit)

    def texts(self) -> list[str]:
        return [event["text"] for event in self.events if "text" in event]

    def test_lines_in_pieces_and_the_last_one_without_an_end(self) -> None:
        for data in (b"one\n\n  t", b"wo\r\nth", b"ree"):
            self.assertTrue(self.stderr.receive(data))
        self.assertEqual(self.texts(), ["one", "two"])
        self.stderr.finish()
        self.assertEqual(self.texts(), ["one", "two", "three"])
        self.assertEqual({event["program"] for event in self.events}, {"/x"})

    def test_nothing_moves_a_cursor(self) -> None:
        self.stderr.receive(b"\x1b[2Jx\xff\n")
        self.assertEqual(self.texts(), ["\\x1b[2Jx\\xff"])

    def test_what_is_too_long_is_cut_and_too_many_lines_are_counted(self) -> None:
        self.stderr.receive(b"x" * (10 * LINE))
        self.stderr.receive(b"\n" + b"y\n" * (LINES + 4))
        self.stderr.finish()
        self.assertEqual(len(self.texts()), LINES)
        self.assertLess(len(self.texts()[0]), SAFE_LIMIT + 20)
        self.clock.advance(60)
        self.assertEqual(self.events[-1]["lines"], 5)

    def test_many_runs_do_not_fill_our_log(self) -> None:
        for number in range(MINUTE + 50):
            self.run_of(f"/{number}").receive(b"wrong password\n")
        self.assertEqual(len(self.texts()), MINUTE)
        self.clock.advance(60)
        self.assertEqual(self.events[-1]["lines"], 50)
        self.run_of("/last").receive(b"wrong password\n")
        self.assertEqual(self.events[-1]["program"], "/last")
        self.clock.advance(600)
        self.assertEqual(self.events[-1]["program"], "/last")

    def test_too_much_of_it(self) -> None:
        self.assertTrue(self.stderr.receive(b"\n" * ERROR_BYTES))
        self.assertFalse(self.stderr.receive(b"\n"))


class Withheld(SynchronousTestCase):
    @given(st.binary(min_size=1, max_size=40), st.binary(max_size=20), st.binary(max_size=20))
    def test_an_answer_in_the_forms_of_common_programs(
        self, answer: bytes, before: bytes, after: bytes
    ) -> None:
        secrets = Secrets()
        secrets.add(answer, encoded(answer))
        text = answer.decode("utf-8", "surrogateescape")
        for form in (
            answer,
            encoded(answer),
            answer.hex().upper().encode(),
            base64.b64encode(answer),
            shlex.quote(text).encode("utf-8", "surrogateescape"),
            repr(text).encode("utf-8", "surrogateescape"),
        ):
            self.assertEqual(secrets.shown(before + form + after), WITHHELD)

    def test_before_anything_was_answered_all_is_shown(self) -> None:
        secrets = Secrets()
        secrets.add(b"", b"")
        self.assertEqual(secrets.shown(b"all"), "all")

    def test_a_line_too_long_to_be_kept_hides_nothing_that_is_shown(self) -> None:
        """The answer stands across the place where the line is cut."""
        secrets = Secrets()
        events = events_of(self)
        secrets.add(b"canary", b"canary")
        complaints = StderrLog("/x", secrets, LineLimit(FakeClock()))
        complaints.receive(b"." * (LINE - 3) + b"can")
        complaints.receive(b"ary\n")
        self.assertNotIn("can", events[-1]["text"])
