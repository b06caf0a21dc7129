"""The hosts, the VMs on them, and what happens to a whole host: evacuation, death, HA."""

from collections.abc import Callable, Iterable, Sequence
from typing import cast

from attrs import frozen
from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from vspc.simulator.host import HostConnection
from vspc.simulator.impostors import Impostors
from vspc.simulator.migration import Convoy, PlannedFault
from vspc.simulator.serial_port import MigrationReport
from vspc.simulator.vm import CannotMove, SimulatedPort

log = Logger()

NOTICE = 1.0
"""Seconds until a host that is back finds that its VMs run elsewhere, and ends them."""


class SimulatedVm:
    """One VM with all its ports, which are switched, moved and lost together.

    Methods that return a bool do so for any port, as those of `SimulatedPort` do.
    """

    def __init__(self, ports: Sequence[SimulatedPort]) -> None:
        self.ports = tuple(ports)
        self.first = self.ports[0]
        for port in self.ports:
            port.siblings = self.ports

    @property
    def name(self) -> str:
        """Its name, now."""
        return self.first.name

    @property
    def address(self) -> str:
        """The host that it runs on, or ran on last."""
        return self.first.address

    def port(self, word: str) -> SimulatedPort | None:
        """The port called `word`, or with that number, from 1."""
        for number, port in enumerate(self.ports, 1):
            if word in (port.settings.port, str(number)):
                return port
        return None

    def _each(self, do: Callable[[SimulatedPort], bool]) -> bool:
        done = [do(port) for port in self.ports]
        return any(done)

    def power_on(self) -> bool:
        return self._each(lambda port: port.power_on())

    def power_off(self) -> bool:
        return self._each(lambda port: port.power_off())

    def reboot(self) -> bool:
        return self._each(lambda port: port.reboot())

    def rename(self, name: str, announce: bool) -> None:
        """Rename it; announced to the proxy now, or when it asks."""
        for port in self.ports:
            port.rename(name, announce)

    def stun(self, seconds: float) -> bool:
        """Its host stands still for so long; False if none of its ports is connected."""
        return self._each(lambda port: port.stun(seconds))

    def crash(self) -> list[HostConnection]:
        """Its host dies; the lines that are left, open and silent."""
        return [line for port in self.ports if (line := port.crash()) is not None]

    def restart(self, address: str) -> bool:
        """Boot anew on the host at `address`; False if it runs."""
        return self._each(lambda port: port.restart(address))

    def move(
        self,
        address: str,
        transfer: float,
        fault: PlannedFault = PlannedFault.NONE,
        only: SimulatedPort | None = None,
        sequence: bytes | None = None,
    ) -> Deferred[list[MigrationReport]]:
        """Move all its ports at once; their reports. Raises CannotMove, then nothing moves.

        `fault` and `sequence` are for the port `only`, or for every one.
        """
        for port in self.ports:
            port.movable_line()
        convoy = Convoy(len(self.ports))
        moving = []
        for port in self.ports:
            meant = only in (None, port)
            begun = port.migrate(
                address,
                transfer,
                fault if meant else PlannedFault.NONE,
                sequence if meant else None,
                convoy,
            )
            moving.append(begun)
        return cast("Deferred[list[MigrationReport]]", gatherResults(moving))


@frozen
class VmMoved:
    """What became of one VM of an evacuation: the reports of its ports, or why it did not begin."""

    name: str
    reports: list[MigrationReport]
    refused: str = ""

    def __str__(self) -> str:
        if self.refused:
            return f"did not begin: {self.refused}"
        return outcome(self.reports).partition(" ")[2]


def _worst(reports: list[MigrationReport]) -> MigrationReport:
    """The report that decides for the VM: the first port that did not move by itself."""
    stayed = [report for report in reports if report.outcome != "moved"]
    own = [report for report in stayed if not report.reason.startswith("another port")]
    return (own or stayed or reports)[0]


def outcome(reports: list[MigrationReport], fault: PlannedFault = PlannedFault.NONE) -> str:
    """How a VM's vMotion ended, as a line."""
    report = _worst(reports)
    if report.outcome == "moved":
        longest = max(each.milliseconds for each in reports)
        return f"ok moved in {longest} ms from {report.source} to {report.target}"
    if report.outcome == "notnow":
        return f"error VMOTION-NOTNOW from the proxy after {report.goahead_milliseconds} ms"
    if fault is not PlannedFault.NONE and report.reason.endswith("on purpose"):
        what = "aborted" if report.reason.startswith("aborted") else "failed"
        return f"ok {what} in {report.milliseconds} ms, stays at {report.source}"
    return f"error failed after {report.milliseconds} ms: {report.reason}"


class Fleet:
    """All VMs of one simulator. `transfer` is how long the copy of a vMotion takes, in seconds."""

    def __init__(
        self,
        machines: Iterable[SimulatedVm],
        clock: IReactorTime,
        impostors: Impostors,
        transfer: float,
    ) -> None:
        self.machines = list(machines)
        self.impostors = impostors
        self.transfer = transfer
        self._clock = clock
        self._dead: dict[str, list[HostConnection]] = {}

    def find(self, word: str) -> tuple[SimulatedVm, SimulatedPort | None] | None:
        """`NAME` or `NAME:PORT`; the port is None where none is given."""
        for machine in self.machines:
            if machine.name == word:
                return machine, None
        name, _, port = word.rpartition(":")
        for machine in self.machines:
            if machine.name == name and (found := machine.port(port)) is not None:
                return machine, found
        return None

    def at(self, address: str) -> list[SimulatedVm]:
        """The VMs of the host at `address`; those that are off do not count."""
        return [vm for vm in self.machines if vm.address == address and vm.first.powered]

    def crash(self, address: str) -> list[SimulatedVm]:
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

    def ha(self, address: str, target: str) -> list[SimulatedVm]:
        """The host dies, and its VMs boot anew on the host at `target`."""
        lost = self.crash(address)
        for machine in lost:
            machine.restart(target)
        return lost

    def evacuate(self, address: str, target: str) -> list[Deferred[VmMoved]]:
        """All VMs of the host at `address` begin their vMotions at once."""
        log.info("evacuation", source=address, target=target)
        return [self._leave(machine, target) for machine in self.at(address)]

    def _leave(self, machine: SimulatedVm, target: str) -> Deferred[VmMoved]:
        try:
            moving = machine.move(target, self.transfer)
        except CannotMove as error:
            return succeed(VmMoved(machine.name, [], str(error)))
        return moving.addCallback(lambda reports: VmMoved(machine.name, reports))

    def end(self) -> None:
        """Switch everything off, and close what dead hosts and impostors left open."""
        for machine in self.machines:
            machine.power_off()
        for lines in self._dead.values():
            for line in lines:
                line.close()
        self.impostors.end()
