"""`events`: the audit file, for administrators and auditors."""

import json
from collections.abc import Callable
from contextlib import nullcontext

from twisted.internet.defer import CancelledError

from vspc.apps.verbs.context import DENIED, DONE, FAILED, Call, Verb, VerbExit
from vspc.apps.verbs.grammar import JSON, Flag, Grammar, Option, Parsed
from vspc.apps.verbs.kinds import GLOB, MOMENT, NAME, UsageError
from vspc.common.clock import timestamp
from vspc.common.text import safe
from vspc.console.audit import AuditPosition, AuditQuery, AuditUnavailable
from vspc.console.identity import DEFAULT_ZONE

SINCE = Option("--since", "begin there (1h)", MOMENT)
FOLLOW = Flag("--follow", "continue with new events", short="-f")
OPERATOR = Option("--operator", "only events of this operator", NAME)
CONSOLE = Option("--console", "only events of these consoles", GLOB)
EVENT = Option("--event", "only events of this name", NAME)

GRAMMAR = Grammar(
    "events",
    "print the audit file (administrators and auditors)",
    options=(SINCE, FOLLOW, JSON, OPERATOR, CONSOLE, EVENT),
    examples=("events --since 2h --operator alice",),
)

READERS = frozenset({"admin", "audit"})
"""Roles that may read it. Without `audit` only of consoles that exist for the operator."""

NOT_READERS = 'only operators with roles = ["admin"] or ["audit"] may do this'

HOUR = 3600.0
"""Seconds that are shown without `--since`."""

_KNOWN = frozenset({"time", "seq", "event", "operator", "address"})
_PLACE = frozenset({"console", "name", "zone", "port"})
_PROOF = frozenset({"via", "fingerprint", "serial", "key_id", "ca"})


async def run(call: Call, parsed: Parsed) -> None:
    """Print events, oldest first, and with `--follow` those that come."""
    if not call.roles & READERS:
        raise VerbExit(DENIED, NOT_READERS)
    since = max(0.0, parsed.get(SINCE, call.context.clock.wall() - HOUR))
    event, known = parsed.get(EVENT), call.context.audit_reader.events()
    if event is not None and known and event not in known:
        raise UsageError(f"unknown event '{safe(event)}'; there are {', '.join(sorted(known))}")
    events = frozenset() if event is None else frozenset({event})
    query = AuditQuery(since, parsed.get(OPERATOR), parsed.get(CONSOLE), events=events)
    follow, show = parsed.has(FOLLOW), str.encode if parsed.has(JSON) else readable
    with call.following() if follow else nullcontext():
        call.record("audit-read", follow=follow, since=timestamp(query.since))
        try:
            await _print(call, query, follow, show)
        except AuditUnavailable as error:
            raise VerbExit(FAILED, str(error)) from None
        except CancelledError:
            raise VerbExit(DONE) from None


async def _print(call: Call, query: AuditQuery, follow: bool, show: Callable[[str], bytes]) -> None:
    reader = call.context.audit_reader
    position: AuditPosition | None = None
    end = b"\n" if call.channel.terminal is None else b"\r\n"
    while True:
        page = await reader.read(query, position)
        roles = call.roles
        if not roles & READERS:  # a reload took them away
            raise VerbExit(DENIED, NOT_READERS)
        if position is None and page.begins:
            call.remark(f"events before {page.begins} are in older files")
        position = page.position
        call.output.put(
            *(show(line) + end for line in page.lines if "audit" in roles or _may_see(call, line))
        )
        await call.output.flush()
        if page.ended and not follow:
            return
        if page.ended:
            await reader.wait(page)


def _may_see(call: Call, line: str) -> bool:
    """Whether an event is about no console, or about one that exists for the operator."""
    event = json.loads(line)
    if "console" not in event:
        return True
    console = call.context.roster.get(event["console"])
    return console is not None and call.may_read(console)


def readable(line: str) -> bytes:
    """One event as text: time, event, operator, console, address, and the rest as `key=value`.

    The proof of a session is shown for its login only; `--json` has it in every line.
    """
    event = json.loads(line)
    hidden = _KNOWN if event["event"].startswith("login") else _KNOWN | _PROOF
    hidden |= _PLACE if "name" in event else frozenset()
    words = [f"{event['time'][:23]}Z", _word(event["event"])]
    words += [_word(event["operator"])] if "operator" in event else []
    words += [_word(_where(event))] if "name" in event else []
    words += [_word(event["address"])] if "address" in event else []
    words += [f"{name}={_word(value)}" for name, value in event.items() if name not in hidden]
    return " ".join(words).encode()


def _where(event: dict[str, object]) -> str:
    zone = event.get("zone", DEFAULT_ZONE)
    port = f":{event['port']}" if "port" in event else ""
    return f"{'' if zone == DEFAULT_ZONE else f'{zone}/'}{event['name']}{port}"


def _word(value: object) -> str:
    shown = value if isinstance(value, str) else json.dumps(value)
    if shown and not any(character in shown for character in ' "='):
        return shown
    return '"' + shown.replace('"', '\\"') + '"'


VERB = Verb(GRAMMAR, run, audits_itself=True)
