"""`export NAME`: a piece of a log as a file: an asciicast to play, text to read, exact bytes.

asciicast version 2 (https://docs.asciinema.org/manual/asciicast/v2/) is for `asciinema play` and
web players: a line of JSON with the size of the terminal, and one for each event. Output of a VM
is bytes and an asciicast is text, so what is not UTF-8 becomes U+FFFD; `--format raw` has the
exact bytes. All is ASCII, other characters are escaped: nothing in the file acts on a terminal on
which it is printed.
"""

import codecs
import json
from collections.abc import Iterator

from attrs import define, field, frozen
from twisted.internet.defer import CancelledError

from vspc.apps.following import LogCursor, look_up
from vspc.apps.verbs.context import FAILED, Call, Verb, VerbExit
from vspc.apps.verbs.grammar import NAME, Grammar, Option, Parsed
from vspc.apps.verbs.kinds import MOMENT, NUMBER, UsageError, ValueKind, choice, is_number
from vspc.apps.verbs.record import recordings
from vspc.common.text import safe, safe_output
from vspc.console.console import Console
from vspc.console.echo import typed_text
from vspc.console.log_reading import OutputLines
from vspc.console.logs import Item, LogView, Marker, MarkerKind, Output

SETBACK = 1.0
"""Seconds by which the time must go back to be a clock that was set; by less it stands still."""


class RawFormat:
    """The exact bytes of the VM."""

    def feed(self, item: Item) -> Iterator[bytes]:
        """Output only."""
        if isinstance(item, Output):
            yield item.data

    def end(self) -> Iterator[bytes]:
        """Nothing is held back."""
        yield from ()


class TextFormat:
    """Text and colours; markers in brackets on lines of their own."""

    def __init__(self) -> None:
        self._lines = OutputLines()

    def feed(self, item: Item) -> Iterator[bytes]:
        """Whole lines."""
        if isinstance(item, Marker):
            yield from self.end()
            yield f"[{item.kind.value}: {item.text}]\n".encode()
            return
        for line in self._lines.feed(item):
            yield safe_output(line.text) + b"\n"

    def end(self) -> Iterator[bytes]:
        """The unfinished line."""
        for line in self._lines.flush():
            yield safe_output(line.text) + b"\n"


@define(eq=False)
class ElapsedTime:
    """Seconds since the first item. They never go back: where the server's clock was set back the
    time goes on from the same moment.
    """

    seconds: float = field(default=0.0, init=False)
    _before: float | None = field(default=None, init=False)  # as logged

    def move(self, at: float) -> None:
        """It is `at` now, in seconds since 1970; 0 is an unknown time."""
        if at <= 0:
            return
        before = at if self._before is None else self._before
        self.seconds += max(0.0, at - before)
        self._before = at if at >= before or before - at >= SETBACK else before


