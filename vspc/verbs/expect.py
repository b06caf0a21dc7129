"""`expect NAME REGEX`: wait until a VM says something."""

import json
from functools import partial

from vspc.console.attachment import Attachment
from vspc.console.console import Console
from vspc.console.ports import Cancellable
from vspc.text import safe, safe_output
from vspc.verbs.call import (
    DENIED,
    DONE,
    FAILED,
    TIMED_OUT,
    USAGE,
    Call,
    Printer,
    complain,
)
from vspc.verbs.describe import cautions
from vspc.verbs.expectwords import BOOT, LAST, USAGE_LINE, Wanted, last_boot, parse
from vspc.verbs.following import Following
from vspc.verbs.hunt import WINDOW, Hunt, Look, Match
from vspc.verbs.reading import ask
from vspc.verbs.typist import (
    RESULTS,
    Typist,
    moved_without_proof,
    refused,
    so_much,
    take_pen,
)
from vspc.verbs.words import BadWord

SUMMARY = "wait until a console says something (RE2), and print it"

PAUSE = 0.01
"""Seconds between two searches of a whole window; less for less."""

AGAIN = 1.0
"""Seconds after which it tries again where too many search."""

SHOWN = 1000
"""Characters of what `--fail` found that are shown."""


def run(call: Call) -> None:
    """Wait for it."""
    try:
        wanted = parse(call.words)
    except BadWord as mistake:
        call.fail(USAGE, str(mistake), f"usage: {USAGE_LINE}")
        return
    console = call.find(wanted.name)
    if console is None:
        return
    if wanted.text and "write" not in call.rights(console):
        call.fail(DENIED, f"you have no right to type on {console.title}", console=console)
        return
    if call.has_place():
        Expecting(call, console, wanted).begin()


