"""What one can say to `expect`, and where it begins to look."""

from attrs import field, frozen

from vspc.apps.verbs.grammar import Argument, Flag, Grammar, Option, Parsed
from vspc.apps.verbs.kinds import CONSOLE, TYPED, WAIT, UsageError, ValueKind, is_number
from vspc.apps.verbs.stream_search import REGEX, SearchPatterns
from vspc.apps.verbs.verbatim import VALUES, rule
from vspc.common.text import safe

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
