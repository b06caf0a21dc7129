"""`send NAME TEXT`: type something at a VM, and report when it has it."""

import json
from collections.abc import Mapping

from attrs import field, frozen

from vspc.apps.console_input import Typist, moved_without_proof, refused, take_pen
from vspc.apps.describe import cautions
from vspc.apps.verbs.context import FAILED, TIMED_OUT, USAGE, Call, Verb, VerbExit
from vspc.apps.verbs.grammar import NAME, Argument, Flag, Grammar, Option, Parsed
from vspc.apps.verbs.help_text import examples, rule
from vspc.apps.verbs.kinds import TYPED, WAIT, UsageError
from vspc.apps.verbs.output import INTERRUPT, InputReader
from vspc.console.attachment import Ended, Refusal, Sink
from vspc.console.console import Console
from vspc.console.notices import Notice
from vspc.console.session import Fact
from vspc.net.waiting import Wakeup

TIMEOUT = 60.0
"""Seconds in which the VM must take some of the input, without `--timeout`."""

CR = b"\r"

TEXT = Argument("TEXT", "what to type; without it standard input is typed", TYPED, required=False)
ENTER = Flag("--enter", "type a CR behind it")
TIME_OUT = Option("--timeout", "give up when the VM takes no input for this long (60 s)", WAIT)
JSON = Flag("--json", "print where the output stood, and how many bytes were typed")
FORCE = Flag("--force", "take the pen from its holder (right force)")

GRAMMAR = Grammar(
    "send",
    "type exactly TEXT, or standard input; done when the VM has it",
    arguments=(NAME, TEXT),
    options=(ENTER, JSON, TIME_OUT, FORCE),
    examples=("send web1 --enter reboot",),
    notes=(*rule("TEXT"), "", *examples()),
)


@frozen
class SendOptions:
    """What to type, None for standard input, and how. `timeout` is seconds."""

    text: bytes | None = field(repr=False)
    enter: bool = False
    json: bool = False
    force: bool = False
    timeout: float = TIMEOUT


def send_options(parsed: Parsed) -> SendOptions:
    """The options of a command. Raises `UsageError`."""
    text, enter = parsed.get(TEXT), parsed.has(ENTER)
    if text == b"" and not enter:
        raise UsageError("TEXT is empty; --enter alone types a CR")
    timeout = parsed.get(TIME_OUT, TIMEOUT)
    return SendOptions(text, enter, parsed.has(JSON), parsed.has(FORCE), timeout)


async def run(call: Call, parsed: Parsed) -> None:
    """Type it."""
    options = send_options(parsed)
    if options.text is None and call.channel.terminal is not None:
        raise VerbExit(
            USAGE, "TEXT is missing; standard input is typed only where it is not a terminal"
        )
    console = call.find(parsed[NAME])
    call.require_right("write", console, "type on")
    call.require_place()
    sending = _Sending(call, console, options)
    offset, count = await sending.run()
    if options.json:
        call.output.put(json.dumps({"offset": offset, "bytes": count}).encode() + b"\n")


