"""All escape commands, and the help that lists them."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from vspc.apps.terminal.command import EscapeCommand, OperatorTerminal
from vspc.apps.terminal.commands import answering, attaching, breaks, messages, pen, reports, typing
from vspc.apps.terminal.pages import show_lines
from vspc.common.columns import cells, pad

GAP = 2
"""Columns between those of the help."""

MOST_COLUMNS = 3


def _help(terminal: OperatorTerminal) -> None:
    window = terminal.call.channel.terminal
    show_lines(terminal, help_lines(terminal, 80 if window is None else window.columns))


def help_lines(terminal: OperatorTerminal, width: int) -> list[str]:
    """What may be typed on `terminal`, in lines of at most `width` columns."""
    key = terminal.keys.escape_key
    offered = [each for each in ALL if each.is_offered(terminal)]
    entries = [
        (keys, each.text(terminal))
        for each in offered
        if (keys := terminal.keys.keys_of(each.keys))
    ]
    entries.append((key * 2, f"one {key} for the VM"))
    widest = max(cells(keys) for keys, _help in entries)
    return _in_columns([f"{pad(keys, widest)} {text}" for keys, text in entries], width)


def _in_columns(texts: Sequence[str], width: int) -> list[str]:
    """Column by column, as many as fit; a text that fits nowhere is a line of its own."""
    for count in range(MOST_COLUMNS, 1, -1):
        rows = -(-len(texts) // count)
        columns = [texts[at : at + rows] for at in range(0, len(texts), rows)]
        widths = [max(map(cells, column)) for column in columns]
        if sum(widths) + GAP * (len(columns) - 1) < width:
            lines = [
                [column[row] for column in columns if row < len(column)] for row in range(rows)
            ]
            return [
                (" " * GAP)
                .join(pad(text, size) for text, size in zip(line, widths, strict=False))
                .rstrip()
                for line in lines
            ]
    return list(texts)


HELP = EscapeCommand("?", "this help", _help)

ALL = (
    *attaching.COMMANDS[:1],
    HELP,
    *pen.COMMANDS[:2],
    *answering.COMMANDS,
    *pen.COMMANDS[2:],
    *reports.COMMANDS,
    *messages.COMMANDS,
    *typing.COMMANDS,
    *breaks.COMMANDS,
    *attaching.COMMANDS[1:],
)
"""In the order of the help."""

COMMANDS: Mapping[str, EscapeCommand] = MappingProxyType({each.keys: each for each in ALL})

PREFIXES = "".join(sorted({each.keys[0] for each in ALL if len(each.keys) > 1})).encode()
"""Characters that one more belongs to."""
