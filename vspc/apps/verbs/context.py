"""What every verb is given, and what several need: finding a console, saying no, printing."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import translate
from typing import Protocol

from attrs import evolve, field, frozen

from vspc.apps.attaching import AttachOptions
from vspc.apps.verbs.limits import VerbLimits
from vspc.apps.verbs.work_pool import WorkPool
from vspc.common.clock import Clock
from vspc.common.globs import is_glob
from vspc.common.text import safe
from vspc.common.times import rfc3339
from vspc.config.values import DEFAULT_ESCAPE
from vspc.console.access import Operator, Rights, Subject
from vspc.console.audit import Audit, AuditReader, NoAudit, NoAuditReader
from vspc.console.console import Console
from vspc.console.logs import LogStore
from vspc.console.names import handle
from vspc.console.ports import Channel, Lockouts, Program
from vspc.console.resolve import Ambiguous, Found, NotFound
from vspc.console.roster import Roster
from vspc.console.session import Fact, Session
from vspc.console.sessions import Quota, Sessions

DONE, FAILED, USAGE, NOT_FOUND, DENIED, TIMED_OUT = range(6)
"""Exit statuses (contract)."""

READ_ONLY = "the login says ro, and so it only reads"

ADMINISTRATORS = 'only operators with roles = ["admin"] may do this'


class LineRegistry(Protocol):
    """The VM's door, as administrators need it."""

    def accept(self, console: Console, address: str) -> bool:
        """The VM of `console` is the one at `address`, which is kept apart; False: none is."""

    def accept_line(self, line: Console) -> Console | None:
        """`line`, which is kept apart, is the VM that it says it is: the console that it has now.
        None: it is kept apart no longer, or the VM has no such console.
        """

    def forget(self, console: Console) -> bool:
        """Forget a console, its history with it; False if it has a line."""

    def waiting(self, console: Console) -> list[str]:
        """The addresses of those that say they are the VM of `console` and are kept apart."""


@frozen
class VerbContext:
    """What verbs work on.

    `rights` is asked anew for each use, because a reload may change the rules and the operator's
    groups. `line_registry` accepts and forgets lines for administrators. `logs` is None where the
    configuration has no log. `history_limit` gives the seconds that an operator may look back,
    None for no limit. `work_pool` runs expensive searches. `status` gives the state of each room as
    JSON values. `is_operator` says whether the configuration has an operator of that name;
    `current` gives the operator as the configuration has it now, None if it was removed. `escape`
    gives the escape key of terminals.
    """

    roster: Roster
    rights: Callable[[Operator, Subject], Rights]
    clock: Clock
    line_registry: LineRegistry
    logs: LogStore | None = None
    history_limit: Callable[[Operator, Subject], float | None] = lambda _operator, _subject: None
    audit: Audit = field(factory=NoAudit)
    sessions: Sessions = field(factory=lambda: Sessions(Quota))
    lockouts: Lockouts | None = None
    audit_reader: AuditReader = field(factory=NoAuditReader)
    work_pool: WorkPool = field(factory=WorkPool)
    limits: VerbLimits = field(factory=VerbLimits)
    status: Callable[[], Mapping[str, object]] = dict
    is_operator: Callable[[str], bool] = lambda _operator: True
    current: Callable[[Operator], Operator | None] = lambda operator: operator
    escape: Callable[[], bytes] = lambda: DEFAULT_ESCAPE


