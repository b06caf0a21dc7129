"""BREAK."""

from vspc.apps.terminal.command import EscapeCommand

COMMANDS = (
    EscapeCommand("l0", "send a BREAK", lambda terminal: terminal.send_break(), right="break"),
)
