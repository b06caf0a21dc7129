"""The table of verbs, the splitting of a command line, and `help`."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from attrs import evolve, frozen

from vspc.text import safe
from vspc.verbs import (
    accept,
    boots,
    console,
    events,
    expect,
    expectwords,
    export,
    forget,
    info,
    kick,
    lockout,
    log,
    logoptions,
    msg,
    note,
    raw,
    record,
    refusals,
    send,
    sendbreak,
    sendwords,
    sessions,
    status,
    who,
)
from vspc.verbs import list as list_verb
from vspc.verbs.call import USAGE, Call, Printer

LINE = 4096
"""Bytes of a command line."""

REASON = "reason="
"""A word before the verb that says why."""


@frozen
class Verb:
    """One verb: how to write it, what it does, and the doing. `recorded`: by itself, as an event of
    its own, or not at all.
    """

    usage: str
    summary: str
    run: Callable[[Call], None]
    recorded: bool = True


class BadLine(ValueError):
    """A command line that cannot be split into words."""


def split(line: str) -> list[str]:
    """Words, split by quotes and backslashes, nothing expanded. BadLine if a quote stays open."""
    if len(line) > LINE:
        raise BadLine(f"the command has {len(line)} characters, at most {LINE} are allowed")
    words: list[str] = []
    word: str | None = None
    quote = ""
    letters = iter(line)
    for letter in letters:
        if quote != "'" and letter == "\\":
            following = next(letters, None)
            if following is None:
                raise BadLine("the command ends with a backslash")
            # Within double quotes a backslash is itself, except before what it must protect.
            kept = "\\" if quote and following not in '\\"' else ""
            word = (word or "") + kept + following
        elif letter == quote:
            quote = ""
        elif not quote and letter in "'\"":
            quote, word = letter, word or ""
        elif not quote and letter.isspace():
            if word is not None:
                words.append(word)
            word = None
        else:
            word = (word or "") + letter
    if quote:
        raise BadLine(f"the command has an open {quote}")
    return words if word is None else [*words, word]


def run_line(call: Call, line: str) -> None:
    """Run a command line; `call.words` are ignored."""
    try:
        words = split(line)
    except BadLine as mistake:
        call.fail(USAGE, str(mistake))
        return
    run_words(call, words)


def run_words(call: Call, words: list[str]) -> None:
    """Run a verb with its words."""
    if words and words[0].startswith(REASON):
        call, words = call.because(words[0].removeprefix(REASON)), words[1:]
    verb = VERBS.get(words[0]) if words else None
    if verb is None:
        said = f"no verb {safe(words[0])}; there are" if words else "say a verb; there are"
        call.fail(USAGE, *_overview(said))
        return
    if not verb.recorded:
        call.record("command", verb=words[0])
    verb.run(evolve(call, verb=words[0], words=tuple(words[1:])))


def _overview(heading: str) -> list[str]:
    shown = {verb.usage.split()[0]: verb.summary for verb in VERBS.values()}
    width = max(map(len, shown))
    lines = [f"  {word.ljust(width)}  {text}" for word, text in shown.items()]
    return [heading, *lines, "`help VERB` says how one is written."]


def _help(call: Call) -> None:
    heading = "Verbs (ssh HOST VERB ...); without one, a terminal gets the chooser:"
    names = [verb.usage for word, verb in VERBS.items() if word in call.words]
    text = [f"usage: {name}" for name in names] or _overview(heading)
    Printer(call.channel, "".join(line + "\n" for line in text))


_LIST = Verb(list_verb.USAGE_LINE, list_verb.SUMMARY, list_verb.run, recorded=False)

VERBS: Mapping[str, Verb] = MappingProxyType(
    {
        "list": _LIST,
        "ls": _LIST,
        "console": Verb(console.USAGE_LINE, console.SUMMARY, console.run),
        "raw": Verb(raw.USAGE_LINE, raw.SUMMARY, raw.run),
        "log": Verb(logoptions.USAGE_LINE, log.SUMMARY, log.run),
        "boots": Verb(boots.USAGE_LINE, boots.SUMMARY, boots.run, recorded=False),
        "export": Verb(export.USAGE_LINE, export.SUMMARY, export.run),
        "record": Verb(record.USAGE_LINE, record.SUMMARY, record.run, recorded=False),
        "note": Verb(note.USAGE_LINE, note.SUMMARY, note.run),
        "send": Verb(sendwords.USAGE_LINE, send.SUMMARY, send.run),
        "expect": Verb(expectwords.USAGE_LINE, expect.SUMMARY, expect.run),
        "msg": Verb(msg.USAGE_LINE, msg.SUMMARY, msg.run),
        "info": Verb(info.USAGE_LINE, info.SUMMARY, info.run, recorded=False),
        "who": Verb(who.USAGE_LINE, who.SUMMARY, who.run, recorded=False),
        "break": Verb(sendbreak.USAGE_LINE, sendbreak.SUMMARY, sendbreak.run),
        "kick": Verb(kick.USAGE_LINE, kick.SUMMARY, kick.run),
        "sessions": Verb(sessions.USAGE_LINE, sessions.SUMMARY, sessions.run, recorded=False),
        "lockout": Verb(lockout.USAGE_LINE, lockout.SUMMARY, lockout.run),
        "status": Verb(status.USAGE_LINE, status.SUMMARY, status.run, recorded=False),
        "accept": Verb(accept.USAGE_LINE, accept.SUMMARY, accept.run),
        "forget": Verb(forget.USAGE_LINE, forget.SUMMARY, forget.run),
        "events": Verb(events.USAGE_LINE, events.SUMMARY, events.run),
        "refusals": Verb(refusals.USAGE_LINE, refusals.SUMMARY, refusals.run, recorded=False),
        "help": Verb("help [VERB]", "this list", _help),
    }
)
