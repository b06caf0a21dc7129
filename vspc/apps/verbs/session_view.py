"""What one attachment showed and typed, out of the log of its console.

The log has all output, and what happened on the console, of whoever. Typed text in it
(`record_input`) names nobody: it belongs to the session that had taken the pen last, and which that
was is found by the time in the audit file. What two typed who had joined is marked as that.
"""

from collections.abc import Iterator, Sequence

from attrs import define, evolve, field

from vspc.console.attachment_records import AttachmentRecord, PenTake
from vspc.console.logs import Item, Marker, MarkerKind, Output

SAME = 2.0
"""Seconds between an event in the audit file and its marker in the log, at most."""

LATE = 1.0
"""Seconds after the end in which a marker of `_LATE` may still be about the attachment: typed text
waits for its echo, the pen is laid down behind a leave."""

_LATE = frozenset({MarkerKind.INPUT, MarkerKind.PEN})

_TYPES, _ALONE = " types", " alone"

_UNKNOWN = ""
"""In place of a session that had the pen before."""


@define(eq=False)
class SessionView:
    """The items of one attachment, from items of the log from `start` to `end`, in order.

    It begins and ends with markers of its own. Times never are before the attachment: what had come
    earlier was shown when it began. A gap has its offsets in its text.
    """

    record: AttachmentRecord
    pens: Sequence[PenTake]
    start: int
    end: int
    _writers: frozenset[str] = field(default=frozenset({_UNKNOWN}), init=False)  # sessions
    _last: float = field(default=0.0, init=False)

    def begin(self) -> Marker:
        """The attachment begins."""
        record = self.record
        text = f"{record.operator} from {record.address}"
        return Marker(self.start, record.began, MarkerKind.ATTACHED, text, self.start)

    def items(self, item: Item) -> Iterator[Item]:
        """What of `item` belongs to the attachment."""
        if isinstance(item, Output):
            yield evolve(item, at=self._time(item.at))
        elif self._belongs(item):
            yield from self._marker(evolve(item, at=self._time(item.at)))

    def finish(self) -> Iterator[Marker]:
        """The attachment ends; nothing where it has not."""
        record = self.record
        if record.ended is not None:
            at, text = record.ended, record.operator
        elif record.cut is not None:
            at, text = max(self._last, record.began), f"{record.operator}, when the server ended"
        else:
            return
        yield Marker(self.end, at, MarkerKind.LEFT, text, self.end)

    def _time(self, at: float) -> float:
        self._last = max(at, self.record.began) if at > 0 else at
        return self._last

    def _belongs(self, marker: Marker) -> bool:
        """Whether `marker` stands between the beginning and the end: others may be at the same
        offsets.
        """
        record = self.record
        if marker.offset <= self.start and 0 < marker.at < record.began:
            return marker.kind is MarkerKind.GAP
        if marker.offset < self.end:
            return True
        if record.ended is not None:
            return marker.at <= record.ended + (LATE if marker.kind in _LATE else 0.0)
        return record.cut is None or marker.at <= record.cut

    def _marker(self, marker: Marker) -> Iterator[Marker]:
        match marker.kind:
            case MarkerKind.GAP:
                where = f"(offsets {marker.offset} to {marker.end})"
                yield evolve(marker, text=f"{marker.text} {where}")
            case MarkerKind.INPUT:
                if self._writers == {self.record.session}:
                    yield marker
                elif self.record.session in self._writers:
                    yield evolve(marker, text=f"by one of {len(self._writers)}: {marker.text}")
            case MarkerKind.ATTACHED | MarkerKind.LEFT if self._is_own(marker):
                pass
            case MarkerKind.PEN:
                self._pass_pen(marker)
                yield marker
            case _:
                yield marker

    def _is_own(self, marker: Marker) -> bool:
        """Whether it is what `begin` or `finish` gives."""
        record = self.record
        if marker.kind is MarkerKind.ATTACHED:
            who, when = f"{record.operator} from {record.address}", record.began
        else:
            who, when = record.operator, record.ended or record.began
        return marker.text == who and abs(marker.at - when) <= SAME

    def _pass_pen(self, marker: Marker) -> None:
        operator, types, rest = marker.text.partition(_TYPES)
        if not types:
            return  # laid down: what was typed may still wait for its echo
        own = [each for each in self.pens if each.operator == operator]
        if rest == _ALONE:  # the other one of two has gone
            left = self._writers & {each.session for each in own}
            self._writers = left or frozenset({_UNKNOWN})
            return
        near = [each for each in own if abs(each.at - marker.at) <= SAME]
        taker = min(near, key=lambda each: abs(each.at - marker.at), default=None)
        session = _UNKNOWN if taker is None else taker.session
        joins = any(each.joins and each.session == session for each in near)
        self._writers = (self._writers if joins else frozenset()) | {session}
