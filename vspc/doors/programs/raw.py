"""A socket of exact bytes, without any protocol: TCP or Unix, with TLS below it or without."""

from typing import Any

from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from vspc.common.clock import Timer
from vspc.doors.programs.channel import CLOSE_TIMEOUT, ProgramChannel
from vspc.doors.programs.socket import NotAdmitted, ProgramSocket
from vspc.net.scheduler import FLOOD, Share
from vspc.net.turn_reader import TurnReader


class RawWire(Protocol):
    """Implements `vspc.doors.programs.channel.ProgramWire`."""

    transport: Any
    tells = False

    def __init__(self, socket: ProgramSocket, share: Share) -> None:
        self.share = share
        self._socket = socket
        self._reader = TurnReader(share, self._received, self._ended, self._flooded)
        self._closing = Timer(socket.clock)
        self._channel: ProgramChannel | None = None

    def connectionMade(self) -> None:
        self._reader.transport = self.transport
        try:
            self._channel = channel = self._socket.admit(self, self.transport)
        except NotAdmitted:
            self._abort()
            return
        self.share.prove()
        self.transport.registerProducer(channel, True)
        channel.begin()

    def dataReceived(self, data: bytes) -> None:
        self._reader.take(data)

    def _received(self, data: bytes) -> None:
        if self._channel is not None:
            self._channel.received(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._reader.lose(reason)

    def _ended(self, _reason: Failure) -> None:
        self._closing.stop()
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.lost()

    def _flooded(self) -> None:
        if self._channel is not None:
            self._channel.failed(FLOOD)
        self._abort()

    def _abort(self) -> None:
        self.transport.abortConnection()

    # `ProgramWire`

    def send(self, data: bytes) -> None:
        self.transport.write(data)

    def tell(self, text: str) -> None:
        """Nothing but the VM's bytes goes out."""

    def send_break(self) -> None:
        """Plain bytes carry no BREAK."""

    def port_changed(self) -> None:
        """Nor modem lines."""

    def pause(self) -> None:
        self._reader.pause()

    def resume(self) -> None:
        self._reader.resume()

    def close(self) -> None:
        self.transport.unregisterProducer()
        self.transport.loseConnection()
        self._closing.start(CLOSE_TIMEOUT, self._abort)
