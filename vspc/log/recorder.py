"""The reactor's half of the log: output and events of consoles, as batches of records.

Nothing here waits. What the disk does not take in time is kept up to a bound. At a part of it the
VM's line rests (`vspc.log.entry`), so that a disk that works loses nothing; over it that
console's log gets a gap, from offset to offset, and other consoles are not affected.
"""

from collections.abc import Callable, Set
from contextlib import suppress

from attrs import define, field, frozen

from vspc.common.clock import Clock
from vspc.common.text import safe
from vspc.console import events
from vspc.console.console import Console
from vspc.console.context import OutputObserver
from vspc.console.events import ConsoleRef, Event
from vspc.console.logs import OF_LINES, MarkerKind
from vspc.console.pen_events import PenJoined
from vspc.log.batches import RecordBatches
from vspc.log.description import about
from vspc.log.entry import RecorderEntry, Reserves, Resting
from vspc.log.markers import MARKED, STOPPED, Reconnections, TypedInput, markers
from vspc.log.records import ABOUT, DATA, Record, gap, marker, new_record, reserve

QUEUE = 64 * 1024 * 1024
"""Bytes of all consoles that may wait for the disk."""

QUEUE_EACH = 4 * 1024 * 1024
"""Bytes of one console that may wait for the disk."""

CROWDED = 16
"""How many times sooner lines rest while half of what all consoles may have waits."""

NOTE = 8 * 1024
"""Characters of a marker's text."""

TOO_SLOW = "the disk was too slow or full"


@frozen
class LogBounds:
    """What may wait; tests make it smaller. A line rests while over `enough` of its console waits,
    or over `few` while half of `total` does.
    """

    each: int = QUEUE_EACH
    total: int = QUEUE
    enough: int = field(init=False)
    few: int = field(init=False)

    @enough.default
    def _half(self) -> int:
        return self.each // 2

    @few.default
    def _part(self) -> int:
        return self.enough // CROWDED


@frozen
class Remembered:
    """What is known of a console that is not there, but has a log: where that ends, what its VM
    called itself, and when its last byte came.
    """

    end: int
    name: str | None = None
    last_output: float | None = None


