"""The file in memory that a state is written through to (memfd_create(2)).

Batches of records are appended; a record takes the place of the one before of the same kind and
key, and an empty one takes that away. After each batch one of two slots at the head says from
where to where the state reaches, in turns: whenever the process is killed, the newest slot that is
whole stands for a batch that is whole. When more is outdated than in force, what is in force is
copied to the other region, a part with each batch (`_Move`); then the slots stand for that one, and
the first gives its memory back.

    head    magic, format; slot, slot: number of the batch, start, end, CRC
    table   how far each line is (`progress`)
    batch   length, CRC; records: kind, length of the key, length of the body, key, body
"""

import errno
import mmap
import os
import struct
from binascii import crc32
from collections import OrderedDict
from collections.abc import Iterable, Mapping

from attrs import define, field, frozen

from vspc.server.handover.progress import TABLE

MAGIC = b"vspc state\n"
FORMAT = 1
"""Of head and batches. What a record may become is up to `encoding`."""

LIMIT = 1024**3
"""Bytes that one region may have: a state that is larger is not written."""

WORTH_IT = 1024 * 1024
"""Bytes that are outdated at least before a region is left for the other."""

COPIED = 4096
"""Bytes that are copied with each batch, or twice as many as are in the batch, rounded up to whole
records: the copy is done long before the region that is left is full.
"""

KEY_LIMIT = 255
"""Bytes of a key."""

_HEAD = struct.Struct(f"<{len(MAGIC)}sB")
_SLOT = struct.Struct("<QQQ")
_CRC = struct.Struct("<I")
_BATCH = struct.Struct("<QI")
_RECORD = struct.Struct("<BBI")

_SLOTS = (64, 128)
"""Where the two slots are: a cache line each."""

TABLE_START = mmap.PAGESIZE
"""Where the table begins."""

_REGIONS = (TABLE_START + TABLE, TABLE_START + TABLE + LIMIT)
"""Where the two regions begin."""

Key = tuple[int, bytes]
"""Kind (0 to 255) and key of a record."""


class BadState(ValueError):
    """What is in the file is no state of this format, or damaged."""


class StateTooLarge(OSError):
    """The state has become larger than `LIMIT`."""


@frozen
class _Slot:
    """What stands in a slot: `number` of the batch that ends at `end`, in the region of `start`."""

    number: int
    start: int
    end: int


@define(eq=False)
class _Move:
    """The copy of what is in force, to the region of `start`, in which it reaches to `end`.

    `pending` is not in it yet, in order; it is copied as it is when its turn comes. What is in it
    already and changes is written to both regions (`follow`).
    """

    start: int
    end: int
    pending: "OrderedDict[Key, None]"
    places: dict[Key, tuple[int, int]] = field(factory=dict)
    _records: list[bytes] = field(factory=list)
    _size: int = 0

    def follow(self, key: Key, record: bytes, is_in_force: bool) -> None:
        """`record` is written to the region that is in force."""
        if key in self.pending:
            if not is_in_force:
                del self.pending[key]
        elif not is_in_force:
            if self.places.pop(key, None) is not None:
                self._add(record)
        elif key in self.places:
            self._put(key, record)
        else:
            self.pending[key] = None

    def copy(self, descriptor: int, places: Mapping[Key, tuple[int, int]], count: int) -> None:
        """Go on with `count` bytes or more of what is at `places`. OSError."""
        while self.pending and count > 0:
            key, _ = self.pending.popitem(last=False)
            at, size = places[key]
            record = os.pread(descriptor, size, at)
            if len(record) < size:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            self._put(key, record)
            count -= size

    def _put(self, key: Key, record: bytes) -> None:
        self.places[key] = self.end + _BATCH.size + self._size, len(record)
        self._add(record)

    def _add(self, record: bytes) -> None:
        self._records.append(record)
        self._size += len(record)

    def taken(self) -> bytes:
        """The next batch."""
        batch, self._records, self._size = b"".join(self._records), [], 0
        return batch


