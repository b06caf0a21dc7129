"""One telnet connection of one VM, as an ESXi host holds it: bytes, options, the way into TLS.

`HostConnection` is a plain Twisted protocol: join it to a TCP client, or to a server's protocol in
memory. VMware's extension is in `vspc.simulator.extension`; input and moves are the VM's (`Port`).
"""

import random
from abc import abstractmethod
from typing import Protocol, cast

from attrs import frozen
from twisted.internet import protocol
from twisted.internet.interfaces import (
    IConsumer,
    IDelayedCall,
    IOpenSSLClientConnectionCreator,
    IReactorTime,
    ITCPTransport,
    ITLSTransport,
)
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from vspc.simulator import telnet
from vspc.simulator.comport import ComPort, ComPortMessage, UartSettings
from vspc.simulator.extension import ExtensionDialogue, VmIdentity
from vspc.simulator.telnet import (
    AUTHENTICATION,
    COM_PORT,
    DO,
    VMWARE,
    Change,
    TelnetOptions,
)
from vspc.simulator.transport import ChoppedOutlet, LineOutlet, Transport

log = Logger()

SETUP_LIMIT = 30.0
"""Seconds from the connection to WILL-PROXY or VMOTION-PEER-OK; then the host gives up."""

HOST_BUFFER = 1024 * 1024
"""Bytes that may wait undecoded; over it the peer's side ignored that the host does not read."""


@frozen
class Settings:
    """One port's settings, and how its connections behave.

    `direction` is "S" (server) or "C" (client), `service_uri` free text. `tls` is what TLS inside
    a telnet connection is begun with; None: the host declines. `chop` splits and joins every
    write; None: written as it is. `port` is what commands call the port, beside its number.
    """

    direction: str = "S"
    service_uri: str = "vspc"
    tls: IOpenSSLClientConnectionCreator | None = None
    chop: random.Random | None = None
    port: str = "1"


class Port(Protocol):
    """The VM's side of a connection. No method may raise.

    A class that names this one as its base has the defaults of a port that never moves.
    """

    identity: VmIdentity

    uart: UartSettings = UartSettings()
    """How the guest has set its UART."""

    @abstractmethod
    def line_up(self, connection: "HostConnection") -> None:
        """WILL-PROXY: data may flow."""

    @abstractmethod
    def input_room(self, connection: "HostConnection") -> int:
        """Bytes that may come in now; 0 stops the host from reading its socket."""

    @abstractmethod
    def received(self, connection: "HostConnection", data: bytes) -> None:
        """At most `input_room` bytes for the guest."""

    @abstractmethod
    def break_received(self, connection: "HostConnection") -> None:
        """A BREAK for the guest."""

    @abstractmethod
    def peer_ok(self, connection: "HostConnection", sequence: bytes) -> None:
        """VMOTION-PEER-OK."""

    @abstractmethod
    def lost(self, connection: "HostConnection", reason: str) -> None:
        """The connection is over, or never began; last call."""

    def goahead(self, connection: "HostConnection", payload: bytes) -> None:
        """VMOTION-GOAHEAD: sequence and secret."""
        return

    def notnow(self, connection: "HostConnection", sequence: bytes) -> None:
        """VMOTION-NOTNOW."""
        return

    def writable(self, connection: "HostConnection") -> None:
        """There is room for output again."""
        return


