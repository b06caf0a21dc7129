"""What unit tests of several rooms share: a fake clock, a recording line, a world of consoles."""

from collections.abc import Callable
from typing import Any, TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock as TwistedClock

from vspc.common.clock import Cancellable
from vspc.common.serial import PortSettings
from vspc.console.access import Operator, Rights
from vspc.console.attachment import Attachment, AttachmentKind
from vspc.console.console import Console
from vspc.console.context import ConsoleContext, OutputObserver, Wakeups
from vspc.console.events import Event, EventBus
from vspc.console.history import LIMIT, Budget
from vspc.console.identity import Claim, Provenance
from vspc.console.notices import Notice, NoticeKind
from vspc.console.output_cursor import Ended, Lost, OutputChunk
from vspc.console.roster import Roster
from vspc.console.session import Proof, Session

T = TypeVar("T")

ALL: Rights = frozenset({"read", "write", "break", "force", "admin"})
READ: Rights = frozenset({"read"})

UUID = "0123456789abcdeffedcba9800000000"


def session(
    operator: Operator | str = "alice", address: str = "192.0.2.1", reason: str = ""
) -> Session:
    """A login with a key."""
    who = Operator(operator) if isinstance(operator, str) else operator
    proof = Proof("publickey", "SHA256:x")
    return Session(f"s-{who.name}", who, proof, address, 1_700_000_000.0, reason=reason)


class FakeClock:
    """`vspc.common.clock.Clock` over Twisted's task.Clock; wall time is the same."""

    def __init__(self, twisted: TwistedClock | None = None) -> None:
        self.twisted = twisted or TwistedClock()
        self.epoch = 1_700_000_000.0

    def seconds(self) -> float:
        return self.twisted.seconds()

    def wall(self) -> float:
        return self.epoch + self.twisted.seconds()

    def call_later(self, delay: float, call: Callable[[], None]) -> Cancellable:
        assert delay >= 0, delay  # as the reactor does
        return self.twisted.callLater(delay, call)

    def advance(self, seconds: float) -> None:
        self.twisted.advance(seconds)


class FakeThreads:
    """`vspc.console.ports.InThread`: a call is made when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Callable[[], Any], Deferred[Any]]] = []
        self.none_left = False

    def __call__(self, call: Callable[[], T]) -> Deferred[T]:
        if self.none_left:
            raise RuntimeError("can't start new thread")
        answer = Deferred[T]()
        self.waiting.append((call, answer))
        return answer

    def go(self) -> None:
        """The first call is made, if there is one."""
        for call, answer in self.waiting[:1]:
            del self.waiting[0]
            answer.callback(call())

    def run(self) -> None:
        """All calls are made, those too that follow them."""
        while self.waiting:
            self.go()


@define(eq=False)
class FakeLine:
    """A VM's line that keeps what it is told. `answers` False: it has no question to ask."""

    address: str = "10.0.0.1"
    secure: bool = False
    provenance: Provenance = Provenance.PLAIN
    carries_break: bool = True
    answers: bool = True
    port_is_ours: bool = False
    suspended: bool = False
    break_lasts: float = 0.0
    unread: int | None = None  # what `unacknowledged` says
    sent: bytearray = field(factory=bytearray)
    log: list[bytes | str] = field(factory=list)
    questions: int = 0
    closed: str | None = None
    resting: bool = False

    def send(self, data: bytes) -> None:
        self.sent += data
        self.log.append(data)

    def send_break(self) -> float:
        self.log.append("BREAK")
        return self.break_lasts

    def end_break(self) -> None:
        self.log.append("BREAK ends")

    def set_port(self, settings: PortSettings) -> bool:
        if self.port_is_ours:
            self.log.append(str(settings))
        return self.port_is_ours

    def ask(self) -> bool:
        if self.answers:
            self.questions += 1
            self.log.append("?")
        return self.answers

    def unacknowledged(self) -> int | None:
        return self.unread

    def pause_reading(self) -> None:
        self.resting = True

    def resume_reading(self) -> None:
        self.resting = False

    def close(self, reason: str) -> None:
        self.closed = reason


