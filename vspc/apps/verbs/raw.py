"""`raw NAME`: exact bytes both ways, for programs."""

from functools import partial

from vspc.apps.debugger import SplitBreak
from vspc.apps.exact import DEBUGGER, RAW, BridgeRules, ExactBridge
from vspc.apps.following import look_back_denial
from vspc.apps.forms import PLAIN, Form, JsonLines
from vspc.apps.leasing import FOR, LEASE, LeaseWish, lease_wish
from vspc.apps.verbs.console import (
    CATCH,
    OPTIONS,
    READ_ONLY,
    REASON,
    consistent,
    require_attachable,
    select,
)
from vspc.apps.verbs.context import DENIED, FAILED, Call, Takeover, Verb, VerbExit
from vspc.apps.verbs.grammar import NAME, Flag, Grammar, Option, Parsed
from vspc.apps.verbs.kinds import OFFSET, UsageError
from vspc.common.text import safe
from vspc.console.console import Console

FROM = Option("--from", "begin at this offset of the log", OFFSET)
JSON = Flag("--json", "output, input and what happens as JSON, one object a line")
SPLIT_BREAK = Flag("--split-break", "for GDB: kgdb on the console; interrupts are BREAK and g")

GRAMMAR = Grammar(
    "raw",
    "exact bytes both ways, from now on or from an offset in the log",
    arguments=(NAME,),
    options=(FROM, JSON, SPLIT_BREAK, LEASE, FOR, *OPTIONS),
    examples=("raw web1 --from 0", "raw web1 --json", "raw web1 --lease --split-break"),
)

FORWARD = "forward"
"""The name of `-W` and `-L` in place of a verb."""


async def run(call: Call, parsed: Parsed) -> Takeover:
    """Attach for a program."""
    return await attach(call, parsed[NAME], consistent(parsed.over(call.options)))


async def attach(call: Call, typed: str, chosen: Parsed) -> Takeover:
    """`raw` on the console that `typed` names; also for `-W`."""
    if chosen.has(JSON) and chosen.has(SPLIT_BREAK):
        raise UsageError("--json and --split-break exclude each other")
    try:
        arrived = await select(call, typed, chosen)
    except VerbExit:
        if call.verb == FORWARD:
            call.record(FORWARD, result="failed", target=typed)
        raise
    console = arrived.console
    require_attachable(call, console, chosen)
    wish = _lease_of(call, console, chosen)
    call = call.because(chosen.get(REASON, ""))
    end, title, offset = console.history.end, console.title, chosen.get(FROM)
    if offset is None:
        offset = end if arrived.began is None else arrived.began
    elif offset > end:
        raise VerbExit(
            FAILED, f"offset {offset} of {safe(typed)} does not exist yet; the output ends at {end}"
        )
    else:
        denial = await look_back_denial(call, console, offset)
        call.require_readable(console, title)
        if denial:
            raise VerbExit(DENIED, denial, console=console)
    if call.verb == FORWARD:
        call.record(FORWARD, console, result="ok", offset=offset)
    else:
        call.record("raw", console, offset=offset)
    read_only, catches = chosen.has(READ_ONLY), chosen.has(CATCH)
    form, rules = _form(chosen)
    bridge = ExactBridge(
        call, console, offset, read_only, rules=rules, catches=catches, form=form, wish=wish
    )
    return partial(bridge.begin, arrived.early)


def _lease_of(call: Call, console: Console, chosen: Parsed) -> LeaseWish | None:
    """What lease it types under. Raises `UsageError` or `VerbExit`."""
    wish = lease_wish(chosen, "raw")
    if wish is not None:
        if chosen.has(READ_ONLY) or chosen.has(CATCH):
            raise UsageError("--lease excludes ro and catch")
        call.require_right("write", console, "type on")
    return wish


def _form(chosen: Parsed) -> tuple[Form, BridgeRules]:
    """What goes over the channel, and what ends it."""
    if chosen.has(SPLIT_BREAK):
        return SplitBreak(), DEBUGGER
    return (JsonLines() if chosen.has(JSON) else PLAIN), RAW


VERB = Verb(GRAMMAR, run, audits_itself=True, attaches=True)
