"""A console on an operator's terminal: banner, replay, notices, and the `^Ec` escapes."""

from collections.abc import Callable

from vspc.apps.console_input import OperatorInput, RefusedInput, catch_pen
from vspc.apps.describe import banner, cautions, details
from vspc.apps.following import Following, ask
from vspc.apps.screen import SHOWN, Screen, TurnLimit
from vspc.apps.terminal_input import CHOSEN, NOT_CHOSEN, TerminalInput
from vspc.apps.verbs.context import DONE, FAILED, Call
from vspc.apps.verbs.who import presences
from vspc.common.clock import cancel
from vspc.common.text import safe_output
from vspc.config.values import DEFAULT_ESCAPE
from vspc.console.attachment import AttachmentKind, Refusal
from vspc.console.console import Console
from vspc.console.logs import LogView, Output
from vspc.console.notices import Notice
from vspc.console.ports import Program
from vspc.net.waiting import RunningCoroutine, within

REPLAY_LINES = 20
"""Lines of earlier output that are shown first."""

REPLAY_LONG = 60
"""Lines that `^Ecp` shows."""

REPLAY_MOST = 1000
"""Lines that `^EcR` shows."""

REPLAY_BYTES = 16 * 1024
"""Bytes that a short replay goes back at most."""

LINE_BYTES = 256
"""Bytes for each line that a longer one goes back."""

PATIENCE = 2.0
"""Seconds after which a replay does without the log: it has what is in memory."""

