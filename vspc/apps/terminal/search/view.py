"""The search of a console's log on its operator's terminal: on a screen of its own, or line by line
on a terminal without a cursor. Output of the VM waits meanwhile, and its amount is told.
"""

from functools import partial

from attrs import define, field

from vspc.apps.following import Memory
from vspc.apps.keyboard import PACKET, Key, Keyboard, Pressed
from vspc.apps.terminal.command import OperatorTerminal
from vspc.apps.terminal.input import InputMode
from vspc.apps.terminal.prompt import ask_line
from vspc.apps.terminal.search.frame import frame, plain_lines, status_line
from vspc.apps.terminal.search.lines import Direction, Find, SearchAnswer, SearchQuestion, Show
from vspc.apps.terminal.search.model import SEARCHING, SearchModel
from vspc.apps.verbs.limits import WorkPoolFull
from vspc.apps.verbs.stream_search import LONGEST
from vspc.common.clock import Timer, cancel
from vspc.console.attachment import Attachment
from vspc.console.console import Console
from vspc.console.history import SMALLEST, Budget, History
from vspc.net.waiting import RunningCoroutine, sleep

REDRAWN = 0.5
"""Seconds between two looks at how much has come meanwhile."""

COMMANDS = 64
"""Keys of one packet that move, at most: each asks the log (law 11)."""

CONTEXT = 2
"""Lines around a match that a terminal without a cursor is shown."""

_SCROLLED = {Key.UP: -1, Key.DOWN: 1, "k": -1, "j": 1}
_PAGED = {Key.PAGE_UP: -1, Key.PAGE_DOWN: 1, "b": -1, " ": 1}


@define(eq=False)
class Meanwhile:
    """How much a console has said since, and what else there is to tell, which is not shown yet."""

    _attachment: Attachment
    _counted: int = field(init=False)
    _lines: int = field(default=0, init=False)
    _is_more: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self._counted = self._attachment.console.history.end

    def look(self) -> None:
        """Count what is new."""
        history = self._attachment.console.history
        self._is_more = self._is_more or self._counted < history.start
        start = max(self._counted, history.start)
        self._lines += history.read(start, history.end - start).count(b"\n")
        self._counted = history.end

    @property
    def text(self) -> str:
        """`12 new lines`, empty if there is nothing new; with the newest notice."""
        cursor = self._attachment.cursor
        new, notice = self._counted - cursor.offset, cursor.newest_notice
        count = f"{new} new bytes" if new > 0 else ""
        if self._lines and new > 0:
            count = f"{self._lines} new line{'' if self._lines == 1 else 's'}"
            count = f"over {count}" if self._is_more else count
        return "  ".join(filter(None, (count, f"[{notice}]" if notice else "")))


