"""`give NAME OPERATOR`: give the pen to another operator on a console."""

from vspc.apps.describe import refusal_text
from vspc.apps.verbs.context import FAILED, Call, Verb, VerbExit
from vspc.apps.verbs.grammar import NAME, Argument, Grammar, Parsed
from vspc.apps.verbs.kinds import WORD
from vspc.common.text import safe
from vspc.console.attachment import Attachment, Refusal
from vspc.console.console import Console

OPERATOR = Argument("OPERATOR", "who gets it", WORD)

GRAMMAR = Grammar(
    "give",
    "give the pen that you have to another operator on the console",
    arguments=(NAME, OPERATOR),
    examples=("give web1 bob",),
    notes=("Of several terminals of OPERATOR it is for one that waits, or the last one.",),
)


async def run(call: Call, parsed: Parsed) -> None:
    """Give it."""
    console, target = call.find(parsed[NAME]), parsed[OPERATOR]
    call.require_right("write", console, "type on")
    own = [each for each in console.pen.holders if each.operator.name == call.operator.name]
    if not own:
        raise VerbExit(FAILED, f"you do not have the pen of {console.title}")
    to = _terminal(console, target, own[0])
    if to is None:
        raise VerbExit(FAILED, f"{safe(target)} is not on {console.title} with a terminal")
    refusal = console.pen.line.give(own[0], to)
    if refusal is not None:
        raise VerbExit(FAILED, _why(call, console, target, refusal))
    await call.print(f"{safe(target)} has the pen of {console.title}\n")


def _terminal(console: Console, target: str, giver: Attachment) -> Attachment | None:
    line = console.pen.line
    there = [each for each in console.attachments if each.operator.name == target]
    there = [each for each in there if each.is_terminal and each is not giver]
    waiting = sorted((each for each in there if line.place(each)), key=line.place)
    return next(iter((*waiting, *reversed(there))), None)


def _why(call: Call, console: Console, target: str, refusal: Refusal) -> str:
    match refusal:
        case Refusal.RIGHT | Refusal.READ_ONLY:
            return f"{safe(target)} has no right to type on {console.title}"
        case Refusal.REASON:
            return f"{safe(target)} has given no reason, which typing on {console.title} requires"
    return refusal_text(call.session, console, refusal)


VERB = Verb(GRAMMAR, run, audits_itself=True)
"""It is recorded as `give`."""
