"""What a terminal sends by itself is told from what is typed."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.console.answers import (
    KEY_PATIENCE,
    PASTE_LIMIT,
    PATIENCE,
    SEQUENCE_LIMIT,
    STRING_LIMIT,
    AnswerPiece,
    Answers,
)

ANSWERS = (
    *(b"\x1b[24;80R", b"\x1b[1;80R", b"\x1b[?3;4;1R", b"\x1b[2;2R"),  # where the cursor is
    *(b"\x1b[?62;22c", b"\x1b[>41;354;0c", b"\x1b[?6c", b"\x1b[=0c", b"\x1b[6c"),  # what it is
    *(b"\x1b[0n", b"\x1b[3n", b"\x1b[?13n", b"\x1b[?997;1n"),  # how it is
    *(b"\x1b[8;24;80t", b"\x1b[4;600;800t", b"\x1b[3;0;0t", b"\x1b[48;24;80;600;800t"),
    *(b"\x1b[?2004;1$y", b"\x1b[4;2$y", b"\x1b[2;1;1;112;112;1;0x", b"\x1b[?1;0u", b"\x1b[1;3&w"),
    *(b"\x1b[I", b"\x1b[O"),  # the focus
    *(b"\x1b[<0;12;40M", b"\x1b[<0;12;40m", b"\x1b[32;12;40M", b"\x1b[M !!", b"\x1b[M\x80\xff\x1b"),
    *(b"\x1b]11;rgb:0000/0000/0000\x07", b"\x1b]4;1;rgb:ff/00/00\x1b\\", b"\x1b]lweb1\x1b\\"),
    *(b"\x1b]52;c;aGFsbG8=\x07", b"\x1bP1$r0m\x1b\\", b"\x1bP>|foot(1.16)\x1b\\"),
    *(b"\x1bP!|00000000\x1b\\", b"\x1b_Gi=31;OK\x1b\\"),
)

KEYS = (
    *(b"a", b"reboot\r", b"\x1b[A", b"\x1bOA", b"\x1b[1;5A", b"\x1b[3~", b"\x1b[15;2~", b"\x1bOR"),
    *(b"\x1b[1;2R", b"\x1b[1;5R", b"\x1b[1;16R", b"\x1b[R", b"\x1b[c", b"\x1b[Z", b"\x1b[[A"),
    *(b"\x1bx", b"\x1b\x1b[A", b"\x1b\r", b"\x1b[97;5u", b"\x1b[27;5;9~", b"\x1b\x7f", b"\x1b]x"),
    *(b"\x1bPat\r", b"\x1b]5\r", b"\xc3\xa4", b"\x05c.", b"\x1b[17;28;13;1;0;1_", b"\x1b[23^"),
    *(b"\x1b[200~a\x1b[24;80R\x1b[I\x1b]11;x\x07b\x1b[201~", b"\x1b[201~"),
)


def never() -> bool:
    return False


def told(*packets: bytes, asked: bool = False, utf8: bool = False) -> list[AnswerPiece]:
    """The pieces of `packets`, those that were typed joined, what is kept back among them."""
    answers = Answers(lambda: asked, lambda: utf8)
    found = [piece for packet in packets for piece in answers.feed(packet)]
    if answers.kept_back:
        found.append(AnswerPiece(answers.flush(), False))
    joined: list[AnswerPiece] = []
    for piece in found:
        if joined and not piece.is_answer and not joined[-1].is_answer:
            joined[-1] = AnswerPiece(joined[-1].data + piece.data, False)
        else:
            joined.append(AnswerPiece(piece.data, piece.is_answer))
    return joined


class Separated(SynchronousTestCase):
    def test_answers(self) -> None:
        for answer in ANSWERS:
            self.assertEqual(told(answer), [AnswerPiece(answer, True)], answer)

    def test_keys(self) -> None:
        for key in KEYS:
            self.assertEqual(told(key), [AnswerPiece(key, False)], key)

    def test_answers_among_keys_stay_in_order(self) -> None:
        self.assertEqual(
            told(b"ls\x1b[24;80Rx\x1b[I\x1b[O\r"),
            [
                AnswerPiece(b"ls", False),
                AnswerPiece(b"\x1b[24;80R", True),
                AnswerPiece(b"x", False),
                AnswerPiece(b"\x1b[I", True),
                AnswerPiece(b"\x1b[O", True),
                AnswerPiece(b"\r", False),
            ],
        )

    def test_a_function_key_that_looks_like_a_position_is_one_if_that_was_asked_for(self) -> None:
        for asked in (False, True):
            self.assertEqual(told(b"\x1b[1;5R", asked=asked), [AnswerPiece(b"\x1b[1;5R", asked)])

    def test_each_question_has_one_answer(self) -> None:
        left = [True]
        answers = Answers(lambda: bool(left and left.pop()))
        found = answers.feed(b"\x1b[1;5R\x1b[1;5R")
        self.assertEqual([piece.is_answer for piece in found], [True, False])

    def test_the_mouse_in_utf8(self) -> None:
        report = b"\x1b[M \xc3\xa4\xc4\x80"
        self.assertEqual(told(report, utf8=True), [AnswerPiece(report, True)])
        self.assertEqual(told(*map(bytes, zip(report)), utf8=True), [AnswerPiece(report, True)])

    def test_a_function_key_that_begins_like_the_mouse_is_typed_when_nothing_follows(self) -> None:
        self.assertEqual(told(b"\x1b[M"), [AnswerPiece(b"\x1b[M", False)])


class Packets(SynchronousTestCase):
    def test_an_answer_is_one_wherever_it_is_cut(self) -> None:
        for answer in ANSWERS:
            for cut in range(len(answer)):
                self.assertEqual(told(answer[:cut], answer[cut:]), [AnswerPiece(answer, True)], cut)

    @settings(max_examples=200)
    @given(st.lists(st.sampled_from(ANSWERS + KEYS), max_size=12), st.data())
    def test_however_packets_are_cut(self, items: list[bytes], data: st.DataObject) -> None:
        whole = b"".join(items)
        cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=20)))
        packets = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
        self.assertEqual(told(*packets), told(whole))

    @given(st.lists(st.binary(max_size=40).map(lambda b: b.replace(b"a", b"\x1b["))))
    def test_nothing_is_lost_or_changed(self, packets: list[bytes]) -> None:
        self.assertEqual(b"".join(p.data for p in told(*packets)), b"".join(packets))

    def test_escape_alone_is_kept_back_for_a_moment(self) -> None:
        answers = Answers(never)
        self.assertEqual(answers.feed(b"a\x1b"), [AnswerPiece(b"a", False)])
        self.assertEqual((answers.kept_back, answers.patience), (1, KEY_PATIENCE))
        self.assertLessEqual(KEY_PATIENCE, 0.05)
        self.assertEqual(answers.flush(), b"\x1b")
        self.assertEqual((answers.kept_back, answers.patience), (0, None))

    def test_what_no_key_begins_with_is_kept_back_longer(self) -> None:
        answers = Answers(never)
        answers.feed(b"\x1b[24;")
        self.assertEqual(answers.patience, PATIENCE)

    def test_what_never_ends_is_typed(self) -> None:
        for begun in (b"\x1b]11;", b"\x1bP", b"\x1b_"):
            answers = Answers(never)
            found = answers.feed(begun + b"x" * STRING_LIMIT)
            self.assertEqual((len(found), answers.kept_back), (1, 0))
        answers = Answers(never)
        answers.feed(b"\x1b[" + b"1;" * SEQUENCE_LIMIT)
        self.assertEqual(answers.kept_back, 0)

    def test_what_is_pasted_is_told_from_what_is_typed_wherever_it_is_cut(self) -> None:
        text = b"ab\x1b[200~c\x1b[I\x05c.\x1b[201~\x05c.\x1b[I"
        for cut in range(len(text)):
            answers = Answers(never)
            pieces = [*answers.feed(text[:cut]), *answers.feed(text[cut:])]
            pasted = b"".join(piece.data for piece in pieces if piece.is_pasted)
            self.assertEqual(pasted, b"\x1b[200~c\x1b[I\x05c.\x1b[201~", cut)
            self.assertEqual(b"".join(piece.data for piece in pieces), text, cut)
            self.assertEqual([p.data for p in pieces if p.is_answer], [b"\x1b[I"], cut)

    def test_a_paste_whose_end_never_comes_is_over_at_last(self) -> None:
        answers = Answers(never)
        answers.feed(b"\x1b[200~")
        for _ in range(PASTE_LIMIT // 65536 + 1):
            answers.feed(b"p" * 65536)
        self.assertEqual(answers.feed(b"\x1b[I"), [AnswerPiece(b"\x1b[I", True)])
