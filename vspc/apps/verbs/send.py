"""`send NAME TEXT`: type something at a VM, and report when it has it."""

import json
from collections.abc import Mapping

from vspc.apps.describe import obstacle
from vspc.apps.leasing import FOR, LEASE, LeaseWish, lease_wish
from vspc.apps.verb_input import CR, ENTER, FORCE, VerbInput, moved_without_proof
from vspc.apps.verbs.context import FAILED, TIMED_OUT, USAGE, Call, Verb, VerbExit
from vspc.apps.verbs.grammar import NAME, Argument, Flag, Grammar, Option, Parsed
from vspc.apps.verbs.help_text import examples, rule
from vspc.apps.verbs.kinds import TYPED, WAIT, UsageError
from vspc.apps.verbs.output import INTERRUPT
from vspc.console.attachment import Sink
from vspc.console.console import Console
from vspc.console.notices import Notice, NoticeKind
from vspc.console.output_cursor import Ended
from vspc.console.session import Fact
from vspc.net.waiting import Wakeup

TIMEOUT = 60.0
"""Seconds in which the VM must take some of the input, without `--timeout`."""


TEXT = Argument("TEXT", "what to type; without it standard input is typed", TYPED, required=False)
TIME_OUT = Option("--timeout", "give up when the VM takes no input for this long (60 s)", WAIT)
JSON = Flag("--json", "print where the output stood, and how many bytes were typed")

GRAMMAR = Grammar(
    "send",
    "type exactly TEXT, or standard input; done when the VM has it",
    arguments=(NAME, TEXT),
    options=(ENTER, JSON, TIME_OUT, FORCE, LEASE, FOR),
    examples=("send web1 --enter reboot",),
    notes=(*rule("TEXT"), "", *examples()),
)


async def run(call: Call, parsed: Parsed) -> None:
    """Type it."""
    text, wish = parsed.get(TEXT), lease_wish(parsed, "send")
    if text == b"" and not parsed.has(ENTER):
        raise UsageError("TEXT is empty; --enter alone types a CR")
    if text is None and call.channel.terminal is not None:
        raise VerbExit(
            USAGE, "TEXT is missing; standard input is typed only where it is not a terminal"
        )
    console = call.find(parsed[NAME])
    call.require_right("write", console, "type on")
    call.require_place()
    sending = Sending(call, console, parsed.get(TIME_OUT, TIMEOUT), parsed.has(FORCE), wish)
    offset, count = await sending.run(text, parsed.has(ENTER), reads=True)
    if parsed.has(JSON):
        call.output.put(json.dumps({"offset": offset, "bytes": count}).encode() + b"\n")


class Sending(Sink):
    """Types a text or standard input at one attachment. `was_held`: a vMotion held some of it."""

    def __init__(
        self,
        call: Call,
        console: Console,
        timeout: float,
        force: bool = False,
        wish: LeaseWish | None = None,
    ) -> None:
        self._call = call
        self._console = console
        self._timeout = timeout
        self._enter = False
        self._is_whole = False  # whether nothing more comes that is to be typed
        self._unconsumed = 0  # bytes of input without `Channel.consumed`
        self.was_held = False
        self._changed = Wakeup(call.context.clock)
        self._attachment = console.attach(
            call.session, call.rights(console), self, console.history.end
        )
        self._input = VerbInput(
            call, console, self._attachment, self._changed.set_later, force, wish
        )

    async def run(self, text: bytes | None, enter: bool, reads: bool = False) -> tuple[int, int]:
        """Type `text`, or None for standard input, and a CR with `enter`. Where the output stood
        when the last byte went to the VM, and how many bytes did. With `reads` the input of the
        channel is for this.
        """
        try:
            with self._call.recording("send", self._console, self._stop):
                await self._send(text, enter, reads)
        finally:
            self._attachment.detach()
        return self._input.offset, self._input.typed

    @property
    def typed(self) -> int:
        """Bytes that went to the VM."""
        return self._input.typed

    def _stop(self) -> Mapping[str, Fact]:
        """What is recorded at the end."""
        self._consume()
        self._input.stop()
        return {"bytes": self._input.typed, "offset": self._input.offset}

    async def _send(self, text: bytes | None, enter: bool, reads: bool) -> None:
        # Before input is read: another operator may have the pen, the VM may be away.
        self._input.begin()
        self._input.check()
        self._enter = enter
        if reads:
            self._call.output.reader = self._read
        if text is not None:
            self._input.type(text)
            self._end_text()
        await self._until_typed()

    def _end_text(self) -> None:
        self._is_whole = True
        if self._enter:
            self._input.type(CR)

    async def _until_typed(self) -> None:
        """Wait until the VM has everything. It must take something in the time-out while there is
        something to take.
        """
        own_input, clock, timeout = self._input, self._call.context.clock, self._timeout
        typed, since = -1, 0.0
        while True:
            own_input.check()
            self.was_held = self.was_held or (self._console.input.held and own_input.waiting > 0)
            if self._is_whole and not own_input.waiting:
                return
            self._consume()
            if not own_input.waiting:
                typed = -1
                await self._changed.wait()
                continue
            if own_input.typed != typed:
                typed, since = own_input.typed, clock.seconds()
            if not await self._changed.wait(since + timeout - clock.seconds()):
                why = f"{self._console.title} took no input for {timeout:g} s{self._why_not}"
                raise self._input.failure(TIMED_OUT, "timed-out", why)

    @property
    def _why_not(self) -> str:
        """Why nothing is taken, where that is known."""
        if self._attachment.waits_for_approval:
            return f" ({obstacle(self._call.session, self._console)})"
        if self._console.input.held:
            return " (vMotion in progress)"
        return " (it has suspended input)" if self._console.input.is_suspended else ""

    def _consume(self) -> None:
        """Open the operator's window by what the console has taken."""
        done = self._unconsumed - self._input.pending
        if done > 0:
            self._unconsumed -= done
            self._call.channel.consumed(done)

    # `Sink`

    def ready(self) -> None:
        """Notices go to stderr; output is skipped."""
        self._attachment.cursor.skip()
        while True:
            match self._attachment.cursor.next(1):
                case Notice(text, _, kind):
                    self._call.remark(text)
                    if kind is NoticeKind.MIGRATING:
                        self._changed.set_later()
                case Ended(reason):
                    self._changed.throw(self._input.failure(FAILED, "ended", reason))
                    return
                case _:
                    return

    def writable(self) -> None:
        self._input.pump()
        self._changed.set_later()

    def host_changed(self, old: str, new: str) -> None:
        """It may be another VM now: nothing more is typed."""
        why = moved_without_proof(self._console, old, new)
        self._changed.throw(self._input.failure(FAILED, "host-changed", why))

    def ended(self, reason: str) -> None:
        text = f"{self._attachment.title}: {reason}"
        self._changed.throw(self._input.failure(FAILED, "ended", text))

    def _read(self, data: bytes | None) -> None:
        """Standard input, None at its end. Control-C ends it where a terminal sends it as a key."""
        if data is None:
            if not self._is_whole:
                self._end_text()
                self._changed.set()
            return
        if self._is_whole:
            self._call.channel.consumed(len(data))
            if INTERRUPT in data and self._call.channel.terminal is not None:
                self._changed.throw(self._input.failure(FAILED, "left", "interrupted"))
            return
        self._unconsumed += len(data)
        self._input.type(data)
        self._changed.set()


VERB = Verb(GRAMMAR, run, audits_itself=True)
