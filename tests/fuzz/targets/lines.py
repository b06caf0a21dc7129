"""Lines of VMs and of devices: dialogues over the real server, in memory and with a fake clock."""

from collections.abc import Callable

from attrs import define, field
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from tests.fakes import FakeSink, World
from tests.fuzz.target import Choices, Target, chunks, same
from tests.fuzz.targets.wire import TELNET_TOKENS, conversations
from tests.net.dialling import Dialling, lose
from tests.net.ends import Recorder, ReplaceableWire
from tests.vm.support import SECRET, SEQUENCE, VC_UUID, Host, Scene
from vspc.config.dialling import DialledEntry, remote_of
from vspc.console.attachment import Attachment
from vspc.console.console import Console
from vspc.console.input_flow import WAITING
from vspc.console.peers import PeerTable
from vspc.net.heard_peer import KEPT, HeardPeer
from vspc.net.limits import Refusals
from vspc.net.preaccept import HEADER_TIMEOUT, ProxiedConnection
from vspc.net.scheduler import Scheduler
from vspc.net.telnet_transport import LineTransport
from vspc.vm.dial import DialContext, Diallers
from vspc.vm.server import LineServer
from vspc.wire import vmware
from vspc.wire.telnet import COM_PORT, VMWARE, WILL, command, negotiation, subnegotiation

HOSTS = ("10.0.0.1", "10.0.0.2", "10.0.0.9")
MOST_LINES = 6
UUIDS = (VC_UUID, b"ab" * 16, b"", b"0" * 32)
NAMES = (b"web01", b"web02", b"\xff\x1b[31m\n", b"")
URIS = (b"vspc", b"vspc?port=2", b"telnet://:2001", b"tcp://192.0.2.9:4001#x")


@define(eq=False)
class Dialogue:
    """Hosts that say what the bytes choose, and operators who type; a `Choices` each step."""

    scene: Scene = field(factory=Scene)
    lines: list[Host] = field(factory=list)
    people: list[tuple[Attachment, FakeSink]] = field(factory=list)
    credential: bytes = b""

    def run(self, data: bytes) -> None:
        """All steps; then everybody leaves."""
        choices = Choices(data)
        while choices:
            step = STEPS[choices.below(len(STEPS))]
            step(self, choices)
            self.check()
        self.leave()

    def host(self, choices: Choices) -> Host | None:
        """One of those that are connected."""
        return self.lines[choices.below(len(self.lines))] if self.lines else None

    def connect(self, choices: Choices) -> None:
        """One more line, encrypted or not, with STARTTLS or not."""
        if len(self.lines) < MOST_LINES:
            kind, address = choices.byte(), HOSTS[choices.below(len(HOSTS))]
            start_tls = ("off", "allow", "require")[kind % 3]
            self.lines.append(self.scene.host(address, start_tls, secure=kind >= 128))

    def register(self, choices: Choices) -> None:
        """Says who it is, in one way of many."""
        if host := self.host(choices):
            name, uuid = NAMES[choices.below(4)], UUIDS[choices.below(4)]
            uri, direction = URIS[choices.below(4)], (b"S", b"C", b"X")[choices.below(3)]
            host.register(name, uuid, uri, direction)

    def suboption(self, choices: Choices) -> None:
        """One suboption with any arguments; of a migration perhaps with those that are right."""
        if host := self.host(choices):
            code, known = choices.byte(), choices.below(4)
            arguments = (SEQUENCE, self.credential, SEQUENCE + SECRET, choices.piece())[known]
            said = host.say(subnegotiation(VMWARE, bytes((code,)) + arguments))
            self.keep_credential(said)

    def keep_credential(self, said: bytes) -> None:
        """Of a go-ahead."""
        at = said.find(bytes((0xFF, 0xFA, VMWARE, vmware.VMotionGoahead.CODE)))
        if at >= 0:
            self.credential = said[at + 4 : said.find(b"\xff\xf0", at)]

    def say(self, choices: Choices) -> None:
        """Any bytes."""
        if host := self.host(choices):
            host.say(choices.piece())

    def lose(self, choices: Choices) -> None:
        """A connection is gone."""
        if host := self.host(choices):
            self.lines.remove(host)
            host.lose()

    def wait(self, choices: Choices) -> None:
        """Time passes."""
        self.scene.clock.advance(choices.byte() / 8)
        self.scene.server.tick()

    def wait_long(self, choices: Choices) -> None:
        """Much time passes."""
        self.scene.clock.advance(choices.byte() * 60.0)
        self.scene.server.tick()

    def turn(self, _choices: Choices) -> None:
        """A turn of the reactor ends."""
        self.scene.turn()

    def consoles(self) -> list[Console]:
        """All there are."""
        return list(self.scene.roster)

    def attach(self, choices: Choices) -> None:
        """An operator more on a console."""
        found = self.consoles()
        if found and len(self.people) < MOST_LINES:
            self.people.append(self.scene.attach(found[choices.below(len(found))]))

    def type(self, choices: Choices) -> None:
        """An operator types, perhaps a paste."""
        if self.people:
            attachment, _ = self.people[choices.below(len(self.people))]
            attachment.type(choices.piece() * (1 + choices.below(3) * 40))

    def command(self, choices: Choices) -> None:
        """An operator does something else than typing."""
        if self.people:
            attachment, _ = self.people[choices.below(len(self.people))]
            match choices.below(3):
                case 0:
                    attachment.take_pen()
                case 1:
                    attachment.send_break()
                case _:
                    attachment.detach()
                    self.people = [each for each in self.people if each[0] is not attachment]

    def decide(self, choices: Choices) -> None:
        """An administrator accepts or forgets."""
        if found := self.consoles():
            console = found[choices.below(len(found))]
            if choices.below(2):
                self.scene.server.forget(console)
            else:
                self.scene.server.accept_line(console)

    def check(self) -> None:
        """What holds after each step."""
        if self.scene.failures:
            raise AssertionError("something failed and was contained")
        for console in self.consoles():
            if console.input.waiting > WAITING:
                raise AssertionError(f"{console.input.waiting} bytes wait")
        for host in self.lines:
            held = len(host.transport.value.tail)
            if held > 16 * 1024 + 260:
                raise AssertionError(f"{held} bytes are held of a line")

    def leave(self) -> None:
        """Everybody has left: no console has a line, and no timer goes on for ever."""
        for attachment, _ in self.people:
            attachment.detach()
        for host in self.lines:
            host.lose()
        self.scene.turn()
        for _ in range(4):
            self.scene.clock.advance(3600)
            self.scene.server.tick()
            self.scene.turn()
        self.check()
        live = [console.name for console in self.consoles() if console.live]
        same((live, len(self.scene.server.sessions)), ([], 0), "left")
        same(self.scene.clock.twisted.getDelayedCalls(), [], "timers")


