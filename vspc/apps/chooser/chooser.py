"""The chooser: a terminal shows the consoles there are, and the operator selects one.

`Chooser` is the program on the channel; `views` has its two views, for terminals
with a cursor and for those without. `ConsoleChooser` shows it over the consoles that an operator
may read, and attaches to the one chosen.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from attrs import define, evolve, field, frozen

from vspc.apps.chooser.model import Left, Outcome, Row, Visit
from vspc.apps.chooser.views import PlainView, ScreenView
from vspc.apps.describe import place, readers, state_word
from vspc.apps.keyboard import Key, Keyboard, Pressed
from vspc.apps.verbs import console as console_verb
from vspc.apps.verbs.console_wait import Arrival
from vspc.apps.verbs.context import DONE, Call, handle_of, run_verb
from vspc.common.clock import Cancellable, Clock, cancel
from vspc.common.text import ensure_safe
from vspc.console.console import Console, ConsoleState
from vspc.console.names import name_order
from vspc.console.ports import Channel, Program

CHANGE_INTERVAL = 0.25
"""Seconds between two refreshes of the list, however often it changes."""

SHARE = 20
"""Refreshes take one part in so many of the time at most: a long list has fewer."""

LONGEST = 30.0
"""Seconds between two refreshes at most."""

AGE_INTERVAL = 5.0
"""Seconds after which the list is refreshed without a change."""

TURN_BYTES = 128
"""Bytes typed that one reactor turn deals with: a filter over thousands of rows is slow."""


class Chooser(Program):
    """A `vspc.console.ports.Program`: start it on `channel` when it has been made.

    Exactly one of `chosen` and `left` is called, once, when the terminal has been given back;
    `left` also if the channel closes or its input ends. What is typed behind the deciding key is
    dropped. `rows` is asked after a change, no oftener than `CHANGE_INTERVAL` and `SHARE` allow,
    but before Enter counts; without a change every `AGE_INTERVAL`.
    """

    def __init__(
        self,
        channel: Channel,
        clock: Clock,
        rows: Callable[[], Sequence[Row]],
        chosen: Callable[[Row], None],
        left: Callable[[], None],
        title: str,
        remark: str = "",
        visit: Visit | None = None,
    ) -> None:
        """`visit` is where the operator has been: Enter goes there again, and the filter is as it
        was. `remark` is why that ended; it is shown until Enter, which then selects nothing.
        """
        self._channel = channel
        self._clock = clock
        self._rows = rows
        self._chosen = chosen
        self._left = left
        self._keyboard = Keyboard(clock, self._pressed)
        terminal = channel.terminal
        plain = terminal is None or not terminal.has_cursor
        view = PlainView if plain else ScreenView
        self._view = view(channel, title, ensure_safe(remark), visit)
        self._typed = bytearray()
        self._budget = TURN_BYTES
        self._input_ended = False
        self._is_over = False
        self._turn_call: Cancellable | None = None
        self._refresh_call: Cancellable | None = None
        self._refreshed_at: float | None = None
        self._cost = 0.0  # seconds that the last refresh took
        self._has_changed = False  # whether there was a change since the last refresh
        self.changed()

    @property
    def filter(self) -> str:
        """What was typed to find a console."""
        return self._view.filter

    # The list

    def changed(self) -> None:
        """The list has changed: it is refreshed soon, once for many calls."""
        if self._is_over or self._has_changed:
            return
        self._has_changed = True
        interval = self._at_least(CHANGE_INTERVAL)
        since = (
            interval if self._refreshed_at is None else self._clock.seconds() - self._refreshed_at
        )
        self._refresh_in(max(0.0, interval - since))

    def _at_least(self, interval: float) -> float:
        return max(interval, min(SHARE * self._cost, LONGEST))

    def _refresh_in(self, delay: float) -> None:
        cancel(self._refresh_call)
        self._refresh_call = self._clock.call_later(delay, self._refresh)

    def _refresh(self) -> None:
        self._has_changed = False
        began = self._clock.seconds()
        self._view.replace(self._rows())
        self._refreshed_at = self._clock.seconds()
        self._cost = self._refreshed_at - began
        self._refresh_in(self._at_least(AGE_INTERVAL))
        self._soon()

    # Keys

    def received(self, data: bytes) -> None:
        """Keys. `consumed` is called as they are dealt with."""
        if self._is_over:
            self._channel.consumed(len(data))
            return
        self._typed += data
        self._work()

    def _work(self) -> None:
        """Deal with what was typed, as far as this turn's budget goes."""
        piece = bytes(self._typed[: self._budget])
        if piece:
            del self._typed[: len(piece)]
            self._budget -= len(piece)
            self._channel.consumed(len(piece))
            self._pressed(self._keyboard.feed(piece))
        if self._input_ended and not self._typed:
            self._decide(Left.LEFT)
        self._soon()

    def _pressed(self, keys: list[Pressed]) -> None:
        for key in keys:
            if key is Key.ENTER and self._has_changed:
                self._refresh()  # a console that has gone meanwhile cannot be selected
            self._decide(self._view.press(key))
            if self._is_over:
                return
        self._soon()

    def _soon(self) -> None:
        """Paint at the end of this turn, once for all that happens in it."""
        if self._turn_call is None and not self._is_over:
            self._turn_call = self._clock.call_later(0, self._end_turn)

    def _end_turn(self) -> None:
        self._turn_call = None
        self._budget = TURN_BYTES
        if self._typed:
            self._work()
        if not self._is_over:
            self._view.paint()

    # The end

    def _decide(self, outcome: Outcome) -> None:
        if outcome is None or self._is_over:
            return
        self._stop()
        self._view.close()
        if isinstance(outcome, Left):
            self._left()
        else:
            self._chosen(outcome)

    def _stop(self) -> None:
        self._is_over = True
        self._keyboard.close()
        cancel(self._turn_call, self._refresh_call)
        if self._typed:
            self._channel.consumed(len(self._typed))
            self._typed.clear()

    # The rest of a Program

    def ended_input(self) -> None:
        """Leave when what was typed has been dealt with."""
        self._input_ended = True
        if not self._is_over:
            self._work()

    def drained(self) -> None:
        self._soon()

    def resized(self) -> None:
        self._view.resized()
        self._soon()

    def give_back(self) -> bool:
        """The list goes from the screen."""
        return not self._is_over and self._view.close()

    def closed(self) -> None:
        if not self._is_over:
            self._stop()
            self._left()


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
        state=state_word(console),
        writer=console.pen.holder.operator.name if console.pen.holder else None,
        readers=len(readers(console)),
        idle=silent,
        address=place(console, now),
        key=console,
    )


