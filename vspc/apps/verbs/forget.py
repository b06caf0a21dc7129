"""`forget`: consoles whose VMs are gone leave the list, their histories with them."""

from collections.abc import Sequence

from vspc.apps.verbs.context import DONE, FAILED, NOT_FOUND, USAGE, Call, VerbPrinter, complain
from vspc.apps.verbs.grammar import Argument, Grammar, Option, Parsed
from vspc.apps.verbs.kinds import CONSOLES, DURATION, NUMBER, UsageError
from vspc.common.clock import Cancellable
from vspc.common.columns import Heading, table
from vspc.common.values import age_text
from vspc.console.console import Console, ConsoleState
from vspc.console.ports import Program
from vspc.console.resolve import reading_order

BATCH = 64
"""Consoles that are forgotten in one turn of the reactor."""

NAME = Argument("NAME", "the console, or a glob of away ones", CONSOLES, required=False)
AWAY = Option("--away", "those that are away for at least this long", DURATION)
YES = Option("--yes", "so many there are; needed for a glob and for --away", NUMBER, value="COUNT")

GRAMMAR = Grammar(
    "forget",
    "forget an away console, or close one kept apart (administrators)",
    arguments=(NAME,),
    options=(AWAY, YES),
    forms=("NAME", "GLOB [--away TIME] [--yes COUNT]", "--away TIME [--yes COUNT]"),
    examples=("forget web1", "forget 'test-*' --away 7d --yes 12"),
    notes=(
        "A glob and --away mean only consoles that are away. Without --yes COUNT, or with",
        "another count than there are, they are listed and none is forgotten (status 2).",
    ),
)

_HEADINGS = (Heading("NAME", names=True, least=16), Heading("AWAY", right=True))


def run(call: Call, parsed: Parsed) -> None:
    """Forget one, unless its VM is connected, or as many as were counted."""
    name, seconds, count = parsed.get(NAME), parsed.get(AWAY), parsed.get(YES)
    if name is None and seconds is None:
        raise UsageError("say NAME, a glob or --away TIME")
    if name is not None and seconds is None and not call.means_many(name):
        if count not in (None, 1):
            raise UsageError("--yes COUNT is for a glob or --away; NAME is one console")
        _one(call, name)
    elif call.is_administrator():
        _many(call, _away(call, name, seconds), count)


def _one(call: Call, name: str) -> None:
    console = call.find_as_administrator(name)
    if console is None:
        return
    title = console.title
    if _forget(call, console):
        VerbPrinter(call.channel, f"{title} is forgotten\n")
    else:
        call.fail(FAILED, f"{title} is {console.state.value}; only an away console is forgotten")


def _forget(call: Call, console: Console) -> bool:
    # Recorded before it is done: afterwards it has no place and perhaps another name.
    result = "failed" if console.live and not console.quarantined else "ok"
    call.record("forget", console, result=result)
    return call.context.line_registry.forget(console)


def _away(call: Call, glob: str | None, seconds: float | None) -> list[Console]:
    """Away consoles that `glob` names, and that went so long ago."""
    now = call.context.clock.wall()
    return sorted(
        (
            console
            for console in (call.readable() if glob is None else call.matching(glob))
            if console.state is ConsoleState.AWAY
            and (seconds is None or now - console.since >= seconds)
        ),
        key=reading_order,
    )


def _many(call: Call, found: Sequence[Console], count: int | None) -> None:
    """All of `found`, if there are as many as were counted."""
    if not found:
        call.fail(NOT_FOUND, "no away console is meant by that; `list` shows those there are")
    elif count == len(found):
        Forgetting(call, found).begin()
    else:
        those = "1 console" if len(found) == 1 else f"{len(found)} consoles"
        complain(call.channel, f"nothing is forgotten; --yes {len(found)} forgets {those}")
        now = call.context.clock.wall()
        rows = [[console.title, age_text(now - console.since)] for console in found]
        VerbPrinter(call.channel, table(_HEADINGS, rows, call.columns), USAGE)


class Forgetting(Program):
    """A `Program` that forgets some in each turn of the reactor. Who leaves stops it."""

    def __init__(self, call: Call, consoles: Sequence[Console]) -> None:
        self._call = call
        self._left = list(reversed(consoles))
        self._done = 0
        self._next: Cancellable | None = None

    def begin(self) -> None:
        """Forget the first ones."""
        self._call.channel.start(self)
        self._go_on()

    def _go_on(self) -> None:
        call = self._call
        for _ in range(min(BATCH, len(self._left))):
            console = self._left.pop()
            known = call.context.roster.get(console.id) is console
            if known and console.state is ConsoleState.AWAY and _forget(call, console):
                self._done += 1
        if self._left:
            self._next = call.context.clock.call_later(0, self._go_on)
            return
        were = "1 console is" if self._done == 1 else f"{self._done} consoles are"
        call.channel.write(f"{were} forgotten\n".encode())
        call.channel.finish(DONE)

    def received(self, data: bytes) -> None:
        """Nobody reads what is typed meanwhile."""
        self._call.channel.consumed(len(data))

    def closed(self) -> None:
        """What is left stays."""
        if self._next is not None and self._next.active():
            self._next.cancel()
