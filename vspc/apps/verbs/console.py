"""`console NAME`: work on a console, with a terminal or without."""

from collections.abc import Callable

from vspc.apps.attaching import OPTIONS, AttachOptions
from vspc.apps.describe import port_certain
from vspc.apps.exact import ExactBridge
from vspc.apps.terminal import TerminalBridge
from vspc.apps.verbs.context import FAILED, Call, complain
from vspc.apps.verbs.grammar import Argument, Grammar, Parsed
from vspc.apps.verbs.kinds import CONSOLE
from vspc.console.console import Console

NO_TERMINAL = (
    "no terminal: exact bytes both ways until the end of input; `ssh -t` brings a terminal, `raw` "
    "and `log -f` need no input"
)

NAME = Argument("NAME", "the console", CONSOLE)

GRAMMAR = Grammar(
    "console",
    "work on a console; ^Ec? there shows the escapes",
    arguments=(NAME,),
    options=OPTIONS,
    examples=("console web1 ro replay=100",),
)


def run(call: Call, parsed: Parsed) -> None:
    """Attach as the words say."""
    console = call.find(parsed[NAME])
    if console is not None:
        attach(call, console, call.options.with_words(parsed))


def is_refused(call: Call, console: Console, chosen: AttachOptions) -> bool:
    """Whether there is no place on `console`, or `strict` forbids it, because it may be another
    port than it was.
    """
    if not call.has_place():
        return True
    if not chosen.strict or port_certain(console):
        return False
    call.fail(
        FAILED,
        f"{console.title} is identified only by the order in which the VM's ports connected; "
        "?port=LABEL in the service URI makes it certain",
    )
    return True


def attach(
    call: Call, console: Console, chosen: AttachOptions, left: Callable[[str], None] | None = None
) -> None:
    """Join the channel of `call` to `console`; `left` is called where a terminal leaves it,
    with why it had to.
    """
    if is_refused(call, console, chosen):
        return
    call = call.because(chosen.reason)
    if call.channel.terminal is None:
        complain(call.channel, f"[{NO_TERMINAL}]")
        end = console.history.end
        ExactBridge(call, console, end, chosen.read_only, ends_with_input=True).begin()
    else:
        escape = call.context.escape() if chosen.escape is None else chosen.escape
        TerminalBridge(call, console, chosen.replay, chosen.read_only, escape, left).begin()
