"""Earlier output of a console for a terminal: its last lines, from memory or from its log."""

from collections.abc import Callable

from vspc.apps.following import ask
from vspc.apps.verbs.context import Call
from vspc.console.console import Console
from vspc.console.logs import LogView, Output
from vspc.net.waiting import within

REPLAY_LINES = 20
"""Lines of earlier output that are shown first."""

REPLAY_BYTES = 16 * 1024
"""Bytes that a short replay goes back at most."""

LINE_BYTES = 256
"""Bytes for each line that a longer one goes back."""

PATIENCE = 2.0
"""Seconds after which a replay does without the log: it has what is in memory."""


async def last_lines(call: Call, console: Console, lines: int, end: int) -> bytes:
    """The last `lines` lines before the offset `end`: from memory, or from the log behind it."""
    history = console.history
    limit = max(REPLAY_BYTES, lines * LINE_BYTES)
    start = max(history.start, min(end, history.last_lines(lines, limit)))
    is_enough = start > history.start or history.start == 0
    return await _output(
        call, console, start, end, is_enough, lambda kept: kept.last_lines(lines, limit)
    )


async def last_output(call: Call, console: Console, size: int, end: int) -> tuple[bytes, bool]:
    """The last `size` bytes before the offset `end`, and whether there were more before them."""
    history = console.history
    start = max(history.start, end - size)
    is_enough = start > history.start or history.start == 0 or end - start >= size
    output = await _output(call, console, start, end, is_enough, lambda _kept: end - size)
    return output, len(output) < end


async def _output(
    call: Call,
    console: Console,
    start: int,
    end: int,
    is_enough: bool,
    begin: Callable[[LogView], int],
) -> bytes:
    """What memory has from `start` to `end` if that `is_enough`, else what the log has from where
    `begin` says. Nothing from before the operator may look back.
    """
    context, history = call.context, console.history
    rest = history.read(start, end - start) if end >= start else b""
    earliest = call.earliest(console)
    is_logged = context.logs is not None and context.logs.keeps(console.id)
    if earliest is not None:
        rest = b""  # memory does not have the times of its bytes
    elif is_enough or not is_logged:
        return rest
    question = ask(context, console, lambda kept: _read(kept, begin(kept), end, earliest))
    try:
        found = await within(context.clock, PATIENCE, question)
    except TimeoutError:
        return rest
    return rest if found is None else found


def _read(kept: LogView, start: int, end: int, earliest: float | None) -> bytes:
    start = max(kept.start, start)
    if earliest is not None:
        start = max(start, kept.since(earliest))
    if start >= end:
        return b""
    items = kept.read(start, end - start, end).items
    return b"".join(item.data for item in items if isinstance(item, Output))
