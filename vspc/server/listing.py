"""The consoles there are, as the chooser shows them."""

from collections.abc import Iterable

from attrs import define, field, frozen

from vspc.apps.chooser.chooser import Row
from vspc.apps.describe import readers
from vspc.apps.verbs.context import handle_of
from vspc.console.console import Console, ConsoleState
from vspc.console.resolve import name_order

Name = tuple[str, str, str | int | None, int]
"""Zone, name, port and number: all that names and places in a list are made of."""


@frozen
class Named:
    """What goes by the name of a console, and lasts as long as that."""

    name: Name
    title: str
    handle: str
    order: str


@define(eq=False)
class Listing:
    """For one chooser, which looks again and again: names are made up once for each of them."""

    _known: dict[Console, Named] = field(factory=dict, init=False)

    def rows(self, consoles: Iterable[Console], now: float) -> list[Row]:
        """In reading order (`vspc.console.resolve.reading_order`)."""
        known = {console: self._named(console) for console in consoles}
        self._known = known
        places = sorted(
            (console.state is ConsoleState.AWAY, named.order, at)
            for at, (console, named) in enumerate(known.items())
        )
        listed = list(known.items())
        return [_row(*listed[at], now) for _, _, at in places]

    def _named(self, console: Console) -> Named:
        name = (console.vm.zone, console.name, console.port, console.number)
        known = self._known.get(console)
        if known is not None and known.name == name:
            return known
        return Named(name, console.title, handle_of(console), name_order(console))


def _row(console: Console, named: Named, now: float) -> Row:
    silent = None if console.last_output is None else now - console.last_output
    return Row(
        handle=named.handle,
        name=named.title,
        state=console.state.value,
        writer=console.pen.operator.name if console.pen else None,
        readers=len(readers(console)),
        idle=silent,
        address=console.line.address if console.line else "",
        key=console,
    )
