"""Impostors: connections that claim any UUID, name and credential, with no VM behind them.

Each sends its claim once, types its text as soon as it is accepted, and records every byte that
comes. It does not connect again.
"""

from collections.abc import Callable

from attrs import evolve, frozen
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from vspc.simulator.extension import VmIdentity
from vspc.simulator.host import HostConnection, Port, Settings

log = Logger()

KEPT = 64 * 1024
"""Bytes of input that are kept; all of them are counted."""

MOST = 100_000
"""Impostors of one simulator."""


class RecordingPort(Port):
    """The `Port` of one connection without a VM: an impostor's, or a dead host's."""

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
        self.state = "accepted"

    def peer_ok(self, connection: HostConnection, sequence: bytes) -> None:
        self.state = "accepted"

    def input_room(self, connection: HostConnection) -> int:
        return KEPT

    def received(self, connection: HostConnection, data: bytes) -> None:
        self.size += len(data)
        self._kept += data[: KEPT - len(self._kept)]

    def break_received(self, connection: HostConnection) -> None:
        self.breaks += 1

    def lost(self, connection: HostConnection, reason: str) -> None:
        self.state, self.reason = "closed", reason


@frozen
class ImpostorClaim:
    """What an impostor sends. `early`: it types `text` before it is identified, too.

    `credential` is for VMOTION-PEER, and VMOTION-COMPLETE follows once that is accepted; without
    one it sends DO-PROXY with `service_uri`, or with that of the VMs.
    """

    address: str
    identity: VmIdentity
    text: bytes = b""
    service_uri: str | None = None
    credential: bytes | None = None
    early: bool = False


class ImpostorConnection(HostConnection):
    """An impostor's connection. It keeps what came, telnet included, in `kept`."""

    def __init__(
        self,
        port: Port,
        clock: IReactorTime,
        settings: Settings,
        claim: ImpostorClaim,
        kept: bytearray,
    ) -> None:
        super().__init__(port, clock, settings, claim.credential)
        self._early = claim.text if claim.early else b""
        self._kept = kept

    def connectionMade(self) -> None:
        """The text of an early one comes before its identity."""
        super().connectionMade()
        self.send(self._early)

    def dataReceived(self, data: bytes) -> None:
        """Bytes from the proxy."""
        self._kept += data[: KEPT - len(self._kept)]
        super().dataReceived(data)


class Impostor(RecordingPort):
    """One impostor and its `line`."""

    def __init__(self, claim: ImpostorClaim, clock: IReactorTime, settings: Settings) -> None:
        super().__init__(claim.identity)
        self.claim = claim
        if claim.service_uri is not None:
            settings = evolve(settings, service_uri=claim.service_uri)
        self.wire = bytearray()
        """The first `KEPT` bytes that came, telnet included."""
        self.line = ImpostorConnection(self, clock, settings, claim, self.wire)

    def line_up(self, connection: HostConnection) -> None:
        """WILL-PROXY, which comes also where the proxy quarantines it."""
        super().line_up(connection)
        connection.send(self.claim.text)

    def peer_ok(self, connection: HostConnection, sequence: bytes) -> None:
        """The credential is accepted."""
        super().peer_ok(connection, sequence)
        connection.dialogue.vmotion_complete(sequence)
        connection.send(self.claim.text)

    def change(self, identity: VmIdentity) -> None:
        """Claim another identity from now on, and announce it."""
        self.identity = identity
        self.line.dialogue.announce()

    def facts(self) -> dict[str, object]:
        """As `lies` prints it; input is in Latin-1, byte by byte."""
        return {
            "address": self.claim.address,
            "name": self.identity.name,
            "uuid": self.identity.vc_uuid,
            "state": self.state,
            "reason": self.reason,
            "bytes_in": self.size,
            "heard": self.heard.decode("latin-1"),
            "breaks": self.breaks,
            "wire": self.wire.hex(),
        }


class Impostors:
    """`all` impostors of one simulator, numbered from 1."""

    def __init__(
        self,
        clock: IReactorTime,
        connect: Callable[[str, HostConnection], None],
        settings: Settings | None = None,
    ) -> None:
        self.all: list[Impostor] = []
        self._clock = clock
        self._connect = connect
        self._settings = settings or Settings()

    def connect(self, claim: ImpostorClaim) -> int:
        """Connect another one; its number. Raises ValueError after MOST."""
        if len(self.all) >= MOST:
            raise ValueError(f"{MOST} impostors are the limit")
        impostor = Impostor(claim, self._clock, self._settings)
        self.all.append(impostor)
        identity = claim.identity
        log.info("lie", address=claim.address, claims=identity.name, uuid=identity.vc_uuid)
        self._connect(claim.address, impostor.line)
        return len(self.all)

    def end(self) -> None:
        """Close what is open."""
        for impostor in self.all:
            impostor.line.close()
