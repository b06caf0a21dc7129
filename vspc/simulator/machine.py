"""A virtual machine with all its serial ports: they are switched, moved and lost together."""

from collections.abc import Callable, Sequence
from typing import cast

from twisted.internet.defer import Deferred, gatherResults

from vspc.simulator.counters import Report
from vspc.simulator.host import HostConnection
from vspc.simulator.plan import Convoy, PlannedFault
from vspc.simulator.vm import VirtualMachine


class Machine:
    """One VM. Its first port stands for it where one port is enough."""

    def __init__(self, ports: Sequence[VirtualMachine]) -> None:
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

    def port(self, word: str) -> VirtualMachine | None:
        """The port called `word`, or with that number, from 1."""
        for number, port in enumerate(self.ports, 1):
            if word in (port.settings.port, str(number)):
                return port
        return None

    def _each(self, do: Callable[[VirtualMachine], bool]) -> bool:
        done = [do(port) for port in self.ports]
        return any(done)

    def power_on(self) -> bool:
        """Switch it on; False if it is."""
        return self._each(lambda port: port.power_on())

    def power_off(self) -> bool:
        """Switch it off; False if it is."""
        return self._each(lambda port: port.power_off())

    def reboot(self) -> bool:
        """The reset button; False if that cannot be."""
        return self._each(lambda port: port.reboot())

    def rename(self, name: str, announce: bool) -> None:
        """Another name; the proxy hears of it when it asks, or at once."""
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
        only: VirtualMachine | None = None,
        sequence: bytes | None = None,
    ) -> Deferred[list[Report]]:
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
        return cast("Deferred[list[Report]]", gatherResults(moving))
