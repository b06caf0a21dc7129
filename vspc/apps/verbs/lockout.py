"""`lockout`: an operator, a key or an authority may not come in any more, and goes at once."""

import json
import re
from collections.abc import Iterable, Mapping

from attrs import frozen

from vspc.apps.verbs.context import FAILED, Call, VerbPrinter, complain, timestamp
from vspc.apps.verbs.grammar import JSON, Argument, Flag, Grammar, Option, Parsed
from vspc.apps.verbs.kinds import DURATION, UsageError, ValueKind
from vspc.common.clock import Cancellable
from vspc.common.text import safe
from vspc.console.ports import Lockout, Lockouts, Program
from vspc.console.session import Session
from vspc.console.sessions import end_sessions

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


_WHOM = ValueKind("OPERATOR|FINGERPRINT", _subject)

WHOM = Argument("OPERATOR|FINGERPRINT", "who is locked out", _WHOM, required=False)
FOR = Option("--for", "it ends by itself then", DURATION)
LIFT = Option("--lift", "end the lockout of X", _WHOM, value="X")
LIST = Flag("--list", "those that count now; so without any word, too")

GRAMMAR = Grammar(
    "lockout",
    "refuse logins of a name or a key, end its sessions (administrators)",
    arguments=(WHOM,),
    options=(FOR, LIFT, LIST, JSON),
    forms=("[OPERATOR|FINGERPRINT [--for TIME]] [--json]", "--lift X", "[--list] [--json]"),
    examples=("lockout mallory --for 24h", "lockout --lift mallory"),
)


def run(call: Call, parsed: Parsed) -> None:
    """Lock, lift or list."""
    _check(parsed)
    seconds = parsed.get(FOR)
    if seconds is not None and seconds > LONGEST:
        raise UsageError("--for is at most 3650d; without it a lockout counts until it is lifted")
    subject = parsed.get(WHOM) or parsed.get(LIFT)
    if not call.is_administrator():
        return
    lockouts = call.context.lockouts
    if lockouts is None:
        call.fail(FAILED, "no lockouts are kept here")
    elif subject is None:
        _list(call, parsed, lockouts)
    elif parsed.get(LIFT) is not None:
        _lift(call, parsed, lockouts, subject)
    else:
        _lock(call, parsed, lockouts, subject, seconds)


def _check(parsed: Parsed) -> None:
    whom, lift = parsed.get(WHOM), parsed.get(LIFT)
    if (whom is not None) + (lift is not None) + parsed.has(LIST) > 1:
        raise UsageError("say one OPERATOR or FINGERPRINT, or --lift X, or --list")
    if parsed.get(FOR) is not None and whom is None:
        raise UsageError("--for says how long OPERATOR or FINGERPRINT is locked out")


def _kind(subject: str) -> str:
    return "fingerprint" if subject.startswith("SHA256:") else "operator"


def _lock(
    call: Call, parsed: Parsed, lockouts: Lockouts, subject: str, seconds: float | None
) -> None:
    if subject.endswith(_LOCAL):
        call.fail(FAILED, f"{subject} is who has this machine, and is not locked out")
        return
    if is_about(call.session, subject):
        call.fail(
            FAILED,
            f"that is you: {subject} would be locked out with nobody to lift it; ask another "
            "administrator, or say it on the server's machine: vspc lockout",
        )
        return
    now = call.context.clock.wall()
    until = None if seconds is None else now + seconds
    locked = Lockout(subject, call.operator.name, now, until, call.session.reason)
    saving = _Saving(call, _Words(subject, "lockout", timestamp(until)))
    if not lockouts.lock(locked, saving.saved):
        call.fail(FAILED, "there are as many lockouts as there may be: lift some")
        return
    there = [each for each in call.context.sessions if is_about(each.session, subject)]
    end_sessions(there, "you are locked out")
    known = _kind(subject) == "fingerprint" or call.context.is_operator(subject)
    facts = _facts(locked) | {"ended": len(there), "known": known}
    told = _told(locked, len(there), known)
    saving.begin(told, facts if parsed.has(JSON) else None, len(there))


