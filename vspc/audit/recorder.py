"""Makes lines of the audit file: `vspc.console.audit.Audit`.

A defect in an event, a name or a field that the schema does not have, costs a line of the server's
log, never the event.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from threading import Lock

from attrs import define, field

from vspc.audit.schema import CONSOLE, EVENTS, EVERY, SESSION, Has, Unfit, Value, moment, value
from vspc.audit.writer import AuditWriter
from vspc.console.audit import Audit
from vspc.console.events import ConsoleRef
from vspc.console.session import Fact, Session

FIELDS = 40
"""Fields of an event; more are not written."""

DEFECTS = 20
"""Defects that are reported, each once."""

LIMITS = 64
"""Limits that are counted apart: there are fewer."""


def event_facts(
    event: str,
    session: Session | None,
    console: ConsoleRef | None,
    facts: Mapping[str, object],
    defect: Callable[[str], None] = lambda _what: None,
) -> dict[str, Value]:
    """The fields of an event in their order; what does not fit the schema is passed to `defect`."""
    made: dict[str, object] = {"event": event}
    if session is not None:
        made |= session.facts
    if console is not None:
        made |= about(console)
    for name in EVERY & facts.keys():
        defect(f"{event} has a field {name} of its own")
    made |= {name: fact for name, fact in facts.items() if name not in EVERY}
    found: dict[str, Value] = {}
    for name, fact in made.items():
        try:
            shown = value(fact)
        except Unfit as unfit:  # not the value itself: it may be typed text
            shown = f"<{unfit}>"
            defect(f"{event}.{name} is of type {unfit}")
        if shown is not None and len(found) < FIELDS:
            found[name] = shown
    for what in _strange(event, found):
        defect(what)
    return found


def about(console: ConsoleRef) -> dict[str, Fact]:
    """The fields by which every event names a console."""
    port = console.port
    return {
        "console": console.id,
        "name": console.name,
        "zone": console.zone,
        "port": None if port is None else str(port),
    }


def _strange(event: str, found: Mapping[str, Value]) -> list[str]:
    known = EVENTS.get(event)
    if known is None:
        return [f"there is no event {event[:40]}"]
    allowed = {"event", *known.always, *known.perhaps}
    if known.who is not Has.NEVER:
        allowed |= SESSION
    if known.where is not Has.NEVER:
        allowed |= CONSOLE
    strange = [f"{event} has no field {name[:40]}" for name in found if name not in allowed]
    return strange + [f"{event} lacks {name}" for name in known.always if name not in found]


@define(eq=False)
class AuditRecorder(Audit):
    """`wall` gives seconds since 1970; `report` gets defects, `failed` is for except blocks.

    Without `lines` nothing is recorded, but limits that were hit are counted all the same.
    """

    lines: AuditWriter | None
    wall: Callable[[], float]
    report: Callable[[str, dict[str, object]], None]
    failed: Callable[[], None]
    _reported: set[str] = field(factory=set, init=False)
    _limits: Counter[str] = field(factory=Counter, init=False)
    _lock: Lock = field(factory=Lock, init=False)

    def record(
        self,
        event: str,
        session: Session | None = None,
        console: ConsoleRef | None = None,
        **facts: Fact,
    ) -> None:
        """One event, with the time of now. From any thread; never raises."""
        if event == "limit":
            self._count(str(facts.get("limit", "")))
        if self.lines is None:
            return
        try:
            found = event_facts(event, session, console, facts, self._defect)
            head = json.dumps({"time": moment(self.wall())})[:-1]
            self.lines.put(head, json.dumps(found)[1:])
        except Exception:
            self.failed()

    @property
    def refuses(self) -> bool:
        """Whether input is refused because nothing can be recorded."""
        return self.lines is not None and self.lines.refuses

    def _count(self, limit: str) -> None:
        with self._lock:
            if limit in self._limits or len(self._limits) < LIMITS:
                self._limits[limit] += 1

    def limits(self) -> Mapping[str, int]:
        """How often each limit was hit since the server began, by name."""
        with self._lock:
            return dict(sorted(self._limits.items()))

    def _defect(self, what: str) -> None:
        if len(self._reported) < DEFECTS and what not in self._reported:
            self._reported.add(what)
            self.report("audit-defect", {"what": what})
