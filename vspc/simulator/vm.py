"""A virtual machine with one serial port: its power, its name, and what happens to its host.

A VM with several ports is several of these, with one identity, that `vspc.simulator.fleet`
switches and moves together. A unit test makes one with a `connect(source_address, connection)` of
its own, which joins the `HostConnection` to a server's protocol (`vspc.simulator.memory.Network`
does that in memory) or says `connection.failed(reason)`, and with a `twisted.internet.task.Clock`:

    vm = VirtualMachine(identity("web1"), clock, connect, ToyGuest(clock, "web1"))
    vm.power_on()
    report = vm.migrate("127.0.0.2", transfer=0.0)     # a Deferred
"""

from attrs import evolve
from twisted.logger import Logger

from vspc.simulator.host import HostConnection
from vspc.simulator.placement import Placement
from vspc.simulator.witness import ConnectionWitness

log = Logger()


class VirtualMachine(Placement):
    """One VM, as far as one of its serial ports goes."""

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
            line.port = ConnectionWitness(self.identity)
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
        return {**self.summary(), **self.flow.facts(), **self.counters.facts()}

    def summary(self) -> dict[str, object]:
        """Who it is, and where it stands."""
        return {
            "name": self.name,
            "port": self.settings.port,
            "uuid": self.identity.vc_uuid,
            "state": self.state,
            "address": self.address,
        }
