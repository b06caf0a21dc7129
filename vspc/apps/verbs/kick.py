"""`kick`: remove an operator from a console, or end sessions."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from vspc.apps.verbs.context import DENIED, FAILED, Call, Verb, VerbExit, handle_of
from vspc.apps.verbs.grammar import JSON, Argument, Flag, Grammar, Option, Parsed
from vspc.apps.verbs.kinds import CONSOLE, WORD, UsageError
from vspc.common.text import safe
from vspc.console.attachment import Attachment
from vspc.console.sessions import OpenSession, end_sessions

NAME = Argument("NAME", "the console", CONSOLE, required=False)
OPERATOR = Argument(
    "OPERATOR", "the operator to remove from it (right admin)", WORD, required=False
)
SESSION = Option("--session", "end this session; the beginning of its id will do", WORD, value="ID")
EVERYWHERE = Option("--operator", "end all sessions of this operator", WORD, value="X")
WRITERS = Flag("--all-writers", "remove all other operators that have a pen")

GRAMMAR = Grammar(
    "kick",
    "remove an operator from a console, or end sessions (administrators)",
    arguments=(NAME, OPERATOR),
    options=(SESSION, EVERYWHERE, WRITERS, JSON),
    forms=("NAME OPERATOR", "--session ID", "--operator X", "--all-writers [--json]"),
    examples=("kick web1 bob", "kick --session 4f1c"),
)

Kicked = tuple[list[dict[str, object]], str]
"""Facts of each attachment or session that was ended, and the same in words."""

AMBIGUOUS = 8
"""Sessions that are listed where an id is ambiguous."""


def _ways(parsed: Parsed) -> int:
    given = (parsed.get(SESSION) is not None, parsed.get(EVERYWHERE) is not None)
    return sum(given) + parsed.has(WRITERS)


async def run(call: Call, parsed: Parsed) -> None:
    """Whichever of the four it is."""
    name, target = parsed.get(NAME), parsed.get(OPERATOR)
    off_console = name is not None and target is not None
    named = name is not None and not parsed.from_login
    if _ways(parsed) != (0 if off_console else 1) or (named and not off_console):
        raise UsageError("give NAME and OPERATOR, or one of the options")
    if off_console:
        ended, text = _off_console(call, parsed[NAME], parsed[OPERATOR])
    elif call.session.among is not None:
        raise VerbExit(DENIED, "this key is limited to certain consoles")
    else:
        call.require_administrator()
        ended, text = _from_server(call, parsed)
    if parsed.has(JSON):
        await call.print_json(ended)
    else:
        await call.print(f"{text}\n")


def _from_server(call: Call, parsed: Parsed) -> Kicked:
    if (session := parsed.get(SESSION)) is not None:
        return _session(call, session)
    if (operator := parsed.get(EVERYWHERE)) is not None:
        return _operator(call, operator)
    return _writers(call)


def _off_console(call: Call, name: str, target: str) -> Kicked:
    console = call.find(name)
    if "admin" not in call.rights(console) and "admin" not in call.operator.roles:
        denied = f"you have no right to remove operators from {console.title}"
        raise VerbExit(DENIED, denied, console=console)
    there = [each for each in console.attachments if each.operator.name == target]
    if not there:
        call.record("kick", console, kind="console", count=0, subject=target, result="failed")
        raise VerbExit(FAILED, f"{safe(target)} is not on {console.title}")
    ended = [_facts(call, each) for each in there]
    for each in there:
        each.expel(f"removed by {call.operator.name}")
    call.record("kick", console, kind="console", count=len(there), subject=target, result="ok")
    return ended, f"{safe(target)} was removed from {console.title}"


def _session(call: Call, wanted: str) -> Kicked:
    """By its id, or the beginning of one that no other has."""
    exact = call.context.sessions.get(wanted)
    every = [each for each in call.context.sessions if each.session.id.startswith(wanted)]
    found = every if exact is None else [exact]
    if not found or not wanted:
        raise _no_session(call, "session", wanted, f"no session '{safe(wanted)}'; see `sessions`")
    if len(found) > 1:
        ids = ", ".join(each.session.id for each in found[:AMBIGUOUS])
        more = ", ..." if len(found) > AMBIGUOUS else ""
        why = f"{len(found)} sessions begin with '{safe(wanted)}': {ids}{more}"
        raise _no_session(call, "session", wanted, why)
    if _is_own(call, found[0]):
        raise VerbExit(FAILED, "that is this session; log out to end it")
    return _end(call, "session", found[0].session.id, found)


def _operator(call: Call, wanted: str) -> Kicked:
    there = [each for each in call.context.sessions.of(wanted) if not _is_own(call, each)]
    if not there:
        other = "other " if wanted == call.operator.name else ""
        raise _no_session(call, "operator", wanted, f"{safe(wanted)} has no {other}session")
    return _end(call, "operator", wanted, there)


def _no_session(call: Call, kind: str, subject: str, why: str) -> VerbExit:
    call.record("kick", kind=kind, count=0, subject=subject, result="failed")
    return VerbExit(FAILED, why)


def _end(call: Call, kind: str, subject: str, there: list[OpenSession]) -> Kicked:
    ended = [session_facts(each) for each in there]
    names = _names(each.session.operator.name for each in there)
    end_sessions(there, f"session ended by {call.operator.name}")
    call.record("kick", kind=kind, count=len(there), subject=subject, operators=names, result="ok")
    many = f"{len(there)} sessions were" if len(there) > 1 else "1 session was"
    return ended, f"{many} ended: {names}"


def _writers(call: Call) -> Kicked:
    pens = [each for console in call.context.roster for each in console.pen.holders]
    there = [each for each in pens if each.session.id != call.session.id]
    # Consoles that do not exist for the operator are counted and not named.
    seen = [each for each in there if call.may_read(call.context.console_of(each))]
    named = set(seen)
    ended = [_facts(call, each) if each in named else dict(_UNSEEN) for each in there]
    named_here = [f"{each.operator.name} on {each.console.title}" for each in seen]
    if len(seen) < len(there):
        named_here.append(f"{len(there) - len(seen)} on consoles that you may not read")
    names = _names(each.operator.name for each in there)
    for each in there:
        each.expel(f"removed by {call.operator.name}")
    call.record("kick", kind="writers", count=len(there), operators=names or None, result="ok")
    removed = f"{len(there)}: {', '.join(named_here)}" if named_here else "none"
    return ended, f"writers removed: {removed}"


def _is_own(call: Call, opened: OpenSession) -> bool:
    return opened.session.id == call.session.id


def _names(operators: Iterable[str]) -> str:
    return ", ".join(sorted(set(operators)))


def _facts(call: Call, attachment: Attachment) -> dict[str, object]:
    console = call.context.console_of(attachment)
    return {
        "operator": attachment.operator.name,
        "session": attachment.session.id,
        "console": console.title,
        "handle": handle_of(console),
        "address": attachment.address,
        "wrote": attachment.has_pen,
    }


_UNSEEN: Mapping[str, object] = MappingProxyType(
    dict.fromkeys(("operator", "session", "console", "handle", "address")) | {"wrote": True}
)
"""In place of facts about a console that does not exist for the operator."""


def session_facts(opened: OpenSession) -> dict[str, object]:
    """A session that is ended."""
    session = opened.session
    return {"operator": session.operator.name, "session": session.id, "address": session.address}


VERB = Verb(GRAMMAR, run, audits_itself=True)
