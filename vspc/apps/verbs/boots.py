"""`boots NAME`: when a VM booted, and where in its log that is."""

import json

from vspc.apps.verbs.context import FAILED, Call, VerbPrinter, timestamp
from vspc.apps.verbs.grammar import JSON, Argument, Grammar, Parsed
from vspc.apps.verbs.kinds import CONSOLE
from vspc.apps.verbs.log_cursor import ask
from vspc.console.boots import Boot, boots

NAME = Argument("NAME", "the console", CONSOLE)

GRAMMAR = Grammar(
    "boots",
    "when a VM booted; `log NAME --boot N` prints one",
    arguments=(NAME,),
    options=(JSON,),
    examples=("boots web1",),
)


def run(call: Call, parsed: Parsed) -> None:
    """A line for each boot that its log has."""
    console = call.find(parsed[NAME])
    if console is None:
        return
    limit = call.history_limit(console)
    earliest = 0.0 if limit is None else call.context.clock.wall() - limit

    title = console.title

    def found(known: list[Boot] | None) -> None:
        if not call.still_reads(console, title):
            return
        if known is None:
            call.fail(FAILED, f"the log of {title} cannot be read now")
            return
        seen = [(n, boot) for n, boot in enumerate(known, 1) if boot.at >= earliest]
        if parsed.has(JSON):
            VerbPrinter(call.channel, _as_json(seen))
        else:
            VerbPrinter(call.channel, _as_table(seen) if seen else f"no boot of {title} is kept\n")

    ask(call.context, console, boots, found)


def _as_json(seen: list[tuple[int, Boot]]) -> str:
    facts = [
        {
            "boot": number,
            "time": timestamp(boot.at),
            "offset": boot.offset,
            "signs": list(boot.signs),
        }
        for number, boot in seen
    ]
    return json.dumps(facts, indent=1) + "\n"


def _as_table(seen: list[tuple[int, Boot]]) -> str:
    rows = [("BOOT", "TIME", "OFFSET", "SEEN")]
    rows += [
        (str(number), timestamp(boot.at) or "", str(boot.offset), ", ".join(boot.signs))
        for number, boot in seen
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "".join(
        "  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[3]]) + "\n"
        for row in rows
    )
