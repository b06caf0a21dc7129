"""`boots NAME`: when a VM booted, and where in its log that is."""

from vspc.apps.following import read_log
from vspc.apps.verbs.context import Call, Verb, timestamp
from vspc.apps.verbs.grammar import JSON, NAME, Grammar, Parsed
from vspc.common.columns import Heading, table
from vspc.console.log_reading import Boot, boots

GRAMMAR = Grammar(
    "boots",
    "when a VM booted; `log NAME --boot N` prints one",
    arguments=(NAME,),
    options=(JSON,),
    examples=("boots web1",),
)


_HEADINGS = (Heading("BOOT"), Heading("TIME"), Heading("OFFSET"), Heading("SEEN"))


async def run(call: Call, parsed: Parsed) -> None:
    """A line for each boot that its log has."""
    console = call.find(parsed[NAME])
    earliest, title = call.earliest(console) or 0.0, console.title
    known = await read_log(call, console, boots)
    seen = [(n, boot) for n, boot in enumerate(known, 1) if boot.at >= earliest]
    if parsed.has(JSON):
        await call.print_json([_facts(number, boot) for number, boot in seen])
    else:
        rows = [_row(number, boot) for number, boot in seen]
        await call.print(table(_HEADINGS, rows) if seen else f"no boot of {title} in its log\n")


def _facts(number: int, boot: Boot) -> dict[str, object]:
    at, signs = timestamp(boot.at), list(boot.signs)
    return {"boot": number, "time": at, "offset": boot.offset, "signs": signs}


def _row(number: int, boot: Boot) -> list[str]:
    return [str(number), timestamp(boot.at) or "", str(boot.offset), ", ".join(boot.signs)]


VERB = Verb(GRAMMAR, run)
