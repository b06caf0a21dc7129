"""A door with lines on in-memory transports: bytes in, bytes out, a fake clock."""

from itertools import pairwise
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from tests.conversations import read
from tests.fakes import World
from tests.net.ends import Wire
from vspc.console.peers import PeerTable
from vspc.net.limits import Refusals
from vspc.net.telnet_transport import LineTransport
from vspc.vm.door import Door
from vspc.vm.vmware import Terms, VMwareLine
from vspc.wire.telnet import VMWARE, negotiation, subnegotiation
from vspc.wire.telnet import WILL as TELNET_WILL
from vspc.wire.vmware import DoProxy, Suboption, VmName, VmVcUuid, encode

SECRET = bytes.fromhex("3ce64dab11223344")
VC_UUID = b"01 23 45 67 89 ab cd ef-fe dc ba 98 00 00 00 00"


class Host:
    """One connection of an ESXi host to the door."""

    def __init__(self, scene: "Scene", address: str, start_tls: str = "off") -> None:
        self.wire = Wire(peerAddress=IPv4Address("TCP", address, 40000))
        door = scene.door
        engine: Any = object()  # Wire asks nothing of it
        terms = Terms(("vspc", "vSPC.py"), scene.now, start_tls, engine)
        self.transport = LineTransport(lambda: VMwareLine(door.arrive, False, terms), scene.now)
        self.transport.makeConnection(self.wire)

    def say(self, *messages: Suboption | bytes) -> bytes:
        """Say `messages`; what came back."""
        for message in messages:
            data = message
            if not isinstance(data, bytes):
                data = subnegotiation(VMWARE, encode(data))
            self.transport.dataReceived(data)
        return self.wire.take()

    def agree(self) -> "Host":
        """Agree on the extension."""
        self.say(negotiation(TELNET_WILL, VMWARE))
        return self

    def register(
        self, name: bytes = b"web01", uuid: bytes = VC_UUID, uri: bytes = b"vspc"
    ) -> bytes:
        """Say everything that a VM says to be somebody."""
        self.agree()
        return self.say(DoProxy(b"S", uri), VmVcUuid(uuid), VmName(name))

    @property
    def closed(self) -> bool:
        return bool(self.wire.disconnecting)

    def lose(self) -> None:
        """The connection is gone."""
        self.transport.connectionLost(Failure(ConnectionDone()))


class Scene(World):
    """A world with a VM's door; the secret of migrations is fixed."""

    def __init__(self) -> None:
        super().__init__()
        self.door = Door(self.roster, PeerTable(secret=lambda: SECRET), self.clock, Refusals())

    def now(self) -> float:
        return self.clock.seconds()

    def host(self, address: str = "10.0.0.1", start_tls: str = "off") -> Host:
        return Host(self, address, start_tls)


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