class SearchMode(InputMode):
    """Keys are for the search until Enter, q or Control-C."""

    holds_output = True

    def __init__(self, terminal: OperatorTerminal, text: str = "") -> None:
        self._terminal = terminal
        self._model = SearchModel(terminal.attachment.cursor.offset)
        self._meanwhile = Meanwhile(terminal.attachment)
        clock = terminal.call.context.clock
        self._keyboard = Keyboard(clock, self._late)
        self._timer = Timer(clock)
        self._looking: RunningCoroutine | None = None
        self._text = text
        self._has_times = False
        self._printed: tuple[object, str] = ((), "")  # on a terminal without a cursor
        self._is_dirty = self._is_over = False

    def begin(self) -> None:
        """Search, or show the last lines and ask what to search for."""
        self._terminal.screen.cover()
        self._look(self._model.search(self._text) if self._text else self._model.tail())
        self._draw()

    # `InputMode`

    def keys(self, data: bytes) -> bytes:
        """What is typed behind the key that leaves is dropped: it was not meant for the VM."""
        self._pressed(self._keyboard.feed(data[:PACKET]))
        return b""

    def resized(self) -> None:
        self._look(self._model.again())
        self._draw()

    def changed(self) -> None:
        if self._is_dirty:
            self._draw()
        if self._timer.left is None and not self._is_over:
            self._timer.start(REDRAWN, self._count)

    def close(self) -> None:
        self._is_over = True
        self._keyboard.close()
        self._timer.stop()
        cancel(self._looking)
        self._terminal.screen.uncover()
        self._record()

    def _record(self) -> None:
        """What was seen of the log, for the audit file."""
        seen = self._model.seen
        if seen is not None:
            first, end = seen
            self._terminal.call.record(
                "log-read",
                self._terminal.console,
                verb="console",
                offset=first,
                end=end,
                bytes=end - first,
                follow=False,
                result="ok",
                detail="search",
            )

    def _count(self) -> None:
        self._meanwhile.look()
        if self._has_cursor:
            self._draw_status()

    def _draw_status(self) -> None:
        if self._terminal.call.channel.room() and self._size[1] > 1:
            self._terminal.screen.draw(status_line(self._status, self._size))

    # Keys

    def _late(self, keys: list[Pressed]) -> None:
        self._pressed(keys)

    def _pressed(self, keys: list[Pressed]) -> None:
        left = COMMANDS
        for key in keys:
            if self._is_over:
                return
            if self._model.typed is None:
                if not left:
                    break
                left -= 1
                self._command(key)
            else:
                self._edit(key, self._model.typed)
        if keys and not self._is_over:
            self._draw()

    def _command(self, key: Pressed) -> None:
        model = self._model
        match key:
            case Key.ENTER | Key.CTRL_C | Key.CTRL_D | "q":
                self._leave()
            case "n" | Key.CTRL_N:
                self._look(model.move(Direction.LATER))
            case "p" | "N" | Key.CTRL_P:
                self._look(model.move(Direction.EARLIER))
            case "/" if self._has_cursor:
                model.typed = ""
            case "/":
                search(self._terminal)
            case _ if key in _SCROLLED:
                self._look(model.scroll(_SCROLLED[key]))
            case _ if key in _PAGED:
                self._look(model.scroll(_PAGED[key] * max(1, self._rows - 1)))

    def _edit(self, key: Pressed, typed: str) -> None:
        model = self._model
        match key:
            case Key.ENTER:
                if not typed and not model.text:
                    self._leave()
                else:
                    self._look(model.search(typed))
            case Key.CTRL_C | Key.CTRL_D | Key.ESCAPE:
                model.typed = None
                if not model.text:
                    self._leave()
            case Key.BACKSPACE:
                model.typed = typed[:-1]
            case Key.CTRL_U:
                model.typed = ""
            case str() if len(typed) < LONGEST:
                model.typed = typed + key

    def _leave(self) -> None:
        self._is_over = True
        self._terminal.show_meanwhile()
        self._terminal.leave_mode()

    # The log

    def _look(self, request: Find | Show | None) -> None:
        """Ask for that instead of what was asked for before."""
        if request is not None:
            cancel(self._looking)
            self._looking = RunningCoroutine(self._ask(request))

    async def _ask(self, request: Find | Show) -> None:
        call, console = self._terminal.call, self._terminal.console
        asked: Find | Show | None = request
        while asked is not None and not self._is_over:
            answer = await self._answer(asked)
            if not call.may_read(console):
                self._leave()
                return
            asked = self._model.took(asked, answer)
            self._draw()
            await sleep(call.context.clock, 0)

    async def _answer(self, request: Find | Show) -> SearchAnswer | None:
        """From the log; from memory where there is none, or where it cannot be read."""
        call, console = self._terminal.call, self._terminal.console
        question = SearchQuestion(request, self._rows, self._before, call.earliest(console))
        logs = call.context.logs
        if logs is not None and logs.keeps(console.id):
            found = await logs.query(console.id, question.answer)
            if found is not None:
                self._has_times = True
                return found
        self._has_times = False
        memory = snapshot(console)
        pattern = request.pattern
        steps = 1 if pattern is None else pattern.pattern.programsize
        cost = (memory.end - memory.start) * steps
        try:
            return await call.context.work_pool.do(cost, partial(question.answer, memory))
        except WorkPoolFull:
            return None

    # What is shown

    @property
    def _has_cursor(self) -> bool:
        return self._terminal.screen.has_cursor

    @property
    def _size(self) -> tuple[int, int]:
        window = self._terminal.call.channel.terminal
        return (80, 24) if window is None else (window.columns, window.rows)

    @property
    def _rows(self) -> int:
        return max(1, self._size[1] - 1) if self._has_cursor else 2 * CONTEXT + 1

    @property
    def _before(self) -> int:
        return self._rows // 2

    @property
    def _status(self) -> str:
        line = self._model.found_line
        has_time = line is not None and self._has_times
        time = self._terminal.times.whole(line.at) if line is not None and has_time else ""
        return self._model.status(self._meanwhile.text, time, self._size[0])

    def _draw(self) -> None:
        channel, model = self._terminal.call.channel, self._model
        self._is_dirty = not channel.room()
        if self._is_over or self._is_dirty:
            return
        self._meanwhile.look()
        if self._has_cursor:
            whole = frame(model.lines, model.found, self._status, self._size)
            self._terminal.screen.draw(whole)
            return
        state = (model.lines, model.problem or model.note)
        if state != self._printed and model.note != SEARCHING:
            found = plain_lines(model.lines, model.found, self._size[0])
            is_new = model.lines != self._printed[0]
            self._terminal.screen.lines(*(found if is_new else ()), f"[{self._status}]")
            self._printed = state


def snapshot(console: Console) -> Memory:
    """What memory has of `console` now, for another thread."""
    history = console.history
    data = history.read(history.start, history.end - history.start)
    copy = History(Budget(), 1 << max(SMALLEST.bit_length(), len(data).bit_length()))
    copy.restore(history.start, data)
    return Memory(copy, console.link.last_output or 0.0)


def search(terminal: OperatorTerminal) -> None:
    """Ask what to search for, and show what is found."""
    if terminal.screen.has_cursor:
        mode = SearchMode(terminal)
        terminal.enter(mode)
        mode.begin()
    else:
        ask_line(terminal, "search for", lambda text: _search_lines(terminal, text))


def _search_lines(terminal: OperatorTerminal, text: str) -> None:
    if text:
        mode = SearchMode(terminal, text)
        terminal.enter(mode)
        mode.begin()
