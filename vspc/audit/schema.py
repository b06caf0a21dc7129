"""The events of the audit file: what each means, and which fields it has (docs/audit.md)."""

import json
import math
from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from attrs import frozen

from vspc.common.text import safe
from vspc.common.times import rfc3339


class Has(Enum):
    """Whether an event says who it was, or where."""

    ALWAYS = "yes"
    PERHAPS = "may"
    NEVER = "no"


@frozen
class EventSchema:
    """One of them: `always` and `perhaps` are names of fields beside those of who and where."""

    means: str
    who: Has
    where: Has
    always: tuple[str, ...] = ()
    perhaps: tuple[str, ...] = ()


_YES, _MAY, _NO = Has.ALWAYS, Has.PERHAPS, Has.NEVER


def _of(means: str, who: Has, where: Has, always: str = "", perhaps: str = "") -> EventSchema:
    return EventSchema(means, who, where, tuple(always.split()), tuple(perhaps.split()))


_LOGINS: Mapping[str, EventSchema] = MappingProxyType(
    {
        "login": _of("an operator logged in", _YES, _NO, "", "roles principals"),
        "login-failed": _of(
            "a login failed; with `count`, so many more without a line of their own",
            _NO,
            _NO,
            "result",
            "operator address reason via fingerprint serial key_id ca attempts probes count "
            "seconds",
        ),
        "logout": _of("an operator logged out", _YES, _NO, "seconds"),
        "lockout": _of(
            "an operator or a key was locked out",
            _MAY,
            _NO,
            "subject kind",
            "until ended result detail",
        ),
        "unlock": _of("a lockout was removed", _MAY, _NO, "subject kind", "result"),
        "limit": _of(
            "a limit was hit",
            _MAY,
            _MAY,
            "limit",
            "value address count result",
        ),
    }
)

_CONSOLES: Mapping[str, EventSchema] = MappingProxyType(
    {
        "attach": _of("an operator attached to a console", _YES, _YES, "offset rights"),
        "detach": _of("an operator detached", _YES, _YES, "offset seconds"),
        "pen": _of("an operator took the pen, or gave it up", _YES, _YES, "result"),
        "force": _of("an operator took the pen from another one", _YES, _YES, "from_operator"),
        "break": _of("a BREAK; from the VM without who", _MAY, _YES, "direction"),
        "input": _of(
            "bytes typed since the last such event, by any way in or verb; without `operator`: "
            "bytes that an earlier process had accepted",
            _MAY,
            _YES,
            "bytes dropped",
            "answers",
        ),
        "send": _of(
            "`send`; the bytes are in `input` too",
            _YES,
            _YES,
            "bytes result",
            "offset detail seconds",
        ),
        "expect": _of(
            "`expect`; bytes are those of `--send`, which are in `input` too",
            _YES,
            _YES,
            "result",
            "bytes offset end seconds detail",
        ),
        "note": _of("`note`: words for the log", _YES, _YES, "bytes result"),
        "msg": _of("`msg`: words for those attached", _YES, _YES, "bytes recipients"),
        "kick": _of(
            "an operator ended sessions or attachments of others",
            _YES,
            _MAY,
            "kind count",
            "subject operators result",
        ),
        "log-read": _of(
            "an operator read a log, or searched it",
            _YES,
            _YES,
            "verb",
            "offset end bytes follow result detail",
        ),
        "export": _of(
            "an operator exported a log", _YES, _YES, "format", "offset end bytes result"
        ),
        "raw": _of("an operator attached with `raw`", _YES, _YES, "offset"),
        "forward": _of("`-W` or `-L`", _YES, _MAY, "result", "offset target detail"),
        "denied": _of(
            "a verb was refused for want of a right (status 4)", _YES, _MAY, "verb", "detail"
        ),
        "command": _of("an operator ran a verb that has no event of its own", _YES, _NO, "verb"),
        "audit-read": _of("an operator read this file by `events`", _YES, _NO, "follow", "since"),
    }
)