_HELP = (
    "{0}c.  leave            {0}c?  this help          {0}{0}  one {0} to the VM",
    "{0}ca  ask for the pen  {0}cf  take the pen       {0}cs  only read",
    "{0}cw  who is here      {0}ci  about the console  {0}cl0 send a BREAK",
    "{0}cr  replay 20 lines  {0}cp  replay 60 lines    {0}cR  replay 1000 lines",
    "{0}ce  another escape key: the control key that is typed next",
)


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
    ) -> None:
        """`escape` is the escape key, empty for none. `left` is called instead of ending the
        channel, which goes back to the chooser: with the reason, or "" if the operator left.
        `began`: show all from that offset on instead of a replay; `catches`: take the pen first.
        """
        self._call = call
        self._channel = call.channel
        self._console = console
        self._replay_first = replay if began is None else 0
        self._catches = catches
        self._left = left
        clock = call.context.clock
        self._screen = Screen(call.channel, clock)
        self._showing = TurnLimit(clock, SHOWN, self.ready)
        self._keys = TerminalInput(clock, self._screen, escape, self)
        start = console.history.end if began is None else began
        self._attachment = console.attach(
            *(call.session, call.rights(console), self, start),
            *(AttachmentKind.TERMINAL, read_only),
        )
        self._output = Following(call.context, self._attachment, self, from_log=False)
        self._refusals = RefusedInput(call, console, self._notice, self._remedy)
        self._input = OperatorInput(call.channel, self._attachment, self._refusals.add)
        self._last_notice = ""
        self._is_replaying = False
        self._replay: RunningCoroutine | None = None
        self._breaks = 0  # that wait, and are to be reported when they are sent

    def begin(self) -> None:
        """Banner, replay, then output from now on."""
        self._screen.line(self._banner() + self._keys_for("?", ". Enter {} for help"))
        for caution in cautions(self._call.context, self._console):
            self._screen.line(caution)
        if self._catches:
            self._show_pen(catch_pen(self._console, self._attachment))
        self._show_last(self._replay_first)
        self._channel.start(self)
        self.ready()

    def _banner(self) -> str:
        return banner(self._console, self._call.context.clock.wall(), self._attachment)

    def _keys_for(self, command: str, text: str) -> str:
        """`text` with the keys of an escape command in it; empty without an escape key."""
        key = self._keys.escape_key
        return text.format(f"{key}c{command}") if key else ""

    # `Program`

    def received(self, data: bytes) -> None:
        self._input.received(len(data))
        self._keys.feed(data)
        self.parsed()

    def drained(self) -> None:
        self.ready()

    def break_requested(self) -> bool:
        # Not before what was typed before it, and the client expects an answer at once.
        return not self._keys.unparsed and self._input.send_break()

    def give_back(self) -> bool:
        return self._screen.give_back()

    def closed(self) -> None:
        self._stop()

    # `Sink`

    def ready(self) -> None:
        """Show what there is, as much as the channel takes."""
        self._output.go_on()

    def writable(self) -> None:
        self._input.pump()
        self.parsed()

    def host_changed(self, old: str, new: str) -> None:
        if "write" in self._attachment.rights:
            hint = self._keys_for("a", " with {}")
            self._attachment.notice(f"nothing you type is sent before you ask for the pen{hint}")

    def ended(self, reason: str) -> None:
        self.output_ended(f"{self._attachment.title}: {reason}")

    # `FollowReader`

    def room(self) -> int:
        """Bytes that may be shown now."""
        return 0 if self._is_replaying or self._showing.is_over else self._channel.room()

    def take_output(self, _offset: int, data: bytes) -> None:
        """Output of the VM: shown as far as this turn's share goes."""
        left = self._showing.left(len(self._console.attachments))
        size, count = self._screen.show_some(data, left)
        self._showing.spend(count, size == len(data))
        self._attachment.offset -= len(data) - size

    def missing(self, start: int, end: int, _why: str) -> None:
        self._screen.break_off()
        self._screen.line(f"output lost: client too slow (offsets {start} to {end})")

    def notice(self, notice: Notice) -> None:
        self._refusals.report()  # the notice may be that the reason has gone
        self._notice(notice.text + (self._keys_for(*notice.hint) if notice.hint else ""))

    def output_ended(self, reason: str) -> None:
        self.give_back()
        self._refusals.report()
        self._notice(reason)
        self._leave(FAILED)

    def _notice(self, text: str) -> None:
        self._last_notice = text
        self._screen.line(text)

    def _show_last(self, lines: int) -> None:
        if self._channel.room() and lines and not self._is_replaying:
            self._is_replaying = True
            self._replay = RunningCoroutine(self._show_replay(lines))

    async def _show_replay(self, lines: int) -> None:
        """Replay; output that comes meanwhile is shown after it."""
        try:
            data = await last_lines(self._call, self._console, lines, self._attachment.offset)
        finally:
            self._is_replaying = False
        if text := safe_output(data):
            self._screen.replay(f"replay of the last {lines} lines", text)
        self.ready()

    # `TerminalInputHandler`

    def typed(self, data: bytes) -> None:
        self._input.type(data)

    def answered(self, data: bytes) -> None:
        self._input.answer(data)

    def commanded(self, name: str) -> None:
        """An escape command."""
        command = _COMMANDS.get(name)
        if command is None:
            self._screen.line("unknown escape command" + self._keys_for("?", "; {} lists them"))
        else:
            command(self)

    def parsed(self) -> None:
        """Open the channel's window by what is dealt with."""
        self._input.settle(self._keys.kept_back)

    def _remedy(self, refusal: Refusal) -> str:
        """What the operator can type after a refusal."""
        match refusal:
            case Refusal.READ_ONLY if self._call.session.read_only:
                return ""
            case Refusal.READ_ONLY | Refusal.HOST:
                return self._keys_for("a", "; {} asks for the pen")
            case Refusal.PEN if "force" in self._attachment.rights:
                return self._keys_for("f", "; {} takes the pen")
        return ""

    # Escape commands

    def _help(self) -> None:
        key = self._keys.escape_key
        self._screen.lines(*(line.format(key) for line in _HELP))

    def _key_unchanged(self) -> None:
        example = self._keys_for("?", ", as in {}")
        self._screen.line(
            f"escape key not changed{example}: it must be a control key, and not one that Enter or "
            "the arrow keys send"
        )

    def _go(self) -> None:
        self.give_back()
        self._refusals.report()
        self._screen.line(f"left {self._console.title}")
        self._leave(DONE)

    def _ask_pen(self, force: bool = False) -> None:
        self._attachment.reads_only = False
        self._show_pen(self._attachment.take_pen(force))

    def _show_pen(self, refusal: Refusal | None) -> None:
        if refusal is None:
            self._screen.line(f"you type on {self._console.title}")
        else:
            self._refusals.record(refusal)
            text, remedy = self._refusals.text(refusal), self._remedy(refusal)
            self._screen.line(f"{text}: you do not have the pen{remedy}")

    def _only_read(self) -> None:
        self._attachment.reads_only = True
        if self._attachment.has_pen:
            self._console.pen.lay_down()
        self._screen.line("you only read now" + self._keys_for("a", "; {} asks for the pen"))

    def _who(self) -> None:
        for line in presences(self._console):
            self._screen.line(line)

    def _info(self) -> None:
        self._screen.line(self._banner())
        facts = details(self._console)
        self._screen.line(f"address {facts['address']}, uuid {facts['uuid']}, id {facts['id']}")

    def _send_break(self) -> None:
        if not self._console.input.waiting:  # those that waited have gone, or were dropped
            self._forget_breaks()
        if self.break_requested():
            waits = bool(self._console.input.waiting)
            obstacle = self._console.input.obstacle
            self._screen.line(f"BREAK waits for {obstacle}" if waits else "BREAK")
            if waits:
                self._breaks += 1
                self._attachment.account.on_break = self._break_sent

    def _break_sent(self) -> None:
        self._breaks -= 1
        if not self._breaks:
            self._forget_breaks()
        self._attachment.notice("BREAK")

    def _forget_breaks(self) -> None:
        self._breaks = 0
        self._attachment.account.on_break = None

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
        self._keys.close()
        self._showing.close()
        cancel(self._replay)
        self._output.stop()
        self._refusals.close()
        self._attachment.detach()
        return self._input.close()


