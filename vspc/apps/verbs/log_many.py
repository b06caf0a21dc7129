"""`log 'web*' --grep REGEX`: the logs of many consoles are searched, one after the other."""

from collections.abc import Sequence

from vspc.apps.verbs import log_search
from vspc.apps.verbs.context import DONE, FAILED, NOT_FOUND, USAGE, Call, Spool, complain, handle_of
from vspc.apps.verbs.log_cursor import ask, from_memory
from vspc.apps.verbs.log_options import LogOptions, NoSuchBoot, Span, remembered_span, span
from vspc.apps.verbs.log_print import Printed
from vspc.apps.verbs.log_search import Search, SearchEnded
from vspc.common.clock import Cancellable
from vspc.common.text import safe
from vspc.console.console import Console
from vspc.console.logs import Item, Marker, MarkerKind
from vspc.console.ports import Program
from vspc.console.resolve import reading_order


def search(call: Call, pattern: str, wanted: LogOptions) -> None:
    """Search the logs of all consoles that `pattern` fits, in the order of `list`."""
    if wanted.follow or wanted.offset is not None:
        call.fail(USAGE, "-f and --from are for one console, not for a pattern")
        return
    consoles = call.matching(pattern)
    if consoles:
        ManyReader(call, sorted(consoles, key=reading_order), wanted).begin()
    else:
        call.fail(NOT_FOUND, f"no console {safe(pattern)}; `list` shows those there are")


class ManyReader(Program):
    """A `Program` that prints the lines that match, each with the name of its console before it.

    A log that cannot be read is told, the others are searched; the status is 1 then, as where
    nothing matches.
    """

    def __init__(self, call: Call, consoles: Sequence[Console], wanted: LogOptions) -> None:
        self._call = call
        self._channel = call.channel
        # With the titles that the operator knows: he may not learn those that they have later.
        self._left = [(console, console.title) for console in reversed(consoles)]
        self._wanted = wanted
        self._spool = Spool(call.channel)
        self._printed = Printed(wanted, call.channel.terminal is not None)
        self._title = ""
        self._console: Console | None = None
        self._start = self._written = 0
        self._asked: Cancellable | None = None
        self._search: Search | None = None
        self._searched = self._matches = 0
        self._failed = self._done = self._over = False

    def begin(self) -> None:
        """Search the first one."""
        self._channel.start(self)
        self._next()

    def _next(self) -> None:
        """The next console that may still be read."""
        while self._left:
            if self._searched >= log_search.SEARCHED:
                self._stop_at_the_limit()
                return
            console, self._title = self._left.pop()
            if self._call.may_read(console):
                self._open(console)
                return
        self._done = True
        self._finish()

    def _open(self, console: Console) -> None:
        whose = {"console": self._title, "handle": handle_of(console)}
        self._printed = Printed(self._wanted, self._channel.terminal is not None, whose)
        limit = self._call.history_limit(console)
        earliest = None if limit is None else self._call.context.clock.wall() - limit

        def found(answer: Span | NoSuchBoot | None) -> None:
            if self._over:
                return
            if answer is None:
                answer = remembered_span(self._wanted, console, earliest)
                if answer is not None and self._call.may_read(console):
                    self._failed = True
                    complain(self._channel, f"[{from_memory(self._title)}]")
            if isinstance(answer, Span) and self._call.may_read(console):
                self._begin(console, answer)
                return
            if answer is None:
                self._cannot_be_read()
            self._soon()

        self._asked = ask(
            self._call.context, console, lambda kept: span(self._wanted, kept, earliest), found
        )

    def _begin(self, console: Console, found: Span) -> None:
        if found.start >= found.end:
            self._soon()
            return

        def give(items: Sequence[Item]) -> bool:
            if not self._call.may_read(console):
                self._record("failed")
                self._soon()
                return False
            self._give(items)
            return True

        self._console, self._start, self._written = console, found.start, self._spool.written
        self._search = Search(
            self._call.context,
            console,
            self._wanted,
            found,
            self._spool.room,
            give,
            self._ended,
            self._searched,
        )
        self._search.go_on()

    def _soon(self) -> None:
        """The next one, in another turn: what is in memory is answered at once."""
        self._asked = self._call.context.clock.call_later(0, self._next)

    def _give(self, items: Sequence[Item]) -> None:
        for item in items:
            if isinstance(item, Marker) and item.kind is MarkerKind.GAP:
                lost = f"lost: offsets {item.offset} to {item.end}: {item.text}"
                complain(self._channel, f"[{self._title}: {lost}]")
            self._spool.print(self._printed.feed(item))
        self._spool.print(self._printed.end())

    def _ended(self, how: SearchEnded) -> None:
        self._record("ok")
        if not how.complete:
            self._failed = True
            complain(self._channel, f"[{self._title} is searched up to offset {how.offset}]")
        self._soon()

    def _record(self, result: str) -> None:
        """What was read of the console that is searched, once."""
        if self._search is None or self._console is None:
            return
        self._call.record(
            "log-read",
            self._console,
            verb="log",
            offset=self._start,
            end=self._search.offset,
            bytes=self._spool.written - self._written,
            follow=False,
            result=result,
        )
        self._matches += self._printed.matches
        self._searched, self._search = self._search.searched, None

    def _cannot_be_read(self) -> None:
        self._failed = True
        complain(self._channel, f"[the log of {self._title} cannot be read now]")

    def _stop_at_the_limit(self) -> None:
        left = f"{len(self._left)} more console{'' if len(self._left) == 1 else 's'}"
        complain(self._channel, f"[{self._searched} bytes are searched; {left} not]")
        self._failed = self._done = True
        self._finish()

    # Program

    def drained(self) -> None:
        """The operator takes more."""
        if self._over:
            return
        self._spool.drain()
        if self._search is not None and not self._spool:
            self._search.go_on()
        if self._done:
            self._finish()

    def received(self, data: bytes) -> None:
        """Control-C ends it where a terminal sends it as a key."""
        self._channel.consumed(len(data))
        if b"\x03" in data and self._channel.terminal is not None:
            self._leave(DONE)

    def closed(self) -> None:
        """The operator has gone."""
        self._over = True
        if self._asked is not None and self._asked.active():
            self._asked.cancel()
        if self._search is not None:
            self._search.stop()
            self._record("ok")

    def _finish(self) -> None:
        if not self._spool:
            self._leave(DONE if self._matches and not self._failed else FAILED)

    def _leave(self, status: int) -> None:
        self.closed()
        self._channel.finish(status)
