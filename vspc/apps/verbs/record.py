"""`record start|stop NAME`: mark a piece of a log, to be exported under its number later.

Everything is in the log anyway; a recording says from where to where somebody wants it.
"""

from collections.abc import Iterable

from attrs import evolve, frozen

from vspc.apps.verbs.context import FAILED, Call, VerbPrinter, complain, timestamp
from vspc.apps.verbs.grammar import Argument, Grammar, Parsed
from vspc.apps.verbs.kinds import CONSOLE, choice
from vspc.apps.verbs.log_cursor import ask
from vspc.console.console import Console
from vspc.console.logs import LogView, Marker, MarkerKind

ACTION = Argument("start|stop|list", "what is to be done", choice("start", "stop", "list"))
NAME = Argument("NAME", "the console", CONSOLE)

GRAMMAR = Grammar(
    "record",
    "mark a piece of a log; `export NAME --recording N` exports it",
    arguments=(ACTION, NAME),
    examples=("record start web1",),
)

_START, _STOP = "started by ", "stopped by "


@frozen
class Recording:
    """One of them; `end` is None while it goes on. `first` and `last` are its markers: others at
    the same offsets came before and after it.
    """

    start: int
    at: float
    end: int | None
    by: str
    first: Marker
    last: Marker | None = None


def recordings(kept: LogView) -> list[Recording]:
    """Those that a log has, oldest first."""
    return gather(kept.markers((MarkerKind.RECORDING,)))


def gather(markers: Iterable[Marker]) -> list[Recording]:
    """A start ends the recording before it."""
    found: list[Recording] = []
    for marker in markers:
        if found and found[-1].end is None:
            found[-1] = evolve(found[-1], end=marker.offset, last=marker)
        if marker.text.startswith(_START):
            by = marker.text[len(_START) :]
            found.append(Recording(marker.offset, marker.at, None, by, marker))
    return found


def run(call: Call, parsed: Parsed) -> None:
    """Begin or end one, or list them."""
    what = parsed[ACTION]
    console = call.find(parsed[NAME])
    if console is None:
        return
    if what != "list" and not call.may("write", console, "write on"):
        return

    title = console.title

    def found(known: list[Recording] | None) -> None:
        if not call.still_reads(console, title):
            return
        if known is None:
            call.fail(FAILED, f"the log of {title} cannot be read now")
        else:
            _go_on(call, console, known, what)

    ask(call.context, console, recordings, found)


def _go_on(call: Call, console: Console, known: list[Recording], what: str) -> None:
    running = bool(known) and known[-1].end is None
    if what == "list":
        if not known:
            complain(call.channel, f"[the log of {console.title} has no recordings]")
        VerbPrinter(call.channel, "".join(_line(n, one) for n, one in enumerate(known, 1)))
        return
    if what == "stop" and not running:
        call.fail(FAILED, f"no recording of {console.title} goes on")
        return
    if what == "start" and running:
        call.fail(FAILED, f"recording {len(known)} of {console.title} goes on, by {known[-1].by}")
        return
    logs = call.context.logs
    words = (_START if what == "start" else _STOP) + call.operator.name
    if logs is None or not logs.mark(console, MarkerKind.RECORDING, words):
        call.fail(FAILED, f"{console.title} has no log that takes it now")
        return
    number = len(known) + (what == "start")
    console.tell(f"recording {number} {words}")
    VerbPrinter(call.channel, f"{number}\n")


def _line(number: int, one: Recording) -> str:
    end = "-" if one.end is None else str(one.end)
    return f"{number} {timestamp(one.at)} {one.start} {end} {one.by}\n"
