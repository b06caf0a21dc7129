"""`ask NAME`: ask the holder to give the pen to your terminal on a console."""

from vspc.apps.verb_input import pen_refused
from vspc.apps.verbs.context import FAILED, Call, Verb, VerbExit
from vspc.apps.verbs.grammar import NAME, Grammar, Parsed
from vspc.common.values import duration_text
from vspc.console.attachment import Refusal

GRAMMAR = Grammar(
    "ask",
    "ask for the pen, for your terminal on a console",
    arguments=(NAME,),
    examples=("ask web1",),
    notes=(
        "Its holder answers with ^Ecy or ^EcN. No answer for [console] ask_timeout (20 s)",
        "is a yes.",
        "Of several terminals of yours it is for the one that attached last.",
    ),
)


async def run(call: Call, parsed: Parsed) -> None:
    """Ask, and do not wait for the answer, which that terminal is shown."""
    console = call.find(parsed[NAME])
    call.require_right("write", console, "type on")
    own = [each for each in console.attachments if each.operator.name == call.operator.name]
    if any(each.has_pen for each in own):
        await call.print(f"you have the pen of {console.title}\n")
        return
    there = [each for each in own if each.is_terminal]
    if not there:
        raise VerbExit(
            FAILED,
            f"you are not on {console.title}, where the pen could be given to you: attach with "
            f"`console`, where ^Eck asks for it",
        )
    mine, line = there[-1], console.pen.line
    outcome = line.ask(mine)
    if isinstance(outcome, Refusal):
        raise pen_refused(call, console, outcome)
    if outcome is None:
        await call.print(f"your terminal has the pen of {console.title}: it was free\n")
        return
    rest = f": no answer in {duration_text(line.answer_time)} is a yes" if line.answer_time else ""
    who = call.session.about(line.asked.session, "was asked", "were asked")
    await call.print(f"{who} for the pen of {console.title}{rest}\n")


VERB = Verb(GRAMMAR, run, audits_itself=True)
"""It is recorded as `ask`."""
