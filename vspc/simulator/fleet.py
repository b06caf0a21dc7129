"""The hosts, the VMs on them, and what happens to a whole host: evacuation, death, HA."""

from collections.abc import Iterable

from attrs import frozen
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from vspc.simulator.counters import Report
from vspc.simulator.host import HostConnection
from vspc.simulator.liars import Liars
from vspc.simulator.machine import Machine
from vspc.simulator.placement import CannotMove
from vspc.simulator.vm import VirtualMachine

log = Logger()

NOTICE = 1.0
"""Seconds until a host that is back finds that its VMs run elsewhere, and ends them."""


@frozen
class VmMoved:
    """What became of one VM of an evacuation: the reports of its ports, or why it did not begin."""

    name: str
    reports: list[Report]
    refused: str = ""


class Fleet:
    """All VMs of one simulator. `transfer` is how long the copy of a vMotion takes, in seconds."""

    def __init__(
        self, machines: Iterable[Machine], clock: IReactorTime, liars: Liars, transfer: float
    ) -> None:
        self.machines = list(machines)
        self.liars = liars
        self.transfer = transfer
        self._clock = clock
        self._dead: dict[str, list[HostConnection]] = {}

    def find(self, word: str) -> tuple[Machine, VirtualMachine | None] | None:
        """`NAME` or `NAME:PORT`; the port is None where none is given."""
        for machine in self.machines:
            if machine.name == word:
                return machine, None
        name, _, port = word.rpartition(":")
        for machine in self.machines:
            if machine.name == name and (found := machine.port(port)) is not None:
                return machine, found
        return None

    def at(self, address: str) -> list[Machine]:
        """The VMs of the host at `address`; those that are off do not count."""
        return [vm for vm in self.machines if vm.address == address and vm.first.powered]

    def crash(self, address: str) -> list[Machine]:
        """The host at `address` dies without a FIN; the VMs that were on it."""
        lost = self.at(address)
        log.info("host-crashed", address=address, vms=len(lost))
        for machine in lost:
            self._dead.setdefault(address, []).extend(machine.crash())
        return lost

    def revive(self, address: str) -> int:
        """The host at `address` is back: its dead lines answer, then end; how many there are."""
        lines = self._dead.pop(address, [])
        log.info("host-back", address=address, lines=len(lines))
        for line in lines:
            line.thaw()
            self._clock.callLater(NOTICE, line.close)
        return len(lines)

    def ha(self, address: str, target: str) -> list[Machine]:
        """The host dies, and its VMs boot anew on the host at `target`."""
        lost = self.crash(address)
        for machine in lost:
            machine.restart(target)
        return lost

    def evacuate(self, address: str, target: str) -> list[Deferred[VmMoved]]:
        """All VMs of the host at `address` begin their vMotions at once."""
        log.info("evacuation", source=address, target=target)
        return [self._leave(machine, target) for machine in self.at(address)]

    def _leave(self, machine: Machine, target: str) -> Deferred[VmMoved]:
        try:
            moving = machine.move(target, self.transfer)
        except CannotMove as error:
            return succeed(VmMoved(machine.name, [], str(error)))
        return moving.addCallback(lambda reports: VmMoved(machine.name, reports))

    def end(self) -> None:
        """Switch everything off, and close what dead hosts and liars left open."""
        for machine in self.machines:
            machine.power_off()
        for lines in self._dead.values():
            for line in lines:
                line.close()
        self.liars.end()
