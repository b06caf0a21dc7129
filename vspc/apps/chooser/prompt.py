"""The view of the chooser for a terminal that can only print: a numbered list and a prompt."""

from collections.abc import Callable, Sequence

from vspc.apps.chooser.columns import NAME_COLUMNS, lay_out, measure, row_text, shared_names
from vspc.apps.chooser.filters import FILTER_LIMIT, matching
from vspc.apps.chooser.model import (
    ALL,
    Broadcast,
    Choice,
    Order,
    Outcome,
    ViewState,
    Visit,
    Watch,
)
from vspc.apps.chooser.row import Left, Row
from vspc.apps.chooser.source import RowSource
from vspc.apps.keyboard import Key, Pressed
from vspc.common.columns import cells, clip, pad, shorten
from vspc.console.ports import Channel

LIST_LIMIT = 100
"""Consoles that one list has; the others are found by a part of their name."""

OUTPUT_LIMIT = 16 * 1024
"""Characters kept for a terminal that takes nothing; over it the list is begun again."""

LINE_LIMIT = 512
"""Characters of a line that is typed."""

PREVIEW_LINES = 10
"""Lines of a preview."""

_PROMPT = "number or name"
_COLUMNS = 100  # of a list, so that it stays within the limit
_ERASED = "\b \b"
_HELP = (
    "number or name    attach; words of which all must match list those that do:",
    "                  state: writer: zone: port: note: name: address: before one",
    "?                 the list        Ctrl-D leave",
    ":f N              make number N a favourite, or no longer",
    ":l [TITLE]        other lists: favourites, recent, groups; :l all",
    ":o ORDER          sort by name, state, output, writer, address; again: reversed",
    ":p N              the last lines of number N",
    ":w N,N... or WORDS       watch these",
    ":b N,N... = TEXT         type TEXT and Enter on these",
    ":x                what is refused now (administrators)",
)


