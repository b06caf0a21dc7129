"""Files of panics in their directory, `ID/NUMBER.panic`, or `ID/NUMBER.open` while what follows is
awaited. All of it is for threads, but for the start.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from attrs import define, evolve, field

from vspc.common.files import READ, Disk
from vspc.console.logs import Item
from vspc.console.panics import PanicRecord
from vspc.log.panic_file import HEAD_LIMIT, PanicContents, pack, read_facts, unpack
from vspc.log.records import MalformedRecord
from vspc.log.writer import EventReporter

FILE_LIMIT = 32 * 1024 * 1024
"""Bytes of a file that are read."""

OPEN, DONE = ".open", ".panic"


@define(eq=False)
class PanicFiles:
    """Those below `root`. Methods raise OSError, and `MalformedRecord` for a file in which nothing
    is whole; what is damaged otherwise is reported.
    """

    root: Path
    report: EventReporter
    disk: Disk = field(factory=Disk)

    def scan(self) -> Iterator[PanicRecord]:
        """What earlier processes kept, in no order. Of a file only its facts are read, unless they
        are damaged; a file in which nothing is whole is reported, and removed. One that the disk
        does not give is reported, and stays.
        """
        self.disk.make(self.root)
        for path in sorted(self.root.glob("*/*")):
            named = _named(path)
            if named is None:
                continue
            try:
                yield self._facts(path, named)
            except MalformedRecord as error:
                self.report("panic-damaged", {"what": f"{path}: {error}; it is removed"})
                with suppress(OSError):
                    path.unlink()
            except OSError as error:
                self.report("panic-damaged", {"what": f"{path}: {error.strerror}"})
                with suppress(OSError):
                    yield self._unreadable(path, named, str(error.strerror))

    def _unreadable(self, path: Path, named: PanicRecord, why: str) -> PanicRecord:
        """Its number is taken, and whoever asks for it is told."""
        found = path.stat()
        line = f"the file cannot be read: {why}"
        return evolve(named, at=found.st_mtime, line=line, size=found.st_size)

    def _facts(self, path: Path, named: PanicRecord) -> PanicRecord:
        found = read_facts(self._read(path, HEAD_LIMIT), named)
        if found is None:
            return self._load(path, named).record
        return evolve(found, size=path.stat().st_size)

    def save(self, record: PanicRecord, items: Sequence[Item]) -> PanicRecord:
        """Make the file of a panic, of which more may follow."""
        data = pack(record, items)
        path = self._path(record)
        self.disk.make(path.parent)
        self._replace(path, data)
        return evolve(record, size=len(data))

    def complete(self, record: PanicRecord, items: Sequence[Item]) -> PanicRecord:
        """Add what followed, and give it its last name."""
        path = self._path(record)
        contents = self._load(path, record)
        whole = [*contents.items, *items]
        made = evolve(record, end=whole[-1].end if whole else record.end, is_open=False)
        data = pack(made, whole)
        self._replace(self._path(made), data)
        path.unlink(missing_ok=True)
        return evolve(made, size=len(data))

    def _replace(self, path: Path, data: bytes) -> None:
        self.disk.replace(path, data, sync=True)
        self.disk.sync_directory(path.parent)

    def load(self, record: PanicRecord) -> PanicContents:
        """All of one."""
        try:
            return self._load(self._path(record), record)
        except FileNotFoundError:  # it was completed meanwhile
            return self._load(self._path(evolve(record, is_open=False)), record)

    def _load(self, path: Path, named: PanicRecord) -> PanicContents:
        contents = unpack(self._read(path, FILE_LIMIT), named)
        for start, end in contents.damage:
            what = f"{path}: bytes {start} to {end} are damaged"
            self.report("panic-damaged", {"what": what})
        return contents

    def _read(self, path: Path, limit: int) -> bytes:
        descriptor = self.disk.regular(path, READ)
        try:
            return self.disk.read(descriptor, limit, 0)
        finally:
            self.disk.close(descriptor)

    def remove(self, record: PanicRecord) -> None:
        """Whatever its name is now."""
        for is_open in (True, False):
            self._path(evolve(record, is_open=is_open)).unlink(missing_ok=True)

    def _path(self, record: PanicRecord) -> Path:
        suffix = OPEN if record.is_open else DONE
        return self.root / record.console_id / f"{record.number}{suffix}"


def _named(path: Path) -> PanicRecord | None:
    """What the name of a file says; None if it is none of ours."""
    console_id, number = path.parent.name, path.stem
    is_id = len(console_id) == 16 and set(console_id) <= set("0123456789abcdef")
    is_number = number.isascii() and number.isdecimal() and len(number) < 10
    if not (is_id and is_number and path.suffix in (OPEN, DONE)):
        return None
    return PanicRecord(console_id, int(number), 0.0, "", "", 0, is_open=path.suffix == OPEN)
