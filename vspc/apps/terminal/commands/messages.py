"""Text for people: a message to the others on the console, a note in its log."""

from collections.abc import Callable

from vspc.apps.terminal.command import EscapeCommand, OperatorTerminal
from vspc.apps.terminal.prompt import ask_line
from vspc.apps.verbs.context import Call, VerbExit
from vspc.apps.verbs.msg import send_message
from vspc.apps.verbs.note import add_note
from vspc.console.console import Console


def _asks(prompt: str, deliver: Callable[[Call, Console, str], None]) -> Callable[..., None]:
    def run(terminal: OperatorTerminal) -> None:
        def got(text: str) -> None:
            if not text:
                terminal.screen.line("cancelled")
                return
            try:
                deliver(terminal.call, terminal.console, text)
            except VerbExit as end:
                terminal.screen.lines(*(f"[{line}]" for line in end.lines))

        ask_line(terminal, prompt, got)

    return run


COMMANDS = (
    EscapeCommand("b", "message to the others", _asks("message", send_message)),
    EscapeCommand("n", "note into the log", _asks("note", add_note), right="write"),
)
