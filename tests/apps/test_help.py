"""`help_text`, usage lines and docs/operators.md say what the parser takes: all come from
grammars.
"""

import re
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from vspc.apps.verbs import help_text
from vspc.apps.verbs.commandline import CommandLine, CommandSource, Words
from vspc.apps.verbs.grammar import ON, Flag, Grammar
from vspc.apps.verbs.help_text import EXAMPLES
from vspc.apps.verbs.kinds import UsageError
from vspc.apps.verbs.parser import parse
from vspc.apps.verbs.table import VERBS, Invocation

DOCS = Path(__file__).parents[2] / "docs" / "operators.md"


def tabled(grammars: Iterable[Grammar]) -> str:
    """The table of verbs in docs/operators.md: how each is written, and what it is for."""
    rows = (
        (f"`{form}`".replace("|", r"\|"), each.summary if not number else "")
        for each in grammars
        for number, form in enumerate(each.usage.split(" | "))
    )
    lines = (f"| {form} | {summary} |".replace("  ", " ") for form, summary in rows)
    return "\n".join(["| verb | what it does |", "| --- | --- |", *lines]) + "\n"


class Grammars(SynchronousTestCase):
    def test_the_table_in_the_docs_is_theirs(self) -> None:
        table = tabled(verb.grammar for verb in VERBS.verbs)
        self.assertIn(f"\n\n{table}\n", DOCS.read_text(), f"it should be:\n{table}")

    def test_the_examples_of_text_are_in_the_docs(self) -> None:
        text = DOCS.read_text()
        for each in EXAMPLES:
            self.assertIn(f"| `ssh vspc {each.command}` | {each.effect} |", text)

    def test_every_verb_has_an_example_and_its_examples_are_taken(self) -> None:
        for word, verb in VERBS.items():
            self.assertTrue(verb.grammar.examples, word)
            for example in verb.grammar.examples:
                said = Invocation.of(CommandLine(example))
                self.assertIs(VERBS[said.verb], verb)
                parse(verb.grammar, said.rest, 0.0)

    def test_examples_mean_the_same_in_every_shell(self) -> None:
        for verb in VERBS.values():
            for example in verb.grammar.examples:
                words = shlex.split(example)  # for `ssh` they are joined by blanks
                meant = {
                    str(self.read(verb.grammar, source))
                    for source in (CommandLine(example), CommandLine(" ".join(words)), Words(words))
                }
                self.assertEqual(len(meant), 1, example)

    def read(self, grammar: Grammar, source: CommandSource) -> dict[str, object]:
        """What is said by `source`, by name."""
        parsed = parse(grammar, Invocation.of(source).rest, 0.0)
        keys: list[Any] = [*grammar.arguments, *grammar.every_option]
        found: dict[str, Any] = {
            key.name: parsed.get(key) for key in keys if not isinstance(key, Flag)
        }
        found |= {key.name: parsed.has(key) for key in keys if isinstance(key, Flag)}
        for name, value in found.items():
            while hasattr(value, "pattern"):  # compiled anew each time
                value = value.pattern
            found[name] = value
        return found

    def test_everything_that_is_declared_says_what_it_is_for(self) -> None:
        for word, verb in VERBS.items():
            grammar = verb.grammar
            names = [option.name for option in grammar.every_option]
            names += [option.short for option in grammar.every_option if option.short]
            self.assertEqual(len(names), len(set(names)), word)
            for each in (*grammar.arguments, *grammar.every_option):
                self.assertTrue(each.help, (word, each.name))
            texts = [argument for argument in grammar.arguments if argument.kind.verbatim]
            self.assertIn(texts, ([], list(grammar.arguments[-1:])), word)

    def test_it_fits_a_terminal_of_80_columns(self) -> None:
        texts = [help_text.described(verb.grammar, "vspc ") for verb in VERBS.values()]
        lines = "".join([VERBS.overview(), *texts]).splitlines()
        self.assertEqual([line for line in lines if len(line) > 80], [])

    def test_usage_is_cut_between_what_belongs_together(self) -> None:
        first, second, *_ = help_text.usage(VERBS["expect"].grammar)
        self.assertTrue(first.endswith(" [--from OFFSET|now|boot|last] [--fail REGEX]"), first)
        self.assertTrue(second.startswith("              [--send TEXT] "), second)
        for verb in VERBS.values():
            for line in help_text.usage(verb.grammar):
                self.assertEqual(line.count("["), line.count("]"), line)

    def test_forms_are_made_of_what_is_declared(self) -> None:
        spoken = {"NAME", "N", "COLUMNSxROWS", "list", "play"}
        spoken |= {"LINE", "GLOB", "X", "ID", "TIME", "COUNT", "TEXT", "REGEX", "KEY"}
        for word, verb in VERBS.items():
            known = {argument.name for argument in verb.grammar.arguments} | spoken
            known |= {option.name for option in verb.grammar.options}
            for form in verb.grammar.forms:
                self.assertEqual(set(re.findall(r"[^\s\[\]]+", form)) - known, set(), word)

    def test_every_option_is_taken_in_each_way_that_it_can_be_written(self) -> None:
        for word, verb in VERBS.items():
            for spelling, option in verb.grammar.spellings():
                if isinstance(option, Flag) or option.begins:
                    self.assertTrue(self.said(word, spelling).startswith("Parsed"), spelling)
                    continue
                for value in ("5", "start", "2023-11-21", "text", "asciicast", "none"):
                    ways = [f"{spelling}={value}", f"{spelling}='{value}'"]
                    if spelling.startswith("-"):
                        ways += [f"{spelling} {value}", f'{spelling} "{value}"']
                    if option.short == spelling:
                        ways += [f"{spelling}{value}", f"{option.name}={value}"]
                    found = {self.said(word, way).replace(spelling, option.name) for way in ways}
                    self.assertEqual(len(found), 1, (word, ways, found))

    def said(self, word: str, option: str) -> str:
        """What `option` before or behind the words of a verb is taken for."""
        grammar = VERBS[word].grammar
        names = [(argument.kind.choices or ("web1",))[0] for argument in grammar.arguments]
        words = " ".join(name for name in names)
        line = f"{words} {option}" if "-" not in option[:1] else f"{option} {words}"
        if option.startswith(ON.name):
            line = option
        try:
            parsed = parse(grammar, CommandLine(line), 0.0)
        except UsageError as mistake:
            return str(mistake)
        values = {key: value for key, value in parsed._values.items() if key in grammar.options}
        return f"Parsed{sorted(map(repr, values.values()))}"
