"""One serial port of a VM: its power, its line to the proxy, its moves, its host's faults.

`vspc.simulator.fleet.SimulatedVm` switches and moves all ports of a VM together; they have one
identity. A unit test makes a port with a `connect(source_address, connection)` of its own, which
joins the `HostConnection` to a server's protocol (`tests.simulator.memory.Network` does that in
memory) or calls `connection.failed(reason)`, and with a `twisted.internet.task.Clock`:

    vm = SimulatedPort(identity("web1"), clock, connect, ToyGuest(clock, "web1"))
    vm.power_on()
    report = vm.migrate("127.0.0.2", transfer=0.0)     # a Deferred
"""

import random
from collections.abc import Callable, Sequence
from ipaddress import AddressValueError, IPv4Address

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from vspc.simulator.comport import ComPortMessage, UartSettings
from vspc.simulator.extension import VmIdentity
from vspc.simulator.host import HostConnection, Settings
from vspc.simulator.impostors import RecordingPort
from vspc.simulator.migration import Convoy, Plan, PlannedFault, SimulatedMigration
from vspc.simulator.serial_port import Counters, Flow, Guest, MigrationReport

log = Logger()

SEQUENCE = 4
"""Bytes of a vMotion's sequence where none is given."""

Connect = Callable[[str, HostConnection], None]


class CannotMove(Exception):
    """This VM cannot be moved now; the text is the reason."""


FIRST_RETRY, LAST_RETRY = 1.0, 30.0
"""Seconds until a lost line is made anew."""


class Retry:
    """Attempts to make a lost line anew: after 1 s, then 2 s, doubling up to 30 s."""

    def __init__(self, clock: IReactorTime, attempt: Callable[[], None]) -> None:
        self._clock = clock
        self._attempt = attempt
        self._delay = FIRST_RETRY
        self._call: IDelayedCall | None = None

    def plan(self) -> bool:
        """Try later; False if that is planned already."""
        if self._call is not None:
            return False
        self._call = self._clock.callLater(self._delay, self._now)
        self._delay = min(2 * self._delay, LAST_RETRY)
        return True

    def _now(self) -> None:
        self._call = None
        self._attempt()

    def succeeded(self) -> None:
        """The next one comes soon again."""
        self._delay = FIRST_RETRY

    def stop(self) -> None:
        """Try no more."""
        self.succeeded()
        if self._call is not None:
            self._call.cancel()
            self._call = None


def next_host(address: str) -> str:
    """The host that a VM at `address` moves to by default: 127.0.0.1, .2 ... .254, .1.

    Addresses other than IPv4 loopback are not ours to take: the VM "moves" to where it is.
    """
    try:
        present = IPv4Address(address)
    except AddressValueError:
        return address
    if not present.is_loopback:
        return address
    last = int(present) & 0xFF
    return str(present - last + (last % 254) + 1)


