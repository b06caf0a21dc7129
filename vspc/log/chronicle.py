"""One console's log: its segments, what has not moved there yet, and who it is."""

import json
from pathlib import Path
from typing import Any

from attrs import define, field

from vspc.log import segments
from vspc.log.boots import Spotter
from vspc.log.discovery import discover
from vspc.log.disk import Disk
from vspc.log.frames import UnknownVersion
from vspc.log.records import ABOUT, DATA, FIRST_MARKER, GAP, RESERVE, Record, begins_log, told_of
from vspc.log.segments import Segment, Shrunk, last_said

ABOUT_FILE = "console.json"

VERSION = 1
"""Of that file."""

BEFORE = 32
"""Markers of its lines that are kept of a console whose log has not begun."""


@define(eq=False)
class Chronicle:
    """The log of the console `id` (8 bytes) in the directory `place`, which is made when it
    `spoke`: its VM said a byte, or somebody did something on it.

    `reserved` is the offset up to which offsets may have been used, 0 while none is reserved; what
    was said up to `told` may be missing after a kill.
    """

    id: bytes
    place: str = field(converter=str)
    segments: list[Segment] = field(factory=list)
    about: str = ""
    end: int = 0
    reserved: int = 0
    told: int = 0
    serial: int = 0  # of the last batch that has moved
    spoke: bool = False
    pending: list[Record] = field(factory=list)
    pending_bytes: int = 0
    pending_serial: int = 0
    evicted: int = 0  # the offset up to which everything was deleted, once all of it was
    last: int = 0  # microseconds since 1970 of the last byte or marker
    said: int = 0  # the same of the last byte, 0 if there was none
    booted: bool = False  # whether it ever showed the beginning of a boot
    _written: tuple[str, bool] = field(default=("", False), init=False)  # what the file holds
    _spotted: int = field(
        default=0, init=False
    )  # records of `pending` that boots were looked for in

    @property
    def directory(self) -> Path:
        """Where its files are."""
        return Path(self.place)

    @property
    def name(self) -> str:
        """16 hex digits."""
        return self.id.hex()

    @property
    def facts(self) -> dict[str, Any]:
        """What is known of its console; empty where nothing is, or it cannot be read."""
        try:
            found = json.loads(self.about) if self.about else {}
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def on_disk(self) -> int:
        """Bytes of its files."""
        return sum(segment.on_disk for segment in self.segments)

    def take(self, serial: int, record: Record) -> None:
        """`record` is in the journal: it moves to a segment later."""
        if record.code == RESERVE:
            self.reserved, self.told = record.offset, told_of(record)
            return
        if record.code == ABOUT:
            self.about = record.payload.decode("utf-8", "replace")
            return
        if record.code != DATA and record.code < FIRST_MARKER:
            return
        if record.code in (DATA, GAP):
            if record.offset < self.end:  # it has moved already, or would be said twice
                return
            self.end = record.end
            self.said = max(self.said, record.at if record.code == DATA else 0)
        self.spoke = self.spoke or begins_log(record.code)
        self.last = max(self.last, record.at)
        self.pending.append(record)
        self.pending_bytes += len(record.payload)
        self.pending_serial = serial
        if not self.spoke and len(self.pending) > BEFORE:
            self.pending_bytes -= len(self.pending.pop(0).payload)
            self._spotted = max(0, self._spotted - 1)

    def move(self, disk: Disk, spotter: Spotter, limit: int, age: int) -> list[Segment]:
        """Move what is pending to segments; those that are closed by that, because they have
        `limit` bytes or are `age` microseconds old. Raises OSError, and then nothing is lost.
        """
        if not self.spoke:
            return []
        if not self.directory.is_dir():
            disk.make(self.directory)
        closed = self._move_pending(disk, spotter, limit, age) if self.pending else []
        if (self.about, self.booted) != self._written:
            self.describe(disk)
        return closed

    def spot(self, spotter: Spotter) -> None:
        """Put markers into `pending` where boots begin; each record is looked at once."""
        new = self.pending[self._spotted :]
        if new:
            data = b"".join([record.payload for record in new if record.code == DATA])
            self.pending[self._spotted :] = spotter.mark(self.id, new, data)
            self._spotted = len(self.pending)
            self.booted = self.booted or self.id in spotter.booted

    def _move_pending(self, disk: Disk, spotter: Spotter, limit: int, age: int) -> list[Segment]:
        self.spot(spotter)
        batch = self.pending
        data = b"".join([record.payload for record in batch if record.code == DATA])
        closed = []
        segment = self._open_segment(batch[0])
        if segment.size and (segment.size >= limit or batch[0].at - segment.first > age):
            segment.closed = True
            closed.append(segment)
            segment = self._open_segment(batch[0])
        try:
            segments.append(disk, segment, self.pending_serial, batch, data)
        except Shrunk:
            # Whoever cut it: what is left of it stays readable, and the log goes on behind it.
            segment.closed = True
            closed.append(segment)
            segment = self._open_segment(batch[0])
            segments.append(disk, segment, self.pending_serial, batch, data)
        self.serial = self.pending_serial
        self.lose()
        return closed

    def lose(self) -> None:
        """Give up what is pending: it has moved, or its files cannot be written."""
        self.pending, self.pending_bytes, self._spotted = [], 0, 0

    def evict(self, disk: Disk, count: int) -> None:
        """Delete the oldest `count` segments. Raises OSError."""
        gone = self.segments[:count]
        if count >= len(self.segments):  # its offsets go on all the same
            self.evicted = max(self.evicted, gone[-1].end)
            self.describe(disk)
        for segment in gone:
            segment.remove()
        del self.segments[:count]

    def describe(self, disk: Disk) -> None:
        """Write down whose log it is, and up to where it was evicted. Raises OSError."""
        facts = {
            "version": VERSION,
            "evicted": self.evicted,
            "booted": self.booted,
            "about": self.facts,
        }
        disk.replace(self.directory / ABOUT_FILE, json.dumps(facts).encode())
        self._written = (self.about, self.booted)

    def _read_description(self) -> None:
        path = self.directory / ABOUT_FILE
        if not path.exists():
            return
        found = json.loads(path.read_text("utf-8"))
        if not isinstance(found, dict) or found.get("version") != VERSION:
            raise UnknownVersion(f"{path} is of an unknown version and is left alone")
        self.about, self.booted = json.dumps(found.get("about") or {}), found.get("booted") is True
        self._written = (self.about, self.booted)
        evicted = found.get("evicted")
        if isinstance(evicted, int) and evicted > 0:
            self.evicted, self.spoke = evicted, True
            self.end = max(self.end, evicted)

    def _open_segment(self, first: Record) -> Segment:
        if not self.segments or self.segments[-1].closed:
            start = max(first.offset, self.segments[-1].end if self.segments else 0)
            segment = Segment(self.place, start, start, first.at, first.at)
            if segment.paths[1].exists() or (self.segments and self.segments[-1].start == start):
                # A cut segment of the same start: its name is taken.
                segment.remove()
                self.segments = [s for s in self.segments if s.start != start]
            self.segments.append(segment)
        return self.segments[-1]

    @classmethod
    def discover(cls, directory: Path) -> "Chronicle":
        """What an earlier process left in `directory`. Raises OSError or `UnknownVersion`."""
        found = cls(bytes.fromhex(directory.name), directory)
        found.segments = discover(directory)
        if found.segments:
            found.spoke = True
            found.end = max(segment.end for segment in found.segments)
            found.serial = max(segment.serial for segment in found.segments)
            found.last = max(segment.last for segment in found.segments)
            found.said = last_said(found.segments)
        found._read_description()
        return found
