"""`break NAME`: one BREAK on a VM's serial line."""

from vspc.apps.console_input import refused_status
from vspc.apps.describe import refusal_text
from vspc.apps.verbs.context import FAILED, Call, Verb, VerbExit, complain
from vspc.apps.verbs.grammar import NAME, Grammar, Parsed
from vspc.console.attachment import Sink

GRAMMAR = Grammar(
    "break",
    "send one BREAK (SysRq on Linux, ROMMON on routers; right break)",
    arguments=(NAME,),
    examples=("break web1",),
)


class _TypingSink(Sink):
    """The sink of an attachment that only types."""

    def ready(self) -> None: ...
    def writable(self) -> None: ...
    def host_changed(self, old: str, new: str) -> None: ...
    def ended(self, reason: str) -> None: ...


async def run(call: Call, parsed: Parsed) -> None:
    """Send it, unless another operator has the pen."""
    console = call.find(parsed[NAME])
    call.require_place()
    attachment = console.attach(
        call.session, call.rights(console), _TypingSink(), console.history.end
    )
    sent = attachment.send_break()
    attachment.detach()
    if sent.refusal is not None:
        why = refusal_text(call.session, console, sent.refusal, "send a BREAK to")
        raise VerbExit(
            refused_status(sent.refusal),
            f"{why}; the BREAK was not sent",
            console=console,
        )
    if not sent.taken:
        why = f"too much input is waiting for {console.title}"
        raise VerbExit(FAILED, f"{why}; the BREAK was not sent")
    if console.input.waiting:
        what = console.input.obstacle
        complain(
            call.channel, f"the BREAK is waiting for {what}: {console.title} has not got it yet"
        )


VERB = Verb(GRAMMAR, run, audits_itself=True)
