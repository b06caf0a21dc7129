"""The table of verbs, running one, and `help`."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from attrs import evolve, frozen

from vspc.apps.verbs import (
    accept,
    boots,
    console,
    events,
    expect,
    expect_options,
    export,
    forget,
    help_text,
    info,
    kick,
    lockout,
    log,
    log_options,
    msg,
    note,
    raw,
    record,
    refusals,
    send,
    sendbreak,
    sessions,
    status,
    who,
)
from vspc.apps.verbs import list as list_verb
from vspc.apps.verbs.commandline import CommandLine, CommandSource, Words
from vspc.apps.verbs.context import USAGE, Call, VerbPrinter, complain
from vspc.apps.verbs.grammar import Grammar, Parsed
from vspc.apps.verbs.kinds import GLOB, UsageError
from vspc.apps.verbs.parser import nearest, parse
from vspc.common.globs import is_glob
from vspc.common.text import safe

REASON = "reason="
"""A word before the verb that says why."""


@frozen
class Verb:
    """One verb: its words, and what it does. `recorded`: by itself, as an event of its own, or not
    at all.
    """

    grammar: Grammar
    run: Callable[[Call, Parsed], None]
    recorded: bool = True

    @property
    def usage(self) -> str:
        """How it is written."""
        return self.grammar.usage

    @property
    def summary(self) -> str:
        """What it is for."""
        return self.grammar.summary


@frozen
class Invocation:
    """The beginning of a command: why, which verb, and the rest of it. Raises `UsageError`."""

    reason: str
    verb: str
    rest: CommandSource

    @classmethod
    def of(cls, source: CommandSource) -> "Invocation":
        """Take it from `source`; `verb` is empty where nothing is said."""
        reason, word = "", "" if source.done() else source.word()
        if word.startswith(REASON):
            reason = word.removeprefix(REASON)
            word = "" if source.done() else source.word()
        return cls(reason, word, source)


def glob_of(command: str) -> str | None:
    """The glob of consoles, where that is all that follows the verb in `command`: what a key is
    for, whose holder says the rest.
    """
    try:
        said = Invocation.of(CommandLine(command))
        glob = "" if said.rest.done() else said.rest.word()
        alone = said.rest.done() and not said.reason
    except UsageError:
        return None
    verb = VERBS.get(said.verb)
    if verb is None or not alone or not is_glob(glob):
        return None
    kinds = [argument.kind for argument in verb.grammar.arguments]
    return glob if any(kind.console or kind is GLOB for kind in kinds) else None


def run_line(call: Call, line: str) -> None:
    """Run a command line."""
    try:
        said = Invocation.of(CommandLine(line))
    except UsageError as mistake:
        call.fail(USAGE, str(mistake))
        return
    run_said(call, said)


def run_words(call: Call, words: Sequence[str]) -> None:
    """Run a verb whose words are apart."""
    run_said(call, Invocation.of(Words(words)))


def run_said(call: Call, said: Invocation) -> None:
    """Run a verb."""
    call = call.because(said.reason)
    verb = VERBS.get(said.verb)
    if verb is None:
        call.fail(USAGE, unknown(said.verb))
        return
    call = evolve(call, verb=said.verb)
    try:
        parsed = parse(verb.grammar, said.rest, call.context.clock.wall(), call.target)
        if parsed.help:
            VerbPrinter(call.channel, help_text.described(verb.grammar))
            return
        if not verb.recorded:
            call.record("command", verb=said.verb)
        complain(call.channel, *parsed.remarks)
        verb.run(call, parsed)
    except UsageError as mistake:
        call.fail(USAGE, str(mistake), *help_text.usage(verb.grammar))


def unknown(word: str) -> str:
    """What is said about a word that names no verb."""
    if not word:
        return "a verb is missing; `help` lists them"
    return f"unknown verb '{safe(word)}'{nearest(word, list(VERBS))}; `help` lists them"


def _help(call: Call, parsed: Parsed) -> None:
    word = parsed.get(help_text.VERB)
    if word is None:
        VerbPrinter(call.channel, overview())
    elif word in VERBS:
        VerbPrinter(call.channel, help_text.described(VERBS[word].grammar))
    else:
        call.fail(USAGE, unknown(word))


def overview() -> str:
    """What `help` prints."""
    heading = "Verbs (ssh HOST VERB ...); without one, a terminal gets the chooser:"
    rows = help_text.overview(verb.grammar for verb in dict.fromkeys(VERBS.values()))
    return f"{heading}\n{rows}\n`help VERB` says how one is written.\n"


def help_wanted(words: Sequence[str]) -> str | None:
    """What `VERB --help` prints, for whoever has no server to ask; None for other words."""
    try:
        said = Invocation.of(Words(words))
        grammar = VERBS[said.verb].grammar
        return (
            help_text.described(grammar, "vspc ") if parse(grammar, said.rest, 0.0).help else None
        )
    except (KeyError, UsageError):
        return None


_LIST = Verb(list_verb.GRAMMAR, list_verb.run, recorded=False)

VERBS: Mapping[str, Verb] = MappingProxyType(
    {
        "list": _LIST,
        "ls": _LIST,
        "console": Verb(console.GRAMMAR, console.run),
        "raw": Verb(raw.GRAMMAR, raw.run),
        "log": Verb(log_options.GRAMMAR, log.run),
        "boots": Verb(boots.GRAMMAR, boots.run, recorded=False),
        "export": Verb(export.GRAMMAR, export.run),
        "record": Verb(record.GRAMMAR, record.run, recorded=False),
        "note": Verb(note.GRAMMAR, note.run),
        "send": Verb(send.GRAMMAR, send.run),
        "expect": Verb(expect_options.GRAMMAR, expect.run),
        "msg": Verb(msg.GRAMMAR, msg.run),
        "info": Verb(info.GRAMMAR, info.run, recorded=False),
        "who": Verb(who.GRAMMAR, who.run, recorded=False),
        "break": Verb(sendbreak.GRAMMAR, sendbreak.run),
        "kick": Verb(kick.GRAMMAR, kick.run),
        "sessions": Verb(sessions.GRAMMAR, sessions.run, recorded=False),
        "lockout": Verb(lockout.GRAMMAR, lockout.run),
        "status": Verb(status.GRAMMAR, status.run, recorded=False),
        "accept": Verb(accept.GRAMMAR, accept.run),
        "forget": Verb(forget.GRAMMAR, forget.run),
        "events": Verb(events.GRAMMAR, events.run),
        "refusals": Verb(refusals.GRAMMAR, refusals.run, recorded=False),
        "help": Verb(help_text.GRAMMAR, _help),
    }
)
