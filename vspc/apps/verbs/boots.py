"""`boots NAME`: when a VM booted, and where in its log that is."""

from vspc.apps.following import read_log
from vspc.apps.verbs.context import Call, Verb
from vspc.apps.verbs.grammar import JSON, NAME, Grammar, Parsed
from vspc.common.clock import rfc3339
from vspc.common.columns import Heading, table
from vspc.console.log_reading import boots

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
        await call.print_json(
            [
                {"boot": n, "time": rfc3339(b.at), "offset": b.offset, "signs": list(b.signs)}
                for n, b in seen
            ]
        )
    else:
        rows = [[str(n), rfc3339(b.at), str(b.offset), ", ".join(b.signs)] for n, b in seen]
        await call.print(table(_HEADINGS, rows) if seen else f"no boot of {title} in its log\n")


VERB = Verb(GRAMMAR, run)
