"""What is a word, an option, a text: on the line that `ssh` sends, and in a process's arguments."""

import shlex

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.apps.verb_input import ENTER
from vspc.apps.verbs import expect, send
from vspc.apps.verbs.commandline import LINE, TRAILING, CommandLine, CommandSource, Words
from vspc.apps.verbs.grammar import Parsed
from vspc.apps.verbs.kinds import UsageError
from vspc.apps.verbs.log_options import GRAMMAR as LOG
from vspc.apps.verbs.log_options import GREP, LINES
from vspc.apps.verbs.parser import parse
from vspc.apps.verbs.stream_search import SearchPattern

BLANKS = " \t\n\r\v\f"
PIECES = ("web1", "--", "--enter", "--json", "--timeout", "5", "'", '"', "\\", " ", "  ", "a", "=")


def words(line: str) -> list[str]:
    source, found = CommandLine(line), list[str]()
    while not source.done():
        found.append(source.word())
    return found


def typed_text(source: str | list[str], target: str | None = None) -> Parsed:
    taken: CommandSource = CommandLine(source) if isinstance(source, str) else Words(source)
    return parse(send.GRAMMAR, taken, 0.0, target)


def typed(source: str | list[str]) -> bytes | None:
    return typed_text(source).get(send.TEXT)


def pattern(line: str) -> str:
    found = parse(expect.GRAMMAR, CommandLine(line), 0.0)[expect.PATTERN]
    return str(found.pattern.pattern.removeprefix(b"(?m)").decode())


class Splitting(SynchronousTestCase):
    """Names, numbers, and all else that is no text."""

    def test_quotes_and_backslashes(self) -> None:
        self.assertEqual(
            words("""a 'b c' "d \\" e" f\\ g '' x"y"z"""),
            ["a", "b c", 'd " e', "f g", "", "xyz"],
        )

    def test_nothing_is_expanded(self) -> None:
        self.assertEqual(words("$HOME *.x ~ `id` a;b"), ["$HOME", "*.x", "~", "`id`", "a;b"])

    def test_what_cannot_be_split(self) -> None:
        for line in ("'open", '"open', "end\\", "x" * (LINE + 1)):
            self.assertRaises(UsageError, words, line)

    @given(st.lists(st.text(max_size=8), max_size=6))
    def test_as_a_shell_has_it(self, said: list[str]) -> None:
        self.assertEqual(words(shlex.join(said)), said)


