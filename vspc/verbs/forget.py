"""`forget NAME`: a console whose VM is gone leaves the list, its history with it."""

from vspc.console.console import Console
from vspc.verbs.call import FAILED, USAGE, Call, Printer

USAGE_LINE = "forget NAME"
SUMMARY = "an away console leaves the list; one that is kept apart is closed (administrators)"


def run(call: Call) -> None:
    """Forget it unless its VM is connected."""
    if len(call.words) != 1:
        call.fail(USAGE, f"usage: {USAGE_LINE}")
        return
    console = call.find_as_administrator(call.words[0])
    if console is None:
        return
    title = console.title
    # Before it is done: afterwards it has no place and perhaps another name.
    call.record("forget", console, result=_result(console))
    if call.world.keeper.forget(console):
        Printer(call.channel, f"{title} is forgotten\n")
    else:
        call.fail(FAILED, f"{title} is {console.state.value}; only an away console is forgotten")


def _result(console: Console) -> str:
    return "failed" if console.live and not console.quarantined else "ok"
