"""`expect NAME REGEX`: wait until a VM says something."""

import json

from vspc.apps.describe import cautions
from vspc.apps.following import Following
from vspc.apps.typist import RESULTS, Typist, moved_without_proof, refused, so_much, take_pen
from vspc.apps.verbs.context import DENIED, DONE, FAILED, TIMED_OUT, Call, VerbPrinter, complain
from vspc.apps.verbs.expect_options import ExpectOptions, NoStart, Start, begin_at, wanted_of
from vspc.apps.verbs.grammar import Parsed
from vspc.apps.verbs.limits import EXPECTING
from vspc.apps.verbs.stream_search import BackgroundSearch, Match
from vspc.common.clock import Cancellable
from vspc.common.text import safe, safe_output
from vspc.console.access import NOTHING
from vspc.console.attachment import Attachment, Hint
from vspc.console.console import Console
from vspc.console.ports import Program

SHOWN = 1000
"""Characters of what `--fail` found that are shown."""


def run(call: Call, parsed: Parsed) -> None:
    """Wait for it."""
    wanted = wanted_of(parsed)
    console = call.find(wanted.name)
    if console is None:
        return
    if wanted.text and not call.may("write", console, "type on"):
        return
    if not call.has_place():
        return
    if call.context.limits.begins_to_expect(call.operator.name):
        Expecting(call, console, wanted).begin()
    else:
        call.record("limit", console, limit="expecting", value=EXPECTING)
        call.fail(FAILED, f"you wait for {EXPECTING} patterns already")


