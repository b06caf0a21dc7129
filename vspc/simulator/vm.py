"""A virtual machine with one serial port: its power, its line to the proxy, its moves.

A unit test makes one with a `connect(source_address, connection)` of its own, which joins the
`HostConnection` to a server's protocol (`vspc.simulator.memory.Network` does that in memory) or
says `connection.failed(reason)`, and with a `twisted.internet.task.Clock`:

    vm = VirtualMachine(identity("web1"), clock, connect, ToyGuest(clock, "web1"))
    vm.power_on()
    report = vm.migrate("127.0.0.2", transfer=0.0)     # a Deferred
"""

import random
from collections.abc import Callable

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from vspc.simulator.counters import Counters, Report
from vspc.simulator.extension import Identity
from vspc.simulator.flow import Flow
from vspc.simulator.host import HostConnection
from vspc.simulator.migration import Abort, Migration, Plan
from vspc.simulator.port import Guest
from vspc.simulator.settings import Settings

log = Logger()

FIRST_RETRY, LAST_RETRY = 1.0, 30.0
"""Seconds until a lost line is made anew: doubled each time."""

SEQUENCE = 4
"""Bytes of a vMotion's sequence where none is given."""

Connect = Callable[[str, HostConnection], None]


class CannotMove(Exception):
    """This VM cannot be moved now; the text says why."""


class VirtualMachine:
    """One VM. It implements what its connections (`Port`) and its migration (`Movable`) ask."""

    def __init__(
        self,
        identity: Identity,
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
        self.flow = Flow(guest, self.counters, self.power_off)
        self.powered = False
        self._clock = clock
        self._connect = connect
        self._guest = guest
        self._settings = settings or Settings()
        self._chance = chance or random.Random(identity.name)
        self._migration: Migration | None = None
        self._retry: IDelayedCall | None = None
        self._delay = FIRST_RETRY

    # Power and identity.

    @property
    def name(self) -> str:
        """Its name, now."""
        return self.identity.name

    @property
    def state(self) -> str:
        """off, connecting, connected or migrating."""
        if not self.powered:
            return "off"
        if self._migration is not None:
            return "migrating"
        return "connected" if self.flow.up else "connecting"

    def power_on(self) -> bool:
        """Switch it on; False if it is."""
        if self.powered:
            return False
        self.powered = True
        self._delay = FIRST_RETRY
        log.info("vm-on", name=self.name)
        self._open_line()
        return True

    def power_off(self) -> bool:
        """Switch it off: its line closes. False if it is off."""
        if not self.powered:
            return False
        self.powered = self.flow.running = False
        log.info("vm-off", name=self.name)
        self._guest.stop()
        if self._migration is not None:
            self._migration.fail("powered off")
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        line = self.flow.line
        self.flow.clear()
        if line is not None:
            line.close()
        return True

    def reboot(self) -> bool:
        """The reset button: the line stays. False if that cannot be."""
        rebooted = self.flow.running and self._guest.reboot()
        self.flow.feed()
        return rebooted

    def rename(self, name: str, announce: bool = False) -> None:
        """Another name; the proxy hears of it when it asks, or at once."""
        self.identity = evolve(self.identity, name=name)
        if announce and self.flow.line is not None:
            self.flow.line.dialogue.announce_name()

    def type(self, data: bytes) -> None:
        """Type at the guest from within the simulator, as far as its UART has room; not counted."""
        self.flow.uart.push(data[: self.flow.uart.room()])
        self.flow.feed()

    def send_break(self, com_port: bool = False) -> bool:
        """A BREAK from the guest; False if it cannot be said on this line now."""
        return self.flow.send_break(com_port)

    def stats(self) -> dict[str, object]:
        """Everything counted, and where it stands."""
        line = self.flow.line
        return {
            "name": self.name,
            "uuid": self.identity.vc_uuid,
            "state": self.state,
            "address": self.address,
            "unread": len(self.flow.uart),
            "options_vm": sorted(line.options.ours) if line else [],
            "options_proxy": sorted(line.options.theirs) if line else [],
            "com_port_unanswered": sorted(line.com_port.unanswered) if line else [],
            **self.counters.facts(),
        }

    # The line.

    def new_line(self, claim: bytes | None = None) -> HostConnection:
        """A connection of this VM, not connected yet."""
        return HostConnection(self, self._clock, self._settings, claim)

    def open(self, address: str, line: HostConnection) -> None:
        """Connect it, from `address`."""
        self.counters.lines += 1
        self._connect(address, line)

    def _open_line(self) -> None:
        self._retry = None
        self.flow.line = self.new_line()
        self.open(self.address, self.flow.line)

    def line_up(self, connection: HostConnection) -> None:
        """The proxy accepts the line. The guest boots at the first one."""
        if connection is not self.flow.line:
            return
        self.flow.up = True
        self._delay = FIRST_RETRY
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
        if not self.powered or self.flow.line or self._migration or self._retry:
            return
        self._retry = self._clock.callLater(self._delay, self._open_line)
        self._delay = min(2 * self._delay, LAST_RETRY)
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
        abort: Abort = Abort.NEVER,
        sequence: bytes | None = None,
    ) -> Deferred[Report]:
        """Move it to the host at `address`. Fires with the Report; raises CannotMove."""
        line = self.flow.line
        if self._migration is not None:
            raise CannotMove("it is moving")
        if line is None or not self.flow.up:
            raise CannotMove(f"it is {self.state}")
        if not line.dialogue.can_move:
            raise CannotMove("the proxy does not know vMotion")
        chosen = self._chance.randbytes(SEQUENCE) if sequence is None else sequence
        plan = Plan(address, chosen, transfer, abort)
        log.info("vmotion-begin", name=self.name, source=self.address, target=address)
        self._migration = migration = Migration(self, line, self._clock, plan)
        self.flow.still = True
        migration.begin()
        return migration.result

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
