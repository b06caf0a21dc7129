"""The pen: ask for it, take it, lay it down."""

from vspc.apps.terminal.command import EscapeCommand, OperatorTerminal


def _take(terminal: OperatorTerminal, force: bool = False) -> None:
    terminal.attachment.reads_only = False
    terminal.report_pen(terminal.attachment.take_pen(force))


def _only_read(terminal: OperatorTerminal) -> None:
    terminal.attachment.reads_only = True
    if terminal.attachment.has_pen:
        terminal.console.pen.lay_down()
    terminal.screen.line("you only read now" + terminal.keys_for("a", "; {} asks for the pen"))


COMMANDS = (
    EscapeCommand("a", "ask for the pen", _take, right="write"),
    EscapeCommand("f", "take the pen", lambda terminal: _take(terminal, force=True), right="force"),
    EscapeCommand("s", "only read", _only_read, right="write"),
)