@define(eq=False)
class LogRecorder(OutputObserver):
    """`vspc.console.context.OutputObserver`, and a subscriber of events."""

    clock: Clock
    batches: RecordBatches
    is_logged: Callable[[str], bool]  # whether [[log.policy]] lets that console be logged
    failing: Callable[[], bool]
    record_input: bool = False
    bounds: LogBounds = LogBounds()
    booted: Callable[[str], bool] = lambda _console_id: False
    # The console with that id; `Log.revive` sets it.
    find: Callable[[str], Console | None] = field(default=lambda _id: None, init=False)
    ending: bool = field(default=False, init=False)  # lines close because the server stops
    continuing: Set[str] = field(default=frozenset(), init=False)  # consoles whose lines go on
    reconnections: Reconnections = field(init=False)
    _resting: Resting = field(init=False)
    _typed_input: TypedInput = field(init=False)
    _reserves: Reserves = field(init=False)
    _entries: dict[str, RecorderEntry] = field(factory=dict, init=False)
    _remembered: dict[str, Remembered] = field(factory=dict, init=False)
    _gaps: dict[RecorderEntry, None] = field(factory=dict, init=False)
    _awaiting: dict[RecorderEntry, None] = field(factory=dict, init=False)
    gap_bytes: int = field(default=0, init=False)  # output that logs do not have

    def __attrs_post_init__(self) -> None:
        self.batches.written = self._written
        self._typed_input = TypedInput(self.clock, self._mark)
        self._resting = Resting(self.clock)
        self.reconnections = Reconnections(self.booted)
        self._reserves = Reserves(self.clock, self.failing, self._write_reserve)

    def remember(self, console_id: str, known: Remembered) -> None:
        """An earlier process kept the log of that console."""
        self._remembered[console_id] = known

    def deleted(self, console_id: str) -> None:
        """Its log was deleted; if it is not here either, nothing is left of it."""
        self._remembered.pop(console_id, None)
        entry = self._entries.get(console_id)
        if entry is not None:
            entry.begun, entry.about = False, 0

    def keeps(self, console_id: str) -> bool:
        """Whether there is a log of that console."""
        entry = self._entries.get(console_id)
        return console_id in self._remembered if entry is None else entry.begun

    # `OutputObserver`

    def next_offset(self, console_id: str) -> int:
        """The offset at which it goes on: that of its log, or 0."""
        return self._entry(console_id).end

    def last_output(self, console_id: str) -> float | None:
        """When the last byte of its VM came, if there is a log of it and no console."""
        known = self._remembered.get(console_id)
        return None if known is None else known.last_output

    def last_name(self, console_id: str) -> str | None:
        """What its VM called itself last, if there is a log of it and no console."""
        known = self._remembered.get(console_id)
        return None if known is None else known.name

    def when_written(self, console_id: str, call: Callable[[int, int], None]) -> None:
        """Call `call` with the offsets of what the log has, once all of it is written."""
        entry = self._entries.get(console_id)
        if entry is None or not entry.begun:
            return
        self.batches.collect()
        entry.on_written = call
        if entry.queued:
            self._await(entry)
        else:
            entry.announce_written()

    def output(self, console_id: str, offset: int, data: bytes, at: float) -> None:
        """`data` came from the VM."""
        if not self.is_logged(console_id):
            return
        if self.record_input:
            self._typed_input.output(console_id, data)
        entry = self._entries.get(console_id) or self._entry(console_id)
        size, begun, end = len(data), entry.begun, entry.end
        bounds, batches = self.bounds, self.batches
        if entry.queued + size > bounds.each or batches.unwritten + size > bounds.total:
            self._begin_gap(entry, end if begun else offset)
            entry.end = offset + size
            with suppress(MemoryError):  # the next byte writes it
                self._reserve(entry, size)
            return
        try:
            record = new_record((DATA, entry.id, offset, round(at * 1e6), data))
            if entry.gap is not None or offset > end:
                self._end_gap(entry, offset)
            entry.end, entry.begun = offset + size, True
            if entry.is_short():
                self._reserve(entry, size)
            batches.add(entry, record)
        except MemoryError:
            self._begin_gap(entry, end if begun else offset)
            entry.end = offset + size
        if entry.queued > bounds.few and entry.queued > self._enough() and not self.failing():
            self._rest(entry, console_id)

    def _rest(self, entry: RecorderEntry, console_id: str) -> None:
        console = self.find(console_id)
        if console is not None:
            self._resting.begin(console)
            entry.rests = True
            self._await(entry)
        self.batches.flush()

    def lost(self, console_id: str, start: int, end: int, why: str) -> None:
        """What came from the VM from `start` to `end` (exclusive) was not kept: a gap."""
        if not self.is_logged(console_id):
            return
        entry = self._entry(console_id)
        if entry.gap is not None or start > entry.end:
            self._end_gap(entry, start)
        entry.begun = True
        entry.end = entry.complete_from = end
        self._reserve(entry, end - start)
        text = f"{why}: {end - start} bytes"
        self.batches.add(entry, gap(entry.id, start, end, self._now(), text))

    def input(self, console_id: str, data: bytes) -> None:
        """`data` went to the VM: what of it is echoed is recorded, if `record_input`."""
        if self.record_input and self.is_logged(console_id):
            self._typed_input.input(console_id, data)

    def _enough(self) -> int:
        """Bytes of a console that wait, over which its line rests."""
        bounds = self.bounds
        crowded = self.batches.unwritten > bounds.total // 2
        return bounds.few if crowded else bounds.enough

    def _entry(self, console_id: str) -> RecorderEntry:
        entry = self._entries.get(console_id)
        if entry is None:
            known = self._remembered.pop(console_id, None)
            end = 0 if known is None else known.end
            entry = RecorderEntry(bytes.fromhex(console_id), known is not None, end)
            entry.release()
            self._entries[console_id] = entry
        return entry

    def _now(self) -> int:
        return int(self.clock.wall() * 1e6)

    def _reserve(self, entry: RecorderEntry, size: int = 0) -> None:
        """Write into the journal how far offsets may go, well before they do."""
        if self._reserves.renew(entry, size):
            self.batches.hurry()

    def _write_reserve(self, entry: RecorderEntry) -> None:
        self.batches.add(entry, reserve(entry.id, entry.reserved, entry.announced, self._now()))

    def _begin_gap(self, entry: RecorderEntry, start: int) -> None:
        """What follows is not kept, until something can be again."""
        if entry.gap is None:
            entry.gap = start
            self._gaps[entry] = None
            with suppress(MemoryError):  # then it ends with the next batch
                self.batches.hasten()

    def _end_gap(self, entry: RecorderEntry, offset: int) -> None:
        start = entry.end if entry.gap is None else entry.gap
        if offset > start:
            text = f"{TOO_SLOW}: {offset - start} bytes"
            self.batches.add(entry, gap(entry.id, start, offset, self._now(), text))
            self.gap_bytes += offset - start
            entry.begun = True
            entry.complete_from = offset
        entry.gap = None
        self._gaps.pop(entry, None)

    def _await(self, entry: RecorderEntry) -> None:
        """Something happens once less of it waits to be written."""
        self._awaiting[entry] = None
        self.batches.hasten()

    def _written(self) -> None:
        """Less waits."""
        enough = self._enough() // 2
        for entry in list(self._awaiting):
            if entry.rests and entry.queued <= enough:
                self._resting.caught_up(entry.id.hex())
                entry.rests = False
            if not entry.queued and entry.on_written is not None:
                entry.announce_written()
            if not entry.rests and entry.on_written is None:
                del self._awaiting[entry]
        # The gap of a console without further output ends, too.
        bounds = self.bounds
        for entry in list(self._gaps):
            if entry.queued <= bounds.each // 2 and self.batches.unwritten <= bounds.total // 2:
                self._end_gap(entry, entry.end)
        self.batches.hastened = bool(self._awaiting or self._gaps)

    # Markers

    EVENTS = (*MARKED, PenJoined, events.HostChangeSeen, events.Forgotten)
    """Those that `handle` needs."""

    def handle(self, event: Event) -> None:
        """Put the markers of `event` into the logs of its consoles."""
        match event:
            case (
                events.Connected(console)
                | events.Continued(console)
                | events.Replaced(console)
                | events.Moved(console)
                | events.Renamed(console)
            ):
                self._describe(console)
            case events.PenTaken(attachment):
                self._typed_input.begin(attachment.console.id, attachment.session.operator.name)
            case PenJoined(attachment, holder):
                both = f"{holder} and {attachment.session.operator.name}"
                self._typed_input.begin(attachment.console.id, both)
            case events.PenReleased(attachment, None):
                self._typed_input.leave(attachment.console.id)
            case events.PenReleased(_, events.AttachmentRef(console, session)):
                self._typed_input.begin(console.id, session.operator.name)
            case events.HostChangeSeen(console):
                self._describe(console)
            case events.Forgotten(console):
                self._forgotten(console)
        for about_console, kind, text in markers(event):
            self._mark(about_console.id, *self.reconnections.read(event, kind, text))
        self.reconnections.handle(event)
        if isinstance(event, events.WentAway):
            self._resting.forget(event.console.id)
            self._release(event.console.id)

    def end(self) -> None:
        """The server stops: mark why lines close, and hand over what there is."""
        self.ending = True
        for console_id in set(self.reconnections.connected) - self.continuing:
            self._mark(console_id, MarkerKind.AWAY, STOPPED)
        self.batches.flush()

    def _release(self, console_id: str) -> None:
        entry = self._entries.get(console_id)
        if self.ending:
            return  # a reserve without an end says at the next start that it had a line
        if entry is not None and entry.gap is None and entry.reserved:
            # Without a line no output comes: its offsets need no jump after a kill.
            entry.release()
            self._write_reserve(entry)

    def _forgotten(self, ref: ConsoleRef) -> None:
        self._typed_input.end(ref.id)
        entry, console = self._entries.pop(ref.id, None), self.find(ref.id)
        if entry is None or console is None:
            return
        self._reserves.forget(entry)
        if entry.gap is not None:
            self._end_gap(entry, entry.end)
        if entry.begun:
            name, last_output = console.vm.claimed_name, console.link.last_output
            self._remembered[console.id] = Remembered(entry.end, name, last_output)
            self._write_about(entry, about(console, listed=False))

    def _describe(self, ref: ConsoleRef) -> None:
        """Who the console is, where that is new; and its offsets are reserved before output."""
        console = self.find(ref.id)
        if console is None or ref.quarantined or not self.is_logged(ref.id):
            return
        entry = self._entry(ref.id)
        self._write_about(entry, about(console, listed=True))
        self._reserve(entry)

    def _write_about(self, entry: RecorderEntry, text: str) -> None:
        if hash(text) != entry.about:
            entry.about = hash(text)
            self.batches.add(entry, Record(ABOUT, entry.id, 0, self._now(), text.encode()))

    def note(self, console_id: str, kind: MarkerKind, text: str) -> bool:
        """Put an operator's words at this place; False if the log takes none now."""
        return self._mark(console_id, kind, safe(text, NOTE))

    def _mark(self, console_id: str, kind: MarkerKind, text: str) -> bool:
        entry = self._entries.get(console_id)
        if entry is None or entry.gap is not None or not self.is_logged(console_id):
            return False
        if entry.queued > self.bounds.each or self.batches.unwritten > self.bounds.total:
            return False
        entry.begun = entry.begun or kind not in OF_LINES
        self.batches.add(entry, marker(kind, entry.id, entry.end, self._now(), text))
        return True
