"""A console's earlier output and markers, as its log has them: values, and the port to read them.

The log lives in `vspc.log`; verbs, terminals and sinks see it through these. Offsets are absolute
for a console and never used twice; times are seconds since 1970.
"""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Protocol, TypeVar

from attrs import frozen

T = TypeVar("T")


class MarkerKind(Enum):
    """The kinds of markers. The values are names in JSON, the order is the one on disk."""

    CONNECTED = "connected"  # a line that is no vMotion's: perhaps a boot
    AWAY = "away"
    MOVED = "moved"
    ATTACHED = "attached"
    LEFT = "left"
    PEN = "pen"
    BREAK = "break"
    NOTE = "note"
    DROPPED = "dropped"  # input that was not sent
    GAP = "gap"  # output that the log does not have
    BOOT = "boot"  # the output looks like the beginning of a boot; the text says of which kind
    INPUT = "input"  # what was typed, with [log] record_input
    RENAMED = "renamed"
    RECORDING = "recording"  # a place that `record` has marked
    RECONNECTED = "reconnected"  # a line that is no vMotion's, of a VM that did not boot
    SETTINGS = "settings"  # of the serial port
    RESTARTED = "restarted"  # the server, while the line stayed connected


OF_LINES = frozenset(
    {
        MarkerKind.CONNECTED,
        MarkerKind.RECONNECTED,
        MarkerKind.AWAY,
        MarkerKind.MOVED,
        MarkerKind.RENAMED,
        MarkerKind.SETTINGS,
        MarkerKind.RESTARTED,
    }
)
"""Kinds that come with lines: with these alone no log is begun."""


@frozen
class Output:
    """Bytes of the VM from `offset`, which arrived `at`."""

    offset: int
    at: float
    data: bytes

    @property
    def end(self) -> int:
        """The offset of what follows."""
        return self.offset + len(self.data)


@frozen
class Marker:
    """An event at `offset`, before the byte there. `text` is one safe line.

    A gap reaches from `offset` to `end` (exclusive); `end` is `offset` for all others.
    """

    offset: int
    at: float
    kind: MarkerKind
    text: str
    end: int


Item = Output | Marker


@frozen
class LogPage:
    """A piece of a log, in order. `next` is where to read on; `ended` if that is the end now."""

    items: tuple[Item, ...]
    next: int
    ended: bool


@frozen
class About:
    """What identifies a console in its log. `handle` is what to type, `id` its name on disk."""

    id: str
    handle: str
    name: str
    zone: str
    uuid: str | None
    port: str


class LogView(Protocol):
    """One console's log, as a thread reads it. Methods may block on the disk and raise OSError."""

    @property
    def start(self) -> int:
        """The oldest offset that is kept."""

    @property
    def end(self) -> int:
        """The offset after the last byte that is kept."""

    def read(self, offset: int, limit: int, until: int | None = None) -> LogPage:
        """About `limit` bytes from `offset` (what is no longer kept is skipped with a gap), and
        none from `until` on. Markers at an offset come before its byte.
        """

    def since(self, at: float) -> int:
        """The offset of the first byte that arrived at `at` or later; `end` if none has."""

    def last_lines(self, lines: int, limit: int) -> int:
        """The offset at which the last `lines` lines begin, at most `limit` bytes back."""

    def markers(self, kinds: Sequence[MarkerKind]) -> list[Marker]:
        """All markers of those kinds that are kept."""

    @property
    def booted(self) -> bool:
        """Whether a boot was ever seen in its output, kept or not."""

    @property
    def unwritten(self) -> int:
        """Bytes at the end that are in memory only, because the disk does not take them."""

    @property
    def cancelled(self) -> bool:
        """Whether the query was cancelled: give up early."""


class LogStore(Protocol):
    """All logs, as the reactor's thread asks for them: nothing here blocks."""

    def keeps(self, console_id: str) -> bool:
        """Whether there is a log of that console."""

    def mark(self, console_id: str, kind: MarkerKind, text: str) -> bool:
        """Put a marker at this place; False if there is no log, or it takes nothing now."""

    async def query(self, console_id: str, question: Callable[[LogView], T]) -> T | None:
        """What `question` returns in a thread; output that came before the call is in its view.

        None: there is no such log, or it cannot be read (the server's log says why). Cancelling
        sets `cancelled` of the view.
        """
