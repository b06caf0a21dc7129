"""`session list`, `session play ID`: what one session showed and typed on a console, from attach to
leave, out of the audit file and the log of the console.

On a terminal it is played; otherwise it is an asciicast, as `export` makes them.
"""

import re
from collections.abc import AsyncIterator, Iterator

from twisted.internet.defer import CancelledError

from vspc.apps.verbs import session_lookup
from vspc.apps.verbs.context import Call, Verb
from vspc.apps.verbs.export import SIZE, TERMINAL, Cast
from vspc.apps.verbs.grammar import JSON, Argument, Flag, Grammar, Option, Parsed
from vspc.apps.verbs.kinds import DURATION, GLOB, MOMENT, NAME, UsageError, ValueKind, choice
from vspc.apps.verbs.session_lookup import console_of, is_open, require_reader, title_of
from vspc.apps.verbs.session_player import FASTEST, KEYS, SLOWEST, PlayerLeft, SessionPlayer
from vspc.apps.verbs.session_source import SessionSource
from vspc.apps.verbs.session_view import SessionView
from vspc.common.clock import timestamp
from vspc.common.columns import Heading, table
from vspc.common.text import ensure_safe, safe
from vspc.common.values import age_text
from vspc.console.attachment_records import AttachmentRecord
from vspc.console.logs import Item

DAY = 86400.0
"""Seconds that `list` looks back without `--since`."""

_NUMBER = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,3})?", re.ASCII)


def _speed(label: str, value: str, _now: float) -> float:
    speed = float(value) if _NUMBER.fullmatch(value) else 0.0
    if not SLOWEST <= speed <= FASTEST:
        raise UsageError(
            f"{label} takes a factor from {SLOWEST:.3g} to {FASTEST:g}, as 2 or 0.5, not "
            f"'{safe(value)}'"
        )
    return speed


ACTION = Argument("list|play", "what to do", choice("list", "play"))
ID = Argument("ID", "the session, as `session list` prints it", NAME, required=False)
OPERATOR = Option("--operator", "only sessions of this operator", NAME)
CONSOLE = Option("--console", "only sessions on these consoles", GLOB)
SINCE = Option("--since", "only those that were open at that time, or later (1d)", MOMENT)
SPEED = Option("--speed", "play N times as fast", ValueKind("N", _speed))
IDLE = Option("--idle", "shorten longer pauses to this", DURATION)
CAST = Flag("--cast", "print an asciicast, as without a terminal")
RAW = Flag("--raw", "play the exact bytes of the VM, not only text and colours")

GRAMMAR = Grammar(
    "session",
    "replay what a session saw and typed on a console (auditors)",
    arguments=(ACTION, ID),
    options=(OPERATOR, CONSOLE, SINCE, JSON, SPEED, IDLE, CAST, RAW, SIZE),
    forms=(
        "list [--operator NAME] [--console GLOB] [--since TIME] [--json]",
        "play ID [--speed N] [--idle TIME] [--raw] [--cast] [--size COLUMNSxROWS]",
    ),
    examples=("session list --operator alice --since 2h", "session play 5f1c09ab37de.1042"),
    notes=("While it is played:", f"  {KEYS}"),
)

_LISTING = (OPERATOR, CONSOLE, SINCE, JSON)
_PLAYING = (SPEED, IDLE, CAST, RAW, SIZE)


async def run(call: Call, parsed: Parsed) -> None:
    """List them, or play one."""
    is_list, typed = parsed[ACTION] == "list", parsed.get(ID)
    check(parsed, is_list, call.channel.terminal is not None)
    require_reader(call)
    if is_list or typed is None:
        await _list(call, parsed)
    else:
        await _play(call, parsed, typed)


def check(parsed: Parsed, is_list: bool, on_terminal: bool) -> None:
    """Raises `UsageError` where words do not go together."""
    if is_list != (parsed.get(ID) is None):
        raise UsageError("session list takes no ID" if is_list else "session play needs an ID")
    for option in _PLAYING if is_list else _LISTING:
        given = parsed.has(option) if isinstance(option, Flag) else parsed.get(option) is not None
        if given:
            other = "play" if is_list else "list"
            raise UsageError(f"{option.name} is for session {other}")
    plays = on_terminal and not parsed.has(CAST)
    if not (is_list or plays) and (parsed.has(RAW) or parsed.get(SPEED) is not None):
        name = RAW.name if parsed.has(RAW) else SPEED.name
        raise UsageError(f"{name} is for playing on a terminal; an asciicast has all at its time")
    if plays and parsed.get(SIZE) is not None:
        raise UsageError("--size is for --cast")


# The list

