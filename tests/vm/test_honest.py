"""What happens to honest VMs, which works without an administrator."""

from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure

from tests.vm.support import VC_UUID, Host
from tests.vm.test_server import LineServerTest
from vspc.console.attachment import Refusal, Typed
from vspc.console.console import ConsoleState
from vspc.console.identity import Takeover
from vspc.vm.context import Zone
from vspc.vm.roles import LineEvent
from vspc.wire.vmware import (
    DoProxy,
    KnownSuboptions1,
    UnknownSuboption1,
    VmBiosUuid,
    VmName,
    VmVcUuid,
)

OLD, NEW = "10.1.1.4", "10.1.1.7"
ANSWER = VmVcUuid(VC_UUID)


class MovedTest(LineServerTest):
    def setUp(self) -> None:
        super().setUp()
        self.old = self.scene.host(OLD)
        self.old.register()
        self.old.say(b"before\n")
        self.alice, self.sink = self.scene.attach(self.console())
        self.alice.type(b"k")

    def is_at(self, address: str) -> None:
        line = self.console().link.line
        assert line is not None
        self.assertEqual(line.address, address)

    def restart(self) -> Host:
        """HA starts the VM on another host."""
        new = self.scene.host(NEW)
        new.register()
        new.say(b"SeaBIOS\n")
        return new


class ReplacedByItsHost(MovedTest):
    def test_who_typed_at_the_line_that_broke_is_told(self) -> None:
        self.alice.type(b"s")
        again = self.scene.host(OLD)
        again.register()
        self.scene.clock.advance(5.1)
        self.scene.turn()
        told = f"web01 has a new connection from {OLD}: the previous line does not answer"
        self.assertIn(f"{told}; up to 2 bytes of input may not have arrived", self.sink.notices)
        self.alice.type(b"x")
        self.assertTrue(again.wire.take().endswith(b"x"))


