"""`break NAME`: one BREAK on a VM's serial line."""

from vspc.apps.describe import typing
from vspc.apps.verbs.context import DENIED, DONE, FAILED, READ_ONLY, Call, Verb, VerbExit
from vspc.apps.verbs.grammar import Argument, Grammar, Parsed
from vspc.apps.verbs.kinds import CONSOLE
from vspc.console.attachment import Attachment, Refusal
from vspc.console.console import Console

NAME = Argument("NAME", "the console", CONSOLE)

GRAMMAR = Grammar(
    "break",
    "send one BREAK (SysRq on Linux, ROMMON on routers; right break)",
    arguments=(NAME,),
    examples=("break web1",),
)


class _Bystander:
    """The sink of an attachment that only types."""

    def ready(self) -> None: ...
    def writable(self) -> None: ...
    def host_changed(self, old: str, new: str) -> None: ...
    def ended(self, reason: str) -> None: ...


async def run(call: Call, parsed: Parsed) -> None:
    """Send it, unless somebody else is typing."""
    console = call.find(parsed[NAME])
    call.require_place()
    attachment = console.attach(
        call.session,
        call.rights(console),
        _Bystander(),
        console.history.end,
    )
    typed = attachment.send_break()
    text, status = _answer(console, attachment, typed.refusal, typed.taken)
    attachment.detach()
    if text:
        raise VerbExit(status, text, console=console)


def _answer(
    console: Console, attachment: Attachment, refusal: Refusal | None, taken: int
) -> tuple[str, int]:
    match refusal:
        case Refusal.RIGHT:
            return f"you may not send a BREAK to {console.title}", DENIED
        case Refusal.READ_ONLY:
            return f"{console.title}: {READ_ONLY}; the BREAK was not sent", DENIED
        case Refusal.PEN:
            return (
                f"{typing(attachment.session, console)} on {console.title}; the BREAK was not sent",
                DENIED,
            )
        case Refusal.AWAY:
            return f"{console.title} is away; the BREAK was not sent", FAILED
        case Refusal.REASON:
            return f"say why: reason=TEXT before the verb; {console.title} had no BREAK", DENIED
        case Refusal.AUDIT:
            return "nothing can be recorded now; the BREAK was not sent", FAILED
        case Refusal.LINE:
            return f"{console.title} is on raw TCP, which cannot carry a BREAK", FAILED
        case _ if taken and console.input.waiting:
            why = "its vMotion" if console.input.held else "input before it"
            return f"the BREAK waits for {why}: {console.title} has not got it yet", DONE
        case _ if not taken:
            return f"too much input waits for {console.title}; the BREAK was not sent", FAILED
    return "", DONE


VERB = Verb(GRAMMAR, run)
