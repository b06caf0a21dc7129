"""The grammar of `log`, the part of a log that its options mean, and how that is printed: exact
bytes, safe text, with times, as JSON.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from attrs import evolve, frozen

from vspc.apps.following import look_up
from vspc.apps.verbs.context import FAILED, Call, VerbExit
from vspc.apps.verbs.grammar import JSON, Argument, Flag, Grammar, Option, Parsed
from vspc.apps.verbs.help_text import VALUES
from vspc.apps.verbs.kinds import CONSOLE, MOMENT, NUMBER, OFFSET, SIGNED, SIZE, UsageError
from vspc.apps.verbs.stream_search import REGEX, SearchPattern
from vspc.common.clock import timestamp
from vspc.common.text import safe_output
from vspc.console.console import Console
from vspc.console.log_reading import OutputLine, OutputLines, boots, last_lines, line_start
from vspc.console.logs import Item, LogView, Marker, Output

NAME = Argument("NAME", "the console; with --grep also a glob of several", CONSOLE)
FOLLOW = Flag("--follow", "continue with new output", short="-f")
LINES = Option("--lines", "the last lines", NUMBER, short="-n", value="LINES")
FROM = Option("--from", "begin at this offset", OFFSET)
BYTES = Option("--bytes", "this many bytes, also as 64KiB", SIZE)
SINCE = Option("--since", "begin there", MOMENT)
UNTIL = Option("--until", "end there", MOMENT)
BOOT = Option("--boot", "this boot of `boots`; 0 is the last, -1 the one before", SIGNED)
GREP = Option("--grep", "only lines that match", REGEX)
PANIC = Option("--panic", "what is kept of this one of `panics`", NUMBER)
TIMESTAMPS = Flag("--timestamps", "a time before each line", short="-t")
RAW = Flag("--raw", "exact bytes")

GRAMMAR = Grammar(
    "log",
    "print the log of a console",
    arguments=(NAME,),
    options=(FOLLOW, LINES, FROM, BYTES, SINCE, UNTIL, BOOT, PANIC, GREP, TIMESTAMPS, JSON, RAW),
    examples=(
        "log web1 -fn50",
        r"log web1 --since 1h --grep 'eth\d.*(up|down)'",
        "log 'web*' --grep panic --since 1h",
    ),
    notes=VALUES,
)

LINES_LIMIT = 1 << 40
"""Bytes that `-n` looks back."""


class NoSuchBoot(VerbExit):
    """The boot that was asked for is not in the log; the text says how many are."""


def check(parsed: Parsed) -> None:
    """Raises `UsageError` where options exclude each other."""
    if sum(map(parsed.has, (RAW, JSON, TIMESTAMPS))) > 1:
        raise UsageError("--raw, --json and --timestamps exclude each other")
    if sum(parsed.get(each) is not None for each in (FROM, SINCE, BOOT, LINES)) > 1:
        raise UsageError("--from, --since, --boot and -n exclude each other")
    if parsed.has(FOLLOW) and _has_end(parsed):
        raise UsageError("-f excludes --until, --bytes and --panic")
    if parsed.get(PANIC) is not None and parsed.get(BOOT) is not None:
        raise UsageError("--panic and --boot exclude each other")


def _has_end(parsed: Parsed) -> bool:
    return any(parsed.get(each) is not None for each in (UNTIL, BYTES, PANIC))


@frozen
class Span:
    """What is read: the offsets from `start` to `end` (exclusive).

    `late`: less is kept than was asked for. `is_open`: it goes to the end of the log.
    `remembered`: it comes from memory, as the log cannot be read.
    """

    start: int
    end: int
    late: bool = False
    is_open: bool = False
    remembered: bool = False


async def find_span(call: Call, console: Console, title: str, parsed: Parsed) -> Span:
    """What the options mean for the log of `console`, named `title`. Raises `VerbExit`."""
    earliest = call.earliest(console)
    # What memory has is of now: it has no times, and is not what is kept of a panic.
    needs_log = any(parsed.get(each) is not None for each in (SINCE, UNTIL, BOOT, PANIC))
    found, is_logged = await look_up(
        call, console, title, lambda kept: span(parsed, kept, earliest), needs_log
    )
    if isinstance(found, NoSuchBoot):
        raise found
    # What the log does not have memory may have.
    end = max(found.end, console.history.end) if found.is_open else found.end
    return evolve(found, end=end, remembered=not is_logged)


def span(parsed: Parsed, kept: LogView, earliest: float | None) -> Span | NoSuchBoot:
    """What the options mean in `kept`; nothing that came before `earliest` (seconds since 1970)."""
    first = kept.start if earliest is None else max(kept.start, kept.since(earliest))
    start, end = first, kept.end
    offset, boot, count = parsed.get(FROM), parsed.get(BOOT), parsed.get(BYTES)
    if offset is not None:
        start = offset
    elif (since := parsed.get(SINCE)) is not None:
        start = kept.since(since)
    elif (lines := parsed.get(LINES)) is not None:
        start = last_lines(kept, lines, LINES_LIMIT)
    elif boot is not None:
        found = boots(kept)
        at = boot - 1 if boot > 0 else len(found) - 1 + boot
        if not 0 <= at < len(found):
            text = f"no boot {boot} in the log, which has {len(found)}; see `boots`"
            return NoSuchBoot(FAILED, text)
        start = found[at].offset
        if at + 1 < len(found):
            end = found[at + 1].offset
    if (until := parsed.get(UNTIL)) is not None:
        end = min(end, kept.since(until))
    late = offset is not None and start < first
    start = max(start, first)
    if count is not None:
        end = min(end, start + count)
    is_searched = first < start <= end and (start < end or parsed.has(FOLLOW))
    if parsed.get(GREP) is not None and is_searched:
        start = line_start(kept, start, first)  # whole lines are searched
    return Span(start, max(start, end), late, end == kept.end and not _has_end(parsed))


# What may still become part of a character or of an escape sequence.
_UNFINISHED = re.compile(rb"\x1b[^A-Za-z~\x07\x1b]{0,64}$|[\xc2-\xf4][\x80-\xbf]{0,2}$")


class LogFormat:
    """Turns items of a log into standard output. Where several logs are printed, `about` has facts
    about the console for JSON, and `name` comes before each line of text, which `shown` makes.
    """

    def __init__(
        self,
        parsed: Parsed,
        terminal: bool,
        about: Mapping[str, str],
        name: bytes = b"",
        shown: Callable[[bytes], bytes] = safe_output,
    ) -> None:
        self._json, self._raw = parsed.has(JSON), parsed.has(RAW)
        self._timestamps, self._grep = parsed.has(TIMESTAMPS), parsed.get(GREP)
        # Whether each line is shown as one: a CR alone ends one then, too.
        self._by_line = bool(name) or self._timestamps or self._json or self._grep is not None
        self.about, self.name = about, name
        self._safe = shown
        self._lines = OutputLines(self._by_line)
        self._end = b"\r\n" if terminal and not self._raw else b"\n"
        self._cut = -1  # where an unfinished line that was printed as one ended
        self._early: OutputLine | None = None  # what was shown of the line that is held
        self.matches = 0

    def feed(self, item: Item) -> Iterator[bytes]:
        """What `item` adds."""
        if isinstance(item, Marker):
            if self._json and self._grep is None:
                yield from self._flushed()
                yield self._json_marker(item)
        elif self._raw and self._grep is None:
            yield item.data
        else:
            for line in self._lines.feed(item):
                yield from self._shown(line)

    def pause(self) -> Iterator[bytes]:
        """Nothing more has come for now: a prompt is shown although its line goes on."""
        if not self._by_line:
            for line in self._lines.flush():
                kept = _UNFINISHED.search(line.text)
                text = line.text if kept is None else line.text[: kept.start()]
                if text:
                    yield safe_output(text)
                if kept is not None:
                    held = line.text[kept.start() :]
                    list(self._lines.feed(Output(line.end - len(held), line.at, held)))

    @property
    def waits(self) -> bool:
        """Whether there is a part of a line that `late` would show."""
        held = self._lines.unfinished if self._by_line else None
        return held is not None and held != self._early

    @property
    def held(self) -> int | None:
        """Where the part of a line begins that is not printed yet, if there is one."""
        line = self._lines.unfinished
        return None if line is None else line.offset

    def late(self) -> Iterator[bytes]:
        """Nothing has come for a while: the unfinished line is shown as it is. What comes of it
        later is a line of its own; with `--grep`, which searches whole lines, it comes again.
        """
        if self._grep is None:
            yield from self._flushed()
            return
        held = self._lines.unfinished
        if held is not None:
            yield from self._shown(held)
            self._early = held

    def end(self) -> Iterator[bytes]:
        """The last of it."""
        yield from self._flushed()

    def _flushed(self) -> Iterator[bytes]:
        for line in self._lines.flush():
            yield from self._shown(line)
            if not line.whole:
                self._cut = line.end

    def _shown(self, line: OutputLine) -> Iterator[bytes]:
        early, self._early = self._early, None
        if early is not None and (line.offset, line.text) == (early.offset, early.text):
            return  # all of it was shown
        if self._grep is not None:
            if not matches(self._grep, line):
                return
            self.matches += 1
        if self._json:
            yield self._json_line(line)
            return
        text = line.text if self._raw else self._safe(line.text)
        if not self._by_line:
            # Where only an unfinished line is left, it stays so: it is a prompt.
            yield text + (self._end if line.whole else b"")
        elif text or line.offset != self._cut:  # else it is the end of a line that was shown
            at = f"{timestamp(line.at)} ".encode() if self._timestamps else b""
            yield self.name + at + text + self._end

    def _json_line(self, line: OutputLine) -> bytes:
        text = safe_output(line.text).decode()
        facts: dict[str, Any] = {"offset": line.offset, "time": timestamp(line.at), "text": text}
        if not line.whole:
            facts["unfinished"] = True
        if line.offset == self._cut:
            facts["continued"] = True
        return json.dumps({**self.about, **facts}).encode() + b"\n"

    def _json_marker(self, marker: Marker) -> bytes:
        facts: dict[str, Any] = {
            "offset": marker.offset,
            "time": timestamp(marker.at),
            "marker": marker.kind.value,
            "text": marker.text,
        }
        if marker.end > marker.offset:
            facts["end"] = marker.end
        return json.dumps({**self.about, **facts}).encode() + b"\n"


def matches(expression: SearchPattern, line: OutputLine) -> bool:
    """Whether a line, as it is shown, matches."""
    return expression.pattern.search(safe_output(line.text)) is not None
