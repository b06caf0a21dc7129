"""A console on an operator's terminal: banner, replay, notices, and the `^Ec` escapes."""

from collections import deque
from collections.abc import Callable

from vspc.apps.attaching import REPLAY_LINES
from vspc.apps.bridge import Bridge
from vspc.apps.describe import banner, cautions, details
from vspc.apps.escapes import CHOSEN, NOT_CHOSEN, PATIENCE, EscapeCommand, Escapes, Keys, key_name
from vspc.apps.replay import replay
from vspc.apps.screen import Screen
from vspc.apps.turn_limit import SHOWN, TYPED, TurnLimit
from vspc.apps.verbs.context import DONE, READ_ONLY, Call
from vspc.apps.verbs.who import presences
from vspc.common.clock import Cancellable
from vspc.common.text import safe_output
from vspc.config.units import DEFAULT_ESCAPE
from vspc.console.answers import Answers
from vspc.console.attachment import AttachmentKind, Refusal
from vspc.console.console import Console

REPLAY_LONG = 60
"""Lines that `^Ecp` shows."""

REPLAY_MOST = 1000
"""Lines that `^EcR` shows."""

_HELP = (
    "{0}c.  leave            {0}c?  this help          {0}{0}  one {0} to the VM",
    "{0}ca  ask for the pen  {0}cf  take the pen       {0}cs  only read",
    "{0}cw  who is here      {0}ci  about the console  {0}cl0 send a BREAK",
    "{0}cr  replay 20 lines  {0}cp  replay 60 lines    {0}cR  replay 1000 lines",
    "{0}ce  another escape key: the control key that is typed next",
)


