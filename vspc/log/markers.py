"""What becomes a marker of a log: events of consoles, reconnections, recorded input, and boots.

A line that comes back although its VM went on running is a reconnection, not a boot. Input is
recorded as far as the VM echoed it: what was typed without an echo (a password) is only counted.

A boot is output by which firmware or a kernel shows that it starts. It is found when bytes move to
a segment, in runs, so that it costs little a byte; the marker stands before the line that shows it.
"""

import re
from collections.abc import Callable, Iterator

import re2
from attrs import define, field

from vspc.common.clock import Cancellable, Clock, cancel
from vspc.common.text import safe, safe_output
from vspc.console import events
from vspc.console.echo import Echo, Recorded
from vspc.console.events import HOST_CLOSED, ConsoleRef, Event
from vspc.console.log_reading import LOST, RESTARTED, boot_text
from vspc.console.logs import MarkerKind
from vspc.console.pen_events import Leased, LeaseEnded, PenLocked, PenUnlocked
from vspc.log.records import DATA, Record, marker

MARKED = (
    *(events.Connected, events.Continued, events.HandoverIncomplete, events.Replaced),
    *(events.Moved, events.WentAway, events.Renamed, events.Attached, events.Detached),
    *(events.PenTaken, events.PenReleased, PenLocked, PenUnlocked, Leased, LeaseEnded),
    *(events.BreakSignal, events.SettingsChanged),
)
"""Events that may have markers."""


def markers(event: Event) -> Iterator[tuple[ConsoleRef, MarkerKind, str]]:
    """The markers of `event`, each with the console whose log it belongs to; one safe line."""
    match event:
        case events.Connected(console):
            yield console, MarkerKind.CONNECTED, f"{console.title} at {console.address}"
        case events.Continued(console):
            yield console, MarkerKind.RESTARTED, SERVER_RESTARTED
        case events.HandoverIncomplete(console, what):
            yield console, MarkerKind.RESTARTED, what
        case events.Replaced(console, old, new, why):
            yield console, MarkerKind.CONNECTED, f"{console.title} at {new}, was {old} ({why})"
        case events.Moved(console, source, target, seconds):
            text = f"{console.title} moved from {source} to {target} in {seconds:.1f} s"
            yield console, MarkerKind.MOVED, text
        case events.WentAway(console, reason, unsent):
            if unsent:
                yield console, MarkerKind.DROPPED, f"{unsent} bytes were not sent"
            yield console, MarkerKind.AWAY, reason
        case events.Renamed(console, old):
            yield console, MarkerKind.RENAMED, f"{safe(old)} is {console.title}"
        case events.Attached(attachment):
            who = f"{attachment.session.operator.name} from {attachment.session.address}"
            yield attachment.console, MarkerKind.ATTACHED, who
        case events.Detached(attachment):
            yield attachment.console, MarkerKind.LEFT, attachment.session.operator.name
        case events.PenTaken(attachment, former):
            from_whom = f", taken from {former}" if former else ""
            yield (
                attachment.console,
                MarkerKind.PEN,
                f"{attachment.session.operator.name} types{from_whom}",
            )
        case events.PenReleased(attachment, None):
            yield attachment.console, MarkerKind.PEN, "released"
        case events.PenReleased(attachment, events.AttachmentRef(console, session)):
            yield console, MarkerKind.PEN, f"{session.operator.name} types alone"
        case PenLocked(console, _, lock) | Leased(console, _, lock):
            yield console, MarkerKind.PEN, lock.long_text
        case PenUnlocked(console, _, lock, end) | LeaseEnded(console, _, lock, end):
            what = "lease" if lock.is_lease else "lock"
            yield console, MarkerKind.PEN, f"{what} of {lock.operator.name} ended: {end.value}"
        case events.BreakSignal(console, operator):
            yield console, MarkerKind.BREAK, f"by {operator or 'the VM'}"
        case events.SettingsChanged(console, settings):
            yield console, MarkerKind.SETTINGS, str(settings)


STOPPED = "the server stopped"
"""Why lines go that are there when it does."""

SERVER_RESTARTED = "the server was restarted, and the line stayed connected"