@frozen
class Call:
    """One verb on one channel. `target` is the console that the login names, `options` are those
    behind its comma.
    """

    context: VerbContext
    session: Session
    channel: Channel
    verb: str = ""
    target: str | None = None
    options: AttachOptions = field(default=AttachOptions())

    @property
    def operator(self) -> Operator:
        """Who says it."""
        return self.session.operator

    @property
    def columns(self) -> int | None:
        """Of the operator's terminal; None without one: nothing is cut for a program."""
        terminal = self.channel.terminal
        return None if terminal is None else terminal.columns

    def because(self, reason: str) -> "Call":
        """The same for a reason; an empty one is none."""
        return evolve(self, session=self.session.because(reason)) if reason else self

    def has_place(self) -> bool:
        """Whether the operator may be on one more console; if not, say so and end with 1."""
        why_not = self.context.sessions.attaching(self.session)
        if why_not:
            self.record("limit", limit="max_attachments", result="refused")
            self.fail(FAILED, why_not)
        return not why_not

    def record(self, event: str, console: Console | None = None, **facts: Fact) -> None:
        """An event of this session for the audit file; never what was typed."""
        self.context.audit.record(event, self.session, console, **facts)

    def rights(self, console: Console) -> Rights:
        """What the operator may do on `console`."""
        rights = self.context.rights(self.operator, console.subject)
        return self.session.narrowed(rights, console.subject)

    def may(self, right: str, console: Console, what: str) -> bool:
        """Whether the operator has `right`; if not, say what he may not do and end with 4."""
        if right in self.rights(console):
            return True
        text = f"you have no right to {what} {console.title}"
        if self.session.read_only:
            text = f"{console.title}: {READ_ONLY}"
        self.fail(DENIED, text, console=console)
        return False

    def history_limit(self, console: Console) -> float | None:
        """Seconds that the operator may look back on `console`; None: to the beginning."""
        return self.context.history_limit(self.operator, console.subject)

    def may_read(self, console: Console) -> bool:
        """Whether `console` exists for the operator."""
        return "read" in self.rights(console)

    def readable(self) -> list[Console]:
        """Every console that the operator may know of."""
        return [console for console in self.context.roster if self.may_read(console)]

    def fail(self, status: int, *lines: str, console: Console | None = None) -> None:
        """Say `lines` on stderr and end with `status`; what was denied is recorded."""
        if status == DENIED:
            self.record("denied", console, verb=self.verb or "console")
        complain(self.channel, *lines)
        self.channel.finish(status)

    @property
    def roles(self) -> frozenset[str]:
        """The roles that the operator has now, whatever he had when he came."""
        operator = self.context.current(self.operator)
        return frozenset() if operator is None else operator.roles

    def is_administrator(self) -> bool:
        """Whether the operator has the role `admin`; if not, say so and end with 4."""
        if "admin" in self.operator.roles:
            return True
        self.fail(DENIED, ADMINISTRATORS)
        return False

    def find(self, typed: str) -> Console | None:
        """The console that `typed` means; if there is none or several, say so and end with 3."""
        match self.context.roster.resolve(typed, self.may_read):
            case Found(console):
                return console
            case Ambiguous(consoles):
                names = [f"  {self._typeable(console)}" for console in consoles]
                self.fail(NOT_FOUND, f"{safe(typed)} is ambiguous; it could be", *names)
            case NotFound():
                self.fail(NOT_FOUND, f"no console {safe(typed)}; `list` shows those there are")
        return None

    def matching(self, glob: str) -> list[Console]:
        """Every console that the operator may know of and that `glob` fits, whatever the case:
        its name with its zone, with or without its port, or its handle.
        """
        fits = re.compile(translate(glob.casefold())).match
        escaped = "%" in glob
        return [
            console
            for console in self.readable()
            if any(fits(word.casefold()) for word in _spellings(console, escaped))
        ]

    def means_many(self, word: str) -> bool:
        """Whether `word` is a pattern, and not the very name of a console that has such letters."""
        if not is_glob(word):
            return False
        match self.context.roster.resolve(word, self.may_read):
            case Found(console):
                return word not in (console.id, console.name, console.title, handle_of(console))
        return True

    def _typeable(self, console: Console) -> str:
        """Its handle; behind that its id, where the handle means another one, too."""
        found = handle_of(console)
        if self.context.roster.resolve(found, self.may_read) == Found(console):
            return found
        return f"{found}  (id {console.id})"

    def still_reads(self, console: Console, title: str) -> bool:
        """Whether that has not changed while something was asked; if it has, say so, by the name
        that the operator knows, and end with 3.
        """
        if self.may_read(console):
            return True
        self.fail(NOT_FOUND, f"{title}: you may no longer read this console")
        return False

    def find_as_administrator(self, typed: str) -> Console | None:
        """The same for what only administrators decide; without the role it ends with 4."""
        console = self.find(typed)
        if console is None or "admin" in self.operator.roles:
            return console
        self.fail(DENIED, ADMINISTRATORS)
        return None


def complain(channel: Channel, *lines: str) -> None:
    """Lines on stderr, right for a terminal in raw mode too."""
    end = "\r\n" if channel.terminal else "\n"
    channel.write_error("".join(line + end for line in lines).encode())


def _spellings(console: Console, escaped: bool) -> Iterator[str]:
    """How `console` can be typed; with escapes (`%XX`) only where they are wanted."""
    title, port = console.title, console.port
    yield title
    if port is not None:
        yield title.removesuffix(f":{port}")
    if escaped:
        yield handle_of(console)


def handle_of(console: Console) -> str:
    """What to type for `console`."""
    return handle(console.vm.zone, console.name, console.port)


def timestamp(seconds: float | None) -> str | None:
    """RFC 3339, UTC, milliseconds; None stays None."""
    return None if seconds is None else rfc3339(seconds)


class Spool:
    """Output of a verb that its channel has not taken yet. Print only while there is `room`."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._rest = bytearray()
        self.written = 0
        """Bytes that the channel took."""

    def __bool__(self) -> bool:
        """Whether there is anything left."""
        return bool(self._rest)

    def room(self) -> int:
        """Bytes worth printing now: none while something is left."""
        return 0 if self._rest else self._channel.room()

    def print(self, pieces: Iterable[bytes]) -> None:
        """Write `pieces`, or keep what is not taken."""
        for piece in pieces:
            self._rest += piece
        self.drain()

    def drain(self) -> None:
        """Write what is left."""
        while self._rest and (room := self._channel.room()) > 0:
            piece = bytes(self._rest[:room])
            del self._rest[:room]
            self._channel.write(piece)
            self.written += len(piece)

    def clear(self) -> None:
        """Drop what is left."""
        self._rest.clear()


class VerbPrinter(Program):
    """Prints a text of any length as the operator takes it, and ends. Input is ignored."""

    def __init__(self, channel: Channel, text: str, status: int = DONE) -> None:
        self._channel = channel
        self._spool = Spool(channel)
        self._status = status
        channel.start(self)
        self._spool.print([(text.replace("\n", "\r\n") if channel.terminal else text).encode()])
        self.drained()

    def drained(self) -> None:
        """Print on."""
        self._spool.drain()
        if not self._spool:
            self._channel.finish(self._status)

    def received(self, data: bytes) -> None:
        """Ignore it."""
        self._channel.consumed(len(data))

    def closed(self) -> None:
        """Drop what is left."""
        self._spool.clear()
