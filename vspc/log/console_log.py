"""One console's log: its segments, what has not moved there yet, and its description."""

import json
from pathlib import Path
from typing import Any

from attrs import define, field, setters

from vspc.common.files import Disk
from vspc.log import description, segments
from vspc.log.description import BadDescription, Description
from vspc.log.index import Head, head_text, reserve_text
from vspc.log.markers import BootDetector
from vspc.log.records import (
    ABOUT,
    DATA,
    FIRST_MARKER,
    GAP,
    REACHED,
    RESERVE,
    Record,
    UnknownVersion,
    announced_of,
    begins_log,
    groups,
    joined,
)
from vspc.log.recovery import last_output_of, recover
from vspc.log.segments import FoundSegments, Segment, Shrunk, adopt, discover

BEFORE = 32
"""Markers of its lines that are kept of a console whose log has not begun."""

UNKNOWN_END = 16 * 1024 * 1024
"""Bytes by which offsets go on where nothing says how far they had come: more than a console has
that did not move to a segment.
"""


HEADS = 8
"""Segments that are asked whose they are where nothing else says it."""


@define(eq=False, on_setattr=setters.NO_OP)  # each record sets five: nothing is converted again
class ConsoleLog:
    """The log of the console `id` (8 bytes) in the directory `place`, which is made when it
    `begun`: output came, or an operator acted on it.

    `reserved` is the offset up to which offsets may have been used, 0 while none is reserved; what
    came up to `announced` may be missing after a kill. `notes` say what is wrong with its
    files.
    """

    id: bytes
    place: str = field(converter=str)
    segments: list[Segment] = field(factory=list)
    about: str = ""
    end: int = 0
    reserved: int = 0
    announced: int = 0
    claimed: int = 0  # the offset that it had reached once, according to its files and the journal
    damages: int = 0  # of the journal, before its last output of this console
    serial: int = 0  # of the last batch that has moved
    begun: bool = False
    pending: list[Record] = field(factory=list)
    pending_bytes: int = 0
    pending_serial: int = 0
    evicted: int = 0  # the offset up to which everything was deleted, once all of it was
    begins: int | None = None  # the offset up to which anything was deleted, if that is known
    last: int = 0  # microseconds since 1970 of the last byte or marker
    last_output: int = 0  # the same of the last byte, 0 if there was none
    booted: bool = False  # whether it ever showed the beginning of a boot
    notes: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()  # those of them about files of another version
    changed: bool = False  # what describes it is to be written anew
    _written: tuple[str, bool] = field(default=("", False), init=False)  # what the file holds
    _examined: int = field(
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
        match record.code:
            case code if code == RESERVE:
                self.reserved, self.announced = record.offset, announced_of(record)
                return
            case code if code == ABOUT:
                self.about = record.payload.decode("utf-8", "replace")
                return
            case code if code == REACHED:
                self.claimed = max(self.claimed, record.offset)
                self.reserved = self.announced = 0
                return
            case code if code != DATA and code < FIRST_MARKER:
                return
        if record.offset < self.end:  # it has moved already
            if record.end <= self.end:
                return
            record = record.behind(self.end)
        self.pending.append(record)  # before it counts: there may be no memory for it
        if record.code in (DATA, GAP):
            self.end = record.end
            self.last_output = max(self.last_output, record.at if record.code == DATA else 0)
        if not self.begun and begins_log(record.code):
            self.begun = True
            self.begins = record.offset if self.begins is None else self.begins
        self.last = max(self.last, record.at)
        self.pending_bytes += len(record.payload)
        self.pending_serial = serial
        if not self.begun and len(self.pending) > BEFORE:
            self.pending_bytes -= len(self.pending.pop(0).payload)
            self._examined = max(0, self._examined - 1)

    # Moving

    def move(self, disk: Disk, boot_detector: BootDetector, limit: int, age: int) -> list[Segment]:
        """Move what is pending to segments; those that are closed by that, because they have
        `limit` bytes or are `age` microseconds old. Raises OSError, and then nothing is lost.
        """
        if not self.begun:
            return []
        if not self.directory.is_dir():
            disk.make(self.directory)
        self.detect_boots(boot_detector)
        closed: list[Segment] = []
        for group in list(groups(self.pending)):
            last = len(group) == len(self.pending)
            serial = self.pending_serial if last else self.serial
            data = joined(group)
            closed += self._move_group(disk, limit, age, group, serial, data)
            self._moved(group)
            self.serial = serial
        if (self.about, self.booted) != self._written:
            self.describe(disk)
        return closed

    def detect_boots(self, boot_detector: BootDetector) -> None:
        """Put markers into `pending` where boots begin; each record is looked at once."""
        new = self.pending[self._examined :]
        if new:
            self.pending[self._examined :] = boot_detector.mark(self.id, new, joined(new))
            self._examined = len(self.pending)
            self.booted = self.booted or self.id in boot_detector.booted

    def follows(self, output: list[Record]) -> bool:
        """Whether `output` can be written to a segment, behind what there is."""
        ends = [self.end, *(record.end for record in output)]
        return self.begun and all(r.offset == at for r, at in zip(output, ends, strict=False))

    def write(
        self, disk: Disk, boot_detector: BootDetector, limit: int, age: int, output: list[Record]
    ) -> list[Segment]:
        """Write `output`, which `follows`, to a segment at once; as `move`, while nothing is
        pending. Raises OSError, and then it is not in.
        """
        data = joined(output)
        batch = boot_detector.mark(self.id, output, data)
        self.booted = self.booted or self.id in boot_detector.booted
        end, last_output = output[-1].end, max(self.last_output, output[-1].at)
        closed = self._move_group(disk, limit, age, batch, self.serial, data)
        self.end, self.last_output = end, last_output  # without a need for memory
        self.last = max(self.last, last_output)
        return closed

    def _move_group(
        self, disk: Disk, limit: int, age: int, batch: list[Record], serial: int, data: bytes
    ) -> list[Segment]:
        closed = []
        segment = self._open_segment(batch[0])
        begins = next((record.offset for record in batch if record.code == DATA), None)
        if (
            segment.size and (segment.size >= limit or batch[0].at - segment.first > age)
        ) or not segment.goes_on_at(begins):
            segment.closed = True
            closed.append(segment)
            segment = self._open_segment(batch[0])
        try:
            self._append(disk, segment, serial, batch, data)
        except Shrunk:
            # Another program cut it: what is left stays readable, and the log goes on behind it.
            segment.closed = segment.damaged = True
            closed.append(segment)
            segment = self._open_segment(batch[0])
            self._append(disk, segment, serial, batch, data)
        return closed

    def _append(
        self, disk: Disk, segment: Segment, serial: int, batch: list[Record], data: bytes
    ) -> None:
        """With its head in front, where that is new: whose segment it is."""
        first, ahead = batch[0], list[Record]()
        head = hash((self.about, self.booted))
        if segment.head != head:
            text = head_text(self.name, self.facts, self.booted)
            ahead.append(Record(ABOUT, self.id, first.offset, first.at, text))
        if self.reserved:
            text = reserve_text(self.reserved, self.announced)
            ahead.append(Record(RESERVE, self.id, first.offset, 0, text))
        segments.append(disk, segment, serial, [*ahead, *batch], data)
        segment.head = head

    def _moved(self, group: list[Record]) -> None:
        if len(group) == len(self.pending):
            self.lose()
            return
        del self.pending[: len(group)]
        self._examined = len(self.pending)
        size = sum(len(record.payload) for record in group)
        self.pending_bytes = max(0, self.pending_bytes - size)

    def lose(self) -> None:
        """Give up what is pending: it has moved, or its files cannot be written."""
        self.pending, self.pending_bytes, self._examined = [], 0, 0

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

    def move_beside(self) -> None:
        """Go on in a directory beside the present one, which cannot be written."""
        if self.segments:
            self.segments[-1].closed = True
        self.place = str(_beside(self.directory))
        self._written = ("", False)

    # Less of it

    def evict(self, disk: Disk, count: int) -> None:
        """Delete the oldest `count` segments. Raises OSError."""
        gone = self.segments[:count]
        if count >= len(self.segments):  # its offsets go on all the same
            self.evicted = max(self.evicted, gone[-1].end)
        rest = self.segments[count:]
        self.begins = rest[0].start if rest else gone[-1].end
        self.describe(disk)
        for segment in gone:
            segment.remove()
        del self.segments[:count]

    # Whose it is

    def describe(self, disk: Disk) -> None:
        """Write `console.json`: whose log it is, and up to where it was evicted. Raises OSError."""
        if not self.directory.is_dir():
            disk.make(self.directory)
        begins = self.begins
        if begins is None and self.segments:
            begins = self.segments[0].start
        found = Description(self.facts, self.evicted, begins, self.booted)
        disk.replace(self.directory / description.FILE, found.encode(self.name))
        self._written, self.changed = (self.about, self.booted), False

    # What an earlier process left

    @classmethod
    def discover(cls, directory: Path, *before: Path) -> "ConsoleLog":
        """What is in `directory`, and in those that an earlier log could not go on in.

        Nothing that is of an unknown version, or cannot be read, is touched: the log goes on
        beside it.
        """
        found = cls(bytes.fromhex(directory.name[:16]), directory)
        for each in (*before, directory):
            found._discover(each, kept=each != directory)
        found.segments.sort(key=lambda segment: segment.start)
        if found.segments:
            found.begun = True
            found.end = max(found.end, *(segment.end for segment in found.segments))
            found.serial = max(segment.serial for segment in found.segments)
            found.last = max(segment.last for segment in found.segments)
            found.last_output = last_output_of(found.segments)
            found.reserved, found.announced = found.segments[-1].reserve or (0, 0)
            found.segments[-1].reserve = None
        return found

    def _discover(self, directory: Path, kept: bool) -> None:
        try:
            found = discover(directory)
        except OSError as error:
            found = FoundSegments(unknown=[f"{directory}: {error.strerror}"], uncertain=True)
        known = self._read_description(directory, found)
        self.notes += (*found.notes, *found.unknown)
        self.unknown += tuple(found.unknown)
        if found.unknown and not kept:
            self.place = str(_beside(directory))
            self._written = ("", False)
            if found.uncertain or not found.segments:
                self.claimed = max(self.claimed, self._reached(found) + UNKNOWN_END)
        for segment in found.segments:
            if known is not None and known.begins is not None and segment.end < known.begins:
                if not segment.left:  # it was being deleted
                    segment.remove()
                continue
            self.segments.append(segment)
        self.claimed = max(self.claimed, found.claimed)

    def _reached(self, found: FoundSegments) -> int:
        return max((segment.end for segment in found.segments), default=self.end)

    def _read_description(self, directory: Path, found: FoundSegments) -> Description | None:
        known = None
        try:
            known = description.read(directory, self.name)
            damaged = False
        except BadDescription as error:
            found.notes.append(f"{error}; it is made anew")
            damaged = True
        except OSError as error:
            found.notes.append(f"{directory / description.FILE}: {error.strerror}")
            damaged = True
        except UnknownVersion as error:
            found.unknown.append(str(error))
            damaged = False
            found.leave()
        if known is None:
            heads = map(_head_of, reversed(found.segments[-HEADS:]))
            head = next((head for head in heads if head is not None and head.about), None)
            about, self.booted = ({}, False) if head is None else (dict(head.about), head.booted)
        else:
            about, self.booted = dict(known.about), known.booted
            self._take_offsets(known)
        if about:
            self.about = json.dumps(about)
        self._written = ("", False) if known is None else (self.about, self.booted)
        self.changed = (self.about, self.booted) != self._written or (known is None and damaged)
        return known

    def _take_offsets(self, known: Description) -> None:
        if known.evicted:
            self.evicted, self.begun = known.evicted, True
            self.end = max(self.end, known.evicted)
        if known.begins is not None:
            self.begins = known.begins

    def mend(self) -> int:
        """What its index does not speak of counts where nothing else has it; call it when all of
        the journal was taken. The offset behind output that came once, of which nothing is left.
        """
        starts = [segment.start for segment in self.segments]
        for number, segment in enumerate(self.segments, 1):
            if not segment.spare or segment.left:
                continue
            if number < len(starts):
                until: int | None = starts[number]
            else:
                until = next((r.offset for r in self.pending if r.code in (DATA, GAP)), None)
                until = until if until is not None else (self.claimed or None)
            count = adopt(segment, until)
            if count:
                what = f"{count} bytes are indexed anew"
                self.notes += (f"{segment.paths[1]}: it is missing or cut; {what}",)
                self.end = max(self.end, segment.end)
        return self.claimed


def _head_of(segment: Segment) -> Head | None:
    try:
        return recover(segment).head
    except OSError:
        return None


def _beside(directory: Path) -> Path:
    """The first free name: ID.2, ID.3, and so on."""
    number = 2
    while (found := directory.with_name(f"{directory.name[:16]}.{number}")).exists():
        number += 1
    return found
