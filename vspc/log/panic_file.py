"""A file with the output of one panic: frames of its facts and of records, as the log has them.

    "vspcpan1", then frames: facts as JSON, with "{" in front, then batches of records

A frame that is damaged costs what is in it, which is told as a gap; facts that are damaged are made
from the records and the name of the file. docs/alerts.md says what is kept.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from attrs import define, evolve, field, frozen

from vspc.common.text import safe_once
from vspc.console.logs import Item, LogPage, Marker, MarkerKind, Output
from vspc.console.panics import PanicRecord
from vspc.log.records import (
    DATA,
    MAGIC_SIZE,
    Damage,
    MalformedRecord,
    Record,
    as_marker,
    frames_of,
    gap,
    marker,
    pack_batch,
    pack_frame,
    unpack_batch,
)

MAGIC = b"vspcpan1"

FRAME = 64 * 1024
"""Bytes of records in a frame, about: what one flipped bit costs."""

LINE = 1000
"""Characters of a line among the facts."""

HEAD_LIMIT = 16 * 1024
"""Bytes in which the facts are."""

DAMAGED = "damaged on disk"

UNKNOWN = "the description is damaged"

_WRONG = (MalformedRecord, ValueError, KeyError, TypeError, OverflowError, RecursionError)


@frozen
class PanicContents:
    """What a file has: facts, items in order, and which bytes of it are damaged."""

    record: PanicRecord
    items: tuple[Item, ...]
    damage: tuple[tuple[int, int], ...] = ()


def pack(record: PanicRecord, items: Iterable[Item]) -> bytes:
    """A whole file."""
    facts = {
        "at": record.at,
        "pattern": record.pattern,
        "line": record.line,
        "offset": record.offset,
        "start": record.start,
        "end": record.end,
    }
    parts = [MAGIC, pack_frame(json.dumps(facts).encode())]
    console, batch, size = bytes.fromhex(record.console_id), list[Record](), 0
    for item in items:
        for made in _records(console, item):
            batch.append(made)
            size += len(made.payload) + 64
            if size >= FRAME:
                parts.append(pack_frame(pack_batch(0, batch)))
                batch, size = [], 0
    if batch:
        parts.append(pack_frame(pack_batch(0, batch)))
    return b"".join(parts)


def _records(console: bytes, item: Item) -> Iterator[Record]:
    at = round(item.at * 1e6)
    if isinstance(item, Marker):
        if item.kind is MarkerKind.GAP:
            yield gap(console, item.offset, item.end, at, item.text)
        else:
            yield marker(item.kind, console, item.offset, at, item.text)
        return
    for start in range(0, len(item.data), FRAME):
        piece = item.data[start : start + FRAME]
        yield Record(DATA, console, item.offset + start, at, piece)


def unpack(data: bytes, named: PanicRecord) -> PanicContents:
    """What `data` has. `named` is what the name of the file says. Raises `MalformedRecord` for a
    file that is none of these, or of which nothing is left.
    """
    if data[:MAGIC_SIZE] != MAGIC:
        raise MalformedRecord("it does not begin as such a file")
    record, items, damage = None, list[Item](), list[tuple[int, int]]()
    for found in frames_of(data):
        if isinstance(found, Damage):
            damage.append((found.start, found.end))
            continue
        try:
            if found.body[:1] == b"{":
                record = _record(found.body, named)
            else:
                items += _items(found.body)
        except _WRONG:
            damage.append((found.start, found.end))
    items = list(_connected(items))
    if record is None:
        if not items:
            raise MalformedRecord("nothing in it is whole")
        first = items[0]
        record = evolve(named, at=first.at, line=UNKNOWN, offset=first.offset, start=first.offset)
    end = max((each.end for each in items), default=record.start)
    if damage and end < record.end:
        items.append(Marker(end, record.at, MarkerKind.GAP, DAMAGED, record.end))
    record = evolve(record, end=max(end, record.end), size=len(data))
    return PanicContents(record, tuple(items), tuple(damage))


def read_facts(data: bytes, named: PanicRecord) -> PanicRecord | None:
    """The facts alone, from the first bytes of a file; None if they are damaged. `MalformedRecord`
    for a file that is none of these.
    """
    if data[:MAGIC_SIZE] != MAGIC:
        raise MalformedRecord("it does not begin as such a file")
    first = next(frames_of(data), None)
    if first is None or isinstance(first, Damage):
        return None
    try:
        return _record(first.body, named)
    except _WRONG:
        return None


def _record(body: bytes, named: PanicRecord) -> PanicRecord:
    facts: dict[str, Any] = json.loads(body)
    numbers = [int(facts[key]) for key in ("offset", "start", "end")]
    if min(numbers) < 0:
        raise MalformedRecord("an offset below 0")
    offset, start, end = numbers
    return evolve(
        named,
        at=float(facts["at"]),
        pattern=safe_once(str(facts["pattern"])),
        line=safe_once(str(facts["line"]), LINE),
        offset=offset,
        start=start,
        end=end,
    )


def _items(body: bytes) -> Iterator[Item]:
    for record in list(unpack_batch(body)[1]):
        if record.code == DATA:
            yield Output(record.offset, record.at / 1e6, record.payload)
        else:
            found = as_marker(record.code, record.offset, record.at, record.payload)
            if found is not None:
                yield found


def _connected(items: Iterable[Item]) -> Iterator[Item]:
    """`items` with a gap where something is missing; nothing goes back."""
    at: int | None = None
    for item in items:
        if at is not None and item.offset < at:
            continue
        if at is not None and item.offset > at:
            yield Marker(at, item.at, MarkerKind.GAP, DAMAGED, item.offset)
        yield item
        at = item.end


@define(eq=False)
class PanicView:
    """`vspc.console.logs.LogView` over what a file has."""

    contents: PanicContents
    is_cancelled: Callable[[], bool] = lambda: False
    _ends: list[int] = field(init=False)

    booted = False
    unwritten = 0

    def __attrs_post_init__(self) -> None:
        self._ends = [item.end for item in self.contents.items]

    @property
    def start(self) -> int:
        """The oldest offset that is kept."""
        items = self.contents.items
        return items[0].offset if items else self.contents.record.start

    @property
    def end(self) -> int:
        """The offset after the last byte that is kept."""
        return self._ends[-1] if self._ends else self.start

    @property
    def cancelled(self) -> bool:
        """Whether the query was cancelled."""
        return self.is_cancelled()

    def read(self, offset: int, limit: int, until: int | None = None) -> LogPage:
        """About `limit` bytes from `offset`, and none from `until` on."""
        stop = self.end if until is None else min(until, self.end)
        found, size, at = list[Item](), 0, max(offset, self.start)
        for item in self.contents.items:
            if item.end < at or (item.end == at and isinstance(item, Output)):
                continue
            if item.offset >= stop and (isinstance(item, Output) or item.offset > stop):
                break
            if size >= limit:
                return LogPage(tuple(found), at, False)
            piece = _cut(item, at, stop)
            if isinstance(piece, Output) and size + len(piece.data) > limit:
                piece = evolve(piece, data=piece.data[: limit - size])
            found.append(piece)
            size += len(piece.data) if isinstance(piece, Output) else 0
            at = piece.end
            if at < min(item.end, stop):
                return LogPage(tuple(found), at, False)
        return LogPage(tuple(found), max(at, min(stop, self.end)), True)

    def since(self, at: float) -> int:
        """The offset of the first byte that arrived at `at` or later; `end` if none has."""
        outputs = (item for item in self.contents.items if isinstance(item, Output))
        return next((item.offset for item in outputs if item.at >= at), self.end)

    def last_lines(self, lines: int, limit: int) -> int:
        """The offset at which the last `lines` lines begin, at most `limit` bytes back."""
        first, count = max(self.start, self.end - limit), 0
        for item in reversed(self.contents.items):
            if not isinstance(item, Output) or item.end <= first:
                continue
            data = item.data[:-1] if item.end == self.end and item.data[-1:] == b"\n" else item.data
            at = len(data)
            while (at := data.rfind(b"\n", 0, at)) >= 0:
                count += 1
                if count >= lines:
                    return max(first, item.offset + at + 1)
        return first

    def markers(self, kinds: Sequence[MarkerKind]) -> list[Marker]:
        """All markers of those kinds that are kept."""
        items = self.contents.items
        return [item for item in items if isinstance(item, Marker) and item.kind in kinds]


def _cut(item: Item, start: int, stop: int) -> Item:
    """What of `item` is from `start` on, and before `stop`."""
    begin = max(item.offset, start)
    if isinstance(item, Output):
        return Output(begin, item.at, item.data[begin - item.offset : stop - item.offset])
    if item.end == item.offset:
        return item
    return evolve(item, offset=begin, end=max(begin, min(item.end, stop)))
