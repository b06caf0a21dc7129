"""The SSH server with a fake clock, real Conch clients in memory, programs that record.

`Client` has Conch's key exchange and ciphers, and above them speaks plain messages, so that a
test can send what no well-behaved client would.
"""

import struct
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from attrs import define, field
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.transport import SSHClientTransport
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.logger import LogEvent, globalLogPublisher
from twisted.test.iosim import FakeTransport, IOPump, connect
from twisted.trial.unittest import SynchronousTestCase

from tests.authenticators import OnlyKeys
from vspc.console.authentication import Authenticator
from vspc.console.logins import Login, LoginObserver, Request, Start
from vspc.console.ports import Channel, Program
from vspc.net.limits import Admissions, Refusals
from vspc.net.scheduler import Scheduler
from vspc.ssh import limits as ssh_limits
from vspc.ssh.context import SshContext
from vspc.ssh.keys import HostKey
from vspc.ssh.limits import GracePeriod, SshLimits
from vspc.ssh.server import SshServer
from vspc.ssh.transport import SshTransport
from vspc.wire.ssh import SshReader, string, uint32

HOST = HostKey(Path("host"), Key(Ed25519PrivateKey.generate()))
ALICE = Key(Ed25519PrivateKey.generate())
STRANGER = Key(Ed25519PrivateKey.generate())

DISCONNECT, SERVICE_REQUEST = 1, 5
AUTH_REQUEST, AUTH_FAILURE, AUTH_SUCCESS, PK_OK = 50, 51, 52, 60
GLOBAL_REQUEST, GLOBAL_FAILURE = 80, 82
OPEN, CONFIRMATION, OPEN_FAILURE, ADJUST, DATA, EXTENDED, EOF, CLOSE, REQUEST, SUCCESS, FAILURE = (
    range(90, 101)
)


class Keys(OnlyKeys):
    """A table of keys that a test can change."""

    def __init__(self) -> None:
        self.known: dict[str, list[bytes]] = {"alice": [ALICE.public().blob()]}
        self.refusals: dict[bytes, str] = {}

    def keys(self, operator: str) -> Collection[bytes]:
        return self.known.get(operator, [])


@define(eq=False, slots=False)
class Remembering:
    """A program that remembers what it heard."""

    channel: Channel
    request: Request
    login: Login
    heard: list[Any] = field(factory=list)
    takes: bool = True
    passes_break: bool = True
    undoes: bytes = b""  # what gives the terminal back

    def received(self, data: bytes) -> None:
        self.heard.append(data)
        if self.takes:
            self.channel.consumed(len(data))

    def ended_input(self) -> None:
        self.heard.append("ended")

    def drained(self) -> None:
        self.heard.append("drained")

    def resized(self) -> None:
        self.heard.append(self.channel.terminal)

    def break_requested(self) -> bool:
        self.heard.append("break")
        return self.passes_break

    def give_back(self) -> bool:
        self.channel.write(self.undoes)
        return bool(self.undoes)

    def closed(self) -> None:
        self.heard.append("closed")


class Client(SSHClientTransport):
    """Conch's client up to the keys; `messages` has what came above them."""

    # Conch offers itself to every peer by its version; nothing else of the factory is used.
    factory: Any = None

    def __init__(self) -> None:
        self.messages: list[tuple[int, bytes]] = []
        self.secure = False
        self.lost = False

    def verifyHostKey(self, hostKey: bytes, fingerprint: bytes) -> "Deferred[bool]":
        return succeed(True)

    def connectionSecure(self) -> None:
        self.secure = True

    def connectionLost(self, reason: object = None) -> None:
        self.lost = True

    def dispatchMessage(self, messageNum: int, payload: bytes) -> None:
        if messageNum == DISCONNECT or messageNum == 3 or messageNum >= 50 or messageNum == 6:
            self.messages.append((messageNum, payload))
        else:
            super().dispatchMessage(messageNum, payload)

    def say(self, message: int, *parts: bytes) -> None:
        self.sendPacket(message, b"".join(parts))

    def got(self, message: int) -> list[bytes]:
        """The payloads of all messages of one kind, in order."""
        return [payload for number, payload in self.messages if number == message]

    def bytes_of(self, remote: int = 0) -> bytes:
        """All that came on stdout of channel `remote`."""
        found = [SshReader(payload) for payload in self.got(DATA)]
        return b"".join(reader.string() for reader in found if reader.uint32() == remote)


class NoRefusals(Refusals):
    """Each event has its line."""

    def worth_a_line(self, host: str, now: float) -> bool:
        return True


