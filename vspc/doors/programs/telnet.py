"""Telnet sockets: RFC 854 and 855 by the same transport as the lines of VMs.

The client of one is a terminal that sends each key as it is typed and shows nothing by itself: ECHO
(RFC 857) and SGA (RFC 858) are offered. It is a Network Virtual Terminal in a direction in which
BINARY (RFC 856) is not agreed on.

With RFC 2217 it is a program: BINARY is asked for, and taken for agreed on unless it is refused.
COM-PORT is agreed on as well by a client that uses it without an answer to our DO: pyserial does
not say WILL where our DO comes before it has.

The size of a window and all other options are declined.
"""

from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from vspc.common.clock import Timer
from vspc.doors.programs.channel import CLOSE_TIMEOUT, ProgramChannel
from vspc.doors.programs.comport import ComPortServer
from vspc.doors.programs.socket import NotAdmitted, ProgramSocket
from vspc.net.telnet_options import LineProtocol
from vspc.net.telnet_transport import LineTransport
from vspc.wire import telnet

_BREAK, _AYT = bytes((telnet.BRK,)), bytes((telnet.AYT,))
_BINARY, _COM_PORT = bytes((telnet.BINARY,)), bytes((telnet.COM_PORT,))

_TERMINAL = ((telnet.ECHO, telnet.SGA), (telnet.SGA,))
_SERIAL = ((telnet.BINARY, telnet.SGA), (telnet.BINARY, telnet.SGA, telnet.COM_PORT))
"""What is offered to a client, and what is asked of it, at the beginning."""

_LOCAL = frozenset({telnet.ECHO, telnet.SGA, telnet.BINARY})
"""What we do if the client asks for it."""

_REMOTE = frozenset({telnet.SGA, telnet.BINARY})
"""What we let it do."""


class TelnetWire(LineProtocol):
    """Implements `vspc.doors.programs.channel.ProgramWire`."""

    transport: LineTransport  # type: ignore[assignment]
    only_break = True

    def __init__(self, socket: ProgramSocket, is_serial: bool) -> None:
        """`is_serial`: with RFC 2217."""
        self._socket = socket
        self._is_serial = is_serial
        self.tells = not is_serial
        self._port: ComPortServer | None = None
        self._uses_port = False  # whether the client has agreed on RFC 2217, or used it
        self._closing = Timer(socket.clock)
        self._channel: ProgramChannel | None = None
        self._typed_cr = False  # the last byte from an NVT client
        self._shown_cr = False  # the last byte to one
        self._at_margin = True  # whether the client's cursor is in the first column

    def connectionMade(self) -> None:
        try:
            channel = self._socket.admit(self, self.transport.transport)
        except NotAdmitted as why:
            self.tell(f"[{why}]")
            self._close()
            return
        self._channel = channel
        self.transport.identified()
        if self._is_serial:
            self._port = ComPortServer(channel, self._socket.clock, self._say_port)
        offered, demanded = _SERIAL if self._is_serial else _TERMINAL
        for option in offered:
            self.transport.will(bytes((option,)))
        for option in demanded:
            self.transport.do(bytes((option,)))
        self.transport.registerProducer(channel, True)
        channel.begin()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._closing.stop()
        if self._port is not None:
            self._port.close()
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.lost()

    # From the client

    def enableLocal(self, option: bytes) -> bool:
        return option[0] in _LOCAL or (self._is_serial and option == _COM_PORT)

    def enableRemote(self, option: bytes) -> bool:
        if self._port is not None and option == _COM_PORT:
            self._begin_port(self._port)
            return True
        return option[0] in _REMOTE

    def _begin_port(self, port: ComPortServer) -> None:
        if not self._uses_port:
            self._uses_port = True
            port.begin()

    def dataReceived(self, data: bytes) -> None:
        if not self._is_binary(ours=False):
            decode = telnet.decode if self._is_serial else telnet.decode_keys
            data, self._typed_cr = decode(data, self._typed_cr)
        if data and self._channel is not None:
            self._channel.received(data)

    def _is_binary(self, ours: bool) -> bool:
        options = self.transport.negotiation
        if self._is_serial:
            return not options.refuses(ours, _BINARY)
        return options.states.enabled(ours, telnet.BINARY)

    def line_failed(self, reason: str) -> None:
        if self._channel is not None:
            self._channel.failed(reason)

    def unhandledSubnegotiation(self, option: bytes, body: bytes) -> None:
        if self._port is None or option != _COM_PORT or self._refuses_port:
            return
        self._begin_port(self._port)
        self._port.received(body)

    @property
    def _refuses_port(self) -> bool:
        return self.transport.negotiation.refuses(False, _COM_PORT)

    @property
    def _agreed_port(self) -> ComPortServer | None:
        """Once the client has agreed on RFC 2217, and while it has not taken that back."""
        return self._port if self._uses_port and not self._refuses_port else None

    def _say_port(self, body: bytes) -> None:
        self.transport.requestNegotiation(_COM_PORT, body)
        self._answered()

    def _answered(self) -> None:
        if self._channel is not None:
            self._channel.answered()

    def unhandledCommand(self, command: bytes, argument: bytes | None) -> None:
        if self._channel is None:
            return
        if command == _BREAK:
            self._channel.break_received()
        elif command == _AYT:
            if self.tells:
                self.tell(f"[{self._channel.about}]")
            else:
                self.transport.send_command(telnet.NOP)
            self._answered()

    # `ProgramWire`

    def send(self, data: bytes) -> None:
        self._at_margin = data.endswith(b"\n")
        self._send(data)

    def _send(self, data: bytes) -> None:
        if self._is_binary(ours=True):
            self._shown_cr = False
        else:
            data, self._shown_cr = telnet.encode_lines(data, self._shown_cr)
        self.transport.write(data)

    def tell(self, text: str) -> None:
        if not self.tells:
            return
        start = "" if self._at_margin else "\r\n"
        lines = "".join(f"{line}\r\n" for line in text.split("\n"))
        self._at_margin = True
        self._send(f"{start}{lines}".encode())

    def send_break(self) -> None:
        port = self._agreed_port
        if port is None or not port.notify_break():
            self.transport.send_command(telnet.BRK)

    def port_changed(self) -> None:
        port = self._agreed_port
        if port is not None:
            port.notify_modem()

    def pause(self) -> None:
        self.transport.pause_reading()

    def resume(self) -> None:
        self.transport.resume_reading()

    def close(self) -> None:
        self.transport.unregisterProducer()
        self._close()

    def _close(self) -> None:
        self.transport.loseConnection()
        self._closing.start(CLOSE_TIMEOUT, self.transport.abortConnection)
