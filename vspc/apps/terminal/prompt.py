"""What an escape command asks the operator for, in the middle of a console: a line, or one key.

Output of the VM waits meanwhile, `PATIENCE` at most: then, or with Control-C, nothing was answered.
"""

import re
from collections.abc import Callable

from vspc.apps.keyboard import PACKET, Key, Keyboard, Pressed
from vspc.apps.terminal.command import OperatorTerminal
from vspc.apps.terminal.input import InputMode
from vspc.common.clock import Timer
from vspc.common.columns import cells, ending

PATIENCE = 60.0
"""Seconds without a key after which a prompt is given up."""

LINE_LIMIT = 500
"""Characters of a line; what is typed beyond them is not taken."""

LEAST_ROOM = 15
"""Columns for the text beside a prompt; with fewer the prompt is a line of its own."""

_LAST_WORD = re.compile(r"\S*\s*$")
_ENDS = re.compile(rb"[\r\n\x03\x04]")


def ask_key(terminal: OperatorTerminal, prompt: str, got: Callable[[bytes], None]) -> None:
    """Ask for one key: `got` has its byte, or the whole sequence that an arrow key sends."""
    terminal.screen.line(prompt)
    terminal.enter(KeyPrompt(terminal, got))


def ask_line(terminal: OperatorTerminal, prompt: str, got: Callable[[str], None]) -> None:
    """Ask for a line of text, which may be empty. `got` is not called if the prompt is given up."""
    mode = LinePrompt(terminal, prompt, got)
    terminal.enter(mode)
    mode.begin()


class KeyPrompt(InputMode):
    """Waits for a key."""

    holds_output = True

    def __init__(self, terminal: OperatorTerminal, got: Callable[[bytes], None]) -> None:
        self._terminal = terminal
        self._got = got
        self._timer = Timer(terminal.call.context.clock)
        self._timer.start(PATIENCE, self._give_up)

    def keys(self, data: bytes) -> bytes:
        key = data if data[:1] == b"\x1b" else data[:1]
        self._terminal.leave_mode()
        self._got(key)
        return data[len(key) :]

    def _give_up(self) -> None:
        self._terminal.leave_mode()
        self._terminal.screen.line("no key was typed")

    def close(self) -> None:
        self._timer.stop()


class LinePrompt(InputMode):
    """Edits a line: Backspace, Control-U, Control-W, Enter; Control-C and Control-D give up. Of a
    packet `PACKET` bytes are keys.
    """

    holds_output = True

    def __init__(self, terminal: OperatorTerminal, prompt: str, got: Callable[[str], None]) -> None:
        self._terminal = terminal
        self._prompt = prompt
        self._got = got
        self._text = self._shown = ""
        self._timer = Timer(terminal.call.context.clock)
        self._keyboard = Keyboard(terminal.call.context.clock, self._late)

    def begin(self) -> None:
        """Show it."""
        if not self._is_beside:
            self._terminal.screen.line(self._prompt)
        self._terminal.screen.begin_prompt()
        self._draw()

    def keys(self, data: bytes) -> bytes:
        while data and self._terminal.keys.mode is self:
            end = _ENDS.search(data)
            size = len(data) if end is None else end.end()
            self._pressed(self._keyboard.feed(data[: min(size, PACKET)]))
            data = data[size:]
        return data

    def resized(self) -> None:
        self._draw()

    def close(self) -> None:
        self._keyboard.close()
        self._timer.stop()
        self._terminal.screen.end_prompt()

    def _late(self, keys: list[Pressed]) -> None:
        self._pressed(keys)

    def _pressed(self, keys: list[Pressed]) -> None:
        for key in keys:
            match key:
                case Key.ENTER:
                    self._draw()
                    self._terminal.leave_mode()
                    self._got(self._text.strip())
                    return
                case Key.CTRL_C | Key.CTRL_D | Key.ESCAPE:
                    self._give_up()
                    return
                case Key.BACKSPACE:
                    self._text = self._text[:-1]
                case Key.CTRL_U:
                    self._text = ""
                case Key.CTRL_W:
                    self._text = _LAST_WORD.sub("", self._text)
                case str() if len(self._text) < LINE_LIMIT:
                    self._text += key
        self._draw()

    def _give_up(self) -> None:
        self._terminal.leave_mode()
        self._terminal.screen.line("cancelled")

    @property
    def _columns(self) -> int:
        terminal = self._terminal.call.channel.terminal
        return 0 if terminal is None else terminal.columns

    @property
    def _is_beside(self) -> bool:
        """Whether the prompt stands in front of the text."""
        return cells(self._prompt) + LEAST_ROOM < self._columns

    def _draw(self) -> None:
        """The prompt, and the end of the text where not all of it fits."""
        self._timer.start(PATIENCE, self._give_up)
        line = f"{self._prompt}: " if self._is_beside else ": "
        line += ending(self._text, max(1, self._columns - 1 - cells(line)))
        self._terminal.screen.draw_prompt(line, self._shown)
        self._shown = line