def _told(locked: Lockout, count: int, known: bool) -> str:
    ended = f"{count} session{'' if count == 1 else 's'} ended"
    until = timestamp(locked.until)
    term = "until it is lifted" if until is None else f"until {until}"
    unknown = "" if known else "; the configuration has no operator of that name"
    return f"{locked.what} is locked out {term}, {ended}{unknown}"


def _lift(call: Call, parsed: Parsed, lockouts: Lockouts, subject: str) -> None:
    saving = _Saving(call, _Words(subject, "unlock"))
    if lockouts.lift(subject, saving.saved):
        facts = {"subject": subject, "kind": _kind(subject), "lifted": True}
        told = f"{subject} is not locked out any more"
        saving.begin(told, facts if parsed.has(JSON) else None)
    else:
        call.fail(FAILED, f"{subject} is not locked out")


def is_about(session: Session, subject: str) -> bool:
    """Whether `session` is that operator's, or was opened with that key or by that authority."""
    return subject in (session.operator.name, session.proof.fingerprint, session.proof.ca)


@frozen
class _Words:
    """What was asked for: `event` is the audit file's name of it."""

    subject: str
    event: str
    until: str | None = None


class _Saving(Program):
    """It counts already; it is said when it is on the disk. A `Program` meanwhile."""

    def __init__(self, call: Call, words: _Words) -> None:
        self._call = call
        self._words = words
        self._text: str | None = None
        self._ended: int | None = None
        self._facts: Mapping[str, object] | None = None
        self._error: str | None = None
        self._timer: Cancellable | None = None
        self._over = False
        self._gone = False

    def begin(
        self, text: str, facts: Mapping[str, object] | None, ended: int | None = None
    ) -> None:
        """Wait for the disk, then say `text`, or print `facts` instead where there are some."""
        self._text, self._ended, self._facts = text, ended, facts
        self._timer = self._call.context.clock.call_later(PATIENCE, self._late)
        self._call.channel.start(self)
        self._go_on()

    def saved(self, error: str) -> None:
        """It is on the disk, or `error` says why it is not."""
        self._error = error
        self._go_on()

    def _late(self) -> None:
        self._error = self._error or f"the disk has not taken it for {PATIENCE:g} s"
        self._go_on()

    def _go_on(self) -> None:
        if self._error is None or self._text is None or self._over:
            return
        self._finish(self._error)
        if self._gone:
            return
        if self._error:
            why = f"it counts now, but not after a restart: {self._error}"
            self._call.fail(FAILED, self._text, why)
        else:
            facts = self._facts
            shown = self._text if facts is None else json.dumps(facts, indent=1)
            VerbPrinter(self._call.channel, shown + "\n")

    def _finish(self, detail: str) -> None:
        self._over = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        words, call = self._words, self._call
        kind, result = _kind(words.subject), "failed" if detail else "ok"
        if words.event == "lockout":
            call.record(
                "lockout",
                subject=words.subject,
                kind=kind,
                until=words.until,
                ended=self._ended,
                result=result,
                detail=detail or None,
            )
        else:
            call.record("unlock", subject=words.subject, kind=kind, result=result)

    # Program

    def received(self, data: bytes) -> None:
        """Nobody reads it."""
        self._call.channel.consumed(len(data))

    def closed(self) -> None:
        """Whoever asked has gone; it counts all the same, and what the disk says is recorded."""
        self._gone = True


def _list(call: Call, parsed: Parsed, lockouts: Lockouts) -> None:
    listed = lockouts.listed()
    if parsed.has(JSON):
        text = json.dumps([_facts(each) for each in listed], indent=1) + "\n"
    else:
        text = "".join(line + "\n" for line in _lines(listed))
        if not listed:
            complain(call.channel, "[there are no lockouts]")
    VerbPrinter(call.channel, text)


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
