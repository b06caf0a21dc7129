"""The events of the audit file: what each means, and which fields it has (docs/audit.md)."""

import json
import math
from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from attrs import frozen

from vspc.common.clock import rfc3339
from vspc.common.text import safe


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
            "a login failed; with `count`: further ones without a line of their own",
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
        "pen": _of("an operator took the pen, or laid it down", _YES, _YES, "result"),
        "force": _of("an operator took the pen from its holder", _YES, _YES, "from_operator"),
        "break": _of("a BREAK; one from the VM has no operator", _MAY, _YES, "direction"),
        "input": _of(
            "bytes typed since the previous `input`, by any verb or kind of login; without "
            "`operator`: bytes that an earlier process had accepted",
            _MAY,
            _YES,
            "bytes dropped",
            "answers",
        ),
        "send": _of(
            "`send` ended; its bytes are in `input`, too",
            _YES,
            _YES,
            "bytes result",
            "offset detail seconds",
        ),
        "expect": _of(
            "`expect` ended; `bytes` are those of `--send`, which are in `input`, too",
            _YES,
            _YES,
            "result",
            "bytes offset end seconds detail",
        ),
        "note": _of("`note`: text for the log", _YES, _YES, "bytes result"),
        "msg": _of("`msg`: text for the operators attached", _YES, _YES, "bytes recipients"),
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
            "a verb was refused, because a right is missing (status 4)",
            _YES,
            _MAY,
            "verb",
            "detail",
        ),
        "command": _of("an operator ran a verb that has no event of its own", _YES, _NO, "verb"),
        "audit-read": _of("an operator read this file with `events`", _YES, _NO, "follow", "since"),
    }
)

_VMS: Mapping[str, EventSchema] = MappingProxyType(
    {
        "vm-refused": _of(
            "a VM was refused; with `count`: further ones without a line of their own",
            _NO,
            _NO,
            "",
            "address reason zone vm_name count seconds",
        ),
        "vm-replaced": _of(
            "a new line from the same host replaced one that did not answer",
            _NO,
            _YES,
            "old new",
            "detail",
        ),
        "takeover": _of(
            "the VM of a console is on another host, without proof by a vMotion",
            _NO,
            _YES,
            "how old new",
        ),
        "quarantine": _of("a line was quarantined", _NO, _YES, "host"),
        "accept": _of("an administrator accepted a line as the VM", _YES, _YES, "host result"),
        "forget": _of("an administrator ran `forget`", _YES, _YES, "result"),
        "forgotten": _of("a console left the list, by `forget` or after its time", _NO, _YES),
        "rename": _of(
            "a VM was renamed, and operators' rights on it changed",
            _NO,
            _YES,
            "name_before",
            "operators count",
        ),
        "security": _of(
            "suspicious behaviour; with `count`: further events without a line of their own",
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
        "reload": _of("the configuration was reloaded", _MAY, _NO, "changed", "restart ended"),
        "reload-failed": _of(
            "a reload failed: the configuration has mistakes",
            _MAY,
            _NO,
            "",
            "reason mistakes detail",
        ),
        "opened": _of(
            "the audit file was opened: at a start, or because it was moved away",
            _NO,
            _NO,
            "cause",
            "torn",
        ),
        "lost": _of(
            "events were lost: the file could not be written, and the queue was full",
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
        "seq": _integer("the number of the line, without gaps, across restarts and rotations"),
        "event": _text("what happened"),
    }
)
"""What every line has."""

SESSION: Mapping[str, Field] = MappingProxyType(
    {
        "session": _text("the id of the login in which it happened; unique across restarts"),
        "operator": _text("the operator; in `login-failed` the name that was given"),
        "via": _text('how the operator authenticated: methods joined by "+"'),
        "fingerprint": _text("fingerprint of the operator's key, as OpenSSH prints it"),
        "serial": _integer("serial number of the operator's certificate"),
        "key_id": _text("key id of the operator's certificate"),
        "ca": _text("fingerprint of the authority that signed the certificate"),
        "address": _text("address of the operator's client; in events of VMs, of the VM's host"),
        "reason": _text("the reason that the operator gave; without a session: why it was refused"),
    }
)
"""Fields of the operator."""

CONSOLE: Mapping[str, Field] = MappingProxyType(
    {
        "console": _text("the id of the console on which it happened"),
        "name": _text("the console's name as displayed at that time"),
        "zone": _text("the console's zone"),
        "port": _text("the console's port, where its VM has several"),
    }
)
"""Fields of the console."""

OTHERS: Mapping[str, Field] = MappingProxyType(
    {
        "answers": _integer(
            "bytes that reached the VM and that the operator's terminal sent by itself, because "
            "the VM had queried it; in addition to `bytes`"
        ),
        "attempts": _integer("failed attempts so far on this connection"),
        "bytes": _integer("number of bytes; in `input`, of those that reached the VM"),
        "cause": _text("what caused it: see the event"),
        "changed": _text("changed tables of the configuration, as key paths"),
        "count": _integer("how many events or objects; absent: one"),
        "detail": _text("details, to be read by people"),
        "direction": _text("`to-vm` or `from-vm`"),
        "dropped": _integer("bytes that were accepted and did not reach the VM"),
        "end": _integer("the output offset after the last byte"),
        "ended": _integer("number of logins that it ended"),
        "follow": Field(FieldKind.YES_NO, "whether it continued with new output or events (`-f`)"),
        "format": _text("the format of the export"),
        "from_operator": _text("the former holder of the pen"),
        "holder": _text("the host of the VM concerned"),
        "host": _text("the host of the line that was quarantined or accepted"),
        "how": _text(
            "`host-changed`, `taken-over`, `came-back` or `accepted`: see docs/identity.md"
        ),
        "kind": _text("the kind: see the event"),
        "limit": _text("the limit that was hit: a key of `[ssh]`, or `messages`, `expecting`"),
        "mistakes": _integer("number of mistakes"),
        "name_before": _text("the VM's name before"),
        "new": _text("the new host"),
        "offset": _integer("the output offset at which it began, or happened"),
        "old": _text("the former host"),
        "operators": _text("the operators concerned, joined by commas"),
        "pid": _integer("process id of the server"),
        "principals": _text("principals of the certificate, joined by commas"),
        "probes": _integer("keys that were offered without a signature, on this connection"),
        "recipients": _integer("number of attachments that received it"),
        "restart": _text("key paths that take effect only after a restart"),
        "result": _text("`ok`, `refused`, `failed`, or as described for the event"),
        "rights": _text("the operator's rights on the console, joined by commas"),
        "roles": _text("roles of the operator, joined by commas"),
        "seconds": Field(FieldKind.NUMBER, "how long it took or lasted"),
        "since": Field(
            FieldKind.TIME,
            "when the first of them happened; in `audit-read` the beginning of what was read",
        ),
        "subject": _text("the operator, fingerprint or session concerned"),
        "target": _text("the console that was requested, where there is none of that name"),
        "torn": _integer("bytes of an unfinished last line, left by a crash"),
        "until": Field(FieldKind.TIME, "when it ends"),
        "value": _integer("the value of the limit"),
        "verb": _text("the verb, without its arguments"),
        "version": _text("version of vspc"),
        "vm_name": _text("the name that the VM gave"),
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
