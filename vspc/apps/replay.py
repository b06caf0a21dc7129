"""The last lines of a console for a terminal: from the ring, or from the log behind it."""

from collections.abc import Callable

from attrs import define, field

from vspc.apps.verbs.context import Call
from vspc.apps.verbs.log_cursor import ask
from vspc.common.clock import Cancellable
from vspc.console.console import Console
from vspc.console.logs import LogView, Output

REPLAY_BYTES = 16 * 1024
"""Bytes that a short replay goes back at most."""

LINE_BYTES = 256
"""Bytes for each line that a longer one goes back."""

PATIENCE = 2.0
"""Seconds after which the log is not waited for: the ring's part must do."""


def replay(
    call: Call, console: Console, lines: int, end: int, show: Callable[[int, bytes], None]
) -> Cancellable | None:
    """Give the last `lines` lines before the offset `end` to `show`, with their number.

    None if that has happened already.
    """
    limit = max(REPLAY_BYTES, lines * LINE_BYTES)
    history = console.history
    start = max(history.start, min(end, history.last_lines(lines, limit)))
    rest = history.read(start, end - start) if end >= start else b""
    restricted = call.history_limit(console)
    enough = start > history.start or history.start == 0
    logs = call.context.logs
    if restricted is None and (enough or logs is None or not logs.keeps(console.id)):
        show(lines, rest)
        return None
    earliest = None if restricted is None else call.context.clock.wall() - restricted
    asked = _Asked(lines, show, b"" if restricted is not None else rest)
    asked.timer = call.context.clock.call_later(PATIENCE, asked.give_up)
    asked.question = ask(
        call.context, console, lambda kept: _last(kept, lines, limit, end, earliest), asked.found
    )
    return asked


def _last(kept: LogView, lines: int, limit: int, end: int, earliest: float | None) -> bytes:
    start = max(kept.start, kept.last_lines(lines, limit))
    if earliest is not None:
        start = max(start, kept.since(earliest))
    if start >= end:
        return b""
    items = kept.read(start, end - start, end).items
    return b"".join(item.data for item in items if isinstance(item, Output))


@define(eq=False)
class _Asked:
    """The log is asked; the ring's part is shown if that takes too long."""

    lines: int
    show: Callable[[int, bytes], None]
    ring: bytes
    timer: Cancellable | None = field(default=None, init=False)
    question: Cancellable | None = field(default=None, init=False)
    over: bool = field(default=False, init=False)

    def found(self, data: bytes | None) -> None:
        """The log's answer."""
        if not self.over:
            self.cancel()
            self.show(self.lines, self.ring if data is None else data)

    def give_up(self) -> None:
        """The disk is slow."""
        self.found(None)

    def cancel(self) -> None:
        """Nobody wants it any more."""
        self.over = True
        for waiting in (self.timer, self.question):
            if waiting is not None and waiting.active():
                waiting.cancel()

    def active(self) -> bool:
        """Whether it is still to be shown."""
        return not self.over