Step = Callable[[Dialogue, Choices], None]

STEPS: tuple[Step, ...] = (
    Dialogue.connect,
    Dialogue.register,
    Dialogue.suboption,
    Dialogue.say,
    Dialogue.lose,
    Dialogue.wait,
    Dialogue.turn,
    Dialogue.attach,
    Dialogue.type,
    Dialogue.command,
    Dialogue.decide,
    Dialogue.wait_long,
)


def _step(name: Step, *arguments: int) -> bytes:
    return bytes((STEPS.index(name), *arguments))


_REGISTERED = _step(Dialogue.connect, 0, 0) + _step(Dialogue.register, 0, 0, 0, 0, 0)
_MOVING = (
    _REGISTERED
    + _step(Dialogue.attach, 0)
    + _step(Dialogue.suboption, 0, vmware.VMotionBegin.CODE, 0)
    + _step(Dialogue.type, 0, 3, *b"ls\r", 2)
    + _step(Dialogue.connect, 0, 1)
    + _step(Dialogue.suboption, 1, vmware.VMotionPeer.CODE, 1)
)
_DIALOGUES = (
    _REGISTERED + _step(Dialogue.attach, 0) + _step(Dialogue.say, 0, 5, *b"hello"),
    _MOVING + _step(Dialogue.suboption, 1, vmware.VMotionComplete.CODE, 0),
    _MOVING + _step(Dialogue.suboption, 0, vmware.VMotionAbort.CODE, 3, 0),
    _MOVING + _step(Dialogue.lose, 0) + _step(Dialogue.wait, 255),
    _REGISTERED + _REGISTERED[:2] + b"\2" + _step(Dialogue.register, 1, 0, 0, 0, 0),
    _REGISTERED + _step(Dialogue.lose, 0) + _step(Dialogue.wait_long, 255) * 50,
)


def _dialogue(data: bytes) -> None:
    Dialogue().run(data)


def heard(pieces: tuple[bytes, ...]) -> tuple[object, ...]:
    """What comes of a line that says `pieces`: answers, and each console with its output."""
    scene = Scene()
    host = scene.host()
    answers = host.wire.take() + b"".join(host.say(piece) for piece in pieces)
    shown = [(console.name, console.history.read(0, 1 << 16)) for console in scene.roster]
    host.lose()
    return answers, host.closed, sorted(shown)


