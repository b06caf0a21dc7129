"""Who talks to whom inside the simulator: small Protocol classes, no code.

A `HostConnection` (one telnet connection) tells a `Port` (the VM behind it) what it heard. A
`Guest` (what runs in the VM) is told by its VM what came in, and speaks through `SerialPort`.
"""

from typing import TYPE_CHECKING, Protocol

from vspc.simulator.extension import VmIdentity

if TYPE_CHECKING:
    from vspc.simulator.host import HostConnection


class Port(Protocol):
    """The VM's side of a connection. No method may raise."""

    @property
    def identity(self) -> VmIdentity:
        """Who the VM is, now."""

    def line_up(self, connection: "HostConnection") -> None:
        """The proxy said WILL-PROXY: data may flow."""

    def input_room(self, connection: "HostConnection") -> int:
        """Bytes that may come in now; 0 stops the host from reading its socket."""

    def received(self, connection: "HostConnection", data: bytes) -> None:
        """At most `input_room` bytes for the guest."""

    def break_received(self, connection: "HostConnection") -> None:
        """A BREAK for the guest."""

    def goahead(self, connection: "HostConnection", payload: bytes) -> None:
        """VMOTION-GOAHEAD: sequence and secret."""

    def notnow(self, connection: "HostConnection", sequence: bytes) -> None:
        """VMOTION-NOTNOW."""

    def peer_ok(self, connection: "HostConnection", sequence: bytes) -> None:
        """VMOTION-PEER-OK."""

    def writable(self, connection: "HostConnection") -> None:
        """There is room for output again."""

    def lost(self, connection: "HostConnection", reason: str) -> None:
        """The connection is over, or never began; last call."""


class SerialPort(Protocol):
    """The guest's serial port, as its guest sees it."""

    def room(self) -> int:
        """Bytes that may be sent now. 0: wait for `Guest.writable`."""

    def transmit(self, data: bytes) -> None:
        """Output of the guest."""

    def readable(self) -> None:
        """`Guest.wants` may have grown."""

    def powered_off(self) -> None:
        """The guest has shut down."""


class Guest(Protocol):
    """What runs inside a VM."""

    def boot(self, port: SerialPort) -> None:
        """Power on."""

    def stop(self) -> None:
        """Power off, at once."""

    def reboot(self) -> bool:
        """The reset button; False if there is none."""

    def wants(self) -> int:
        """Bytes that the guest would read now."""

    def read(self, data: bytes) -> None:
        """At most `wants` bytes, typed at it."""

    def break_received(self) -> None:
        """A BREAK on its line."""

    def writable(self) -> None:
        """`SerialPort.room` may have grown."""
