"""`lockout`: refuse logins of an operator, a key or an authority, and end its sessions."""

import re
from collections.abc import Iterable
from typing import Any

from attrs import field, frozen

from vspc.apps.verbs.context import FAILED, Call, Verb, VerbExit
from vspc.apps.verbs.grammar import JSON, Argument, Flag, Grammar, Option, Parsed
from vspc.apps.verbs.kinds import DURATION, UsageError, ValueKind
from vspc.common.clock import timestamp
from vspc.common.text import safe
from vspc.console.ports import Lockout, Lockouts
from vspc.console.session import Session
from vspc.console.sessions import end_sessions
from vspc.net.waiting import RunningCoroutine, Wakeup, within

LONGEST = 3650 * 86400.0
"""Seconds of a lockout that ends by itself."""

PATIENCE = 10.0
"""Seconds that the disk may take."""

_LOCAL = "@local"
_KEY = re.compile(r"SHA256:[A-Za-z0-9+/]{43}=?")
_NAME = re.compile(r"[A-Za-z0-9._-][A-Za-z0-9._@-]{0,63}")


def _subject(_label: str, word: str, _now: float) -> str:
    if _KEY.fullmatch(word):
        return word.rstrip("=")
    if ":" not in word and _NAME.fullmatch(word):
        return word
    raise UsageError(
        f"'{safe(word)}' is neither an operator's name nor a fingerprint as ssh-keygen -l "
        "prints it (SHA256:...)"
    )


_SUBJECT = ValueKind("OPERATOR|FINGERPRINT", _subject)

SUBJECT = Argument("OPERATOR|FINGERPRINT", "what to lock out", _SUBJECT, required=False)
FOR = Option("--for", "end it after this time", DURATION)
LIFT = Option("--lift", "end the lockout of X", _SUBJECT, value="X")
LIST = Flag("--list", "list those in force, as without arguments")

GRAMMAR = Grammar(
    "lockout",
    "refuse logins of a name or a key, end its sessions (administrators)",
    arguments=(SUBJECT,),
    options=(FOR, LIFT, LIST, JSON),
    forms=("[OPERATOR|FINGERPRINT [--for TIME]] [--json]", "--lift X", "[--list] [--json]"),
    examples=("lockout mallory --for 24h", "lockout --lift mallory"),
)


async def run(call: Call, parsed: Parsed) -> None:
    """Lock out, lift or list."""
    _check(parsed)
    subject = parsed.get(SUBJECT) or parsed.get(LIFT)
    call.require_administrator()
    lockouts = call.context.lockouts
    if lockouts is None:
        raise VerbExit(FAILED, "lockouts are not available on this server")
    if subject is None:
        await _list(call, parsed, lockouts)
        return
    if parsed.get(LIFT) is None:
        change = _lock(call, subject, lockouts, parsed.get(FOR))
    else:
        change = _lift(subject, lockouts)
    error = await _saved(call, change, lockouts)
    if error:
        raise VerbExit(FAILED, change.text, f"it is in force now, but not after a restart: {error}")
    if parsed.has(JSON):
        await call.print_json(change.facts)
    else:
        await call.print(f"{change.text}\n")


def _check(parsed: Parsed) -> None:
    subject, lift = parsed.get(SUBJECT), parsed.get(LIFT)
    if (subject is not None) + (lift is not None) + parsed.has(LIST) > 1:
        raise UsageError("give one OPERATOR or FINGERPRINT, or --lift X, or --list")
    if parsed.get(FOR) is not None and subject is None:
        raise UsageError("--for needs OPERATOR or FINGERPRINT")
    if (parsed.get(FOR) or 0) > LONGEST:
        raise UsageError("--for is at most 3650d; without it a lockout lasts until it is lifted")


def _kind(subject: str) -> str:
    return "fingerprint" if subject.startswith("SHA256:") else "operator"


@frozen
class _Change:
    """A change of the lockouts, as text and as JSON. `event` is its name in the audit file,
    `audited` are more facts that belong there.
    """

    event: str
    subject: str
    text: str
    facts: dict[str, object]
    audited: dict[str, Any] = field(factory=dict)


