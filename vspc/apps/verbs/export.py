"""`export NAME`: a piece of a log as a file: an asciicast to play, text to read, exact bytes."""

from collections.abc import Iterator

from attrs import define, field, frozen
from twisted.internet.defer import CancelledError

from vspc.apps.verbs.context import FAILED, Call, Verb, VerbExit
from vspc.apps.verbs.export_formats import Cast, Format, RawFormat, TextFormat
from vspc.apps.verbs.grammar import NAME, Grammar, Option, Parsed
from vspc.apps.verbs.kinds import MOMENT, NUMBER, UsageError, ValueKind, choice, is_number
from vspc.apps.verbs.log_cursor import LogCursor, ask, from_memory, not_written, remembered
from vspc.apps.verbs.record import recordings
from vspc.common.text import safe
from vspc.console.console import Console
from vspc.console.logs import Item, LogView, Marker

TERMINAL = (80, 24)
"""Columns and rows of an asciicast: the size of the terminal on a serial line is unknown."""

SIZE_LIMIT = 1000
"""Columns, and rows, that can be asked for."""


@frozen
class ExportPosition:
    """An offset in a log, or a time (seconds since 1970)."""

    at: int | None = None
    time: float = 0.0

    def offset(self, kept: LogView) -> int:
        """Where it is in `kept`."""
        return kept.since(self.time) if self.at is None else self.at


def _place(label: str, value: str, now: float) -> ExportPosition:
    if is_number(value):
        return ExportPosition(int(value))
    return ExportPosition(time=MOMENT.read(label, value, now))


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


@frozen
class ExportOptions:
    """From where to where, None for the beginning and the end."""

    start: ExportPosition | None
    end: ExportPosition | None
    recording: int | None
    form: str
    size: tuple[int, int]

    @property
    def timed(self) -> bool:
        """Whether the positions can be found in a log only."""
        places = (self.start, self.end)
        return self.recording is not None or any(p is not None and p.at is None for p in places)


def export_options(parsed: Parsed) -> ExportOptions:
    """The options of a command. Raises `UsageError`."""
    start, end, number = parsed.get(FROM), parsed.get(TO), parsed.get(RECORDING)
    if number is not None and (start is not None or end is not None):
        raise UsageError("--recording excludes --from and --to")
    form, size = parsed.get(FORMAT, FORMATS[0]), parsed.get(SIZE)
    if size is not None and form != FORMATS[0]:
        raise UsageError(f"--size is for asciicasts, not for --format {form}")
    return ExportOptions(start, end, number, form, size or TERMINAL)


async def run(call: Call, parsed: Parsed) -> None:
    """Print it."""
    options = export_options(parsed)
    console = call.find(parsed[NAME])
    piece = await _find_piece(call, console, options)
    printed = _Export(call, console, piece, _format(call, console, options))
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
            format=options.form,
            offset=piece.start,
            end=piece.end,
            bytes=call.output.written,
            result=result,
        )


async def _find_piece(call: Call, console: Console, options: ExportOptions) -> ExportPiece:
    earliest, title = call.earliest(console), console.title
    answer = await ask(
        call.context, console, lambda kept: (_span(kept, options, earliest), kept.unwritten)
    )
    if answer is None and (options.timed or console.history.start == console.history.end):
        raise VerbExit(FAILED, f"the log of {title} cannot be read now")
    if answer is None:
        call.remark(from_memory(title))
        answer = _span(remembered(console), options, earliest), 0
    piece, unwritten = answer
    if unwritten:
        call.remark(not_written(unwritten))
    if isinstance(piece, str):
        raise VerbExit(FAILED, piece)
    return piece


def _format(call: Call, console: Console, options: ExportOptions) -> Format:
    if options.form == "raw":
        return RawFormat()
    if options.form == "text":
        return TextFormat()
    return Cast(*options.size, console.title, call.context.clock.wall())


def _span(kept: LogView, options: ExportOptions, earliest: float | None) -> ExportPiece | str:
    first = kept.start if earliest is None else max(kept.start, kept.since(earliest))
    start, end = first, kept.end
    begun: Marker | None = None
    ended: Marker | None = None
    if options.recording is not None:
        known = recordings(kept)
        if not 1 <= options.recording <= len(known):
            return f"no recording {options.recording}; there are {len(known)}"
        one = known[options.recording - 1]
        start, end = one.start, end if one.end is None else one.end
        begun, ended = one.first if start >= first else None, one.last
    if options.start is not None:
        start = options.start.offset(kept)
    if options.end is not None:
        end = options.end.offset(kept)
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
            is_done = cursor.ended or cursor.offset >= self._piece.end
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


VERB = Verb(GRAMMAR, run)
