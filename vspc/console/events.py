"""Events of consoles, for subscribers: doors, logs, audit. No subscriber polls.

An event carries frozen references, never a live object: a file, another process or another node
can take it as it is. A subscriber that needs the console itself finds it by its id in the roster.
"""

from collections.abc import Callable
from enum import Enum
from typing import Protocol

from attrs import frozen

from vspc.common.serial import ModemState, PortSettings
from vspc.console.access import Rights
from vspc.console.session import Session


@frozen
class ConsoleRef:
    """A console as it was when something happened on it.

    `title` is what notices and lists show, `name` the displayed name without zone and port;
    `address` is the host of its line, or of its last one.
    """

    id: str
    title: str
    name: str
    port: str | int | None
    zone: str
    uuid: str | None
    address: str
    quarantined: bool


@frozen
class AttachmentRef:
    """An attachment as it was then. `since`: seconds since 1970; `kind` is the value of an
    `AttachmentKind`.
    """

    console: ConsoleRef
    session: Session
    rights: Rights
    offset: int
    since: float
    kind: str = ""


class EventSource(Protocol):
    """A console, as publishers of events about it need it."""

    @property
    def ref(self) -> ConsoleRef:
        """What it is now."""


class Event:
    """Something that happened on a console, or to a VM that was refused one."""

    __slots__ = ()


@frozen
class Appeared(Event):
    """A console that was not there before."""

    console: ConsoleRef


@frozen
class Connected(Event):
    """A console has a line; `returned` if it had been away."""

    console: ConsoleRef
    returned: bool


@frozen
class Continued(Event):
    """A console that an earlier process of the server had: its line goes on in this one."""

    console: ConsoleRef


@frozen
class HandoverIncomplete(Event):
    """An earlier process was killed before it could write down all of that line; `what` it was."""

    console: ConsoleRef
    what: str


@frozen
class WentAway(Event):
    """A console's last line is gone; `unsent` bytes of input were dropped with it."""

    console: ConsoleRef
    reason: str
    unsent: int


@frozen
class MigrationBegan(Event):
    """A vMotion was given the go-ahead; input is held."""

    console: ConsoleRef


@frozen
class Moved(Event):
    """A vMotion is over: from one host's address to another's, in `seconds`; `at` since 1970."""

    console: ConsoleRef
    source: str
    target: str
    seconds: float
    at: float


@frozen
class MigrationEnded(Event):
    """A vMotion came to nothing, and why."""

    console: ConsoleRef
    reason: str


@frozen
class Replaced(Event):
    """A line took the place of another one, without a vMotion; addresses, and why."""

    console: ConsoleRef
    old: str
    new: str
    why: str


@frozen
class Stalled(Event):
    """A VM's host does not answer while `waiting` bytes of input wait for it."""

    console: ConsoleRef
    waiting: int


@frozen
class AnswersAgain(Event):
    """A VM's host that did not answer does, or there is another line; `waiting` bytes wait."""

    console: ConsoleRef
    waiting: int


HOST_CLOSED = "its host closed the connection"
"""Why a line went that was closed in order, as when its VM is switched off."""


class How(Enum):
    """In which way a console came to another line."""

    JOINED = "host-changed"  # it had none
    REPLACED = "line-replaced"  # the old one did not answer, and was of the same host
    TOOK_OVER = "taken-over"  # the old one did not answer, and was of another host
    CAME_BACK = "came-back"  # the old one, which had not answered, sends again
    ACCEPTED = "accepted"  # an administrator accepted it


@frozen
class HostChanged(Event):
    """A console's host is another one, which no vMotion has proved to be right; see `How`."""

    console: ConsoleRef
    old: str
    new: str
    how: How


@frozen
class HostChange:
    """A console's host became another one, not by vMotion. `at`: seconds since 1970."""

    old: str
    new: str
    at: float


@frozen
class HostChangeSeen(Event):
    """An administrator has seen on which host a console is now."""

    console: ConsoleRef


@frozen
class Suspicion(Event):
    """A line or a client did what an attacker would do: one security event.

    `kind` is a word of docs/identity.md; `claimant` and `holder` are addresses, `holder` the one
    of the VM that it is about, empty where there is none.
    """

    kind: str
    console: ConsoleRef | None
    claimant: str
    holder: str
    detail: str


@frozen
class Renamed(Event):
    """A console is displayed under another name, or its VM gives another one, by which rights go;
    both as they were before.
    """

    console: ConsoleRef
    old_name: str
    old_claimed_name: str


@frozen
class RulesChanged(Event):
    """A reload: who may do what on consoles may be different."""


