"""vspc(1) and vspc.toml(5): all that is declared is in them, as roff that says what it means."""

import re
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.config.test_load import EXAMPLE, REFERENCE
from vspc.cli.commands import program_shape
from vspc.cli.manual import command, configuration, roff
from vspc.cli.manual.markdown import (
    MarkdownCode,
    MarkdownHeading,
    MarkdownList,
    MarkdownParagraph,
    MarkdownTable,
    blocks,
)
from vspc.cli.manual.program import page_date

DATE, VERSION = "2026-11-21", "0.1"


def plain(page: str) -> str:
    """What a reader sees of `page`, roughly: without fonts, and with the characters as they are."""
    text = re.sub(r"\\f[BIR]|\\&", "", page)
    text = re.sub(r"\\\[u([0-9A-F]{4,6})\]", lambda found: chr(int(found[1], 16)), text)
    for character, name in roff._NAMED.items():
        text = text.replace(name, "\0" if character == "\\" else character)
    return text.replace("\\-", "-").replace("\\(dq", '"').replace("\0", "\\")


class Pages(SynchronousTestCase):
    def test_every_command_verb_and_option_is_in_the_page_of_the_command(self) -> None:
        program = program_shape()
        lines = list(roff.page(command.page(program, DATE, VERSION)))
        text = plain("\n".join(lines))
        self.assertEqual(lines[0], f'.TH VSPC 1 {DATE} "vspc {VERSION}" "vspc"')
        commands, verbs = text.split('\n.SH "VERBS"\n')
        for each in (*program.commands, *program.verbs):
            section = re.search(
                rf'^\.SS "{re.escape(", ".join(each.names))}"\n(.*?)(?=^\.S[SH]|\Z)',
                commands if each in program.commands else verbs,
                re.M | re.S,
            )
            self.assertIsNotNone(section, each.names)
            assert section is not None
            for option in each.options:
                if option.spellings not in (("--config",), ("--help",)):
                    self.assertIn(option.spellings[0], section[1])
                    self.assertIn(option.help.replace("`", ""), section[1])
            for example in each.examples:
                self.assertIn(f"vspc {example}", section[1])

    def test_every_key_is_in_the_page_of_the_configuration(self) -> None:
        text = plain("\n".join(configuration.page(DATE, VERSION)))
        rows = [line for line in REFERENCE.read_text().splitlines() if line.startswith("| `")]
        terms = set(re.findall(r"^\.TP\n(.*)$", text, re.M))
        for row in rows:
            term = re.split(r"(?<!\\)\|", row)[1].strip().replace("`", "")
            self.assertIn(term, terms)
        keys = {found[1] for found in re.finditer(r"^#? *(\w+) = ", EXAMPLE.read_text(), re.M)}
        self.assertEqual(keys - set(re.findall(r"\w+", text)), set())

    def test_no_line_of_text_is_a_request_and_all_is_ascii(self) -> None:
        known = {".TH", ".SH", ".SS", ".PP", ".TP", ".IP", ".br", ".RS", ".RE", ".nf", ".fi"}
        pages = (command.page(program_shape(), DATE, VERSION), configuration.page(DATE, VERSION))
        for page in pages:
            for line in roff.page(page):
                self.assertTrue(line.isascii(), line)
                self.assertNotIn("\n", line)
                if line.startswith((".", "'")):
                    self.assertIn(line.split()[0], known)

    def test_the_source_is_the_page_in_docs(self) -> None:
        link = Path(configuration.__file__).parents[2] / "config" / configuration.SOURCE
        self.assertEqual(link.resolve(), REFERENCE.resolve())

    def test_the_date_of_a_reproducible_build(self) -> None:
        self.assertEqual(page_date({"SOURCE_DATE_EPOCH": "86400"}, 0.0), "1970-01-02")
        for said in ("", "x", "-1", "9" * 40, "\u0661"):
            self.assertEqual(page_date({"SOURCE_DATE_EPOCH": said}, 0.0), "1970-01-01")


class Roff(SynchronousTestCase):
    @given(st.text(alphabet=st.characters(blacklist_categories=("Cs", "Cc"))))
    def test_any_text_is_itself(self, text: str) -> None:
        for is_code in (False, True):
            self.assertEqual(plain(roff.escaped(text, is_code)), text)
        self.assertFalse(roff.line(roff.escaped(text)).startswith((".", "'")))

    def test_marks(self) -> None:
        self.assertEqual(
            roff.marked("`a-b` and [*c*](d.md), **e** 2 * 3 * 4"),
            r"\fBa\-b\fR and \fIc\fR, \fBe\fR 2 * 3 * 4",
        )
        self.assertEqual(roff.marked("``a`b``, `*`"), r"\fBa\(gab\fR, \fB*\fR")

    def test_a_heading_takes_the_place_of_a_paragraph(self) -> None:
        lines = roff.page([*roff.heading('say "x"'), *roff.paragraph("a"), *roff.paragraph("b")])
        self.assertEqual(list(lines), [r'.SH "SAY \(dqX\(dq"', "a", ".PP", "b"])


class Markdown(SynchronousTestCase):
    def test_each_kind_of_block(self) -> None:
        text = (
            "# Page\n\nOne\ntwo.\n\n## Part\n\n| a | b |\n| --- | --- |\n| `x\\|y` | |\n\n"
            "- one\n  more\n- two\n\n1. first\n2. second\n\n```toml\na = 1\n\nb\n```\nafter\n"
        )
        self.assertEqual(
            list(blocks(text)),
            [
                MarkdownHeading(1, "Page"),
                MarkdownParagraph("One two."),
                MarkdownHeading(2, "Part"),
                MarkdownTable(("a", "b"), (("`x|y`", ""),)),
                MarkdownList(("one more", "two")),
                MarkdownList(("first", "second")),
                MarkdownCode(("a = 1", "", "b")),
                MarkdownParagraph("after"),
            ],
        )

    @settings(max_examples=50)
    @given(st.text(alphabet="|#`- 1.\nab\\"))
    def test_any_text_is_read_to_its_end(self, text: str) -> None:
        for block in blocks(text):
            list(configuration._block(block))
