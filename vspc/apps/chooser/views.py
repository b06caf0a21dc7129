"""The view of the chooser for a terminal with a cursor: keys to the choice, frames to the channel.
`vspc.apps.chooser.prompt` has the one for terminals without.
"""

from collections.abc import Callable, Sequence, Set

from vspc.apps.chooser.columns import ListWidths, measure
from vspc.apps.chooser.frame import ChooserFrame, Pane, PreviewText
from vspc.apps.chooser.model import ALL, Broadcast, Choice, Outcome, ViewState, Visit, Watch
from vspc.apps.chooser.painter import Painter
from vspc.apps.chooser.row import Left, Row
from vspc.apps.chooser.source import RowSource
from vspc.apps.keyboard import Key, Pressed
from vspc.console.ports import Channel, Terminal

HELP = (
    "Up, Down     one console (^P, ^N)",
    "PgUp, PgDn   a page; Home, End the ends",
    "Enter        attach",
    "text         filter: name, address,",
    "             state, writer; or one of",
    "             state: writer: zone: port:",
    "             note: name: address:",
    "             (every word must match)",
    "Backspace    erase; ^W word, ^U all",
    "Esc          clear filter, marks; leave",
    "Left, Right  other lists: favourites,",
    "             recent ones, groups",
    "^F           favourite, or no longer",
    "^V           preview of the last lines",
    "^O, ^R       sort by the next; reverse",
    "Space        mark (^T within a filter)",
    "^A           mark all that match",
    "w, b, u      with marks: watch them,",
    "             broadcast, unmark all",
    "/            begin a filter with those",
    "^X           what is refused (admins)",
    "^C, ^D       leave      ^L redraw",
)
"""The keys, in lines of at most 40 columns."""

TEXT_LIMIT = 1000
"""Characters of a text for the marked consoles."""

_NOTHING_REFUSED = ("nothing is refused now",)


class ScreenView:
    """A list to move in and a filter to type, on the whole of a terminal.

    Only `paint`, `go_on` and `close` write.
    """

    def __init__(
        self,
        channel: Channel,
        source: RowSource,
        title: str,
        remark: str = "",
        visit: Visit | None = None,
    ) -> None:
        """`remark` is shown until Enter: keys that were meant for a console select nothing."""
        self._channel = channel
        self._source = source
        self._title = title
        self._remark = remark
        self._choice = Choice.after(visit)
        self._whole: ListWidths = measure(())
        self._widths: ListWidths = measure(())
        self._favourites: Set[object] = frozenset()
        self._page: Sequence[str] = ()  # what is left of one, from what is shown on
        self._asked: str | None = None  # of a text for the marked consoles
        self._is_listing = True  # whether the last key was none of the filter
        self._painter = Painter(channel)
        self.previews = visit is not None and visit.view.preview
        self._rested: object = None  # the key of the row that was selected when last looked at
        self._preview = PreviewText("")

    def refresh(self) -> None:
        """The list has changed."""
        self._choice.replace(self._source.rows(), self._source.sections())
        self._favourites = self._source.favourites()
        self._whole = self._source.widths()
        self._measure()

    def _measure(self) -> None:
        """How wide the columns of the section are."""
        is_whole = self._choice.section == ALL
        self._widths = self._whole if is_whole else measure(self._choice.entries)

    @property
    def _terminal(self) -> Terminal:
        return self._channel.terminal or Terminal("", 80, 24)

    # Keys

    def press(self, key: Pressed) -> Outcome:
        """What `key` decides."""
        if key in (Key.CTRL_C, Key.CTRL_D):
            return Left.LEFT
        if self._page:
            self._page = () if key is Key.ESCAPE else self._page[self._page_lines :]
            return None
        if self._asked is not None:
            return self._answer(key)
        if key is Key.ENTER and self._remark:
            self._remark = ""
            self._choice.begin_again()
            return None
        if key is Key.ENTER:
            return self._take()
        if key is Key.ESCAPE and not (self._choice.text or self._choice.marks):
            return Left.LEFT
        return self._turn(key)

    def _take(self) -> Outcome:
        # Typed before anything was shown: only what is alone, or was chosen, can have been meant.
        unseen = not self._painter.is_open and len(self._choice.shown) > 1
        return None if unseen and not self._choice.is_deliberate else self._choice.take()

    @property
    def visit_text(self) -> str:
        """What was typed to find a console."""
        return self._choice.text

    @property
    def selected(self) -> Row | None:
        """The console that Enter would take."""
        return self._choice.selected

    @property
    def view(self) -> ViewState:
        """How the list is looked at."""
        return self._choice.view(self.previews)

    def _turn(self, key: Pressed) -> Outcome:
        """Keys that change the view, and those for marked consoles."""
        choice = self._choice
        if key == " " and (self._is_listing or not choice.text):
            choice.mark()
        elif isinstance(key, str) and choice.marks and self._is_listing and key in _COMMANDS:
            return self._command(key)
        elif key == "?" and not choice.text:
            self._page = HELP
        elif key == "/" and (not choice.text or (choice.marks and self._is_listing)):
            self._is_listing = False
            return None
        elif isinstance(key, str):
            choice.type(key)
            self._is_listing = False
            return None
        elif key is Key.ESCAPE and not choice.text:
            choice.marks.clear()
        elif key in _KEYS:
            _KEYS[key](choice)
        elif key in _VIEW_KEYS:
            _VIEW_KEYS[key](self)
        # Rubbing out is typing, too.
        self._is_listing = key not in (Key.BACKSPACE, Key.DELETE, Key.CTRL_W)
        if key in _ARRANGING:
            self._measure()
        return None

    def _command(self, key: str) -> Outcome:
        marked = self._choice.marked
        if key == "w":
            return Watch(marked)
        if key == "b":
            self._asked = ""
        else:
            self._choice.marks.clear()
        return None

    def _answer(self, key: Pressed) -> Outcome:
        """A key of the text for the marked consoles."""
        asked = self._asked or ""
        match key:
            case Key.ENTER if asked:
                self._asked = None
                return Broadcast(self._choice.marked, asked)
            case Key.ESCAPE:
                self._asked = None
            case Key.BACKSPACE | Key.DELETE:
                self._asked = asked[:-1]
            case Key.CTRL_U:
                self._asked = ""
            case Key.CTRL_W:
                kept = asked.rstrip()
                self._asked = kept[: kept.rfind(" ") + 1]
            case str() if len(asked) < TEXT_LIMIT:
                self._asked = asked + key
        return None

    def favour(self) -> None:
        """Make the selected one a favourite, or no longer."""
        selected = self._choice.selected
        if selected is not None:
            self._remark = self._source.favour(selected)
            self.refresh()

    def redraw(self) -> None:
        """Paint everything again."""
        self._painter.forget()

    def show_refusals(self) -> None:
        """What is refused now."""
        self._page = self._source.refusals() or _NOTHING_REFUSED

    # The preview

    def turn_preview(self) -> None:
        """On or off."""
        self.previews = not self.previews
        self._rested = None

    def look(self) -> bool:
        """Read the preview of the row that has been selected since the last call; whether it is
        another text now.
        """
        selected, before = self._choice.selected, self._preview
        pane = Pane.of(self._terminal.columns, self._terminal.rows)
        if selected is None or selected.key != self._rested or pane is None:
            self._rested = None if selected is None else selected.key
            self._preview = _nothing(selected)
        else:
            self._preview = self._source.preview(selected, pane.lines)
        return self._preview != before

    def _shown_preview(self) -> PreviewText:
        selected = self._choice.selected
        if selected is not None and selected.key == self._rested:
            return self._preview
        return _nothing(selected)

    # The terminal

    @property
    def _page_lines(self) -> int:
        """Lines of a page that the window has room for, beside the one about keys."""
        rows = self._terminal.rows
        return max(1, rows - 1 if rows >= 6 else rows)

    def paint(self) -> bool:
        """Show the present state, as far as the channel has room; whether it is another one."""
        terminal = self._terminal
        frame = ChooserFrame(
            self._choice,
            self._widths,
            terminal.columns,
            terminal.rows,
            self._title,
            self._source.now(),
            favourites=self._favourites,
            page=self._page[: self._page_lines] or None,
            has_more=len(self._page) > self._page_lines,
            remark=self._remark,
            asked=self._asked,
            preview=self._shown_preview() if self.previews else None,
            is_listing=self._is_listing,
            why_empty=() if self._choice.rows else self._source.why_empty(),
            told=self._source.told(),
        )
        return self._painter.paint(frame.encoded())

    def go_on(self) -> None:
        """The channel has room again."""
        self._painter.go_on()

    def resized(self) -> None:
        """The terminal's size has changed: what it shows now is unknown."""
        self._painter.forget()

    def close(self) -> bool:
        """Give the terminal back; whether anything was written."""
        return self._painter.close()


