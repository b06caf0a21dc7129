"""Past and present attachments, as the audit file has them: who was on which console, from which
offset of its output to which. Made of its events, each a flat object of JSON; what is damaged in a
line costs that line.
"""

import math
from collections.abc import Iterator, Mapping

from attrs import define, field, frozen

from vspc.common.clock import parse_rfc3339

EVENTS = frozenset({"attach", "detach", "input", "start"})
"""Names of the events that records are made of."""

LIMIT = 10_000
"""Records that are kept; more, and the oldest is dropped."""

ERRORS = (KeyError, TypeError, ValueError, OverflowError)
"""What a line raises that is not as docs/audit.md has it."""


@define(eq=False)
class AttachmentRecord:
    """One of them. Times are seconds since 1970, offsets those of the console's output.

    `begun_by` and `ended_by` are the numbers of its events in the audit file; None: there is none,
    because it is in an older file, or the attachment has not ended. `offset` and `end` are unknown
    then. `cut` is when the server started again without a word of its end. `typed` counts bytes.
    """

    session: str
    operator: str
    address: str
    console: str
    name: str
    zone: str
    port: str
    kind: str
    reason: str
    began: float
    begun_by: int | None = None
    offset: int | None = None
    ended: float | None = None
    ended_by: int | None = None
    end: int | None = None
    cut: float | None = None
    typed: int = 0

    @property
    def id(self) -> str:
        """`SESSION.NUMBER`, the number being that of its first event that is known; without any,
        the session.
        """
        number = self.ended_by if self.begun_by is None else self.begun_by
        return self.session if number is None else f"{self.session}.{number}"

    def is_called(self, name: str) -> bool:
        """Whether `name` is its id, also one from when its beginning was not known."""
        numbers = [number for number in (self.begun_by, self.ended_by) if number is not None]
        return any(name == f"{self.session}.{number}" for number in numbers)


@define(eq=False)
class AttachmentRecords:
    """All that the events fed so far tell of, oldest first. `dropped` counts those over `LIMIT`."""

    dropped: int = field(default=0, init=False)
    _records: dict[AttachmentRecord, None] = field(factory=dict, init=False)
    _open: dict[tuple[str, str], list[AttachmentRecord]] = field(factory=dict, init=False)

    def __iter__(self) -> Iterator[AttachmentRecord]:
        return iter(list(self._records))

    def feed(self, event: Mapping[str, object]) -> None:
        """The next event; others than `EVENTS`, and damaged ones, change nothing."""
        try:
            match event["event"]:
                case "attach":
                    self._begin(event)
                case "detach":
                    self._end(event)
                case "input":
                    self._type(event)
                case "start":
                    self._cut(_time(event))
        except ERRORS:
            return

    def _begin(self, event: Mapping[str, object]) -> None:
        record = _record(event, _time(event))
        record.begun_by, record.offset = _number(event, "seq"), _number(event, "offset")
        self._keep(record)
        self._open.setdefault(_place(event), []).append(record)

    def _end(self, event: Mapping[str, object]) -> None:
        ended = _time(event)
        seconds = event["seconds"]
        if not isinstance(seconds, int | float) or not math.isfinite(seconds):
            raise ValueError
        end, number = _number(event, "offset"), _number(event, "seq")
        began = ended - seconds
        there = self._open.get(_place(event), [])
        if there:  # several at once of one session on one console: the one that is as old
            record = min(there, key=lambda each: abs(each.began - began))
            there.remove(record)
        else:
            record = _record(event, began)
            self._keep(record)
        record.ended, record.ended_by, record.end = max(ended, record.began), number, end
        if not there:
            self._open.pop(_place(event), None)

    def _type(self, event: Mapping[str, object]) -> None:
        there = self._open.get(_place(event))
        if there:
            there[-1].typed += _number(event, "bytes")

    def _cut(self, at: float) -> None:
        """The server starts: what was open has ended, and nothing says when."""
        for there in self._open.values():
            for record in there:
                record.cut = max(at, record.began)
        self._open.clear()

    def _keep(self, record: AttachmentRecord) -> None:
        self._records[record] = None
        if len(self._records) > LIMIT:
            oldest = next(iter(self._records))
            del self._records[oldest]
            place = oldest.session, oldest.console
            there = [each for each in self._open.pop(place, ()) if each is not oldest]
            if there:
                self._open[place] = there
            self.dropped += 1


def _record(event: Mapping[str, object], began: float) -> AttachmentRecord:
    zone, port, kind, reason = (
        _text(event, name) if name in event else "" for name in ("zone", "port", "kind", "reason")
    )
    return AttachmentRecord(
        session=_text(event, "session"),
        operator=_text(event, "operator"),
        address=_text(event, "address"),
        console=_text(event, "console"),
        name=_text(event, "name"),
        zone=zone,
        port=port,
        kind=kind,
        reason=reason,
        began=began,
    )


def _place(event: Mapping[str, object]) -> tuple[str, str]:
    return _text(event, "session"), _text(event, "console")


def event_time(event: Mapping[str, object]) -> float | None:
    """When it happened, in seconds since 1970; None where a damaged line does not say."""
    try:
        return _time(event)
    except ERRORS:
        return None


def _time(event: Mapping[str, object]) -> float:
    return parse_rfc3339(_text(event, "time"))


def _text(event: Mapping[str, object], name: str) -> str:
    found = event[name]
    if not isinstance(found, str):
        raise TypeError
    return found


def _number(event: Mapping[str, object], name: str) -> int:
    found = event[name]
    if not isinstance(found, int) or isinstance(found, bool) or found < 0:
        raise TypeError
    return found


PEN_EVENTS = frozenset({"pen", "force"})
"""Names of the events in which somebody takes the pen, or lays it down."""


@frozen
class PenTake:
    """A session took the pen of a console; `joins`: beside its holder. `at`: seconds since 1970."""

    at: float
    session: str
    operator: str
    joins: bool = False


def pen_take(event: Mapping[str, object], console: str) -> PenTake | None:
    """What `event` tells of the pen of the console with that id; None: nothing was taken."""
    try:
        if event["event"] not in PEN_EVENTS or _text(event, "console") != console:
            return None
        joins = event["event"] == "pen" and event["result"] == "joined"
        if event["event"] == "pen" and event["result"] != "taken" and not joins:
            return None
        return PenTake(_time(event), _text(event, "session"), _text(event, "operator"), joins)
    except ERRORS:
        return None
