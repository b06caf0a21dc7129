"""Lines without the extension, raw TCP or telnet: of listeners of their own, and those that the
server connects.

QEMU's client socket chardev speaks raw TCP even with `telnet=on`. Its identity is that of the
listener, or of what is dialled; the rest is as for any other line.
"""

from collections.abc import Callable
from typing import Any

from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from vspc.common.serial import ModemState, PortSettings
from vspc.console.identity import PLAIN, Provenance
from vspc.net.keepalive import unacknowledged
from vspc.net.scheduler import FLOOD, Share
from vspc.net.turn_reader import TurnReader
from vspc.vm.lines.binary import BinaryLine, LineOption, LineOptions, host_of, why_lost
from vspc.vm.ports import ENDED, LineObserver, VmLine
from vspc.vm.registration import Joined
from vspc.vm.roles import LineEvent
from vspc.wire import telnet


def joined_as(name: str) -> Joined:
    """The identification of every line of the listener, or of the dialled entry, called `name`."""
    return Joined(None, PLAIN, name, "", None)


class TelnetLine(BinaryLine):
    """Telnet without the extension."""

    def __init__(
        self, observe: Callable[[VmLine], LineObserver], name: str, secure: bool = False
    ) -> None:
        super().__init__(observe, secure)
        self.name = name

    def connectionMade(self) -> None:
        super().connectionMade()
        if not self.continues:
            self.observer.handle(LineEvent.IDENTIFIED, joined_as(self.name))


class DialledTelnetLine(TelnetLine):
    """Telnet as a client speaks it: what echoes is the other end."""


DialledTelnetLine.OPTIONS = LineOptions(
    *(each for each in TelnetLine.OPTIONS if each.code != telnet.ECHO),
    LineOption(telnet.ECHO, accept=lambda _line: True),
)


class RawLine(Protocol):
    """Raw TCP: every byte is data. Implements `vspc.console.ports.Line`."""

    transport: Any
    secure = False
    provenance = Provenance.PLAIN
    carries_break = False
    suspended = False
    settings: PortSettings | None = None
    modem: ModemState | None = None

    def __init__(self, observe: Callable[[VmLine], LineObserver], name: str, share: Share) -> None:
        self._observe = observe
        self.name = name
        self.share = share
        self._reader = TurnReader(share, self._received, self._ended, lambda: self.close(FLOOD))
        self.continues = False  # another process has had it
        self.unread = b""  # what that had read, and not worked on
        self.received = self.written = 0  # bytes that came, and that were given to the transport
        self.on_progress: Callable[[bool], None] | None = None  # as that of a `LineTransport`
        self._reason = ""
        self.address = ""
        self.observer: LineObserver

    def connectionMade(self) -> None:
        self.address = host_of(self.transport.getPeer())
        self._reader.transport = self.transport
        self.observer = self._observe(self)
        if not self.continues:
            self.observer.handle(LineEvent.IDENTIFIED, joined_as(self.name))

    def resume(self) -> None:
        """It has its console again: what another process had read comes first."""
        unread, self.unread = self.unread, b""
        if unread:
            self._reader.take(unread)

    @property
    def tail(self) -> bytes:
        """What has come and waits for its turn."""
        return self._reader.unread

    def dataReceived(self, data: bytes) -> None:
        self.received += len(data)
        self._reader.take(data)
        if self.on_progress is not None and self._reader.unread:
            self.on_progress(False)

    def _received(self, data: bytes) -> None:
        if not self._reason:
            self.observer.handle(LineEvent.OUTPUT, data)
            if self.on_progress is not None:
                self.on_progress(False)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._reader.lose(reason)

    def _ended(self, reason: Failure) -> None:
        error = None if self._reason else reason.value
        observer, self.observer = self.observer, ENDED
        observer.lost(self._reason or why_lost(reason), error)

    def send(self, data: bytes) -> None:
        self.write_encoded(data)

    def write_encoded(self, data: bytes) -> None:
        """Send `data` as it is."""
        self.written += len(data)
        self.transport.write(data)

    def send_break(self) -> float:
        """Raw TCP carries no BREAK (`carries_break`)."""
        return 0.0

    def end_break(self) -> None:
        """It has none."""

    def keep_settings(self, settings: PortSettings) -> None:
        """It has no settings."""

    def set_port(self, settings: PortSettings) -> bool:
        return False

    def ask(self) -> bool:
        return False

    def probe(self) -> bool:
        """Raw TCP cannot be asked."""
        return False

    def unacknowledged(self) -> int | None:
        return unacknowledged(self.transport)

    def pause_reading(self) -> None:
        self._reader.pause()

    def resume_reading(self) -> None:
        self._reader.resume()

    def close(self, reason: str) -> None:
        self._reason = self._reason or reason
        self.transport.loseConnection()

    def abort(self) -> None:
        """End the connection now."""
        self.transport.abortConnection()

    def identified(self) -> None:
        self.share.prove()
