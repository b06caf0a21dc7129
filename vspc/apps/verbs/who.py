"""`who [NAME]`: the operators on the consoles that you may read."""

from collections.abc import Mapping

from vspc.apps.describe import presence
from vspc.apps.verbs.context import Call, Verb
from vspc.apps.verbs.grammar import JSON, Argument, Grammar, Parsed
from vspc.apps.verbs.kinds import CONSOLE
from vspc.common.columns import Heading, table
from vspc.console.console import Console
from vspc.console.names import reading_order

NAME = Argument("NAME", "only this console", CONSOLE, required=False)

GRAMMAR = Grammar(
    "who",
    "the operators on consoles, and which of them have the pen",
    arguments=(NAME,),
    options=(JSON,),
    examples=("who web1",),
)

_HEADINGS = (
    Heading("CONSOLE", names=True, least=16),
    Heading("OPERATOR", names=True),
    Heading("PEN"),
    Heading("FROM", names=True, least=15),
    Heading("SINCE"),
)


async def run(call: Call, parsed: Parsed) -> None:
    """Print them by console, in the order in which they came."""
    name = parsed.get(NAME)
    if name is not None:
        consoles = [call.find(name)]
    else:
        consoles = sorted((c for c in call.readable() if c.attachments), key=reading_order)
    people = [presence(console, a) for console in consoles for a in console.attachments]
    if parsed.has(JSON):
        await call.print_json(people)
    elif people:
        await call.print(table(_HEADINGS, [_row(each) for each in people], call.columns))
    else:
        where = f" to {consoles[0].title}" if name is not None else ""
        await call.print(f"no operators are connected{where}\n")


def _row(found: Mapping[str, object]) -> list[str]:
    facts = (found["console"], found["operator"], _pen(found), found["address"], found["since"])
    return [str(fact) for fact in facts]


def _pen(found: Mapping[str, object]) -> str:
    approved = "" if found["approved_by"] is None else f" (approved by {found['approved_by']})"
    waits = "reads" if found["in_line"] is None else f"waits, number {found['in_line']}"
    return f"{'writes' if found['writes'] else waits}{approved}"


def presences(console: Console) -> list[str]:
    """A line for each attachment."""
    return [
        f"{p['console']}  {p['operator']}  {_pen(p)}  from {p['address']} since {p['since']}"
        for p in (presence(console, each) for each in console.attachments)
    ]


VERB = Verb(GRAMMAR, run)
