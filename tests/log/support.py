"""Stores and their readers in one thread, on a directory of the test's own."""

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from attrs import define, field

from vspc.common.files import Disk
from vspc.console.logs import Item, LogPage, Marker, Output
from vspc.log.cache import Cache
from vspc.log.long_output import divide, write_long
from vspc.log.markers import BootDetector
from vspc.log.records import DATA, RESERVE, Record
from vspc.log.startup import load
from vspc.log.store import Sizes, Store
from vspc.log.view import View

SMALL = Sizes(move=64, pending=2048, segment=256, segment_age=3600.0, journal=1024)
"""Everything happens after a few bytes."""

START = 1_700_000_000_000_000
"""Microseconds since 1970."""


def console_id(number: int) -> bytes:
    """One of many."""
    return number.to_bytes(8, "big")


@define(eq=False)
class Shelf:
    """A store that is opened again and again, with a clock and the ends of its consoles."""

    root: Path
    sizes: Sizes = SMALL
    disk: Disk = field(factory=Disk)
    boot_detector: Callable[[], BootDetector] = BootDetector
    problems: list[tuple[str, str]] = field(factory=list)
    at: int = START
    boot: str = "boot"
    store: Store = field(init=False, default=None)  # made at once, by `open`
    ends: dict[bytes, int] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.open()

    def open(self) -> None:
        """Begin, as a process does; the one before is gone, and what it had open with it."""
        if self.store is not None:
            self.store.journal.close()
        self.store = Store(
            self.root, self.disk, self._report_problem, self.sizes, self.boot_detector(), self.boot
        )
        load(self.store)
        self.ends = {c.id: c.end for c in self.store.logs.values()}

    def _report_problem(self, event: str, what: str) -> None:
        self.problems.append((event, what))

    def stop(self) -> None:
        """End in good order."""
        self.store.stop(self.at / 1e6)

    def say(self, console: bytes, data: bytes, reserve: int = 0) -> int:
        """`console` says `data`; at which offset. `reserve`: offsets reserved behind it."""
        self.at += 100_000
        offset = self.ends.get(console, 0)
        batch = [Record(DATA, console, offset, self.at, data)]
        if reserve:
            batch.insert(0, Record(RESERVE, console, offset + len(data) + reserve, 0, b""))
        self.append(batch)
        self.ends[console] = offset + len(data)
        return offset

    def append(self, batch: list[Record]) -> None:
        """Write it, as the log's thread does."""
        first, output = divide(self.store, batch)
        if first:
            self.store.append(first)
        if output:
            write_long(self.store, output)

    def settle(self) -> None:
        """What the log's thread does after a batch."""
        self.store.settle(list(self.store.logs))

    def move_all(self) -> None:
        """Every console's bytes to its segment."""
        for log in self.store.logs.values():
            self.store.move(log)

    def checkpoint(self) -> None:
        """A new journal file; the old ones go."""
        self.store.checkpoint()
        moved = None
        while moved is None:
            moved = self.store.move_on(1)
        self.store.journal.drop(moved[0])

    def view(self, console: bytes) -> View:
        """The log of `console` as a reader sees it."""
        log = self.store.logs[console]
        return View(
            Cache(self._report_problem),
            tuple(log.segments),
            tuple(log.pending),
            log.end,
            begins=log.begins,
        )

    def items(self, console: bytes, piece: int = 1 << 20) -> list[Item]:
        """All that is kept of `console`, read in pieces."""
        view = self.view(console)
        found: list[Item] = []
        page = LogPage((), view.start, ended=False)
        while not page.ended:
            page = view.read(page.next, piece)
            found += page.items
        return found


def bytes_of(items: Sequence[Item]) -> bytes:
    """What was said, without gaps."""
    return b"".join(item.data for item in items if isinstance(item, Output))


def markers_of(items: Sequence[Item]) -> list[Marker]:
    """What happened."""
    return [item for item in items if isinstance(item, Marker)]


class TemporaryShelf(Shelf):
    """One in a directory that `close` deletes."""

    def __init__(self, files: Mapping[str, bytes] | None = None, **options: object) -> None:
        """`files`: what is there already."""
        root = Path(tempfile.mkdtemp(prefix="vspc-log-"))
        for name, data in (files or {}).items():
            (root / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            (root / name).write_bytes(data)
        super().__init__(root, **options)  # type: ignore[arg-type]

    def close(self) -> None:
        """Delete it."""
        self.store.journal.close()
        self.disk.release()
        shutil.rmtree(self.root)
