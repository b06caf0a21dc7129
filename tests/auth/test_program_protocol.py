"""The lines between us and an `auth_command`."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.auth.scripts import claimant
from vspc.auth.dialogue import GROUPS, QUESTIONS, ProgramDialogue, decoded, encoded
from vspc.console.authentication import ProofRefused, Proved, Question

LINES = [b"ask x\n", b"ok\n", b"no\n", b"%", b"\n", b"tell x\n", b"wait 9 x\n", b"group x\n"]

TEXTS = st.text(st.characters(codec="utf-8")) | st.sampled_from(["", "%", "%41", "a b", "\r", "\n"])


class Encoding(SynchronousTestCase):
    @given(st.binary())
    def test_any_bytes_come_back(self, data: bytes) -> None:
        self.assertEqual(decoded(encoded(data)), data)

    @given(st.binary() | TEXTS.map(str.encode))
    def test_it_is_one_line_of_text(self, data: bytes) -> None:
        line = encoded(data)
        self.assertEqual(len(line.decode("utf-8").splitlines()), min(len(line), 1))
        self.assertFalse(set(line) & set(range(32)))

    @given(TEXTS)
    def test_text_is_its_bytes(self, text: str) -> None:
        self.assertEqual(encoded(text), encoded(text.encode()))

    def test_what_people_read_stays_readable(self) -> None:
        self.assertEqual(encoded("Zoë 100%\n"), "Zoë 100%25%0A".encode())

    def test_a_percent_sign_without_digits(self) -> None:
        for text in (b"%", b"%4", b"100% sure", b"%0g"):
            with self.assertRaisesRegex(ValueError, "percent sign"):
                decoded(text)


class Dialogues(SynchronousTestCase):
    def setUp(self) -> None:
        self.dialogue = ProgramDialogue()

    def hear(self, data: bytes) -> list[Question | Proved | ProofRefused]:
        return list(self.dialogue.receive(data))

    def reason(self, data: bytes) -> str:
        [said] = ProgramDialogue().receive(data)
        assert isinstance(said, ProofRefused)
        return said.reason

    def test_the_opening(self) -> None:
        opening = self.dialogue.opening(claimant("eve\noperator root", "::1"))
        self.assertEqual(opening, b"version 1\noperator eve%0Aoperator root\naddress ::1\n")

    def test_lines_may_end_as_on_windows_and_come_in_pieces(self) -> None:
        self.assertEqual(self.hear(b"ask Pass"), [])
        self.assertEqual(self.hear(b"word:\r\n"), [Question("Password:")])
        self.assertEqual(self.dialogue.answer(b"x"), b"answer x\n")
        self.assertEqual(self.hear(b"o"), [])
        [verdict] = self.hear(b"k\n")
        self.assertIsInstance(verdict, Proved)

    def test_a_question_is_shown_as_safe_text(self) -> None:
        self.assertEqual(self.hear(b"ask \x1b[2J%1b[2J\n"), [Question("\\x1b[2J\\x1b[2J")])

    def test_only_a_question_is_answered_and_once(self) -> None:
        self.assertEqual(self.dialogue.answer(b"early"), b"")
        self.hear(b"ask\n")
        self.assertEqual(self.dialogue.answer(b""), b"answer \n")
        self.assertEqual(self.dialogue.answer(b"twice"), b"")

    def test_nothing_follows_a_verdict(self) -> None:
        self.assertEqual(len(self.hear(b"no\nok\nask\n")), 1)
        self.assertEqual(self.hear(b"ok\n"), [])
        self.assertEqual(self.dialogue.answer(b"x"), b"")

    def test_an_answer_is_not_repeated_in_a_reason(self) -> None:
        self.hear(b"ask\n")
        self.dialogue.answer(b"hunter2")
        [refused] = self.hear(b"no hunter2 is %77rong\n")
        self.assertNotIn("hunter2", str(refused))

    def test_what_is_only_shown_and_for_how_long(self) -> None:
        dialogue = ProgramDialogue(wait=400)
        heard = dialogue.receive(b"tell Hello\nwait 300 Open %1b[2J\nwait 300\nwait 5 late\nok\n")
        *shown, verdict = heard
        self.assertEqual(
            shown,
            [
                Question("Hello", is_asked=False),
                Question("Open \\x1b[2J", is_asked=False, seconds=300),
                Question("", is_asked=False, seconds=100),
                Question("late", is_asked=False, seconds=0),
            ],
        )
        self.assertIsInstance(verdict, Proved)
        self.assertEqual(dialogue.answer(b"x"), b"")

    def test_groups(self) -> None:
        [verdict] = self.hear(b"group leads\ngroup Net%20ops\ngroup leads\ngroup %0A\ngroup\nok\n")
        assert isinstance(verdict, Proved)
        self.assertEqual(verdict.proof.granted, {"leads", "Net ops"})
        lines = b"".join(b"group g%d\n" % number for number in range(GROUPS + 1))
        self.assertIn("over 500 groups", self.reason(lines))

    def test_what_is_refused(self) -> None:
        for text in (b"\n", b"OK\n", b"ok \n\n"[:3] + b"x\n", b"ask\0x\n", b" ok\n", b"okay\n"):
            self.assertIn("not in the protocol", self.reason(text))
        for text in (b"wait\n", b"wait x\n", b"wait -1\n", b"wait 1e3\n", b"wait 999999\n"):
            self.assertIn("number of seconds", self.reason(text))
        self.assertIn("64 KiB", self.reason(b"x" * 65537))

    @given(st.lists(st.binary() | st.sampled_from(LINES)))
    def test_whatever_is_said_there_is_at_most_one_verdict_and_no_exception(
        self, pieces: list[bytes]
    ) -> None:
        dialogue = ProgramDialogue()
        said = [one for piece in pieces for one in dialogue.receive(piece)]
        verdicts = [one for one in said if not isinstance(one, Question)]
        self.assertEqual(said[: -len(verdicts) or None], said[: len(said) - len(verdicts)])
        self.assertLessEqual(len(verdicts), 1)
        self.assertEqual(bool(verdicts), dialogue.is_over)
        if verdicts:
            self.assertIs(said[-1], verdicts[0])
        self.assertLessEqual(len(said), QUESTIONS + 1)

    @given(st.lists(st.binary(max_size=20)), st.data())
    def test_how_it_is_cut_does_not_matter(self, lines: list[bytes], data: st.DataObject) -> None:
        text = b"\n".join(lines)
        cut = data.draw(st.integers(0, len(text)))
        whole, cut_up = ProgramDialogue(), ProgramDialogue()
        once = list(whole.receive(text))
        twice = [*cut_up.receive(text[:cut]), *cut_up.receive(text[cut:])]
        self.assertEqual(once, twice)
