"""A verb in one module, as `vspc.apps.verbs` has them: what the table needs of it."""

from vspc.apps.verbs.context import Call, Verb
from vspc.apps.verbs.grammar import JSON, NAME, Grammar, Option, Parsed
from vspc.apps.verbs.kinds import choice

CASE = Option("--case", "how the name is printed (lower)", choice("lower", "upper"))

GRAMMAR = Grammar(
    "spell",
    "print the name of a console",
    arguments=(NAME,),
    options=(CASE, JSON),
    examples=("spell web1 --case upper",),
)


async def run(call: Call, parsed: Parsed) -> None:
    """Print it."""
    name = call.find(parsed[NAME]).name
    shown = name.upper() if parsed.get(CASE) == "upper" else name.lower()
    if parsed.has(JSON):
        await call.print_json({"name": shown})
    else:
        await call.print(f"{shown}\n")


VERB = Verb(GRAMMAR, run)
