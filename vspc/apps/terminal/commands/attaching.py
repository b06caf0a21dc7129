"""Leaving the console, for good or for a while, and the escape key."""

from vspc.apps.terminal.command import EscapeCommand, OperatorTerminal
from vspc.apps.terminal.prompt import ask_key
from vspc.console.ports import SuspendableChannel


def _ask_escape(terminal: OperatorTerminal) -> None:
    ask_key(terminal, "type the new escape key, a control key", lambda key: _change(terminal, key))


def _change(terminal: OperatorTerminal, key: bytes) -> None:
    if terminal.keys.change_escape(key):
        terminal.screen.line("escape key changed" + terminal.keys_for("?", ": {} for help"))
        return
    example = terminal.keys_for("?", ", as in {}")
    terminal.screen.line(
        f"escape key not changed{example}: it must be a control key, and not one that Enter or "
        "the arrow keys send"
    )


def _suspend(terminal: OperatorTerminal) -> None:
    channel = terminal.call.channel
    if isinstance(channel, SuspendableChannel):
        channel.suspend()
    else:
        terminal.screen.line("suspending works on the server itself; for the ssh client: Enter ~^Z")


COMMANDS = (
    EscapeCommand(".", "leave", lambda terminal: terminal.leave()),
    EscapeCommand(
        ";",
        "to the chooser",
        lambda terminal: terminal.choose(),
        offered=lambda terminal: terminal.call.choose is not None,
    ),
    EscapeCommand(
        "z",
        "suspend",
        _suspend,
        offered=lambda terminal: isinstance(terminal.call.channel, SuspendableChannel),
    ),
    EscapeCommand("e", "another escape key", _ask_escape),
)