class SimulatedPort:
    """One serial port of a VM, with a power state of its own.

    It is the `Port` of its connections and the `Movable` of its migration.
    """

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
        self.uart = UartSettings()
        self.powered = False
        self.siblings: Sequence[SimulatedPort] = (self,)
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

    # Power, and the host.

    def power_on(self) -> bool:
        """Switch it on; False if it is."""
        if self.powered:
            return False
        self.powered, self._crashed = True, False
        log.info("vm-on", name=self.name)
        self._open_line()
        return True

    def power_off(self) -> bool:
        """Switch it off: its line closes. False if it is off."""
        if not self.powered:
            return False
        log.info("vm-off", name=self.name)
        self._halt()
        if self._migration is not None:
            self._migration.fail("powered off")
        line = self.flow.line
        self.flow.clear()
        if line is not None:
            line.close()
        return True

    def _halt(self) -> None:
        self.powered = self.flow.running = False
        self._guest.stop()
        self._retry.stop()
        if self._stun is not None:
            self._stun.cancel()
            self._stun = None

    def crash(self) -> HostConnection | None:
        """Its host dies, without a word: the line that is left stays open and silent, or None."""
        if not self.powered:
            return None
        log.info("vm-crashed", name=self.name, address=self.address)
        line, self.flow.line = self.flow.line, None
        if line is not None:
            line.port = RecordingPort(self.identity)
            line.freeze()
        self._halt()
        self._crashed = True
        if self._migration is not None:
            self._migration.fail("its host crashed")
        self.flow.clear()
        return line

    def restart(self, address: str) -> bool:
        """Boot anew on the host at `address`, without a credential; False if it runs."""
        if self.powered:
            return False
        self.address = address
        return self.power_on()

    def stun(self, seconds: float) -> bool:
        """Its host stands still for so long, then goes on; False if it is not connected."""
        line = self.flow.line
        if self.state != "connected" or line is None:
            return False
        log.info("vm-stunned", name=self.name, seconds=seconds)
        self.flow.still = True
        line.freeze()
        self._stun = self._clock.callLater(seconds, self._go_on, line)
        return True

    def _go_on(self, line: HostConnection) -> None:
        self._stun, self.flow.still = None, False
        line.thaw()
        self.flow.resume()
        self._reconnect()

    def reboot(self) -> bool:
        """The reset button: the line stays. False if that cannot be."""
        rebooted = self.flow.running and self._guest.reboot()
        self.flow.feed()
        return rebooted

    def rename(self, name: str, announce: bool = False) -> None:
        """Rename it; announced to the proxy now, or when it asks."""
        self.identity = evolve(self.identity, name=name)
        if announce and self.flow.line is not None:
            self.flow.line.dialogue.announce_name()

    def type(self, data: bytes) -> None:
        """Type at the guest from within the simulator, as far as its UART has room; not counted."""
        self.flow.uart.push(data[: self.flow.uart.room()])
        self.flow.feed()

    def set_uart(self, settings: UartSettings) -> bool:
        """The guest sets its UART, and the VM says what is new; False while it stands still."""
        if self.flow.still:
            return False
        old, self.uart = self.uart.messages(), settings
        if (line := self.flow.ready) is not None:
            line.say_com_port(*(each for each in settings.messages() if each not in old))
        return True

    def say_com_port(self, *messages: ComPortMessage) -> bool:
        """Say something of RFC 2217; False if that cannot be now."""
        line = self.flow.ready
        return line is not None and line.say_com_port(*messages)

    def stats(self) -> dict[str, object]:
        """Everything counted, and where it stands."""
        facts = {"uart": str(self.uart), **self.flow.facts(), **self.counters.facts()}
        return {**self.summary(), **facts}

    def summary(self) -> dict[str, object]:
        """Who it is, and where it stands."""
        return {
            "name": self.name,
            "port": self.settings.port,
            "uuid": self.identity.vc_uuid,
            "state": self.state,
            "address": self.address,
        }

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
            self.flow.resume()  # the guest does not wait for a line: its output is dropped

    # What the line brings.

    def input_room(self, connection: HostConnection) -> int:
        if self._migration is not None:
            return self._migration.input_room(connection)
        return self.flow.uart.room()

    def received(self, connection: HostConnection, data: bytes) -> None:
        if self._migration is not None:
            self._migration.received(connection, data)
        elif connection is self.flow.line:
            self.flow.take(data)
            self.flow.feed()

    def break_received(self, connection: HostConnection) -> None:
        self.counters.breaks += 1
        self.flow.uart.push_break()
        self.flow.feed()

    def writable(self, connection: HostConnection) -> None:
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
    ) -> Deferred[MigrationReport]:
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
            raise CannotMove("the proxy does not support vMotion")
        return line

    def goahead(self, connection: HostConnection, payload: bytes) -> None:
        if self._migration is not None:
            self._migration.goahead(connection, payload)

    def notnow(self, connection: HostConnection, sequence: bytes) -> None:
        if self._migration is not None:
            self._migration.notnow(connection, sequence)

    def peer_ok(self, connection: HostConnection, sequence: bytes) -> None:
        if self._migration is not None:
            self._migration.peer_ok(connection, sequence)

    def moved(self, line: HostConnection, report: MigrationReport) -> None:
        """It lives on `line`, at the target's address."""
        self.flow.line, self.flow.up = line, True
        self.address = report.target
        self.stayed(report)

    def stayed(self, report: MigrationReport) -> None:
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
