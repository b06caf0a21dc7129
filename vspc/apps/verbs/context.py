"""What every verb gets: its context, its call, and how it ends."""

import json
import re
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import translate
from types import MappingProxyType
from typing import Any, Protocol

from attrs import Factory, evolve, field, frozen

from vspc.apps.doctor.facts import Setup
from vspc.apps.verbs.grammar import NOTHING_PARSED, Grammar, Parsed
from vspc.apps.verbs.limits import VerbLimits, WorkPool
from vspc.apps.verbs.output import VerbOutput
from vspc.common.clock import Clock
from vspc.common.globs import is_glob
from vspc.common.text import safe
from vspc.config.profiles import DEFAULT_PROFILE, ProfileSettings
from vspc.config.settings import BreakSettings
from vspc.config.values import DEFAULT_ESCAPE
from vspc.console.access import Operator, Rights, Subject
from vspc.console.alerts import Alerts, NoAlerts
from vspc.console.attachment import Attachment
from vspc.console.audit import Audit, AuditReader, NoAuditReader
from vspc.console.bookmarks import Bookmarks
from vspc.console.connection_history import ConnectionHistory, UnidentifiedLine
from vspc.console.console import Console
from vspc.console.events import EventBus
from vspc.console.groups import ConsoleGroup
from vspc.console.interruptions import Interruptions
from vspc.console.logs import LogStore
from vspc.console.names import Ambiguous, Found, NotFound, handle
from vspc.console.panics import NoPanics, PanicArchive
from vspc.console.ports import Channel, Lockouts
from vspc.console.roster import Roster
from vspc.console.session import Fact, Session
from vspc.console.sessions import Quota, Sessions

DONE, FAILED, USAGE, NOT_FOUND, DENIED, TIMED_OUT = range(6)
"""Exit statuses (contract)."""

RESULTS: Mapping[int, str] = MappingProxyType(
    {DONE: "ok", FAILED: "failed", DENIED: "refused", TIMED_OUT: "timed-out"}
)
"""What the audit file says of an exit status."""

READ_ONLY = "this login is read-only (ro)"

ADMINISTRATORS = 'only operators with roles = ["admin"] may do this'


class LineRegistry(Protocol):
    """Lines from VMs, as far as administrators decide about them."""

    def accept(self, console: Console, address: str) -> bool:
        """Give `console` to the quarantined line from `address`; False if there is none."""

    def accept_line(self, line: Console) -> Console | None:
        """Accept the claim of the quarantined `line`: the console that it has now. None: it is no
        longer quarantined, or the VM has no such console.
        """

    def forget(self, console: Console) -> bool:
        """Forget a console and its history; False if it has a line."""

    def unidentified_lines(self) -> Sequence[UnidentifiedLine]:
        """The lines that have not identified themselves yet."""

    def waiting(self, console: Console) -> list[str]:
        """The addresses of quarantined lines that claim to be the VM of `console`."""


@frozen
class VerbContext:
    """What verbs work on.

    `rights` is asked anew for each use, because a reload may change the rules and the operator's
    groups. `line_registry` accepts and forgets lines for administrators. `logs` is None where the
    configuration has no log. `history_limit` gives the seconds that an operator may look back,
    None for no limit. `work_pool` runs expensive searches. `status` gives the state of each room as
    JSON values. `is_operator` says whether the configuration has an operator of that name;
    `current` gives the operator as the configuration has it now, None if it was removed. `escape`
    gives the escape key of terminals. `connections` remembers what came to nothing, `setup` gives
    what the configuration says of VMs. `events` has those of all consoles. `bookmarks` are
    what operators keep in the chooser, `groups` gives the groups of consoles that are shown to one.
    """

    roster: Roster
    rights: Callable[[Operator, Subject], Rights]
    clock: Clock
    line_registry: LineRegistry
    logs: LogStore | None = None
    history_limit: Callable[[Operator, Subject], float | None] = lambda _operator, _subject: None
    audit: Audit = field(factory=Audit)
    sessions: Sessions = field(factory=lambda: Sessions(Quota))
    lockouts: Lockouts | None = None
    audit_reader: AuditReader = field(factory=NoAuditReader)
    work_pool: WorkPool = field(factory=WorkPool)
    limits: VerbLimits = field(factory=VerbLimits)
    status: Callable[[], Mapping[str, object]] = dict
    is_operator: Callable[[str], bool] = lambda _operator: True
    current: Callable[[Operator], Operator | None] = lambda operator: operator
    escape: Callable[[], bytes] = lambda: DEFAULT_ESCAPE
    connections: ConnectionHistory = Factory(
        lambda context: ConnectionHistory(context.clock.wall), takes_self=True
    )
    setup: Callable[[], Setup] = Setup
    events: EventBus = field(factory=lambda: EventBus(lambda: None))
    bookmarks: Bookmarks = field(factory=Bookmarks)
    interruptions: Interruptions = Factory(
        lambda context: Interruptions(context.clock), takes_self=True
    )
    groups: Callable[[Operator], Sequence[ConsoleGroup]] = lambda _operator: ()
    break_sequences: Callable[[Subject], Sequence[BreakSettings]] = lambda _subject: ()
    profile: Callable[[Subject], ProfileSettings] = lambda _subject: DEFAULT_PROFILE
    alerts: Alerts = field(factory=NoAlerts)
    panics: PanicArchive = field(factory=NoPanics)

    def console_of(self, attachment: Attachment) -> Console:
        """The console that `attachment` is on."""
        console = self.roster.get(attachment.console.id)
        assert console is not None
        return console


