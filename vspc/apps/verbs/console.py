"""`console NAME`: work on a console, with a terminal or without. Its options are also those behind
the comma of a login.
"""

from collections.abc import Callable
from datetime import tzinfo
from functools import partial

from vspc.apps.describe import port_certain
from vspc.apps.exact import ExactBridge
from vspc.apps.terminal.bridge import TerminalBridge
from vspc.apps.terminal.replay import REPLAY_LINES
from vspc.apps.verbs.commandline import Words
from vspc.apps.verbs.console_wait import Arrival, arrival
from vspc.apps.verbs.context import FAILED, Call, Takeover, Verb, VerbExit
from vspc.apps.verbs.grammar import NAME, Flag, Grammar, Option, Parsed
from vspc.apps.verbs.kinds import NUMBER, WORD, UsageError, ValueKind
from vspc.apps.verbs.parser import parse
from vspc.common.timezones import UnknownZone, time_zone
from vspc.common.values import InvalidValue
from vspc.config.values import EscapeKey, escape_key
from vspc.console.console import Console

NO_TERMINAL = (
    "no terminal: exact bytes both ways until the end of input; `ssh -t` requests a terminal, "
    "`raw` and `log -f` need no input"
)

MAX_REPLAY = 10_000
"""Lines that can be asked for; the history may hold fewer."""


def _escape(_label: str, value: str, _now: float) -> EscapeKey:
    try:
        return escape_key(value)
    except InvalidValue as wrong:
        raise UsageError(f"{wrong.problem}; {wrong.allowed}") from None


_ESCAPE = ValueKind("none|conman|^X", _escape)

RAW = -1
"""The value of `replay=raw`."""


def _replay(label: str, value: str, now: float) -> int:
    return RAW if value == "raw" else NUMBER.read(label, value, now)


_REPLAY = ValueKind("LINES|raw", _replay)


def _zone(_label: str, value: str, _now: float) -> tzinfo:
    try:
        return time_zone(value)
    except UnknownZone as unknown:
        raise UsageError(str(unknown)) from None


_ZONE = ValueKind("ZONE", _zone)

READ_ONLY = Flag("ro", "only read")
REPLAY = Option(
    "replay", f"lines shown at the beginning ({REPLAY_LINES}); raw: never a screen", _REPLAY
)
ESCAPE = Option("esc", "the key of escape commands; none: all keys are for the VM", _ESCAPE)
STRICT = Flag("strict", "refuse a port that is known only by the order of arrival")
REASON = Option("reason", "why, for the audit file", WORD, value="TEXT")
WAIT = Flag("wait", "until a console, which need not exist yet, is connected")
ZONE = Option("tz", "the time zone of times on a terminal (the server's)", _ZONE)
CATCH = Flag("catch", "hold the pen from the start, before a key is typed")

OPTIONS = (READ_ONLY, REPLAY, ESCAPE, STRICT, REASON, ZONE, WAIT, CATCH)

LOGIN = Grammar("login", "options behind the comma of a login", options=OPTIONS)


def options(words: tuple[str, ...]) -> Parsed:
    """Parse the options behind a login's comma. Raises `UsageError`."""
    return consistent(parse(LOGIN, Words(words), 0.0))


def consistent(chosen: Parsed) -> Parsed:
    """The same, if these options go together. Raises `UsageError`."""
    if chosen.has(CATCH) and chosen.has(READ_ONLY):
        raise UsageError("ro and catch exclude each other")
    return chosen


GRAMMAR = Grammar(
    "console",
    "work on a console; ^Ec? there shows the escapes",
    arguments=(NAME,),
    options=OPTIONS,
    examples=("console web1 ro replay=100", "console web1 wait catch"),
)


async def run(call: Call, parsed: Parsed) -> Takeover:
    """Attach with these options."""
    chosen = consistent(parsed.over(call.options))
    return await attach(call, await select(call, parsed[NAME], chosen), chosen)


async def select(call: Call, typed: str, chosen: Parsed) -> Arrival:
    """The console that `typed` names, waited for if that is wished. Raises `VerbExit`."""
    return await arrival(call, typed) if chosen.has(WAIT) else Arrival(call.find(typed))


def require_attachable(call: Call, console: Console, chosen: Parsed) -> None:
    """There must be a place on `console`, with `strict` it must be certain which port it is, and
    with `catch` the operator must be allowed to type.
    """
    call.require_place()
    if chosen.has(CATCH):
        call.require_right("write", console, "type on")
    if chosen.has(STRICT) and not port_certain(console):
        raise VerbExit(
            FAILED,
            f"{console.title} is identified only by the order in which the VM's ports connected; "
            "?port=LABEL in the service URI makes it certain",
        )


async def attach(
    call: Call, arrived: Arrival, chosen: Parsed, left: Callable[[str], None] | None = None
) -> Takeover:
    """A bridge from the channel of `call` to a console, to be started. `left` is called where a
    terminal leaves it, with the reason if it had to.
    """
    console, began, catches = arrived.console, arrived.began, chosen.has(CATCH)
    require_attachable(call, console, chosen)
    call, read_only = call.because(chosen.get(REASON, "")), chosen.has(READ_ONLY)
    if call.channel.terminal is None:
        call.remark(NO_TERMINAL)
        offset = console.history.end if began is None else began
        exact = ExactBridge(call, console, offset, read_only, True, catches=catches)
        return partial(exact.begin, arrived.early)
    call.context.bookmarks.visited(call.operator.name, console.id)
    lines = chosen.get(REPLAY, REPLAY_LINES)
    replay = REPLAY_LINES if lines == RAW else min(lines, MAX_REPLAY)
    key = chosen.get(ESCAPE)
    escape = call.context.escape() if key is None else key
    return TerminalBridge(
        *(call, console, replay, read_only, escape, left),
        began=began,
        catches=catches,
        emulates=lines not in (0, RAW) and (began is None or arrived.resumes),
        zone=chosen.get(ZONE),
    ).begin


VERB = Verb(GRAMMAR, run, audits_itself=True, attaches=True)
