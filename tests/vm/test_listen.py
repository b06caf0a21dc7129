"""Who may connect to a listener at all, and what is told of those who may not."""

from ipaddress import ip_network
from pathlib import Path
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol
from twisted.logger import LogEvent, globalLogPublisher
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure

from tests.net.ends import ReplaceableWire, Wire
from tests.vm.support import Scene
from tests.vm.test_server import LineServerTest
from vspc.net import preaccept
from vspc.net.limits import Allow, Refusals
from vspc.net.tls import ServerTls, load_pair
from vspc.vm import listen, server
from vspc.vm.lines.vmware import Terms
from vspc.vm.listen import ConnectionFilter, GuardedFactory, plain_factory, vmware_factory
from vspc.wire import telnet
from vspc.wire.vmware import DoProxy, VmName, VmVcUuid, encode


class ListenTest(LineServerTest):
    def setUp(self) -> None:
        super().setUp()
        self.filter = ConnectionFilter(
            Allow([ip_network("10.0.0.0/8")]), Refusals(), self.scene.now
        )
        self.events: list[LogEvent] = []
        keep: Any = self.events.append
        globalLogPublisher.addObserver(keep)
        self.addCleanup(globalLogPublisher.removeObserver, keep)

    def factory(self, secure: bool = False) -> GuardedFactory:
        inner: Any = vmware_factory(
            self.scene.server, lambda: Terms(("vspc",), self.scene.now), secure
        )
        if secure:
            state = Path(self.mktemp())
            state.mkdir()
            inner = TLSMemoryBIOFactory(ServerTls(load_pair(None, None, state)), False, inner)
        what = "telnets" if secure else "telnet"
        return GuardedFactory(self.filter, what, inner, self.scene.server)

    def names(self) -> list[str]:
        return [str(event["log_format"]) for event in self.events]


class Listening(ListenTest):
    def test_a_stranger_is_closed_before_a_byte_is_read(self) -> None:
        for secure in (False, True):
            unknown = IPv4Address("TCP", "192.0.2.9", 4)
            self.assertIsNone(self.factory(secure).buildProtocol(unknown))
        self.assertEqual(self.names().count("vm-not-allowed"), 2)
        told = next(e for e in self.events if e["log_format"] == "vm-not-allowed")
        self.assertIn('add "192.0.2.9" to vm.allow', told["hint"])

    def test_ten_lines_a_minute_then_a_count(self) -> None:
        unknown = IPv4Address("TCP", "192.0.2.9", 4)
        for _ in range(50):
            self.factory().buildProtocol(unknown)
        self.assertEqual(self.names().count("vm-not-allowed"), 10)
        self.assertEqual(self.filter.refusals.over(61), [("192.0.2.9", 40)])
        self.factory().buildProtocol(unknown)
        self.assertEqual(self.names().count("vm-not-allowed"), 11)

    def test_hosts_that_may_in_each_spelling(self) -> None:
        for address in (
            IPv4Address("TCP", "10.1.2.3", 4),
            IPv6Address("TCP", "::ffff:10.1.2.3", 4),
            UNIXAddress("/run/x"),
        ):
            self.assertIsInstance(self.factory().buildProtocol(address), Protocol)

    def test_a_reload_counts_for_the_next_connection(self) -> None:
        factory, host = self.factory(), IPv4Address("TCP", "10.1.2.3", 4)
        self.filter.allow = Allow(())
        self.assertIsNone(factory.buildProtocol(host))

    def test_plain_telnet_speaks_telnet_and_asks_by_timing_mark(self) -> None:
        wire = Wire(peerAddress=IPv4Address("TCP", "10.0.0.1", 4))
        line = plain_factory(self.scene.server, "acs", True).buildProtocol(None)
        line.makeConnection(wire)
        self.assertIn(telnet.negotiation(telnet.WILL, telnet.BINARY), wire.take())
        line.dataReceived(b"a\xff\xff\r\0b" + telnet.negotiation(telnet.WILL, telnet.BINARY))
        self.assertEqual(self.console("acs").history.read(0, 99), b"a\xff\r\0b")
        alice, _ = self.scene.attach(self.console("acs"))
        alice.type(b"p" * 9000)
        question = telnet.negotiation(telnet.DO, telnet.TIMING_MARK)
        sent = wire.take()
        self.assertLess(len(sent), 4096 + 64)
        for _ in range(sent.count(question)):
            line.dataReceived(telnet.negotiation(telnet.WONT, telnet.TIMING_MARK))
        self.assertGreater(len(wire.take()), 2000)