@define(eq=False)
class FakeSink:
    """Reads all that it is shown, at once, unless `stalled`."""

    attachment: Attachment | None = None
    stalled: bool = False
    output: bytearray = field(factory=bytearray)
    notices: list[str] = field(factory=list)
    kinds: list[NoticeKind] = field(factory=list)
    losses: list[tuple[int, int]] = field(factory=list)
    wakes: int = 0
    writables: int = 0
    over: str | None = None
    changes: list[tuple[str, str]] = field(factory=list)

    def ready(self) -> None:
        self.wakes += 1
        if not self.stalled:
            self.read()

    def read(self, limit: int = 65536) -> None:
        assert self.attachment is not None
        while (thing := self.attachment.cursor.next(limit)) is not None:
            match thing:
                case OutputChunk(_, data):
                    self.output += data
                case Notice(text, _, kind):
                    self.notices.append(text)
                    self.kinds.append(kind)
                case Lost(start, end, why):
                    self.losses.append((start, end))
                    if why:
                        self.notices.append(why)
                case Ended(reason):
                    self.over = reason
                    return

    def host_changed(self, old: str, new: str) -> None:
        self.changes.append((old, new))

    def writable(self) -> None:
        self.writables += 1

    def ended(self, reason: str) -> None:
        self.over = reason


class LateObserver(OutputObserver):
    """An observer for consoles whose log is made after them."""

    def __init__(self) -> None:
        self.target = OutputObserver()

    def next_offset(self, console_id: str) -> int:
        return self.target.next_offset(console_id)

    def last_output(self, console_id: str) -> float | None:
        return self.target.last_output(console_id)

    def last_name(self, console_id: str) -> str | None:
        return self.target.last_name(console_id)

    def when_written(self, console_id: str, call: Callable[[int, int], None]) -> None:
        self.target.when_written(console_id, call)

    def output(self, console_id: str, offset: int, data: bytes, at: float) -> None:
        self.target.output(console_id, offset, data, at)

    def lost(self, console_id: str, start: int, end: int, why: str) -> None:
        self.target.lost(console_id, start, end, why)

    def input(self, console_id: str, data: bytes) -> None:
        self.target.input(console_id, data)


class World:
    """Consoles without a network: what happened is in `happened`, turns end with `turn`."""

    def __init__(self, history: int = LIMIT, total: int = 1 << 24) -> None:
        self.clock = FakeClock()
        self.failures = 0
        self.observer = LateObserver()
        self.happened: list[Event] = []
        self._calls: list[Callable[[], None]] = []
        self.events = EventBus(self.fail)
        self.events.subscribe(self.happened.append)
        self.console_context = ConsoleContext(
            self.clock,
            Budget(total),
            Wakeups(self._calls.append, self.fail),
            self.events,
            history,
            self.observer,
            ask_timeout=lambda: 20.0,
        )
        self.roster = Roster(self.console_context)

    def fail(self) -> None:
        self.failures += 1

    def turn(self) -> None:
        """End a reactor turn."""
        calls, self._calls[:] = list(self._calls), []
        for call in calls:
            call()

    def claim(self, name: str = "web01", uuid: str | None = UUID, **more: object) -> Claim:
        return Claim(
            **{
                "zone": "default",
                "uuid": uuid,
                "uuid_kind": "vc",
                "name": name,
                "address": "10.0.0.1",
                **more,
            }  # type: ignore[arg-type]
        )

    def console(self, name: str = "web01", uuid: str | None = UUID, **more: object) -> Console:
        """A console without a line."""
        return self.roster.open(self.claim(name, uuid, **more))

    def connected(
        self, name: str = "web01", uuid: str | None = UUID, **more: object
    ) -> tuple[Console, FakeLine]:
        """A console with a line."""
        console, line = self.console(name, uuid, **more), FakeLine()
        console.link.connect(line)
        self.roster.settle(console)
        return console, line

    def attach(
        self,
        console: Console,
        operator: str = "alice",
        rights: Rights = ALL,
        kind: AttachmentKind = AttachmentKind.VERB,
    ) -> tuple[Attachment, FakeSink]:
        """Somebody on `console`, from now on."""
        sink = FakeSink()
        who, end = session(operator), console.history.end
        attachment = console.attach(who, rights, sink, end, kind)
        sink.attachment = attachment
        return attachment, sink
