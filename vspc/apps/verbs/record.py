"""`record start|stop NAME`: mark a piece of a log, to be exported under its number later.

The log has all output anyway; a recording marks a part of it.
"""

from collections.abc import Iterable

from attrs import evolve, frozen

from vspc.apps.following import read_log
from vspc.apps.verbs.context import FAILED, Call, Verb, VerbExit
from vspc.apps.verbs.grammar import NAME, Argument, Grammar, Parsed
from vspc.apps.verbs.kinds import choice
from vspc.common.clock import timestamp
from vspc.console.console import Console
from vspc.console.logs import LogView, Marker, MarkerKind

ACTION = Argument("start|stop|list", "what is to be done", choice("start", "stop", "list"))

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


async def run(call: Call, parsed: Parsed) -> None:
    """Begin or end one, or list them."""
    what = parsed[ACTION]
    console = call.find(parsed[NAME])
    if what != "list":
        call.require_right("write", console, "write on")
    known = await read_log(call, console, recordings)
    if what != "list":
        await call.print(f"{_mark(call, console, known, what)}\n")
        return
    if not known:
        call.remark(f"the log of {console.title} has no recordings")
    await call.print("".join(_line(n, one) for n, one in enumerate(known, 1)))


def _mark(call: Call, console: Console, known: list[Recording], what: str) -> int:
    """Put the marker of the beginning or the end into the log; the number of the recording."""
    running = bool(known) and known[-1].end is None
    if what == "stop" and not running:
        raise VerbExit(FAILED, f"no recording of {console.title} is running")
    if what == "start" and running:
        who = f"is running, started by {known[-1].by}"
        raise VerbExit(FAILED, f"recording {len(known)} of {console.title} {who}")
    logs = call.context.logs
    words = (_START if what == "start" else _STOP) + call.operator.name
    if logs is None or not logs.mark(console.id, MarkerKind.RECORDING, words):
        raise VerbExit(FAILED, f"the log of {console.title} cannot be written")
    number = len(known) + (what == "start")
    console.attachments.tell(f"recording {number} {words}")
    return number


def _line(number: int, one: Recording) -> str:
    end = "-" if one.end is None else str(one.end)
    return f"{number} {timestamp(one.at)} {one.start} {end} {one.by}\n"


VERB = Verb(GRAMMAR, run)
