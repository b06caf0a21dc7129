"""The command line as a value: completion files and manual pages are made of it."""

import re

from twisted.trial.unittest import SynchronousTestCase

from vspc.apps.verbs.table import VERBS
from vspc.cli.commands import command_names, program_shape
from vspc.cli.completion import bash, zsh
from vspc.cli.synopsis import CONFIG, ValueSort


class Shapes(SynchronousTestCase):
    """What is declared is there."""

    def setUp(self) -> None:
        self.program = program_shape()
        self.by_name = self.program.by_name()

    def test_every_command_and_every_verb_with_its_other_names(self) -> None:
        self.assertEqual(set(self.by_name), command_names())
        names = [name for each in self.program.commands for name in each.names]
        self.assertEqual(len(names), len(set(names)))
        self.assertTrue(all(each.summary for each in self.by_name.values()))

    def test_every_spelling_of_the_options_of_a_verb(self) -> None:
        for each in self.program.verbs:
            grammar = VERBS[each.names[0]].grammar
            spellings = [name for option in each.options for name in option.spellings]
            own = [name for name, _ in grammar.spellings()]
            self.assertEqual(sorted(spellings), sorted([*own, "--config", "--help"]))

    def test_options_of_commands(self) -> None:
        options = {each.spellings: each for each in self.by_name["ports"].options}
        self.assertIsNone(options["--nftables",].value)
        config = options["--config",].value
        self.assertEqual(config and config.sort, ValueSort.FILE)
        formats = {each.spellings: each.value for each in self.by_name["import"].options}
        self.assertEqual(formats["--format",].choices, ("conserver", "conman"))  # type: ignore[union-attr]
        file = self.by_name["import"].arguments[0]
        self.assertEqual((file.value.sort, file.required), (ValueSort.FILE, True))

    def test_a_command_that_is_a_verb_too_has_the_options_of_both(self) -> None:
        spellings = {name for each in self.by_name["run"].options for name in each.spellings}
        self.assertLessEqual({"--verbose", "--expect", "--config"}, spellings)

    def test_a_command_with_a_parser_of_its_own(self) -> None:
        options = [each.spellings for each in self.by_name["simulate"].options]
        self.assertIn(("--proxy",), options)

    def test_values_that_can_be_listed_and_names_of_consoles(self) -> None:
        record = self.by_name["record"].arguments
        self.assertEqual(record[0].value.choices, ("start", "stop", "list"))
        self.assertEqual(record[1].value.sort, ValueSort.CONSOLE)
        origin = next(o for o in self.by_name["expect"].options if "--from" in o.spellings)
        self.assertEqual(origin.value and origin.value.choices, ("now", "boot", "last"))
        self.assertEqual(self.by_name["list"].arguments[0].value.sort, ValueSort.CONSOLE)
        self.assertTrue(self.by_name["watch"].arguments[0].many)
        self.assertIn(CONFIG, self.by_name["send"].options)


class Files(SynchronousTestCase):
    """The two files have a row for each word; tests/end_to_end runs them."""

    def test_every_command_is_in_both(self) -> None:
        program = program_shape()
        for script in (bash.script(program), zsh.script(program)):
            rows = re.findall(r"^    ([\w-]+)\)$", script, re.M)
            self.assertEqual(set(rows), command_names())
            self.assertEqual(len(rows), len(set(rows)))
