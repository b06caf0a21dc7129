"""The last lines of a console for a terminal: from the ring, or from the log behind it."""

from collections.abc import Awaitable, Callable

from attrs import define, field

from vspc.apps.coroutines import RunningCoroutine
from vspc.apps.verbs.context import Call
from vspc.apps.verbs.log_cursor import ask
from vspc.common.clock import Cancellable, cancel
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

    None if that has happened already; otherwise what takes it back.
    """
    context, history = call.context, console.history
    limit = max(REPLAY_BYTES, lines * LINE_BYTES)
    start = max(history.start, min(end, history.last_lines(lines, limit)))
    rest = history.read(start, end - start) if end >= start else b""
    restricted = call.history_limit(console)
    enough = start > history.start or history.start == 0
    is_logged = context.logs is not None and context.logs.keeps(console.id)
    if restricted is None and (enough or not is_logged):
        show(lines, rest)
        return None
    earliest = None if restricted is None else context.clock.wall() - restricted
    query = _LogQuery(lambda data: show(lines, data), b"" if restricted is not None else rest)
    query.timer = context.clock.call_later(PATIENCE, query.time_out)
    question = ask(context, console, lambda kept: _last(kept, lines, limit, end, earliest))
    query.question = RunningCoroutine(query.run(question))
    return query


def _last(kept: LogView, lines: int, limit: int, end: int, earliest: float | None) -> bytes:
    start = max(kept.start, kept.last_lines(lines, limit))
    if earliest is not None:
        start = max(start, kept.since(earliest))
    if start >= end:
        return b""
    items = kept.read(start, end - start, end).items
    return b"".join(item.data for item in items if isinstance(item, Output))


@define(eq=False)
class _LogQuery:
    """A question to the log. Without an answer in time the ring's part is shown."""

    show: Callable[[bytes], None]
    ring: bytes
    timer: Cancellable | None = field(default=None, init=False)
    question: Cancellable | None = field(default=None, init=False)
    over: bool = field(default=False, init=False)

    async def run(self, question: Awaitable[bytes | None]) -> None:
        """Show the answer to `question`."""
        self.answered(await question)

    def answered(self, data: bytes | None) -> None:
        """The log's answer; None if it cannot be read."""
        if not self.over:
            self.cancel()
            self.show(self.ring if data is None else data)

    def time_out(self) -> None:
        """The log has not answered in `PATIENCE` seconds."""
        self.answered(None)

    def cancel(self) -> None:
        """Show nothing."""
        self.over = True
        cancel(self.timer, self.question)

    def active(self) -> bool:
        """Whether it is still to be shown."""
        return not self.over
