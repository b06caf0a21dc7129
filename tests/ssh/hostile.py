"""A bench for clients that mean harm: TCP that fills up, a clock that counts, real consoles."""

from collections.abc import Callable
from typing import Any

from attrs import evolve
from twisted.internet.task import Clock
from twisted.test.iosim import FakeTransport

from tests.apps.support import Desk
from tests.fakes import FakeLine
from tests.ssh.bench import Bench, Client, server_of
from vspc.apps.dispatch import Dispatcher
from vspc.console.access import Operator
from vspc.console.console import Console
from vspc.net.limits import Admissions, Refusals
from vspc.ssh.connection import SshConnection
from vspc.ssh.crypto.exchange import STRICT_CLIENT

TCP_BUFFER = 64 * 1024


def connection_of(client: Any) -> SshConnection:
    """The server's channels of a client that has logged in."""
    service: Any = server_of(client).service
    assert isinstance(service, SshConnection)
    return service


class CountingClock(Clock):
    """`made`: how often somebody wanted to be called."""

    made = 0

    def callLater(self, *args: Any, **kwargs: Any) -> Any:
        self.made += 1
        return super().callLater(*args, **kwargs)


class Wire(FakeTransport):
    """A server's end of TCP with a buffer, as Twisted's; `stalled`: the client does not read."""

    stalled = False
    reading = True
    most = 0
    pauses = 0
    held = 0
    """Bytes written and not taken."""

    _told = False

    def write(self, data: bytes) -> None:
        pieces = len(self.stream)
        super().write(data)
        self.held += len(data) if len(self.stream) > pieces else 0
        self.most = max(self.most, self.held)
        if self.held > TCP_BUFFER and self.producer is not None and not self._told:
            self._told = True
            self.producer.pauseProducing()

    def getOutBuffer(self) -> Any:
        if self.stalled and not self.disconnecting:
            return None
        buffer = super().getOutBuffer()
        self.held = 0
        if self._told and self.producer is not None:
            self._told = False
            self.producer.resumeProducing()
        return buffer

    def pauseProducing(self) -> None:
        self.pauses += 1
        self.reading = False

    def resumeProducing(self) -> None:
        self.reading = True


class StormBench(Bench):
    """The server as in service: admissions, few log lines, a clock that counts."""

    clock: CountingClock
    make_clock = CountingClock
    make_wire = Wire

    def __init__(self, per_address: int = 32, in_all: int = 200, **options: Any) -> None:
        self.book: Any = Admissions(per_address, in_all)
        super().__init__(admissions=self.book, refusals=Refusals(), **options)

    def settle(self) -> None:
        """Everything that is under way arrives, in as many turns as it takes."""
        super().settle()
        while any(call.getTime() <= self.clock.seconds() for call in self.clock.getDelayedCalls()):
            self.clock.advance(0)
            super().settle()

    def logged_in_with(self, client: Client) -> Any:
        """`client`, once it has logged in."""
        self.make_client = lambda: client  # type: ignore[assignment]
        try:
            return self.logged_in()
        finally:
            self.make_client = Client

    def calls_during(self, act: Callable[[], object]) -> int:
        """How many calls the server scheduled meanwhile."""
        before = self.clock.made
        act()
        return self.clock.made - before


class ConsoleBench(StormBench):
    """With real consoles behind the server; nothing is simulated between packet and line."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.desk = Desk()
        self.desk.clock.twisted = self.clock
        self.dispatcher = Dispatcher(evolve(self.desk.context, current=self.current))
        self.start = self.dispatcher.start

    def current(self, operator: Operator) -> Operator:
        """Nobody is taken away."""
        return operator

    def machine(self, name: str = "web01", number: int = 1) -> tuple[Console, FakeLine]:
        """A VM."""
        return self.desk.connected(name, f"{number:032x}")

    def settle(self) -> None:
        """Everything that is under way arrives, to the end of the turn."""
        super().settle()
        for _ in range(4):
            self.desk.turn()
            super().settle()


class Storming(Client):
    """Speaks strict key exchange, as OpenSSH does, and begins one more as soon as one is over."""

    supportedKeyExchanges = [b"curve25519-sha256", STRICT_CLIENT]
    storming = False
    exchanges = 0

    def _newKeys(self) -> None:
        self.outgoingPacketSequence = self.incomingPacketSequence = 0
        super()._newKeys()
        self.exchanges += 1
        if self.storming:
            self.sendKexInit()
