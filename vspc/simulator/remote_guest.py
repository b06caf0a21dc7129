"""A real guest behind a simulated VM: its serial port is a TCP connection, as QEMU offers it.

`DialledGuest` connects to it when the VM is switched on, `DiallingGuest` waits for it to connect.
Bytes go through as they are, and stop while the VM moves: the connection is then not read. The
guest's end of the connection is its power-off. A BREAK cannot be sent on such a connection.
"""

from collections.abc import Callable
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import connectProtocol
from twisted.internet.interfaces import (
    IConsumer,
    IDelayedCall,
    IPushProducer,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from vspc.simulator.serial_port import SerialPort
from vspc.simulator.transport import Transport

log = Logger()

RETRY = 1.0
"""Seconds between two attempts to reach a guest that is not there yet."""

PIECE = 4096
"""Bytes that the guest reads at once."""


@implementer(IPushProducer)
class GuestLine(Protocol):
    """The connection to the guest; nothing is read from it before the VM runs."""

    def __init__(self, guest: "RemoteGuest") -> None:
        self.full = False
        self._guest = guest
        self._reading = True

    def connectionMade(self) -> None:
        cast(IConsumer, self.transport).registerProducer(self, True)
        self.read_on(False)
        self._guest.connected(self)

    def dataReceived(self, data: bytes) -> None:
        self._guest.received(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._guest.disconnected(self)

    def read_on(self, reading: bool) -> None:
        """Read, or let the guest wait."""
        if reading is self._reading:
            return
        self._reading = reading
        transport = cast(Transport, self.transport)
        if reading:
            transport.resumeProducing()
        else:
            transport.pauseProducing()

    def write(self, data: bytes) -> None:
        """Input of the guest."""
        cast(Transport, self.transport).write(data)

    def close(self) -> None:
        """Let go of it."""
        cast(Transport, self.transport).loseConnection()

    def pauseProducing(self) -> None:
        """The guest does not read."""
        self.full = True

    def resumeProducing(self) -> None:
        """The guest reads again."""
        self.full = False
        self._guest.resumed()

    def stopProducing(self) -> None:
        """The connection is gone; `connectionLost` follows."""


class RemoteGuest:
    """What both kinds have: at most one connection, and a port while the VM runs."""

    def __init__(self) -> None:
        self._port: SerialPort | None = None
        self._line: GuestLine | None = None

    # What the connection brings.

    def connected(self, line: GuestLine) -> None:
        """A connection was made; a second one is refused."""
        if self._line is not None:
            line.close()
            return
        self._line = line
        log.info("guest-connected")
        if self._port is not None:
            self._begin(self._port)

    def _begin(self, port: SerialPort) -> None:
        self.writable()
        port.readable()

    def disconnected(self, line: GuestLine) -> None:
        """A connection is gone."""
        if line is not self._line:
            return
        self._line = None
        log.info("guest-disconnected")
        if self._port is not None:
            self._port.powered_off()

    def received(self, data: bytes) -> None:
        """Output of the guest."""
        if self._port is not None:
            self._port.transmit(data)
            self.writable()

    def resumed(self) -> None:
        """The connection takes input again."""
        if self._port is not None:
            self._port.readable()

    # What the VM asks.

    def boot(self, port: SerialPort) -> None:
        self._port = port
        if self._line is not None:
            self._begin(port)

    def stop(self) -> None:
        self._port = None
        line, self._line = self._line, None
        if line is not None:
            line.close()

    def reboot(self) -> bool:
        """There is no reset button on a serial port."""
        return False

    def wants(self) -> int:
        return 0 if self._line is None or self._line.full else PIECE

    def read(self, data: bytes) -> None:
        if self._line is not None:
            self._line.write(data)

    def break_received(self) -> None:
        """It cannot be passed on."""
        log.warn("break-not-passed")

    def writable(self) -> None:
        """Read from the guest while the port takes its output."""
        if self._line is not None and self._port is not None:
            self._line.read_on(self._port.room() > 0)


class DialledGuest(RemoteGuest):
    """A guest that listens."""

    def __init__(self, clock: IReactorTime, endpoint: IStreamClientEndpoint) -> None:
        super().__init__()
        self._clock = clock
        self._endpoint = endpoint
        self._retry: IDelayedCall | None = None
        self._attempt: Deferred[GuestLine] | None = None

    def boot(self, port: SerialPort) -> None:
        """Power on: connect, again and again until it is there."""
        super().boot(port)
        self._dial()

    def stop(self) -> None:
        super().stop()  # first: an attempt that ends while there is no port is not made again
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._attempt is not None:
            self._attempt.cancel()

    def _dial(self) -> None:
        self._retry = None
        self._attempt = connectProtocol(self._endpoint, GuestLine(self))  # type: ignore[no-untyped-call]
        self._attempt.addCallbacks(self._reached, self._missed)

    def _reached(self, _line: GuestLine) -> None:
        self._attempt = None

    def _missed(self, _failure: Failure) -> None:
        self._attempt = None
        if self._port is not None:
            self._retry = self._clock.callLater(RETRY, self._dial)


class DiallingGuest(RemoteGuest):
    """A guest that connects to us; `arrived` is called, to switch its VM on."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived: Callable[[], object] = lambda: None

    def connected(self, line: GuestLine) -> None:
        super().connected(line)
        if self._port is None:
            self.arrived()
