"""`accept`: an administrator says which line is the VM."""

from vspc.apps.verbs.context import FAILED, Call, Verb, VerbExit
from vspc.apps.verbs.grammar import Argument, Grammar, Parsed
from vspc.apps.verbs.kinds import CONSOLE, WORD, UsageError
from vspc.common.addresses import address_text
from vspc.common.text import safe
from vspc.console.console import Console

NAME = Argument("NAME", "the console, or the line that is kept apart", CONSOLE)
ADDRESS = Argument("ADDRESS", "where the VM is", WORD, required=False)

GRAMMAR = Grammar(
    "accept",
    "a line that is kept apart is the VM after all (administrators)",
    arguments=(NAME, ADDRESS),
    forms=("NAME ADDRESS", "LINE [ADDRESS]"),
    examples=("accept web1 10.1.1.9", "accept web1~6190"),
)


async def run(call: Call, parsed: Parsed) -> None:
    """Give the console to that line; whoever has it is closed."""
    console = call.find(parsed[NAME])
    call.require_administrator()
    said = parsed.get(ADDRESS, "")
    address = address_text(said)
    if console.quarantined:
        text = _accept_line(call, console, address)
    elif address:
        text = _accept_address(call, console, address)
    else:
        raise UsageError(f"say the ADDRESS at which {console.title} is")
    await call.print(text)


def _accept_address(call: Call, console: Console, address: str) -> str:
    """The VM of `console` is at `address`."""
    lines = call.context.line_registry
    accepted = lines.accept(console, address)
    call.record("accept", console, host=address, result="ok" if accepted else "failed")
    if accepted:
        console.link.host_change_seen()
        return f"{console.title} is at {safe(address)} now\n"
    waiting = ", ".join(lines.waiting(console)) or "none is"
    raise VerbExit(
        FAILED,
        f"no line from {safe(address)} says that it is {console.title} and is kept apart; "
        f"kept apart: {waiting}",
    )


def _accept_line(call: Call, line: Console, address: str) -> str:
    """`line`, which is kept apart, is the VM. Of whom it says that it is, he hears the name only
    if he may read that console.
    """
    title, host = line.title, line.link.last_address
    if address and address != host:
        call.record("accept", line, host=address, result="failed")
        raise VerbExit(FAILED, f"{title} is at {safe(host)}, not at {safe(address)}")
    console = call.context.line_registry.accept_line(line)
    result = "failed" if console is None else "ok"
    call.record("accept", line if console is None else console, host=host, result=result)
    if console is None:
        text = f"{title} is kept apart no longer, or its VM has no such console now"
        raise VerbExit(FAILED, text)
    console.link.host_change_seen()
    if call.may_read(console):
        return f"{console.title} is at {safe(host)} now\n"
    return f"{title} is the VM that it says it is; it is at {safe(host)}\n"


VERB = Verb(GRAMMAR, run)
