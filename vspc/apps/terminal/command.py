"""Escape commands: what one is, and what it may use of the terminal on which it was typed.

Each family has a module in `vspc.apps.terminal.commands`, with `COMMANDS` at its foot. The help of
a terminal, and the table in docs/operators.md, are made of them.
"""

from collections.abc import Callable
from typing import Protocol

from attrs import Factory, frozen

from vspc.apps.terminal.input import InputMode, TerminalInput
from vspc.apps.terminal.screen import Screen
from vspc.apps.terminal.times import LineTimes
from vspc.apps.verbs.context import Call
from vspc.console.attachment import Attachment, Refusal
from vspc.console.console import Console


class OperatorTerminal(Protocol):
    """One operator's terminal on one console, as escape commands use it."""

    @property
    def call(self) -> Call:
        """The call that attached it: context, session, channel, rights."""

    @property
    def console(self) -> Console:
        """The console."""

    @property
    def attachment(self) -> Attachment:
        """The operator's place on it."""

    @property
    def screen(self) -> Screen:
        """Notices and plain lines are written here, never to the channel."""

    @property
    def times(self) -> LineTimes:
        """The times of lines, and the time zone of the operator."""

    @property
    def keys(self) -> TerminalInput:
        """The escape key, and the mode of the keys."""

    def keys_for(self, command: str, text: str) -> str:
        """`text` with the keys of an escape command in it; empty without an escape key."""

    def commanded(self, keys: str) -> None:
        """Run the escape command of that name."""

    def type(self, data: bytes) -> None:
        """Type `data` at the VM, as if the operator had."""

    def send_break(self) -> None:
        """One BREAK, behind what was typed, and say what becomes of it."""

    def record_refusal(self, refusal: Refusal) -> None:
        """What the operator has tried was refused: for the audit file, each kind once."""

    def report_pen(self, refusal: Refusal | None) -> None:
        """Say that the operator has the pen, or why not and what to do."""

    def replay(self, lines: int) -> None:
        """Show the last `lines` lines of output before what comes next."""

    def enter(self, mode: InputMode) -> None:
        """What is typed goes to `mode` from now on, until it says `leave_mode`. Where it
        `holds_output`, output of the VM and notices wait meanwhile.
        """

    def leave_mode(self) -> None:
        """What is typed goes to the VM again; what waited is shown."""

    def show_meanwhile(self) -> None:
        """Something was in front of the VM's output: `leave_mode` shows what came, after this."""

    def leave(self) -> None:
        """Leave the console."""

    def choose(self) -> None:
        """Leave it for the chooser, from which one comes back to the same place of the output."""


@frozen(eq=False)
class EscapeCommand:
    """`keys` follow `^Ec`: one character, or two where the first one is a prefix (`l0`).

    `help` is a few words, and `text` gives those for one terminal. Without the right `right` on the
    console it is not listed; `run` says why it does not work. `offered` may hide it for another
    reason.
    """

    keys: str
    help: str
    run: Callable[[OperatorTerminal], None]
    right: str = ""
    offered: Callable[[OperatorTerminal], bool] = lambda _terminal: True
    text: Callable[[OperatorTerminal], str] = Factory(
        lambda command: lambda _terminal: command.help, takes_self=True
    )

    def is_offered(self, terminal: OperatorTerminal) -> bool:
        """Whether help lists it."""
        has_right = not self.right or self.right in terminal.attachment.rights
        return has_right and self.offered(terminal)
