"""The part of a console's log that one attachment showed."""

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TypeVar

from attrs import define

from vspc.apps.following import PIECE, ask
from vspc.apps.verbs.context import FAILED, Call, VerbExit
from vspc.apps.verbs.session_lookup import console_of, may_see, require_reader, title_of
from vspc.console.attachment_records import AttachmentRecord
from vspc.console.logs import Item, LogPage, LogView, Marker, MarkerKind

T = TypeVar("T")


@define(eq=False)
class SessionSource:
    """What one attachment showed, out of the log of its console; from memory where it has none."""

    call: Call
    record: AttachmentRecord
    start: int = 0
    end: int = 0

    async def find_span(self) -> None:
        """Set `start` and `end`. Raises `VerbExit` where nothing can be read."""
        console, context = console_of(self.call, self.record), self.call.context
        is_kept = context.logs is not None and context.logs.keeps(self.record.console)
        if not is_kept and console is None:
            raise VerbExit(FAILED, f"there is no log of {title_of(self.record)} any more")
        if not is_kept:
            self.call.remark("not logged: this is what memory has, without its times")
        is_auditor = "audit" in self.call.roles
        earliest = None if is_auditor or console is None else self.call.earliest(console)
        self.start, self.end, is_cut = await self._ask(lambda kept: self._span(kept, earliest))
        if is_cut:
            self.call.remark(f"you may look back to offset {self.start} only")

    def _span(self, kept: LogView, earliest: float | None) -> tuple[int, int, bool]:
        """In a thread: where it begins and ends, and whether it began before one may look."""
        record = self.record
        start = kept.since(record.began) if record.offset is None else record.offset
        end = kept.end if record.end is None else record.end
        if record.end is None and record.cut is not None:
            end = kept.since(record.cut)
        first = start if earliest is None else kept.since(earliest)
        end = max(start, end)
        return max(start, min(first, end)), end, first > start

    async def items(self) -> AsyncIterator[Item]:
        """All of it, markers included; what is missing is a gap."""
        offset = self.start
        while True:
            page = await self._ask(partial(_page, offset, self.end))
            for item in page.items:
                yield item
            if page.ended or page.next <= offset:
                break
            offset = page.next
        if page.next < self.end:
            yield Marker(page.next, 0.0, MarkerKind.GAP, "not in the log", self.end)

    async def _ask(self, question: Callable[[LogView], T]) -> T:
        call, record = self.call, self.record
        console, logs = console_of(call, record), call.context.logs
        answer = None
        if console is not None:
            answer = await ask(call.context, console, question)
        elif logs is not None:
            answer = await logs.query(record.console, question)
        require_reader(call)
        if not may_see(call, record):
            raise VerbExit(FAILED, f"{title_of(record)}: you may no longer read this console")
        if answer is None:
            raise VerbExit(FAILED, f"the log of {title_of(record)} cannot be read now")
        return answer


def _page(offset: int, end: int, kept: LogView) -> LogPage:
    return kept.read(offset, PIECE, end)
