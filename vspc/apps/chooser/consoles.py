"""The chooser over the consoles that an operator may read, and the console chosen."""

from collections.abc import Callable, Iterable

from attrs import define, field, frozen

from vspc.apps.attaching import AttachOptions
from vspc.apps.chooser.chooser import Chooser
from vspc.apps.chooser.model import Row, Visit
from vspc.apps.describe import readers
from vspc.apps.verbs import console as console_verb
from vspc.apps.verbs.context import DONE, Call, handle_of, run_verb
from vspc.console.console import Console, ConsoleState
from vspc.console.events import EventBus
from vspc.console.names import name_order

_NameKey = tuple[str, str, str | int | None, int]
"""Zone, name, port and number: all of which titles, handles and the order are made."""


@frozen
class ListedName:
    """What is derived from the name of a console, as long as the name lasts."""

    key: _NameKey
    title: str
    handle: str
    order: str


@define(eq=False)
class Listing:
    """The rows of one chooser, which asks often: what is derived from names is kept."""

    _known: dict[Console, ListedName] = field(factory=dict, init=False)

    def rows(self, consoles: Iterable[Console], now: float) -> list[Row]:
        """In reading order (`vspc.console.names.reading_order`)."""
        known = {console: self._named(console) for console in consoles}
        self._known = known
        places = sorted(
            (console.state is ConsoleState.AWAY, named.order, at)
            for at, (console, named) in enumerate(known.items())
        )
        listed = list(known.items())
        return [_row(*listed[at], now) for _, _, at in places]

    def _named(self, console: Console) -> ListedName:
        key = (console.vm.zone, console.name, console.port, console.number)
        known = self._known.get(console)
        if known is not None and known.key == key:
            return known
        return ListedName(key, console.title, handle_of(console), name_order(console))


def _row(console: Console, named: ListedName, now: float) -> Row:
    silent = None if console.link.last_output is None else now - console.link.last_output
    return Row(
        handle=named.handle,
        name=named.title,
        state=console.state.value,
        writer=console.pen.holder.operator.name if console.pen.holder else None,
        readers=len(readers(console)),
        idle=silent,
        address=console.link.line.address if console.link.line else "",
        key=console,
    )


class ConsoleChooser:
    """Shows the chooser on a call's channel, then the console chosen, then the chooser again."""

    def __init__(self, call: Call, events: EventBus, options: AttachOptions) -> None:
        self._call = call
        self._events = events
        self._options = options
        self._listing = Listing()

    def show(self, remark: str = "", visit: Visit | None = None) -> None:
        """The chooser. `visit`: where the operator comes back from; `remark`: why, if it was not
        the operator's decision.
        """
        unsubscribe: Callable[[], None] = lambda: None  # noqa: E731

        def chosen(row: Row) -> None:
            unsubscribe()
            self._attach(Visit(row, chooser.filter))

        def left() -> None:
            unsubscribe()
            self._call.channel.finish(DONE)

        channel, clock = self._call.channel, self._call.context.clock
        chooser = Chooser(channel, clock, self._rows, chosen, left, "vspc", remark, visit)
        unsubscribe = self._events.subscribe(lambda _event: chooser.changed())
        channel.start(chooser)

    def _rows(self) -> list[Row]:
        return self._listing.rows(self._call.readable(), self._call.context.clock.wall())

    def _attach(self, visit: Visit) -> None:
        console = visit.row.key
        assert isinstance(console, Console)
        if self._call.may_read(console):
            attaching = console_verb.attach(
                self._call, console, self._options, left=lambda why: self.show(why, visit)
            )
            run_verb(self._call, attaching, attaches=True)
        else:  # its name, or the rules, changed since it was shown
            self.show(visit=visit)
