"""What is remembered of connections: by real lines, and bounded under a flood."""

from ipaddress import ip_network

from twisted.internet.address import IPv4Address
from twisted.trial.unittest import SynchronousTestCase

from tests.vm.support import Scene
from vspc.console.connection_history import (
    ATTEMPTS,
    ATTEMPTS_OF_ONE,
    HOSTS,
    ConnectionHistory,
    FailedConnection,
)
from vspc.console.events import Introduction, RefusalKind, VmRefused
from vspc.net.limits import Allow, Refusals
from vspc.vm.lines.vmware import Terms
from vspc.vm.listen import ConnectionFilter, GuardedFactory, vmware_factory
from vspc.wire.telnet import VMWARE, WONT, negotiation
from vspc.wire.vmware import DoProxy, VmName


class RememberedConnections(SynchronousTestCase):
    """A server's history."""

    def setUp(self) -> None:
        self.scene = Scene()
        self.history = ConnectionHistory(self.scene.clock.wall)
        self.scene.events.subscribe(self.history.on_event, *self.history.EVENTS)

    def only(self) -> FailedConnection:
        [found] = self.history.attempts()
        return found

    def test_before_anything_came_there_is_nothing(self) -> None:
        self.assertEqual(self.history.since, self.scene.clock.wall())
        self.assertIsNone(self.history.host("10.0.0.1"))
        self.assertEqual((*self.history.attempts(), *self.history.forgotten()), ())

    def test_a_wrong_service_uri_with_the_name_that_came_before(self) -> None:
        for _ in range(3):
            host = self.scene.host("10.0.0.5").agree()
            host.say(VmName(b"web01"), DoProxy(b"S", b"console\x1b?port=1"))
            self.scene.clock.advance(1)
        found = self.only()
        self.assertEqual((found.kind, found.count), (RefusalKind.SERVICE_URI, 3))
        self.assertEqual(found.said, Introduction("web01", "", "console\\x1b?port=1"))
        self.assertEqual(found.last - found.first, 2)
        self.assertIn("vm.service_uris", found.hint)

    def test_the_direction_is_client(self) -> None:
        self.scene.host().agree().say(DoProxy(b"C", b"vspc"))
        found = self.only()
        self.assertEqual(found.kind, RefusalKind.DIRECTION)
        self.assertEqual(found.said.service_uri, "vspc")

    def test_a_remote_system_that_is_not_allowed(self) -> None:
        self.scene.host().agree().say(DoProxy(b"C", b"tcp://192.0.2.1:23"))
        found = self.only()
        self.assertEqual(found.kind, RefusalKind.REMOTE)
        self.assertEqual(found.said.service_uri, "tcp://192.0.2.1:23")

    def test_no_extension(self) -> None:
        self.scene.host().say(negotiation(WONT, VMWARE))
        self.assertEqual(self.only().kind, RefusalKind.NO_EXTENSION)

    def test_the_identification_stops_in_the_middle(self) -> None:
        self.scene.host().agree().say(DoProxy(b"S", b"vspc"))
        self.scene.clock.advance(31)
        found = self.only()
        self.assertEqual(
            (found.kind, found.said.missing), (RefusalKind.INCOMPLETE, "UUID and VM-NAME")
        )

    def test_a_connection_that_closes_without_a_byte(self) -> None:
        self.scene.host("10.0.0.7").lose()
        found = self.only()
        self.assertIsNone(found.kind)
        self.assertEqual(found.said.missing, "VMware's telnet extension")
        host = self.history.host("10.0.0.7")
        assert host is not None
        self.assertEqual((host.left, host.refused, host.served), (1, 0, 0))

    def test_a_host_that_may_not_connect(self) -> None:
        scene = self.scene
        connection_filter = ConnectionFilter(
            Allow([ip_network("10.0.0.0/8")]), Refusals(), scene.now
        )
        inner = vmware_factory(scene.server, lambda: Terms(("vspc",), scene.now), False)
        factory = GuardedFactory(connection_filter, "telnet", inner, scene.server)
        factory.buildProtocol(IPv4Address("TCP", "192.0.2.9", 4))
        found = self.only()
        self.assertEqual(found.kind, RefusalKind.NOT_ALLOWED)
        self.assertEqual(found.hint, 'add to vm.allow: "192.0.2.9/32"')

    def test_what_got_a_console_counts_for_its_host_alone(self) -> None:
        self.scene.host("10.0.0.1").register()
        host = self.history.host("10.0.0.1")
        assert host is not None
        self.assertEqual((host.served, host.last_served), (1, self.scene.clock.wall()))
        self.assertEqual(self.history.attempts(), [])

    def test_a_forgotten_console(self) -> None:
        host = self.scene.host()
        host.register()
        [console] = self.scene.roster
        host.lose()
        self.scene.clock.advance(5)
        self.assertTrue(self.scene.server.forget(console))
        [gone] = self.history.forgotten()
        self.assertEqual((gone.console.title, gone.at), ("web01", self.scene.clock.wall()))

    def test_a_flood_is_bounded(self) -> None:
        for number in range(2 * ATTEMPTS_OF_ONE):
            self.refuse("10.0.0.1", f"vm{number}")
        self.assertEqual(len(self.history.attempts()), ATTEMPTS_OF_ONE)
        for number in range(HOSTS + ATTEMPTS):
            self.refuse(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", "x")
        self.assertEqual(len(self.history.attempts()), ATTEMPTS)
        self.assertEqual(len(self.history.hosts()), HOSTS)

    def refuse(self, address: str, name: str) -> None:
        self.history.on_event(VmRefused(address, "default", "no", said=Introduction(name)))