@define(eq=False)
class HandoverFile:
    """Writes a state. What is in `descriptor` already stays in force until `rewrite` or `clear`:
    one of these has to come first.
    """

    descriptor: int
    _head: mmap.mmap = field(init=False)
    _number: int = field(default=0, init=False)
    _region: int = field(default=0, init=False)
    _end: int = field(init=False)
    _in_force: int = field(default=0, init=False)
    # Where each record is: offset and length, its head and key included.
    _places: dict[Key, tuple[int, int]] = field(factory=dict, init=False)
    _move: _Move | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        try:
            slot = _newest(os.pread(self.descriptor, mmap.PAGESIZE, 0))
        except BadState:
            os.ftruncate(self.descriptor, 0)
            head = _HEAD.pack(MAGIC, FORMAT)
            _write(self.descriptor, head + bytes(mmap.PAGESIZE - len(head)), 0)
            os.ftruncate(self.descriptor, _REGIONS[0])
            self._head = mmap.mmap(self.descriptor, mmap.PAGESIZE)
            self._end = _REGIONS[0]
            self._commit()
        else:
            self._head = mmap.mmap(self.descriptor, mmap.PAGESIZE)
            self._number, self._end = slot.number, slot.end
            self._region = _REGIONS.index(slot.start)

    @classmethod
    def create(cls) -> "HandoverFile":
        """An empty one. OSError."""
        return cls(os.memfd_create("vspc-state", os.MFD_CLOEXEC))

    @property
    def size(self) -> int:
        """Bytes of it, what is outdated included."""
        return self._end - _REGIONS[self._region]

    @property
    def count(self) -> int:
        """How many records are in force."""
        return len(self._places)

    def __contains__(self, key: Key) -> bool:
        return key in self._places

    def write(self, changes: Iterable[tuple[Key, bytes]]) -> None:
        """All of `changes`, or where the process ends none; an empty body takes a record away.

        OSError, after which the file has to be written anew (`clear`).
        """
        records = list[bytes]()
        at = self._end + _BATCH.size
        for key, body in changes:
            kind, name = key
            old = self._places.pop(key, None) if not body else self._places.get(key)
            if old is not None:
                self._in_force -= old[1]
            elif not body:
                continue
            record = b"".join((_RECORD.pack(kind, len(name), len(body)), name, body))
            records.append(record)
            if body:
                self._places[key] = at, len(record)
                self._in_force += len(record)
            if self._move is not None:
                self._move.follow(key, record, bool(body))
            at += len(record)
        if not records:
            return
        self._end = self._put(b"".join(records), _REGIONS[self._region], self._end)
        self._commit()
        if self._move is None and self.size - self._in_force > max(self._in_force, WORTH_IT):
            other = _REGIONS[1 - self._region]
            self._move = _Move(other, other, OrderedDict.fromkeys(self._places))
        if self._move is not None:
            self._go_on(self._move, max(COPIED, 2 * sum(map(len, records))))

    def _put(self, batch: bytes, start: int, end: int) -> int:
        """Write `batch` to the region of `start`, at its `end`; the new end."""
        after = end + _BATCH.size + len(batch)
        if after - start > LIMIT:
            raise StateTooLarge(f"a state of more than {LIMIT} bytes")
        _write(self.descriptor, _BATCH.pack(len(batch), crc32(batch)) + batch, end)
        return after

    def _go_on(self, move: _Move, count: int) -> None:
        """Copy `count` bytes, or a little more; with the last ones the other region is in force."""
        move.copy(self.descriptor, self._places, count)
        if batch := move.taken():
            move.end = self._put(batch, move.start, move.end)
        if not move.pending:
            start, size = _REGIONS[self._region], self.size
            self._move, self._places = None, move.places
            self._region, self._end = 1 - self._region, move.end
            self._change_region(start, size)

    def _commit(self) -> None:
        self._number += 1
        at = _SLOTS[self._number % 2]
        slot = _SLOT.pack(self._number, _REGIONS[self._region], self._end)
        # The CRC first: with the old numbers it fits as little as with half of the new ones.
        self._head[at + _SLOT.size : at + _SLOT.size + _CRC.size] = _CRC.pack(crc32(slot))
        self._head[at : at + _SLOT.size] = slot

    def _change_region(self, start: int, size: int) -> None:
        """The `size` bytes of the region of `start` are out of force."""
        # Both slots, so that none stands for what is given back.
        self._commit()
        self._commit()
        if self._region == 0:
            os.ftruncate(self.descriptor, max(self._end, _REGIONS[0]))
        elif size:
            with mmap.mmap(self.descriptor, size, offset=start) as old:
                old.madvise(mmap.MADV_REMOVE)

    def rewrite(self, state: Iterable[tuple[Key, bytes]]) -> None:
        """`state` is in it from now on, and nothing else. OSError, as for `write`."""
        start, size = _REGIONS[self._region], self.size
        self._places, self._in_force, self._move = {}, 0, None
        self._region = 1 - self._region
        self._end = _REGIONS[self._region]
        self.write(state)
        self._change_region(start, size)

    def clear(self) -> None:
        """Nothing is in it. OSError."""
        self._places, self._in_force, self._move = {}, 0, None
        self._region, self._end = 0, _REGIONS[0]
        self._commit()
        self._commit()
        os.ftruncate(self.descriptor, _REGIONS[0])

    def close(self) -> None:
        """Let the descriptor go; a copy of it in a store keeps what was written."""
        self._head.close()
        os.close(self.descriptor)


