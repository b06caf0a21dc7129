"""`raw NAME`: exact bytes both ways, for programs."""

from collections.abc import Callable

from vspc.apps.attaching import OPTIONS, AttachOptions
from vspc.apps.exact import ExactBridge
from vspc.apps.verbs.console import is_refused
from vspc.apps.verbs.context import DENIED, FAILED, Call
from vspc.apps.verbs.grammar import Argument, Grammar, Option, Parsed
from vspc.apps.verbs.kinds import CONSOLE, OFFSET
from vspc.apps.verbs.log_cursor import ask
from vspc.common.text import safe
from vspc.console.console import Console

NAME = Argument("NAME", "the console", CONSOLE)
FROM = Option("--from", "begin at this offset of the log", OFFSET)

GRAMMAR = Grammar(
    "raw",
    "exact bytes both ways, from now on or from an offset in the log",
    arguments=(NAME,),
    options=(FROM, *OPTIONS),
    examples=("raw web1 --from 0",),
)

FORWARD = "forward"
"""What `-W` and `-L` are called where verbs have names."""


def run(call: Call, parsed: Parsed) -> None:
    """Attach without a terminal's manners."""
    attach(call, parsed[NAME], call.options.with_words(parsed), parsed.get(FROM))


def attach(call: Call, typed: str, chosen: AttachOptions, offset: int | None = None) -> None:
    """`raw` on what `typed` means, from `offset` or from now on; `-W` comes here, too."""
    console = call.find(typed)
    if console is None and call.verb == FORWARD:
        call.record(FORWARD, result="failed", target=typed)
    if console is None or is_refused(call, console, chosen):
        return
    call = call.because(chosen.reason)
    end = console.history.end
    if offset is None:
        _begin(call, console, end, chosen)
    elif offset > end:
        call.fail(FAILED, f"offset {offset} of {safe(typed)} is not said yet; it ends at {end}")
    else:
        within_history(
            call,
            console,
            offset,
            lambda: _begin(call, console, offset, chosen),
        )


def _begin(call: Call, console: Console, offset: int, chosen: AttachOptions) -> None:
    if call.verb == FORWARD:
        call.record(FORWARD, console, result="ok", offset=offset)
    else:
        call.record("raw", console, offset=offset)
    ExactBridge(call, console, offset, chosen.read_only).begin()


def within_history(call: Call, console: Console, offset: int, then: Callable[[], None]) -> None:
    """Do `then` if the operator may look back as far as `offset`; else end with status 4."""
    limit = call.history_limit(console)
    if limit is None or offset >= console.history.end:
        then()
        return
    earliest, title = call.context.clock.wall() - limit, console.title

    def found(first: int | None) -> None:
        if not call.still_reads(console, title):
            return
        if first is not None and offset >= first:
            then()
        else:
            since = "" if first is None else f", offset {first}"
            text = f"you may look back {limit:g} seconds on {title}{since}"
            call.fail(DENIED, text, console=console)

    ask(call.context, console, lambda kept: kept.since(earliest), found)