class ConsoleChooser:
    """Shows the chooser on a call's channel, then the console chosen, then the chooser again."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._listing = Listing()
        self._kept: tuple[Console, int] | None = None  # a console that was left for a while

    def resume(self, console: Console, offset: int, text: str = "") -> None:
        """The chooser for an operator who comes from `console`, where the output up to `offset` was
        shown; whoever selects it again goes on there. `text` is the filter.
        """
        self._kept = console, offset
        row = next((row for row in self._rows() if row.key is console), None)
        self.show(visit=None if row is None else Visit(row, text))

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
        unsubscribe = self._call.context.events.subscribe(lambda _event: chooser.changed())
        channel.start(chooser)

    def _rows(self) -> list[Row]:
        return self._listing.rows(self._call.readable(), self._call.context.clock.wall())

    def _attach(self, visit: Visit) -> None:
        console = visit.row.key
        assert isinstance(console, Console)
        if self._call.may_read(console):
            kept, self._kept = self._kept, None
            began = kept[1] if kept is not None and kept[0] is console else None
            back = partial(self.resume, text=visit.text)
            attaching = console_verb.attach(
                evolve(self._call, choose=back),
                Arrival(console, began),
                self._call.options,
                left=lambda why: self.show(why, visit),
            )
            run_verb(self._call, attaching, attaches=True)
        else:  # its name, or the rules, changed since it was shown
            self.show(visit=visit)