class HostConnection(protocol.Protocol):
    """One connection from a host to the proxy; `claim` is a vMotion target's sequence + secret."""

    def __init__(
        self, port: Port, clock: IReactorTime, settings: Settings, claim: bytes | None = None
    ) -> None:
        self.port = port
        self.settings = settings
        self.options = TelnetOptions()
        self.com_port = ComPort()
        request = f"{settings.direction}{settings.service_uri}".encode()
        self.dialogue = ExtensionDialogue(self, request, claim)
        self.gone = False
        """The transport is closed, or was never made."""
        self._clock = clock
        self._decoder = telnet.WireDecoder()
        self._settled = False  # AUTHENTICATION: until then WILL 232 is held back
        self._asked = False  # DO 232 came before it was offered
        self._held: list[bytes] | None = None  # between START and TLS nothing is sent in clear
        self._running = False
        self._reading = True
        self._frozen = False
        self._over = False
        self._outlet: LineOutlet | None = None
        self._limit: IDelayedCall | None = None

    # The life of the connection.

    def connectionMade(self) -> None:
        """The VM speaks first."""
        transport = self._transport()
        if self._over or self._frozen:  # a dead host does not connect
            transport.loseConnection()
            return
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)
            self.transport.setTcpKeepAlive(True)
        if self.settings.chop is None:
            self._outlet = LineOutlet(transport, self._writable)
        else:
            self._outlet = ChoppedOutlet(transport, self._writable, self._clock, self.settings.chop)
        if IConsumer.providedBy(self.transport):
            self.transport.registerProducer(self._outlet, True)
        self._limit = self._clock.callLater(SETUP_LIMIT, self.fail, "no answer in time")
        self.send_telnet(self.options.offer(AUTHENTICATION))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.gone = True
        self.failed(reason.getErrorMessage())

    def failed(self, reason: str) -> None:
        """The connection is over, or could not be made."""
        self.gone = self.gone or self._outlet is None
        if self._over:
            return
        self.close()
        self.port.lost(self, reason)

    def fail(self, reason: str) -> None:
        """Give the proxy up."""
        log.warn("line-given-up", name=self.port.identity.name, reason=reason)
        self.failed(reason)

    def close(self) -> None:
        """End the line after what was written; no more calls follow."""
        if self._over:
            return
        self._over = True
        self._end_setup()
        if self._outlet is not None:
            self._read_on(True)  # what is unread at the end would make the close a reset
            if IConsumer.providedBy(self.transport):
                self.transport.unregisterProducer()  # TLS does not close while there is one
            self._outlet.close()

    def freeze(self) -> None:
        """The host stands still, or is dead: nothing is read, answered or sent; the socket stays.

        The system's TCP answers for it all the same, as for a process that hangs.
        """
        self._end_setup()
        self._frozen = True
        if self._outlet is not None and not self._over:
            self._read_on(False)

    def thaw(self) -> None:
        """It goes on, with what came first."""
        self._frozen = False
        self.run()

    def _end_setup(self) -> None:
        if self._limit is not None and self._limit.active():
            self._limit.cancel()
        self._limit = None

    # `DialogueHandler`

    @property
    def identity(self) -> VmIdentity:
        return self.port.identity

    def offer_com_port(self) -> None:
        self.send_telnet(self.options.offer(COM_PORT))

    def accepted(self) -> None:
        self._end_setup()
        self.port.line_up(self)

    def goahead(self, payload: bytes) -> None:
        self.port.goahead(self, payload)

    def notnow(self, sequence: bytes) -> None:
        self.port.notnow(self, sequence)

    def peer_ok(self, sequence: bytes) -> None:
        self._end_setup()
        self.port.peer_ok(self, sequence)

    # What comes in.

    def dataReceived(self, data: bytes) -> None:
        if self._over:
            return
        self._decoder.feed(data)
        self.run()
        if len(self._decoder) > HOST_BUFFER and not self._frozen:
            self.fail("more than the host reads")

    def run(self) -> None:
        """Go on with what has come in, as far as the VM takes it; then stop reading, or go on."""
        if self._running or self._frozen or self._over or self._outlet is None:
            return
        self._running = True
        try:
            while (event := self._next()) is not None:
                self._handle(event)
        except telnet.WireError as error:
            self.fail(str(error))
        finally:
            self._running = False
        if not self._over and not self._frozen:
            self._read_on(not self._decoder.data_next())

    def _next(self) -> telnet.Event | None:
        if self._over or self._frozen:
            return None
        return self._decoder.next(self.port.input_room(self))

    def _read_on(self, reading: bool) -> None:
        if reading is self._reading:
            return
        self._reading = reading
        if reading:
            self._transport().resumeProducing()
        else:
            self._transport().pauseProducing()

    def _handle(self, event: telnet.Event) -> None:
        match event:
            case telnet.WireData(data):
                self.port.received(self, data)
            case telnet.WireNegotiation(verb, option):
                self._negotiated(verb, option)
            case telnet.WireSubnegotiation(option, payload):
                self._subnegotiated(option, payload)
            case telnet.WireCommand(telnet.BRK):
                self.port.break_received(self)

    def _negotiated(self, verb: int, option: int) -> None:
        if option == VMWARE and verb == DO and not self._settled:
            self._asked = True
            return
        answer, change = self.options.received(verb, option)
        self.send_telnet(answer)
        if change is not Change.NOTHING:
            self._changed(option, change)

    def _changed(self, option: int, change: Change) -> None:
        if option == AUTHENTICATION and change is not Change.ON:
            self._settle()
        elif option == VMWARE:
            if change is Change.ON:
                self.dialogue.begin()
            else:
                self.fail("the proxy refuses VMware's extension")
        elif option == COM_PORT and change is Change.ON and not self.dialogue.is_target:
            self.send_telnet(self.com_port.say(*self.port.uart.messages()))

    def _subnegotiated(self, option: int, payload: bytes) -> None:
        if option == VMWARE and VMWARE in self.options.ours:
            self.dialogue.received(payload)
        elif option == AUTHENTICATION:
            self._authenticate(payload)
        elif option == COM_PORT and self.com_port.received(payload):
            self.port.break_received(self)

    # AUTHENTICATION: to TLS, or past it.

    def _authenticate(self, payload: bytes) -> None:
        if self._settled or AUTHENTICATION not in self.options.ours:
            return
        if self._held is not None:
            self._decided(telnet.accepts_tls(payload), telnet.replies(payload))
        elif telnet.asks_for_tls(payload) and self._can_start_tls():
            self.send_telnet(telnet.START)
            self._held = []
        elif telnet.asks(payload):
            self.send_telnet(telnet.NONE)
            self._settle()

    def _can_start_tls(self) -> bool:
        return self.settings.tls is not None and hasattr(self.transport, "startTLS")

    def _decided(self, accepted: bool, decided: bool) -> None:
        if not decided:
            return
        held, self._held = self._held or [], None
        if accepted:
            self._start_tls()
        self.send_telnet(b"".join(held))
        self._settle()

    def _start_tls(self) -> None:
        rest = self._decoder.rest()
        transport = cast(ITLSTransport, self.transport)
        transport.startTLS(cast(IOpenSSLClientConnectionCreator, self.settings.tls))
        self.options.forget()
        log.info("tls-started", name=self.port.identity.name)
        if rest:
            self.transport.protocol.dataReceived(rest)  # type: ignore[union-attr]

    def _settle(self) -> None:
        if self._settled:
            return
        self._settled = True
        self.send_telnet(self.options.offer(VMWARE))
        if self._asked:
            self._negotiated(DO, VMWARE)

    # What goes out.

    def send_telnet(self, message: bytes) -> None:
        """Telnet, as it stands on the wire."""
        if not message or self._outlet is None or self._over or self._frozen:
            return
        if self._held is not None:
            self._held.append(message)
        else:
            self._outlet.write(message)

    def room(self) -> int:
        """Bytes of output that may be sent now."""
        return 0 if self._outlet is None else self._outlet.room()

    def send(self, data: bytes) -> None:
        """Output of the guest."""
        self.send_telnet(telnet.escape(data))

    def send_break(self) -> None:
        """A BREAK from the guest, as IAC BRK."""
        self.send_telnet(telnet.command(telnet.BRK))

    def say_com_port(self, *messages: ComPortMessage) -> bool:
        """Say something of RFC 2217; False if the proxy has not agreed on it."""
        if COM_PORT not in self.options.ours:
            return False
        self.send_telnet(self.com_port.say(*messages))
        return True

    def _writable(self) -> None:
        if not self._over:
            self.port.writable(self)

    def _transport(self) -> Transport:
        return cast(Transport, self.transport)
