"""Whether what was typed comes back: what counts as its echo, and where it differs."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.console.echo_check import AROUND, EchoCheck

TEXT = st.binary().map(lambda data: data.translate(None, b"\x1b \b\x7f"))
"""Of which each byte comes back as itself: editors rub out for BS and DEL."""


def checked(typed: bytes, *output: bytes) -> EchoCheck:
    check = EchoCheck()
    check.typed(typed)
    for each in output:
        check.output(each)
    return check


class EchoCheckTest(SynchronousTestCase):
    def test_as_it_was_typed(self) -> None:
        self.assertTrue(checked(b"ls -l", b"ls", b" -l").is_whole)
        self.assertFalse(checked(b"ls -l", b"ls").is_whole)

    def test_as_editors_show_it(self) -> None:
        self.assertTrue(checked(b"a\x03\r", b"a^C\r\n").is_whole)
        self.assertTrue(checked(b"abcd", b"ab \rcd").is_whole)
        self.assertTrue(checked(b"x", b"\x1b[?2004h\x1b[1;31mx").is_whole)
        self.assertTrue(checked(b"xy", b"\x1b]0;title\x07x\x1b", b"(By").is_whole)

    def test_where_it_differs(self) -> None:
        check = checked(b"reboot", b"reb", b"ell: stop", b"!")
        self.assertEqual((check.echoed, check.next, check.wrong), (3, b"o", b"ell: stop!"))
        self.assertFalse(check.is_whole)

    def test_what_came_instead_is_bounded(self) -> None:
        check = checked(b"a", *[b"x" * 1000] * 10)
        self.assertEqual(len(check.wrong), AROUND)
        self.assertTrue(checked(b"a", b"\x1b]" + b"x" * (AROUND + 10) + b"").echoed == 0)

    def test_output_behind_the_echo_does_not_count(self) -> None:
        check = checked(b"a", b"a and more")
        self.assertTrue(check.is_whole)
        check.typed(b"b")
        check.output(b"b")
        self.assertTrue(check.is_whole)

    @given(TEXT, st.lists(st.integers(0, 50)))
    def test_itself_in_any_pieces(self, text: bytes, cuts: list[int]) -> None:
        check = EchoCheck()
        check.typed(text)
        at = 0
        for cut in cuts:
            check.output(text[at : at + cut])
            at += cut
        check.output(text[at:])
        self.assertTrue(check.is_whole)

    @given(st.binary(), st.lists(st.binary()))
    def test_any_output_is_taken(self, typed: bytes, output: list[bytes]) -> None:
        check = checked(typed, *output)
        self.assertLessEqual(check.echoed, len(typed))
        self.assertLessEqual(len(check.wrong), AROUND)
