"""`vspc.console.audit.AuditReader` over the audit file: threads read, the reactor answers."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from attrs import define, evolve, field
from twisted.internet.defer import Deferred

from vspc.audit.file import Tell
from vspc.audit.files import read
from vspc.audit.refusals import RecentRefusals
from vspc.audit.schema import EVENTS
from vspc.common.worker import WorkerPool
from vspc.console.audit import (
    AccessRefusal,
    AuditPage,
    AuditPosition,
    AuditQuery,
    AuditUnavailable,
)

READS = 64
"""Reads under way at once."""

FOLLOWERS = 256
"""Sessions that follow the file at once."""


BUSY = "too many sessions read the audit file now; try again"
UNREADABLE = "the audit file cannot be read now"
FOLLOWED = "too many sessions follow the audit file now"


@define(eq=False)
class PendingRead:
    """A read on its way through a thread; `over`: it has its answer or was cancelled."""

    answer: "Deferred[AuditPage | None]" = field(factory=Deferred)
    over: bool = False


@define(eq=False)
class FileAuditReader:
    """`in_reactor` calls something in the reactor's thread; `reader` is threads."""

    path: Path
    refused: RecentRefusals
    tell: Tell
    in_reactor: Callable[[Callable[[], None]], None]
    reader: WorkerPool
    _reading: dict[PendingRead, None] = field(factory=dict, init=False)
    _waiting: dict["Deferred[None]", None] = field(factory=dict, init=False)
    _writes: int = field(default=0, init=False)

    # In the reactor's thread

    async def read(self, query: AuditQuery, position: AuditPosition | None) -> AuditPage:
        """The events from `position` on. Raises `AuditUnavailable`."""
        # One that was cancelled counts until a thread has seen it: a disk may stall.
        if len(self._reading) >= READS:
            raise AuditUnavailable(BUSY)
        pending = PendingRead()
        self._reading[pending] = None
        try:
            self.reader.submit(self._read, pending, query, position)
        except RuntimeError:  # the system has no thread for it
            del self._reading[pending]
            raise AuditUnavailable(BUSY) from None
        try:
            page = await pending.answer
        finally:
            pending.over = True
        if page is None:
            raise AuditUnavailable(UNREADABLE)
        return page

    async def wait(self, page: AuditPage) -> None:
        """Return when there is more than `page` has. Raises `AuditUnavailable`."""
        if len(self._waiting) >= FOLLOWERS:
            raise AuditUnavailable(FOLLOWED)
        written: Deferred[None] = Deferred()
        self._waiting[written] = None
        if self._writes != page.writes:  # since it was read
            self.in_reactor(self._wake)
        try:
            await written
        finally:
            self._waiting.pop(written, None)

    def refusals(self) -> Sequence[AccessRefusal]:
        """The latest refusals."""
        return self.refused.latest()

    def events(self) -> Collection[str]:
        """The names of all there are."""
        return EVENTS

    def _answer(self, pending: PendingRead, page: AuditPage | None) -> None:
        self._reading.pop(pending, None)
        if not pending.over:
            pending.over = True
            pending.answer.callback(page)

    def _wake(self) -> None:
        for written in list(self._waiting):
            if self._waiting.pop(written, self) is not self:
                written.callback(None)

    def close(self) -> None:
        """Answer nothing more."""
        for pending in self._reading:
            pending.over = True
        self._reading.clear()
        self._waiting.clear()
        self.reader.close()

    # In a reader's thread

    def _read(
        self, pending: PendingRead, query: AuditQuery, position: AuditPosition | None
    ) -> None:
        page = None
        try:
            writes = self._writes
            if not pending.over:
                page = evolve(read(self.path, query, position), writes=writes)
        except OSError as error:
            self.tell("audit-unreadable", {"error": error.strerror or str(error)})
        finally:
            self.in_reactor(lambda: self._answer(pending, page))

    # In the writer's thread

    def written(self, lines: Sequence[bytes]) -> None:
        """The file has more."""
        self._writes += len(lines)
        if self._waiting:
            self.in_reactor(self._wake)
