"""The fields that events of the audit file have: a name means the same in each of them."""

import json
import math
from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from attrs import frozen

from vspc.common.text import safe
from vspc.common.times import rfc3339


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
        "operator": _text("who did it; in `login-failed` whom he said he was"),
        "via": _text('how he proved it: methods joined by "+"'),
        "fingerprint": _text("his key's, as OpenSSH prints it"),
        "serial": _integer("his certificate's"),
        "key_id": _text("his certificate's"),
        "ca": _text("the fingerprint of the authority that signed it"),
        "address": _text("where he comes from; in `vm-refused` the VM's host"),
        "reason": _text("why he came, as he said; without a session: why it was refused"),
    }
)
"""What says who it was."""

CONSOLE: Mapping[str, Field] = MappingProxyType(
    {
        "console": _text("the id of the console on which it happened"),
        "name": _text("its name as displayed at that time"),
        "zone": _text("its zone"),
        "port": _text("its port, where its VM has several"),
    }
)
"""What says where it was."""

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
        "dropped": _integer("bytes that were taken from him and did not reach the VM"),
        "end": _integer("the offset behind the last byte"),
        "ended": _integer("logins that it ended"),
        "follow": Field(FieldKind.YES_NO, "whether it went on with what came"),
        "format": _text("in which form"),
        "from_operator": _text("who had it before"),
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
        "operators": _text("whom it was about, joined by commas"),
        "pid": _integer("the server's process"),
        "principals": _text("of the certificate, joined by commas"),
        "probes": _integer("keys that were only asked about, in this connection"),
        "recipients": _integer("attachments that were told"),
        "restart": _text("key paths that count only after a restart"),
        "result": _text("what came of it: `ok`, `refused`, `failed`, or as the event says"),
        "rights": _text("what he may do there, joined by commas"),
        "roles": _text("his roles, joined by commas"),
        "seconds": Field(FieldKind.NUMBER, "how long it took, or lasted"),
        "since": Field(FieldKind.TIME, "when the first of them happened"),
        "subject": _text("whom or what it was about: an operator, a fingerprint, a session"),
        "target": _text("what he asked for, where there was no such console"),
        "torn": _integer("bytes of an unfinished last line that a crash had left"),
        "until": Field(FieldKind.TIME, "when it ends"),
        "value": _integer("how much that limit is"),
        "verb": _text("the verb, without its words"),
        "version": _text("of vspc"),
        "vm_name": _text("what the VM said its name is"),
    }
)
"""What else there is to say."""

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
    """`text` as one safe line that is no longer than `TEXT` allows; what is cut is counted."""
    limit = TEXT - 24  # for the count of what was cut
    shown = safe(text, limit)
    while len(shown) > TEXT or len(json.dumps(shown)) > 2 * TEXT:
        limit //= 2
        shown = safe(text, limit)
    return shown


class Unfit(TypeError):
    """A value that no field has; the text says of what type it is."""


def value(found: object) -> Value | None:
    """`found` as it is written; None is left out. Raises `Unfit`."""
    if found is None or isinstance(found, bool):
        return found
    if isinstance(found, int):
        return (
            int(found) if -_WIDEST <= found <= _WIDEST else f"{'-' if found < 0 else ''}too large"
        )
    if isinstance(found, float):
        # JSON knows no infinity.
        return float(found) if math.isfinite(found) else str(found)
    if isinstance(found, str):
        return bounded(found)
    raise Unfit(type(found).__name__)
