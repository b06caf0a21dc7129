"""A real guest behind a simulated VM: its bytes, its pauses, its end."""

from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectingCancelledError
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.simulator.memory import MemoryLink, Network
from tests.simulator.proxy import Proxy
from vspc.simulator.extension import identity
from vspc.simulator.remote_guest import RETRY, DialledGuest, DiallingGuest, GuestLine
from vspc.simulator.vm import SimulatedPort


class SerialPort(Protocol):
    """A guest's serial port on TCP, as an emulator offers it."""

    def __init__(self) -> None:
        self.data = b""
        self.lost = False

    def dataReceived(self, data: bytes) -> None:
        self.data += data

    def connectionLost(self, reason: object = None) -> None:
        self.lost = True

    def say(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)


@implementer(IStreamClientEndpoint)
class Endpoint:
    """Reaches a SerialPort in memory, once `there`; without `answers` an attempt stays open.

    A cancelled attempt fails with ConnectingCancelledError, as Twisted's endpoints do.
    """

    def __init__(self, clock: Clock) -> None:
        self.there = True
        self.answers = True
        self.tried = 0
        self.ports: list[SerialPort] = []
        self.links: list[MemoryLink] = []
        self._clock = clock

    def connect(self, factory: IProtocolFactory) -> "Deferred[IProtocol]":
        self.tried += 1
        if not self.answers:
            return Deferred(lambda made: made.errback(ConnectingCancelledError(None)))
        if not self.there:
            return fail(Refused())
        protocol = factory.buildProtocol(None)  # type: ignore[arg-type]
        assert isinstance(protocol, Protocol)
        self.ports.append(SerialPort())
        self.links.append(MemoryLink(self._clock, protocol, self.ports[-1]))
        made: Deferred[IProtocol] = Deferred()
        made.callback(protocol)
        return made


class GuestTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.proxies: list[Proxy] = []
        self.network = Network(self.clock, self.accept)

    def accept(self, _source: str) -> Proxy:
        self.proxies.append(Proxy())
        return self.proxies[-1]

    def vm_with(self, guest: "DialledGuest | DiallingGuest") -> SimulatedPort:
        return SimulatedPort(identity("vm"), self.clock, self.network.connect, guest)

    def run_for(self, seconds: float = 0.0) -> None:
        self.clock.advance(0)
        for _ in range(round(seconds * 10)):
            self.clock.advance(0.1)


class DialledTests(GuestTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.endpoint = Endpoint(self.clock)
        self.vm = self.vm_with(DialledGuest(self.clock, self.endpoint))

    def test_bytes_go_both_ways_as_they_are(self) -> None:
        self.vm.power_on()
        self.run_for()
        self.endpoint.ports[0].say(b"SeaBIOS\xff\r\n")
        self.proxies[0].type(b"root\r\xff")
        self.run_for()
        self.assertEqual(self.proxies[0].data, b"SeaBIOS\xff\r\n")
        self.assertEqual(self.endpoint.ports[0].data, b"root\r\xff")

    def test_a_guest_that_is_not_there_yet_is_tried_again(self) -> None:
        self.endpoint.there = False
        self.vm.power_on()
        self.run_for(3 * RETRY + 0.5)
        self.assertEqual(self.endpoint.tried, 4)
        self.endpoint.there = True
        self.proxies[0].type(b"early")
        self.run_for(RETRY)
        self.assertEqual(self.endpoint.ports[0].data, b"early")

    def test_its_end_is_a_power_off_and_power_on_dials_again(self) -> None:
        self.vm.power_on()
        self.run_for()
        self.endpoint.links[0].server.loseConnection()
        self.run_for()
        self.assertEqual((self.vm.state, self.proxies[0].lost), ("off", True))
        self.vm.power_on()
        self.run_for()
        self.assertEqual((self.vm.state, len(self.endpoint.ports)), ("connected", 2))

    def test_power_off_lets_go_of_it(self) -> None:
        self.vm.power_on()
        self.run_for()
        self.vm.power_off()
        self.run_for(5)
        self.assertTrue(self.endpoint.ports[0].lost)
        self.endpoint.there = False
        self.vm.power_on()
        self.run_for()
        self.vm.power_off()
        self.run_for(5)
        self.assertEqual((self.vm.state, self.clock.getDelayedCalls()), ("off", []))

    def test_power_off_ends_an_attempt_that_is_not_answered(self) -> None:
        self.endpoint.answers = False
        self.vm.power_on()
        self.run_for()
        self.vm.power_off()
        self.run_for(3 * RETRY)
        self.assertEqual((self.endpoint.tried, self.clock.getDelayedCalls()), (1, []))

    def test_it_stands_still_while_it_moves(self) -> None:
        self.vm.power_on()
        self.run_for()
        self.vm.migrate("127.0.0.2", transfer=1.0)
        guest = self.endpoint.ports[0]
        for number in range(5):
            guest.say(b"%d" % number)
            self.run_for(0.1)
        self.assertEqual(self.proxies[0].data, b"")
        self.assertTrue(self.endpoint.links[0].client.paused)
        self.run_for(1)
        self.assertEqual([proxy.data for proxy in self.proxies], [b"", b"01234"])

    def test_a_guest_that_does_not_read_stops_the_host(self) -> None:
        self.vm.power_on()
        self.run_for()
        self.endpoint.links[0].server.pauseProducing()
        self.proxies[0].type(b"#" * 500_000)
        self.run_for(1)
        taken = self.vm.counters.into.size
        self.assertLess(taken, 100_000)
        self.endpoint.links[0].server.resumeProducing()
        self.run_for(1)
        self.assertEqual(len(self.endpoint.ports[0].data), 500_000)

    def test_there_is_no_reset_button_and_no_break(self) -> None:
        self.vm.power_on()
        self.run_for()
        self.assertFalse(self.vm.reboot())
        self.proxies[0].write(b"\xff\xf3")
        self.run_for()
        self.assertEqual(self.endpoint.ports[0].data, b"")


class DiallingTests(GuestTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.guest = DiallingGuest()
        self.vm = self.vm_with(self.guest)
        self.guest.arrived = self.vm.power_on

    def dial(self) -> SerialPort:
        port = SerialPort()
        MemoryLink(self.clock, port, GuestLine(self.guest))
        self.run_for()
        return port

    def test_its_first_bytes_wait_for_the_line(self) -> None:
        port = SerialPort()
        MemoryLink(self.clock, port, GuestLine(self.guest))
        port.say(b"first")
        self.run_for()
        self.assertEqual((self.vm.state, self.proxies[0].data), ("connected", b"first"))

    def test_a_second_guest_is_refused(self) -> None:
        first, second = self.dial(), self.dial()
        self.assertEqual((first.lost, second.lost), (False, True))
        first.say(b"still here")
        self.run_for()
        self.assertEqual(self.proxies[0].data, b"still here")

    def test_a_guest_that_comes_again_switches_its_vm_on(self) -> None:
        first = self.dial()
        assert first.transport is not None
        first.transport.loseConnection()
        self.run_for()
        self.assertEqual(self.vm.state, "off")
        self.dial().say(b"again")
        self.run_for()
        self.assertEqual((self.vm.state, self.proxies[-1].data), ("connected", b"again"))
