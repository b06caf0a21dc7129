"""VMs, their network and their proxies, in memory and in a fake time."""

import random

from twisted.internet.task import Clock

from tests.simulator.memory import Network
from tests.simulator.proxy import Proxy
from vspc.simulator.extension import identity
from vspc.simulator.fleet import Fleet, SimulatedVm
from vspc.simulator.guest import ToyGuest
from vspc.simulator.host import Settings
from vspc.simulator.impostors import Impostors
from vspc.simulator.vm import SimulatedPort

PROMPT = b"web1:~# "


class World:
    """A VM called web1, perhaps others, and everything that their connections reached."""

    def __init__(self, proxy: type[Proxy] = Proxy, chop: int | None = None, ports: int = 1) -> None:
        self.clock = Clock()
        self.proxies: list[Proxy] = []
        self.sources: list[str] = []
        self.kind = proxy
        self.network = Network(self.clock, self._accept)
        self._patience = 0.0 if chop is None else 0.5
        self._chance = None if chop is None else random.Random(chop)
        self.machine = self.make("web1", ports)
        self.vm = self.machine.first

    def make(self, name: str, ports: int = 1) -> SimulatedVm:
        """Another VM; it is off."""
        return SimulatedVm([self._port(name, number) for number in range(ports)])

    def _port(self, name: str, number: int) -> SimulatedPort:
        return SimulatedPort(
            identity(name),
            self.clock,
            self.network.connect,
            ToyGuest(self.clock, name, tty=number),
            Settings(chop=self._chance, port=f"com{number + 1}"),
        )

    def fleet(self, *others: SimulatedVm) -> Fleet:
        """web1 and the others, as commands see them; vMotions take no time."""
        impostors = Impostors(self.clock, self.network.connect)
        return Fleet([self.machine, *others], self.clock, impostors, 0.0)

    def _accept(self, source: str) -> Proxy:
        self.sources.append(source)
        self.proxies.append(self.kind())
        return self.proxies[-1]

    def run(self, seconds: float = 0.0) -> None:
        """Every turn that is due, then in small steps so many seconds."""
        self.clock.advance(0)
        for _ in range(round(seconds * 100)):
            self.clock.advance(0.01)

    def start(self) -> Proxy:
        """Switch on; the proxy, once the guest has booted."""
        self.machine.power_on()
        self.run(self._patience)
        return self.proxy

    @property
    def proxy(self) -> Proxy:
        """The other end of the newest connection."""
        return self.proxies[-1]

    def output(self) -> bytes:
        """What the VM said on all its lines, in their order."""
        return b"".join(proxy.data for proxy in self.proxies)

    def typed(self, data: bytes, seconds: float = 0.0) -> bytes:
        """What the present line says after `data` was typed at it."""
        proxy = self.proxy
        before = len(proxy.data)
        proxy.type(data)
        self.run(seconds)
        return proxy.data[before:]
