"""`accept`: an administrator decides that a quarantined line is the VM."""

from vspc.apps.verbs.context import FAILED, Call, Verb, VerbExit
from vspc.apps.verbs.grammar import Argument, Grammar, Parsed
from vspc.apps.verbs.kinds import CONSOLE, WORD, UsageError
from vspc.common.addresses import address_text
from vspc.common.text import safe
from vspc.console.console import Console

NAME = Argument("NAME", "the console, or the quarantined line", CONSOLE)
ADDRESS = Argument("ADDRESS", "the address of the VM's host", WORD, required=False)

GRAMMAR = Grammar(
    "accept",
    "accept a quarantined line as the VM (administrators)",
    arguments=(NAME, ADDRESS),
    forms=("NAME ADDRESS", "LINE [ADDRESS]"),
    examples=("accept web1 10.1.1.9", "accept web1~6190"),
)


async def run(call: Call, parsed: Parsed) -> None:
    """Give the console to that line; the line that has it is closed."""
    console = call.find(parsed[NAME])
    call.require_administrator()
    address = address_text(parsed.get(ADDRESS, ""))
    if console.quarantined:
        text = _accept_line(call, console, address)
    elif address:
        text = _accept_address(call, console, address)
    else:
        raise UsageError(f"ADDRESS is missing: that of the host of {console.title}")
    await call.print(text)


def _accept_address(call: Call, console: Console, address: str) -> str:
    """The VM of `console` is at `address`."""
    lines = call.context.line_registry
    accepted = lines.accept(console, address)
    call.record("accept", console, host=address, result="ok" if accepted else "failed")
    if accepted:
        console.link.host_change_seen()
        return f"{console.title} is at {safe(address)} now\n"
    waiting = ", ".join(lines.waiting(console)) or "none"
    raise VerbExit(
        FAILED,
        f"no quarantined line from {safe(address)} claims to be {console.title}; "
        f"quarantined lines come from: {waiting}",
    )


def _accept_line(call: Call, line: Console, address: str) -> str:
    """The quarantined `line` is the VM. The text names the console that it claims to be only if
    that exists for the operator.
    """
    title, host = line.title, line.link.last_address
    if address and address != host:
        call.record("accept", line, host=address, result="failed")
        raise VerbExit(FAILED, f"{title} is at {safe(host)}, not at {safe(address)}")
    console = call.context.line_registry.accept_line(line)
    result = "failed" if console is None else "ok"
    call.record("accept", line if console is None else console, host=host, result=result)
    if console is None:
        text = f"{title} is no longer quarantined, or its VM has no such console now"
        raise VerbExit(FAILED, text)
    console.link.host_change_seen()
    if call.may_read(console):
        return f"{console.title} is at {safe(host)} now\n"
    return f"{title} at {safe(host)} is accepted\n"


VERB = Verb(GRAMMAR, run, audits_itself=True)
