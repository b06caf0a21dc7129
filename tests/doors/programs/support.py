"""The door of programs over consoles in memory: sockets that are listened on, clients of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.internet.address import IPv4Address
from twisted.internet.error import CannotListenError, ConnectionDone
from twisted.python.failure import Failure

from tests.apps.support import ALICE, BOB, Desk
from tests.fakes import FakeClock, FakeThreads
from tests.net.ends import Wire
from vspc.auth.statefile import StateFile
from vspc.config.sockets import PortRange, SocketAddress
from vspc.config.values import Pattern
from vspc.config.vm_settings import SocketSettings
from vspc.console.access import Operator
from vspc.console.logins import Login, LoginConnection, LoginFailure, LoginObserver
from vspc.console.ports import Lockout
from vspc.console.sessions import Quota, Sessions
from vspc.doors.programs.door import DoorContext, ProgramDoor
from vspc.doors.programs.socket import OperatorsOfSockets
from vspc.net.kept_ports import KeptPorts
from vspc.net.limits import Refusals
from vspc.net.scheduler import Scheduler
from vspc.net.tls import Pair
from vspc.net.turn_loop import TurnLoop

NO_PAIR = Pair(b"", b"")


def entry(protocol: str = "raw", port: int = 4001, **more: Any) -> SocketSettings:
    """A socket for web01, or for what `more` says."""
    settings = {"console": "web01", "listen": SocketAddress(port=port), "operator": "alice"}
    return SocketSettings(protocol, **(settings | more))  # type: ignore[arg-type]


def range_entry(first: int, last: int, pattern: str = "lab*", **more: Any) -> SocketSettings:
    """A port for each console of `pattern`."""
    more = {"consoles": Pattern(pattern), "ports": PortRange(first, last), **more}
    return entry(console=None, listen=None, **more)


class FakePort:
    """What is listened on."""

    def __init__(self, left: Callable[[], object]) -> None:
        self.left = left

    def stopListening(self) -> None:
        self.left()


class FakeReactor:
    """Listens in memory; `busy` are ports of another program."""

    def __init__(self, clock: FakeClock) -> None:
        self.callLater = clock.call_later
        self.factories: dict[tuple[str, int], Any] = {}
        self.busy: set[int] = set()

    def listenTCP(self, port: int, factory: Any, _backlog: int, interface: str) -> FakePort:
        if port in self.busy or (interface, port) in self.factories:
            raise CannotListenError(interface, port, OSError(98, "Address already in use"))
        self.factories[interface, port] = factory
        return FakePort(lambda: self.factories.pop((interface, port)))


class FakeLogins(LoginObserver):
    """Over real sessions."""

    def __init__(self) -> None:
        self.sessions = Sessions(Quota)
        self.told: list[str] = []

    def program(self, login: Login, connection: LoginConnection) -> None:
        self.sessions.enter(login.session, connection.disconnect, bounded=False)
        self.told.append(f"{login.operator} came by {login.session.proof.socket}")

    def left(self, login: Login) -> None:
        self.sessions.leave(login.session)
        self.told.append(f"{login.operator} left")

    def failed(self, failure: LoginFailure) -> None:
        self.told.append(f"{failure.operator} failed: {failure.reason}")


class Client:
    """A program at the other end of a socket."""

    def __init__(self, hall: "Hall", port: int, host: str = "127.0.0.1") -> None:
        self.hall = hall
        address = IPv4Address("TCP", host, 40000)
        self.wire = Wire(peerAddress=address)
        self.protocol = hall.reactor.factories["127.0.0.1", port].buildProtocol(address)
        if self.protocol is not None:
            self.protocol.makeConnection(self.wire)

    def say(self, *chunks: bytes) -> bytes:
        """Send `chunks`; what came back until then."""
        self.say_quietly(*chunks)
        return self.heard()

    def say_quietly(self, *chunks: bytes) -> None:
        """Send `chunks`; what comes back stays on the wire."""
        for chunk in chunks:
            self.protocol.dataReceived(chunk)
            self.hall.settle()

    def heard(self) -> bytes:
        """What has come since the last time."""
        self.hall.settle()
        return self.wire.take()

    def leave(self) -> None:
        self.protocol.connectionLost(Failure(ConnectionDone()))
        self.hall.settle()

    @property
    def producer(self) -> Any:
        """What is told when the client does not read."""
        return self.wire.producer

    @property
    def closed(self) -> bool:
        return bool(self.wire.disconnecting)


class Hall(Desk):
    """Sockets of alice, who may do everything, and bob, who reads."""

    def __init__(self, directory: Path, *entries: SocketSettings, pair: Pair = NO_PAIR) -> None:
        super().__init__()
        self.pair = pair
        self.proofs: dict[str, str] = {}  # why a certificate is not enough for an operator
        self.reactor = FakeReactor(self.clock)
        self.logins = FakeLogins()
        self.known = {each.name: each for each in (ALICE, BOB)}
        self.locked: set[str] = set()
        self.threads = FakeThreads()
        self.directory = directory
        object.__setattr__(self.console_context, "sessions", self.logins.sessions)
        self.context = evolve(self.context, sessions=self.logins.sessions)
        self.scheduler = Scheduler(self.clock.call_later, self.clock.seconds)
        self.door = self.new_door()
        self.door.open(entries, pair)

    def new_door(self) -> ProgramDoor:
        door = ProgramDoor(
            DoorContext(
                self.reactor,
                self.context,
                OperatorsOfSockets(self.known.get, lambda name: self.proofs.get(name, ""), self),  # type: ignore[arg-type]
                self.logins,
                self.scheduler,
                Refusals(),
                TurnLoop(self.reactor),
                StateFile(self.directory / "console-ports.json", self.threads),
                KeptPorts(self.reactor),
            )
        )
        self.events.subscribe(door.on_event)
        return door

    def find(self, names: list[str]) -> Lockout | None:
        """`vspc.console.ports.Lockouts`."""
        return Lockout(names[0], "root", 0.0, None) if self.locked & set(names) else None

    def settle(self) -> None:
        """As many turns as it takes."""
        for _ in range(4):
            self.clock.advance(0)
            self.turn()

    def reload(self, *entries: SocketSettings) -> int:
        ended = self.door.prepare(entries, self.pair).apply()
        self.settle()
        return ended

    def operator(self, name: str, *groups: str) -> None:
        self.known[name] = Operator(name, frozenset(groups))