@define(eq=False)
class Cast:
    """One recording, a line of JSON for its header and for each event.

    `width` and `height` are of the terminal, in characters; `started` is seconds since 1970, for a
    recording without items. Times of events are those of `ElapsedTime`. `idle` are the seconds to
    which players shorten a pause.
    """

    width: int
    height: int
    title: str
    started: float
    idle: float | None = None
    _has_begun: bool = field(default=False, init=False)
    _decoder: codecs.IncrementalDecoder = field(init=False)
    _offset: int | None = field(default=None, init=False)  # of what should come next
    _elapsed: ElapsedTime = field(factory=ElapsedTime, init=False)

    def __attrs_post_init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def _header(self, started: float) -> Iterator[bytes]:
        """The first line, once."""
        if self._has_begun:
            return
        self._has_begun = True
        facts: dict[str, object] = {
            "version": 2,
            "width": self.width,
            "height": self.height,
            "timestamp": int(started),
            "title": safe(self.title),
        }
        if self.idle is not None:
            facts["idle_time_limit"] = self.idle
        yield f"{json.dumps(facts)}\n".encode()

    def feed(self, item: Item) -> Iterator[bytes]:
        """What `item` adds: output, or a marker (`pen: alice types`), which players show.

        A character that is cut between two pieces of output comes with the second; if something
        is missing between them, or they are the last, its beginning is one U+FFFD. A marker of
        `MarkerKind.INPUT` that has what was typed is an event of input.
        """
        yield from self._header(item.at or self.started)
        if item.offset != self._offset:
            yield from self.end()
        self._elapsed.move(item.at)
        if isinstance(item, Output):
            self._offset = item.end
            yield from self._output(self._decoder.decode(item.data))
        else:
            yield from self._marker(item)

    def end(self) -> Iterator[bytes]:
        """The last of it: the beginning of a character that never came whole."""
        yield from self._header(self.started)
        yield from self._output(self._decoder.decode(b"", True))

    def _marker(self, marker: Marker) -> Iterator[bytes]:
        if marker.kind is MarkerKind.GAP:
            yield from self.end()
        self._offset = marker.end
        typed = typed_text(marker.text) if marker.kind is MarkerKind.INPUT else None
        if typed is None:
            yield self._event("m", f"{marker.kind.value}: {marker.text}")
        else:
            yield self._event("i", typed)

    def _output(self, text: str) -> Iterator[bytes]:
        if text:
            yield self._event("o", text)

    def _event(self, code: str, text: str) -> bytes:
        return f'[{self._elapsed.seconds:.6f}, "{code}", {json.dumps(text)}]\n'.encode()


Format = RawFormat | TextFormat | Cast
"""How items become bytes: what an item adds, and the last of it."""

TERMINAL = (80, 24)
"""Columns and rows of an asciicast: the size of the terminal on a serial line is unknown."""

SIZE_LIMIT = 1000
"""Columns, and rows, that can be asked for."""


Place = int | float
"""An offset in a log, or a time (a float, seconds since 1970)."""


def _place(label: str, value: str, now: float) -> Place:
    return int(value) if is_number(value) else MOMENT.read(label, value, now)


def _offset(kept: LogView, place: Place) -> int:
    """Where `place` is in `kept`."""
    return place if isinstance(place, int) else kept.since(place)


def _size(label: str, word: str, _now: float) -> tuple[int, int]:
    columns, times, rows = word.partition("x")
    if times and is_number(columns) and is_number(rows):
        size = int(columns), int(rows)
        if all(1 <= each <= SIZE_LIMIT for each in size):
            return size
    raise UsageError(
        f"{label} takes columns and rows, each from 1 to {SIZE_LIMIT}, as in 120x40, not "
        f"'{safe(word)}'"
    )


FORMATS = ("asciicast", "text", "raw")
PLACE = ValueKind("TIME|OFFSET", _place)

FROM = Option("--from", "begin there (the beginning of the log)", PLACE)
TO = Option("--to", "end there (the end of the log)", PLACE)
RECORDING = Option("--recording", "this one of `record list`", NUMBER)
FORMAT = Option("--format", f"what is printed ({FORMATS[0]})", choice(*FORMATS))

SIZE = Option(
    "--size",
    "that of an asciicast's terminal (80x24)",
    ValueKind("COLUMNSxROWS", _size),
)

GRAMMAR = Grammar(
    "export",
    "a piece of a console's log: asciicast (asciinema), text, raw bytes",
    arguments=(NAME,),
    options=(FROM, TO, RECORDING, FORMAT, SIZE),
    examples=("export web1 --from 2h --format text",),
)


@frozen
class ExportPiece:
    """What is exported: from `start` to `end` (exclusive), and of the markers there none before
    `first` and none after `last`.
    """

    start: int
    end: int
    first: Marker | None = None
    last: Marker | None = None


