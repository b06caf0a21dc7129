"""A server with lines on in-memory transports: bytes in, bytes out, a fake clock."""

from collections import Counter
from collections.abc import Iterable
from itertools import count, pairwise
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from tests.conversations import read
from tests.fakes import World
from tests.net.ends import NoEngine, Wire
from vspc.config.dial_allow import DialAllow, DialEntry
from vspc.console.console import ConsoleState
from vspc.console.counts import ConsoleCounts
from vspc.console.events import HostChanged, Suspicion
from vspc.console.peers import PeerTable
from vspc.net.limits import Refusals
from vspc.net.telnet_transport import LineTransport
from vspc.server.handover.encoding import Moment, assemble, records
from vspc.server.handover.state_file import HandoverFile
from vspc.server.handover.state_file import read as read_state
from vspc.vm.context import Zone
from vspc.vm.lines.comport import ComPortTerms
from vspc.vm.lines.vmware import Terms, VMwareLine
from vspc.vm.ports import LineObserver, VmLine
from vspc.vm.roles import LineRole
from vspc.vm.server import LineServer
from vspc.vm.values import SavedServer, may_be_saved, save
from vspc.wire.telnet import VMWARE, Data, Decoder, Subnegotiation, negotiation, subnegotiation
from vspc.wire.telnet import WILL as TELNET_WILL
from vspc.wire.vmware import (
    DoProxy,
    Suboption,
    VmName,
    VMotionBegin,
    VMotionComplete,
    VMotionGoahead,
    VMotionPeer,
    VmVcUuid,
    encode,
)

SEQUENCE = b"\x44\xda\x87\xf1"
SECRET = bytes.fromhex("3ce64dab11223344")
VC_UUID = b"01 23 45 67 89 ab cd ef-fe dc ba 98 00 00 00 00"


class Host:
    """One connection of an ESXi host to the server."""

    def __init__(
        self,
        scene: "Scene",
        address: str,
        start_tls: str = "off",
        secure: bool = False,
        zone: Zone | None = None,
        port: ComPortTerms = ComPortTerms(),  # noqa: B008
        dial_allow: Iterable[str] = (),
    ) -> None:
        self.scene = scene
        self.wire = Wire(peerAddress=IPv4Address("TCP", address, 40000))
        server = scene.server
        self.engine = NoEngine()
        allow = DialAllow(tuple(map(DialEntry.parse, dial_allow)))
        terms = Terms(("vspc", "vSPC.py"), scene.now, start_tls, self.engine, port, allow)

        def keep(line: VmLine) -> LineObserver:
            return server.arrive(line, zone)

        share = server.scheduler.share(address)
        self.transport = LineTransport(lambda: VMwareLine(keep, secure, terms), scene.now, share)
        self.transport.makeConnection(self.wire)

    def say(self, *messages: Suboption | bytes) -> bytes:
        """Say `messages`; what came back."""
        self.say_quietly(*messages)
        return self.wire.take()

    def say_quietly(self, *messages: Suboption | bytes) -> None:
        """Say `messages`; what comes back stays on the wire."""
        for message in messages:
            data = message
            if not isinstance(data, bytes):
                data = subnegotiation(VMWARE, encode(data))
            self.transport.dataReceived(data)
            self.settle()

    def agree(self) -> "Host":
        """Agree on the extension."""
        self.say_quietly(negotiation(TELNET_WILL, VMWARE))
        return self

    def register(
        self,
        name: bytes = b"web01",
        uuid: bytes = VC_UUID,
        uri: bytes = b"vspc",
        direction: bytes = b"S",
    ) -> bytes:
        """Say everything that a VM says to be somebody."""
        self.agree()
        self.wire.take()
        return self.say(DoProxy(direction, uri), VmVcUuid(uuid), VmName(name))

    def begin(self, sequence: bytes = SEQUENCE) -> bytes:
        """VMOTION-BEGIN; the credential of the go-ahead. AssertionError if there is none."""
        credential, _ = self.credential_in(self.say(VMotionBegin(sequence)))
        assert credential.startswith(sequence)
        return credential

    @staticmethod
    def credential_in(said: bytes) -> tuple[bytes, bytes]:
        """The credential of the only go-ahead in `said`, and the data before it."""
        decoder, found, before = Decoder(), list[bytes](), b""
        decoder.receive(said)
        while (event := decoder.next_event()) is not None:
            if isinstance(event, Data) and not found:
                before += event.data
            if isinstance(event, Subnegotiation) and event.body[0] == VMotionGoahead.CODE:
                found.append(event.body[1:])
        assert len(found) == 1, said
        return found[0], before

    def peer(self, credential: bytes) -> bytes:
        """Be the target of a vMotion as far as PEER; what came back."""
        self.agree()
        return self.say(VMotionPeer(credential))

    def complete(self, sequence: bytes = SEQUENCE, uuid: bytes = VC_UUID) -> bytes:
        """Say who it is, and VMOTION-COMPLETE."""
        return self.say(VmVcUuid(uuid), VmName(b"web01"), VMotionComplete(sequence))

    @property
    def line(self) -> VMwareLine:
        """The protocol at our end."""
        line = self.transport.protocol
        assert isinstance(line, VMwareLine)
        return line

    @property
    def closed(self) -> bool:
        return bool(self.wire.disconnecting)

    def lose(self) -> None:
        """The connection is gone."""
        self.transport.connectionLost(Failure(ConnectionDone()))
        self.settle()

    def settle(self) -> None:
        """What was said is worked on, in as many turns as it takes."""
        while self.transport.share.waiting:
            self.scene.clock.advance(0)


