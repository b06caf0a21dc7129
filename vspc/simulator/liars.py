"""Hosts that lie: connections that say whatever UUID, name and credential one gives them.

Each is one connection, that says its part once, types its text as soon as it is accepted, and
reports every byte that it gets. Nothing of it is a VM: it does not connect again.
"""

from collections.abc import Callable

from attrs import evolve, frozen
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from vspc.simulator.extension import VmIdentity
from vspc.simulator.host import HostConnection, Port, Settings

KEPT = 64 * 1024
"""Bytes of input that are kept; all of them are counted."""


class ConnectionWitness:
    """The `Port` of one connection that has no serial port."""

    def __init__(self, identity: VmIdentity) -> None:
        self.identity = identity
        self.state = "connecting"
        """connecting, accepted (WILL-PROXY or VMOTION-PEER-OK came), or closed."""
        self.reason = ""
        self.size = 0
        self.breaks = 0
        self._kept = bytearray()

    @property
    def heard(self) -> bytes:
        """The first `KEPT` bytes of input."""
        return bytes(self._kept)

    def line_up(self, connection: HostConnection) -> None:
        """WILL-PROXY."""
        self.state = "accepted"

    def peer_ok(self, connection: HostConnection, sequence: bytes) -> None:
        """VMOTION-PEER-OK."""
        self.state = "accepted"

    def input_room(self, connection: HostConnection) -> int:
        """Everything is heard."""
        return KEPT

    def received(self, connection: HostConnection, data: bytes) -> None:
        """Input that was meant for a VM."""
        self.size += len(data)
        self._kept += data[: KEPT - len(self._kept)]

    def break_received(self, connection: HostConnection) -> None:
        """A BREAK that was meant for a VM."""
        self.breaks += 1

    def goahead(self, connection: HostConnection, payload: bytes) -> None:
        """Nothing moves."""

    def notnow(self, connection: HostConnection, sequence: bytes) -> None:
        """Nothing moves."""

    def writable(self, connection: HostConnection) -> None:
        """Nothing waits."""

    def lost(self, connection: HostConnection, reason: str) -> None:
        """The connection is over."""
        self.state, self.reason = "closed", reason


log = Logger()

MOST = 100_000
"""Lies of one simulator."""


@frozen
class Lie:
    """What a liar says. `early`: it types before it has said who it is, too.

    `claim` is a credential for VMOTION-PEER, and VMOTION-COMPLETE follows once that is accepted;
    without a claim it asks for a proxy, with `service_uri`, or as the VMs do.
    """

    address: str
    identity: VmIdentity
    text: bytes = b""
    service_uri: str | None = None
    claim: bytes | None = None
    early: bool = False


class LyingLine(HostConnection):
    """A liar's connection: it keeps what came, telnet included."""

    def __init__(
        self, port: Port, clock: IReactorTime, settings: Settings, lie: Lie, kept: bytearray
    ) -> None:
        super().__init__(port, clock, settings, lie.claim)
        self._early = lie.text if lie.early else b""
        self._kept = kept

    def connectionMade(self) -> None:
        """Some speak before they are asked."""
        super().connectionMade()
        self.send(self._early)

    def dataReceived(self, data: bytes) -> None:
        """Every byte."""
        self._kept += data[: KEPT - len(self._kept)]
        super().dataReceived(data)


class Liar(ConnectionWitness):
    """One lie, told."""

    def __init__(self, lie: Lie, clock: IReactorTime, settings: Settings) -> None:
        super().__init__(lie.identity)
        self.lie = lie
        if lie.service_uri is not None:
            settings = evolve(settings, service_uri=lie.service_uri)
        self.wire = bytearray()
        """The first `KEPT` bytes that came, telnet included."""
        self.line = LyingLine(self, clock, settings, lie, self.wire)

    def line_up(self, connection: HostConnection) -> None:
        """Accepted, as far as it can tell: a proxy that knows better says WILL-PROXY, too."""
        super().line_up(connection)
        connection.send(self.lie.text)

    def peer_ok(self, connection: HostConnection, sequence: bytes) -> None:
        """The credential counts."""
        super().peer_ok(connection, sequence)
        connection.dialogue.vmotion_complete(sequence)
        connection.send(self.lie.text)

    def change(self, identity: VmIdentity) -> None:
        """Be somebody else from now on, and say so without having been asked."""
        self.identity = identity
        self.line.dialogue.announce()

    def facts(self) -> dict[str, object]:
        """As `lies` prints it; what was heard is in Latin-1, byte by byte."""
        return {
            "address": self.lie.address,
            "name": self.identity.name,
            "uuid": self.identity.vc_uuid,
            "state": self.state,
            "reason": self.reason,
            "bytes_in": self.size,
            "heard": self.heard.decode("latin-1"),
            "breaks": self.breaks,
            "wire": self.wire.hex(),
        }


class Liars:
    """All lies of one simulator, numbered from 1."""

    def __init__(
        self,
        clock: IReactorTime,
        connect: Callable[[str, HostConnection], None],
        settings: Settings | None = None,
    ) -> None:
        self.told: list[Liar] = []
        self._clock = clock
        self._connect = connect
        self._settings = settings or Settings()

    def tell(self, lie: Lie) -> int:
        """Connect and say it; its number. Raises ValueError after MOST."""
        if len(self.told) >= MOST:
            raise ValueError(f"{MOST} lies were told")
        liar = Liar(lie, self._clock, self._settings)
        self.told.append(liar)
        log.info("lie", address=lie.address, claims=lie.identity.name, uuid=lie.identity.vc_uuid)
        self._connect(lie.address, liar.line)
        return len(self.told)

    def end(self) -> None:
        """Close what is open."""
        for liar in self.told:
            liar.line.close()


def somebody(identity: VmIdentity, uuid: str | None, name: str | None) -> VmIdentity:
    """`identity` with another VC UUID, another name, or both."""
    changes = {"vc_uuid": uuid, "name": name}
    return evolve(identity, **{key: value for key, value in changes.items() if value is not None})
