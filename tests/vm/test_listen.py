"""Who may connect to a listener at all, and what is told of those who may not."""

from ipaddress import ip_network
from pathlib import Path
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.protocol import Protocol
from twisted.logger import LogEvent, globalLogPublisher
from twisted.protocols.tls import TLSMemoryBIOFactory

from tests.net.ends import Wire
from tests.vm.test_door import DoorTest
from vspc.net.limits import Allow, Refusals
from vspc.net.tls import ServerTls, load_pair
from vspc.vm.listen import Gatekeeper, GuardedFactory, PlainFactory, VMwareFactory
from vspc.vm.vmware import Terms
from vspc.wire import telnet


class Listening(DoorTest):
    def setUp(self) -> None:
        super().setUp()
        self.gatekeeper = Gatekeeper(Allow([ip_network("10.0.0.0/8")]), Refusals(), self.scene.now)
        self.events: list[LogEvent] = []
        keep: Any = self.events.append
        globalLogPublisher.addObserver(keep)
        self.addCleanup(globalLogPublisher.removeObserver, keep)

    def factory(self, secure: bool = False) -> GuardedFactory:
        inner: Any = VMwareFactory(
            self.scene.door, lambda: Terms(("vspc",), self.scene.now), secure
        )
        if secure:
            state = Path(self.mktemp())
            state.mkdir()
            inner = TLSMemoryBIOFactory(ServerTls(load_pair(None, None, state)), False, inner)
        return GuardedFactory(self.gatekeeper, "telnets" if secure else "telnet", inner)

    def names(self) -> list[str]:
        return [str(event["log_format"]) for event in self.events]

    def test_a_stranger_is_closed_before_a_byte_is_read(self) -> None:
        for secure in (False, True):
            stranger = IPv4Address("TCP", "192.0.2.9", 4)
            self.assertIsNone(self.factory(secure).buildProtocol(stranger))
        self.assertEqual(self.names().count("vm-not-allowed"), 2)
        told = next(e for e in self.events if e["log_format"] == "vm-not-allowed")
        self.assertIn('add "192.0.2.9" to vm.allow', told["hint"])

    def test_ten_lines_a_minute_then_a_count(self) -> None:
        stranger = IPv4Address("TCP", "192.0.2.9", 4)
        for _ in range(50):
            self.factory().buildProtocol(stranger)
        self.assertEqual(self.names().count("vm-not-allowed"), 10)
        self.assertEqual(self.gatekeeper.refusals.over(61), [("192.0.2.9", 40)])
        self.factory().buildProtocol(stranger)
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
        self.gatekeeper.allow = Allow(())
        self.assertIsNone(factory.buildProtocol(host))

    def test_plain_telnet_speaks_telnet_and_asks_by_timing_mark(self) -> None:
        wire = Wire(peerAddress=IPv4Address("TCP", "10.0.0.1", 4))
        line = PlainFactory(self.scene.door, "acs", True, self.scene.now).buildProtocol(None)
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