class Expecting(Program):
    """A `Program` that waits, the `Sink` of its attachment, and the `Reader` of what that shows."""

    def __init__(self, call: Call, console: Console, wanted: ExpectOptions) -> None:
        self._call = call
        self._channel = call.channel
        self._clock = call.context.clock
        self._console = console
        self._wanted = wanted
        self._title = console.title  # as he knows it: he may not learn the name it has then
        self._from = console.history.end
        self._began = self._clock.seconds()
        self._over = False
        self._failing = ""  # why it ends once all that was said is searched
        self._found: Match | None = None
        self._asked: Cancellable | None = None  # the log, about where to begin
        self._soon: Cancellable | None = None
        self._deadline: Cancellable | None = None
        self._attachment: Attachment | None = None
        self._following: Following | None = None
        self._typist: Typist | None = None
        self._searching = BackgroundSearch(call.context, wanted.sought, self._match, self._go_on)

    # Where it begins

    def begin(self) -> None:
        """Find out where to begin."""
        self._deadline = self._clock.call_later(self._wanted.timeout, self._late)
        self._channel.start(self)
        if not self._over:
            asked = begin_at(self._call, self._console, self._wanted.start, self._told_start)
            self._asked = asked

    def _told_start(self, start: Start | NoStart) -> None:
        if self._over:
            return
        if isinstance(start, NoStart):
            self._finish(start.status, start.detail, start.text)
            return
        if start.notice:
            self.notice(start.notice)
        self._arm(start.offset)

    def _arm(self, offset: int) -> None:
        """Look from `offset` on, then type."""
        self._from = offset
        call, console = self._call, self._console
        if not call.may_read(console):  # the rules have changed while the log was asked
            title = self._title
            self._finish(FAILED, "rights", f"{title}: you may no longer read this console")
            return
        attachment = console.attach(call.session, call.rights(console), self, offset)
        self._attachment = attachment
        for caution in cautions(call.context, console) if self._wanted.text else ():
            self.notice(caution)
        self._following = Following(call.context, attachment, self)
        if self._wanted.text:
            self._typist = Typist(attachment, self._changed)
            self._typist.refusal = take_pen(attachment, self._wanted.force)
            self._typist.type(self._wanted.text)
        self._settle()
        self.ready()

    # Reading and searching

    def room(self) -> int:
        """`Reader`."""
        return self._searching.room

    def said(self, offset: int, data: bytes) -> None:
        """`Reader`: more to search."""
        self._searching.feed(offset, data)

    def missing(self, start: int, end: int, _why: str) -> None:
        """`Reader`: nothing is found across a gap."""
        self.notice(f"lost: offsets {start} to {end} of {self._console.title} are not kept")

    def notice(self, text: str, _hint: Hint | None = None) -> None:
        """One line about the console."""
        complain(self._channel, f"[{text}]")

    def over(self, reason: str) -> None:
        """`Reader`: it ends when what was said until now is searched."""
        self._failing = reason
        self._settle()

    def _match(self, found: Match) -> None:
        self._found = found
        self._settle()

    def _go_on(self) -> None:
        self.ready()
        self._settle()

    # What becomes of it

    def _changed(self) -> None:
        if self._soon is None and not self._over:
            self._soon = self._clock.call_later(0, self._settle_soon)

    def _settle_soon(self) -> None:
        self._soon = None
        self._settle()

    def _settle(self) -> None:
        """See where things are."""
        typist = self._typist
        if self._over:
            return
        if typist is not None and typist.refusal is not None:
            typist.stop()
            what = so_much(typist.typed, typist.dropped)
            attachment = self._attachment
            rights = attachment.rights if attachment is not None else NOTHING
            powerless = self._wanted.force and "force" not in rights
            text, status = refused(
                self._console, self._call.session, typist.refusal, what, powerless
            )
            self._finish(status, typist.refusal.value, text)
        elif typist is not None and typist.dropped:
            why = f"{self._console.title} is {self._console.state.value}"
            self._finish(FAILED, "dropped", f"{why}; {self._so_much()}")
        elif self._found is not None:
            # What it waits for may have been there already: the text is to be typed all the same.
            if typist is None or not typist.waiting:
                self._conclude(self._found)
        elif self._failing and not self._searching.due:
            self._finish(FAILED, "ended", self._failing)

    def _so_much(self) -> str:
        typist = self._typist
        if typist is None:
            return ""
        left = typist.stop()
        return so_much(typist.typed, left)

    def _late(self) -> None:
        """Time is over; what is there already, and takes no time, is looked at."""
        self._searching.hurry()
        if self._over:
            return
        title, wanted = self._console.title, self._wanted
        lines = [f"timed out after {wanted.timeout:g} s: {title} has not said it"]
        if self._found is not None:
            lines = [f"timed out after {wanted.timeout:g} s: {title} does not take what is typed"]
        if self._typist is not None and self._typist.waiting:
            lines.append(self._so_much())
        lines.append(f"looked at offsets {self._from} to {self._looked}; --from goes on")
        self._finish(TIMED_OUT, "timed-out", *lines)

    @property
    def _looked(self) -> int:
        return max(self._from, self._searching.end)

    def _conclude(self, found: Match) -> None:
        if found.which < len(self._wanted.sought) - 1:
            shown = safe(safe_output(found.text), SHOWN)
            text = f"{self._console.title} said at offset {found.offset}: {shown}"
            self._finish(FAILED, "fail", text, found=found)
            return
        remembered = self._call.context.limits
        remembered.matched(self._call.operator.name, self._console.id, found.end)
        self._leave(DONE, "", found)
        text = _as_json(found) if self._wanted.json else _as_text(found)
        VerbPrinter(self._channel, text)

    # Sink

    def ready(self) -> None:
        """The VM said more."""
        if self._following is not None:
            self._following.go_on()

    def writable(self) -> None:
        """The console takes more."""
        if self._typist is not None:
            self._typist.pump()
            self._changed()

    def host_changed(self, old: str, new: str) -> None:
        """Nobody knows whether this is the VM: what it said before still counts."""
        if self._over or self._attachment is None:
            return
        text = moved_without_proof(self._console, old, new, self._so_much() or "ended")
        if self._found is not None or (self._typist is not None and self._typist.dropped):
            self._finish(FAILED, "host-changed", text)
        else:
            self._attachment.end(text)

    def ended(self, reason: str) -> None:
        """The console is gone, or the operator was sent away."""
        if not self._over and self._attachment is not None:
            self._finish(FAILED, "ended", f"{self._attachment.title}: {reason}")

    # Program

    def received(self, data: bytes) -> None:
        """Control-C ends it where a terminal sends it as a key."""
        self._channel.consumed(len(data))
        if b"\x03" in data and self._channel.terminal is not None and not self._over:
            self._finish(FAILED, "left")

    def closed(self) -> None:
        """The operator has gone."""
        if not self._over:
            self._leave(FAILED, "left")

    # Ending

    def _finish(self, status: int, detail: str, *lines: str, found: Match | None = None) -> None:
        if lines:
            complain(self._channel, *lines)
        self._leave(status, detail, found)
        self._channel.finish(status)

    def _leave(self, status: int, detail: str, found: Match | None = None) -> None:
        call, typist = self._call, self._typist
        if not self._over:
            call.context.limits.has_expected(call.operator.name)
        self._over = True
        self._stop_waiting()
        if typist is not None:
            typist.stop()
        if status == DENIED:
            call.record("denied", self._console, verb="expect", detail=detail)
        call.record(
            "expect",
            self._console,
            result=RESULTS[status],
            bytes=None if typist is None else typist.typed,
            offset=None if found is None else found.offset,
            end=None if found is None else found.end,
            seconds=round(self._clock.seconds() - self._began, 3),
            detail=detail or None,
        )
        if self._attachment is not None:
            self._attachment.detach()

    def _stop_waiting(self) -> None:
        for waiting in (self._asked, self._soon, self._deadline):
            if waiting is not None and waiting.active():
                waiting.cancel()
        self._searching.stop()
        if self._following is not None:
            self._following.stop()


def _as_text(found: Match) -> str:
    return safe_output(found.text).decode("utf-8", "replace") + "\n"


def _as_json(found: Match) -> str:
    facts = {
        "match": found.text.decode("utf-8", "replace"),
        "offset": found.offset,
        "end": found.end,
        "groups": [None if g is None else g.decode("utf-8", "replace") for g in found.groups],
    }
    return json.dumps(facts) + "\n"
