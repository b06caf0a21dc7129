"""`wait NAME|GLOB`: until a console is connected, or away."""

from vspc.apps.describe import summary
from vspc.apps.verbs.console_wait import AWAY, CONNECTED, ConsoleWait
from vspc.apps.verbs.context import NOT_FOUND, Call, Verb, VerbExit, handle_of, no_console
from vspc.apps.verbs.grammar import JSON, Argument, Grammar, Option, Parsed
from vspc.apps.verbs.kinds import CONSOLE, WAIT, choice

TIMEOUT = 60.0
"""Seconds that `wait` waits without `--timeout`."""

WHICH = Argument("NAME|GLOB", "the whole name of the console, or a pattern", CONSOLE)
STATE = Option("--state", "what it has to be (connected)", choice(CONNECTED, AWAY))
TIME_OUT = Option("--timeout", "give up after so long (60 s)", WAIT)

GRAMMAR = Grammar(
    "wait",
    "wait until a console, perhaps a future one, is connected or away",
    arguments=(WHICH,),
    options=(STATE, TIME_OUT, JSON),
    examples=("wait web1 --timeout 10m", "wait 'test-*'"),
)


async def run(call: Call, parsed: Parsed) -> None:
    """Wait, and print the handle of the first one that is so."""
    word, state = parsed[WHICH], parsed.get(STATE, CONNECTED)
    wait = ConsoleWait(call, word, state)
    if state == AWAY and not wait.exists():
        raise VerbExit(NOT_FOUND, no_console(word))
    console, *_ = await wait.wait(parsed.get(TIME_OUT, TIMEOUT))
    if parsed.has(JSON):
        await call.print_json(summary(console))
    else:
        await call.print(f"{handle_of(console)}\n")


VERB = Verb(GRAMMAR, run, audits_itself=True)