def _write(descriptor: int, data: bytes, at: int) -> None:
    """All of `data`, whatever pwrite(2) takes at once."""
    written = os.pwrite(descriptor, data, at)
    while written < len(data):
        written += os.pwrite(descriptor, memoryview(data)[written:], at + written)


# Reading


def read(descriptor: int) -> dict[Key, bytes]:
    """The records in force, in the order in which each came first. BadState."""
    try:
        size = os.fstat(descriptor).st_size
        slot = _newest(os.pread(descriptor, mmap.PAGESIZE, 0))
        if slot.end > max(size, slot.start):
            raise BadState("its end is missing")
        data = _read(descriptor, slot.start, slot.end - slot.start)
    except OSError as error:
        raise BadState(f"it cannot be read: {error.strerror}") from None
    return _records(data)


def _newest(head: bytes) -> _Slot:
    if len(head) < mmap.PAGESIZE or head[: len(MAGIC)] != MAGIC:
        raise BadState("this is no state of vspc")
    _, version = _HEAD.unpack_from(head)
    if version != FORMAT:
        raise BadState(f"a state of format {version}; this version reads format {FORMAT}")
    slots = [slot for at in _SLOTS if (slot := _slot(head, at)) is not None]
    if not slots:
        raise BadState("neither of its two heads is whole")
    slot = max(slots, key=lambda each: each.number)
    if slot.start not in _REGIONS or not 0 <= slot.end - slot.start <= LIMIT:
        raise BadState("its head is damaged")
    return slot


def _slot(head: bytes, at: int) -> _Slot | None:
    (check,) = _CRC.unpack_from(head, at + _SLOT.size)
    if check != crc32(head[at : at + _SLOT.size]):
        return None
    return _Slot(*_SLOT.unpack_from(head, at))


def _read(descriptor: int, start: int, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = os.pread(descriptor, size - len(data), start + len(data))
        if not piece:
            raise BadState("its end is missing")
        data += piece
    return bytes(data)


def _records(data: bytes) -> dict[Key, bytes]:
    found: dict[Key, bytes] = {}
    at = 0
    while at < len(data):
        if at + _BATCH.size > len(data):
            raise BadState(f"a batch is damaged at {at}")
        length, check = _BATCH.unpack_from(data, at)
        at += _BATCH.size
        payload = data[at : at + length]
        if len(payload) < length or crc32(payload) != check:
            raise BadState(f"a batch is damaged at {at}")
        _take(payload, found)
        at += length
    return found


def _take(payload: bytes, found: dict[Key, bytes]) -> None:
    at = 0
    while at < len(payload):
        if at + _RECORD.size > len(payload):
            raise BadState("a record is cut short")
        kind, key_length, length = _RECORD.unpack_from(payload, at)
        at += _RECORD.size
        key = payload[at : at + key_length]
        body = payload[at + key_length : at + key_length + length]
        if len(key) + len(body) < key_length + length:
            raise BadState("a record is cut short")
        at += key_length + length
        if body:
            found[kind, key] = body
        else:
            found.pop((kind, key), None)