async def _saved(call: Call, change: _Change, lockouts: Lockouts) -> str:
    """Save a change, then record it; why it is not on the disk, if so. Both go on if the operator
    leaves meanwhile.
    """
    over, error = Wakeup(), "see the server's log"

    async def save() -> None:
        nonlocal error
        try:
            error = await _written(call, lockouts)
            facts = {"subject": change.subject, "kind": _kind(change.subject), **change.audited}
            if error and change.event == "lockout":
                facts["detail"] = error
            call.record(change.event, **facts, result="failed" if error else "ok")
        finally:
            over.set()

    RunningCoroutine(save())
    await over.wait()
    return error


async def _written(call: Call, lockouts: Lockouts) -> str:
    try:
        return await within(call.context.clock, PATIENCE, lockouts.save())
    except TimeoutError:
        return f"not written to disk after {PATIENCE:g} s"


def _lock(call: Call, subject: str, lockouts: Lockouts, seconds: float | None) -> _Change:
    if subject.endswith(_LOCAL):
        raise VerbExit(FAILED, f"{subject} is the user of this machine, and cannot be locked out")
    if is_about(call.session, subject):
        raise VerbExit(
            FAILED,
            f"you are logged in with {subject}: another administrator can lock it out, or "
            "`vspc lockout` on the server's machine",
        )
    now = call.context.clock.wall()
    until = None if seconds is None else now + seconds
    locked = Lockout(subject, call.operator.name, now, until, call.session.reason)
    if not lockouts.lock(locked):
        raise VerbExit(FAILED, "limit of lockouts reached: lift some")
    there = [each for each in call.context.sessions if is_about(each.session, subject)]
    end_sessions(there, "you are locked out")
    known = _kind(subject) == "fingerprint" or call.context.is_operator(subject)
    facts = _facts(locked) | {"ended": len(there), "known": known}
    audited = {"until": timestamp(until), "ended": len(there)}
    return _Change("lockout", subject, _told(locked, len(there), known), facts, audited)


def _told(locked: Lockout, count: int, known: bool) -> str:
    ended = f"{count} session{'' if count == 1 else 's'} ended"
    until = timestamp(locked.until)
    term = "until it is lifted" if until is None else f"until {until}"
    unknown = "" if known else "; the configuration has no operator of that name"
    return f"{locked.what} is locked out {term}, {ended}{unknown}"


def _lift(subject: str, lockouts: Lockouts) -> _Change:
    if not lockouts.lift(subject):
        raise VerbExit(FAILED, f"{subject} is not locked out")
    facts: dict[str, object] = {"subject": subject, "kind": _kind(subject), "lifted": True}
    return _Change("unlock", subject, f"{subject} is not locked out any more", facts)


def is_about(session: Session, subject: str) -> bool:
    """Whether `session` is that operator's, or was opened with that key or by that authority."""
    shown = (name for part in session.proof.parts for name in (part.fingerprint, part.ca))
    return subject in (session.operator.name, *shown)


async def _list(call: Call, parsed: Parsed, lockouts: Lockouts) -> None:
    listed = lockouts.listed()
    if parsed.has(JSON):
        await call.print_json([_facts(each) for each in listed])
        return
    if not listed:
        call.remark("no lockouts")
    await call.print("".join(line + "\n" for line in _lines(listed)))


def _facts(locked: Lockout) -> dict[str, object]:
    return {
        "subject": locked.what,
        "kind": _kind(locked.what),
        "by": locked.by,
        "since": timestamp(locked.since),
        "until": timestamp(locked.until),
        "reason": locked.reason or None,
    }


def _lines(listed: Iterable[Lockout]) -> list[str]:
    lines = []
    for each in listed:
        term = "until it is lifted" if each.until is None else f"until {timestamp(each.until)}"
        why = f"  {safe(each.reason)}" if each.reason else ""
        line = f"{safe(each.what)}  {term}  by {safe(each.by)} since {timestamp(each.since)}{why}"
        lines.append(line)
    return lines


VERB = Verb(GRAMMAR, run, audits_itself=True)
