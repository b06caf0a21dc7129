"""What one can say to `log`, and what of a log it means."""

from typing import Any

from attrs import frozen

from vspc.apps.verbs.grammar import JSON, Argument, Flag, Grammar, Option, Parsed
from vspc.apps.verbs.kinds import CONSOLE, MOMENT, NUMBER, OFFSET, SIGNED, UsageError
from vspc.apps.verbs.log_cursor import remembered
from vspc.apps.verbs.stream_search import REGEX
from vspc.apps.verbs.verbatim import VALUES
from vspc.console.boots import boots
from vspc.console.console import Console
from vspc.console.logs import LogView
from vspc.console.output_lines import last_lines, line_start

NAME = Argument("NAME", "the console; with --grep also a glob of many", CONSOLE)
FOLLOW = Flag("--follow", "go on with what is said from now on", short="-f")
LINES = Option("--lines", "the last lines", NUMBER, short="-n", value="LINES")
FROM = Option("--from", "begin at this offset", OFFSET)
BYTES = Option("--bytes", "so many bytes", NUMBER)
SINCE = Option("--since", "begin there", MOMENT)
UNTIL = Option("--until", "end there", MOMENT)
BOOT = Option("--boot", "this boot of `boots`; 0 is the last, -1 the one before", SIGNED)
GREP = Option("--grep", "only lines that match", REGEX)
TIMESTAMPS = Flag("--timestamps", "a time before each line", short="-t")
RAW = Flag("--raw", "exact bytes")

GRAMMAR = Grammar(
    "log",
    "what a console said, from its log",
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
    """The boot that was asked for is not kept; the text says which are."""


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


def wanted_of(parsed: Parsed) -> LogOptions:
    """What was said. Raises `UsageError`."""
    grep = parsed.get(GREP)
    wanted = LogOptions(
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
    _check(wanted)
    return wanted


def _check(wanted: LogOptions) -> None:
    if wanted.raw + wanted.json + wanted.timestamps > 1:
        raise UsageError("--raw, --json and --timestamps exclude each other")
    starts = (wanted.offset, wanted.since, wanted.boot, wanted.lines)
    if sum(start is not None for start in starts) > 1:
        raise UsageError("--from, --since, --boot and -n each say where to begin: give one of them")
    if wanted.follow and (wanted.until is not None or wanted.count is not None):
        raise UsageError("-f has no end: --until and --bytes do not go with it")


@frozen
class Span:
    """Offsets from which and to which (exclusive) is read; `late` if less is kept than asked."""

    start: int
    end: int
    late: bool = False


def span(wanted: LogOptions, kept: LogView, earliest: float | None) -> Span | NoSuchBoot:
    """What `wanted` means in `kept`; nothing that came before `earliest` (seconds since 1970)."""
    first = kept.start if earliest is None else max(kept.start, kept.since(earliest))
    start, end = first, kept.end
    if wanted.offset is not None:
        start = wanted.offset
    elif wanted.since is not None:
        start = kept.since(wanted.since)
    elif wanted.lines is not None:
        start = last_lines(kept, wanted.lines, LINES_LIMIT)
    elif wanted.boot is not None:
        found = boots(kept)
        at = wanted.boot - 1 if wanted.boot > 0 else len(found) - 1 + wanted.boot
        if not 0 <= at < len(found):
            return NoSuchBoot(f"boot {wanted.boot} is not kept (of {len(found)}): see boots")
        start = found[at].offset
        if at + 1 < len(found):
            end = found[at + 1].offset
    if wanted.until is not None:
        end = min(end, kept.since(wanted.until))
    late = wanted.offset is not None and start < first
    start = max(start, first)
    if wanted.count is not None:
        end = min(end, start + wanted.count)
    if wanted.grep is not None and first < start <= end and (start < end or wanted.follow):
        start = line_start(kept, start, first)  # whole lines are searched
    return Span(start, max(start, end), late)


def remembered_span(wanted: LogOptions, console: Console, earliest: float | None) -> Span | None:
    """What `wanted` means in what memory has of a console whose log cannot be read now; None if
    only a log can tell, or memory has nothing.
    """
    history = console.history
    timed = wanted.since is not None or wanted.until is not None
    if timed or wanted.boot is not None or history.start == history.end:
        return None
    found = span(wanted, remembered(console), earliest)
    return found if isinstance(found, Span) else None
