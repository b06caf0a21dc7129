"""Attachments of the past, looked up in the audit file for those who may read it."""

import json
import math
from collections.abc import AsyncIterator, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from vspc.apps.verbs.context import DENIED, FAILED, NOT_FOUND, Call, VerbExit
from vspc.apps.verbs.events import NOT_READERS, READERS
from vspc.common.text import ensure_safe, safe
from vspc.console.attachment_records import (
    EVENTS,
    LIMIT,
    PEN_EVENTS,
    AttachmentRecord,
    AttachmentRecords,
    PenTake,
    event_time,
    pen_take,
)
from vspc.console.audit import AuditPosition, AuditQuery, AuditUnavailable
from vspc.console.console import Console
from vspc.console.identity import DEFAULT_ZONE

MARGIN = 2.0
"""Seconds around an attachment in which events are looked at."""


def require_reader(call: Call) -> None:
    """The operator must have a role that reads the audit file; a reload may take it away."""
    if not call.roles & READERS:
        raise VerbExit(DENIED, NOT_READERS)


async def read_events(
    call: Call, query: AuditQuery, is_told: bool = False
) -> AsyncIterator[Mapping[str, Any]]:
    """The events of `query`; `is_told`: that some are in older files. Raises `VerbExit` where they
    cannot be read.
    """
    position: AuditPosition | None = None
    while True:
        try:
            page = await call.context.audit_reader.read(query, position)
        except AuditUnavailable as error:
            raise VerbExit(FAILED, str(error)) from None
        require_reader(call)
        if is_told and position is None and page.begins:
            call.remark(f"events before {page.begins} are in older files")
        position = page.position
        for line in page.lines:
            yield json.loads(line)
        if page.ended:
            return


def console_of(call: Call, record: AttachmentRecord) -> Console | None:
    """The console of `record`, if it has not been forgotten."""
    return call.context.roster.get(record.console)


def may_see(call: Call, record: AttachmentRecord) -> bool:
    """Whether its console exists for the operator; all do for auditors."""
    console = console_of(call, record)
    return "audit" in call.roles or (console is not None and call.may_read(console))


def title_of(record: AttachmentRecord) -> str:
    """Zone, name and port, as they were."""
    zone = "" if record.zone in ("", DEFAULT_ZONE) else f"{record.zone}/"
    port = f":{record.port}" if record.port else ""
    return f"{zone}{record.name}{port}"


def is_open(call: Call, record: AttachmentRecord) -> bool:
    """Whether it has not ended yet."""
    is_over = record.ended is not None or record.cut is not None
    return not is_over and call.context.sessions.get(record.session) is not None


async def listed(
    call: Call, since: float, operator: str | None, console: str | None
) -> tuple[list[AttachmentRecord], int]:
    """Those that were there at `since` or later, of one operator, on consoles with such names; and
    how many older ones were too many to be looked at.

    Only events since then are read. Of what began before, `offset` is unknown.
    """
    records = AttachmentRecords()
    async for event in read_events(call, AuditQuery(since, events=EVENTS), True):
        if event["event"] == "start" or _fits(event, operator, console):
            records.feed(event)
    earlier = [
        record
        for record in _present(call, since)
        if _fits(
            {"operator": record.operator, "name": record.name, "zone": record.zone},
            operator,
            console,
        )
    ]
    return [each for each in (*earlier, *records) if may_see(call, each)], records.dropped


def _present(call: Call, before: float) -> Iterator[AttachmentRecord]:
    """Those that began before then and are there now."""
    for opened in call.context.sessions:
        for attachment in opened.attachments:
            if attachment.since < before:
                session, ref = opened.session, attachment.console.ref
                yield AttachmentRecord(
                    session=session.id,
                    operator=session.operator.name,
                    address=session.address,
                    console=ref.id,
                    name=ref.name,
                    zone=ref.zone,
                    port="" if ref.port is None else str(ref.port),
                    kind=attachment.kind.value,
                    reason=session.reason,
                    began=attachment.since,
                )


def _fits(event: Mapping[str, Any], operator: str | None, console: str | None) -> bool:
    name, zone = str(event.get("name", "")), str(event.get("zone", ""))
    if operator is not None and event.get("operator") != operator:
        return False
    names = (name.casefold(), f"{zone}/{name}".casefold())
    return console is None or any(fnmatchcase(each, console.casefold()) for each in names)


async def find(call: Call, typed: str) -> AttachmentRecord:
    """The one that `typed` names: `SESSION.NUMBER`, or `SESSION` where it was on one console only,
    once. Raises `VerbExit`.
    """
    session, dot, _ = typed.rpartition(".")
    records = AttachmentRecords()
    wanted = EVENTS - {"start"}
    query = AuditQuery(0.0, session=session if dot else typed, events=wanted)
    async for event in read_events(call, query):
        records.feed(event)
    seen = [record for record in records if may_see(call, record)]
    found = [record for record in seen if record.is_called(typed)] if dot else seen
    if not found:
        text = f"no session {safe(typed)} was on a console; `session list` shows those there are"
        raise VerbExit(NOT_FOUND, text)
    if len(found) > 1:
        lines = [f"  {each.id}  {ensure_safe(title_of(each))}" for each in found]
        text = f"session {safe(typed)} was on a console more than once; it could be"
        raise VerbExit(NOT_FOUND, text, *lines)
    return found[0]


async def pen_takes(call: Call, record: AttachmentRecord) -> list[PenTake]:
    """Who took the pen of its console while it was there, the first `LIMIT` of them. Sets
    `record.cut` where the server started again before it ended.
    """
    takes = list[PenTake]()
    query = AuditQuery(record.began - MARGIN, events=PEN_EVENTS | {"start"})
    last = math.inf if record.ended is None else record.ended + MARGIN
    may_be_cut = record.ended is None and not is_open(call, record)
    async for event in read_events(call, query):
        at = event_time(event)
        if at is None or at > last:
            break
        if event["event"] == "start" and may_be_cut and at > record.began:
            record.cut = at
            break
        take = pen_take(event, record.console)
        if take is not None and len(takes) < LIMIT:
            takes.append(take)
    return takes
