"""All sockets for programs: opened at a start, changed by a reload, told of consoles that come."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from attrs import define, frozen
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger

from vspc.apps.verbs.context import Call, VerbContext, handle_of
from vspc.auth.statefile import StateFile
from vspc.config.sockets import SocketAddress
from vspc.config.vm_settings import SocketSettings
from vspc.console.console import Console
from vspc.console.events import (
    Appeared,
    Connected,
    Continued,
    Event,
    Forgotten,
    ModemChanged,
    Renamed,
    WentAway,
)
from vspc.console.logins import Login, LoginObserver
from vspc.console.names import Found
from vspc.doors.programs.assignment import ConsolePorts
from vspc.doors.programs.channel import ChannelContext, ProgramChannel
from vspc.doors.programs.factory import FactoryContext, Handshakes, SocketFactory
from vspc.doors.programs.listener import SocketError, SocketListener, kept_name
from vspc.doors.programs.socket import OperatorsOfSockets, ProgramSocket
from vspc.net.kept_ports import KeptPorts
from vspc.net.limits import Refusals
from vspc.net.scheduler import Scheduler
from vspc.net.tls import Pair, ServerTls
from vspc.net.turn_loop import TurnLoop

REMOVED = "this socket was removed from the configuration"
CHANGED = "this socket was changed in the configuration; to go on, connect again"
STRANGER = "you are no longer an operator here"

_log = Logger(namespace="vspc.doors.programs")


@frozen
class DoorContext:
    """What the door is made of. `assignments_file` keeps the ports of ranges, `kept_ports` what
    listens over a restart.
    """

    reactor: Any
    verbs: VerbContext
    operators: OperatorsOfSockets
    logins: LoginObserver
    scheduler: Scheduler
    refusals: Refusals
    loop: TurnLoop
    assignments_file: StateFile
    kept_ports: KeptPorts


@define(eq=False)
class SocketChanges:
    """What a new configuration changes; new sockets are listened on already. Call `apply` when it
    is in force, or `cancel`.
    """

    _apply: Callable[[], int]
    _opened: list[SocketListener]

    def apply(self) -> int:
        """Take it; how many connections are ended."""
        return self._apply()

    def cancel(self) -> None:
        """Close what was opened for it."""
        for listener in self._opened:
            listener.close()


class ProgramDoor:
    """The sockets of the configuration in force."""

    def __init__(self, context: DoorContext) -> None:
        self._context = context
        self._shared = FactoryContext(context.reactor, context.scheduler, Handshakes())
        self._listeners: dict[tuple[str, int, str], SocketListener] = {}
        self._assigned = ConsolePorts(context.verbs.roster, context.assignments_file)
        self._begins: dict[str, int] = {}  # where the output of consoles begins that came just now
        self._looks = False  # whether those who wait are about to look again
        self._waiting: dict[ProgramChannel, None] = {}  # those whose console is not there
        self._asked: tuple[SocketSettings, ...] = ()  # what VMs ask for, beside the configuration
        self._again: Callable[[], SocketChanges] | None = None  # prepare the same once more

    # Opening and changing

    def claim(self, entries: Iterable[SocketSettings]) -> None:
        """These are about to be opened: they go on with what listened for them before the start."""
        self._context.kept_ports.claim(
            (kept_name(address, entry), address.listening)
            for entry in entries
            for address in entry.addresses
        )

    def open(self, entries: tuple[SocketSettings, ...], pair: Pair) -> None:
        """Listen, at a start. Raises `SocketError`, `TlsError`."""
        self._assigned.load()
        self.prepare(entries, pair).apply()

    def prepare(self, entries: tuple[SocketSettings, ...], pair: Pair) -> SocketChanges:
        """Listen on what is new in `entries`. Raises `SocketError` or `TlsError`, and nothing is
        changed then.
        """
        wanted = list[tuple[SocketAddress, SocketSettings, ServerTls | None]]()
        for entry in (*self._asked, *entries):
            tls = ServerTls(pair, entry.client_ca) if entry.tls else None
            wanted += [(address, entry, tls) for address in entry.addresses]
        opened = list[SocketListener]()

        def take() -> int:
            self._again = lambda: self.prepare(entries, pair)
            return self._take(wanted, opened)

        changes = SocketChanges(take, opened)
        try:
            for address, entry, _ in wanted:
                if address.place not in self._listeners:
                    opened.append(self._listen(address, entry))
        except SocketError:
            changes.cancel()
            raise
        return changes

    def serve(self, asked: tuple[SocketSettings, ...]) -> int:
        """Listen on what VMs ask for, too: `asked` and no other. How many connections are ended.
        Raises `SocketError`, and nothing is changed then.
        """
        assert self._again is not None, "it is open"
        before, self._asked = self._asked, asked
        try:
            return self._again().apply()
        except SocketError:
            self._asked = before
            raise

    def _take(
        self,
        wanted: list[tuple[SocketAddress, SocketSettings, ServerTls | None]],
        opened: list[SocketListener],
    ) -> int:
        ended = 0
        self._listeners |= {each.socket.address.place: each for each in opened}
        for address, entry, tls in wanted:
            listener = self._listeners[address.place]
            listener.factory.tls = tls
            if listener.change(address, entry):
                ended += listener.socket.end(CHANGED)
        entries = (entry for _, entry, _ in wanted)
        self._assigned.take((e.consoles, e.ports) for e in entries if e.consoles and e.ports)
        for place in self._listeners.keys() - {address.place for address, _, _ in wanted}:
            listener = self._listeners.pop(place)
            listener.close()
            ended += listener.socket.end(REMOVED)
        self._look_soon()
        return ended + self._end_strangers()

    def _end_strangers(self) -> int:
        """End connections of operators that are none any more."""

        def is_strange(login: Login) -> bool:
            return self._context.operators.named(login.operator) is None

        return sum(socket.end(STRANGER, is_strange) for socket in self._sockets)

    def _listen(self, address: SocketAddress, entry: SocketSettings) -> SocketListener:
        context = self._context
        channel = ChannelContext(
            context.verbs,
            str(address),
            lambda: self.name_of(socket),
            lambda call: self._find(socket, call),
            self._begins_at,
            self._waiting,
        )
        socket = ProgramSocket(
            address, entry, channel, context.operators, context.logins, self._refuse
        )
        factory = SocketFactory(socket, self._shared)
        listener = SocketListener.open(context.reactor, context.kept_ports, socket, factory)
        context.loop.serve(listener.port)
        asked_for_by = context.verbs.roster.get(entry.console or "")
        name = entry.console or entry.consoles if asked_for_by is None else asked_for_by.title
        what = f"{entry.protocol} {name}"
        _log.info("listening", what=what, endpoint=str(address), port=address.port or address.path)
        return listener

    def _refuse(self, socket: ProgramSocket, address: str, reason: str) -> None:
        if self._context.refusals.worth_a_line(address, self._context.verbs.clock.seconds()):
            _log.warn("program-refused", socket=str(socket.address), address=address, reason=reason)

    # Consoles

    @property
    def _sockets(self) -> Iterator[ProgramSocket]:
        return (listener.socket for listener in self._listeners.values())

    def name_of(self, socket: ProgramSocket) -> str:
        """What is typed for the console of a socket; empty while no console has the port."""
        entry = socket.entry
        if entry.consoles is None:
            return entry.console or ""
        return self._assigned.name(entry.consoles, socket.address.port)

    def _find(self, socket: ProgramSocket, call: Call) -> Console | None:
        """Its console: no other that has a name like it, and none that the operator may not read. A
        name without a port is the first one.
        """
        name = self.name_of(socket)
        for typed in (name, f"{name}:1") if name else ():
            match self._context.verbs.roster.resolve(typed, call.may_read):
                case Found(console) if _is(console, typed) and not console.quarantined:
                    return console
        return None

    def _begins_at(self, console: Console) -> int:
        """Where its output began, if it has just come; else now."""
        return self._begins.get(console.id, console.history.end)

    EVENTS = (Appeared, Connected, Continued, Renamed, Forgotten, WentAway, ModemChanged)
    """Those that `on_event` needs."""

    def on_event(self, event: Event) -> None:
        """A console may have come; for `vspc.console.events.EventBus.subscribe`."""
        match event:
            case Appeared(ref) | Connected(ref) | Continued(ref) | Renamed(ref) if self._listeners:
                console = self._context.verbs.roster.get(ref.id)
                if console is None:
                    return
                if isinstance(event, Appeared) and self._waiting:
                    self._begins[ref.id] = console.history.end
                if isinstance(event, Renamed):
                    self._assigned.has_room()
                self._assigned.assign(console)
                self._look_soon()
            case Forgotten():
                self._assigned.has_room()
        match event:
            case Connected(ref) | WentAway(ref) | ModemChanged(ref):
                for channel in self._on(ref.id):
                    channel.port_changed()

    def _on(self, console_id: str) -> list[ProgramChannel]:
        """Programs that take this console for a serial port."""
        sockets = (each for each in self._sockets if each.entry.protocol == "rfc2217")
        channels = (channel for socket in sockets for channel in socket.channels)
        return [each for each in channels if each.console and each.console.id == console_id]

    def _look_soon(self) -> None:
        """Those who wait look again, in the next turn."""
        if self._waiting and not self._looks:
            self._context.verbs.clock.call_later(0, self._look)
            self._looks = True

    def _look(self) -> None:
        self._looks = False
        for channel in list(self._waiting):
            channel.look()
        self._begins.clear()

    # The rest

    def condition(self) -> dict[str, int]:
        """For `status`."""
        return {
            "listening": len(self._listeners),
            "connections": sum(len(socket.channels) for socket in self._sockets),
            "waiting": len(self._waiting),
        }

    def ports(self) -> list[IListeningPort]:
        """What listens, to be closed at the end."""
        return [listener.port for listener in self._listeners.values()]


def _is(console: Console, typed: str) -> bool:
    if typed.lower().startswith("uuid:") or typed == console.id:
        return True
    return typed.casefold() in (console.title.casefold(), handle_of(console).casefold())