def _nothing(selected: Row | None) -> PreviewText:
    return PreviewText("" if selected is None else selected.name)


_COMMANDS = "wbu"
"""What letters do while consoles are marked: watch, broadcast, unmark."""

_ARRANGING = (Key.LEFT, Key.RIGHT, Key.CTRL_F)

_KEYS: dict[Key, Callable[[Choice], None]] = {
    Key.UP: lambda choice: choice.move(-1),
    Key.CTRL_P: lambda choice: choice.move(-1),
    Key.DOWN: lambda choice: choice.move(1),
    Key.CTRL_N: lambda choice: choice.move(1),
    Key.TAB: lambda choice: choice.move(1),
    Key.PAGE_UP: lambda choice: choice.page(-1),
    Key.PAGE_DOWN: lambda choice: choice.page(1),
    Key.HOME: Choice.first,
    Key.END: Choice.last,
    Key.BACKSPACE: Choice.erase,
    Key.DELETE: Choice.erase,  # what some terminals send for Backspace
    Key.CTRL_W: Choice.erase_word,
    Key.CTRL_U: Choice.clear,
    Key.ESCAPE: Choice.clear,
    Key.LEFT: lambda choice: choice.turn_to(-1),
    Key.RIGHT: lambda choice: choice.turn_to(1),
    Key.CTRL_O: Choice.sort_on,
    Key.CTRL_R: Choice.reverse,
    Key.CTRL_T: Choice.mark,
    Key.INSERT: Choice.mark,
    Key.CTRL_SPACE: Choice.mark,
    Key.CTRL_A: Choice.mark_all,
}

_VIEW_KEYS: dict[Key, Callable[[ScreenView], None]] = {
    Key.CTRL_L: ScreenView.redraw,
    Key.CTRL_F: ScreenView.favour,
    Key.CTRL_V: ScreenView.turn_preview,
    Key.CTRL_X: ScreenView.show_refusals,
}
