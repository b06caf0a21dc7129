"""`panics`: what is kept of kernels that gave up; `log NAME --panic N` prints one."""

from attrs import evolve

from vspc.apps.verbs.context import FAILED, NOT_FOUND, Call, Verb, VerbExit, handle_of, no_console
from vspc.apps.verbs.grammar import JSON, Argument, Grammar, Parsed
from vspc.apps.verbs.kinds import CONSOLES
from vspc.common.clock import rfc3339
from vspc.common.columns import Heading, table
from vspc.common.values import size_text
from vspc.console.console import Console
from vspc.console.names import reading_order
from vspc.console.panics import PanicRecord

GLOB = Argument("GLOB", "only of these consoles", CONSOLES, required=False)

GRAMMAR = Grammar(
    "panics",
    "kernels that gave up; `log NAME --panic N` prints one",
    arguments=(GLOB,),
    options=(JSON,),
    examples=("panics 'web*'",),
)

_HEADINGS = (
    Heading("CONSOLE"),
    Heading("PANIC"),
    Heading("TIME"),
    Heading("OFFSET"),
    Heading("SIZE"),
    Heading("LINE"),
)


async def run(call: Call, parsed: Parsed) -> None:
    """A line for each that the operator may look back to, oldest first."""
    glob = parsed.get(GLOB)
    consoles = call.readable() if glob is None else call.matching(glob)
    if glob is not None and not consoles:
        raise VerbExit(NOT_FOUND, no_console(glob))
    found = [
        (console, record)
        for console in sorted(consoles, key=reading_order)
        for record in _readable(call, console)
    ]
    if parsed.has(JSON):
        await call.print_json([_facts(*each) for each in found])
        return
    if not found:
        call.remark("no panics")
    rows = [_row(*each) for each in found]
    await call.print(table(_HEADINGS, rows, call.columns) if rows else "")


def _readable(call: Call, console: Console) -> list[PanicRecord]:
    earliest = call.earliest(console) or 0.0
    return [each for each in call.context.panics.of(console.id) if each.at >= earliest]


def about_panic(call: Call, console: Console, number: int) -> Call:
    """The same call, for which the log of `console` is what is kept of one. Raises `VerbExit`."""
    for record in _readable(call, console):
        if record.number == number:
            logs = call.context.panics.reading(record)
            return evolve(call, context=evolve(call.context, logs=logs))
    raise VerbExit(FAILED, f"no panic {number} of {console.title}; `panics` lists them")


def _row(console: Console, record: PanicRecord) -> list[str]:
    return [
        console.title,
        str(record.number),
        rfc3339(record.at, "seconds"),
        str(record.offset),
        size_text(record.end - record.start),
        record.line,
    ]


def _facts(console: Console, record: PanicRecord) -> dict[str, object]:
    return {
        "console": console.title,
        "handle": handle_of(console),
        "id": console.id,
        "panic": record.number,
        "time": rfc3339(record.at),
        "pattern": record.pattern,
        "line": record.line,
        "offset": record.offset,
        "from": record.start,
        "to": record.end,
        "size": record.size,
        "open": record.is_open,
    }


VERB = Verb(GRAMMAR, run)
