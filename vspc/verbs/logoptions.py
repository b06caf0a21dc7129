"""What one can say to `log`, and what of a log it means."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import re2
from attrs import evolve, frozen

from vspc.console.boots import boots
from vspc.console.console import Console
from vspc.console.past import Kept
from vspc.text import safe
from vspc.verbs.lineends import last_lines, line_start
from vspc.verbs.reading import remembered

USAGE_LINE = (
    "log NAME [-f] [-n LINES] [--from OFFSET] [--bytes N] [--since TIME] [--until TIME] "
    "[--boot N] [--grep REGEX] [--timestamps | --json | --raw]"
)

LINES_LIMIT = 1 << 40
"""Bytes that `-n` looks back."""

_DIGITS = 18
_AGES = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_TIME_ALLOWED = 'a time is written "10m" or "2h" (ago), "2026-11-21" or "2026-11-21T08:30:00Z"'


class BadWord(ValueError):
    """A word that is no option, or a value that it cannot have; the text says what is allowed."""


class NoSuchBoot(Exception):
    """The boot that was asked for is not kept; the text says which are."""


@frozen
class Wanted:
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


def parse(words: tuple[str, ...], now: float) -> Wanted:
    """Options after the name. Raises `BadWord`."""
    wanted = Wanted()
    rest = list(words)
    while rest:
        word, equals, value = rest.pop(0).partition("=")
        word = _SHORT.get(word, word)
        if word in _FLAGS:
            if equals:
                raise BadWord(f"{safe(word)} takes no value")
            wanted = evolve(wanted, **{_FLAGS[word]: True})
        elif word in _VALUES:
            if not equals:
                if not rest:
                    raise BadWord(f"{safe(word)} takes a value")
                value = rest.pop(0)
            name, read = _VALUES[word]
            wanted = evolve(wanted, **{name: read(word, value, now)})
        else:
            raise BadWord(f"{safe(word)!r} is no option of log")
    _check(wanted)
    return wanted


def _check(wanted: Wanted) -> None:
    if wanted.raw + wanted.json + wanted.timestamps > 1:
        raise BadWord("--raw, --json and --timestamps exclude each other")
    starts = (wanted.offset, wanted.since, wanted.boot, wanted.lines)
    if sum(start is not None for start in starts) > 1:
        raise BadWord("--from, --since, --boot and -n each say where to begin: give one of them")
    if wanted.follow and (wanted.until is not None or wanted.count is not None):
        raise BadWord("-f has no end: --until and --bytes do not go with it")


def _number(word: str, value: str, _now: float) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > _DIGITS:
        raise BadWord(f"{word} takes a number, not {safe(value)!r}")
    return int(value)


def _signed(word: str, value: str, now: float) -> int:
    number = _number(word, value.removeprefix("-"), now)
    return -number if value.startswith("-") else number


def moment(word: str, value: str, now: float) -> float:
    """A time, or how long ago it was, in seconds since 1970. Raises `BadWord`."""
    ago = re.fullmatch(r"([0-9]{1,9})([smhd])(?: ?ago)?", value, re.ASCII)
    if ago is not None:
        return now - int(ago[1]) * _AGES[ago[2]]
    try:
        found = datetime.fromisoformat(value)
        return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise BadWord(f"{word}: {safe(value)!r} is no time; {_TIME_ALLOWED}") from None


def _expression(_word: str, value: str, _now: float) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.encoding = re2.Options.Encoding.UTF8
    options.max_mem = 8 << 20
    try:
        return re2.compile(value.encode("utf-8", "surrogateescape"), options)
    except (re2.error, UnicodeError) as error:
        why = safe(error.args[0] if error.args else "")
        raise BadWord(f"--grep: {safe(value)!r} is no regular expression (RE2): {why}") from None


_SHORT: Mapping[str, str] = MappingProxyType(
    {"-f": "--follow", "-n": "--lines", "-t": "--timestamps"}
)
_FLAGS: Mapping[str, str] = MappingProxyType(
    {"--follow": "follow", "--raw": "raw", "--json": "json", "--timestamps": "timestamps"}
)
_VALUES: Mapping[str, tuple[str, Callable[[str, str, float], Any]]] = MappingProxyType(
    {
        "--lines": ("lines", _number),
        "--from": ("offset", _number),
        "--bytes": ("count", _number),
        "--since": ("since", moment),
        "--until": ("until", moment),
        "--boot": ("boot", _signed),
        "--grep": ("grep", _expression),
    }
)


@frozen
class Span:
    """Offsets from which and to which (exclusive) is read; `late` if less is kept than asked."""

    start: int
    end: int
    late: bool = False


def span(wanted: Wanted, kept: Kept, earliest: float | None) -> Span | NoSuchBoot:
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
            return NoSuchBoot(f"boot {wanted.boot} is not kept; there are {len(found)}: see boots")
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


def remembered_span(wanted: Wanted, console: Console, earliest: float | None) -> Span | None:
    """What `wanted` means in what memory has of a console whose log cannot be read now; None if
    only a log can tell, or memory has nothing.
    """
    history = console.history
    timed = wanted.since is not None or wanted.until is not None
    if timed or wanted.boot is not None or history.start == history.end:
        return None
    found = span(wanted, remembered(console), earliest)
    return found if isinstance(found, Span) else None
