"""What one can say to `expect`, and where it begins to look."""

from collections.abc import Callable

from attrs import field, frozen

from vspc.apps.verbs.context import DENIED, FAILED, Call
from vspc.apps.verbs.grammar import Argument, Flag, Grammar, Option, Parsed
from vspc.apps.verbs.kinds import CONSOLE, TYPED, WAIT, UsageError, ValueKind, is_number
from vspc.apps.verbs.log_cursor import Answered, ask
from vspc.apps.verbs.stream_search import REGEX, SearchPatterns
from vspc.apps.verbs.verbatim import VALUES, rule
from vspc.common.clock import Cancellable
from vspc.common.text import safe
from vspc.console.boots import boots
from vspc.console.console import Console
from vspc.console.logs import LogView

TIMEOUT = 60.0
"""Seconds that `expect` waits, unless the operator says something else."""

NOW, BOOT, LAST = "now", "boot", "last"


def _start(label: str, word: str, _now: float) -> int | str:
    if word in (NOW, BOOT, LAST):
        return word
    if is_number(word):
        return int(word)
    raise UsageError(f"{label} takes an offset in bytes, now, boot or last, not '{safe(word)}'")


_START = ValueKind("OFFSET|now|boot|last", _start, choices=(NOW, BOOT, LAST))

NAME = Argument("NAME", "the console", CONSOLE)
PATTERN = Argument("REGEX", "what to wait for (RE2)", REGEX)
TIME_OUT = Option("--timeout", "give up after so long (60 s)", WAIT)
FROM = Option("--from", "where to begin (now)", _START)
FAIL = Option("--fail", "end with status 1 when the VM says this", REGEX)
SEND = Option("--send", "type this when it listens", TYPED)
ENTER = Flag("--enter", "type a CR behind it")
JSON = Flag("--json", "print match, offset, end and groups")
FORCE = Flag("--force", "take the pen from whoever types (right force)")

GRAMMAR = Grammar(
    "expect",
    "wait until a console says something (RE2), and print it",
    arguments=(NAME, PATTERN),
    options=(TIME_OUT, FROM, FAIL, SEND, ENTER, FORCE, JSON),
    examples=("expect web1 login: --timeout 5m", "expect web1 --send reboot --enter 'login: $'"),
    notes=(*rule("REGEX"), *VALUES, "`help send` has examples."),
)


@frozen
class ExpectOptions:
    """What to wait for and from where, what to type meanwhile, and how to print it.

    `sought` is REGEX, behind what `--fail` names; `start` an offset, or one of the words.
    """

    name: str
    sought: tuple[SearchPatterns, ...]
    start: int | str = NOW
    timeout: float = TIMEOUT
    text: bytes = field(default=b"", repr=False)
    force: bool = False
    json: bool = False


def wanted_of(parsed: Parsed) -> ExpectOptions:
    """What was said. Raises `UsageError`."""
    pattern, fail = parsed[PATTERN], parsed.get(FAIL)
    for option, each in (("REGEX", pattern), ("--fail", fail)):
        if each is not None and each.is_empty:
            raise UsageError(f"{option} is empty: everything matches it")
    text = parsed.get(SEND, b"")
    if parsed.has(ENTER):
        text += b"\r"
    if parsed.has(FORCE) and not text:
        raise UsageError("--force takes the pen for --send, and nothing is to be sent")
    return ExpectOptions(
        parsed[NAME],
        (pattern,) if fail is None else (fail, pattern),
        parsed.get(FROM, NOW),
        parsed.get(TIME_OUT, TIMEOUT),
        text,
        parsed.has(FORCE),
        parsed.has(JSON),
    )


@frozen
class Start:
    """An offset, and perhaps what is to be said about it."""

    offset: int
    notice: str = ""


@frozen
class NoStart:
    """There is none: the exit status, a word for the audit file, and a line for the operator."""

    status: int
    detail: str
    text: str


Told = Callable[[Start | NoStart], None]


def begin_at(call: Call, console: Console, word: int | str, told: Told) -> Cancellable:
    """Say where `word` (`Wanted.start`) is; the log may have to be asked."""
    now = console.history.end
    if word == BOOT:
        return _at_boot(call, console, told)
    if isinstance(word, int):
        return _at(call, console, Start(word), told)
    if word == LAST:
        last = call.context.limits.last_match(call.operator.name, console.id)
        if last is not None:
            return _at(call, console, Start(last), told)
        told(Start(now, f"you have expected nothing on {console.title} yet: it begins now"))
    else:
        told(Start(now))
    return Answered()


def _at(call: Call, console: Console, start: Start, told: Told) -> Cancellable:
    now, limit = console.history.end, call.history_limit(console)
    if start.offset > now:
        text = f"offset {start.offset} of {console.title} is not said yet; it ends at {now}"
        told(NoStart(FAILED, "not-said", text))
        return Answered()
    if limit is None or start.offset == now:
        told(start)
        return Answered()
    earliest = call.context.clock.wall() - limit

    def found(first: int | None) -> None:
        if first is not None and start.offset >= first:
            told(start)
        else:
            since = "" if first is None else f", offset {first}"
            text = f"you may look back {limit:g} seconds on {console.title}{since}"
            told(NoStart(DENIED, "history", text))

    return ask(call.context, console, lambda kept: kept.since(earliest), found)


def _at_boot(call: Call, console: Console, told: Told) -> Cancellable:
    limit = call.history_limit(console)
    earliest = None if limit is None else call.context.clock.wall() - limit

    def found(boot: tuple[int | None] | None) -> None:
        if boot is None:
            text = f"the log of {console.title} cannot be read now"
            told(NoStart(FAILED, "log", text))
        elif boot[0] is None:
            text = f"no boot of {console.title} is kept: see boots"
            told(NoStart(FAILED, "no-boot", text))
        else:
            told(Start(boot[0]))

    return ask(call.context, console, lambda kept: (_last_boot(kept, earliest),), found)


def _last_boot(kept: LogView, earliest: float | None) -> int | None:
    """The offset of the last boot that is kept, unless it was before `earliest`."""
    found = boots(kept)
    if not found or (earliest is not None and found[-1].at < earliest):
        return None
    return found[-1].offset
