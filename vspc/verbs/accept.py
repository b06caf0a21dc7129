"""`accept NAME ADDRESS`: an administrator says which line is the VM."""

from vspc.net.limits import parse_address
from vspc.text import safe
from vspc.verbs.call import FAILED, USAGE, Call, Printer

USAGE_LINE = "accept NAME ADDRESS"
SUMMARY = "the VM of a console is the one at ADDRESS, which is kept apart (administrators)"


def run(call: Call) -> None:
    """Give the console to the line from there; whoever has it is closed."""
    if len(call.words) != 2:
        call.fail(USAGE, f"usage: {USAGE_LINE}")
        return
    console = call.find_as_administrator(call.words[0])
    if console is None:
        return
    keeper = call.world.keeper
    address = str(parse_address(call.words[1]) or call.words[1])
    accepted = keeper.accept(console, address)
    call.record("accept", console, host=address, result="ok" if accepted else "failed")
    if accepted:
        Printer(call.channel, f"{console.title} is at {safe(address)} now\n")
        return
    waiting = ", ".join(keeper.waiting(console)) or "none is"
    call.fail(
        FAILED,
        f"no line from {safe(address)} says that it is {console.title} and is kept apart; "
        f"kept apart: {waiting}",
    )