_HEADINGS = (
    Heading("ID", least=14),
    Heading("OPERATOR", names=True),
    Heading("CONSOLE", names=True, least=12),
    Heading("HOW"),
    Heading("BEGAN"),
    Heading("FOR", right=True),
    Heading("TYPED", right=True),
)


async def _list(call: Call, parsed: Parsed) -> None:
    now = call.context.clock.wall()
    since = max(0.0, parsed.get(SINCE, now - DAY))
    call.record("audit-read", follow=False, since=timestamp(since))
    words = parsed.get(OPERATOR), parsed.get(CONSOLE)
    found, dropped = await session_lookup.listed(call, since, *words)
    if dropped:
        call.remark(f"{dropped} older sessions are not listed; --operator and --console select")
    if parsed.has(JSON):
        await call.print_json([facts(call, each) for each in found])
    elif found:
        await call.print(table(_HEADINGS, [_row(call, each) for each in found], call.columns))
    else:
        await call.print("no sessions on consoles\n")


def facts(call: Call, record: AttachmentRecord) -> dict[str, object]:
    """One of them as JSON values; what is unknown is null."""
    return {
        "id": record.id,
        "session": record.session,
        "operator": record.operator,
        "address": record.address,
        "reason": record.reason or None,
        "console": record.console,
        "title": title_of(record),
        "kind": record.kind or None,
        "began": timestamp(record.began),
        "ended": timestamp(record.ended),
        "open": is_open(call, record),
        "offset": record.offset,
        "end": record.end,
        "typed": record.typed,
    }


def _row(call: Call, record: AttachmentRecord) -> list[str]:
    words = (record.id, record.operator, title_of(record), record.kind or "-")
    began = f"{str(timestamp(record.began))[:19]}Z"
    return [*map(ensure_safe, words), began, _lasted(call, record), str(record.typed)]


def _lasted(call: Call, record: AttachmentRecord) -> str:
    if record.ended is not None:
        return age_text(record.ended - record.began)
    return "open" if is_open(call, record) else "?"


# Playing


async def _play(call: Call, parsed: Parsed, typed: str) -> None:
    record = await session_lookup.find(call, typed)
    takes = await session_lookup.pen_takes(call, record)
    source = SessionSource(call, record)
    await source.find_span()
    view = SessionView(record, takes, source.start, source.end)
    plays = call.channel.terminal is not None and not parsed.has(CAST)
    form = "asciicast" if not plays else "raw" if parsed.has(RAW) else "text"
    result = "failed"
    try:
        if plays:
            await _play_here(call, parsed, source, view)
        else:
            await _print_cast(call, parsed, source, view)
        result = "ok"
    except (CancelledError, PlayerLeft) as end:
        result = "ended"
        if isinstance(end, CancelledError):
            raise
    finally:
        call.record(
            "session-play",
            console_of(call, record),
            subject=record.id,
            format=form,
            offset=source.start,
            end=source.end,
            result=result,
        )


async def _all(source: SessionSource, view: SessionView) -> AsyncIterator[Item]:
    """The items of the attachment, its beginning and its end."""
    yield view.begin()
    async for item in source.items():
        for each in view.items(item):
            yield each
    for last in view.finish():
        yield last


async def _print_cast(call: Call, parsed: Parsed, source: SessionSource, view: SessionView) -> None:
    for remark in _remarks(call, view.record):
        call.remark(remark)
    title = f"{view.record.operator} on {title_of(view.record)}"
    size = parsed.get(SIZE, TERMINAL)
    cast = Cast(*size, title, view.record.began, parsed.get(IDLE))
    async for item in _all(source, view):
        await call.output.room()
        call.output.put(*cast.feed(item))
    call.output.put(*cast.end())
    await call.output.flush()


async def _play_here(call: Call, parsed: Parsed, source: SessionSource, view: SessionView) -> None:
    player = SessionPlayer(call, parsed.get(SPEED, 1.0), parsed.get(IDLE), parsed.has(RAW))
    record = view.record
    player.tell(f"session {record.id}: {record.operator} on {title_of(record)}")
    for remark in _remarks(call, record):
        player.tell(remark)
    player.tell(KEYS)
    try:
        async for item in _all(source, view):
            await player.play(item)
        await player.end()
        player.tell("end of the session")
    except BaseException:
        player.give_back()
        raise


def _remarks(call: Call, record: AttachmentRecord) -> Iterator[str]:
    """What is not as one expects of a session."""
    if record.begun_by is None:
        yield "its beginning is in an older audit file: it is found by its time"
    if is_open(call, record):
        yield "it is still open; shown up to now"
    elif record.cut is not None:
        yield f"the server ended without recording its end; started again {timestamp(record.cut)}"
    elif record.ended is None:
        yield "its end is not in the audit file; shown up to now"


VERB = Verb(GRAMMAR, run, audits_itself=True)
