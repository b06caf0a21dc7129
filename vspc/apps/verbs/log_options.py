"""The grammar of `log`, its options, and the part of a log that they mean."""

from typing import Any

from attrs import evolve, frozen

from vspc.apps.verbs.context import Call
from vspc.apps.verbs.grammar import JSON, Argument, Flag, Grammar, Option, Parsed
from vspc.apps.verbs.help_text import VALUES
from vspc.apps.verbs.kinds import CONSOLE, MOMENT, NUMBER, OFFSET, SIGNED, SIZE, UsageError
from vspc.apps.verbs.log_cursor import ask, remembered
from vspc.apps.verbs.stream_search import REGEX
from vspc.console.console import Console
from vspc.console.log_reading import boots, last_lines, line_start
from vspc.console.logs import LogView

NAME = Argument("NAME", "the console; with --grep also a glob of several", CONSOLE)
FOLLOW = Flag("--follow", "continue with new output", short="-f")
LINES = Option("--lines", "the last lines", NUMBER, short="-n", value="LINES")
FROM = Option("--from", "begin at this offset", OFFSET)
BYTES = Option("--bytes", "this many bytes, also as 64KiB", SIZE)
SINCE = Option("--since", "begin there", MOMENT)
UNTIL = Option("--until", "end there", MOMENT)
BOOT = Option("--boot", "this boot of `boots`; 0 is the last, -1 the one before", SIGNED)
GREP = Option("--grep", "only lines that match", REGEX)
TIMESTAMPS = Flag("--timestamps", "a time before each line", short="-t")
RAW = Flag("--raw", "exact bytes")

GRAMMAR = Grammar(
    "log",
    "print the log of a console",
    arguments=(NAME,),
    options=(FOLLOW, LINES, FROM, BYTES, SINCE, UNTIL, BOOT, GREP, TIMESTAMPS, JSON, RAW),
    examples=(
        "log web1 -fn50",
        r"log web1 --since 1h --grep 'eth\d.*(up|down)'",
        "log 'web*' --grep panic --since 1h",
    ),
    notes=VALUES,
)

LINES_LIMIT = 1 << 40
"""Bytes that `-n` looks back."""


class NoSuchBoot(Exception):
    """The boot that was asked for is not in the log; the text says how many are."""


@frozen
class LogOptions:
    """What of a log, and how. Times are seconds since 1970."""

    follow: bool = False
    lines: int | None = None
    offset: int | None = None
    count: int | None = None
    since: float | None = None
    until: float | None = None
    boot: int | None = None
    grep: Any = None  # compiled
    timestamps: bool = False
    json: bool = False
    raw: bool = False

    @property
    def by_line(self) -> bool:
        """Whether each line is shown as one: a CR alone ends one then, too."""
        return self.timestamps or self.json or self.grep is not None


def log_options(parsed: Parsed) -> LogOptions:
    """The options of a command. Raises `UsageError`."""
    grep = parsed.get(GREP)
    options = LogOptions(
        follow=parsed.has(FOLLOW),
        lines=parsed.get(LINES),
        offset=parsed.get(FROM),
        count=parsed.get(BYTES),
        since=parsed.get(SINCE),
        until=parsed.get(UNTIL),
        boot=parsed.get(BOOT),
        grep=None if grep is None else grep.pattern,
        timestamps=parsed.has(TIMESTAMPS),
        json=parsed.has(JSON),
        raw=parsed.has(RAW),
    )
    _check(options)
    return options


def _check(options: LogOptions) -> None:
    if options.raw + options.json + options.timestamps > 1:
        raise UsageError("--raw, --json and --timestamps exclude each other")
    starts = (options.offset, options.since, options.boot, options.lines)
    if sum(start is not None for start in starts) > 1:
        raise UsageError("--from, --since, --boot and -n exclude each other")
    if options.follow and (options.until is not None or options.count is not None):
        raise UsageError("-f excludes --until and --bytes")


@frozen
class Span:
    """What is read: the offsets from `start` to `end` (exclusive).

    `late`: less is kept than was asked for. `remembered`: it comes from memory, as the log cannot
    be read. `unwritten`: bytes at the end that the disk does not take.
    """

    start: int
    end: int
    late: bool = False
    remembered: bool = False
    unwritten: int = 0


async def find_span(call: Call, console: Console, options: LogOptions) -> Span | NoSuchBoot | None:
    """What `options` mean for the log of `console`. None: the log cannot be read, and only a log
    can tell, or memory has nothing.
    """
    earliest, history = call.earliest(console), console.history
    answer = await ask(
        call.context,
        console,
        lambda kept: (span(options, kept, earliest), kept.unwritten, kept.end),
    )
    if answer is None:
        timed = options.since is not None or options.until is not None
        if timed or options.boot is not None or history.start == history.end:
            return None
        found = span(options, remembered(console), earliest)
        return evolve(found, remembered=True) if isinstance(found, Span) else None
    found, unwritten, end = answer
    if isinstance(found, NoSuchBoot):
        return found
    is_open = options.until is None and options.count is None
    if is_open and found.end == end < history.end:
        found = evolve(found, end=history.end)  # what the log does not have memory may have
    return evolve(found, unwritten=unwritten)


def span(options: LogOptions, kept: LogView, earliest: float | None) -> Span | NoSuchBoot:
    """What `options` mean in `kept`; nothing that came before `earliest` (seconds since 1970)."""
    first = kept.start if earliest is None else max(kept.start, kept.since(earliest))
    start, end = first, kept.end
    if options.offset is not None:
        start = options.offset
    elif options.since is not None:
        start = kept.since(options.since)
    elif options.lines is not None:
        start = last_lines(kept, options.lines, LINES_LIMIT)
    elif options.boot is not None:
        found = boots(kept)
        at = options.boot - 1 if options.boot > 0 else len(found) - 1 + options.boot
        if not 0 <= at < len(found):
            return NoSuchBoot(
                f"no boot {options.boot} in the log, which has {len(found)}; see `boots`"
            )
        start = found[at].offset
        if at + 1 < len(found):
            end = found[at + 1].offset
    if options.until is not None:
        end = min(end, kept.since(options.until))
    late = options.offset is not None and start < first
    start = max(start, first)
    if options.count is not None:
        end = min(end, start + options.count)
    if options.grep is not None and first < start <= end and (start < end or options.follow):
        start = line_start(kept, start, first)  # whole lines are searched
    return Span(start, max(start, end), late)