class VerbExit(Exception):
    """Ends a verb with an exit status and lines on stderr. A denial is recorded, with `console` and
    `detail` where they are given.
    """

    def __init__(
        self, status: int, *lines: str, console: Console | None = None, detail: str | None = None
    ) -> None:
        super().__init__(status, *lines)
        self.status = status
        self.lines = lines
        self.console = console
        self.detail = detail


@frozen
class Call:
    """One verb on one channel. `target` is the console that the login names, `options` are those
    behind its comma. `choose` shows the chooser for an operator who comes from a console, at that
    offset of its output; None where the login has none.

    Methods that find or require something raise `VerbExit` where it is missing.
    """

    context: VerbContext
    session: Session
    channel: Channel
    verb: str = ""
    target: str | None = None
    options: Parsed = NOTHING_PARSED
    choose: Callable[[Console, int], None] | None = field(default=None, eq=False)
    output: VerbOutput = field(
        default=Factory(lambda self: VerbOutput(self.channel), takes_self=True), eq=False
    )

    @property
    def operator(self) -> Operator:
        """The operator who gave the command."""
        return self.session.operator

    @property
    def columns(self) -> int | None:
        """Of the operator's terminal; None without one: nothing is cut for a program."""
        terminal = self.channel.terminal
        return None if terminal is None else terminal.columns

    def because(self, reason: str) -> "Call":
        """The same call for a reason; an empty one changes nothing."""
        return evolve(self, session=self.session.because(reason)) if reason else self

    def record(self, event: str, console: Console | None = None, **facts: Fact) -> None:
        """An event of this session for the audit file; never what was typed."""
        about = None if console is None else console.ref
        self.context.audit.record(event, self.session, about, **facts)

    # Printing and ending

    async def print(self, text: str) -> None:
        """Print to stdout; return when the channel has taken it."""
        await self.output.print(text)

    async def print_json(self, facts: object) -> None:
        """Print `facts` as indented JSON."""
        await self.output.print(json.dumps(facts, indent=1) + "\n")

    def remark(self, text: str) -> None:
        """One line about what is printed, in brackets, on stderr."""
        complain(self.channel, f"[{text}]")

    def fail(
        self,
        status: int,
        *lines: str,
        console: Console | None = None,
        detail: str | None = None,
    ) -> None:
        """Print `lines` on stderr and end with `status`; a denial is recorded."""
        if status == DENIED:
            facts = {} if detail is None else {"detail": detail}
            self.record("denied", console, verb=self.verb or "console", **facts)
        complain(self.channel, *lines)
        self.channel.finish(status)

    # Rights

    def rights(self, console: Console) -> Rights:
        """What the operator may do on `console`."""
        rights = self.context.rights(self.operator, console.subject)
        return self.session.narrowed(rights, console.subject)

    def may_read(self, console: Console) -> bool:
        """Whether `console` exists for the operator."""
        return "read" in self.rights(console)

    def readable(self) -> list[Console]:
        """All consoles that exist for the operator."""
        return [console for console in self.context.roster if self.may_read(console)]

    def history_limit(self, console: Console) -> float | None:
        """Seconds that the operator may look back on `console`; None: to the beginning."""
        return self.context.history_limit(self.operator, console.subject)

    def earliest(self, console: Console) -> float | None:
        """The time (seconds since 1970) to which the operator may look back; None: no limit."""
        limit = self.history_limit(console)
        return None if limit is None else self.context.clock.wall() - limit

    @property
    def roles(self) -> frozenset[str]:
        """The roles that the operator has now; a reload may have changed them."""
        operator = self.context.current(self.operator)
        return frozenset() if operator is None else operator.roles

    def require_right(self, right: str, console: Console, what: str) -> None:
        """The operator must have `right` on `console`; `what` names what it is needed for."""
        if right not in self.rights(console):
            text = f"you have no right to {what} {console.title}"
            if self.session.read_only:
                text = f"{console.title}: {READ_ONLY}"
            raise VerbExit(DENIED, text, console=console)

    def require_readable(self, console: Console, title: str, status: int = NOT_FOUND) -> None:
        """The operator must still be able to read `console`: rules may have changed during a wait.

        `title` is its name when the verb began: the operator may not learn a later one.
        """
        if not self.may_read(console):
            raise VerbExit(status, f"{title}: you may no longer read this console")

    def require_administrator(self) -> None:
        """The operator must have the role `admin`."""
        if "admin" not in self.operator.roles:
            raise VerbExit(DENIED, ADMINISTRATORS)

    def require_place(self) -> None:
        """The operator must be allowed to attach to one more console."""
        why_not = self.context.sessions.attaching(self.session)
        if why_not:
            self.record("limit", limit="max_attachments", result="refused")
            raise VerbExit(FAILED, why_not)

    @contextmanager
    def recording(
        self, event: str, console: Console, facts: Callable[[], Mapping[str, Fact]]
    ) -> Iterator[None]:
        """Record `event` when the block ends, with its result, the seconds that it took, and
        `facts` as they are then.
        """
        began, status, detail = self.context.clock.seconds(), FAILED, "left"
        try:
            yield
            status, detail = DONE, ""
        except VerbExit as end:
            status, detail = end.status, end.detail or ""
            raise
        finally:
            seconds = round(self.context.clock.seconds() - began, 3)
            end_facts = {"result": RESULTS[status], "detail": detail or None, "seconds": seconds}
            self.record(event, console, **facts(), **end_facts)

    @contextmanager
    def following(self, console: Console | None = None) -> Iterator[None]:
        """Takes one of the places for what an operator follows with `-f`."""
        with self.context.sessions.following(self.session) as why_not:
            if why_not:
                self.record("limit", console, limit="max_followed")
                raise VerbExit(FAILED, why_not)
            yield

    # Consoles

    def find(self, typed: str) -> Console:
        """The one console that `typed` names."""
        match self.context.roster.resolve(typed, self.may_read):
            case Found(console):
                return console
            case Ambiguous(consoles):
                raise self.ambiguous(typed, consoles)
            case NotFound():
                raise VerbExit(NOT_FOUND, no_console(typed))

    def matching(self, glob: str) -> list[Console]:
        """All consoles that exist for the operator and match `glob`, without regard to case: by
        name with the zone, with or without the port, or by handle.
        """
        fits = fitting(glob)
        return [console for console in self.readable() if fits(console)]

    def means_many(self, word: str) -> bool:
        """Whether `word` is a pattern, and not the exact name of a console that contains `*`."""
        if not is_glob(word):
            return False
        match self.context.roster.resolve(word, self.may_read):
            case Found(console):
                return word not in (console.id, console.name, console.title, handle_of(console))
        return True

    def ambiguous(self, typed: str, consoles: Sequence[Console]) -> VerbExit:
        """The end of a verb that takes one console, where `typed` means several."""
        names = [f"  {self._typeable(console)}" for console in consoles]
        return VerbExit(NOT_FOUND, f"{safe(typed)} is ambiguous; it could be", *names)

    def _typeable(self, console: Console) -> str:
        """Its handle; with its id where the handle is ambiguous too."""
        found = handle_of(console)
        if self.context.roster.resolve(found, self.may_read) == Found(console):
            return found
        return f"{found}  (id {console.id})"


