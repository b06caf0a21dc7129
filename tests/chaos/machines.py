"""Simulated VMs that print numbered streams and note what is typed at them."""

import random
from collections.abc import Callable
from typing import Any

from attrs import define
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import ClientFactory
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from tests.chaos.oracle import SentLine, Trouble
from tests.chaos.relay import Relay
from tests.chaos.streams import NumberedStream
from vspc.simulator.extension import identity
from vspc.simulator.host import HostConnection, Settings
from vspc.simulator.migration import PlannedFault
from vspc.simulator.serial_port import Flow, MigrationReport, SerialPort
from vspc.simulator.vm import CannotMove, SimulatedPort

TICK = 0.05
"""Seconds between two pieces of a VM's output."""

TRANSFER = 0.3
"""Seconds that a vMotion's copy takes."""


@define(eq=False)
class _Printed:
    """What went out on one connection: positions of the stream."""

    line: HostConnection
    start: int
    end: int
    whole: bool = False


class StreamGuest:
    """A guest whose output is a `NumberedStream`, as fast as `rate` (bytes a second) says."""

    def __init__(self, stream: NumberedStream, clock: IReactorTime, rate: int, seed: int) -> None:
        self.stream = stream
        self.rate = rate
        self.printed: list[_Printed] = []
        self.typed: list[tuple[float, bytes]] = []
        self.is_silent = False
        self._clock = clock
        self._chance = random.Random(seed)
        self._flow: Flow | None = None
        self._position = 0
        self._due = 0.0
        self._pump = LoopingCall(self._tick)
        self._pump.clock = clock

    def boot(self, port: SerialPort) -> None:
        assert isinstance(port, Flow)
        self._flow = port
        if not self._pump.running:
            self._pump.start(TICK, now=False)

    def stop(self) -> None:
        if self._pump.running:
            self._pump.stop()

    def reboot(self) -> bool:
        return False

    def wants(self) -> int:
        return 4096

    def read(self, data: bytes) -> None:
        self.typed.append((self._clock.seconds(), data))

    def break_received(self) -> None:
        return

    def writable(self) -> None:
        return

    def burst(self, size: int) -> None:
        """Print so much at once."""
        self._due += size

    def _tick(self) -> None:
        self._due = min(self._due + self.rate * TICK, 1 << 20)
        flow = self._flow
        if self.is_silent or flow is None or flow.line is None or not flow.up or flow.still:
            return
        size = min(int(self._due), flow.line.room())
        while size > 0:
            piece = min(size, self._chance.choice((1, 7, 100, 1500, 9000)))
            self._print(flow, flow.line, piece)
            size -= piece

    def _print(self, flow: Flow, line: HostConnection, size: int) -> None:
        start, end = self._position, self._position + size
        if not self.printed or self.printed[-1].line is not line:
            self.printed.append(_Printed(line, start, start))
        self._position = self.printed[-1].end = end
        self._due -= size
        flow.transmit(self.stream.content(start, end))

    def lines(self) -> list[SentLine]:
        """What it printed, line by line. The last is whole if it is still there."""
        found = []
        for each in self.printed:
            is_live = self._flow is not None and self._flow.line is each.line and self._flow.up
            found.append(SentLine(each.start, each.end, each.whole or is_live))
        return found


class _Port(SimulatedPort):
    """One that says when a line is lost."""

    on_lost: Callable[[], None] = staticmethod(lambda: None)

    def lost(self, connection: HostConnection, reason: str) -> None:
        self.on_lost()
        super().lost(connection, reason)


class Machine:
    """A VM with its guest, and the relay between it and the server."""

    def __init__(self, reactor: Any, number: int, server: int, seed: int) -> None:
        chance = random.Random(seed)
        self.name = f"vm{number}"
        self.relay = Relay(reactor, server)
        self.stream = NumberedStream(self.name, binary=number % 2 == 0)
        rate = chance.choice((400, 3000, 12000))
        self.guest = StreamGuest(self.stream, reactor, rate, seed + 1)
        self.reports: list[MigrationReport] = []
        self.troubles: list[Trouble] = []
        self._reactor = reactor
        self.port = _Port(
            identity(self.name),
            reactor,
            self._connect,
            self.guest,
            Settings(),
            f"127.0.0.{10 + number}",
            chance,
        )
        self.port.on_lost = self.trouble

    def trouble(self, seconds: float = 0.0) -> None:
        """From now on, for so long, input may be lost on its way."""
        now = self._reactor.seconds()
        self.troubles.append(Trouble(now, now + seconds))

    @property
    def is_settled(self) -> bool:
        """Whether it is connected and does not move."""
        return self.port.state == "connected"

    def _connect(self, source: str, line: HostConnection) -> None:
        factory = _LineFactory(line)
        self._reactor.connectTCP("127.0.0.1", self.relay.port, factory, 10, (source, 0))

    def move(self, address: str, fault: PlannedFault) -> bool:
        """Begin a vMotion; False if that cannot be now."""
        source = self.port.flow.line
        try:
            moving = self.port.migrate(address, TRANSFER, fault)
        except CannotMove:
            return False

        def over(report: MigrationReport) -> None:
            self.reports.append(report)
            for printed in self.guest.printed:
                if report.outcome == "moved" and printed.line is source:
                    # GOAHEAD was the answer to a message behind all of its output.
                    printed.whole = True

        moving.addCallback(over)
        return True

    def stop(self) -> None:
        """Power off."""
        self.port.power_off()
        self.guest.stop()


class _LineFactory(ClientFactory):
    noisy = False

    def __init__(self, line: HostConnection) -> None:
        self._line = line

    def buildProtocol(self, _address: object) -> HostConnection:
        return self._line

    def clientConnectionFailed(self, _connector: object, reason: Failure) -> None:
        self._line.failed(reason.getErrorMessage())
