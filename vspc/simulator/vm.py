"""A virtual machine with one serial port: its power, its line to the proxy, its moves.

A unit test makes one with a `connect(source_address, connection)` of its own, which joins the
`HostConnection` to a server's protocol (`vspc.simulator.memory.Link` does that in memory) or says
`connection.failed(reason)`, and a `twisted.internet.task.Clock`:

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
from vspc.simulator.host import HostConnection, Settings
from vspc.simulator.migration import Abort, Migration, Plan
from vspc.simulator.outlet import ROOM
from vspc.simulator.port import Guest
from vspc.simulator.uart import Uart

log = Logger()

FIRST_RETRY, LAST_RETRY = 1.0, 30.0
"""Seconds until a lost line is made anew: doubled each time."""

HELD_OUTPUT = 256 * 1024
"""Bytes of output kept while the VM stands still. A guest is told to wait before."""

SEQUENCE = 4
"""Bytes of a vMotion's sequence where none is given."""

Connect = Callable[[str, HostConnection], None]


class CannotMove(Exception):
    """This VM cannot be moved now; the text says why."""


class VirtualMachine:
    """One VM. It implements what its connections, its guest and its migration ask for."""

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
        self.uart = Uart()
        self.counters = Counters()
        self.powered = False
        self._clock = clock
        self._connect = connect
        self._guest = guest
        self._settings = settings or Settings()
        self._chance = chance or random.Random(identity.name)
        self._line: HostConnection | None = None
        self._up = False
        self._booted = False
        self._feeding = False
        self._held = bytearray()
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
        return "connected" if self._up else "connecting"

    @property
    def line(self) -> HostConnection | None:
        """The connection that it lives on, or is making."""
        return self._line

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
        self.powered = self._booted = self._up = False
        log.info("vm-off", name=self.name)
        self._guest.stop()
        if self._migration is not None:
            self._migration.fail("powered off")
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        line, self._line = self._line, None
        if line is not None:
            line.close()
        self.uart.clear()
        self._held.clear()
        return True

    def reboot(self) -> bool:
        """The reset button: the line stays. False if the guest is not running."""
        if self._booted:
            self._guest.reboot()
        return self._booted

    def rename(self, name: str, announce: bool = False) -> None:
        """Another name; the proxy hears of it when it asks, or at once."""
        self.identity = evolve(self.identity, name=name)
        if announce and self._line is not None:
            self._line.dialogue.announce_name()

    def stats(self) -> dict[str, object]:
        """Everything counted, and where it stands."""
        line = self._line
        return {
            "name": self.name,
            "uuid": self.identity.vc_uuid,
            "state": self.state,
            "address": self.address,
            "unread": len(self.uart),
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
        self._line = self.new_line()
        self.open(self.address, self._line)

    def line_up(self, connection: HostConnection) -> None:
        """The proxy accepts the line. The guest boots at the first one."""
        if connection is not self._line:
            return
        self._up = True
        self._delay = FIRST_RETRY
        log.info("line-up", name=self.name, address=self.address)
        if self._booted:
            self._resume()
        else:
            self._booted = True
            self._guest.boot(self)
            self._feed()

    def lost(self, connection: HostConnection, reason: str) -> None:
        """A line is gone; another is made, as long as the VM runs."""
        if connection is self._line:
            self._line, self._up = None, False
            log.info("line-lost", name=self.name, reason=reason)
        if self._migration is not None:
            self._migration.lost(connection, reason)
        self._reconnect()

    def _reconnect(self) -> None:
        """Unless there is a line, or one is on its way."""
        if not self.powered or self._line or self._migration or self._retry:
            return
        self._retry = self._clock.callLater(self._delay, self._open_line)
        self._delay = min(2 * self._delay, LAST_RETRY)
        # The guest does not wait for a line: what it says meanwhile nobody hears.
        self._resume()

    # Input: from the line to the guest.

    def input_room(self, connection: HostConnection) -> int:
        """Bytes that `connection` may take from its socket."""
        if self._migration is not None:
            return self._migration.input_room(connection)
        return self.uart.room()

    def received(self, connection: HostConnection, data: bytes) -> None:
        """Input from the proxy."""
        if self._migration is not None:
            self._migration.received(connection, data)
        elif connection is self._line:
            self.take(data)
            self._feed()

    def take(self, data: bytes) -> None:
        """Input for the guest, into its UART."""
        self.counters.into.add(data)
        self.uart.push(data)

    def break_received(self, connection: HostConnection) -> None:
        """A BREAK from the proxy."""
        self.counters.breaks += 1
        self.uart.push_break()
        self._feed()

    def type(self, data: bytes) -> None:
        """Type at the guest from within the simulator; not counted as input."""
        self.uart.push(data[: self.uart.room()])
        self._feed()

    def readable(self) -> None:
        """The guest may read again."""
        self._feed()

    def _feed(self) -> None:
        if self._feeding:
            return
        self._feeding = True
        try:
            while self._booted and self._migration is None and self.uart:
                if self.uart.break_next():
                    self._guest.break_received()
                elif data := self.uart.pop(self._guest.wants()):
                    self._guest.read(data)
                else:
                    break
                self._read_on()
        finally:
            self._feeding = False

    def _read_on(self) -> None:
        if self._line is not None:
            self._line.run()

    # Output: from the guest to the line.

    def room(self) -> int:
        """Bytes that the guest may send now: none while it moves."""
        if self._migration is not None or self._held:
            return 0
        return self._line.room() if self._line is not None and self._up else ROOM

    def transmit(self, data: bytes) -> None:
        """Output of the guest."""
        if self._migration is None:
            self._send(data)
        elif len(self._held) + len(data) <= HELD_OUTPUT:
            self._held += data
        else:
            self.counters.dropped += len(data)

    def _send(self, data: bytes) -> None:
        if self._line is None or not self._up:
            self.counters.dropped += len(data)
            return
        self.counters.out.add(data)
        self._line.send(data)

    def send_break(self, com_port: bool = False) -> bool:
        """A BREAK from the guest; False if it cannot be said on this line now."""
        if self._line is None or not self._up or self._migration is not None:
            return False
        return self._line.send_break(com_port)

    def writable(self, connection: HostConnection) -> None:
        """The line has room again."""
        if connection is self._line and self._booted and self._migration is None:
            self._guest.writable()

    def powered_off(self) -> None:
        """The guest has shut down."""
        self.power_off()

    # Moves.

    def migrate(
        self,
        address: str,
        transfer: float = 1.0,
        abort: Abort = Abort.NEVER,
        sequence: bytes | None = None,
    ) -> Deferred[Report]:
        """Move it to the host at `address`. Fires with the Report; raises CannotMove."""
        line = self._line
        if self._migration is not None:
            raise CannotMove("it is moving")
        if line is None or not self._up:
            raise CannotMove(f"it is {self.state}")
        if not line.dialogue.can_move:
            raise CannotMove("the proxy does not know vMotion")
        chosen = self._chance.randbytes(SEQUENCE) if sequence is None else sequence
        plan = Plan(address, chosen, transfer, abort)
        log.info("vmotion-begin", name=self.name, source=self.address, target=address)
        self._migration = Migration(self, line, self._clock, plan)
        result = self._migration.result
        self._migration.begin()
        return result

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
        self._line, self._up = line, True
        self.address = report.target
        self._moved(report)

    def stayed(self, report: Report) -> None:
        """It lives where it was."""
        self._moved(report)

    def _moved(self, report: Report) -> None:
        self._migration = None
        self.counters.moved(report)
        log.info(
            f"vmotion-{report.outcome}",
            name=self.name,
            source=report.source,
            target=report.target,
            milliseconds=report.milliseconds,
            reason=report.reason or None,
        )
        self._resume()
        self._reconnect()

    def _resume(self) -> None:
        if not self._booted:
            return
        held = bytes(self._held)
        self._held.clear()
        if held:
            self._send(held)
        self._guest.writable()
        self._feed()
        self._read_on()
