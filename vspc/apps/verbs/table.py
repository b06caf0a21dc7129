"""The table of verbs, and how a command line runs one of them."""

from collections.abc import Iterable, Sequence

from attrs import evolve, frozen

from vspc.apps.verbs import (
    accept,
    alerts,
    ask,
    boots,
    broadcast,
    console,
    describe,
    doctor,
    events,
    expect,
    export,
    forget,
    give,
    help_text,
    info,
    kick,
    lease,
    lock,
    lockout,
    log,
    msg,
    note,
    panics,
    paste,
    raw,
    record,
    refusals,
    run,
    send,
    sendbreak,
    session,
    sessions,
    status,
    unlock,
    wait,
    watch,
    who,
)
from vspc.apps.verbs import list as list_verb
from vspc.apps.verbs.commandline import CommandLine, CommandSource, Words
from vspc.apps.verbs.context import USAGE, Call, Takeover, Verb, VerbExit, complain, run_verb
from vspc.apps.verbs.grammar import Parsed
from vspc.apps.verbs.kinds import GLOB, UsageError
from vspc.apps.verbs.parser import nearest, parse
from vspc.common.globs import is_glob
from vspc.common.text import safe

REASON = "reason="
"""The beginning of a word before the verb that gives a reason."""


@frozen
class Invocation:
    """The beginning of a command: the reason, the verb, and the rest of it."""

    reason: str
    verb: str
    rest: CommandSource

    @classmethod
    def of(cls, source: CommandSource) -> "Invocation":
        """Take it from `source`; `verb` is empty for an empty command. Raises `UsageError`."""
        reason, word = "", "" if source.done() else source.word()
        if word.startswith(REASON):
            reason = word.removeprefix(REASON)
            word = "" if source.done() else source.word()
        return cls(reason, word, source)


class VerbTable(dict[str, Verb]):
    """Verbs by name, in the order in which `help` lists them."""

    def __init__(self, verbs: Iterable[Verb]) -> None:
        self.verbs = (*verbs, Verb(help_text.GRAMMAR, self._help, audits_itself=True))
        super().__init__((name, verb) for verb in self.verbs for name in verb.names)

    def run_line(self, call: Call, line: str) -> None:
        """Run a command line."""
        try:
            invocation = Invocation.of(CommandLine(line))
        except UsageError as mistake:
            call.fail(USAGE, str(mistake))
        else:
            self.run(call, invocation)

    def run_words(self, call: Call, words: Sequence[str]) -> None:
        """Run a verb from the arguments of a process."""
        self.run(call, Invocation.of(Words(words)))

    def run(self, call: Call, invocation: Invocation) -> None:
        """Run a verb."""
        call = call.because(invocation.reason)
        verb = self.get(invocation.verb)
        if verb is None:
            call.fail(USAGE, self.unknown(invocation.verb))
        else:
            call = evolve(call, verb=invocation.verb)
            run_verb(call, _parse_and_run(call, verb, invocation), verb.attaches)

    def unknown(self, word: str) -> str:
        """The message for a word that names no verb."""
        if not word:
            return "a verb is missing; `help` lists them"
        return f"unknown verb '{safe(word)}'{nearest(word, list(self))}; `help` lists them"

    def glob_of(self, command: str) -> str | None:
        """The pattern of consoles in `command`, where only that follows the verb: a key with such a
        command leaves the rest to the client.
        """
        try:
            invocation = Invocation.of(CommandLine(command))
            glob = "" if invocation.rest.done() else invocation.rest.word()
            alone = invocation.rest.done() and not invocation.reason
        except UsageError:
            return None
        verb = self.get(invocation.verb)
        if verb is None or not alone or not is_glob(glob):
            return None
        kinds = [argument.kind for argument in verb.grammar.arguments]
        return glob if any(kind.console or kind is GLOB for kind in kinds) else None

    async def _help(self, call: Call, parsed: Parsed) -> None:
        word = parsed.get(help_text.WHICH)
        if word is None:
            await call.print(self.overview())
        elif word in self:
            await call.print(help_text.described(self[word].grammar))
        else:
            raise VerbExit(USAGE, self.unknown(word))

    def overview(self) -> str:
        """The text of `help`."""
        heading = "Verbs (ssh HOST VERB ...); without one, a terminal gets the chooser:"
        rows = help_text.overview(verb.grammar for verb in self.verbs)
        return f"{heading}\n{rows}\n`help VERB` says how one is written.\n"

    def help_of(self, words: Sequence[str]) -> str | None:
        """The text of `VERB --help` for the `vspc` command, which needs no server for it; None for
        other words.
        """
        try:
            invocation = Invocation.of(Words(words))
            grammar = self[invocation.verb].grammar
            is_help = parse(grammar, invocation.rest, 0.0).help
        except (KeyError, UsageError):
            return None
        return help_text.described(grammar, "vspc ") if is_help else None


async def _parse_and_run(call: Call, verb: Verb, invocation: Invocation) -> Takeover | None:
    try:
        parsed = parse(verb.grammar, invocation.rest, call.context.clock.wall(), call.target)
        if parsed.help:
            await call.print(help_text.described(verb.grammar))
            return None
        if not verb.audits_itself:
            call.record("command", verb=invocation.verb)
        complain(call.channel, *parsed.remarks)
        return await verb.run(call, parsed)
    except UsageError as mistake:
        raise VerbExit(USAGE, str(mistake), *help_text.usage(verb.grammar)) from None


_MODULES = (
    *(list_verb, console, raw, log, boots, panics, export, record, note, send, paste, expect, wait),
    *(lease, watch, broadcast, run, msg, info, who, lock, unlock, ask, give),
    *(describe, sendbreak, kick, sessions, session, lockout, status, accept, forget, events),
    *(refusals, alerts, doctor),
)

VERBS = VerbTable(module.VERB for module in _MODULES)
"""A new verb is a module with `GRAMMAR`, `run` and `VERB`, and a word in `_MODULES`."""