Takeover = Callable[[], None]
"""Starts a program that takes over the channel of a verb."""

VerbRun = Coroutine[Any, Any, Takeover | None]
"""A verb that runs. None: it is done, and its exit status is 0."""


@frozen
class Verb:
    """One verb. Each has a module of its own, with `VERB` at its foot.

    A run is recorded as an audit event `command`, unless `audits_itself`: then it records events of
    its own. `attaches`: a program takes over the channel, so input is left to that.
    """

    grammar: Grammar
    run: Callable[[Call, Parsed], VerbRun]
    audits_itself: bool = False
    attaches: bool = False
    aliases: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All names of the verb."""
        return (self.grammar.name, *self.aliases)


def run_verb(call: Call, work: VerbRun, attaches: bool = False) -> None:
    """Run the coroutine of a verb on the channel of `call`, up to its exit status."""
    call.output.run(_run_to_end(call, work), listens=not attaches)


async def _run_to_end(call: Call, work: VerbRun) -> None:
    try:
        take_over = await work
    except VerbExit as end:
        call.fail(end.status, *end.lines, console=end.console, detail=end.detail)
        return
    if take_over is None:
        call.channel.finish(DONE)
    else:
        take_over()


def no_console(typed: str) -> str:
    """The message for a name, or a pattern, that no console has that exists for the operator."""
    return f"no console {safe(typed)}; `list` shows those there are"


def complain(channel: Channel, *lines: str) -> None:
    """Lines on stderr, right for a terminal in raw mode too."""
    end = "\r\n" if channel.terminal else "\n"
    channel.write_error("".join(line + end for line in lines).encode())


def fitting(glob: str) -> Callable[[Console], bool]:
    """Whether a console matches `glob`; see `Call.matching`."""
    fits = re.compile(translate(glob.casefold())).match
    escaped = "%" in glob

    def fit(console: Console) -> bool:
        return any(fits(word.casefold()) for word in _spellings(console, escaped))

    return fit


def _spellings(console: Console, escaped: bool) -> Iterator[str]:
    """How `console` can be typed; `escaped`: also with `%XX`."""
    title, port = console.title, console.port
    yield title
    if port is not None:
        yield title.removesuffix(f":{port}")
    if escaped:
        yield handle_of(console)


def handle_of(console: Console) -> str:
    """What to type for `console`."""
    return handle(console.vm.zone, console.name, console.port)
