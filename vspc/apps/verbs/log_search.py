"""Searching one console's log, piece by piece, in the thread that reads it."""

from collections.abc import Callable, Sequence

from attrs import frozen

from vspc.apps.verbs.context import VerbContext
from vspc.apps.verbs.log_cursor import PIECE, ask, remembered
from vspc.apps.verbs.log_options import LogOptions, Span
from vspc.apps.verbs.log_print import matches, sift
from vspc.common.clock import Cancellable
from vspc.console.console import Console
from vspc.console.logs import Item, LogView, Output
from vspc.console.output_lines import OutputLines

SIFTED = 1024 * 1024
"""Bytes that are searched in one go."""

FOUND = 1000
"""Lines after which one go ends."""

SEARCHED = 4 * 1024 * 1024 * 1024
"""Bytes that one command searches."""


@frozen
class SearchEnded:
    """It is over: it was searched up to `offset`. `complete`: that is the end of what was wanted,
    else more than `SEARCHED` would have been searched.
    """

    offset: int
    complete: bool


class Search:
    """Gives only lines that match, and gaps; a piece is read when there is `room` for its lines.

    With `follow` an unfinished line at the end is left for who follows.
    """

    def __init__(
        self,
        context: VerbContext,
        console: Console,
        wanted: LogOptions,
        found: Span,
        room: Callable[[], int],
        give: Callable[[Sequence[Item]], bool],
        ended: Callable[[SearchEnded], None],
        searched: int = 0,
    ) -> None:
        """`give` says whether to go on. What the log cannot give now is searched in memory.
        `searched` are bytes that this command has searched before; `offset` is how far it is.
        """
        self._context = context
        self._console = console
        self._wanted = wanted
        self.offset, self._end = found.start, found.end
        self._room = room
        self._give = give
        self._ended = ended
        self.searched = searched
        self._waiting: Cancellable | None = None
        self._over = False

    def go_on(self) -> None:
        """Search on if there is room; nothing if that is under way."""
        busy = self._waiting is not None and self._waiting.active()
        if not self._over and not busy and self._room() > 0:
            self._waiting = self._context.clock.call_later(0, self._ask)

    def _ask(self) -> None:
        offset, end, follow = self.offset, self._end, self._wanted.follow
        expression = self._wanted.grep

        def look(kept: LogView) -> tuple[list[Item], int, bool]:
            at, found, ended, lines = offset, list[Item](), False, OutputLines(returns=True)
            while not (ended or kept.cancelled) and at - offset < SIFTED and len(found) < FOUND:
                passage = kept.read(at, PIECE, end)
                found += sift(expression, passage.items, lines)
                at, ended = passage.next, passage.ended
            if follow if ended else at > offset + lines.pending:
                at -= lines.pending  # an unfinished line is read again
            else:
                found += [
                    Output(line.offset, line.at, line.text)
                    for line in lines.flush()
                    if matches(expression, line)
                ]
            return found, at, ended

        def found(answer: tuple[list[Item], int, bool] | None) -> None:
            # A disk that stands still: memory may have it.
            self._found(look(remembered(self._console)) if answer is None else answer)

        self._waiting = ask(self._context, self._console, look, found)

    def _found(self, answer: tuple[list[Item], int, bool]) -> None:
        self._waiting = None
        if self._over:
            return
        items, at, ended = answer
        self.searched += at - self.offset
        self.offset = at
        if not self._give(items) or self._over:
            self._over = True
        elif ended:
            self._end_with(SearchEnded(at, complete=True))
        elif self.searched >= SEARCHED:
            self._end_with(SearchEnded(at, complete=False))
        else:
            self.go_on()

    def _end_with(self, ended: SearchEnded) -> None:
        self._over = True
        self._ended(ended)

    def stop(self) -> None:
        """Nothing more is wanted."""
        self._over = True
        if self._waiting is not None and self._waiting.active():
            self._waiting.cancel()
