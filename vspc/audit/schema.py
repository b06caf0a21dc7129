"""The events of the audit file: which fields each has. docs/audit.md says what they mean.

Tests hold that page's tables against this one, and every event that is recorded against both.
"""

import json
import math
from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from attrs import frozen

from vspc.common.clock import rfc3339
from vspc.common.text import safe


class Has(Enum):
    """Whether an event says who it was, or where; in the words of docs/audit.md."""

    ALWAYS = "yes"
    PERHAPS = "may"
    NEVER = "no"


@frozen
class EventSchema:
    """One of them: `always` and `perhaps` are names of fields beside those of who and where."""

    who: Has
    where: Has
    always: tuple[str, ...]
    perhaps: tuple[str, ...]


_YES, _MAY, _NO = Has.ALWAYS, Has.PERHAPS, Has.NEVER

EVERY = frozenset({"time", "seq", "event"})
"""Fields that every line has."""

SESSION = frozenset(
    {
        *("session", "operator", "via", "fingerprint", "serial", "key_id", "ca"),
        *("address", "socket", "reason"),
    }
)
"""Fields that say who it was."""

CONSOLE = frozenset({"console", "name", "zone", "port"})
"""Fields that say where."""


def _of(who: Has, where: Has, always: str = "", perhaps: str = "") -> EventSchema:
    return EventSchema(who, where, tuple(always.split()), tuple(perhaps.split()))


EVENTS: Mapping[str, EventSchema] = MappingProxyType(
    {
        # Logins
        "login": _of(_YES, _NO, "", "roles principals granted"),
        "login-failed": _of(
            _NO,
            _NO,
            "result",
            "operator address socket reason via fingerprint serial key_id ca "
            "attempts probes count seconds",
        ),
        "logout": _of(_YES, _NO, "seconds"),
        "lockout": _of(_MAY, _NO, "subject kind", "until ended result detail"),
        "unlock": _of(_MAY, _NO, "subject kind", "result"),
        "limit": _of(_MAY, _MAY, "limit", "value address count result"),
        # Consoles
        "attach": _of(_YES, _YES, "offset rights", "kind"),
        "detach": _of(_YES, _YES, "offset seconds"),
        "pen": _of(_YES, _YES, "result"),
        "force": _of(_YES, _YES, "from_operator"),
        "ask": _of(_YES, _YES, "result", "holder"),
        "give": _of(_YES, _YES, "result", "from_operator"),
        "approve": _of(_YES, _YES, "result", "subject cause"),
        "lock": _of(_MAY, _YES, "result owner until", "detail keep"),
        "lease": _of(_MAY, _YES, "result owner until", "detail"),
        "break": _of(_MAY, _YES, "direction"),
        "break-sequence": _of(_YES, _YES, "sequence result", "detail seconds"),
        "input": _of(_MAY, _YES, "bytes dropped", "answers"),
        "send": _of(_YES, _YES, "bytes result", "offset detail seconds"),
        "expect": _of(_YES, _YES, "result", "bytes offset end seconds detail"),
        "wait": _of(_YES, _MAY, "kind target result seconds"),
        "note": _of(_YES, _YES, "bytes result"),
        "describe": _of(_YES, _YES, "bytes result"),
        "msg": _of(_YES, _YES, "bytes recipients"),
        "kick": _of(_YES, _MAY, "kind count", "subject operators result"),
        "log-read": _of(_YES, _YES, "verb", "offset end bytes follow panic result detail"),
        "export": _of(_YES, _YES, "format", "offset end bytes result"),
        "session-play": _of(_YES, _MAY, "subject format result", "offset end bytes"),
        "raw": _of(_YES, _YES, "offset"),
        "forward": _of(_YES, _MAY, "result", "offset target detail"),
        "denied": _of(_YES, _MAY, "verb", "detail"),
        "command": _of(_YES, _NO, "verb"),
        "audit-read": _of(_YES, _NO, "follow", "since"),
        # VMs
        "vm-refused": _of(_NO, _NO, "", "address reason zone vm_name count seconds"),
        "vm-replaced": _of(_NO, _YES, "old new", "detail"),
        "takeover": _of(_NO, _YES, "how old new"),
        "quarantine": _of(_NO, _YES, "host"),
        "accept": _of(_YES, _YES, "host result"),
        "forget": _of(_YES, _YES, "result"),
        "forgotten": _of(_NO, _YES),
        "rename": _of(_NO, _YES, "name_before", "operators count"),
        "security": _of(_NO, _MAY, "kind", "address holder detail count seconds"),
        # The server
        "start": _of(_NO, _NO, "version pid"),
        "stop": _of(_NO, _NO, "seconds"),
        "reload": _of(_MAY, _NO, "changed", "restart ended"),
        "reload-failed": _of(_MAY, _NO, "", "reason mistakes detail"),
        "opened": _of(_NO, _NO, "cause", "torn"),
        "lost": _of(_NO, _NO, "count since"),
    }
)
"""All of them, by name: who, where, fields that are always there, and those that may be."""


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
    if len(shown) < TEXT // 8:  # as JSON each character is 12 at most
        return shown
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