class Moved(MovedTest):
    def test_ha_restart_of_a_host_that_vanished(self) -> None:
        new = self.restart()
        self.scene.clock.advance(5.1)
        self.is_at(NEW)
        self.scene.turn()
        self.assertEqual(bytes(self.sink.output), b"SeaBIOS\n")
        self.assertEqual(self.alice.type(b"x"), Typed(0, Refusal.HOST))
        self.assertIsNone(self.alice.take_pen())
        self.alice.type(b"root\r")
        self.assertTrue(new.wire.take().endswith(b"root\r"))
        # The vanished host never speaks again: its line is closed in the end.
        self.scene.clock.advance(601)
        self.assertTrue(self.old.closed)
        self.assertEqual(self.count(), 1)

    def test_ha_restart_of_a_vm_with_three_ports(self) -> None:
        for label in (b"a", b"b"):
            self.scene.host(OLD).register(uri=b"vspc?port=" + label)
        self.scene.host(NEW).register(uri=b"vspc?port=b")
        self.scene.host(NEW).register()
        self.scene.host(NEW).register(uri=b"vspc?port=a")
        self.scene.clock.advance(5.1)
        self.assertEqual({c.link.last_address for c in self.scene.roster}, {NEW})
        self.assertEqual(self.count(), 3)

    def test_power_off_and_on_elsewhere(self) -> None:
        self.old.lose()
        self.restart()
        self.is_at(NEW)
        self.assertEqual(self.count(), 1)
        self.assertEqual(self.console().history.read(0, 99), b"before\nSeaBIOS\n")

    def test_power_off_and_on_at_the_same_host_needs_no_asking(self) -> None:
        self.old.lose()
        again = self.scene.host(OLD)
        again.register()
        self.alice.type(b"x")
        self.assertTrue(again.wire.take().endswith(b"x"))
        self.assertEqual(self.scene.suspicions(), [])

    def test_a_host_that_reboots_and_takes_its_vms_back(self) -> None:
        again = self.scene.host(OLD)
        again.register()
        self.scene.clock.advance(5.1)
        self.assertTrue(self.old.closed)
        again.say(b"up\n")
        self.assertEqual(self.console().history.read(0, 99), b"before\nup\n")
        self.assertEqual(self.count(), 1)

    def test_a_storage_outage_of_two_minutes(self) -> None:
        self.old.line.unacknowledged = lambda: 5000  # type: ignore[method-assign]
        self.alice.type(b"p" * 9000)
        for _ in range(24):
            self.scene.clock.advance(5)
            self.scene.server.tick()
        self.assertIs(self.console().state, ConsoleState.CONNECTED)
        said = self.old.wire.take()
        for _ in range(9):
            said += self.old.say(ANSWER)
        self.assertEqual(said.count(b"p"), 9000)
        self.assertEqual(self.scene.suspicions(), [])

    def test_an_old_host_that_answers_one_probe_late_and_then_closes(self) -> None:
        new = self.restart()
        self.scene.clock.advance(6)
        self.old.say(ANSWER)
        self.is_at(OLD)
        self.assertFalse(new.closed)
        new.say(b"login: ")
        self.old.lose()
        self.is_at(NEW)
        self.scene.turn()
        self.assertEqual(bytes(self.sink.output), b"SeaBIOS\nlogin: ")
        self.assertIsNone(self.alice.take_pen())
        self.alice.type(b"root")
        self.assertTrue(new.wire.take().endswith(b"root"))
        self.assertEqual(self.count(), 1)

    def test_an_old_host_that_answers_one_probe_late_and_then_dies(self) -> None:
        """Nobody closes its line; keepalive does."""
        self.restart()
        self.scene.clock.advance(6)
        self.old.say(ANSWER)
        self.old.transport.connectionLost(Failure(ConnectionLost()))
        self.is_at(NEW)

    def test_an_old_host_that_answered_in_time_and_closes_later(self) -> None:
        self.restart()
        self.old.say(ANSWER)
        self.is_at(OLD)
        self.old.lose()
        self.is_at(NEW)

    def test_a_suspect_that_speaks_after_the_new_line_is_gone(self) -> None:
        new = self.restart()
        self.scene.clock.advance(6)
        new.lose()
        self.assertIs(self.console().state, ConsoleState.AWAY)
        self.old.say(b"still here")
        self.is_at(OLD)
        self.assertIn(b"still here", self.console().history.read(0, 99))

    def test_a_vm_that_goes_from_silent_host_to_silent_host_keeps_four_suspects(self) -> None:
        hosts = [self.old]
        for number in range(6):
            host = self.scene.host(f"10.1.2.{number}")
            host.register()
            self.scene.clock.advance(5.1)
            hosts.append(host)
        self.assertEqual([host.closed for host in hosts], [True, True] + [False] * 5)
        hosts[3].say(b"I am alive\n")
        self.is_at("10.1.2.2")

    def test_a_suspect_whose_console_was_forgotten_is_somebody_new(self) -> None:
        new = self.restart()
        self.scene.clock.advance(6)
        new.lose()
        console = self.console()
        self.scene.roster.forget(console)
        self.old.say(b"still here")
        self.is_at(OLD)
        self.assertIsNot(self.console(), console)
        self.assertEqual(self.console().history.read(0, 99), b"still here")

    def test_forgetting_a_console_closes_its_suspects(self) -> None:
        new = self.restart()
        self.scene.clock.advance(6)
        new.lose()
        self.assertTrue(self.scene.server.forget(self.console()))
        self.assertTrue(self.old.closed)
        self.assertEqual(self.count(), 0)

    def test_an_administrator_who_accepts_one_closes_the_suspects_too(self) -> None:
        self.restart()
        self.scene.clock.advance(6)
        self.scene.host("10.1.1.9").register()
        line = self.console().link.line
        assert line is not None
        self.scene.server.sessions[line].handle(LineEvent.ALIVE)
        self.assertTrue(self.scene.server.accept(self.console(), "10.1.1.9"))
        self.is_at("10.1.1.9")
        self.assertTrue(self.old.closed)

    def test_an_administrator_says_who_is_right(self) -> None:
        new = self.restart()
        self.old.say(ANSWER)
        server, console = self.scene.server, self.console()
        self.assertFalse(server.accept(console, "10.9.9.9"))
        self.assertTrue(server.accept(console, NEW))
        self.is_at(NEW)
        self.assertTrue(self.old.closed)
        self.assertFalse(new.closed)
        self.old.lose()
        self.is_at(NEW)
        self.assertEqual(self.count(), 1)


class Trust(MovedTest):
    """How far another host is trusted, by the zone's rule; the old line never answers."""

    def arrives(self, takeover: Takeover) -> Host:
        self.scene.server.zone.takeover = takeover
        return self.restart()

    def state(self) -> list[str]:
        return sorted(console.state.value for console in self.scene.roster)

    def test_same_host_keeps_it_apart_until_the_old_line_is_closed(self) -> None:
        self.arrives(Takeover.SAME_HOST)
        self.scene.clock.advance(60)
        self.is_at(OLD)
        self.assertEqual(self.state(), ["connected", "quarantined"])
        self.old.lose()
        self.is_at(NEW)

    def test_certificate_without_one_is_as_same_host(self) -> None:
        self.arrives(Takeover.CERTIFICATE)
        self.scene.clock.advance(60)
        self.is_at(OLD)

    def test_hold_keeps_even_the_same_host_apart(self) -> None:
        self.scene.server.zone.takeover = Takeover.HOLD
        self.scene.host(OLD).register()
        self.scene.clock.advance(60)
        self.assertEqual(self.state(), ["connected", "quarantined"])

    def test_allow_takes_over_at_once_and_the_old_line_is_closed(self) -> None:
        self.arrives(Takeover.ALLOW)
        self.is_at(NEW)
        self.assertTrue(self.old.closed)


