"""A console on an operator's terminal: banner, replay, output and notices, keys. Escape commands
have a table of their own (`vspc.apps.terminal.command`).
"""

from collections.abc import Callable, Coroutine
from datetime import tzinfo
from typing import Any

from vspc.apps.console_input import OperatorInput, RefusedInput, catch_pen
from vspc.apps.describe import banner, cautions
from vspc.apps.following import Following
from vspc.apps.terminal.breaks import BreakReports
from vspc.apps.terminal.commands.table import COMMANDS, PREFIXES
from vspc.apps.terminal.input import InputMode, TerminalInput
from vspc.apps.terminal.joining import current_screen
from vspc.apps.terminal.packets import PacketlessText
from vspc.apps.terminal.replay import REPLAY_LINES, last_lines, replayed
from vspc.apps.terminal.screen import SHOWN, Screen, TurnLimit
from vspc.apps.terminal.times import LineTimes
from vspc.apps.verbs.context import DONE, FAILED, Call
from vspc.common.clock import cancel
from vspc.config.values import DEFAULT_ESCAPE
from vspc.console.attachment import AttachmentKind, Refusal
from vspc.console.console import Console
from vspc.console.notices import Notice
from vspc.console.pen_locking import is_admin
from vspc.console.ports import Program
from vspc.net.waiting import RunningCoroutine, sleep

CAUTION_READ = 3.0
"""Seconds in which a caution can be read before a screen is painted over it."""

RECOVERED = 1024 * 1024
"""Bytes of output that came while it was held, and are then read from the log."""