class Connection(ReplaceableWire):
    """A connection of a host."""

    def __init__(self, address: str) -> None:
        super().__init__(peerAddress=IPv4Address("TCP", address, 4))

    def connect(self, factory: GuardedFactory) -> bool:
        """Whether the connection is taken."""
        self.above = factory.buildProtocol(self.getPeer())
        if self.above is not None:
            self.above.makeConnection(self)
        return self.above is not None

    def say(self, data: bytes) -> None:
        self.above.dataReceived(data)


AGREE = telnet.negotiation(telnet.WILL, telnet.VMWARE)


class BehindABalancer(ListenTest):
    def setUp(self) -> None:
        super().setUp()
        self.filter.balancers = Allow([ip_network("192.0.2.0/24")])
        self.wire = Connection("192.0.2.1")
        self.taken = self.wire.connect(self.factory())

    def only_line(self) -> str:
        (line,) = self.scene.server.sessions
        return line.address

    def test_the_source_is_known_before_allow_is_asked(self) -> None:
        self.wire.say(b"PROXY TCP4 10.1.2.3 10.0.0.1 40000 13370\r\n" + AGREE)
        self.assertEqual(self.only_line(), "10.1.2.3")
        self.assertIn(telnet.subnegotiation(telnet.VMWARE, b"")[:3], self.wire.take())

    def test_a_source_that_may_not_in_is_closed(self) -> None:
        self.wire.say(b"PROXY TCP4 198.51.100.7 10.0.0.1 40000 13370\r\n" + AGREE)
        self.assertTrue(self.wire.aborted)
        told = next(e for e in self.events if e["log_format"] == "vm-not-allowed")
        self.assertEqual(told["address"], "198.51.100.7")

    def test_version_2_byte_by_byte(self) -> None:
        header = b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + bytes(
            [10, 1, 2, 3, 10, 0, 0, 1, 1, 2, 3, 4]
        )
        for at in range(len(header)):
            self.wire.say(header[at : at + 1])
        self.wire.say(AGREE)
        self.assertEqual(self.only_line(), "10.1.2.3")

    def test_a_balancer_that_says_nothing_is_closed(self) -> None:
        self.scene.clock.advance(4.9)
        self.assertFalse(self.wire.aborted)
        self.scene.clock.advance(0.2)
        self.assertTrue(self.wire.aborted)
        self.assertIn("vm-refused", self.names())

    def test_what_is_no_header_is_closed(self) -> None:
        for bad in (b"\xff\xfb\xe8", b"PROXY TCP4 a b c d\r\n", b"PROXY " + b"x" * 200):
            wire = Connection("192.0.2.1")
            wire.connect(self.factory())
            wire.say(bad)
            self.assertTrue(wire.aborted, bad)
        self.assertFalse(self.scene.server.sessions)

    def test_a_header_from_anybody_else_is_no_header(self) -> None:
        wire = Connection("10.1.2.9")
        wire.connect(self.factory())
        wire.say(b"PROXY TCP4 10.1.2.3 10.0.0.1 40000 13370\r\n")
        self.assertEqual(self.only_line(), "10.1.2.9")

    def test_a_balancer_that_speaks_for_itself_is_asked_like_anybody(self) -> None:
        self.wire.say(b"PROXY UNKNOWN\r\n")
        self.assertTrue(self.wire.aborted)