@define(eq=False)
class Reconnections:
    """Which consoles have a line, and which lost theirs although their VMs went on, by id.

    `booted`: whether a console ever showed the beginning of a boot.
    """

    booted: Callable[[str], bool]
    _connected: dict[str, None] = field(factory=dict, init=False)
    _before: set[str] = field(factory=set, init=False)  # had a line when an earlier process ended
    _lost: dict[str, str] = field(factory=dict, init=False)  # the address of each

    def remember(self, console_id: str) -> None:
        """It had a line when an earlier process was stopped or killed."""
        self._before.add(console_id)

    def forget(self, console_id: str) -> None:
        """Nothing is known of it any more."""
        self._before.discard(console_id)
        self._lost.pop(console_id, None)

    @property
    def connected(self) -> list[str]:
        """The ids of those that have a line."""
        return list(self._connected)

    def handle(self, event: Event) -> None:
        """Keep in mind what has happened; after `read`."""
        match event:
            case (
                events.Connected(console)
                | events.Continued(console)
                | events.Replaced(console)
                | events.Moved(console)
            ) if not console.quarantined:
                self._connected[console.id] = None
                self.forget(console.id)
            case events.WentAway(console, reason):
                self._connected.pop(console.id, None)
                if reason != HOST_CLOSED:
                    self._lost[console.id] = console.address
            case events.Forgotten(console):
                self._connected.pop(console.id, None)
                self.forget(console.id)

    def read(self, event: Event, kind: MarkerKind, text: str) -> tuple[MarkerKind, str]:
        """The marker of a new line: `kind` and `text`, unless its VM has only reconnected."""
        why = None
        match event:
            case events.Connected(console):
                why = self._why(console, console.address)
            case events.Replaced(console, old, new) if old == new:
                why = LOST
            case events.Replaced(console):
                why = "" if self.booted(console.id) else None
        if kind is not MarkerKind.CONNECTED or why is None:
            return kind, text
        return MarkerKind.RECONNECTED, f"{text}, {why}" if why else text

    def _why(self, console: ConsoleRef, address: str) -> str | None:
        if console.id in self._before:
            return RESTARTED
        if self._lost.get(console.id) == address:
            return LOST
        return "" if self.booted(console.id) else None


@define(eq=False)
class TypedInput:
    """An `Echo` for each console on which an operator typed lately, and its timer.

    It ends when another operator types. While no operator does it goes on for earlier input whose
    echo is still on its way: `send` leaves as soon as the VM has its text.
    """

    clock: Clock
    mark: Callable[[str, MarkerKind, str], bool]
    _echoes: dict[str, Echo] = field(factory=dict, init=False)
    _timers: dict[str, Cancellable] = field(factory=dict, init=False)
    _names: dict[str, str] = field(factory=dict, init=False)  # of who typed last
    _left: set[str] = field(factory=set, init=False)  # where no operator types any more

    def begin(self, console_id: str, operator: str) -> None:
        """`operator` types from now on."""
        if console_id in self._echoes and self._names.get(console_id) != operator:
            self.end(console_id)
        self._left.discard(console_id)
        self._names[console_id] = operator

    def leave(self, console_id: str) -> None:
        """No operator types from now on."""
        echo = self._echoes.get(console_id)
        if echo is None or echo.deadline is None:
            self.end(console_id)
        else:
            self._left.add(console_id)

    def input(self, console_id: str, data: bytes) -> None:
        """`data` went to the VM."""
        echo = self._echoes.setdefault(console_id, Echo())
        echo.typed(data, self.clock.seconds())
        self._report(console_id, echo)

    def output(self, console_id: str, data: bytes) -> None:
        """`data` came from the VM; to be called before it is kept: a marker stands before the
        echo.
        """
        echo = self._echoes.get(console_id)
        if echo is not None:
            echo.output(data, self.clock.seconds())
            self._report(console_id, echo)

    def end(self, console_id: str) -> None:
        """What is still awaited is hidden."""
        self._left.discard(console_id)
        self._names.pop(console_id, None)
        echo = self._echoes.pop(console_id, None)
        self._stop(console_id)
        if echo is not None:
            self._record(console_id, echo.close())

    def _report(self, console_id: str, echo: Echo) -> None:
        now = self.clock.seconds()
        self._record(console_id, echo.due(now))
        self._stop(console_id)
        deadline = echo.deadline
        if deadline is None and console_id in self._left:
            self.end(console_id)
        elif deadline is not None:
            delay = max(0.0, deadline - now)
            self._timers[console_id] = self.clock.call_later(delay, lambda: self._late(console_id))

    def _late(self, console_id: str) -> None:
        self._timers.pop(console_id, None)
        echo = self._echoes.get(console_id)
        if echo is not None:
            self._report(console_id, echo)

    def _stop(self, console_id: str) -> None:
        cancel(self._timers.pop(console_id, None))

    def _record(self, console_id: str, recorded: list[Recorded]) -> None:
        for one in recorded:
            self.mark(console_id, MarkerKind.INPUT, one.words)


# Boots

TAIL = 256
"""Bytes of an unfinished line that are looked at again with what follows."""