def check(parsed: Parsed) -> None:
    """Raises `UsageError` where options exclude each other."""
    places = (parsed.get(FROM), parsed.get(TO))
    if parsed.get(RECORDING) is not None and places != (None, None):
        raise UsageError("--recording excludes --from and --to")
    form = parsed.get(FORMAT, FORMATS[0])
    if parsed.get(SIZE) is not None and form != FORMATS[0]:
        raise UsageError(f"--size is for asciicasts, not for --format {form}")


async def run(call: Call, parsed: Parsed) -> None:
    """Print it."""
    check(parsed)
    console, form = call.find(parsed[NAME]), parsed.get(FORMAT, FORMATS[0])
    piece = await _find_piece(call, console, parsed)
    printed = _Export(
        call, console, piece, _format(call, console, form, parsed.get(SIZE, TERMINAL))
    )
    result = "failed"
    try:
        await printed.run()
        result = "ok"
    except CancelledError:
        result = "ended"
        raise
    finally:
        call.record(
            "export",
            console,
            format=form,
            offset=piece.start,
            end=piece.end,
            bytes=call.output.written,
            result=result,
        )


async def _find_piece(call: Call, console: Console, parsed: Parsed) -> ExportPiece:
    earliest, places = call.earliest(console), (parsed.get(FROM), parsed.get(TO))
    timed = parsed.get(RECORDING) is not None or any(isinstance(each, float) for each in places)
    piece, _ = await look_up(
        call, console, console.title, lambda kept: _span(kept, parsed, earliest), timed
    )
    if isinstance(piece, str):
        raise VerbExit(FAILED, piece)
    return piece


def _format(call: Call, console: Console, form: str, size: tuple[int, int]) -> Format:
    if form == "raw":
        return RawFormat()
    if form == "text":
        return TextFormat()
    return Cast(*size, console.title, call.context.clock.wall())


def _span(kept: LogView, parsed: Parsed, earliest: float | None) -> ExportPiece | str:
    first = kept.start if earliest is None else max(kept.start, kept.since(earliest))
    start, end = first, kept.end
    begun: Marker | None = None
    ended: Marker | None = None
    if (number := parsed.get(RECORDING)) is not None:
        known = recordings(kept)
        if not 1 <= number <= len(known):
            return f"no recording {number}; there are {len(known)}"
        one = known[number - 1]
        start, end = one.start, end if one.end is None else one.end
        begun, ended = one.first if start >= first else None, one.last
    start = _offset(kept, parsed.get(FROM, start))
    end = _offset(kept, parsed.get(TO, end))
    start = max(start, first)
    return ExportPiece(start, max(start, min(end, kept.end)), begun, ended)


@define(eq=False)
class _Export:
    """Prints a piece of a log in one format, as the operator takes it."""

    _call: Call
    _console: Console
    _piece: ExportPiece
    _format: Format
    _has_begun: bool = field(init=False)  # whether the first marker of the recording has come
    _is_over: bool = field(default=False, init=False)  # whether the last one has

    def __attrs_post_init__(self) -> None:
        self._has_begun = self._piece.first is None

    async def run(self) -> None:
        """Print all of it."""
        call, console, title = self._call, self._console, self._console.title
        cursor = LogCursor(call.context, console, self._piece.start, self._piece.end)
        is_done = False
        while not is_done:
            for item in await cursor.read(await call.output.room()):
                call.output.put(*self._formatted(item))
            call.require_readable(console, title, FAILED)
            is_done = cursor.ended
        call.output.put(*self._format.end())
        await call.output.flush()

    def _formatted(self, item: Item) -> Iterator[bytes]:
        piece = self._piece
        if not self._has_begun:
            if isinstance(item, Marker) and item.offset == piece.start and item != piece.first:
                return  # it was there before the recording began
            self._has_begun = True
        if not self._is_over:
            yield from self._format.feed(item)
            self._is_over = item == piece.last


VERB = Verb(GRAMMAR, run, audits_itself=True)