class Crowds(ListenTest):
    def setUp(self) -> None:
        super().setUp()
        self.patch(server, "UNIDENTIFIED_PER_ADDRESS", 4)
        self.patch(server, "LINES_PER_ADDRESS", 8)
        self.patch(listen, "LINES_PER_ADDRESS", 8)
        self.scene = Scene()
        self.listener = self.factory()

    def connect(self, address: str = "10.0.0.1") -> Connection:
        wire = Connection(address)
        self.assertTrue(wire.connect(self.listener))
        return wire

    def identify(self, wire: Connection, number: int) -> None:
        wire.say(AGREE)
        for message in (DoProxy(b"S", b"vspc"), VmVcUuid(b"%032x" % number), VmName(b"x")):
            wire.say(telnet.subnegotiation(telnet.VMWARE, encode(message)))

    def test_one_that_was_silent_for_5_seconds_gives_way(self) -> None:
        first, *others = [self.connect() for _ in range(4)]
        self.scene.clock.advance(4)
        for wire in others:
            wire.say(AGREE)
        self.scene.clock.advance(1.1)
        newcomer = self.connect()
        self.assertFalse(newcomer.paused)
        self.assertTrue(first.disconnecting)
        self.assertFalse(any(wire.disconnecting for wire in others))

    def test_else_the_newcomer_waits_unread_until_there_is_room(self) -> None:
        wires = [self.connect() for _ in range(4)]
        newcomer, another = self.connect(), self.connect()
        self.assertTrue(newcomer.paused)
        self.assertEqual(newcomer.take(), b"")
        self.identify(wires[0], 1)
        self.scene.server.tick()
        self.assertFalse(newcomer.paused)
        self.assertNotEqual(newcomer.take(), b"")
        self.assertTrue(another.paused)
        self.assertFalse(any(wire.disconnecting for wire in wires))
        self.identify(newcomer, 2)
        self.scene.server.tick()
        self.assertFalse(another.paused)

    def test_other_hosts_do_not_wait(self) -> None:
        for _ in range(6):
            self.connect()
        self.assertFalse(self.connect("10.0.0.2").paused)

    def test_too_many_that_wait_are_closed(self) -> None:
        self.patch(preaccept, "WAITING", 2)
        for _ in range(6):
            self.connect()
        self.assertFalse(Connection("10.0.0.1").connect(self.listener))
        self.assertEqual(len(self.scene.server.queue), 2)

    def test_no_host_loses_its_new_line_to_those_of_another_that_say_nothing(self) -> None:
        self.patch(server, "UNIDENTIFIED", 6)
        self.scene = Scene()
        self.listener = self.factory()
        silent = [self.connect("10.0.0.2") for _ in range(4)]
        self.scene.clock.advance(5.1)
        wires = [self.connect() for _ in range(4)]
        self.assertFalse(any(wire.paused or wire.disconnecting for wire in wires))
        self.assertEqual([wire.disconnecting for wire in silent], [True, True, False, False])

    def test_one_that_goes_while_it_waits(self) -> None:
        for _ in range(4):
            self.connect()
        newcomer = self.connect()
        newcomer.above.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(len(self.scene.server.queue), 0)

    def test_too_many_lines_of_one_host_are_closed_and_the_identified_stay(self) -> None:
        wires = []
        for number in range(8):
            wires.append(self.connect())
            self.identify(wires[-1], number + 1)
        self.assertFalse(Connection("10.0.0.1").connect(self.listener))
        self.assertIn("vm-too-many-lines", self.names())
        self.assertFalse(any(wire.disconnecting for wire in wires))
        wires[0].above.connectionLost(Failure(ConnectionDone()))
        self.scene.clock.advance(0)  # its turn comes
        self.assertTrue(Connection("10.0.0.1").connect(self.listener))
