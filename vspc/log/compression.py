"""A closed segment, compressed: checked before, and made anew where it was damaged."""

from collections.abc import Iterator, Sequence

from attrs import frozen

from vspc.common.files import Disk
from vspc.log import blocks, index
from vspc.log.blocks import BLOCK, BlockRun
from vspc.log.index import IndexEntry, head_text
from vspc.log.records import ABOUT, DATA, FIRST_MARKER, Record, gap
from vspc.log.recovery import DAMAGED, Recovered, recover
from vspc.log.segments import Segment


@frozen
class Contents:
    """What a closed segment has: its bytes, its index, and the bytes packed. `notes` say what was
    wrong with it; then bytes and index are made anew, with a gap wherever anything is missing.
    """

    data: bytes
    index: bytes
    packed: bytes
    notes: tuple[str, ...]


def contents(segment: Segment) -> Contents:
    """Of a closed segment that is not compressed. Raises OSError."""
    found = recover(segment)
    if found.notes or segment.damaged:
        records = list(_records(segment, found))
        data = b"".join([record.payload for record in records if record.code == DATA])
        made = index.MAGIC + index.lay_out(segment.serial, segment.serial, 0, records)
        entries = tuple(index.read(made, str(segment.paths[1])).entries)
    else:
        data, entries = found.data, found.entries
        made = segment.paths[1].read_bytes()[: segment.index_size]
    head = _head(segment, found).decode()
    return Contents(data, made, blocks.pack(head, _runs(entries, data)), found.notes)


def _head(segment: Segment, found: Recovered) -> bytes:
    if found.head is None:
        return head_text(segment.console, {}, False)
    return head_text(segment.console, found.head.about, found.head.booted)


def _records(segment: Segment, found: Recovered) -> Iterator[Record]:
    console, reached = bytes.fromhex(segment.console), segment.start
    if found.head is not None:
        yield Record(ABOUT, console, segment.start, segment.first, _head(segment, found))
    for entry in found.entries:
        if entry.code != DATA and entry.code < FIRST_MARKER:
            continue
        if entry.code == DATA and entry.offset > reached:
            yield gap(console, reached, entry.offset, entry.at, DAMAGED)
        payload = entry.payload
        if entry.code == DATA:
            payload = found.data[entry.place : entry.place + entry.length]
        yield Record(entry.code, console, entry.offset, entry.at, payload)
        reached = max(reached, entry.end)
    if segment.end > reached:
        yield gap(console, reached, segment.end, segment.last, DAMAGED)


def _runs(entries: Sequence[IndexEntry], data: bytes) -> Iterator[BlockRun]:
    """The bytes as blocks, each of them in one piece."""
    offset = at = place = size = 0
    for entry in entries:
        if entry.code != DATA:
            continue
        done = 0
        while done < entry.length:
            if size == BLOCK or (size and entry.offset + done != offset + size):
                yield BlockRun(offset, at, place, data[place : place + size])
                size = 0
            if not size:
                offset, at, place = entry.offset + done, entry.at, entry.place + done
            more = min(entry.length - done, BLOCK - size)
            size, done = size + more, done + more
    if size:
        yield BlockRun(offset, at, place, data[place : place + size])


def compress(disk: Disk, segment: Segment, parts: Contents) -> Segment:
    """A compressed copy of a closed segment, synced; the caller deletes the original.

    `parts` are its `contents`.
    """
    made = Segment(
        segment.directory,
        segment.start,
        segment.end,
        segment.first,
        segment.last,
        size=len(parts.data),
        closed=True,
        compressed=True,
        serial=segment.serial,
    )
    made.head = segment.head
    for packed, target in zip(
        (parts.packed, blocks.pack_index(parts.index)), made.paths, strict=True
    ):
        disk.replace(target, packed, sync=True)
        made.on_disk += len(packed)
        made.index_size = len(packed)
    return made
