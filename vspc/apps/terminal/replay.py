"""Earlier output of a console for a terminal: its last lines, from memory or from its log."""

from collections.abc import Callable, Iterable

from vspc.apps.following import ask
from vspc.apps.verbs.context import Call
from vspc.common.text import safe_output
from vspc.console.console import Console
from vspc.console.log_reading import OutputLines
from vspc.console.logs import LogView, Marker, MarkerKind, Output
from vspc.net.waiting import within

REPLAY_LINES = 20
"""Lines of earlier output that are shown first."""

REPLAY_BYTES = 16 * 1024
"""Bytes that a short replay goes back at most."""

LINE_BYTES = 256
"""Bytes for each line that a longer one goes back."""

PATIENCE = 2.0
"""Seconds after which a replay does without the log: it has what is in memory."""


async def last_lines(
    call: Call, console: Console, lines: int, end: int, timed: bool = False
) -> list[Output]:
    """The last `lines` lines before the offset `end`: from memory, or from the log behind it.
    `timed`: from the log, if there is one, with times; those from memory are at 0.
    """
    history = console.history
    limit = max(REPLAY_BYTES, lines * LINE_BYTES)
    start = max(history.start, min(end, history.last_lines(lines, limit)))
    is_enough = not timed and (start > history.start or history.start == 0)
    return await _output(
        call, console, start, end, is_enough, lambda kept: kept.last_lines(lines, limit), gaps=True
    )


async def last_output(call: Call, console: Console, size: int, end: int) -> tuple[bytes, bool]:
    """The last `size` bytes before the offset `end`, and whether there were more before them."""
    history = console.history
    start = max(history.start, end - size)
    is_enough = start > history.start or history.start == 0 or end - start >= size
    found = await _output(
        call, console, start, end, is_enough, lambda _kept: end - size, gaps=False
    )
    output = joined(found)
    return output, len(output) < end


async def _output(
    call: Call,
    console: Console,
    start: int,
    end: int,
    is_enough: bool,
    begin: Callable[[LogView], int],
    gaps: bool,
) -> list[Output]:
    """What memory has from `start` to `end` if that `is_enough`, else what the log has from where
    `begin` says. Nothing from before the operator may look back. `gaps`: as in `_read`.
    """
    context, history = call.context, console.history
    rest = [Output(start, 0.0, history.read(start, end - start))] if end >= start else []
    earliest = call.earliest(console)
    is_logged = context.logs is not None and context.logs.keeps(console.id)
    if earliest is not None:
        rest = []  # memory does not have the times of its bytes
    elif is_enough or not is_logged:
        return rest
    question = ask(context, console, lambda kept: _read(kept, begin(kept), end, earliest, gaps))
    try:
        found = await within(context.clock, PATIENCE, question)
    except TimeoutError:
        return rest
    return rest if found is None else found


def _read(kept: LogView, start: int, end: int, earliest: float | None, gaps: bool) -> list[Output]:
    """Output of the log. A line tells of each gap in it, except at its end, where a prompt stands;
    without `gaps` it begins behind the last one.
    """
    start = max(kept.start, start)
    if earliest is not None:
        start = max(start, kept.since(earliest))
    found, told = list[Output](), list[Output]()
    if start >= end:
        return found
    for item in kept.read(start, end - start, end).items:
        if isinstance(item, Output):
            found += [*told, item]
            told.clear()
        elif item.kind is MarkerKind.GAP and gaps:
            told.append(Output(item.offset, item.at, _told(item)))
        elif item.kind is MarkerKind.GAP:
            found.clear()
    return found


def _told(gap: Marker) -> bytes:
    text = f"output lost: {gap.text} (offsets {gap.offset} to {gap.end})"
    return f"\r\n[{text}]\r\n".encode()


def joined(found: Iterable[Output]) -> bytes:
    """All bytes."""
    return b"".join(output.data for output in found)


def replayed(found: Iterable[Output], stamp: Callable[[float], bytes] | None) -> bytes:
    """Text and colours only; with the `stamp` of its time in front of each line whose time is
    known.
    """
    if stamp is None:
        return safe_output(joined(found))
    lines, shown = OutputLines(), list[bytes]()
    for line in (*(line for output in found for line in lines.feed(output)), *lines.flush()):
        text, end = safe_output(line.text), b"\r\n" if line.whole else b""
        shown += (stamp(line.at) if line.at and text else b"", text, end)
    return b"".join(shown)
