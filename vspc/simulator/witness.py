"""A connection without a VM behind it: a dead host's, or a liar's. It notes what it hears."""

from vspc.simulator.extension import VmIdentity
from vspc.simulator.host import HostConnection

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
