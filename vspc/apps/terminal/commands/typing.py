"""Typing for the operator: the size of the window, and a paste at a pace."""

import re

from vspc.apps.terminal.command import EscapeCommand, OperatorTerminal
from vspc.apps.terminal.input import InputMode
from vspc.apps.terminal.prompt import ask_line
from vspc.apps.terminal.running import run_typing
from vspc.apps.typing.paste import LIMIT, MAX_CPS, Paste, pasted
from vspc.apps.typing.task import TypingStopped, TypingTask
from vspc.common.clock import Timer
from vspc.common.values import written_size

PATIENCE = 60.0
"""Seconds in which more of a paste has to come."""

_BEGINS, _ENDS = b"\x1b[200~", b"\x1b[201~"
_INTERRUPT = b"\x03"
_LAST = re.compile(rb"[\x03\x04]")


def _type_size(terminal: OperatorTerminal) -> None:
    window = terminal.call.channel.terminal
    if window is not None:
        terminal.type(f"stty rows {window.rows} cols {window.columns}\r".encode())


def _ask_pace(terminal: OperatorTerminal) -> None:
    if (refusal := terminal.attachment.may_type()) is not None:
        terminal.report_pen(refusal)
        return
    ask_line(
        terminal,
        "characters a second (Enter: verify each line by its echo)",
        lambda text: _asked(terminal, text),
    )


def _asked(terminal: OperatorTerminal, text: str) -> None:
    if text in ("", "verify"):
        _collect(terminal, None)
    elif text.isascii() and text.isdigit() and 0 < int(text[:9]) <= MAX_CPS:
        _collect(terminal, int(text))
    else:
        terminal.screen.line(f"1 to {MAX_CPS} characters a second are allowed; nothing is pasted")


def _collect(terminal: OperatorTerminal, cps: int | None) -> None:
    terminal.screen.line("paste now; Control-D ends what is typed by hand, Control-C cancels")
    mode = PasteMode(terminal, cps)
    terminal.enter(mode)


class PasteMode(InputMode):
    """Collects a bracketed paste, or, from a terminal without those, all up to Control-D."""

    holds_output = True

    def __init__(self, terminal: OperatorTerminal, cps: int | None) -> None:
        self._terminal = terminal
        self._cps = cps
        self._text = bytearray()
        self._is_bracketed = False
        self._is_over_limit = False
        self._timer = Timer(terminal.call.context.clock)
        self._timer.start(PATIENCE, lambda: self._give_up("nothing came"))
        terminal.screen.bracket_pastes(True)

    def close(self) -> None:
        self._timer.stop()
        self._terminal.screen.bracket_pastes(False)

    def keys(self, data: bytes) -> bytes:
        self._timer.start(PATIENCE, lambda: self._give_up("the rest did not come"))
        if not self._is_bracketed and data.startswith(_BEGINS):
            self._is_bracketed = True
            data = data[len(_BEGINS) :]
        if self._is_bracketed:
            return self._take_bracketed(data)
        return self._take_typed(data)

    def _take_bracketed(self, data: bytes) -> bytes:
        """Up to its end mark, which may come in pieces."""
        start = max(0, len(self._text) - len(_ENDS) + 1)
        self._text += data
        end = self._text.find(_ENDS, start)
        if end < 0:
            self._limit()
            return b""
        rest = bytes(self._text[end + len(_ENDS) :])
        del self._text[end:]
        self._limit()
        self._finish()
        return rest

    def _take_typed(self, data: bytes) -> bytes:
        last = _LAST.search(data)
        if last is not None and last[0] == _INTERRUPT:
            self._give_up("cancelled")
            return data[last.end() :]
        self._text += data if last is None else data[: last.start()]
        self._limit()
        if last is None:
            return b""
        self._finish()
        return data[last.end() :]

    def _limit(self) -> None:
        """Of what is too long only the end is kept, where the end mark may begin."""
        if self._is_over_limit or len(self._text) > LIMIT:
            self._is_over_limit = True
            del self._text[: -len(_ENDS)]

    def _give_up(self, why: str) -> None:
        self._terminal.leave_mode()
        self._terminal.screen.line(f"{why}: nothing is pasted")

    def _finish(self) -> None:
        text = pasted(bytes(self._text))
        if self._is_over_limit:
            self._give_up(f"over {written_size(LIMIT)}")
        elif not text:
            self._give_up("empty")
        else:
            self._terminal.leave_mode()
            _start(self._terminal, text, self._cps)


def _start(terminal: OperatorTerminal, text: bytes, cps: int | None) -> None:
    paste = Paste(terminal.console.history, text)

    async def work(task: TypingTask) -> str:
        try:
            await paste.type(task, cps)
        except TypingStopped as stopped:
            why = f"paste stopped ({paste.progress}): {stopped.why}"
            raise TypingStopped(why, stopped.status, stopped.refusal) from None
        return f"pasted {paste.progress}"

    run_typing(terminal, "paste", work, lambda: paste.progress)


COMMANDS = (
    EscapeCommand("W", "type stty rows, cols", _type_size, right="write"),
    EscapeCommand("P", "paste slowly", _ask_pace, right="write"),
)
