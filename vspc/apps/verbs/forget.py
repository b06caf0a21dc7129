"""`forget`: remove away consoles and their histories from the list."""

from collections.abc import Sequence
from typing import NoReturn

from vspc.apps.verbs.context import FAILED, NOT_FOUND, USAGE, Call, Verb, VerbExit, complain
from vspc.apps.verbs.grammar import Argument, Grammar, Option, Parsed
from vspc.apps.verbs.kinds import CONSOLES, DURATION, NUMBER, UsageError
from vspc.common.columns import Heading, table
from vspc.common.values import age_text
from vspc.console.console import Console, ConsoleState
from vspc.console.names import reading_order
from vspc.net.waiting import sleep

BATCH = 64
"""Consoles that are forgotten in one turn of the reactor."""

NAME = Argument("NAME", "the console, or a glob of away ones", CONSOLES, required=False)
AWAY = Option("--away", "those that are away for at least this long", DURATION)
YES = Option("--yes", "so many there are; needed for a glob and for --away", NUMBER, value="COUNT")

GRAMMAR = Grammar(
    "forget",
    "forget away consoles, or close a quarantined line (administrators)",
    arguments=(NAME,),
    options=(AWAY, YES),
    forms=("NAME", "GLOB [--away TIME] [--yes COUNT]", "--away TIME [--yes COUNT]"),
    examples=("forget web1", "forget 'test-*' --away 7d --yes 12"),
    notes=(
        "A glob and --away mean only consoles that are away. Without --yes COUNT, or with",
        "another count than there are, they are listed and none is forgotten (status 2).",
    ),
)

_HEADINGS = (Heading("NAME", names=True, least=16), Heading("AWAY", right=True))


async def run(call: Call, parsed: Parsed) -> None:
    """Forget one, unless its VM is connected, or as many as `--yes` says."""
    name, seconds, count = parsed.get(NAME), parsed.get(AWAY), parsed.get(YES)
    if name is None and seconds is None:
        raise UsageError("NAME, a glob or --away TIME is missing")
    if name is not None and seconds is None and not call.means_many(name):
        if count not in (None, 1):
            raise UsageError("--yes COUNT is for a glob or --away; NAME is one console")
        await _forget_one(call, name)
    else:
        call.require_administrator()
        await _forget_many(call, _away(call, name, seconds), count)


async def _forget_one(call: Call, name: str) -> None:
    console = call.find(name)
    call.require_administrator()
    title = console.title
    if not _forget(call, console):
        state = f"{console.state.value}; only an away console is forgotten"
        if console.dial_uri and not console.live:
            state = "in the configuration ([[dial]]), and stays in the list"
        raise VerbExit(FAILED, f"{title} is {state}")
    await call.print(f"{title} is forgotten\n")


def _forget(call: Call, console: Console) -> bool:
    # Recorded before it is done: afterwards it has no place and perhaps another name.
    stays = console.live or console.dial_uri
    result = "failed" if stays and not console.quarantined else "ok"
    call.record("forget", console, result=result)
    return call.context.line_registry.forget(console)


def _away(call: Call, glob: str | None, seconds: float | None) -> list[Console]:
    """Away consoles that `glob` names, and that went so long ago."""
    now = call.context.clock.wall()
    return sorted(
        (
            console
            for console in (call.readable() if glob is None else call.matching(glob))
            if console.state is ConsoleState.AWAY
            and not console.dial_uri
            and (seconds is None or now - console.link.since >= seconds)
        ),
        key=reading_order,
    )


async def _forget_many(call: Call, found: Sequence[Console], count: int | None) -> None:
    """All of `found`, if `count` is how many they are. Some in each turn of the reactor; the rest
    stays when the operator leaves.
    """
    if not found:
        raise VerbExit(NOT_FOUND, "no away console matches; `list` shows those there are")
    if count != len(found):
        await _refuse(call, found)
    done = 0
    for number, console in enumerate(found):
        if number and number % BATCH == 0:
            await sleep(call.context.clock, 0)
        known = call.context.roster.get(console.id) is console
        done += known and console.state is ConsoleState.AWAY and _forget(call, console)
    were = "1 console is" if done == 1 else f"{done} consoles are"
    await call.print(f"{were} forgotten\n")


async def _refuse(call: Call, found: Sequence[Console]) -> NoReturn:
    those = "1 console" if len(found) == 1 else f"{len(found)} consoles"
    complain(call.channel, f"nothing is forgotten; --yes {len(found)} forgets {those}")
    now = call.context.clock.wall()
    rows = [[console.title, age_text(now - console.link.since)] for console in found]
    await call.print(table(_HEADINGS, rows, call.columns))
    raise VerbExit(USAGE)


VERB = Verb(GRAMMAR, run, audits_itself=True)
