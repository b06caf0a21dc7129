"""What is kept of one panic, read as if it were the log of its console."""

from collections.abc import Callable
from typing import Any, TypeVar

from attrs import define, evolve, field

from vspc.common.clock import Clock
from vspc.common.worker import WorkerPool
from vspc.console.logs import LogView, MarkerKind
from vspc.console.panics import PanicRecord
from vspc.log.panic_file import PanicView
from vspc.log.panic_files import PanicFiles
from vspc.log.records import MalformedRecord
from vspc.log.writer import EventReporter
from vspc.net.waiting import ThreadAnswer, within

T = TypeVar("T")

READ_TIMEOUT = 30.0
"""Seconds after which the disk has no answer."""


@define(eq=False)
class PanicReading:
    """`vspc.console.logs.LogStore` of one panic. Its file is read once, by a thread."""

    record: PanicRecord
    files: PanicFiles
    pool: WorkerPool
    clock: Clock
    in_reactor: Callable[[Callable[[], None]], None]
    report: EventReporter
    _view: PanicView | None = field(default=None, init=False)

    def keeps(self, console_id: str) -> bool:
        """Always."""
        return console_id == self.record.console_id

    def mark(self, console_id: str, kind: MarkerKind, text: str) -> bool:
        """Never."""
        del console_id, kind, text
        return False

    async def query(self, console_id: str, question: Callable[[LogView], T]) -> T | None:
        """What `question` returns in a thread; None where the file cannot be read."""
        del console_id
        answer: ThreadAnswer[tuple[T] | None] = ThreadAnswer(self.in_reactor)
        self.pool.submit(self._read, answer, question)
        try:
            found = await within(self.clock, READ_TIMEOUT, answer.wait())
        except TimeoutError:
            return None
        return None if found is None else found[0]

    def _read(self, answer: ThreadAnswer[Any], question: Callable[[LogView], T]) -> None:
        try:
            if self._view is None:
                self._view = PanicView(self.files.load(self.record))
            answer.give((question(evolve(self._view, is_cancelled=lambda: answer.over)),))
        except (OSError, MalformedRecord) as error:
            self.report("panic-damaged", {"what": f"{self.record.console_id}: {error}"})
            answer.give(None)