def compiled(pattern: str) -> "re2._Regexp":
    """`pattern`, which the configuration has checked, for bytes."""
    options = re2.Options()
    options.log_errors = False
    options.encoding = re2.Options.Encoding.LATIN1
    return re2.compile(pattern.encode(), options)


APART = 16
"""Alternatives that are searched one after the other: RE2 finds one that begins with letters some
thirty times as fast as two together.
"""

_BEGINS_WITH_LETTERS = re.compile(
    r"[A-Za-z0-9]{3}[A-Za-z0-9 :_-](?:[^\\()|^$\[\]]|\[[A-Za-z0-9-]+\])*"
)


def searches(patterns: tuple[str, ...]) -> list["re2._Regexp"]:
    """What to search for one after the other, so that one finds something where `patterns` do."""
    apart, together = list[str](), list[str]()
    for pattern in patterns:
        parts = pattern.split("|")
        plain = all(_BEGINS_WITH_LETTERS.fullmatch(part) for part in parts)
        if plain and len(apart) + len(parts) <= APART:
            apart += parts
        else:
            together.append(f"(?:{pattern})")
    return [compiled(each) for each in (*apart, *(["|".join(together)] if together else []))]


@define(eq=False)
class BootDetector:
    """Finds the lines that match `patterns`; keeps the tail of each console's unfinished line."""

    patterns: tuple[str, ...] = ()
    booted: set[bytes] = field(factory=set)  # consoles that ever had such a line
    _compiled: list["re2._Regexp"] = field(init=False)
    _any: "re2._Regexp | None" = field(init=False)
    _searches: list["re2._Regexp"] = field(init=False)
    _tails: dict[bytes, tuple[int, bytes]] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self._compiled = [compiled(pattern) for pattern in self.patterns]
        whole = "|".join(f"(?:{pattern})" for pattern in self.patterns)
        self._any = compiled(whole) if self.patterns else None
        self._searches = searches(self.patterns)

    def mark(self, console: bytes, batch: list[Record], joined: bytes) -> list[Record]:
        """`batch`, whose output is `joined`, with a marker before each line that begins a boot."""
        if self._any is None:
            return batch
        offset, tail = self._tails.pop(console, (-1, b""))
        first = next((record.offset for record in batch if record.code == DATA), None)
        if first is None:
            if tail:
                self._tails[console] = (offset, tail)
            return batch
        if offset + len(tail) != first:
            tail = b""
        joined = tail + joined if tail else joined
        found = any(each.search(joined) is not None for each in self._searches)
        last = next(record for record in reversed(batch) if record.code == DATA)
        rest = joined[-TAIL:].rpartition(b"\n")[2]
        self._tails[console] = (last.end - len(rest), rest)
        return self._marked(console, batch, tail) if found else batch

    def _marked(self, console: bytes, batch: list[Record], tail: bytes) -> list[Record]:
        self.booted.add(console)
        marked: list[Record] = []
        for record in batch:
            if record.code != DATA:
                marked.append(record)
                tail = b""
                continue
            marked += self._split(console, record, tail)
            tail = (tail + record.payload)[-TAIL:].rpartition(b"\n")[2]
        return marked

    def _split(self, console: bytes, record: Record, tail: bytes) -> list[Record]:
        """`record` in pieces, each line that matches with a marker in front of it."""
        assert self._any is not None
        text = tail + record.payload
        pieces: list[Record] = []
        done = 0  # of the record's payload
        at = 0  # in text
        while (match := self._any.search(text, at)) is not None:
            begin = max(text.rfind(b"\n", 0, match.start()) + 1 - len(tail), done)
            end = text.find(b"\n", match.end())
            at = len(text) if end < 0 else end
            if match.end() <= len(tail):  # it was there before, and has its marker
                at = max(at, match.end()) if end >= 0 else len(text)
                continue
            if begin > done:
                pieces.append(_piece(record, done, begin))
            offset = record.offset + begin
            shown = self._text(text[match.start() : max(at, match.end())])
            pieces.append(marker(MarkerKind.BOOT, console, offset, record.at, shown))
            done = begin
        pieces.append(_piece(record, done, len(record.payload)))
        return [piece for piece in pieces if piece.code != DATA or piece.payload]

    def _text(self, line: bytes) -> str:
        """The stage of a boot that `line` belongs to, and the line."""
        stage = next((n for n, e in enumerate(self._compiled, 1) if e.search(line)), 1)
        return boot_text(stage, safe_output(line).strip())

    def forget(self, console: bytes) -> None:
        """No output of `console` is expected: its last line is not looked at again."""
        self._tails.pop(console, None)


def _piece(record: Record, start: int, end: int) -> Record:
    return record._replace(offset=record.offset + start, payload=record.payload[start:end])