def _line(data: bytes) -> None:
    seed, data = (data or b"\0")[0], data[1:]
    same(heard(tuple(chunks(data, seed))), heard((data,)), "in pieces")


def _device(data: bytes) -> None:
    choices = Choices(data)
    kind = ("tcp", "telnet", "rfc2217")[choices.below(3)]
    world, dialling = World(), Dialling()
    world.clock.twisted = dialling.reactor
    server = LineServer(world.roster, PeerTable(), world.clock, Refusals())
    diallers = Diallers(DialContext(server, dialling.outbound, lambda: 0.0), world.events)
    try:
        place = f"{kind}://192.0.2.9:4001"
        entry = DialledEntry("moxa", remote_of(place), place)
        diallers.apply(diallers.prepare([entry]))
        wire = dialling.take().accept()
        (console,) = world.roster
        attachment, _ = world.attach(console)
        while choices:
            match choices.below(8):
                case 0:
                    wire.above.dataReceived(subnegotiation(COM_PORT, choices.piece()))
                case 1:
                    attachment.type(choices.piece())
                case 2:
                    dialling.reactor.pump([0, choices.byte() / 4, 0])
                case 3:
                    attachment.send_break()
                case _:
                    wire.above.dataReceived(choices.piece())
            dialling.reactor.pump([0, 0, 0])
            world.turn()
        same(world.failures, 0, "failures")
        lose(wire)
        dialling.reactor.pump([0, 0])
        same(console.live, False, "lost")
    finally:
        dialling.outbound.close()


_BALANCED = b"\1PROXY TCP4 10.1.2.3 10.0.0.1 40000 13370\r\nrest"


def _balanced(data: bytes) -> None:
    seed, data = (data or b"\0")[0], data[1:]
    found = []
    for pieces in ((data,), tuple(chunks(data, seed))):
        clock, refused = Clock(), list[str]()
        inner = Recorder()
        scheduler = Scheduler(clock.callLater, clock.seconds)

        def line(
            _peer: object, inner: Recorder = inner, scheduler: Scheduler = scheduler
        ) -> LineTransport:
            share = scheduler.share("10.1.2.3")
            return LineTransport(lambda: inner, scheduler.seconds, share)

        wire = ReplaceableWire(peerAddress=IPv4Address("TCP", "192.0.2.1", 4))
        wire.protocol = ProxiedConnection(line, clock.callLater, refused.append)
        wire.above.makeConnection(wire)
        for piece in pieces:
            if not wire.aborted:
                wire.above.dataReceived(piece)
                while any(call.getTime() <= clock.seconds() for call in clock.getDelayedCalls()):
                    clock.advance(0)
        found.append((bool(refused), wire.aborted, inner.heard()))
        wire.above.connectionLost(Failure(ConnectionDone()))
        clock.advance(2 * HEADER_TIMEOUT)
    same(found[1], found[0], "in pieces")


def _probed(data: bytes) -> None:
    seed, data = (data or b"\0")[0], data[1:]
    met = HeardPeer()
    for piece in chunks(data, seed):
        met.take(piece)
        met.answer()
    if max(len(met.text), len(met.raw)) > KEPT:
        raise AssertionError("too much is kept")
    str(met.first_line)


def _whole() -> tuple[bytes, ...]:
    agreed = negotiation(WILL, VMWARE)
    return tuple(b"\3" + said for said in (*conversations(), agreed + command(243) + b"login: "))


_DEVICES = (
    bytes((0, 4, 6)) + b"login:" + bytes((1, 3)) + b"ls\r",
    bytes((1, 4, 3, 0xFF, 0xFB, 1, 3, 2, 40)),
    bytes((2, 4, 3, 0xFF, 0xFD, 44, 0, 5, 101, 0, 0, 0x25, 0x80, 0, 2, 107, 48, 2, 40, 3)),
)

TARGETS = (
    Target("vm-dialogue", _dialogue, lambda: _DIALOGUES, TELNET_TOKENS, 1024, replayed=150),
    Target("vm-line", _line, _whole, TELNET_TOKENS, 2048, replayed=150),
    Target("device-line", _device, lambda: _DEVICES, TELNET_TOKENS, 1024, replayed=150),
    Target("balanced-line", _balanced, lambda: (_BALANCED,), (*TELNET_TOKENS, b"PROXY "), 2048),
    Target("probed-peer", _probed, lambda: (b"\1\xff\xfb\1\xff\xfd\xe8login: ", b"\2SSH-2.0-x\n")),
)