class Names(LineServerTest):
    def test_rename(self) -> None:
        host = self.scene.host()
        host.register()
        host.say(VmName(b"web02"))
        self.assertEqual(self.console("web02").state, ConsoleState.CONNECTED)
        self.assertEqual(self.count(), 1)

    def test_rename_while_it_is_off_is_told_from_a_copy_by_nobody(self) -> None:
        host = self.scene.host()
        host.register()
        host.lose()
        self.scene.host().register(b"web02")
        self.assertEqual((self.console("web02").state, self.count()), (ConsoleState.CONNECTED, 2))
        self.assertIs(self.console("web01").state, ConsoleState.AWAY)

    def test_a_template_deployed_50_times_a_day_under_one_name(self) -> None:
        for number in range(50):
            host = self.scene.host(f"10.0.0.{number % 5 + 1}")
            host.register(b"template", b"%032x" % (number + 1))
            self.assertEqual(self.console("template").vm.uuid, f"{number + 1:032x}")
            host.lose()
        self.assertEqual(self.scene.suspicions(), [])
        names = {c.name for c in self.scene.roster}
        self.assertEqual(len(names), 50)

    def test_linked_clones_with_one_uuid_on_one_host(self) -> None:
        hosts = [self.scene.host(OLD) for _ in range(5)]
        for number, host in enumerate(hosts):
            host.register(b"clone%d" % number)
            host.say(b"I am %d" % number)
        for number in range(5):
            console = self.console(f"clone{number}")
            self.assertEqual(console.history.read(0, 99), b"I am %d" % number)
        duplicates = [c.vm.identity.duplicate for c in self.scene.roster]
        self.assertEqual(duplicates.count(True), 4)

    def test_linked_clones_on_two_hosts_come_back_to_their_own_consoles(self) -> None:
        first, second = self.scene.host(OLD), self.scene.host(NEW)
        first.register(b"one")
        second.register(b"two")
        for host in (first, second):
            host.lose()
        self.scene.host(NEW).register(b"one")
        self.scene.host(OLD).register(b"two")
        self.assertEqual(self.count(), 2)
        self.assertEqual(self.console("one").link.last_address, NEW)
        self.assertEqual(self.console("two").link.last_address, OLD)

    def test_two_vcenters_with_equal_uuids_in_two_zones(self) -> None:
        for zone in ("east", "west"):
            self.scene.host(OLD, zone=Zone(zone)).register()
        self.assertEqual(self.count(), 2)
        for zone in ("east", "west"):
            self.assertEqual(self.console(f"{zone}/web01").vm.zone, zone)

    def test_a_vm_without_a_vc_uuid(self) -> None:
        for _ in range(2):
            host = self.scene.host().agree()
            host.say(KnownSuboptions1(bytes([70, 80, 82, 84])), DoProxy(b"S", b"vspc"))
            host.say(VmVcUuid(b""), VmBiosUuid(VC_UUID), VmName(b"web01"))
            host.lose()
        self.assertEqual((self.console().vm.identity.kind, self.count()), ("bios", 1))

    def test_a_vm_without_any_uuid(self) -> None:
        for _ in range(2):
            host = self.scene.host().agree()
            host.say(DoProxy(b"S", b"vspc"))
            host.say(*(UnknownSuboption1(code) for code in (81, 85, 87)), VmName(b"web01"))
            host.lose()
        self.assertEqual((self.console().vm.identity.kind, self.count()), ("at", 1))


class Storm(LineServerTest):
    def test_2_000_vms_of_20_hosts_go_and_come_back(self) -> None:
        """More than may be quarantined, of each host and in all."""

        def everybody() -> list[Host]:
            hosts = []
            for number in range(2_000):
                host = self.scene.host(f"10.0.{number % 20}.1")
                host.register(b"vm%d" % number, b"%032x" % (number + 1))
                hosts.append(host)
            return hosts

        for host in everybody():
            host.lose()
        self.scene.server.tick()
        again = everybody()
        self.assertEqual(self.count(), 2_000)
        self.assertFalse(any(host.closed for host in again))
        self.assertEqual(self.scene.suspicions(), [])
