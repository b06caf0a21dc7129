"""The command line of `vspc` as a value: its commands from their argparse declarations, the
operators' verbs from their grammars. Completion files and manual pages are made of it.
"""

import argparse
from collections.abc import Iterable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from vspc.apps.verbs import help_text
from vspc.apps.verbs.context import Verb
from vspc.apps.verbs.grammar import Argument, Grammar, Option
from vspc.apps.verbs.kinds import GLOB, ValueKind


class ValueSort(Enum):
    """What a shell can offer for a value that has no fixed choices."""

    TEXT = "text"  # nothing
    FILE = "file"
    CONSOLE = "console"
    COMMAND = "command"  # a command or a verb


@frozen
class ValueShape:
    """A value: what usage lines call it, and what it may be; `is_optional`: it may be left out."""

    name: str
    choices: tuple[str, ...] = ()
    sort: ValueSort = ValueSort.TEXT
    is_optional: bool = False


@frozen
class OptionShape:
    """An option, in each way in which it is written; without a `value` it is a flag.

    A spelling without dashes is a word behind the arguments, and with a value `NAME=VALUE`.
    """

    spellings: tuple[str, ...]
    help: str
    value: ValueShape | None = None


@frozen
class ArgumentShape:
    """A word at its place; `many`: this one may be repeated."""

    help: str
    value: ValueShape
    required: bool = True
    many: bool = False


@frozen
class CommandShape:
    """One command or verb. `usage` has a line for each form, without `vspc`; `notes` are lines that
    stay as they are; `examples` are whole commands.
    """

    names: tuple[str, ...]
    summary: str
    usage: tuple[str, ...]
    arguments: tuple[ArgumentShape, ...] = ()
    options: tuple[OptionShape, ...] = ()
    notes: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()


@frozen
class ProgramShape:
    """All of it: what `vspc` itself takes, its commands, and the verbs."""

    options: tuple[OptionShape, ...]
    commands: tuple[CommandShape, ...]
    verbs: tuple[CommandShape, ...]

    def by_name(self) -> dict[str, CommandShape]:
        """What may follow each word behind `vspc`. A command that is a verb, too, has the options
        of both and the arguments of the verb.
        """
        found: dict[str, CommandShape] = {}
        for each in (*self.commands, *self.verbs):
            for name in each.names:
                before = found.get(name)
                known = {option.spellings for option in each.options}
                more = () if before is None else before.options
                options = (*each.options, *(one for one in more if one.spellings not in known))
                found[name] = evolve(each, options=options)
        return found


CONFIG = OptionShape(
    ("--config",), "the configuration file", ValueShape("FILE", sort=ValueSort.FILE)
)
"""Every verb takes it behind `vspc`."""

HELP = OptionShape(("--help",), "what it takes")
"""So does every command and verb."""


# From argparse


def commands_of(
    parser: argparse.ArgumentParser, apart: Iterable[argparse.ArgumentParser], hidden: Iterable[str]
) -> tuple[tuple[OptionShape, ...], tuple[CommandShape, ...]]:
    """The options of `parser`, and its commands but those that are `hidden`; commands that it does
    not parse itself are `apart`.
    """
    hidden = frozenset(hidden)
    commands = list[CommandShape]()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            summaries = {each.dest: each.help or "" for each in action._choices_actions}
            own = {each.prog.partition(" ")[2]: each for each in apart}
            for name, command in {**action.choices, **own}.items():
                if name not in hidden:
                    commands.append(_command(name, command, summaries[name]))
    return tuple(_argparse_options(parser)), tuple(commands)


def _command(name: str, parser: argparse.ArgumentParser, summary: str) -> CommandShape:
    arguments = tuple(
        ArgumentShape(action.help or "", _argparse_value(action), action.nargs not in ("?", "*"))
        for action in parser._actions
        if not action.option_strings
    )
    options = tuple(_argparse_options(parser))
    usage = " ".join(parser.format_usage().split()).removeprefix("usage: vspc ")
    return CommandShape((name,), summary, (usage.replace(" [-h]", ""),), arguments, options)


def _argparse_options(parser: argparse.ArgumentParser) -> Iterator[OptionShape]:
    for action in parser._actions:
        if action.option_strings:
            value = None if action.nargs == 0 else _argparse_value(action)
            help_ = action.help or ""
            if "--help" in action.option_strings:
                yield HELP
            else:
                yield OptionShape(tuple(action.option_strings), help_.replace("%%", "%"), value)


def _argparse_value(action: argparse.Action) -> ValueShape:
    name = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    is_file = action.type is Path or name in ("FILE", "PATH")
    choices = tuple(str(each) for each in action.choices or ())
    return ValueShape(
        "|".join(choices) if choices and action.metavar is None else name,
        choices,
        ValueSort.FILE if is_file else ValueSort.TEXT,
    )


# From grammars


def verb_shape(verb: Verb) -> CommandShape:
    """A verb as it is written behind `vspc`."""
    grammar = verb.grammar
    options = (*_grammar_options(grammar), CONFIG, HELP)
    return CommandShape(
        verb.names,
        grammar.summary,
        tuple(grammar.usage.split(" | ")),
        tuple(map(_argument, grammar.arguments)),
        options,
        grammar.notes,
        grammar.examples,
    )


def _grammar_options(grammar: Grammar) -> Iterator[OptionShape]:
    for option in grammar.every_option:
        names = tuple(name for name, which in grammar.spellings() if which is option)
        value = None
        if isinstance(option, Option):
            value = _grammar_value(option.kind)
            name = option.value or value.name
            value = evolve(value, name=name, is_optional=bool(option.begins))
        yield OptionShape(names, option.help, value)


def _argument(argument: Argument[Any]) -> ArgumentShape:
    value = evolve(_grammar_value(argument.kind), name=argument.name)
    if argument is help_text.WHICH:
        value = evolve(value, sort=ValueSort.COMMAND)
    return ArgumentShape(argument.help, value, argument.required, argument.many)


def _grammar_value(kind: ValueKind[Any]) -> ValueShape:
    """`choices` of a kind that has others, too, are the words in small letters in its name."""
    is_console = kind.console or kind is GLOB
    words = tuple(word for word in kind.name.split("|") if word.islower())
    sort = ValueSort.CONSOLE if is_console else ValueSort.TEXT
    return ValueShape(kind.name, kind.choices or words, sort)