_VMS: Mapping[str, EventSchema] = MappingProxyType(
    {
        "vm-refused": _of(
            "a VM was refused; with `count`, so many more without a line of their own",
            _NO,
            _NO,
            "",
            "address reason zone vm_name count seconds",
        ),
        "vm-replaced": _of(
            "a new line of the same host took the place of one that did not answer",
            _NO,
            _YES,
            "old new",
            "detail",
        ),
        "takeover": _of(
            "the VM of a console is on another host, and no vMotion has proved it",
            _NO,
            _YES,
            "how old new",
        ),
        "quarantine": _of("a line is kept apart", _NO, _YES, "host"),
        "accept": _of("an administrator said which line is the VM", _YES, _YES, "host result"),
        "forget": _of("an administrator ran `forget`", _YES, _YES, "result"),
        "forgotten": _of("a console has left the list, by itself or by `forget`", _NO, _YES),
        "rename": _of(
            "a VM was renamed, and operators' rights on it changed",
            _NO,
            _YES,
            "name_before",
            "operators count",
        ),
        "security": _of(
            "suspicious behaviour; with `count`, so many more without a line of their own",
            _NO,
            _MAY,
            "kind",
            "address holder detail count seconds",
        ),
    }
)

_SERVER: Mapping[str, EventSchema] = MappingProxyType(
    {
        "start": _of("the server started", _NO, _NO, "version pid"),
        "stop": _of("the server stopped", _NO, _NO, "seconds"),
        "reload": _of("the configuration was read anew", _MAY, _NO, "changed", "restart ended"),
        "reload-failed": _of(
            "it was not: it has mistakes", _MAY, _NO, "", "reason mistakes detail"
        ),
        "opened": _of(
            "the audit file was opened: at a start, or because it was moved away",
            _NO,
            _NO,
            "cause",
            "torn",
        ),
        "lost": _of(
            "events that could not be written, and for which there was no room",
            _NO,
            _NO,
            "count since",
        ),
    }
)

EVENTS: Mapping[str, EventSchema] = MappingProxyType({**_LOGINS, **_CONSOLES, **_VMS, **_SERVER})
"""All of them, by name."""


class FieldKind(Enum):
    """What a field's value is."""

    TEXT = "text"  # one line, at most 1 KiB, made safe
    INTEGER = "integer"
    NUMBER = "number"  # an integer, or one with a fraction
    YES_NO = "true or false"
    TIME = "time"  # RFC 3339 in UTC, with a fraction of the second and a Z


@frozen
class Field:
    """One of them."""

    kind: FieldKind
    means: str


def _text(means: str) -> Field:
    return Field(FieldKind.TEXT, means)


def _integer(means: str) -> Field:
    return Field(FieldKind.INTEGER, means)


EVERY: Mapping[str, Field] = MappingProxyType(
    {
        "time": Field(FieldKind.TIME, "when it happened"),
        "seq": _integer("the number of the line, without gaps, over restarts and rotations"),
        "event": _text("what happened"),
    }
)
"""What every line has."""

SESSION: Mapping[str, Field] = MappingProxyType(
    {
        "session": _text("the login in which it happened; unique over restarts"),
        "operator": _text("who did it; in `login-failed` the name that was given"),
        "via": _text('how the operator authenticated: methods joined by "+"'),
        "fingerprint": _text("of the operator's key, as OpenSSH prints it"),
        "serial": _integer("of the operator's certificate"),
        "key_id": _text("of the operator's certificate"),
        "ca": _text("the fingerprint of the authority that signed it"),
        "address": _text("of the operator's client; in `vm-refused` of the VM's host"),
        "reason": _text("the reason that the operator gave; without a session: why it was refused"),
    }
)
"""Fields of the operator."""

CONSOLE: Mapping[str, Field] = MappingProxyType(
    {
        "console": _text("the id of the console on which it happened"),
        "name": _text("its name as displayed at that time"),
        "zone": _text("its zone"),
        "port": _text("its port, where its VM has several"),
    }
)
"""Fields of the console."""

