"""`run GLOB --send TEXT --expect REGEX`: type at many VMs, wait for output of each, and print what
became of each.
"""

from vspc.apps.verb_input import ENTER
from vspc.apps.verbs.context import DENIED, TIMED_OUT, Call, Verb, VerbExit
from vspc.apps.verbs.expect import FAIL, SEND, TIME_OUT, as_facts, patterns, typed, wait_for
from vspc.apps.verbs.grammar import JSON, Grammar, Option, Parsed
from vspc.apps.verbs.help_text import VALUES
from vspc.apps.verbs.kinds import UsageError
from vspc.apps.verbs.many import (
    AT_ONCE,
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
from vspc.apps.verbs.stream_search import REGEX, SearchPattern
from vspc.common.text import plain_output, safe

SHOWN = 200
"""Characters of a match in the table."""

EXPECT = Option("--expect", "what to wait for (RE2)", REGEX)

GRAMMAR = Grammar(
    "run",
    "type at many VMs, wait until each prints a match; a result for each",
    arguments=(GLOB,),
    options=(EXPECT, SEND, ENTER, FAIL, TIME_OUT, YES, JSON),
    forms=(
        (
            "GLOB --expect REGEX [--send TEXT] [--enter] [--fail REGEX] [--timeout TIME] "
            "[--yes COUNT] [--json]"
        ),
    ),
    examples=("run 'web*' --send reboot --enter --expect login: --timeout 10m",),
    notes=(
        f"{AT_ONCE} consoles are under way at a time; --timeout is for each. Nothing is asked:",
        "with --yes COUNT nothing is typed unless there are so many (status 2).",
        "",
        *VALUES,
    ),
)


async def run(call: Call, parsed: Parsed) -> None:
    """Do it everywhere."""
    sought, text = patterns(parsed, EXPECT), typed(parsed)
    if parsed.get(YES) is not None and not text:
        raise UsageError("--yes is for --send, which is missing or empty")
    targets = chosen(call, parsed[GLOB])
    if text:
        await confirm(call, targets, "type", parsed.get(YES), asks=False)

    async def work(target: Target) -> VerbOutcome:
        return await _expect(call, target, parsed, sought, text)

    await report(call, await on_each(call, targets, work), parsed.has(JSON))


async def _expect(
    call: Call, target: Target, parsed: Parsed, sought: tuple[SearchPattern, ...], text: bytes
) -> VerbOutcome:
    """What became of it on one console."""
    denied = denial(call, target, bool(text))
    if denied is not None:
        return denied
    try:
        call.require_place()
        found = await wait_for(call, target.console, parsed, sought, text)
    except VerbExit as end:
        return failure(call, target, end, _result(end))
    shown = safe(plain_output(found.text), SHOWN)
    return target.outcome("matched", why=shown, facts=as_facts(found))


def _result(end: VerbExit) -> str:
    return {TIMED_OUT: "timed-out", DENIED: "refused"}.get(end.status, "failed")


VERB = Verb(GRAMMAR, run)
"""It is recorded as a command, and as `expect` for each console."""
