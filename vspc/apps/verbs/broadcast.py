"""`broadcast GLOB TEXT`: type the same at many VMs, and say for each what became of it."""

from collections.abc import Sequence

from vspc.apps.verb_input import CR, ENTER
from vspc.apps.verbs.context import TIMED_OUT, Call, Verb, VerbExit
from vspc.apps.verbs.grammar import JSON, Argument, Grammar, Parsed
from vspc.apps.verbs.help_text import rule
from vspc.apps.verbs.kinds import TYPED, UsageError
from vspc.apps.verbs.many import (
    GLOB,
    YES,
    Target,
    VerbOutcome,
    chosen,
    confirm,
    denial,
    failure,
    on_each,
    report,
)
from vspc.apps.verbs.send import TIME_OUT, TIMEOUT, Sending
from vspc.console.attachment import Refusal

TEXT = Argument("TEXT", "what to type", TYPED)

GRAMMAR = Grammar(
    "broadcast",
    "type exactly TEXT at many VMs; a result for each",
    arguments=(GLOB, TEXT),
    options=(ENTER, YES, TIME_OUT, JSON),
    examples=("broadcast 'web*' --yes 12 --enter reboot",),
    notes=(
        "The consoles are listed, and a terminal is asked. Without a terminal, --yes",
        "must be the number of those on which you may type (else status 2).",
        "",
        *rule("TEXT"),
    ),
)

_REFUSALS = frozenset(refusal.value for refusal in Refusal)


async def run(call: Call, parsed: Parsed) -> None:
    """Ask, then type."""
    text, timeout = parsed[TEXT], parsed.get(TIME_OUT, TIMEOUT)
    if parsed.has(ENTER):
        text += CR
    if not text:
        raise UsageError("TEXT is empty; with --enter it types a CR")
    targets = chosen(call, parsed[GLOB])
    await type_on(call, targets, text, timeout, parsed.get(YES), parsed.has(JSON))


async def type_on(
    call: Call,
    targets: Sequence[Target],
    text: bytes,
    timeout: float,
    count: int | None = None,
    as_json: bool = False,
) -> None:
    """Ask, unless there are `count` of them, then type `text` on all `targets`, and print what
    became of it.
    """
    size = "1 byte" if len(text) == 1 else f"{len(text)} bytes"
    await confirm(call, targets, f"type {size}", count)
    outcomes = await on_each(call, targets, lambda target: _send(call, target, text, timeout))
    await report(call, outcomes, as_json)


async def _send(call: Call, target: Target, text: bytes, timeout: float) -> VerbOutcome:
    """What became of it on one console."""
    denied = denial(call, target)
    if denied is not None:
        return denied
    sending: Sending | None = None
    try:
        call.require_place()
        sending = Sending(call, target.console, timeout)
        offset, count = await sending.run(text, enter=False)
    except VerbExit as end:
        count = 0 if sending is None else sending.typed
        return failure(call, target, end, _result(end, target), bytes=count)
    held = "held during a vMotion, then typed" if sending.was_held else ""
    return target.outcome("delivered", why=held, facts={"bytes": count, "offset": offset})


def _result(end: VerbExit, target: Target) -> str:
    if end.status == TIMED_OUT:
        return "held" if target.console.input.held else "waiting"
    return "refused" if end.detail in _REFUSALS else "failed"


VERB = Verb(GRAMMAR, run)
"""It is recorded as a command, and as `send` for each console."""
