"""`send NAME TEXT`: type something at a VM, and know that it got it."""

import json

from attrs import field, frozen

from vspc.apps.describe import cautions
from vspc.apps.typist import RESULTS, Typist, moved_without_proof, refused, so_much, take_pen
from vspc.apps.verbs.context import DENIED, DONE, FAILED, TIMED_OUT, USAGE, Call, complain
from vspc.apps.verbs.grammar import Argument, Flag, Grammar, Option, Parsed
from vspc.apps.verbs.kinds import CONSOLE, TYPED, WAIT, UsageError
from vspc.apps.verbs.verbatim import examples, rule
from vspc.common.clock import Cancellable
from vspc.console.attachment import Attachment, Ended, Notice
from vspc.console.console import Console
from vspc.console.ports import Program

TIMEOUT = 60.0
"""Seconds in which the VM must take some of what is to be typed, unless the operator says more."""

CR = b"\r"

NAME = Argument("NAME", "the console", CONSOLE)
TEXT = Argument("TEXT", "what to type; without it standard input is typed", TYPED, required=False)
ENTER = Flag("--enter", "type a CR behind it")
TIME_OUT = Option("--timeout", "give up when the VM takes nothing for so long (60 s)", WAIT)
JSON = Flag("--json", "print where the output stood, and how many bytes were typed")
FORCE = Flag("--force", "take the pen from whoever types (right force)")

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


def wanted_of(parsed: Parsed) -> SendOptions:
    """What was said. Raises `UsageError`."""
    text, enter = parsed.get(TEXT), parsed.has(ENTER)
    if text == b"" and not enter:
        raise UsageError("TEXT is empty; --enter alone types a CR")
    timeout = parsed.get(TIME_OUT, TIMEOUT)
    return SendOptions(text, enter, parsed.has(JSON), parsed.has(FORCE), timeout)


def run(call: Call, parsed: Parsed) -> None:
    """Type it."""
    wanted = wanted_of(parsed)
    if wanted.text is None and call.channel.terminal is not None:
        call.fail(USAGE, "say TEXT; standard input is typed where it is no terminal")
        return
    console = call.find(parsed[NAME])
    if console is None:
        return
    if not call.may("write", console, "type on"):
        return
    if call.has_place():
        Sending(call, console, wanted).begin()


