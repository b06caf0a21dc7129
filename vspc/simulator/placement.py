"""Where a VM's serial port is: its line to the proxy, made anew when it is lost, and its moves."""

import random
from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from vspc.simulator.counters import Counters, Report
from vspc.simulator.extension import VmIdentity
from vspc.simulator.flow import Flow
from vspc.simulator.host import HostConnection
from vspc.simulator.migration import SimulatedMigration
from vspc.simulator.plan import Convoy, Plan, PlannedFault
from vspc.simulator.port import Guest
from vspc.simulator.retry import Retry
from vspc.simulator.settings import Settings

log = Logger()

SEQUENCE = 4
"""Bytes of a vMotion's sequence where none is given."""

Connect = Callable[[str, HostConnection], None]


class CannotMove(Exception):
    """This VM cannot be moved now; the text says why."""


class Placement:
    """One port. It implements what its connections (`Port`) and its migration (`Movable`) ask."""

    def __init__(
        self,
        identity: VmIdentity,
        clock: IReactorTime,
        connect: Connect,
        guest: Guest,
        settings: Settings | None = None,
        address: str = "127.0.0.1",
        chance: random.Random | None = None,
    ) -> None:
        self.identity = identity
        self.address = address
        self.counters = Counters()
        self.flow = Flow(guest, self.counters, self._shut_down)
        self.powered = False
        self.siblings: Sequence[Placement] = (self,)
        """All ports of this VM: when its guest shuts down, all are switched off."""
        self.settings = settings or Settings()
        self._clock = clock
        self._connect = connect
        self._guest = guest
        self._chance = chance or random.Random(f"{identity.name} {self.settings.port}")
        self._migration: SimulatedMigration | None = None
        self._retry = Retry(clock, self._open_line)
        self._stun: IDelayedCall | None = None
        self._crashed = False

    @property
    def name(self) -> str:
        """Its name, now."""
        return self.identity.name

    @property
    def state(self) -> str:
        """off, crashed, connecting, connected, migrating or stunned."""
        if not self.powered:
            return "crashed" if self._crashed else "off"
        if self._migration is not None:
            return "migrating"
        if self._stun is not None:
            return "stunned"
        return "connected" if self.flow.up else "connecting"

    def power_off(self) -> bool:
        """Switch it off: its line closes. False if it is off."""
        raise NotImplementedError

    def _shut_down(self) -> None:
        for port in self.siblings:
            port.power_off()

    # The line.

    def new_line(self, claim: bytes | None = None) -> HostConnection:
        """A connection of this VM, not connected yet."""
        return HostConnection(self, self._clock, self.settings, claim)

    def open(self, address: str, line: HostConnection) -> None:
        """Connect it, from `address`."""
        self.counters.lines += 1
        self._connect(address, line)

    def _open_line(self) -> None:
        self.flow.line = self.new_line()
        self.open(self.address, self.flow.line)

    def line_up(self, connection: HostConnection) -> None:
        """The proxy accepts the line. The guest boots at the first one."""
        if connection is not self.flow.line:
            return
        self.flow.up = True
        self._retry.succeeded()
        log.info("line-up", name=self.name, address=self.address)
        if not self.flow.running:
            self.flow.running = True
            self._guest.boot(self.flow)
        self.flow.resume()

    def lost(self, connection: HostConnection, reason: str) -> None:
        """A line is gone; another is made, as long as the VM runs."""
        if connection is self.flow.line:
            self.flow.line, self.flow.up = None, False
            log.info("line-lost", name=self.name, reason=reason)
        if self._migration is not None:
            self._migration.lost(connection, reason)
        self._reconnect()

    def _reconnect(self) -> None:
        """Unless there is a line, or one is on its way."""
        if not self.powered or self.flow.line or self._migration or self._stun:
            return
        if self._retry.plan():
            self.flow.resume()  # the guest does not wait for a line: it speaks to nobody

    # What the line brings.

    def input_room(self, connection: HostConnection) -> int:
        """Bytes that `connection` may take from its socket."""
        if self._migration is not None:
            return self._migration.input_room(connection)
        return self.flow.uart.room()

    def received(self, connection: HostConnection, data: bytes) -> None:
        """Input from the proxy."""
        if self._migration is not None:
            self._migration.received(connection, data)
        elif connection is self.flow.line:
            self.flow.take(data)
            self.flow.feed()

    def break_received(self, connection: HostConnection) -> None:
        """A BREAK from the proxy."""
        self.counters.breaks += 1
        self.flow.uart.push_break()
        self.flow.feed()

    def writable(self, connection: HostConnection) -> None:
        """The line has room again."""
        if connection is self.flow.line:
            self.flow.writable()

    # Moves.

    def migrate(
        self,
        address: str,
        transfer: float = 1.0,
        fault: PlannedFault = PlannedFault.NONE,
        sequence: bytes | None = None,
        convoy: Convoy | None = None,
    ) -> Deferred[Report]:
        """Move it to the host at `address`. Fires with the Report; raises CannotMove."""
        line = self.movable_line()
        chosen = self._chance.randbytes(SEQUENCE) if sequence is None else sequence
        plan = Plan(address, chosen, transfer, fault)
        log.info("vmotion-begin", name=self.name, source=self.address, target=address)
        self._migration = migration = SimulatedMigration(self, line, self._clock, plan, convoy)
        self.flow.still = True
        migration.begin()
        return migration.result

    def movable_line(self) -> HostConnection:
        """The line that its next vMotion begins on. Raises CannotMove."""
        line = self.flow.line
        if self._migration is not None:
            raise CannotMove("it is moving")
        if line is None or self.state != "connected":
            raise CannotMove(f"it is {self.state}")
        if not line.dialogue.can_move:
            raise CannotMove("the proxy does not know vMotion")
        return line

    def goahead(self, connection: HostConnection, payload: bytes) -> None:
        """The proxy's answer to VMOTION-BEGIN."""
        if self._migration is not None and connection is self._migration.source:
            self._migration.goahead(payload)

    def notnow(self, connection: HostConnection, sequence: bytes) -> None:
        """The proxy's refusal."""
        if self._migration is not None and connection is self._migration.source:
            self._migration.notnow(sequence)

    def peer_ok(self, connection: HostConnection, sequence: bytes) -> None:
        """The proxy accepts the target."""
        if self._migration is not None:
            self._migration.peer_ok(connection, sequence)

    def moved(self, line: HostConnection, report: Report) -> None:
        """It lives on `line`, at the target's address."""
        self.flow.line, self.flow.up = line, True
        self.address = report.target
        self.stayed(report)

    def stayed(self, report: Report) -> None:
        """It lives where it lived before, or where `moved` put it; life goes on."""
        self._migration, self.flow.still = None, False
        self.counters.moved(report)
        log.info(
            f"vmotion-{report.outcome}",
            name=self.name,
            source=report.source,
            target=report.target,
            milliseconds=report.milliseconds,
            reason=report.reason or None,
        )
        self.flow.resume()
        self._reconnect()