class TerminalBridge(Bridge):
    """One operator's terminal on one console."""

    kind = AttachmentKind.TERMINAL

    def __init__(
        self,
        call: Call,
        console: Console,
        replay: int = REPLAY_LINES,
        read_only: bool = False,
        escape: bytes = DEFAULT_ESCAPE,
        left: Callable[[str], None] | None = None,
    ) -> None:
        """`escape` is the escape key, empty for none. `left` is called instead of ending the
        channel: the chooser takes it back, and hears why, unless the operator wanted it.
        """
        super().__init__(call, console, console.history.end, read_only)
        self._replay_first = replay
        self._screen = Screen(call.channel, call.context.clock)
        self._answers = Answers(self._screen.asked, self._screen.utf8_mouse)
        self._escapes = Escapes(escape) if escape else None
        self._left = left
        clock = call.context.clock
        self._showing = TurnLimit(clock, SHOWN, self.ready)
        self._parsing = TurnLimit(clock, TYPED, self._parse_on)
        # What was typed and is to be parsed, each with the size of its packet.
        self._packets: deque[tuple[bytes, int]] = deque()
        self._unparsed = 0  # bytes of them
        self._said = ""  # the last notice
        self._patience: Cancellable | None = None  # with a half-typed escape
        self._holding: Cancellable | None = None  # with what may begin an answer
        self._held: tuple[int, float] | None = None  # what that is
        self._replaying: Cancellable | None = None
        self._breaks = 0  # that wait, and whose going is to be told

    def begin(self) -> None:
        """Banner, replay, then what is said from now on."""
        self._line(self._banner() + self.hint("?", ". Enter {} for help"))
        for caution in cautions(self.call.context, self.console):
            self._line(caution)
        self._replay(self._replay_first)
        super().begin()

    # Showing

    def show(self, data: bytes) -> None:
        left = self._showing.left(len(self.console.attachments))
        size, count = self._screen.show_some(data, left)
        self._showing.spend(count, size == len(data))
        self.attachment.offset -= len(data) - size  # of the rest, in a later turn

    @property
    def rests(self) -> bool:
        return super().rests or self._showing.is_over

    def _line(self, text: str) -> None:
        self._screen.line(text)

    def _banner(self) -> str:
        return banner(self.console, self.call.context.clock.wall(), self.attachment)

    def hint(self, command: str, text: str) -> str:
        key = "" if self._escapes is None else key_name(self._escapes.escape)
        return text.format(f"{key}c{command}") if key else ""

    def notice(self, text: str) -> None:
        self._said = text
        self._line(text)

    def lost(self, start: int, end: int) -> None:
        self._screen.break_off()
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
        if text:
            self._screen.replay(f"replay of the last {lines} lines", text)

    # Typing

    def typed(self, data: bytes) -> None:
        self._packets.append((data, len(data)))
        self._unparsed += len(data)
        self._parse()

    def _parse(self) -> None:
        """Parse what was typed, as far as the share of this turn goes."""
        while self._packets and not (self._over or self._parsing.is_over):
            data, size = self._packets.popleft()
            end = self._parsing.first(data)
            if end < len(data):
                self._packets.appendleft((data[end:], size))
            self._unparsed -= end
            self._take(data[:end], size)
        self._wait_for_more()

    def _parse_on(self) -> None:
        self._parse()
        self._settle()

    def _take(self, data: bytes, size: int) -> None:
        """A packet of `size` bytes, or a piece of one."""
        pieces = self._answers.feed(data)
        # Reports of the mouse in the packet of a key do not make a paste of it.
        if len(data) == size:
            size = sum(len(piece.data) for piece in pieces if not piece.is_answer)
        for piece in pieces:
            if self._over:
                return
            if piece.is_answer:
                self.answer(piece.data)
            else:
                self._keys(piece.data, size)

    def _keys(self, data: bytes, size: int) -> None:
        """Keys out of a packet of `size` bytes."""
        if self._escapes is None:
            self.type(data)
            return
        _cancel(self._patience)
        for thing in self._escapes.feed(data, size):
            if self._over:
                return
            if isinstance(thing, Keys):
                self.type(thing.data)
            else:
                self._command(thing)
        if self._escapes.half_typed and not self._over:
            self._patience = self.call.context.clock.call_later(PATIENCE, self._send_half)

    def kept_back(self) -> int:
        half = self._escapes.kept_back if self._escapes is not None else 0
        return half + self._answers.kept_back + self._unparsed

    def break_requested(self) -> bool:
        # Not before what was typed before it, and the client wants to hear at once.
        return not self._packets and super().break_requested()

    def _send_half(self) -> None:
        assert self._escapes is not None
        self._patience = None
        self.type(self._escapes.flush())
        self._settle()

    def _wait_for_more(self) -> None:
        """What may begin an answer is kept back, not for long."""
        patience = self._answers.patience
        held = None if patience is None else (self._answers.begun, patience)
        if self._over or held == self._held:
            return
        self._held = held
        _cancel(self._holding)
        if patience is not None:
            self._holding = self.call.context.clock.call_later(patience, self._send_held)

    def _send_held(self) -> None:
        self._holding = self._held = None
        held = self._answers.flush()
        self._keys(held, len(held))
        self._settle()

    def _stop_waiting(self) -> None:
        _cancel(self._patience)
        _cancel(self._holding)
        self._showing.close()
        self._parsing.close()
        self._packets.clear()
        self._unparsed = 0

    def _why(self, refusal: Refusal, what: str) -> str:
        if refusal is Refusal.READ_ONLY and self.call.session.read_only:
            return f"{self.console.title}: {READ_ONLY}; {what}"
        if refusal in (Refusal.READ_ONLY, Refusal.HOST):
            return super()._why(refusal, what) + self.hint("a", "; {} asks for the pen")
        if refusal is Refusal.PEN:
            may = "force" in self.attachment.rights
            return super()._why(refusal, what) + (
                self.hint("f", "; {} takes the pen") if may else ""
            )
        return super()._why(refusal, what)

    # Escapes

    def _command(self, command: EscapeCommand) -> None:
        run = _COMMANDS.get(command.name)
        if run is None:
            self._line("no such escape" + self.hint("?", "; {} lists them"))
        else:
            run(self)

    def _help(self) -> None:
        assert self._escapes is not None
        key = key_name(self._escapes.escape)
        self._screen.lines(*(line.format(key) for line in _HELP))

    def _ask_key(self) -> None:
        self._line("type the new escape key, a control key")

    def _new_key(self) -> None:
        self._line("the escape key is another" + self.hint("?", ": {} for help"))

    def _no_key(self) -> None:
        hint = self.hint("?", ", as in {}")
        self._line(
            f"the escape key is as it was{hint}: a control key is wanted, and none that Enter or "
            "the arrow keys send"
        )

    def _leave(self) -> None:
        self.give_back()
        self._tell_refused()
        self._line(f"left {self.console.title}")
        self.leave(DONE)

    def _ask_pen(self, force: bool = False) -> None:
        self.reading(only=False)
        match self.console.take_pen(self.attachment, force):
            case None:
                self._line(f"you type on {self.console.title}")
            case refusal:
                self.denied(refusal)
                self._line(self._why(refusal, "the pen stays where it is"))

    def _force_pen(self) -> None:
        self._ask_pen(force=True)

    def _spy(self) -> None:
        self.reading(only=True)
        if self.attachment.has_pen:
            self.console.lay_pen()
        self._line("you only read now" + self.hint("a", "; {} asks for the pen"))

    def _who(self) -> None:
        for line in presences(self.console):
            self._line(line)

    def _info(self) -> None:
        self._line(self._banner())
        facts = details(self.console)
        self._line(f"address {facts['address']}, uuid {facts['uuid']}, id {facts['id']}")

    def _send_break(self) -> None:
        if not self.console.input.waiting:  # those that waited have gone, or were dropped
            self._forget_breaks()
        if self.break_requested():
            waits = bool(self.console.input.waiting)
            self._line("BREAK waits behind other input" if waits else "BREAK")
            if waits:
                self._breaks += 1
                self.attachment.account.on_break = self._break_sent

    def _break_sent(self) -> None:
        self._breaks -= 1
        if not self._breaks:
            self._forget_breaks()
        self.attachment.notice("BREAK")

    def _forget_breaks(self) -> None:
        self._breaks = 0
        self.attachment.account.on_break = None

    def _replay_short(self) -> None:
        self._replay(REPLAY_LINES)

    def _replay_long(self) -> None:
        self._replay(REPLAY_LONG)

    def _replay_most(self) -> None:
        self._replay(REPLAY_MOST)

    def host_changed(self, old: str, new: str) -> None:
        if "write" in self.attachment.rights:
            hint = self.hint("a", " with {}")
            self.attachment.notice(f"nothing you type is sent before you ask for the pen{hint}")

    # Ending

    def give_back(self) -> bool:
        return self._screen.give_back()

    def end(self, reason: str) -> None:
        self.give_back()
        super().end(reason)

    def leave(self, status: int) -> None:
        self._stop_waiting()
        self.give_back()
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


def _cancel(call: Cancellable | None) -> None:
    if call is not None and call.active():
        call.cancel()


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
    "e": TerminalBridge._ask_key,
    CHOSEN: TerminalBridge._new_key,
    NOT_CHOSEN: TerminalBridge._no_key,
}
