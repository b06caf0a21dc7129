"""One console as a chooser shows it, and what a filter looks into. Pure."""

from enum import Enum
from typing import NamedTuple, Protocol

from attrs import field, frozen

from vspc.common.columns import cells
from vspc.common.text import ensure_safe

USUAL_STATE = "connected"
"""The state of nearly all consoles."""

NO_WRITER = "-"
"""In place of a writer where there is none."""


def _writer(name: str | None) -> str:
    return NO_WRITER if name is None else ensure_safe(name)


class OutputTime(Protocol):
    """When a console sent its last byte, which changes all the time."""

    @property
    def last_output(self) -> float | None:
        """Seconds since 1970; None if there was none."""


@frozen
class FixedOutputTime:
    """An `OutputTime` that does not change."""

    last_output: float | None = None


class RowWidths(NamedTuple):
    """Columns that each text of a row needs, and whether each character of them is one byte."""

    name: int
    state: int
    writer: int
    address: int
    lock: int
    description: int
    is_plain: bool


@frozen
class Row:
    """One console.

    `key` is what makes it the same console in the next list, compared by equality. Text may be safe
    already, as titles of consoles are, or foreign: then it is made safe here. `writer` is
    `NO_WRITER` where there is none. What a filter looks into, and what the list needs for each of
    its rows, is made once: there may be ten thousand of them.
    """

    handle: str
    name: str = field(converter=ensure_safe)
    state: str = field(converter=ensure_safe)
    writer: str = field(converter=_writer)
    readers: int
    address: str = field(converter=ensure_safe)
    key: object
    output: OutputTime = field(default=FixedOutputTime(), eq=False)
    zone: str = field(default="", converter=ensure_safe)
    port: str = field(default="", converter=ensure_safe)
    lock: str = field(default="", converter=ensure_safe)
    description: str = field(default="", converter=ensure_safe)
    note: str = field(default="", converter=ensure_safe)
    folded: str = field(init=False, eq=False, repr=False)
    """The name without case."""
    widths: RowWidths = field(init=False, eq=False, repr=False)
    is_usual: bool = field(init=False, eq=False, repr=False)
    """Whether it is as nearly all are: connected, and nobody writes."""

    @folded.default
    def _fold(self) -> str:
        return self.name.casefold()

    @widths.default
    def _measure(self) -> RowWidths:
        texts = (self.name, self.state, self.writer, self.address, self.lock, self.description)
        name, state, writer, address, lock, words = map(cells, texts)
        is_plain = all(map(str.isascii, texts))
        return RowWidths(name, state, writer, address, lock, words, is_plain)

    @is_usual.default
    def _look(self) -> bool:
        return self.state == USUAL_STATE and self.writer == NO_WRITER

    def is_named(self, text: str) -> bool:
        """Whether `text`, without case, is the whole name or the handle."""
        return text in (self.folded, self.handle.casefold())


class Left(Enum):
    """The operator leaves without a selection."""

    LEFT = "left"
