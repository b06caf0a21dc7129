"""`unlock NAME`: others may type on a console again."""

from vspc.apps.verb_input import pen_refused
from vspc.apps.verbs.context import FAILED, Call, Verb, VerbExit
from vspc.apps.verbs.grammar import NAME, Grammar, Parsed

GRAMMAR = Grammar(
    "unlock",
    "end a lock or lease: your own, or with the right admin",
    arguments=(NAME,),
    examples=("unlock web1",),
)


async def run(call: Call, parsed: Parsed) -> None:
    """End it."""
    console = call.find(parsed[NAME])
    if console.pen.lock is None:
        raise VerbExit(FAILED, f"{console.title} is not locked")
    refusal = console.pen.locking.unlock(call.session, call.rights(console))
    if refusal is not None:
        raise pen_refused(call, console, refusal)
    await call.print(f"{console.title} is no longer locked\n")


VERB = Verb(GRAMMAR, run, audits_itself=True)
"""It is recorded as `lock` or `lease`."""
