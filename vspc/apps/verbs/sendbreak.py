"""`break NAME`: a BREAK on a VM's serial line, alone, in a named sequence, or with a SysRq key."""

from collections.abc import Callable, Coroutine
from typing import Any

from vspc.apps.describe import refusal_text
from vspc.apps.typing.attached import UNDER, attached_task, recorded
from vspc.apps.typing.sequences import ON_KEYS, play, send_sysrq, sysrq_meaning
from vspc.apps.typing.task import TypingTask
from vspc.apps.verb_input import refused_status
from vspc.apps.verbs.context import FAILED, USAGE, Call, Verb, VerbExit, complain
from vspc.apps.verbs.grammar import NAME, Flag, Grammar, Option, Parsed
from vspc.apps.verbs.kinds import WORD, UsageError, ValueKind
from vspc.common.text import safe
from vspc.config.settings import BreakSettings
from vspc.console.console import Console
from vspc.console.session import Fact


def _sysrq(label: str, value: str, _now: float) -> str:
    if not sysrq_meaning(value):
        raise UsageError(f"{label} takes one letter or digit, not '{safe(value)}'; h is its help")
    return value


SEQUENCE = Option("--sequence", "run a sequence of [[break]]", WORD, value="NAME")
SYSRQ = Option("--sysrq", "send a BREAK and this key, for Linux", ValueKind("KEY", _sysrq))
YES = Flag("--yes", "confirm the SysRq key")
LIST = Flag("--list", "print the sequences of this console, with their escapes")

GRAMMAR = Grammar(
    "break",
    "send one BREAK (SysRq on Linux, ROMMON on routers; right break)",
    arguments=(NAME,),
    options=(SEQUENCE, SYSRQ, YES, LIST, UNDER),
    examples=("break web1", "break web1 --sysrq t --yes", "break web1 --sequence kdb"),
    forms=(
        "NAME [--lease ID]",
        "NAME --sequence NAME [--lease ID]",
        "NAME --sysrq KEY [--yes] [--lease ID]",
        "NAME --list",
    ),
)


async def run(call: Call, parsed: Parsed) -> None:
    """Send it, unless another operator has the pen."""
    name, key = parsed.get(SEQUENCE), parsed.get(SYSRQ)
    if sum((name is not None, key is not None, parsed.has(LIST))) > 1:
        raise UsageError("--sequence, --sysrq and --list exclude each other")
    if parsed.has(YES) and key is None:
        raise UsageError("--yes confirms the key of --sysrq")
    console = call.find(parsed[NAME])
    if parsed.has(LIST):
        await _print_sequences(call, console)
    elif name is not None:
        sequence = _sequence(call, console, name)
        await _run(call, console, parsed, sequence.name, lambda task: play(task, sequence))
    elif key is not None:
        _confirm(console, key, parsed.has(YES))
        await _run(call, console, parsed, f"sysrq-{key}", lambda task: send_sysrq(task, key))
    else:
        await _send_one(call, console, parsed)


async def _print_sequences(call: Call, console: Console) -> None:
    for number, sequence in enumerate(call.context.break_sequences(console.subject), 1):
        key = f"^Ecl{number}" if number <= ON_KEYS else "-"
        await call.print(f"{key:6}  {sequence.name}\n")


def _sequence(call: Call, console: Console, name: str) -> BreakSettings:
    found = call.context.break_sequences(console.subject)
    for sequence in found:
        if sequence.name == name:
            return sequence
    names = ", ".join(sequence.name for sequence in found)
    there = f"there are {names}" if names else "[[break]] in the configuration has none for it"
    raise VerbExit(USAGE, f"no sequence '{safe(name)}' for {console.title}; {there}")


def _confirm(console: Console, key: str, is_confirmed: bool) -> None:
    if not is_confirmed:
        what = f"SysRq {key} on {console.title}: {sysrq_meaning(key)}"
        raise VerbExit(USAGE, f"{what}; nothing was sent without --yes")


async def _run(
    call: Call,
    console: Console,
    parsed: Parsed,
    name: str,
    work: Callable[[TypingTask], Coroutine[Any, Any, None]],
) -> None:
    async with attached_task(call, console, parsed.get(UNDER)) as (task, _):
        facts: dict[str, Fact] = {"sequence": name}
        await recorded(call, console, "break-sequence", lambda: facts, work(task))


async def _send_one(call: Call, console: Console, parsed: Parsed) -> None:
    why = ""
    task_of = attached_task(call, console, parsed.get(UNDER), withdraws=False)
    async with task_of as (task, attachment):
        sent = attachment.send_break()
        while attachment.waits_for_approval:
            await task.until_approved()
            sent = attachment.send_break()
        if sent.refusal is not None:
            why = refusal_text(call.session, console, sent.refusal, "send a BREAK to")
    if sent.refusal is not None:
        raise VerbExit(
            refused_status(sent.refusal),
            f"{why}; the BREAK was not sent",
            console=console,
        )
    if not sent.taken:
        why = f"too much input is waiting for {console.title}"
        raise VerbExit(FAILED, f"{why}; the BREAK was not sent")
    if console.input.waiting:
        what = console.input.obstacle
        complain(
            call.channel, f"the BREAK is waiting for {what}: {console.title} has not got it yet"
        )


VERB = Verb(GRAMMAR, run, audits_itself=True)