class _Sending(Sink, InputReader):
    """Types TEXT or standard input at one attachment."""

    def __init__(self, call: Call, console: Console, options: SendOptions) -> None:
        self._call = call
        self._console = console
        self._options = options
        self._is_whole = False  # whether nothing more comes that is to be typed
        self._unconsumed = 0  # bytes of input without `Channel.consumed`
        self._changed = Wakeup(call.context.clock)
        self._attachment = console.attach(
            call.session, call.rights(console), self, console.history.end
        )
        self._typist = Typist(self._attachment, self._changed.set_later)

    async def run(self) -> tuple[int, int]:
        """Where the output stood when the last byte went to the VM, and how many bytes did."""
        try:
            with self._call.recording("send", self._console, self._stop):
                await self._send()
        finally:
            self._attachment.detach()
        return self._typist.offset, self._typist.typed

    def _stop(self) -> Mapping[str, Fact]:
        """What is recorded at the end."""
        self._consume()
        self._typist.stop()
        return {"bytes": self._typist.typed, "offset": self._typist.offset}

    async def _send(self) -> None:
        for caution in cautions(self._call.context, self._console):
            self._call.remark(caution)
        # Before input is read: another operator may have the pen, the VM may be away.
        refusal = take_pen(self._attachment, self._options.force)
        if refusal is not None:
            raise self._refused(refusal, self._options.force)
        self._call.output.reader = self
        if self._options.text is not None:
            self._typist.type(self._options.text)
            self._end_text()
        await self._until_typed()

    def _end_text(self) -> None:
        self._is_whole = True
        if self._options.enter:
            self._typist.type(CR)

    async def _until_typed(self) -> None:
        """Wait until the VM has everything. It must take something in the time-out while there is
        something to take.
        """
        typist, clock, timeout = self._typist, self._call.context.clock, self._options.timeout
        typed, since = -1, 0.0
        while True:
            if typist.refusal is not None:
                raise self._refused(typist.refusal)
            if typist.dropped:
                state = self._console.state.value
                raise self._failure(FAILED, "dropped", f"{self._console.title} is {state}")
            if self._is_whole and not typist.waiting:
                return
            self._consume()
            if not typist.waiting:
                typed = -1
                await self._changed.wait()
                continue
            if typist.typed != typed:
                typed, since = typist.typed, clock.seconds()
            if not await self._changed.wait(since + timeout - clock.seconds()):
                held = " (vMotion in progress)" if self._console.input.held else ""
                why = f"{self._console.title} took no input for {timeout:g} s{held}"
                raise self._failure(TIMED_OUT, "timed-out", why)

    def _refused(self, refusal: Refusal, force: bool = False) -> VerbExit:
        what = self._typist.give_up()
        powerless = force and "force" not in self._attachment.rights
        session = self._attachment.session
        text, status = refused(self._console, session, refusal, what, powerless)
        return VerbExit(status, text, console=self._console, detail=refusal.value)

    def _failure(self, status: int, detail: str, why: str) -> VerbExit:
        text = f"{why}; {self._typist.give_up()}"
        return VerbExit(status, text, console=self._console, detail=detail)

    def _consume(self) -> None:
        """Open the operator's window by what the console has taken."""
        done = self._unconsumed - self._typist.pending
        if done > 0:
            self._unconsumed -= done
            self._call.channel.consumed(done)

    # `Sink`

    def ready(self) -> None:
        """Notices go to stderr; output is skipped."""
        self._attachment.offset = self._console.history.end
        while True:
            match self._attachment.next(1):
                case Notice(text):
                    self._call.remark(text)
                case Ended(reason):
                    self._changed.throw(self._failure(FAILED, "ended", reason))
                    return
                case _:
                    return

    def writable(self) -> None:
        self._typist.pump()
        self._changed.set_later()

    def host_changed(self, old: str, new: str) -> None:
        """It may be another VM now: nothing more is typed."""
        text = moved_without_proof(self._console, old, new, self._typist.give_up())
        self._changed.throw(VerbExit(FAILED, text, detail="host-changed"))

    def ended(self, reason: str) -> None:
        text = f"{self._attachment.title}: {reason}"
        self._changed.throw(self._failure(FAILED, "ended", text))

    # `InputReader`

    def received(self, data: bytes) -> None:
        """Standard input. Control-C ends it where a terminal sends it as a key."""
        if self._is_whole:
            self._call.channel.consumed(len(data))
            if INTERRUPT in data and self._call.channel.terminal is not None:
                self._changed.throw(self._failure(FAILED, "left", "interrupted"))
            return
        self._unconsumed += len(data)
        self._typist.type(data)
        self._changed.set()

    def ended_input(self) -> None:
        if not self._is_whole:
            self._end_text()
            self._changed.set()


VERB = Verb(GRAMMAR, run, audits_itself=True)
