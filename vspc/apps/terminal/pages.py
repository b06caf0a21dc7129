"""Lines that an escape command shows, a window of them at a time."""

from collections.abc import Sequence

from vspc.apps.terminal.command import OperatorTerminal
from vspc.apps.terminal.prompt import ask_key

MOST_LINES = 1000
"""Lines that are shown in all."""

_ENDS = (b"q", b"\x03", b"\x1b", b".")


def show_lines(terminal: OperatorTerminal, lines: Sequence[str]) -> None:
    """Show `lines`; where the window has too few rows, wait for a key after each page."""
    shown = list(lines[:MOST_LINES])
    if len(lines) > MOST_LINES:
        shown.append(f"... {len(lines) - MOST_LINES} more")
    _show_page(terminal, shown)


def _show_page(terminal: OperatorTerminal, lines: Sequence[str]) -> None:
    window = terminal.call.channel.terminal
    rows = 24 if window is None else window.rows
    room = max(1, rows - 2)
    if len(lines) <= room + 1:
        terminal.screen.lines(*lines)
        return
    terminal.screen.lines(*lines[:room])
    rest = lines[room:]

    def got(key: bytes) -> None:
        if key not in _ENDS:
            _show_page(terminal, rest)

    ask_key(terminal, f"{len(rest)} more lines: any key goes on, q ends", got)
