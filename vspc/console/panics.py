"""Panics: the end of a console's output before a kernel gave up, kept apart from its log."""

from collections.abc import Sequence
from typing import Protocol

from attrs import frozen

from vspc.console.logs import LogStore


@frozen
class PanicRecord:
    """One of them. `number` is from 1 for each console, `at` in seconds since 1970; `pattern` is
    the name of what matched, `line` safe text at `offset`. `start` and `end` are the offsets that
    are kept, `size` the bytes of its file. `is_open`: what follows is still awaited.
    """

    console_id: str
    number: int
    at: float
    pattern: str
    line: str
    offset: int
    start: int = 0
    end: int = 0
    size: int = 0
    is_open: bool = True


class PanicArchive(Protocol):
    """All of them, as the reactor's thread asks for them: nothing here blocks."""

    def of(self, console_id: str) -> Sequence[PanicRecord]:
        """Those of a console that are on disk, oldest first."""

    def reading(self, record: PanicRecord) -> LogStore:
        """What is kept of one, to be read as if it were the log of its console."""


class NoPanics:
    """A server that keeps none."""

    def of(self, console_id: str) -> Sequence[PanicRecord]:
        """None."""
        del console_id
        return ()

    def reading(self, record: PanicRecord) -> LogStore:
        """Never."""
        raise KeyError(record.number)
