"""`log NAME`: what a console said, from its log; with `-f` what it says, too."""

from vspc.console.attachment import Attachment, Ended, Lost, Notice, Output
from vspc.console.console import Console
from vspc.console.lines import Lines
from vspc.console.past import Item, Kept, Kind, Marker, Said
from vspc.console.ports import Cancellable
from vspc.console.sessions import Follow
from vspc.verbs.call import DONE, FAILED, USAGE, Call, complain
from vspc.verbs.logoptions import USAGE_LINE, BadWord, NoSuchBoot, Span, Wanted, parse, span
from vspc.verbs.logprint import Printed, sift
from vspc.verbs.reading import PIECE, Reel, ask
from vspc.verbs.spool import Spool
from vspc.verbs.without import NoScreen

SUMMARY = "what a console said, from its log"

SIFTED = 1024 * 1024
"""Bytes that are searched in one go."""

SEARCHED = 4 * 1024 * 1024 * 1024
"""Bytes that one command searches."""

NOWHERE = Follow(None)
"""In place of a place, where nothing is followed."""


def run(call: Call) -> None:
    """Print it."""
    if not call.words or call.words[0].startswith("-"):
        call.fail(USAGE, f"usage: {USAGE_LINE}")
        return
    try:
        wanted = parse(call.words[1:], call.world.clock.wall())
    except BadWord as mistake:
        call.fail(USAGE, str(mistake), f"usage: {USAGE_LINE}")
        return
    console = call.find(call.words[0])
    if console is None:
        return
    place: Follow | str = call.world.sessions.follow(call.session) if wanted.follow else NOWHERE
    if isinstance(place, str):
        call.record("limit", console, limit="max_followed")
        call.fail(FAILED, place)
    else:
        LogReader(call, console, wanted, place).begin()


