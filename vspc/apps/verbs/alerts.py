"""`alerts`: what became of each [[alert]]; and a test of one."""

from vspc.apps.verbs.context import FAILED, NOT_FOUND, Call, Verb, VerbExit
from vspc.apps.verbs.grammar import JSON, Grammar, Option, Parsed
from vspc.apps.verbs.kinds import NAME, UsageError
from vspc.common.clock import rfc3339, timestamp
from vspc.common.columns import Heading, table
from vspc.common.text import safe
from vspc.common.values import written_duration
from vspc.console.alerts import AlertState, UnknownAlert

TEST = Option("--test", "tell those whom this alert tells that it is a test", NAME)

GRAMMAR = Grammar(
    "alerts",
    "what became of each [[alert]], and a test of one (administrators)",
    options=(TEST, JSON),
    forms=("[--json]", "--test NAME"),
    examples=("alerts --test oncall",),
)

_HEADINGS = (
    Heading("ALERT"),
    Heading("TO"),
    Heading("WITHIN"),
    Heading("MADE"),
    Heading("LAST"),
    Heading("CONSOLE"),
    Heading("WAIT"),
    Heading("LOST"),
    Heading("PROBLEM"),
)


async def run(call: Call, parsed: Parsed) -> None:
    """List them, or test one."""
    call.require_administrator()
    name = parsed.get(TEST)
    if name is not None:
        if parsed.has(JSON):
            raise UsageError("--test and --json exclude each other")
        await _test(call, name)
        return
    alerts = call.context.alerts
    states = alerts.states()
    if parsed.has(JSON):
        await call.print_json([_facts(each) for each in states])
        return
    if not states:
        call.remark("no alerts: the configuration has no [[alert]]")
    if alerts.skipped:
        call.remark(f"{alerts.skipped} bytes of output were not looked at: there was too much")
    rows = [_row(each) for each in states]
    await call.print(table(_HEADINGS, rows, call.columns) if rows else "")


async def _test(call: Call, name: str) -> None:
    try:
        why = await call.context.alerts.test(name)
    except UnknownAlert:
        raise VerbExit(
            NOT_FOUND, f"no alert is called '{safe(name)}'; `alerts` lists them"
        ) from None
    if why:
        raise VerbExit(FAILED, f"the test of {name} was not delivered: {why}")
    await call.print(f"the test of {name} is delivered\n")


def _row(state: AlertState) -> list[str]:
    last = "" if state.last is None else rfc3339(state.last, "seconds")
    return [
        state.name,
        state.action,
        written_duration(state.within),
        str(state.fired),
        last,
        state.last_console,
        str(state.waiting),
        str(state.dropped),
        state.problem,
    ]


def _facts(state: AlertState) -> dict[str, object]:
    return {
        "name": state.name,
        "action": state.action,
        "consoles": list(state.consoles),
        "within": state.within,
        "fired": state.fired,
        "suppressed": state.suppressed,
        "last_fired": timestamp(state.last),
        "last_console": state.last_console or None,
        "delivered": state.delivered,
        "queued": state.waiting,
        "failures": state.failures,
        "dropped": state.dropped,
        "problem": state.problem or None,
    }


VERB = Verb(GRAMMAR, run)
