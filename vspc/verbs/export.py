"""`export NAME`: a piece of a log as a file: an asciicast to play, text to read, exact bytes."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Protocol

from attrs import frozen

from vspc.console.console import Console
from vspc.console.lines import Lines
from vspc.console.past import Item, Kept, Marker, Said
from vspc.text import safe, safe_output
from vspc.verbs.call import DONE, FAILED, USAGE, Call, complain
from vspc.verbs.cast import Cast
from vspc.verbs.logoptions import BadWord, moment
from vspc.verbs.reading import Reel, ask, from_memory, not_written, remembered
from vspc.verbs.record import recordings
from vspc.verbs.spool import Spool
from vspc.verbs.without import NoScreen

USAGE_LINE = (
    "export NAME [--from TIME|OFFSET] [--to TIME|OFFSET] [--recording N] "
    "[--format asciicast|text|raw] [--size COLUMNSxROWS]"
)
SUMMARY = "a piece of a console's log: asciicast (asciinema play), text or raw bytes"

SIZE = (80, 24)
"""Columns and rows of an asciicast: a serial line does not say how large its terminal is."""

SIZE_LIMIT = 1000
"""Columns, and rows, that can be asked for."""


class Format(Protocol):
    """How items become bytes."""

    def feed(self, item: Item) -> Iterator[bytes]:
        """What `item` adds."""

    def end(self) -> Iterator[bytes]:
        """The last of it."""


class RawFormat:
    """Exactly what the VM said."""

    def feed(self, item: Item) -> Iterator[bytes]:
        """Markers say nothing here."""
        if isinstance(item, Said):
            yield item.data

    def end(self) -> Iterator[bytes]:
        """Nothing is held back."""
        yield from ()


class TextFormat:
    """Text and colours, with what happened in brackets on lines of their own."""

    def __init__(self) -> None:
        self._lines = Lines()

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


class CastFormat:
    """asciicast, version 2."""

    def __init__(self, title: str, started: float, size: tuple[int, int]) -> None:
        self._title = title
        self._started = started
        self._size = size
        self._cast: Cast | None = None

    def feed(self, item: Item) -> Iterator[bytes]:
        """The header comes before the first."""
        cast = self._cast
        if cast is None:
            yield self._begin(item.at or self._started)
            cast = self._cast
            assert cast is not None
        for line in cast.feed(item):
            yield line.encode()

    def _begin(self, at: float) -> bytes:
        self._cast = Cast(*self._size, self._title, at)
        return self._cast.header().encode()

    def end(self) -> Iterator[bytes]:
        """A log without a byte is a cast, too."""
        if self._cast is None:
            yield self._begin(self._started)
        assert self._cast is not None
        for line in self._cast.end():
            yield line.encode()


def _format(wanted: "Wanted", title: str, started: float) -> Format:
    if wanted.form == "raw":
        return RawFormat()
    return TextFormat() if wanted.form == "text" else CastFormat(title, started, wanted.size)


_FORMATS = ("asciicast", "text", "raw")


@frozen
class Piece:
    """What is exported: from `start` to `end` (exclusive), and of the markers there none before
    `first` and none after `last`.
    """

    start: int
    end: int
    first: Marker | None = None
    last: Marker | None = None


@frozen
class Wanted:
    """From where to where; each a time, an offset, or None for the beginning and the end."""

    start: str | None = None
    end: str | None = None
    recording: int | None = None
    form: str = "asciicast"
    size: tuple[int, int] = SIZE

    @property
    def timed(self) -> bool:
        """Whether only a log can tell what is meant."""
        words = (self.start, self.end)
        return self.recording is not None or any(word and not word.isdecimal() for word in words)


_OPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "--from": "start",
        "--to": "end",
        "--recording": "recording",
        "--format": "form",
        "--size": "size",
    }
)


def parse(words: tuple[str, ...]) -> Wanted:
    """Options after the name. Raises `BadWord`."""
    given: dict[str, str] = {}
    rest = list(words)
    while rest:
        word, equals, value = rest.pop(0).partition("=")
        if word not in _OPTIONS:
            raise BadWord(f"{safe(word)!r} is no option of export")
        if not equals and not rest:
            raise BadWord(f"{word} takes a value")
        given[_OPTIONS[word]] = value if equals else rest.pop(0)
    form = given.get("form", "asciicast")
    if form not in _FORMATS:
        raise BadWord(f"--format is one of {', '.join(_FORMATS)}, not {safe(form)!r}")
    number = given.get("recording")
    if number is not None and not (number.isdecimal() and len(number) < 10):
        raise BadWord(f"--recording takes a number, not {safe(number)!r}")
    if number is not None and ("start" in given or "end" in given):
        raise BadWord("--recording says from where to where: --from and --to do not go with it")
    if "size" in given and form != "asciicast":
        raise BadWord(f"--size is that of an asciicast: it does not go with --format {form}")
    return Wanted(
        given.get("start"),
        given.get("end"),
        None if number is None else int(number),
        form,
        _size(given["size"]) if "size" in given else SIZE,
    )


def _size(word: str) -> tuple[int, int]:
    columns, times, rows = word.partition("x")
    if times and all(
        each.isascii() and each.isdigit() and len(each) < 5 for each in (columns, rows)
    ):
        size = int(columns), int(rows)
        if all(1 <= each <= SIZE_LIMIT for each in size):
            return size
    raise BadWord(
        f"--size takes columns and rows, each from 1 to {SIZE_LIMIT}, as in 120x40, not "
        f"{safe(word)!r}"
    )


def run(call: Call) -> None:
    """Print it."""
    if not call.words or call.words[0].startswith("-"):
        call.fail(USAGE, f"usage: {USAGE_LINE}")
        return
    now = call.world.clock.wall()
    try:
        wanted = parse(call.words[1:])
        for word, value in (("--from", wanted.start), ("--to", wanted.end)):
            if value is not None and not value.isdecimal():
                moment(word, value, now)
    except BadWord as mistake:
        call.fail(USAGE, str(mistake), f"usage: {USAGE_LINE}")
        return
    console = call.find(call.words[0])
    if console is None:
        return
    limit = call.history_limit(console)
    earliest = None if limit is None else now - limit

    def found(answer: tuple[Piece | str, int] | None) -> None:
        if answer is None and (wanted.timed or console.history.start == console.history.end):
            call.fail(FAILED, f"the log of {console.title} cannot be read now")
            return
        if answer is None:
            complain(call.channel, f"[{from_memory(console.title)}]")
            answer = _span(remembered(console), wanted, now, earliest), 0
        span, unwritten = answer
        if unwritten:
            complain(call.channel, f"[{not_written(unwritten)}]")
        if isinstance(span, str):
            call.fail(FAILED, span)
        else:
            Exporter(call, console, wanted, span).begin()

    ask(
        call.world,
        console,
        lambda kept: (_span(kept, wanted, now, earliest), kept.unwritten),
        found,
    )


def _span(kept: Kept, wanted: Wanted, now: float, earliest: float | None) -> Piece | str:
    first = kept.start if earliest is None else max(kept.start, kept.since(earliest))
    start, end = first, kept.end
    begun: Marker | None = None
    ended: Marker | None = None
    if wanted.recording is not None:
        known = recordings(kept)
        if not 1 <= wanted.recording <= len(known):
            return f"there is no recording {wanted.recording}; there are {len(known)}"
        one = known[wanted.recording - 1]
        start, end = one.start, end if one.end is None else one.end
        begun, ended = one.first if start >= first else None, one.last
    if wanted.start is not None:
        start = _place(kept, "--from", wanted.start, now)
    if wanted.end is not None:
        end = _place(kept, "--to", wanted.end, now)
    start = max(start, first)
    return Piece(start, max(start, min(end, kept.end)), begun, ended)


def _place(kept: Kept, word: str, value: str, now: float) -> int:
    return int(value[:18]) if value.isdecimal() else kept.since(moment(word, value, now))


class Exporter(NoScreen):
    """A `Program` that prints a piece of a log in one format."""

    def __init__(self, call: Call, console: Console, wanted: Wanted, piece: Piece) -> None:
        self._call = call
        self._channel = call.channel
        self._console = console
        self._title = console.title  # as he knows it: he may not learn the name it has then
        self._form = wanted.form
        self._start, self._end = piece.start, piece.end
        self._first, self._last = piece.first, piece.last
        self._recorded = False
        self._closed = False  # whether the end of the recording has come
        self._spool = Spool(call.channel)
        self._done = False
        self._format = _format(wanted, console.title, call.world.clock.wall())
        self._reel = Reel(
            call.world,
            console,
            piece.start,
            self._spool.room,
            self._give,
            self._reached,
            self._fail,
        )

    def begin(self) -> None:
        """Print what the channel takes."""
        self._channel.start(self)
        self._reel.pump(self._end)

    def _give(self, item: Item) -> None:
        if self._first is not None:
            if isinstance(item, Marker) and item.offset == self._start and item != self._first:
                return  # it happened before the recording began
            self._first = None
        if not self._closed:
            self._spool.print(self._format.feed(item))
            self._closed = item == self._last

    def _reached(self, offset: int, ended: bool) -> bool:
        if not self._call.may_read(self._console):  # the rules have changed since it began
            complain(self._channel, f"[{self._title}: you may no longer read this console]")
            self._leave(FAILED, "failed")
            return True
        if not ended and offset < self._end:
            return False
        self._done = True
        self._spool.print(self._format.end())
        self._leave_if_done()
        return True

    def _fail(self) -> None:
        complain(self._channel, f"[the log of {self._console.title} cannot be read any further]")
        self._leave(FAILED, "failed")

    def _leave_if_done(self) -> None:
        if self._done and not self._spool:
            self._leave(DONE, "ok")

    def _leave(self, status: int, result: str) -> None:
        self._record(result)
        self._channel.finish(status)

    def _record(self, result: str) -> None:
        """Once, whatever ends it first."""
        if not self._recorded:
            self._recorded = True
            self._call.record(
                "export",
                self._console,
                format=self._form,
                offset=self._start,
                end=self._end,
                bytes=self._spool.written,
                result=result,
            )

    # Program

    def drained(self) -> None:
        """There is room again."""
        self._spool.drain()
        self._leave_if_done()
        if not self._done:
            self._reel.pump(self._end)

    def received(self, data: bytes) -> None:
        """Control-C ends it where a terminal sends it as a key."""
        self._channel.consumed(len(data))
        if b"\x03" in data and self._channel.terminal is not None:
            self.closed()
            self._channel.finish(FAILED)

    def closed(self) -> None:
        """The operator has gone."""
        self._record("ended")
        self._reel.stop()