class Bench:
    """An SSH server and its clients. `start` is what decides what runs; a test may replace it."""

    make_clock: type[Clock] = Clock
    make_wire: type[FakeTransport] = FakeTransport

    def __init__(
        self,
        limits: SshLimits | None = None,
        admissions: Any = None,
        client: type[Client] = Client,
        host_keys: Sequence[HostKey] = (HOST,),
        observer: LoginObserver | None = None,
        refusals: Refusals | None = None,
        authenticator: Authenticator | None = None,
    ) -> None:
        self.clock = self.make_clock()
        self.directory = Keys()
        self.programs: list[Remembering] = []
        self.events: list[LogEvent] = []
        self.make_client = client
        self.pumps: list[IOPump] = []
        self.start: Start = self.remember
        if admissions is None:
            admissions = Admissions[Any](9999, 9999)
        self.grace_period = GracePeriod(admissions, self.clock)
        self.context = SshContext(
            host_keys=host_keys,
            authenticator=authenticator or self.directory,
            start=self.run,
            clock=self.clock,
            scheduler=Scheduler(self.clock.callLater, self.clock.seconds),
            grace_period=self.grace_period,
            limits=limits or SshLimits(),
            observer=observer or LoginObserver(),
            refusals=refusals or NoRefusals(),
        )
        self.ssh = SshServer(self.context)
        self.refusing: str | None = None

    def run(self, channel: Channel, login: Login, request: Request) -> None:
        self.start(channel, login, request)

    def remember(self, channel: Channel, login: Login, request: Request) -> None:
        """Everything runs a `Remembering`."""
        program = Remembering(channel, request, login)
        self.programs.append(program)
        if self.refusing is not None:
            channel.write_error(self.refusing.encode())
            channel.finish(3)
            return
        checked: Program = program
        channel.start(checked)

    def watch(self, case: Any) -> None:
        """Keep log events for the length of a test."""
        keep: Any = self.events.append
        globalLogPublisher.addObserver(keep)
        case.addCleanup(globalLogPublisher.removeObserver, keep)

    def logged(self, name: str) -> list[LogEvent]:
        return [event for event in self.events if event.get("log_format") == name]

    def connect(self, host: str = "192.0.2.1", protocol: Any = None) -> Any:
        """A client, its key exchange done."""
        client: Any = protocol or self.make_client()
        server = self.ssh.buildProtocol(None)
        address = IPv4Address("TCP", host, 50000)
        wire = self.make_wire(server, True, peerAddress=address)
        pump = connect(server, wire, client, FakeTransport(client, False), clock=self.clock)
        self.pumps.append(pump)
        client.server = server
        client.pump = pump
        return client

    def settle(self) -> None:
        """Everything that is under way arrives, in as many turns as it takes."""
        for pump in self.pumps:
            pump.flush()
        while any(transport.share.waiting for transport in self.ssh.connections):
            self.clock.advance(0)
            for pump in self.pumps:
                pump.flush()

    def grow_up(self) -> None:
        """Nobody is a newcomer any more."""
        self.settle()
        self.clock.advance(ssh_limits.GRACE_PERIOD)
        self.settle()

    def pass_time(self, seconds: float) -> None:
        """Time passes, a second at a time."""
        for _ in range(int(seconds)):
            self.clock.advance(1)
            self.settle()

    def asking(self, **options: Any) -> Any:
        """A client that may ask to log in."""
        client = self.connect(**options)
        client.say(SERVICE_REQUEST, string(b"ssh-userauth"))
        self.settle()
        return client

    def logged_in(self, user: bytes = b"alice", **options: Any) -> Any:
        """A client that has logged in."""
        client = self.asking(**options)
        authenticate(client, user, ALICE)
        self.settle()
        assert client.got(AUTH_SUCCESS), client.messages
        return client

    def session(self, client: Any, window: int = 1 << 20, largest: int = 32768) -> int:
        """A session channel; returns the server's number for it."""
        numbers = uint32(7) + uint32(window) + uint32(largest)
        client.say(OPEN, string(b"session"), numbers)
        self.settle()
        return int(struct.unpack(">L", client.got(CONFIRMATION)[-1][4:8])[0])

    def running(self, client: Any, line: bytes = b"list", **options: int) -> tuple[int, Any]:
        """A session that runs something; the server's number and the program."""
        number = self.session(client, **options)
        ask(client, number, b"exec", string(line))
        self.settle()
        return number, self.programs[-1]


def request_text(client: Any, user: bytes, key: Key, algorithm: bytes | None = None) -> bytes:
    """A userauth request up to the key, with its signature to follow."""
    name = algorithm or bytes(key.sshType())
    blob = bytes(key.public().blob())
    head = string(user) + string(b"ssh-connection") + string(b"publickey")
    return head + b"\1" + string(name) + string(blob)


def authenticate(
    client: Any, user: bytes, key: Key, signer: Key | None = None, algorithm: bytes | None = None
) -> None:
    """Log in with `key`; with `signer` the signature is somebody else's."""
    text = request_text(client, user, key, algorithm)
    signed = string(client.sessionID) + bytes((AUTH_REQUEST,)) + text
    signature = (signer or key).sign(signed, algorithm)
    client.say(AUTH_REQUEST, text, string(signature))


def probe(client: Any, user: bytes, key: Key, algorithm: bytes | None = None) -> None:
    """Ask whether `key` would do."""
    text = request_text(client, user, key, algorithm)
    head = len(string(user) + string(b"ssh-connection") + string(b"publickey"))
    client.say(AUTH_REQUEST, text[:head], b"\0", text[head + 1 :])


def ask(client: Any, channel: int, name: bytes, body: bytes = b"", reply: bool = True) -> None:
    """A channel request."""
    client.say(REQUEST, uint32(channel), string(name), b"\1" if reply else b"\0", body)


def server_of(client: Any) -> SshTransport:
    """The server's end of a client's connection."""
    server: SshTransport = client.server
    return server


class BenchCase(SynchronousTestCase):
    """A bench with one client that has logged in."""

    def setUp(self) -> None:
        self.bench = Bench()
        self.bench.watch(self)
        self.client = self.bench.logged_in()

    def say(self, message: int, *parts: bytes) -> None:
        self.client.say(message, *parts)
        self.bench.settle()

    def ask(self, number: int, name: bytes, body: bytes = b"") -> bool:
        """Whether a channel request is granted."""
        before = len(self.client.got(SUCCESS))
        ask(self.client, number, name, body)
        self.bench.settle()
        return len(self.client.got(SUCCESS)) > before