class Text(SynchronousTestCase):
    """TEXT and REGEX are taken as they come."""

    def test_the_rest_of_the_line_as_it_came(self) -> None:
        for text in ('echo "a  b"', "it's", "a\\b \\", "x  y ", "$(id) 'q'", "--"[:1], "a -- b"):
            self.assertEqual(typed(f"web1 {text}"), text.encode(), text)
        self.assertEqual(typed("web1   ls"), b"ls")
        self.assertEqual(pattern(r"web1 eth(\d)"), r"eth(\d)")
        self.assertEqual(pattern(r"web1 login: "), "login: ")

    def test_in_quotes_it_ends_at_the_closing_one(self) -> None:
        for line, text in (
            ("""'a "b"  c'""", 'a "b"  c'),
            ('''"it's"''', "it's"),
            ('"a\\b\\"', "a\\b\\"),
            (r"'eth(\d)'", r"eth(\d)"),
            ("''", ""),
            ("'it'\"'\"'s'", "it's"),
            (r"'it'\''s'", "it's"),
            ("' x '", " x "),
            ("'--json'", "--json"),
        ):
            for behind in ("", "  --enter", " --json --timeout 5"):
                self.assertEqual(typed(f"web1 {line}{behind}"), text.encode(), (line, behind))

    def test_what_follows_the_closing_quote_is_refused(self) -> None:
        for line in ("'a' b", "'a'b", '"say \\"hi\\""', "'a' --enter x", "'open", "'a' -- b"):
            self.assertRaises(UsageError, typed, f"web1 {line}")

    def test_options_at_the_end_are_options(self) -> None:
        for options in ("--enter", "--json  --enter", "--timeout 5 --enter", "--enter --timeout=5"):
            for source in (f"web1 a  b {options}", ["web1", "a  b", *options.split()]):
                found = typed_text(source)
                self.assertEqual(found.get(send.TEXT), b"a  b", source)
                self.assertTrue(found.has(ENTER), source)
        self.assertEqual(typed("web1 ls  --enter"), b"ls ")  # ssh h send web1 'ls ' --enter
        found = parse(expect.GRAMMAR, CommandLine("web1 x --fail 'a --json' --timeout 9"), 0.0)
        self.assertEqual(found.get(expect.TIME_OUT), 9.0)
        self.assertEqual(pattern("web1 x --fail 'a --json' --timeout 9"), "x")

    def test_what_only_looks_like_options_is_text(self) -> None:
        for text in (
            "ls --color",
            "x --enter y",
            'echo "see --enter"',
            "a --timeout",
            "a '--json'",
            "a\\ --js\\on",
            "ls --help",
            "x --json=1",
        ):
            self.assertEqual(typed(f"web1 {text}"), text.encode(), text)

    def test_behind_two_dashes_all_is_text(self) -> None:
        for text in ("--enter", "'a' b", " x", "", "--", "x --json", "\\"):
            self.assertEqual(typed(f"web1 --enter -- {text}"), text.encode(), text)
        self.assertIsNone(typed("web1 --enter --"))
        self.assertEqual(typed(["web1", "--", "--enter", "b"]), b"--enter b")
        self.assertRaises(UsageError, typed, "-- web1 x")

    def test_bytes_that_are_no_utf_8_are_kept(self) -> None:
        self.assertEqual(typed("web1 gr\udcfc\x03"), b"gr\xfc\x03")

    def test_the_value_of_an_option_is_one_word_as_it_came_or_quoted(self) -> None:
        for said, wanted in (
            (r"--send a\b", b"a\\b"),
            ("--send=it's", b"it's"),
            ("--send 'uname -a'", b"uname -a"),
            ('--send="uname -a"', b"uname -a"),
            ("--send=''", b""),
        ):
            for line in (f"web1 {said} x", f"{said} web1 x", f"web1 x {said}"):
                found = parse(expect.GRAMMAR, CommandLine(line), 0.0)
                self.assertEqual(found.get(expect.SEND), wanted, line)
        found = parse(LOG, CommandLine(r"web1 --grep eth\d -n5"), 0.0)
        self.assertEqual(found.get(GREP, SearchPattern(None)).pattern.pattern, rb"(?m)eth\d")
        self.assertEqual(found.get(LINES), 5)

    def test_arguments_of_a_process_are_taken_as_they_are(self) -> None:
        self.assertEqual(typed(["web1", "'a'", "b\\", '"']), b"'a' b\\ \"")
        self.assertEqual(typed(["web1", "ls --enter"]), b"ls --enter")

    def test_quotes_that_are_gone_are_hinted_at(self) -> None:
        line = "web1 login: --send uname -a --enter"
        (remark,) = parse(expect.GRAMMAR, CommandLine(line), 0.0).remarks
        self.assertIn("--send is part of REGEX here", remark)
        self.assertEqual(parse(expect.GRAMMAR, CommandLine("web1 x --send y"), 0.0).remarks, ())

    def test_a_remark_about_a_value_without_its_quotes(self) -> None:
        wrong = self.assertRaises(UsageError, parse, LOG, CommandLine("web1 --grep link up"), 0.0)
        self.assertIn("--grep takes one word, and 'up' is behind it; more are in", str(wrong))

    def test_options_at_the_end_are_counted(self) -> None:
        many = " --json" * (TRAILING + 2)
        self.assertEqual(typed(f"web1 x{many}"), b"x --json --json")
        self.assertEqual(typed(["web1", "x", *many.split()]), b"x --json --json")

    def test_each_place_where_options_may_begin_is_looked_at_once(self) -> None:
        looks = 0

        def takes(source: CommandSource) -> bool:
            nonlocal looks
            looks += 1
            return bool(source.option())

        line = CommandLine("x" + " --json" * 500)
        self.assertEqual(line.text(takes), "x" + " --json" * (500 - TRAILING))
        self.assertEqual(looks, 500)

    @given(st.text(st.characters(codec="utf-8"), max_size=40))
    def test_any_text_goes_quoted_by_a_program_or_behind_two_dashes(self, text: str) -> None:
        quoted = shlex.quote(text)
        if not quoted.startswith("-"):  # it leaves words alone in which a shell sees nothing
            self.assertEqual(typed(f"web1 {quoted} --enter"), text.encode())
        self.assertEqual(typed(f"web1 --enter -- {text}"), text.encode())

    @settings(max_examples=300)
    @given(st.lists(st.sampled_from(PIECES), max_size=12), st.sampled_from((None, "web1")))
    def test_any_line_is_parsed_or_refused(self, said: list[str], target: str | None) -> None:
        for source in ("".join(said), " ".join(said), said):
            try:
                found = typed_text(source, target)
            except UsageError as mistake:
                self.assertTrue(str(mistake))
            else:
                self.assertNotIn("b'", repr(found))
