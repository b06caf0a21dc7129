"""VMs that the server turns away are told of, each with the line that would let it in."""

from ipaddress import ip_network

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.trial.unittest import SynchronousTestCase

from tests.audit.holding import Recorded
from tests.vm.support import Scene
from vspc.audit.refusals import RecentRefusals
from vspc.audit.subscriber import AuditSubscriber
from vspc.console.events import VmRefused
from vspc.net.limits import Allow, Refusals
from vspc.vm.lines.vmware import Terms
from vspc.vm.listen import ConnectionFilter, GuardedFactory, vmware_factory


class TurnedAway(SynchronousTestCase):
    """A server, and what is told of those who do not get in."""

    def setUp(self) -> None:
        self.scene = Scene()
        clock = self.scene.clock
        self.recorded, self.refused = Recorded(), RecentRefusals(clock.wall)
        subscriber = AuditSubscriber(self.recorded, self.refused, clock.seconds, clock.wall)
        self.scene.events.subscribe(subscriber.handle, *subscriber.EVENTS)

    def told(self) -> list[VmRefused]:
        return [each for each in self.scene.happened if isinstance(each, VmRefused)]

    def listener(self, key: str = "vm.allow") -> GuardedFactory:
        connection_filter = ConnectionFilter(
            Allow([ip_network("10.0.0.0/8")]), Refusals(), self.scene.now, key
        )
        inner = vmware_factory(self.scene.server, lambda: Terms(("vspc",), self.scene.now), False)
        return GuardedFactory(connection_filter, "telnet", inner, self.scene.server)

    def test_a_host_that_may_not_connect(self) -> None:
        self.listener().buildProtocol(IPv4Address("TCP", "192.0.2.9", 4))
        self.listener().buildProtocol(IPv6Address("TCP", "2001:db8::9", 4))
        key = "the allow of [[vm.zone]] prod"
        self.listener(key).buildProtocol(IPv4Address("TCP", "192.0.2.9", 4))
        self.assertEqual(
            [one.hint for one in self.told()],
            [
                'add to vm.allow: "192.0.2.9/32"',
                'add to vm.allow: "2001:db8::9/128"',
                'add to the allow of [[vm.zone]] prod: "192.0.2.9/32"',
            ],
        )
        self.assertEqual(len(self.recorded.named("vm-refused")), 3)

    def test_a_service_uri_that_is_not_ours(self) -> None:
        host = self.scene.host()
        host.register(uri=b'other"one\x1b?x=1')
        [one] = self.told()
        self.assertEqual(one.hint, 'add to vm.service_uris: "other\\"one\\\\x1b"')
        self.assertEqual((one.address, one.zone), ("10.0.0.1", "default"))
        [line] = self.recorded.lines
        self.assertIn("service URI", str(line["reason"]))
        [kept] = self.refused.latest()
        self.assertEqual((kept.what, kept.name), ("vm", "default"))

    def test_one_that_never_says_who_it_is(self) -> None:
        self.scene.host().agree()
        self.scene.clock.advance(31)
        [one] = self.told()
        self.assertIn("not received within", one.reason)

    def test_one_that_is_refused_is_reported_once(self) -> None:
        host = self.scene.host()
        host.register(uri=b"other")
        host.register(uri=b"other")
        host.lose()
        self.scene.clock.advance(60)
        self.assertEqual(len(self.told()), 1)

    def test_one_that_is_welcome_is_not(self) -> None:
        self.scene.host().register()
        self.assertEqual(self.told(), [])
