"""The grammar of `log`, its options, and the part of a log that they mean."""

from attrs import evolve, frozen

from vspc.apps.verbs.context import FAILED, Call, VerbExit
from vspc.apps.verbs.grammar import JSON, Argument, Flag, Grammar, Option, Parsed
from vspc.apps.verbs.help_text import VALUES
from vspc.apps.verbs.kinds import CONSOLE, MOMENT, NUMBER, OFFSET, SIGNED, SIZE, UsageError
from vspc.apps.verbs.log_cursor import look_up
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


class NoSuchBoot(VerbExit):
    """The boot that was asked for is not in the log; the text says how many are."""


def check(parsed: Parsed) -> None:
    """Raises `UsageError` where options exclude each other."""
    if sum(map(parsed.has, (RAW, JSON, TIMESTAMPS))) > 1:
        raise UsageError("--raw, --json and --timestamps exclude each other")
    if sum(parsed.get(each) is not None for each in (FROM, SINCE, BOOT, LINES)) > 1:
        raise UsageError("--from, --since, --boot and -n exclude each other")
    if parsed.has(FOLLOW) and _has_end(parsed):
        raise UsageError("-f excludes --until and --bytes")


def _has_end(parsed: Parsed) -> bool:
    return parsed.get(UNTIL) is not None or parsed.get(BYTES) is not None


def by_line(parsed: Parsed) -> bool:
    """Whether each line is shown as one: a CR alone ends one then, too."""
    return parsed.has(TIMESTAMPS) or parsed.has(JSON) or parsed.get(GREP) is not None


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
    timed = any(parsed.get(each) is not None for each in (SINCE, UNTIL, BOOT))
    found, is_logged = await look_up(
        call, console, title, lambda kept: span(parsed, kept, earliest), timed
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