class LogReader(NoScreen):
    """A `Program` that prints a log, and the `Sink` of an attachment once it has caught up."""

    def __init__(self, call: Call, console: Console, wanted: Wanted, place: Follow) -> None:
        self._call = call
        self._channel = call.channel
        self._console = console
        self._wanted = wanted
        self._place = place
        self._start: int | None = None
        self._printed = Printed(wanted, call.channel.terminal is not None)
        self._spool = Spool(call.channel)
        self._end = 0
        self._reel: Reel | None = None
        self._attachment: Attachment | None = None
        self._title = console.title  # as he knows it: he may not learn the name it has then
        self._asked: Cancellable | None = None
        self._next: tuple[int, int] | None = None  # where to search on, and what was searched
        self._over = False
        self._read_all = False

    def begin(self) -> None:
        """Find out where to begin."""
        self._channel.start(self)
        limit = self._call.history_limit(self._console)
        earliest = None if limit is None else self._call.world.clock.wall() - limit
        self._asked = ask(
            self._call.world,
            self._console,
            lambda kept: span(self._wanted, kept, earliest),
            self._found,
        )

    def _found(self, found: Span | NoSuchBoot | None) -> None:
        if self._over:
            return
        if found is None:
            self._fail(f"the log of {self._console.title} cannot be read now")
            return
        if isinstance(found, NoSuchBoot):
            self._fail(str(found))
            return
        end = self._console.history.end
        if self._wanted.offset is not None and self._wanted.offset > end:
            self._fail(f"offset {self._wanted.offset} is not said yet; it ends at {end}")
            return
        self._start, self._end = found.start, found.end
        if self._wanted.follow:
            self._record("begun")
        if found.late:
            self._remark(f"it begins at offset {found.start}: what came before is not kept")
        if self._wanted.grep is not None:
            self._search(found.start)
            return
        self._read_from(found.start)

    # From the log

    def _read_from(self, offset: int) -> None:
        self._reel = Reel(
            self._call.world,
            self._console,
            offset,
            self._spool.room,
            self._give,
            self._reached,
            lambda: self._fail(f"the log of {self._console.title} cannot be read any further"),
        )
        self._reel.pump(None if self._wanted.follow else self._end)

    def _give(self, item: Item) -> None:
        if isinstance(item, Marker) and item.kind is Kind.GAP and not self._wanted.json:
            self._remark(f"lost: offsets {item.offset} to {item.end}: {item.text}")
        self._spool.print(self._printed.feed(item))

    def _is_forbidden(self) -> bool:
        """Whether the rules have changed since it began; then it is over."""
        if not self._call.may_read(self._console):
            self._fail(f"{self._title}: you may no longer read this console")
        return self._over

    def _reached(self, offset: int, ended: bool) -> bool:
        if self._is_forbidden():
            return True
        if self._wanted.follow:
            if offset < self._console.history.start or not ended:
                return False
            self._follow(offset)
            return True
        if not ended and offset < self._end:
            return False
        self._finish()
        return True

    def _search(self, offset: int, searched: int = 0) -> None:
        """Only lines that match leave the thread that reads."""
        expression, end = self._wanted.grep, self._end
        lines = Lines()

        def look(kept: Kept) -> tuple[list[Item], int, bool]:
            at, found, ended = offset, list[Item](), False
            while not (ended or kept.cancelled) and at - offset < SIFTED and len(found) < 1000:
                passage = kept.read(at, PIECE, end)
                found += sift(expression, passage.items, lines)
                at, ended = passage.next, passage.ended
            if not ended and at > offset + lines.pending:
                at -= lines.pending  # an unfinished line is read again
            else:
                found += [
                    Said(line.offset, line.at, line.text)
                    for line in lines.flush()
                    if expression.search(line.text)
                ]
            return found, at, ended

        def found(answer: tuple[list[Item], int, bool] | None) -> None:
            if self._over:
                return
            if answer is None:
                self._fail(f"the log of {self._title} cannot be read any further")
                return
            if self._is_forbidden():
                return
            items, at, ended = answer
            for item in items:
                self._give(item)
            self._after_search(at, ended, searched + at - offset)

        self._asked = ask(self._call.world, self._console, look, found)

    def _after_search(self, at: int, ended: bool, searched: int) -> None:
        if self._over:
            return
        self._spool.print(self._printed.end())
        if ended:
            if self._wanted.follow:
                self._follow(at)
            else:
                self._finish()
        elif searched >= SEARCHED:
            self._fail(f"{searched} bytes are searched; --from {at} goes on")
        else:
            self._next = at, searched
            self._go_on()

    def _go_on(self) -> None:
        if self._next is not None and self._spool.room() > 0:
            (at, searched), self._next = self._next, None
            self._call.world.clock.call_later(0, lambda: self._search(at, searched))

    # As it is said

    def _follow(self, offset: int) -> None:
        if self._is_forbidden():
            return
        self._spool.print(self._printed.pause())
        call = self._call
        self._attachment = self._console.attach(
            call.session, call.rights(self._console), self, offset
        )
        self.ready()

    def ready(self) -> None:
        """`Sink`: the VM said more."""
        while not self._over and self._attachment is not None and (room := self._spool.room()) > 0:
            match self._attachment.next(min(room, PIECE)):
                case Output(offset, data):
                    self._give(Said(offset, self._call.world.clock.wall(), data))
                case Lost(start, _):
                    self._attachment.detach()
                    self._attachment = None
                    self._read_from(start)
                    return
                case Notice(text):
                    self._remark(text)
                case Ended(reason):
                    self._fail(reason)
                case None:
                    self._spool.print(self._printed.pause())
                    return

    def writable(self) -> None:
        """Nothing is typed here."""

    def host_changed(self, old: str, new: str) -> None:
        """A reader goes on; the notice tells."""

    def ended(self, reason: str) -> None:
        """The console is gone."""
        self._fail(f"{self._title}: {reason}; --from {self._console.history.end} goes on")

    # Program

    def drained(self) -> None:
        """The operator takes more."""
        self._spool.drain()
        if self._over or self._spool:
            return
        if self._read_all:
            self._finish()
        elif self._attachment is not None:
            self.ready()
        elif self._next is not None:
            self._go_on()
        elif self._reel is not None:
            self._reel.pump(None if self._wanted.follow else self._end)

    def received(self, data: bytes) -> None:
        """Control-C ends it where a terminal sends it as a key."""
        self._channel.consumed(len(data))
        if b"\x03" in data and self._channel.terminal is not None:
            self._leave(DONE)

    def closed(self) -> None:
        """The operator has gone."""
        if not self._over and self._start is not None:
            self._record("ok")
        self._place.release()
        self._over = True
        if self._asked is not None and self._asked.active():
            self._asked.cancel()
        if self._reel is not None:
            self._reel.stop()
        if self._attachment is not None:
            self._attachment.detach()

    # Writing

    def _record(self, result: str) -> None:
        self._call.record(
            "log-read",
            self._console,
            verb="log",
            offset=self._start,
            end=self._end,
            bytes=self._spool.written,
            follow=self._wanted.follow,
            result=result,
        )

    def _remark(self, text: str) -> None:
        complain(self._channel, f"[{text}]")

    def _finish(self) -> None:
        self._read_all = True
        self._spool.print(self._printed.end())
        if not self._spool:
            nothing = self._wanted.grep is not None and not self._printed.matches
            self._leave(FAILED if nothing else DONE)

    def _fail(self, why: str) -> None:
        if not self._over:
            self._remark(why)
            self._leave(FAILED)

    def _leave(self, status: int) -> None:
        self.closed()
        self._channel.finish(status)