def check_counts(server: LineServer, counts: ConsoleCounts) -> None:
    """What is counted for metrics is what is there."""
    roster = server.roster
    states = Counter(console.state for console in roster)
    assert server.console_states() == {state: states[state] for state in ConsoleState}
    there = Counter((each.line.secure, each.role) for each in server.sessions.values())
    tally = Counter[tuple[bool, LineRole]]()
    for kind in server.context.tally:
        tally[kind.secure, kind.role] += kind.lines
    assert +tally == there, (tally, there)
    assert counts.waiting == sum(console.input.waiting for console in roster)


def secret(number: int) -> bytes:
    """The secret of the migration with `number`, from 0."""
    return (int.from_bytes(SECRET) + number).to_bytes(len(SECRET))


class Scene(World):
    """A world with a VM's server; the secrets of migrations are known."""

    def __init__(self) -> None:
        super().__init__()
        numbers = count()
        self.peers = PeerTable(secret=lambda: secret(next(numbers)))
        self.server = LineServer(self.roster, self.peers, self.clock, Refusals())

    def now(self) -> float:
        return self.clock.seconds()

    def host(self, address: str = "10.0.0.1", start_tls: str = "off", **more: Any) -> Host:
        return Host(self, address, start_tls, **more)

    def suspicions(self) -> list[tuple[str, str, str]]:
        """Every security event so far: kind, who did it, and whose VM it is about."""
        found = []
        for happening in self.happened:
            match happening:
                case Suspicion(kind, _, claimant, holder):
                    found.append((kind, claimant, holder))
                case HostChanged(_, old, new, how):
                    found.append((how.value, new, old))
        return found


def saved(server: LineServer, zero: float = 0.0) -> SavedServer:
    """All that another process can take up; the names of lines are numbers from 0."""
    kept = [line for line, session in server.sessions.items() if may_be_saved(session)]
    names = {line: str(number) for number, line in enumerate(kept)}
    return save(server, lambda line: None if line is None else names.get(line), zero)


def handed_over(state: SavedServer) -> SavedServer:
    """`state`, as another process reads it out of a file that it was written to."""
    file = HandoverFile.create()
    file.write(records(state, Moment(state.zero)).items())
    found = assemble(read_state(file.descriptor))
    file.close()
    assert not found.unread, found.unread
    return found.state


def play(host: Host, name: str, chop: int | None = None) -> tuple[bytes, bytes]:
    """Say what the VM says in conversation `name`; what we said, and what we should have said.

    `chop` cuts all that the VM says into pieces of so many bytes.
    """
    turns = read(name)
    said = b"".join(turn.data for turn in turns if turn.from_vm)
    wanted = b"".join(turn.data for turn in turns if not turn.from_vm)
    if chop is None:
        pieces = [turn.data for turn in turns if turn.from_vm]
    else:
        cuts = [*range(0, len(said), chop), len(said)]
        pieces = [said[a:b] for a, b in pairwise(cuts)]
    return b"".join([host.wire.take(), *(host.say(piece) for piece in pieces)]), wanted
