"""The chooser as the program of a channel: keys in, a list out, at a bounded pace.

`views` and `prompt` have its two views, for terminals with a cursor and for those without.
`consoles` shows it over the consoles that an operator may read.
"""

from collections.abc import Callable

from vspc.apps.chooser.model import Decision, Outcome, Visit
from vspc.apps.chooser.pace import RefreshPace, RepaintPace
from vspc.apps.chooser.prompt import PlainView
from vspc.apps.chooser.row import Left, Row
from vspc.apps.chooser.source import RowSource
from vspc.apps.chooser.views import ScreenView
from vspc.apps.keyboard import Key, Keyboard, Pressed
from vspc.common.clock import Cancellable, Clock, cancel
from vspc.common.text import ensure_safe
from vspc.console.ports import Channel, Program

AGE_INTERVAL = 5.0
"""Seconds after which the list is refreshed without a change."""

PREVIEW_INTERVAL = 0.25
"""Seconds between two looks at what the selected console has said, while a preview is shown."""

TURN_BYTES = 128
"""Bytes typed that one reactor turn deals with: a filter over thousands of rows is slow."""


class Chooser(Program):
    """A `vspc.console.ports.Program`: start it on `channel` when it has been made.

    Exactly one of `chosen` and `left` is called, once, when the terminal has been given back;
    `left` also if the channel closes or its input ends. What is typed behind the deciding key is
    dropped. `source` is asked after a change as `RefreshPace` allows, but before Enter counts;
    without a change every `AGE_INTERVAL`. The terminal is repainted as `RepaintPace` allows.
    """

    def __init__(
        self,
        channel: Channel,
        clock: Clock,
        source: RowSource,
        chosen: Callable[[Decision], None],
        left: Callable[[], None],
        title: str,
        remark: str = "",
        visit: Visit | None = None,
        pace: RefreshPace | None = None,
    ) -> None:
        """`visit` is where the operator has been: Enter goes there again, and the filter is as it
        was. `remark` is why that ended; it is shown until Enter, which then selects nothing.
        `pace` is that of all choosers of the server.
        """
        self._channel = channel
        self._clock = clock
        self._chosen = chosen
        self._left = left
        self._keyboard = Keyboard(clock, self._pressed)
        terminal = channel.terminal
        plain = terminal is None or not terminal.has_cursor
        view = PlainView if plain else ScreenView
        self._view = view(channel, source, title, ensure_safe(remark), visit)
        self._typed = bytearray()
        self._budget = TURN_BYTES
        self._input_ended = False
        self._is_over = False
        self._turn_call: Cancellable | None = None
        self._refresh_call: Cancellable | None = None
        self._refreshes = (pace or RefreshPace()).list_pace()
        self._repaints = RepaintPace()
        self._paint_call: Cancellable | None = None
        self._look_call: Cancellable | None = None
        self._shares_cost = False  # whether the next repaint is because of a refresh in its turn
        self._has_changed = False  # whether there was a change since the last refresh
        self.changed()

    def visit(self, row: Row | None) -> Visit:
        """Where the operator is: at `row`, else at the selected one, with the filter and the view
        of now.
        """
        return Visit(row or self._view.selected, self._view.visit_text, self._view.view)

    # The list

    def changed(self) -> None:
        """The list has changed: it is refreshed soon, once for many calls."""
        if self._is_over or self._has_changed:
            return
        self._has_changed = True
        self._refresh_in(self._refreshes.wait(self._clock.seconds()))

    def _refresh_in(self, delay: float) -> None:
        cancel(self._refresh_call)
        self._refresh_call = self._clock.call_later(delay, self._refresh_in_turn)

    def _refresh_in_turn(self) -> None:
        """As all lists are when it is time, at the cost of all; only a new one is its own affair,
        and what keys cause.
        """
        is_new, began = self._refreshes.is_new, self._clock.seconds()
        wait = self._refreshes.wait_in_turn(began)
        if wait:
            self._refresh_in(wait)
            return
        self._refresh()
        self._shares_cost = not is_new
        self._share_cost(began)

    def _refresh(self) -> None:
        self._has_changed = False
        self._view.refresh()
        now = self._clock.seconds()
        self._refreshes.refreshed(now)
        self._refresh_in(max(AGE_INTERVAL, self._refreshes.wait(now)))
        self._soon()

    def _share_cost(self, began: float) -> None:
        if self._shares_cost:
            now = self._clock.seconds()
            self._refreshes.spent(now, now - began)

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
        if self._is_over:
            return
        if self._view.previews and self._look_call is None:
            self._look_call = self._clock.call_later(PREVIEW_INTERVAL, self._look)
        wait = self._repaints.wait(self._clock.seconds())
        if not wait:
            self._paint()
        elif self._paint_call is None:
            self._paint_call = self._clock.call_later(wait, self._paint)

    def _paint(self) -> None:
        cancel(self._paint_call)
        self._paint_call = None
        began = self._clock.seconds()
        is_new = self._view.paint()
        self._share_cost(began)
        self._shares_cost = False
        if is_new:
            self._repaints.painted(self._clock.seconds())

    def _look(self) -> None:
        """Show what the selected console has said meanwhile."""
        self._look_call = None
        if self._view.look():
            self._soon()
        elif self._view.previews:
            self._look_call = self._clock.call_later(PREVIEW_INTERVAL, self._look)

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
        cancel(self._turn_call, self._refresh_call, self._paint_call, self._look_call)
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
        """The rest of what is being painted."""
        if not self._is_over:
            self._view.go_on()

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