@frozen
class Forgotten(Event):
    """A console has left the roster."""

    console: ConsoleRef


@frozen
class Attached(Event):
    """An attachment is new on a console."""

    attachment: AttachmentRef


@frozen
class Detached(Event):
    """An attachment left its console."""

    attachment: AttachmentRef


@frozen
class PenTaken(Event):
    """An attachment may type now; by force if `taken_from` names the operator who had the pen."""

    attachment: AttachmentRef
    taken_from: str | None = None


@frozen
class PenReleased(Event):
    """An attachment has the pen no longer; it is free unless `other` types on."""

    attachment: AttachmentRef
    other: AttachmentRef | None = None


@frozen
class Described(Event):
    """A console has another description, or another last note."""

    console: ConsoleRef


@frozen
class BreakSignal(Event):
    """A BREAK: from the VM if `operator` is None, else towards it."""

    console: ConsoleRef
    operator: str | None
    session: Session | None = None


@frozen
class SettingsChanged(Event):
    """A serial port has other settings, or has said its first; a few a minute for each console."""

    console: ConsoleRef
    settings: PortSettings


@frozen
class ModemChanged(Event):
    """Modem lines of a serial port, as its console sees them, have changed: once a turn at most."""

    console: ConsoleRef
    modem: ModemState


@frozen
class Delivered(Event):
    """What a session typed since the last event of this kind: bytes that went to the VM, and bytes
    that were refused after they had been taken. `session`: None for what another process took.
    `answers` are bytes that went to the VM, too, but that its terminal sent by itself.
    """

    console: ConsoleRef
    session: Session | None
    count: int
    dropped: int
    answers: int = 0


class RefusalKind(Enum):
    """Why a VM was turned away, as far as programs tell reasons apart."""

    NOT_ALLOWED = "not-allowed"
    TOO_MANY = "too-many"
    BALANCER = "balancer"
    TLS_ON_TELNET = "tls-on-telnet"
    TELNET_ON_TLS = "telnet-on-tls"
    FOREIGN = "foreign-protocol"
    TLS = "tls"
    TLS_REQUIRED = "tls-required"
    NO_EXTENSION = "no-extension"
    DIRECTION = "direction"
    SERVICE_URI = "service-uri"
    REMOTE = "remote-system"
    INCOMPLETE = "not-identified"
    CREDENTIAL = "vmotion-credential"
    CONTENDED = "contended"
    OTHER = "other"


@frozen
class Introduction:
    """What a VM had said of itself when its line ended: display-safe, empty where it said nothing.

    `missing` is what it had not sent yet.
    """

    name: str = ""
    uuid: str = ""
    service_uri: str = ""
    missing: str = ""


@frozen
class VmRefused(Event):
    """A VM was turned away: `hint` is what to write into the configuration if it should not be."""

    address: str
    zone: str
    reason: str
    hint: str = ""
    said: Introduction = Introduction()
    kind: RefusalKind = RefusalKind.OTHER


@frozen
class VmLeft(Event):
    """A line ended by itself before it was identified; `reason` is how."""

    address: str
    zone: str
    reason: str
    said: Introduction = Introduction()


class EventBus:
    """Calls all subscribers, in order; one that fails does not affect the others."""

    def __init__(self, failed: Callable[[], None]) -> None:
        """`failed` is called inside the except block of a subscriber that raised."""
        self._failed = failed
        self._subscribers: dict[int, tuple[Callable[[Event], None], tuple[type[Event], ...]]] = {}
        self._of: dict[type[Event], list[Callable[[Event], None]]] = {}  # who gets such events
        self._next = 0

    def subscribe(self, call: Callable[[Event], None], *kinds: type[Event]) -> Callable[[], None]:
        """Call `call` with each event from now on, or with those of `kinds`, until the returned
        function is called.
        """
        key = self._next
        self._next += 1
        self._subscribers[key] = call, kinds
        self._of = {}
        return lambda: self._unsubscribe(key)

    def _unsubscribe(self, key: int) -> None:
        self._subscribers.pop(key, None)
        self._of = {}

    def _select(self, kind: type[Event]) -> list[Callable[[Event], None]]:
        self._of[kind] = found = [
            call
            for call, kinds in self._subscribers.values()
            if not kinds or issubclass(kind, kinds)
        ]
        return found

    def publish(self, event: Event) -> None:
        """Pass `event` to all subscribers."""
        kind = type(event)
        found = self._of.get(kind)
        for call in self._select(kind) if found is None else found:
            try:
                call(event)
            except Exception:
                self._failed()