_COMMANDS: dict[str, Callable[[TerminalBridge], None]] = {
    ".": TerminalBridge._go,
    "?": TerminalBridge._help,
    "a": TerminalBridge._ask_pen,
    "f": lambda bridge: bridge._ask_pen(force=True),
    "s": TerminalBridge._only_read,
    "w": TerminalBridge._who,
    "i": TerminalBridge._info,
    "r": lambda bridge: bridge._show_last(REPLAY_LINES),
    "p": lambda bridge: bridge._show_last(REPLAY_LONG),
    "R": lambda bridge: bridge._show_last(REPLAY_MOST),
    "l0": TerminalBridge._send_break,
    "e": lambda bridge: bridge._screen.line("type the new escape key, a control key"),
    CHOSEN: lambda bridge: bridge._screen.line(
        "escape key changed" + bridge._keys_for("?", ": {} for help")
    ),
    NOT_CHOSEN: TerminalBridge._key_unchanged,
}


async def last_lines(call: Call, console: Console, lines: int, end: int) -> bytes:
    """The last `lines` lines before the offset `end`: from memory, or from the log behind it."""
    context, history = call.context, console.history
    limit = max(REPLAY_BYTES, lines * LINE_BYTES)
    start = max(history.start, min(end, history.last_lines(lines, limit)))
    rest = history.read(start, end - start) if end >= start else b""
    earliest = call.earliest(console)
    is_enough = start > history.start or history.start == 0
    is_logged = context.logs is not None and context.logs.keeps(console.id)
    if earliest is not None:
        rest = b""  # memory does not have the times of its bytes
    elif is_enough or not is_logged:
        return rest
    question = ask(context, console, lambda kept: _last(kept, lines, limit, end, earliest))
    try:
        found = await within(context.clock, PATIENCE, question)
    except TimeoutError:
        return rest
    return rest if found is None else found


def _last(kept: LogView, lines: int, limit: int, end: int, earliest: float | None) -> bytes:
    start = max(kept.start, kept.last_lines(lines, limit))
    if earliest is not None:
        start = max(start, kept.since(earliest))
    if start >= end:
        return b""
    items = kept.read(start, end - start, end).items
    return b"".join(item.data for item in items if isinstance(item, Output))