class Expecting:
    """A `Program` that waits, the `Sink` of its attachment, and the `Reader` of what that shows."""

    def __init__(self, call: Call, console: Console, wanted: Wanted) -> None:
        self._call = call
        self._channel = call.channel
        self._clock = call.world.clock
        self._console = console
        self._wanted = wanted
        self._hunt = Hunt(wanted.sought)
        self._now = self._from = console.history.end
        self._began = self._clock.seconds()
        self._over = False
        self._failing = ""  # why it ends once all that was said is searched
        self._found: Match | None = None
        self._asked: Cancellable | None = None  # the log, about where to begin
        self._searching: Cancellable | None = None
        self._pause: Cancellable | None = None
        self._soon: Cancellable | None = None
        self._deadline: Cancellable | None = None
        self._attachment: Attachment | None = None
        self._following: Following | None = None
        self._typist: Typist | None = None

    # Where it begins

    def begin(self) -> None:
        """Find out where to begin."""
        self._deadline = self._clock.call_later(self._wanted.timeout, self._late)
        self._channel.start(self)
        start = self._wanted.start
        if self._over:
            return
        if start == BOOT:
            self._begin_at_boot()
        elif start == LAST:
            self._begin_at_last()
        elif isinstance(start, int):
            self._begin_at(start)
        else:
            self._arm(self._now)

    def _begin_at_boot(self) -> None:
        limit = self._call.history_limit(self._console)
        earliest = None if limit is None else self._clock.wall() - limit
        self._asked = ask(
            self._call.world,
            self._console,
            lambda kept: (last_boot(kept, earliest),),
            self._found_boot,
        )

    def _found_boot(self, found: tuple[int | None] | None) -> None:
        if self._over:
            return
        if found is None:
            self._finish(FAILED, "log", f"the log of {self._console.title} cannot be read now")
        elif found[0] is None:
            self._finish(FAILED, "no-boot", f"no boot of {self._console.title} is kept: see boots")
        else:
            self._arm(found[0])

    def _begin_at_last(self) -> None:
        remembered = self._call.world.remembered
        last = remembered.last_match(self._call.operator.name, self._console.id)
        if last is None:
            self.notice(f"you have expected nothing on {self._console.title} yet: it begins now")
        self._begin_at(self._now if last is None else last)

    def _begin_at(self, offset: int) -> None:
        if offset > self._now:
            self._finish(
                FAILED,
                "not-said",
                f"offset {offset} of {self._console.title} is not said yet; it ends at {self._now}",
            )
            return
        limit = self._call.history_limit(self._console)
        if limit is None or offset >= self._now:
            self._arm(offset)
            return
        earliest = self._clock.wall() - limit

        def found(first: int | None) -> None:
            if first is not None and offset >= first:
                self._arm(offset)
            elif not self._over:
                since = "" if first is None else f", offset {first}"
                text = f"you may look back {limit:g} seconds on {self._console.title}{since}"
                self._finish(DENIED, "history", text)

        self._asked = ask(self._call.world, self._console, lambda kept: kept.since(earliest), found)

    def _arm(self, offset: int) -> None:
        """Look from `offset` on, then type."""
        if self._over:
            return
        self._from = offset
        call, console = self._call, self._console
        attachment = console.attach(call.session, call.rights(console), self, offset)
        self._attachment = attachment
        for caution in cautions(call.world, console) if self._wanted.text else ():
            self.notice(caution)
        self._following = Following(call.world, attachment, self)
        if self._wanted.text:
            self._typist = Typist(attachment, self._changed)
            self._typist.refusal = take_pen(attachment, self._wanted.force)
            self._typist.type(self._wanted.text)
        self._settle()
        self.ready()

    # Reading and searching

    def room(self) -> int:
        """`Reader`."""
        return 0 if self._over else self._hunt.room

    def said(self, offset: int, data: bytes) -> None:
        """`Reader`: more to search."""
        self._hunt.feed(offset, data)
        self._search()

    def missing(self, start: int, end: int) -> None:
        """`Reader`: nothing is found across a gap."""
        self.notice(f"lost: offsets {start} to {end} of {self._console.title} are not kept")

    def notice(self, text: str) -> None:
        """One line about the console."""
        complain(self._channel, f"[{text}]")

    def over(self, reason: str) -> None:
        """`Reader`: it ends when what was said until now is searched."""
        self._failing = reason
        self._settle()

    def _search(self) -> None:
        resting = self._pause is not None and self._pause.active()
        if self._over or self._found or self._searching or resting or not self._hunt.due:
            return
        look = self._hunt.look()
        task = self._call.world.aside.do(look.cost, look.search, partial(self._searched, look))
        if task is None:
            self._pause = self._clock.call_later(AGAIN, self._rested)
        elif task.active():
            self._searching = task

    def _searched(self, look: Look, found: Match | None) -> None:
        self._searching = None
        if self._over:
            return
        if found is None:
            self._hunt.missed()
            # Output in drops is searched together: each search is of a whole window again.
            rest = PAUSE * look.length / WINDOW
            self._pause = self._clock.call_later(rest, self._rested)
        self._found = found
        self._settle()

    def _rested(self) -> None:
        self._pause = None
        self._search()
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
            text, status = refused(self._console, typist.refusal, what)
            self._finish(status, typist.refusal.value, text)
        elif typist is not None and typist.dropped:
            why = f"{self._console.title} is {self._console.state.value}"
            self._finish(FAILED, "dropped", f"{why}; {self._so_much()}")
        elif self._found is not None:
            # What it waits for may have been there already: the text is to be typed all the same.
            if typist is None or not typist.waiting:
                self._conclude(self._found)
        elif self._failing and not self._hunt.due:
            self._finish(FAILED, "ended", self._failing)

    def _so_much(self) -> str:
        typist = self._typist
        if typist is None:
            return ""
        left = typist.stop()
        return so_much(typist.typed, left)

    def _late(self) -> None:
        """Time is over; what is there already, and takes no time, is looked at."""
        if self._pause is not None and self._pause.active():
            self._pause.cancel()
        self._search()
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
        return max(self._from, self._hunt.end)

    def _conclude(self, found: Match) -> None:
        if found.which < len(self._wanted.sought) - 1:
            shown = safe(safe_output(found.text), SHOWN)
            text = f"{self._console.title} said at offset {found.offset}: {shown}"
            self._finish(FAILED, "fail", text, found=found)
            return
        remembered = self._call.world.remembered
        remembered.matched(self._call.operator.name, self._console.id, found.end)
        self._leave(DONE, "", found)
        text = _as_json(found) if self._wanted.json else _as_text(found)
        Printer(self._channel, text)

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
        what = self._so_much() or "ended"
        self._attachment.end(moved_without_proof(self._console, old, new, what))

    def ended(self, reason: str) -> None:
        """The console is gone, or the operator was sent away."""
        if not self._over:
            self._finish(FAILED, "ended", f"{self._attachment.title}: {reason}")

    # Program

    def received(self, data: bytes) -> None:
        """Control-C ends it where a terminal sends it as a key."""
        self._channel.consumed(len(data))
        if b"\x03" in data and self._channel.terminal is not None and not self._over:
            self._finish(FAILED, "left")

    def ended_input(self) -> None:
        """It waits all the same."""

    def drained(self) -> None:
        """Nothing is printed before the end."""

    def resized(self) -> None:
        """Nothing is shown."""

    def break_requested(self) -> bool:
        """`break` does that."""
        return False

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
        self._over = True
        self._stop_waiting()
        call, typist = self._call, self._typist
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
        for waiting in (
            self._asked,
            self._searching,
            self._pause,
            self._soon,
            self._deadline,
        ):
            if waiting is not None and waiting.active():
                waiting.cancel()
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
