"""The events of the audit file: what each means, and which fields it has (docs/audit.md)."""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from attrs import frozen


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
        "login": _of("an operator is in", _YES, _NO, "", "roles principals"),
        "login-failed": _of(
            "somebody did not prove who he is; with `count` so many more, which have no line",
            _NO,
            _NO,
            "result",
            "operator address reason via fingerprint serial key_id ca attempts probes count "
            "seconds",
        ),
        "logout": _of("an operator is gone", _YES, _NO, "seconds"),
        "lockout": _of(
            "an operator or a key may not come in any more",
            _MAY,
            _NO,
            "subject kind",
            "until ended result detail",
        ),
        "unlock": _of("he may again", _MAY, _NO, "subject kind", "result"),
        "limit": _of(
            "somebody wanted more than a limit allows",
            _MAY,
            _MAY,
            "limit",
            "value address count result",
        ),
    }
)

_CONSOLES: Mapping[str, EventSchema] = MappingProxyType(
    {
        "attach": _of("an operator is on a console", _YES, _YES, "offset rights"),
        "detach": _of("he left it", _YES, _YES, "offset seconds"),
        "pen": _of("he may type, or does not any more", _YES, _YES, "result"),
        "force": _of("he took the pen from somebody", _YES, _YES, "from_operator"),
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
            "he sent somebody away",
            _YES,
            _MAY,
            "kind count",
            "subject operators result",
        ),
        "log-read": _of(
            "he read a log, or searched it",
            _YES,
            _YES,
            "verb",
            "offset end bytes follow result detail",
        ),
        "export": _of("he took a copy of a log", _YES, _YES, "format", "offset end bytes result"),
        "raw": _of("a program of his has the exact bytes", _YES, _YES, "offset"),
        "forward": _of("`-W` or `-L`", _YES, _MAY, "result", "offset target detail"),
        "denied": _of("he may see it, but not do this (status 4)", _YES, _MAY, "verb", "detail"),
        "command": _of("he ran a verb that has no event of its own", _YES, _NO, "verb"),
        "audit-read": _of("he read this file by `events`", _YES, _NO, "follow", "since"),
    }
)

_VMS: Mapping[str, EventSchema] = MappingProxyType(
    {
        "vm-refused": _of(
            "a VM was turned away; with `count` so many more, which have no line",
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
        "forget": _of("an administrator wants a console forgotten", _YES, _YES, "result"),
        "forgotten": _of("a console has left the list, by itself or by `forget`", _NO, _YES),
        "rename": _of(
            "a VM has another name, and somebody other rights on it",
            _NO,
            _YES,
            "name_before",
            "operators count",
        ),
        "security": _of(
            "somebody did what an attacker would do; with `count` so many more, which have no line",
            _NO,
            _MAY,
            "kind",
            "address holder detail count seconds",
        ),
    }
)

_SERVER: Mapping[str, EventSchema] = MappingProxyType(
    {
        "start": _of("the server works", _NO, _NO, "version pid"),
        "stop": _of("it ends in order", _NO, _NO, "seconds"),
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