class TerminalBridge(Program):
    """One operator's terminal on one console."""

    def __init__(
        self,
        call: Call,
        console: Console,
        replay: int = REPLAY_LINES,
        read_only: bool = False,
        escape: bytes = DEFAULT_ESCAPE,
        left: Callable[[str], None] | None = None,
        began: int | None = None,
        catches: bool = False,
        emulates: bool = True,
        zone: tzinfo | None = None,
    ) -> None:
        """`escape` is the escape key, empty for none. `left` is called instead of ending the
        channel, which goes back to the chooser: with the reason, or "" if the operator left.
        `began`: show all from that offset on instead of a replay; `catches`: take the pen first.
        `emulates`: show the screen of a program that uses all of it, in any case instead of a
        replay.
        `zone` is that of times, None for the server's.
        """
        self.call = call
        self._channel = call.channel
        self.console = console
        self._replay_first = replay if began is None else 0
        self._catches = catches
        self._left = left
        clock = call.context.clock
        self.times = LineTimes(clock, zone)
        self.screen = Screen(call.channel, clock, self.times)
        self._showing = TurnLimit(clock, SHOWN, self.ready)
        self._packets = PacketlessText(clock, self.ready)
        self.keys = TerminalInput(clock, self.screen, escape, PREFIXES, self)
        start = console.history.end if began is None else began
        self.attachment = console.attach(
            *(call.session, call.rights(console), self, start),
            *(AttachmentKind.TERMINAL, read_only),
        )
        self._output = Following(call.context, self.attachment, self, from_log=False)
        self._refusals = RefusedInput(call, console, self._notice, self._remedy)
        self._input = OperatorInput(call.channel, self.attachment, self._refusals.add)
        self._last_notice = ""
        self._is_replaying = False
        self._replay: RunningCoroutine | None = None
        self._emulates = emulates
        self._breaks = BreakReports(self.attachment, self.screen, self.break_requested)

    def begin(self) -> None:
        """Banner, replay, then output from now on."""
        self.screen.line(self.banner() + self.keys_for("?", ". Enter {} for help"))
        warned = cautions(self.call.context, self.console)
        for caution in warned:
            self.screen.line(caution)
        if self._catches:
            self.report_pen(catch_pen(self.console, self.attachment))
        if self._channel.room() and (self._replay_first or self._emulates):
            self._begin_replay(self._show_first(CAUTION_READ if warned else 0.0))
        self._channel.start(self)
        self.ready()

    def banner(self) -> str:
        """The console, its VM and those on it, in one line."""
        return banner(self.console, self.call.context.clock.wall(), self.attachment)

    def keys_for(self, command: str, text: str) -> str:
        """`text` with the keys of escape commands in it; empty without an escape key."""
        typed = [self.keys.keys_of(each) for each in command.split()]
        return text.format(*typed) if all(typed) else ""

    # `Program`

    def received(self, data: bytes) -> None:
        self._input.received(len(data))
        self.keys.feed(data)
        self.parsed()

    def drained(self) -> None:
        self.ready()

    def resized(self) -> None:
        if self.keys.mode is not None:
            self.keys.mode.resized()

    def break_requested(self) -> bool:
        # Not before what was typed before it, and the client expects an answer at once.
        return not self.keys.unparsed and self._input.send_break()

    def give_back(self) -> bool:
        return self.screen.give_back()

    def closed(self) -> None:
        self._stop()

    # `Sink`

    def ready(self) -> None:
        """Show what there is, as much as the channel takes."""
        self.times.came(self.console.history.end)
        self._show_packetless()
        self._output.go_on()
        self._changed()

    def writable(self) -> None:
        self._input.pump()
        self.parsed()
        self._changed()

    def _changed(self) -> None:
        if self.keys.mode is not None:
            self.keys.mode.changed()

    def host_changed(self, old: str, new: str) -> None:
        if "write" in self.attachment.rights:
            hint = self.keys_for("a", " with {}")
            self.attachment.notice(f"nothing you type is sent before you ask for the pen{hint}")

    def ended(self, reason: str) -> None:
        self.output_ended(f"{self.attachment.title}: {reason}")

    # `FollowReader`

    def room(self) -> int:
        """Bytes that may be shown now."""
        mode = self.keys.mode
        is_held = self._is_replaying or (mode is not None and mode.holds_output)
        is_held = is_held or bool(self._packets.text)
        return 0 if is_held or self._showing.is_over else self._channel.room()

    def take_output(self, offset: int, data: bytes) -> None:
        """Output of the VM: shown as far as this turn's share goes."""
        if self.console.attachments.has_debugger or self._packets.is_used:
            self._packets.feed(data)
            self._show_packetless()
        else:
            self.attachment.cursor.offset -= len(data) - self._show(offset, data)

    def _show_packetless(self) -> None:
        """Text that has come, without packets."""
        text, self._packets.text = self._packets.text, b""
        if not text:
            return
        size = self._show(self.attachment.cursor.offset - len(text), text) if self.room() > 0 else 0
        self._packets.text = text[size:]

    def _show(self, offset: int, data: bytes) -> int:
        left = self._showing.left(len(self.console.attachments))
        if self.times.are_shown:
            size, count = self.screen.show_timed(offset, data, left)
        else:
            size, count = self.screen.show_some(data, left)
        self._showing.spend(count, size == len(data))
        return size

    def missing(self, start: int, end: int, why: str) -> None:
        self.screen.break_off()
        self.screen.line(f"output lost: {why or 'client too slow'} (offsets {start} to {end})")

    def notice(self, notice: Notice) -> None:
        self._refusals.report()  # the notice may be that the reason has gone
        self._notice(notice.text + (self.keys_for(*notice.hint) if notice.hint else ""))

    def output_ended(self, reason: str) -> None:
        self._packets.release()
        self.give_back()
        self._refusals.report()
        self._notice(reason)
        self._leave(FAILED)

    def _notice(self, text: str) -> None:
        self._last_notice = text
        self.screen.line(text)

    def _begin_replay(self, replay: Coroutine[Any, Any, None]) -> None:
        """Show what `replay` does first; output that comes meanwhile is shown after it."""
        self._is_replaying = True
        self._replay = RunningCoroutine(self._until_shown(replay))

    async def _until_shown(self, replay: Coroutine[Any, Any, None]) -> None:
        try:
            await replay
        finally:
            self._is_replaying = False
        self.ready()

    async def _show_first(self, pause: float) -> None:
        """The screen of a program that uses all of it, in so many seconds, or the last lines. What
        a VM showed that is away now is no screen to work on.
        """
        is_shown = self._emulates and self.console.takes_input and await self.paint(pause)
        if self._replay_first and not is_shown:
            await self._show_replay(self._replay_first)

    async def paint(self, pause: float = 0.0) -> bool:
        """Show the screen of the VM's program as it is, if there is one: where the output stands
        that was shown, or as it is now, if not all of what follows is in memory. `pause`: so many
        seconds for what is on the terminal now.
        """
        history, end = self.console.history, self.attachment.cursor.offset
        end = end if end >= history.start else history.end
        painted = await current_screen(self.call, self.console, end)
        if painted is None:
            return False
        if pause:
            await sleep(self.call.context.clock, pause)
        self.screen.paint(painted)
        self.attachment.cursor.offset = max(history.start, end - painted.left_over)
        return True

    async def _show_replay(self, lines: int) -> None:
        end, timed = self.attachment.cursor.offset, self.times.are_shown
        found = await last_lines(self.call, self.console, lines, end, timed)
        if text := replayed(found, self.times.at if timed else None):
            self.screen.replay(f"replay of the last {lines} lines", text)

    # `TerminalInputHandler`

    def typed(self, data: bytes) -> None:
        self._input.type(data)

    def answered(self, data: bytes) -> None:
        self._input.answer(data)

    def commanded(self, keys: str) -> None:
        """An escape command."""
        command = COMMANDS.get(keys)
        if command is None:
            self.screen.line("unknown escape command" + self.keys_for("?", "; {} lists them"))
        else:
            command.run(self)

    def parsed(self) -> None:
        """Open the channel's window by what is dealt with."""
        self._input.settle(self.keys.kept_back)

    def _remedy(self, refusal: Refusal) -> str:
        """What the operator can type after a refusal."""
        match refusal:
            case Refusal.READ_ONLY if self.call.session.read_only:
                return ""
            case Refusal.READ_ONLY | Refusal.HOST:
                return self.keys_for("a", "; {} asks for the pen")
            case Refusal.APPROVAL if not self._asks_for_approval:
                return self.keys_for("a", "; {} asks for it")
            case Refusal.PEN if "force" in self.attachment.rights:
                return self.keys_for("f k", "; {} takes the pen, {} asks for it")
            case Refusal.PEN if "write" in self.attachment.rights:
                return self.keys_for("k", "; {} asks for the pen")
            case Refusal.LOCKED if is_admin(self.attachment.session, self.attachment.rights):
                return self.keys_for("f", "; {} takes the pen")
        return ""

    @property
    def _asks_for_approval(self) -> bool:
        return self.console.attachments.approvals.is_open(self.attachment)

    # What escape commands use (`vspc.apps.terminal.command.OperatorTerminal`)

    def type(self, data: bytes) -> None:
        """Type `data` at the VM, as if the operator had."""
        self._input.type(data)
        self.parsed()

    def send_break(self) -> None:
        """Send a BREAK behind what was typed, and say what becomes of it."""
        self._breaks.send()

    def record_refusal(self, refusal: Refusal) -> None:
        """What the operator has tried was refused: for the audit file, each kind once."""
        self._refusals.record(refusal)

    def report_pen(self, refusal: Refusal | None) -> None:
        """Say that the operator has the pen, or why not and what to do."""
        if refusal is None:
            self.screen.line(f"you type on {self.console.title}")
        else:
            self._refusals.record(refusal)
            text, remedy = self._refusals.text(refusal), self._remedy(refusal)
            self.screen.line(f"{text}: you do not have the pen{remedy}")

    def replay(self, lines: int) -> None:
        """Show the last `lines` lines of output before what comes next."""
        if self._channel.room() and lines and not self._is_replaying:
            self._begin_replay(self._show_replay(lines))

    def enter(self, mode: InputMode) -> None:
        """What is typed goes to `mode` until it says `leave_mode`."""
        self.keys.enter_mode(mode)

    def leave_mode(self) -> None:
        """What is typed goes to the VM again; what waited is shown."""
        if self.keys.mode is not None and self.keys.mode.holds_output:
            self._output.recover(RECOVERED)
        self.keys.leave_mode()
        self.ready()

    def show_meanwhile(self) -> None:
        """Something was in front of the VM's output: what came is shown, or the screen as it is."""
        if self.screen.is_alternate:
            self._begin_replay(self._paint_again())

    async def _paint_again(self) -> None:
        if not await self.paint():
            hint = self.keys_for("v", "; {} asks the VM to repaint")
            self.screen.line(f"the screen of the VM cannot be shown again{hint}")

    def leave(self) -> None:
        """Leave the console."""
        self.give_back()
        self._refusals.report()
        self.screen.line(f"left {self.console.title}")
        self._leave(DONE)

    def choose(self) -> None:
        """Go to the chooser, from which one comes back to the same place of the output."""
        choose = self.call.choose
        if choose is None:
            self.screen.line("this login has no chooser")
            return
        self.give_back()
        self._refusals.report()
        offset = self.attachment.cursor.offset
        if owed := self._stop():
            self._channel.consumed(owed)
        choose(self.console, offset)

    # The end

    def _leave(self, status: int) -> None:
        self.give_back()
        owed = self._stop()
        if self._left is None:
            self._channel.finish(status)
            return
        # The chooser goes on with the same channel: what is dropped here is dealt with.
        if owed:
            self._channel.consumed(owed)
        self._left("" if status == DONE else self._last_notice)

    def _stop(self) -> int:
        self.keys.close()
        self._showing.close()
        self._packets.close()
        cancel(self._replay)
        self._output.stop()
        self._refusals.close()
        self.attachment.detach()
        return self._input.close()
