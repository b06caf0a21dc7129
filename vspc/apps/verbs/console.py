"""`console NAME`: work on a console, with a terminal or without."""

from collections.abc import Callable

from vspc.apps.attaching import OPTIONS, AttachOptions
from vspc.apps.describe import port_certain
from vspc.apps.exact import ExactBridge
from vspc.apps.terminal import TerminalBridge
from vspc.apps.verbs.context import FAILED, Call, Takeover, Verb, VerbExit
from vspc.apps.verbs.grammar import NAME, Grammar, Parsed
from vspc.console.console import Console

NO_TERMINAL = (
    "no terminal: exact bytes both ways until the end of input; `ssh -t` brings a terminal, `raw` "
    "and `log -f` need no input"
)


GRAMMAR = Grammar(
    "console",
    "work on a console; ^Ec? there shows the escapes",
    arguments=(NAME,),
    options=OPTIONS,
    examples=("console web1 ro replay=100",),
)


async def run(call: Call, parsed: Parsed) -> Takeover:
    """Attach with these options."""
    return await attach(call, call.find(parsed[NAME]), call.options.with_words(parsed))


def require_attachable(call: Call, console: Console, chosen: AttachOptions) -> None:
    """There must be a place on `console`, and with `strict` it must be certain which port it is."""
    call.require_place()
    if chosen.strict and not port_certain(console):
        raise VerbExit(
            FAILED,
            f"{console.title} is identified only by the order in which the VM's ports connected; "
            "?port=LABEL in the service URI makes it certain",
        )


async def attach(
    call: Call, console: Console, chosen: AttachOptions, left: Callable[[str], None] | None = None
) -> Takeover:
    """A bridge from the channel of `call` to `console`, to be started. `left` is called where a
    terminal leaves it, with the reason if it had to.
    """
    require_attachable(call, console, chosen)
    call = call.because(chosen.reason)
    if call.channel.terminal is None:
        call.remark(NO_TERMINAL)
        end = console.history.end
        return ExactBridge(call, console, end, chosen.read_only, ends_with_input=True).begin
    escape = call.context.escape() if chosen.escape is None else chosen.escape
    return TerminalBridge(call, console, chosen.replay, chosen.read_only, escape, left).begin


VERB = Verb(GRAMMAR, run, audits_itself=True, attaches=True)