OTHERS: Mapping[str, Field] = MappingProxyType(
    {
        "answers": _integer(
            "bytes that reached the VM and that the operator's terminal sent by itself, because "
            "the VM had queried it; in addition to `bytes`"
        ),
        "attempts": _integer("failed attempts up to now in this connection"),
        "bytes": _integer("how many bytes it was about; those that reached the VM in `input`"),
        "cause": _text("what it was done for, or by: see the event"),
        "changed": _text("key paths of the configuration"),
        "count": _integer("how many it stands for; none: one"),
        "detail": _text("more about it, for people"),
        "direction": _text("`to-vm` or `from-vm`"),
        "dropped": _integer("bytes that were accepted and did not reach the VM"),
        "end": _integer("the offset behind the last byte"),
        "ended": _integer("logins that it ended"),
        "follow": Field(FieldKind.YES_NO, "whether it went on with what came"),
        "format": _text("in which form"),
        "from_operator": _text("the operator who had it before"),
        "holder": _text("the host of the VM that it was about"),
        "host": _text("the VM's host, or the one that claims to be"),
        "how": _text("in which way: see docs/identity.md"),
        "kind": _text("of which kind"),
        "limit": _text("the limit that was hit, as the configuration calls it"),
        "mistakes": _integer("how many there were"),
        "name_before": _text("the VM's name before"),
        "new": _text("the host from now on"),
        "offset": _integer("of the output: where it began, or where it happened"),
        "old": _text("the host before"),
        "operators": _text("the operators that it was about, joined by commas"),
        "pid": _integer("the server's process"),
        "principals": _text("of the certificate, joined by commas"),
        "probes": _integer("keys that were only asked about, in this connection"),
        "recipients": _integer("attachments that got it"),
        "restart": _text("key paths that count only after a restart"),
        "result": _text("what came of it: `ok`, `refused`, `failed`, or as the event says"),
        "rights": _text("the operator's rights there, joined by commas"),
        "roles": _text("of the operator, joined by commas"),
        "seconds": Field(FieldKind.NUMBER, "how long it took, or lasted"),
        "since": Field(FieldKind.TIME, "when the first of them happened"),
        "subject": _text("an operator, a fingerprint or a session that it was about"),
        "target": _text("the console that was asked for, where there is none of that name"),
        "torn": _integer("bytes of an unfinished last line that a crash had left"),
        "until": Field(FieldKind.TIME, "when it ends"),
        "value": _integer("how much that limit is"),
        "verb": _text("the verb, without its words"),
        "version": _text("of vspc"),
        "vm_name": _text("what the VM said its name is"),
    }
)
"""Fields of single events."""

FIELDS: Mapping[str, Field] = MappingProxyType({**EVERY, **SESSION, **CONSOLE, **OTHERS})
"""All of them."""


TEXT = 1024
"""Characters of a text, and twice as many bytes of its JSON."""

_WIDEST = 1 << 64
"""Integers reach to here on both sides of 0: a certificate's serial is one."""

Value = str | int | float | bool


def moment(at: float) -> str:
    """RFC 3339 in UTC, with microseconds and a Z."""
    return rfc3339(at, "microseconds")


def bounded(text: str) -> str:
    """`text` as one safe line, no longer than `TEXT`, with a count of what was cut."""
    limit = TEXT - 24  # for the count of what was cut
    shown = safe(text, limit)
    while len(shown) > TEXT or len(json.dumps(shown)) > 2 * TEXT:
        limit //= 2
        shown = safe(text, limit)
    return shown


class Unfit(TypeError):
    """A value of a type that fields do not have; the text is the type."""


def value(found: object) -> Value | None:
    """`found` as it is written; None is left out. Raises `Unfit`."""
    if found is None or isinstance(found, bool):
        return found
    if isinstance(found, int):
        return (
            int(found) if -_WIDEST <= found <= _WIDEST else f"{'-' if found < 0 else ''}too large"
        )
    if isinstance(found, float):
        # JSON has no infinity.
        return float(found) if math.isfinite(found) else str(found)
    if isinstance(found, str):
        return bounded(found)
    raise Unfit(type(found).__name__)