class PlainView:
    """As `ScreenView`: a numbered list, `number or name: `, and what is typed after it.

    A number is that of the last list. A name is the name or handle itself, else words of which
    all must match; several matches are listed. Enter alone, or `?`, lists them all; after a visit
    Enter alone goes to the same console. Ctrl-C, Ctrl-D and Escape leave. A line that begins with a
    colon is a command (`:help`).
    """

    visit_text = ""
    """There is no filter that would be kept."""

    previews = False

    def __init__(
        self,
        channel: Channel,
        source: RowSource,
        title: str,
        remark: str = "",
        visit: Visit | None = None,
    ) -> None:
        """With a `remark` the first line typed is dropped: it was meant for a console."""
        self._channel = channel
        self._source = source
        self._title = title
        self._remark = remark
        self._visited = None if visit is None else visit.row
        self._choice = Choice() if visit is None else Choice.after(Visit(None, "", visit.view))
        self._listed: Sequence[Row] | None = None
        self._line = ""
        self._output = ""

    @property
    def _entries(self) -> Sequence[Row]:
        return self._choice.entries

    @property
    def selected(self) -> Row | None:
        """The console that Enter alone would take."""
        return self._visited

    @property
    def view(self) -> ViewState:
        """How the list is looked at."""
        return self._choice.view()

    def refresh(self) -> None:
        """The list has changed."""
        before = self._listed
        self._choice.replace(self._source.rows(), self._source.sections())
        if before is None or (not before and self._entries):
            told = self._source.told()
            self._list(self._entries, *filter(None, (self._title, told, self._remark)))

    def look(self) -> bool:
        """Previews are printed when they are asked for."""
        return False

    def press(self, key: Pressed) -> Outcome:
        """What `key` decides."""
        limit = LINE_LIMIT if self._line.startswith(":") else FILTER_LIMIT
        match key:
            case Key.CTRL_C | Key.CTRL_D | Key.ESCAPE:
                return Left.LEFT
            case Key.ENTER:
                return self._enter()
            case Key.BACKSPACE | Key.DELETE:
                self._erase(self._line[:-1])
            case Key.CTRL_U:
                self._erase("")
            case Key.CTRL_W:
                kept = self._line.rstrip()
                self._erase(kept[: kept.rfind(" ") + 1])
            case str() if len(self._line) < limit:
                self._line += key
                self._echo(key)
        return None

    def paint(self) -> bool:
        """Print what there is to print; whether there was something."""
        if not self._output or self._channel.room() <= 0:
            return False
        output, self._output = self._output, ""
        self._channel.write(output.encode())
        return True

    def go_on(self) -> None:
        """The channel has room again."""
        self.paint()

    def resized(self) -> None:
        """What is printed stays."""

    def close(self) -> bool:
        """What comes next begins on a line of its own."""
        self._channel.write((self._output + "\r\n").encode())
        return True

    # What is typed

    def _echo(self, text: str) -> None:
        self._output += text
        if len(self._output) > OUTPUT_LIMIT:
            self._list(self._listed or ())

    def _erase(self, kept: str) -> None:
        erased, self._line = self._line[len(kept) :], kept
        self._echo(_ERASED * cells(erased))

    def _enter(self) -> Outcome:
        typed, self._line = self._line.strip(), ""
        if self._remark:
            self._remark = ""
            self._list(self._entries)
            return None
        if not typed and self._visited is not None:
            return self._still_there(self._visited)
        if not typed or typed == "?":
            self._list(self._entries)
            return None
        self._visited = None
        if typed.startswith(":"):
            word, _, rest = typed[1:].partition(" ")
            return _COMMANDS.get(word, PlainView._help)(self, rest.strip())
        return self._named(typed)

    def _named(self, typed: str) -> Outcome:
        if typed.isdecimal() and 0 < int(typed) <= len(self._listed or ()):
            return self._numbered(typed)
        exact = [e for e in self._entries if e.is_named(typed.casefold())]
        found = exact or matching(self._entries, typed)
        if len(found) == 1:
            return found[0]
        self._list(found or self._entries, *([] if found else [f"no console matches {typed}"]))
        return None

    def _numbered(self, typed: str) -> Row | None:
        """The console that had this number, if it is still there."""
        if not (typed.isdecimal() and 0 < int(typed) <= len(self._listed or ())):
            self._say(f"no number {shorten(typed, NAME_COLUMNS)} in the last list")
            return None
        assert self._listed is not None
        return self._still_there(self._listed[int(typed) - 1])

    def _still_there(self, meant: Row) -> Row | None:
        for each in self._choice.rows:
            if each.key == meant.key:
                return each
        self._visited = None
        self._list(self._entries, f"{meant.name} is gone")
        return None

    # Commands

    def _help(self, _rest: str) -> Outcome:
        self._say(*_HELP)
        return None

    def _favour(self, rest: str) -> Outcome:
        row = self._numbered(rest)
        if row is not None:
            why_not = self._source.favour(row)
            self.refresh()
            is_one = row.key in self._source.favourites()
            self._say(why_not or f"{row.name} is {'now' if is_one else 'no longer'} a favourite")
        return None

    def _section(self, rest: str) -> Outcome:
        sections = self._source.sections()
        titles = [ALL, *(s.title for s in sections if s.pick())]
        found = [title for title in titles if title.casefold().startswith(rest.casefold())]
        if rest and found:
            self._choice.look_at(found[0])
            self._list(self._entries, found[0])
        else:
            self._say("lists: " + ", ".join(titles))
        return None

    def _sort(self, rest: str) -> Outcome:
        if rest not in [each.value for each in Order]:
            self._say("orders: " + ", ".join(each.value for each in Order))
            return None
        if self._choice.order.value == rest:
            self._choice.reverse()
        self._choice.sort_by(Order(rest))
        self._list(self._entries)
        return None

    def _preview(self, rest: str) -> Outcome:
        row = self._numbered(rest)
        if row is not None:
            preview = self._source.preview(row, PREVIEW_LINES)
            lines = (preview.title, *preview.lines[-PREVIEW_LINES:])
            self._say(*(clip(line, self._width()) for line in lines))
        return None

    def _refused(self, _rest: str) -> Outcome:
        lines = self._source.refusals() or ("nothing is refused now",)
        self._say(*(clip(line, self._width()) for line in lines[:LIST_LIMIT]))
        return None

    def _watch(self, rest: str) -> Outcome:
        rows = self._several(rest)
        return Watch(rows) if rows else None

    def _broadcast(self, rest: str) -> Outcome:
        which, equals, text = rest.partition("=")
        if not equals or not text.strip():
            self._say("a text is missing, `:b 1,2 = reboot` types it with a CR")
            return None
        rows = self._several(which.strip())
        return Broadcast(rows, text.strip()) if rows else None

    def _several(self, typed: str) -> Sequence[Row]:
        """Consoles by their numbers, or by words that they match."""
        numbers = typed.replace(",", " ").split()
        if numbers and all(number.isdecimal() for number in numbers):
            found = [self._numbered(number) for number in numbers]
            return [] if None in found else [row for row in found if row is not None]
        rows = matching(self._entries, typed) if typed else ()
        if not rows:
            self._say(f"no console matches {typed}")
        return rows

    # What is printed

    def _say(self, *lines: str) -> None:
        self._print([*lines, self._prompt() + self._line])

    def _list(self, entries: Sequence[Row], *remarks: str) -> None:
        self._listed = entries[:LIST_LIMIT]
        lines = [*remarks, *self._numbered_lines(self._listed)]
        more = len(entries) - len(self._listed)
        if more:
            lines.append(f"and {more} more: type a part of the name")
        self._print([*lines, self._prompt() + self._line])

    def _print(self, lines: Sequence[str]) -> None:
        text = "\r\n".join(["", *lines])
        if len(self._output) + len(text) > OUTPUT_LIMIT:
            self._output = ""
        self._output += text

    def _prompt(self) -> str:
        if self._visited is None or self._remark:
            return f"{_PROMPT}: "
        return f"{_PROMPT} [{shorten(self._visited.name, NAME_COLUMNS)}]: "

    def _width(self) -> int:
        terminal = self._channel.terminal
        return min(_COLUMNS, terminal.columns if terminal else _COLUMNS)

    def _numbered_lines(self, entries: Sequence[Row]) -> list[str]:
        if not entries:
            return [*self._source.why_empty(), "Ctrl-D leaves"]
        digits, columns, now = len(str(len(entries))), self._width(), self._source.now()
        layout = lay_out(measure(entries), max(1, columns - digits - len("  ")))
        shared = shared_names(entries)
        return [
            clip(
                f"{pad(str(number), digits, right=True)}  {row_text(layout, each, now, shared)}",
                columns,
            )
            for number, each in enumerate(entries, 1)
        ]


_COMMANDS: dict[str, Callable[[PlainView, str], Outcome]] = {
    "f": PlainView._favour,
    "l": PlainView._section,
    "o": PlainView._sort,
    "p": PlainView._preview,
    "w": PlainView._watch,
    "b": PlainView._broadcast,
    "x": PlainView._refused,
}
