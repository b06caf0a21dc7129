"""Writes the state through as it changes, so that a process that is killed leaves it to the next.

What has changed is marked, and written at the end of the reactor's turn: before anything that was
written to a connection in that turn leaves it. What output alone changes is written at once, into
the table of `progress`. Without this writer nobody is told of changes, and none of it costs
anything.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, Protocol

from attrs import define, field

from vspc import __version__
from vspc.common.clock import Timer
from vspc.common.files import out_of_memory
from vspc.console.console import Console
from vspc.console.events import Appeared, ConsoleRef, Event, EventBus
from vspc.console.ports import Line
from vspc.console.values import (
    save_console,
    save_history,
    save_migration,
    save_past,
)
from vspc.net.ledger import TrafficAccount, tcp_counts, unsent
from vspc.server.handover import progress
from vspc.server.handover.encoding import MOMENT, Moment, RecordKind, encode, text_key
from vspc.server.handover.places import TerminalPlaces
from vspc.server.handover.progress import PLACE, TAIL, ProgressTable
from vspc.server.handover.state_file import TABLE_START, HandoverFile, Key
from vspc.vm.lines.binary import BinaryLine
from vspc.vm.roles import LineRole
from vspc.vm.server import LineServer
from vspc.vm.session import UNIDENTIFIED, LineSession
from vspc.vm.values import connection_of, may_be_saved, save_line

RETRY = 1.0
"""Seconds after which a state that could not be written is written anew."""

HISTORIES = 4 * 1024 * 1024
"""Bytes of histories that are written at once, when the process ends."""

Change = tuple[Key, bytes]


class ConnectionStore(Protocol):
    """What keeps connections open over a restart: `vspc.net.descriptor_store`."""

    def keep(self, transport: Any) -> str | None:
        """Have the connection of `transport` kept; its name, None if it cannot be."""

    def release(self, name: str) -> None:
        """It is not to be kept any more."""


@define(eq=False)
class StoredLine:
    """A line that is kept as `name`, or with None only watched.

    `base_read` and `base_written`: what the kernel counts more than we do, such as a PROXY header;
    0 where it does not count.
    """

    name: str | None
    session: LineSession
    connection: Any
    table: ProgressTable
    place: int | None
    base_read: int
    base_written: int
    changed: Callable[[Line, bool], None]
    is_dirty: bool = field(default=True, init=False)
    number: int = field(default=0, init=False)
    _key: bytes = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._key = (self.name or "").encode()
        self.connection.on_progress = self.progressed

    def account(self) -> TrafficAccount:
        """What was read and written until now."""
        connection = self.connection
        return TrafficAccount(
            self.base_read + connection.received,
            self.base_written + connection.written,
            unsent(connection.transport),
        )

    def progressed(self, altered: bool) -> None:
        """What came is worked on; `altered`: it was more than output, and may have an answer, which
        leaves after this.
        """
        if altered and self.name is not None:
            self.changed(self.session.line, True)
            return
        if self.is_dirty:  # it is written with all else at the end of the turn
            return
        console = self.session.console
        tail = self.connection.tail
        is_kept = self.name is not None
        if self.place is None or console is None or (is_kept and len(tail) > TAIL):
            self.changed(self.session.line, False)
            return
        self.number = number = self.number + 1
        line = self.session.line
        progress.write(
            self.table.memory,
            self.place + PLACE * (number & 1),
            number,
            self._key if is_kept else bytes.fromhex(console.id),
            self.base_read + self.connection.received,
            console.history.end,
            console.link.last_output or 0.0,
            is_kept,
            isinstance(line, BinaryLine) and line.after_cr,
            tail,
            number,
        )

    def leave(self) -> None:
        """It is kept no longer."""
        self.connection.on_progress = None
        if self.place is not None:
            self.table.give_back(self.place)


@define(eq=False)
class HandoverWriter:
    """Implements `vspc.console.changes.StateWatcher`. `failed` is called with what went wrong;
    `before_sending` is as `vspc.net.turn_loop.TurnLoop.before_sending`.
    """

    file: HandoverFile
    store: ConnectionStore
    server: LineServer
    events: EventBus
    places: TerminalPlaces
    failed: Callable[[str], None]
    before_sending: Callable[[Callable[[], None]], None]
    monotonic: Callable[[], float] = time.monotonic
    _table: ProgressTable = field(init=False)
    stored: dict[Line, StoredLine] = field(factory=dict, init=False)
    _consoles: dict[str, None] = field(factory=dict, init=False)
    _lines: dict[Line, None] = field(factory=dict, init=False)
    _migrations: dict[bytes, None] = field(factory=dict, init=False)
    _is_due: bool = field(default=False, init=False)
    _is_whole: bool = field(default=False, init=False)  # what is in the file is the state
    _takes_all: bool = field(default=False, init=False)  # lines that are not identified, too
    _retry: Timer = field(init=False)
    _unsubscribe: Callable[[], None] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._table = ProgressTable(self.file.descriptor, TABLE_START)
        self._retry = Timer(self.server.clock)

    # From the start to the end

    def attach(self, kept: Iterable[tuple[Line, str]] = ()) -> None:
        """Write all there is, and from now on what changes. `kept`: lines that are in the store
        already, and their names.
        """
        for line, name in kept:
            self._store_as(self.server.sessions[line], name)
        self.server.roster.changes.watcher = self
        self.places.changed = self._soon
        self._unsubscribe = self.events.subscribe(self._on_event)
        self.rewrite()

    def keep_all(self) -> None:
        """Keep lines that are not identified, too: the process is about to end in order."""
        self._takes_all = True
        for line in self.server.sessions:
            self.line_changed(line)
        self.flush()

    def full(self) -> None:
        """The process ends in order: write all of it, lines that are not identified and the output
        that consoles keep, too. From now on nothing is written.
        """
        self._takes_all = True
        if self.rewrite(is_orderly=True):
            self._guard(self._write_histories)
        self.detach()

    def detach(self) -> None:
        """Write nothing more; what is written stays."""
        self.server.roster.changes.watcher = None
        self.places.changed = None
        self._unsubscribe()
        self._retry.stop()
        self._is_whole = False
        for stored in self.stored.values():
            stored.connection.on_progress = None

    def _write_histories(self) -> None:
        changes, size = list[Change](), 0
        for console in self.server.roster:
            history = save_history(console)
            if history is not None:
                changes.append((text_key(RecordKind.HISTORY, console.id), encode(history)))
                size += len(history.data)
            if size >= HISTORIES:
                self.file.write(changes)
                changes, size = [], 0
        self.file.write(changes)

    # What has changed

    def console_changed(self, console_id: str) -> None:
        self._consoles[console_id] = None
        self._soon()

    def line_changed(self, line: Line) -> None:
        self._lines[line] = None
        stored, session = self.stored.get(line), self.server.sessions.get(line)
        if stored is not None:
            stored.is_dirty = True
        elif session is not None and may_be_saved(session) and session.role not in UNIDENTIFIED:
            # It is identified by what is being worked on: it is kept before it is answered.
            connection_of(line).on_progress = lambda _altered: self.flush()
        self._soon()

    def _progressed(self, line: Line, has_answer: bool) -> None:
        self.line_changed(line)
        if has_answer:
            self.flush()

    def migration_changed(self, credential: bytes) -> None:
        self._migrations[credential] = None
        self._soon()

    def _on_event(self, event: Event) -> None:
        ref = getattr(event, "console", None)
        if not isinstance(ref, ConsoleRef):
            return
        self.console_changed(ref.id)
        if isinstance(event, Appeared):  # another port may have got another number
            console = self.server.roster.get(ref.id)
            for other in () if console is None else console.vm.consoles.values():
                self.console_changed(other.id)

    def _soon(self) -> None:
        if not self._is_due:
            self.before_sending(self._end_turn)
            self._is_due = True

    def _end_turn(self) -> None:
        self._is_due = False
        self.flush()

    # Writing

    def flush(self) -> None:
        """Write what is marked."""
        if self._is_whole:
            self._guard(lambda: self.file.write(self._changes()))

    def rewrite(self, is_orderly: bool = False) -> bool:
        """Write all there is in place of what is written; whether that went well."""
        self._is_whole = True
        sessions, roster, peers = self.server.sessions, self.server.roster, self.server.peers
        self._lines = dict.fromkeys([*self.stored, *sessions])
        self._consoles = dict.fromkeys(console.id for console in roster)
        self._migrations = dict.fromkeys(migration.credential for migration in peers.open_ones())
        self._migrations |= dict.fromkeys(credential for credential, _ in peers.past_ones())
        self.places.mark_all()
        zero = self.monotonic() - self.server.clock.seconds()
        moment = (MOMENT, encode(Moment(zero, __version__, is_orderly)))
        self._guard(lambda: self.file.rewrite([moment, *self._changes()]))
        return self._is_whole

    def _guard(self, write: Callable[[], None]) -> None:
        """What could not be written is no state: the next process must not go on from it."""
        try:
            write()
        except (OSError, MemoryError) as error:
            self._is_whole = False
            self._retry.start(RETRY, self._try_again)
            with suppress(OSError, MemoryError):
                self.file.clear()
            self.failed(str(out_of_memory() if isinstance(error, MemoryError) else error))

    def _try_again(self) -> None:
        self.rewrite()

    def _changes(self) -> list[Change]:
        """What is marked, as records; nothing is marked any more."""
        found = list[Change]()
        for console_id in self._consoles:  # input of a console went to its line
            console = self.server.roster.get(console_id)
            if console is not None and console.link.line is not None:
                self._lines[console.link.line] = None
        lines, self._lines = self._lines, {}
        for line in lines:
            found += self._line(line)
        consoles, self._consoles = self._consoles, {}
        for console_id in consoles:
            found += self._console(console_id)
        migrations, self._migrations = self._migrations, {}
        for credential in migrations:
            found += self._migration(credential)
        return found + self.places.changes()

    def name(self, line: Line | None) -> str | None:
        """The name under which `line` is kept."""
        stored = None if line is None else self.stored.get(line)
        return None if stored is None else stored.name

    # Lines

    def _line(self, line: Line) -> Iterator[Change]:
        session, stored = self.server.sessions.get(line), self.stored.get(line)
        if session is None or session.role is LineRole.RETIRED:
            if stored is not None:
                self._drop(stored)
                if stored.name is not None:
                    yield text_key(RecordKind.LINE, stored.name), b""
            return
        if stored is None:
            if session.role in UNIDENTIFIED and not self._takes_all:
                return
            transport = connection_of(line).transport
            name = self.store.keep(transport) if may_be_saved(session) else None
            stored = self._store_as(session, name)
        if session.console is not None:
            self._consoles[session.console.id] = None
        stored.is_dirty = False
        if stored.name is not None:
            body = encode(save_line(session, stored.account(), stored.number))
            yield text_key(RecordKind.LINE, stored.name), body

    def _store_as(self, session: LineSession, name: str | None) -> StoredLine:
        connection = connection_of(session.line)
        sock = getattr(connection.transport, "socket", None)
        counts = None if sock is None else tcp_counts(sock)
        read = written = 0
        if counts is not None:
            read = counts.read - connection.received
            written = counts.written + len(unsent(connection.transport)) - connection.written
        place = self._table.take()
        self.stored[session.line] = stored = StoredLine(
            name, session, connection, self._table, place, read, written, self._progressed
        )
        return stored

    def _drop(self, stored: StoredLine) -> None:
        del self.stored[stored.session.line]
        stored.leave()
        if stored.session.console is not None:
            self._consoles[stored.session.console.id] = None
        if stored.name is not None and stored.session.line not in self.server.sessions:
            self.store.release(stored.name)

    # Consoles and migrations

    def _console(self, console_id: str) -> Iterator[Change]:
        console, key = self.server.roster.get(console_id), text_key(RecordKind.CONSOLE, console_id)
        if console is not None:
            yield key, encode(save_console(console, self.server.roster, self.name))
        elif key in self.file:
            yield key, b""
            for credential, past in self.server.peers.past_ones():
                if past.console.id == console_id:
                    self._migrations[credential] = None

    def _migration(self, credential: bytes) -> Iterator[Change]:
        peers = self.server.peers
        open_one, past = peers.find(credential), peers.find_past(credential)
        body, over = b"", b""
        if open_one is not None and self._has(open_one.console):
            body = encode(save_migration(open_one, self.name))
        if past is not None and self._has(past.console):
            over = encode(save_past(past))
        yield (RecordKind.MIGRATION, credential), body
        yield (RecordKind.PAST, credential), over

    def _has(self, console: Console) -> bool:
        return self.server.roster.has(console)
