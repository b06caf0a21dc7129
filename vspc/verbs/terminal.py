"""A console on an operator's terminal: banner, replay, notices, and the `^Ec` escapes."""

from collections.abc import Callable

from vspc.console.attachment import Refusal
from vspc.console.console import Console
from vspc.console.ports import Cancellable
from vspc.text import safe_output
from vspc.verbs.bridge import Bridge
from vspc.verbs.call import DONE, Call
from vspc.verbs.describe import banner, cautions, details
from vspc.verbs.escapes import PATIENCE, Command, Escapes, Keys
from vspc.verbs.replay import replay
from vspc.verbs.who import presences

REPLAY_LINES = 20
"""Lines that a terminal is shown of what was said before it came."""

REPLAY_LONG = 60
"""Lines that `^Ecp` shows."""

REPLAY_MOST = 1000
"""Lines that `^EcR` shows."""

_HELP = """\
^Ec.  leave            ^Ec?  this help          ^E^E  one ^E to the VM
^Eca  ask for the pen  ^Ecf  take the pen       ^Ecs  only read
^Ecw  who is here      ^Eci  about the console  ^Ecl0 send a BREAK
^Ecr  replay 20 lines  ^Ecp  replay 60 lines    ^EcR  replay 1000 lines"""


class TerminalBridge(Bridge):
    """One operator's terminal on one console."""

    def __init__(
        self,
        call: Call,
        console: Console,
        replay: int = REPLAY_LINES,
        read_only: bool = False,
        escapes: bool = True,
        left: Callable[[str], None] | None = None,
    ) -> None:
        """`left` is called instead of ending the channel: the chooser takes it back, and hears why,
        unless the operator wanted it.
        """
        super().__init__(call, console, console.history.end, read_only)
        self._replay_first = replay
        self._escapes = Escapes() if escapes else None
        self._left = left
        self._said = ""  # the last notice
        self._patience: Cancellable | None = None
        self._replaying: Cancellable | None = None
        self._at_margin = True  # whether the terminal's cursor is in the first column

    def begin(self) -> None:
        """Banner, replay, then what is said from now on."""
        self._line(banner(self.console, self.call.world.clock.wall(), self.attachment))
        for caution in cautions(self.call.world, self.console):
            self._line(caution)
        self._replay(self._replay_first)
        super().begin()

    # Showing

    def show(self, data: bytes) -> None:
        self._at_margin = data.endswith(b"\n")
        self.channel.write(data)

    def _line(self, text: str) -> None:
        """A line of ours, in brackets so that nobody takes it for the VM's."""
        start = "" if self._at_margin else "\r\n"
        self.channel.write(f"{start}[{text}]\r\n".encode())
        self._at_margin = True

    def notice(self, text: str) -> None:
        self._said = text
        self._line(text)

    def lost(self, start: int, end: int) -> None:
        self._line(f"lost {end - start} bytes, offsets {start} to {end}: you read too slowly")

    def _replay(self, lines: int) -> None:
        if not self.channel.room() or not lines or self.behind:
            return
        self.behind = True  # what is said meanwhile comes after the replay
        self._replaying = replay(self.call, self.console, lines, self.attachment.offset, self._show)

    def _show(self, lines: int, data: bytes) -> None:
        self._replaying = None
        self._show_replay(lines, safe_output(data))
        self.behind = False
        self.ready()

    def _show_replay(self, lines: int, text: bytes) -> None:
        if not text:
            return
        # An unfinished last line is the prompt: it belongs below the mark, where typing goes on.
        whole, newline, prompt = text.rpartition(b"\n")
        if whole:
            self._line(f"replay of the last {lines} lines")
            self.show(whole + newline + b"\x1b[m")
            self._at_margin = True
            self._line("end of replay")
        if prompt:
            self.show(prompt)

    # Typing

    def typed(self, data: bytes) -> None:
        if self._escapes is None:
            self.type(data)
            return
        self._stop_waiting()
        for thing in self._escapes.feed(data):
            if self._over:
                return
            if isinstance(thing, Keys):
                self.type(thing.data)
            else:
                self._command(thing)
        if self._escapes.half_typed and not self._over:
            self._patience = self.call.world.clock.call_later(PATIENCE, self._send_half)

    def kept_back(self) -> int:
        return self._escapes.kept_back if self._escapes is not None else 0

    def _send_half(self) -> None:
        assert self._escapes is not None
        self._patience = None
        self.type(self._escapes.flush())
        self._settle()

    def _stop_waiting(self) -> None:
        if self._patience is not None and self._patience.active():
            self._patience.cancel()
        self._patience = None

    def _why(self, refusal: Refusal, what: str) -> str:
        if refusal in (Refusal.READ_ONLY, Refusal.HOST):
            return super()._why(refusal, what) + "; ^Eca asks for the pen"
        if refusal is Refusal.PEN:
            hint = "; ^Ecf takes the pen" if "force" in self.attachment.rights else ""
            return super()._why(refusal, what) + hint
        return super()._why(refusal, what)

    # Escapes

    def _command(self, command: Command) -> None:
        run = _COMMANDS.get(command.name)
        if run is None:
            self._line("no such escape; ^Ec? lists them")
        else:
            run(self)

    def _help(self) -> None:
        start = "" if self._at_margin else "\r\n"
        self.channel.write((start + _HELP.replace("\n", "\r\n") + "\r\n").encode())
        self._at_margin = True

    def _leave(self) -> None:
        self._line(f"left {self.console.title}")
        self.leave(DONE)

    def _ask_pen(self, force: bool = False) -> None:
        self.read_only = False
        match self.console.take_pen(self.attachment, force):
            case None:
                self._line(f"you type on {self.console.title}")
            case refusal:
                self.denied(refusal)
                self._line(self._why(refusal, "the pen stays where it is"))

    def _force_pen(self) -> None:
        self._ask_pen(force=True)

    def _spy(self) -> None:
        self.read_only = True
        if self.attachment.has_pen:
            self.console.lay_pen()
        self._line("you only read now; ^Eca asks for the pen")

    def _who(self) -> None:
        for line in presences(self.console):
            self._line(line)

    def _info(self) -> None:
        self._line(banner(self.console, self.call.world.clock.wall(), self.attachment))
        facts = details(self.console)
        self._line(f"address {facts['address']}, uuid {facts['uuid']}, id {facts['id']}")

    def _send_break(self) -> None:
        if self.break_requested():
            behind = self.console.gate.waiting
            self._line("BREAK waits behind other input" if behind else "BREAK")

    def _replay_short(self) -> None:
        self._replay(REPLAY_LINES)

    def _replay_long(self) -> None:
        self._replay(REPLAY_LONG)

    def _replay_most(self) -> None:
        self._replay(REPLAY_MOST)

    def host_changed(self, old: str, new: str) -> None:
        if "write" in self.attachment.rights:
            self.attachment.notice("nothing you type is sent before you ask for the pen with ^Eca")

    # Ending

    def leave(self, status: int) -> None:
        self._stop_waiting()
        if self._left is None:
            super().leave(status)
        else:
            self.closed()
            # The chooser goes on with the same channel: what is dropped here is dealt with.
            owed, self._owed = self._owed, 0
            if owed:
                self.channel.consumed(owed)
            self._left("" if status == DONE else self._said)

    def closed(self) -> None:
        self._stop_waiting()
        if self._replaying is not None:
            self._replaying.cancel()
        super().closed()


_COMMANDS: dict[str, Callable[[TerminalBridge], None]] = {
    ".": TerminalBridge._leave,
    "?": TerminalBridge._help,
    "a": TerminalBridge._ask_pen,
    "f": TerminalBridge._force_pen,
    "s": TerminalBridge._spy,
    "w": TerminalBridge._who,
    "i": TerminalBridge._info,
    "r": TerminalBridge._replay_short,
    "p": TerminalBridge._replay_long,
    "R": TerminalBridge._replay_most,
    "l0": TerminalBridge._send_break,
}
