"""`events`: the audit file, for those whose task it is to read it."""

import json
from collections.abc import Collection

from attrs import frozen
from twisted.internet.defer import Deferred

from vspc.apps.coroutines import RunningCoroutine
from vspc.apps.verbs.context import DENIED, DONE, FAILED, Call, Spool, complain, timestamp
from vspc.apps.verbs.grammar import JSON, Flag, Grammar, Option, Parsed
from vspc.apps.verbs.kinds import GLOB, MOMENT, NAME, UsageError
from vspc.common.text import safe
from vspc.console.audit import AuditPage, AuditPosition, AuditQuery, AuditUnavailable
from vspc.console.identity import DEFAULT_ZONE
from vspc.console.ports import Program
from vspc.console.sessions import Follow

SINCE = Option("--since", "begin there (1h)", MOMENT)
FOLLOW = Flag("--follow", "go on with what happens from now on", short="-f")
OPERATOR = Option("--operator", "only what this operator did", NAME)
CONSOLE = Option("--console", "only what happened on these consoles", GLOB)
EVENT = Option("--event", "only events of this name", NAME)

GRAMMAR = Grammar(
    "events",
    "who did what: the audit file (administrators and auditors)",
    options=(SINCE, FOLLOW, JSON, OPERATOR, CONSOLE, EVENT),
    examples=("events --since 2h --operator alice",),
)

READERS = frozenset({"admin", "audit"})
"""Roles that may read it; whoever is no auditor hears of no console that he may not read."""

_DENIED = 'only operators with roles = ["admin"] or ["audit"] may do this'

HOUR = 3600.0
"""Seconds that are shown without `--since`."""

_KNOWN = frozenset({"time", "seq", "event", "operator", "address"})
_PLACE = frozenset({"console", "name", "zone", "port"})
_PROOF = frozenset({"via", "fingerprint", "serial", "key_id", "ca"})


@frozen
class EventOptions:
    """What of it, and how."""

    sought: AuditQuery
    follow: bool = False
    json: bool = False


def wanted_of(parsed: Parsed, now: float) -> EventOptions:
    """What was said."""
    sought = AuditQuery(
        max(0.0, parsed.get(SINCE, now - HOUR)),
        parsed.get(OPERATOR),
        parsed.get(CONSOLE),
        parsed.get(EVENT),
    )
    return EventOptions(sought, parsed.has(FOLLOW), parsed.has(JSON))


def run(call: Call, parsed: Parsed) -> None:
    """Print them, the oldest first."""
    if not call.roles & READERS:
        call.fail(DENIED, _DENIED)
        return
    wanted = wanted_of(parsed, call.context.clock.wall())
    _check(wanted.sought.event, call.context.audit_reader.events())
    sessions = call.context.sessions
    place: Follow | str = sessions.follow(call.session) if wanted.follow else Follow(None)
    if isinstance(place, str):
        call.record("limit", limit="max_followed")
        call.fail(FAILED, place)
        return
    call.record("audit-read", follow=wanted.follow, since=timestamp(wanted.sought.since))
    EventPrinter(call, wanted, place).begin()


def _check(event: str | None, known: Collection[str]) -> None:
    if event is not None and known and event not in known:
        raise UsageError(f"there is no event '{safe(event)}'; there are {', '.join(sorted(known))}")


class EventPrinter(Program):
    """A `Program` that prints events as the operator takes them."""

    def __init__(self, call: Call, wanted: EventOptions, place: Follow) -> None:
        self._call = call
        self._follow = place
        self._wanted = wanted
        self._spool = Spool(call.channel)
        self._task: RunningCoroutine | None = None
        self._drained: Deferred[None] | None = None
        self._over = False

    def begin(self) -> None:
        """Print until all is printed, or for as long as the operator follows."""
        self._call.channel.start(self)
        self._task = RunningCoroutine(self._print())

    async def _print(self) -> None:
        try:
            await self._pages()
        except AuditUnavailable as error:
            complain(self._call.channel, str(error))
            self._leave(FAILED)

    async def _pages(self) -> None:
        reader = self._call.context.audit_reader
        position: AuditPosition | None = None
        while not self._over:
            page = await reader.read(self._wanted.sought, position)
            if not self._call.roles & READERS:  # a reload took them away
                complain(self._call.channel, _DENIED)
                self._leave(DENIED)
                return
            if position is None and page.begins:
                complain(self._call.channel, f"[what was before {page.begins} is in older files]")
            position = page.position
            self._show(page)
            if self._spool:
                self._drained = Deferred()
                await self._drained
            if page.ended and not self._wanted.follow:
                self._leave(DONE)
                return
            if page.ended:
                await reader.wait(page)

    def _show(self, page: AuditPage) -> None:
        every = "audit" in self._call.roles
        lines = page.lines if every else list(filter(self._may_see, page.lines))
        show = _raw if self._wanted.json else readable
        end = b"\n" if self._call.channel.terminal is None else b"\r\n"
        self._spool.print(show(line) + end for line in lines)

    def _may_see(self, line: str) -> bool:
        """Whether an event is about no console, or about one that exists for the operator."""
        event = json.loads(line)
        if "console" not in event:
            return True
        console = self._call.context.roster.get(event["console"])
        return console is not None and self._call.may_read(console)

    def _leave(self, status: int) -> None:
        self.closed()
        self._call.channel.finish(status)

    # `Program`

    def drained(self) -> None:
        """The operator takes more."""
        self._spool.drain()
        if not self._spool and self._drained is not None:
            drained, self._drained = self._drained, None
            drained.callback(None)

    def received(self, data: bytes) -> None:
        """Control-C ends it where a terminal sends it as a key."""
        self._call.channel.consumed(len(data))
        if b"\x03" in data and self._call.channel.terminal is not None:
            self._leave(DONE)

    def closed(self) -> None:
        """The operator has gone."""
        self._over = True
        self._follow.release()
        if self._task is not None:
            self._task.cancel()


def _raw(line: str) -> bytes:
    return line.encode()


def readable(line: str) -> bytes:
    """One event for people: when, what, who, where, from where, and the rest as `key=value`.

    How somebody proved who he is stands where he came in; `--json` has it in every line.
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
