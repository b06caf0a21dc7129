"""`log NAME`: what a console said, from its log; with `-f` what it says, too."""

from collections.abc import Sequence

from attrs import evolve

from vspc.apps.verbs import log_many
from vspc.apps.verbs.context import DONE, FAILED, Call, Spool, complain
from vspc.apps.verbs.grammar import Parsed
from vspc.apps.verbs.log_cursor import PIECE, LogCursor, ask, from_memory, not_written
from vspc.apps.verbs.log_options import (
    NAME,
    LogOptions,
    NoSuchBoot,
    Span,
    remembered_span,
    span,
    wanted_of,
)
from vspc.apps.verbs.log_print import Printed
from vspc.apps.verbs.log_search import Search
from vspc.apps.verbs.log_search import SearchEnded as Searched
from vspc.common.clock import Cancellable
from vspc.console.attachment import Attachment, Ended, Lost, Notice, OutputChunk
from vspc.console.console import Console
from vspc.console.logs import Item, Marker, MarkerKind, Output
from vspc.console.ports import Program
from vspc.console.sessions import Follow

IDLE = 2.0
"""Seconds after which an unfinished line is shown as it is, where lines are shown one by one."""

NOWHERE = Follow(None)
"""In place of a place, where nothing is followed."""


def run(call: Call, parsed: Parsed) -> None:
    """Print it."""
    wanted = wanted_of(parsed)
    if wanted.grep is not None and call.means_many(parsed[NAME]):
        log_many.search(call, parsed[NAME], wanted)
        return
    console = call.find(parsed[NAME])
    if console is None:
        return
    place: Follow | str = call.context.sessions.follow(call.session) if wanted.follow else NOWHERE
    if isinstance(place, str):
        call.record("limit", console, limit="max_followed")
        call.fail(FAILED, place)
    else:
        LogReader(call, console, wanted, place).begin()


class LogReader(Program):
    """A `Program` that prints a log, and the `Sink` of an attachment once it has caught up."""

    def __init__(self, call: Call, console: Console, wanted: LogOptions, place: Follow) -> None:
        self._call = call
        self._channel = call.channel
        self._console = console
        self._wanted = wanted
        self._place = place
        self._start: int | None = None
        self._printed = Printed(wanted, call.channel.terminal is not None)
        self._spool = Spool(call.channel)
        self._end = 0
        self._reel: LogCursor | None = None
        self._attachment: Attachment | None = None
        self._title = console.title  # as he knows it: he may not learn the name it has then
        self._asked: Cancellable | None = None
        self._search: Search | None = None
        self._late: Cancellable | None = None  # when an unfinished line is shown
        self._over = False
        self._read_all = False

    def begin(self) -> None:
        """Find out where to begin."""
        self._channel.start(self)
        limit = self._call.history_limit(self._console)
        earliest = None if limit is None else self._call.context.clock.wall() - limit
        self._asked = ask(
            self._call.context,
            self._console,
            lambda kept: (span(self._wanted, kept, earliest), kept.unwritten, kept.end),
            lambda answer: self._answered(answer, earliest),
        )

    def _answered(
        self, answer: tuple[Span | NoSuchBoot, int, int] | None, earliest: float | None
    ) -> None:
        if self._over:
            return
        wanted, end = self._wanted, self._console.history.end
        if answer is None:
            kept_in_memory = remembered_span(wanted, self._console, earliest)
            if kept_in_memory is None:
                self._fail(f"the log of {self._console.title} cannot be read now")
                return
            self._remark(from_memory(self._console.title))
            self._found(kept_in_memory)
            return
        found, unwritten, kept = answer
        if unwritten:
            self._remark(not_written(unwritten))
        whole = wanted.until is None and wanted.count is None
        if isinstance(found, Span) and whole and found.end == kept < end:
            found = evolve(found, end=end)  # what the log does not have memory may have
        self._found(found)

    def _found(self, found: Span | NoSuchBoot) -> None:
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
        if self._wanted.grep is None:
            self._read_from(found.start)
            return
        self._search = Search(
            self._call.context,
            self._console,
            self._wanted,
            found,
            self._spool.room,
            self._give_found,
            self._searched,
        )
        self._search.go_on()

    # From the log

    def _read_from(self, offset: int) -> None:
        self._reel = LogCursor(
            self._call.context,
            self._console,
            offset,
            self._spool.room,
            self._give,
            self._reached,
            lambda: self._fail(f"the log of {self._console.title} cannot be read any further"),
        )
        self._reel.pump(None if self._wanted.follow else self._end)

    def _give(self, item: Item) -> None:
        shown = self._wanted.json and self._wanted.grep is None
        if isinstance(item, Marker) and item.kind is MarkerKind.GAP and not shown:
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

    def _give_found(self, items: Sequence[Item]) -> bool:
        if self._is_forbidden():
            return False
        for item in items:
            self._give(item)
        self._spool.print(self._printed.end())
        return True

    def _searched(self, ended: Searched) -> None:
        if not ended.complete:
            assert self._search is not None
            self._fail(f"{self._search.searched} bytes are searched; --from {ended.offset} goes on")
        elif self._wanted.follow:
            self._follow(ended.offset)
        else:
            self._finish()

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
        self._stop_waiting()
        while not self._over and self._attachment is not None and (room := self._spool.room()) > 0:
            match self._attachment.next(min(room, PIECE)):
                case OutputChunk(offset, data):
                    self._give(Output(offset, self._call.context.clock.wall(), data))
                case Lost(start, _):
                    self._attachment.detach()
                    self._attachment = None
                    self._read_from(start)
                    return
                case Notice(text):
                    if self._wanted.grep is None:
                        self._remark(text)
                case Ended(reason):
                    self._fail(reason)
                case None:
                    self._pause()
                    return

    def _pause(self) -> None:
        """Nothing more has come for now."""
        self._spool.print(self._printed.pause())
        if self._printed.waits:
            self._late = self._call.context.clock.call_later(IDLE, self._show_unfinished)

    def _show_unfinished(self) -> None:
        self._spool.print(self._printed.late())

    def _stop_waiting(self) -> None:
        if self._late is not None and self._late.active():
            self._late.cancel()

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
        elif self._search is not None and self._reel is None:
            self._search.go_on()
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
        if self._search is not None:
            self._search.stop()
        self._stop_waiting()
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