class Sending(Program):
    """A `Program` that types, and the `Sink` of the attachment at which it does."""

    def __init__(self, call: Call, console: Console, wanted: SendOptions) -> None:
        self._call = call
        self._channel = call.channel
        self._console = console
        self._wanted = wanted
        self._began = call.context.clock.seconds()
        self._over = False
        self._whole = False  # whether nothing more comes that is to be typed
        self._owed = 0  # bytes of input for which the channel was not told `consumed`
        self._timer: Cancellable | None = None
        self._timed = 0  # bytes that had gone to the VM when the timer was set
        self._soon: Cancellable | None = None
        self._attachment: Attachment = console.attach(
            call.session, call.rights(console), self, console.history.end
        )
        self._typist = Typist(self._attachment, self._changed)

    def begin(self) -> None:
        """Type what there is."""
        for caution in cautions(self._call.context, self._console):
            self._remark(caution)
        if self._is_refused():
            return
        self._channel.start(self)
        if self._wanted.text is not None and not self._over:
            self._typist.type(self._wanted.text)
            self._end_text()
        self._settle()

    def _is_refused(self) -> bool:
        """Before anything is read: somebody may be typing, the VM may be away."""
        refusal = take_pen(self._attachment, self._wanted.force)
        if refusal is not None:
            powerless = self._wanted.force and "force" not in self._attachment.rights
            text, status = refused(
                self._console, self._attachment.session, refusal, "nothing was sent", powerless
            )
            self._finish(status, refusal.value, text)
        return refusal is not None

    def _end_text(self) -> None:
        self._whole = True
        if self._wanted.enter:
            self._typist.type(CR)

    # What becomes of it

    def _changed(self) -> None:
        if self._soon is None and not self._over:
            self._soon = self._call.context.clock.call_later(0, self._settle)

    def _settle(self) -> None:
        """See where things are."""
        if self._soon is not None and self._soon.active():
            self._soon.cancel()
        self._soon = None
        if self._over:
            return
        typist = self._typist
        if typist.refusal is not None:
            self._not_allowed()
        elif typist.dropped:
            self._fail(FAILED, "dropped", f"{self._console.title} is {self._console.state.value}")
        elif self._whole and not typist.waiting:
            self._finish(DONE, "")
        else:
            self._pay()
            self._watch()

    def _not_allowed(self) -> None:
        refusal = self._typist.refusal
        assert refusal is not None
        self._typist.stop()
        what = so_much(self._typist.typed, self._typist.dropped)
        text, status = refused(self._console, self._attachment.session, refusal, what)
        self._finish(status, refusal.value, text)

    def _fail(self, status: int, detail: str, why: str) -> None:
        left = self._typist.stop()
        self._finish(status, detail, f"{why}; {so_much(self._typist.typed, left)}")

    def _pay(self) -> None:
        """Open the operator's window by what the console has taken."""
        done = self._owed - self._typist.pending
        if done > 0:
            self._owed -= done
            self._channel.consumed(done)

    def _watch(self) -> None:
        """Something must go to the VM, as long as there is something."""
        typed = self._typist.typed
        running = self._timer is not None and self._timer.active()
        if running and typed == self._timed and self._typist.waiting:
            return
        self._stop_watching()
        self._timed = typed
        if self._typist.waiting:
            self._timer = self._call.context.clock.call_later(self._wanted.timeout, self._late)

    def _stop_watching(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    def _late(self) -> None:
        held = ", its vMotion goes on" if self._console.input.held else ""
        why = f"{self._console.title} took nothing for {self._wanted.timeout:g} s{held}"
        self._fail(TIMED_OUT, "timed-out", why)

    # Sink

    def ready(self) -> None:
        """What is said of the console meanwhile goes to stderr; its output is not looked at."""
        self._attachment.offset = self._console.history.end
        while not self._over:
            match self._attachment.next(1):
                case Notice(text):
                    self._remark(text)
                case Ended(reason):
                    self._fail(FAILED, "ended", reason)
                case _:
                    return

    def writable(self) -> None:
        """The console takes more."""
        self._typist.pump()
        self._changed()

    def host_changed(self, old: str, new: str) -> None:
        """Nobody knows at whom this would be typed."""
        if not self._over:
            left = self._typist.stop()
            what = so_much(self._typist.typed, left)
            text = moved_without_proof(self._console, old, new, what)
            self._finish(FAILED, "host-changed", text)

    def ended(self, reason: str) -> None:
        """The console is gone, or the operator was sent away."""
        if not self._over:
            self._fail(FAILED, "ended", f"{self._attachment.title}: {reason}")

    # Program

    def received(self, data: bytes) -> None:
        """Standard input. Control-C ends it where a terminal sends it as a key."""
        if self._over or self._whole:
            self._channel.consumed(len(data))
            if b"\x03" in data and self._channel.terminal is not None and not self._over:
                self._fail(FAILED, "left", "interrupted")
            return
        self._owed += len(data)
        self._typist.type(data)
        self._settle()

    def ended_input(self) -> None:
        """All of it is here."""
        if not self._over and not self._whole:
            self._end_text()
            self._settle()

    def give_back(self) -> bool:
        """Nothing was shown."""
        return False

    def closed(self) -> None:
        """The operator has gone: what has not gone to the VM does not go any more."""
        if not self._over:
            self._typist.stop()
            self._leave(FAILED, "left")

    # Ending

    def _remark(self, text: str) -> None:
        complain(self._channel, f"[{text}]")

    def _finish(self, status: int, detail: str, *lines: str) -> None:
        if lines:
            complain(self._channel, *lines)
        if status == DONE and self._wanted.json:
            facts = {"offset": self._typist.offset, "bytes": self._typist.typed}
            self._channel.write(json.dumps(facts).encode() + b"\n")
        self._pay()
        self._leave(status, detail)
        self._channel.finish(status)

    def _leave(self, status: int, detail: str) -> None:
        self._over = True
        self._stop_watching()
        self._typist.stop()
        call, typist = self._call, self._typist
        if status == DENIED:
            call.record("denied", self._console, verb="send", detail=detail)
        call.record(
            "send",
            self._console,
            bytes=typist.typed,
            result=RESULTS[status],
            offset=typist.offset,
            detail=detail or None,
            seconds=round(call.context.clock.seconds() - self._began, 3),
        )
        self._attachment.detach()
