"""What goes wrong with hosts and vMotions on purpose: stuns, deaths, HA, lines lost, hangs."""

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.simulator.proxy import SECRET, Proxy
from tests.simulator.support import PROMPT, World
from tests.simulator.test_migration import HERE, SEQUENCE, THERE
from vspc.simulator import extension as ext
from vspc.simulator.fleet import NOTICE as CLEARED
from vspc.simulator.migration import HANG_LIMIT, NOTICE, PlannedFault
from vspc.simulator.serial_port import MigrationReport


class StunTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.proxy = self.world.start()
        self.proxy.heard.clear()

    def test_a_stunned_host_says_and_answers_nothing_then_all_that_came(self) -> None:
        self.world.typed(b"stream 1000 100\r")
        self.assertTrue(self.world.vm.stun(6))
        said = len(self.proxy.data)
        self.proxy.type(b"\x03echo later\r")
        self.proxy.say(ext.GET_VC_UUID)
        self.world.run(5.9)
        self.assertEqual((len(self.proxy.data), self.proxy.heard), (said, []))
        self.assertEqual((self.world.vm.state, self.proxy.lost), ("stunned", False))
        self.world.run(0.2)
        self.assertEqual([code for code, _ in self.proxy.heard], [ext.VC_UUID])
        self.assertTrue(
            self.proxy.data.endswith(b"^C\r\n" + PROMPT + b"echo later\r\nlater\r\n" + PROMPT)
        )
        self.assertEqual(self.world.vm.state, "connected")

    def test_a_line_that_is_closed_meanwhile_is_made_anew_afterwards(self) -> None:
        self.world.vm.stun(6)
        self.world.network.links[0].server.abortConnection()
        self.world.run(5.9)
        self.assertEqual(len(self.world.proxies), 1)
        self.world.run(1.2)
        self.assertEqual((self.world.vm.state, len(self.world.proxies)), ("connected", 2))

    def test_the_power_can_be_switched_off_meanwhile(self) -> None:
        self.world.vm.stun(6)
        self.world.vm.power_off()
        self.world.run(7)
        self.assertEqual((self.world.vm.state, self.proxy.lost), ("off", True))
        self.assertEqual(self.world.clock.getDelayedCalls(), [])

    def test_nothing_grows_without_end_where_the_proxy_goes_on(self) -> None:
        self.world.vm.stun(6)
        self.proxy.type(b"#" * 5_000_000)
        self.world.run(1)
        self.assertEqual(self.world.vm.state, "stunned")
        self.assertTrue(self.world.network.links[0].client.paused)


class CrashTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.proxy = self.world.start()
        self.fleet = self.world.fleet()

    def test_a_dead_host_keeps_its_lines_and_is_silent(self) -> None:
        self.world.typed(b"stream 1000 100\r")
        said = len(self.proxy.data)
        self.fleet.crash(HERE)
        self.proxy.say(ext.GET_VC_UUID)
        self.world.run(60)
        self.assertEqual((len(self.proxy.data), self.proxy.lost), (said, False))
        self.assertNotIn(ext.VC_UUID, self.proxy.codes()[5:])
        self.assertEqual((self.world.vm.state, len(self.world.proxies)), ("crashed", 1))

    def test_ha_boots_the_vm_anew_elsewhere_with_its_own_identity_and_no_credential(self) -> None:
        self.world.typed(b"echo typed\r")
        self.fleet.ha(HERE, THERE)
        self.world.run()
        self.assertEqual(self.world.sources, [HERE, THERE])
        target = self.world.proxy
        self.assertNotIn(ext.PEER, target.codes())
        self.assertEqual(dict(target.heard)[ext.NAME], b"web1")
        self.assertEqual(dict(target.heard)[ext.VC_UUID], dict(self.proxy.heard)[ext.VC_UUID])
        self.assertTrue(target.data.startswith(b"SeaBIOS"))
        self.assertEqual((self.world.vm.state, self.world.vm.address), ("connected", THERE))

    def test_a_host_that_comes_back_answers_then_ends_what_runs_elsewhere(self) -> None:
        self.fleet.ha(HERE, THERE)
        self.proxy.heard.clear()
        self.proxy.say(ext.GET_NAME)
        self.proxy.type(b"echo to whom\r")
        self.world.run(1)
        self.assertEqual(self.fleet.revive(HERE), 1)
        self.world.run(CLEARED / 2)
        self.assertEqual((self.proxy.heard, self.proxy.lost), ([(ext.NAME, b"web1")], False))
        self.world.run(CLEARED)
        self.assertTrue(self.proxy.lost)
        self.assertEqual((self.world.vm.state, len(self.world.proxies)), ("connected", 2))
        self.assertNotIn(b"to whom", self.world.output())

    def test_a_host_dies_in_the_middle_of_a_vmotion(self) -> None:
        moving = self.world.vm.migrate(THERE, transfer=1.0)
        self.world.run(0.5)
        self.fleet.crash(HERE)
        self.world.run(60)
        self.assertEqual(self.successResultOf(moving).reason, "its host crashed")
        self.assertEqual((self.proxy.lost, self.proxy.codes()[-1]), (False, ext.BEGIN))

    def test_a_host_that_dies_while_it_connects_is_not_heard_of(self) -> None:
        self.fleet.end()
        self.world.vm.power_on()
        self.fleet.crash(HERE)
        self.world.run(60)
        self.assertEqual(self.world.proxy.heard, [])

    def test_the_end_closes_what_was_left_open(self) -> None:
        self.fleet.ha(HERE, THERE)
        self.world.run()
        self.fleet.end()
        self.world.run()
        self.assertEqual([proxy.lost for proxy in self.world.proxies], [True, True])
        self.assertEqual(self.world.clock.getDelayedCalls(), [])


class FaultyMigrationTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.source = self.world.start()
        self.vm = self.world.vm

    def move(self, fault: PlannedFault, seconds: float = 0.0) -> "Deferred[MigrationReport]":
        moving = self.vm.migrate(THERE, 0.0, fault, SEQUENCE)
        self.world.run(seconds)
        return moving

    def assertStays(self, moving: "Deferred[MigrationReport]", reason: str) -> MigrationReport:
        report = self.successResultOf(moving)
        self.assertEqual((report.outcome, report.reason), ("failed", reason))
        self.assertEqual((self.vm.state, self.vm.address), ("connected", HERE))
        self.source.type(b"echo here\r")
        self.world.run()
        self.assertTrue(self.source.data.endswith(b"\r\nhere\r\n" + PROMPT))
        return report

    def test_the_target_is_lost_before_complete(self) -> None:
        moving = self.move(PlannedFault.TARGET_LOST)
        target = self.world.proxy
        self.assertEqual((target.lost, ext.PEER in target.codes()), (True, True))
        self.assertNotIn(ext.ABORT, self.source.codes())
        self.assertNoResult(moving)
        self.world.run(NOTICE + 0.1)
        self.assertEqual(self.source.codes()[-1], ext.ABORT)
        self.assertStays(moving, "target lost on purpose")

    def test_the_source_is_lost_before_peer(self) -> None:
        moving = self.vm.migrate(THERE, 0.5, PlannedFault.SOURCE_LOST, SEQUENCE)
        self.world.run(0.1)
        self.assertEqual((self.source.lost, len(self.world.proxies)), (True, 1))
        self.world.run(0.5)
        self.assertEqual(self.successResultOf(moving).outcome, "moved")
        self.assertEqual((self.vm.state, self.vm.address), ("connected", THERE))
        self.assertEqual(self.world.typed(b"echo hi\r"), b"echo hi\r\nhi\r\n" + PROMPT)

    def test_it_hangs_before_peer_or_before_complete_and_is_forgotten_at_last(self) -> None:
        for fault, lines in ((PlannedFault.HANG, 1), (PlannedFault.HANG_LATE, 2)):
            self.world = World()
            self.source, self.vm = self.world.start(), self.world.vm
            moving = self.move(fault, 100)
            self.assertEqual((self.vm.state, len(self.world.proxies)), ("migrating", lines))
            self.assertEqual([proxy.lost for proxy in self.world.proxies], [False] * lines)
            self.world.run(HANG_LIMIT - 99)
            self.assertStays(moving, "hung on purpose")
            self.assertNotIn(ext.ABORT, self.source.codes())

    def test_it_hangs_until_the_proxy_closes_a_line(self) -> None:
        moving = self.move(PlannedFault.HANG)
        self.source.close()
        self.world.run(2)
        self.assertEqual(self.successResultOf(moving).outcome, "failed")
        self.assertEqual((self.vm.state, self.vm.address), ("connected", HERE))
        moving = self.move(PlannedFault.HANG_LATE)
        self.world.proxy.close()
        self.world.run()
        self.assertEqual(self.successResultOf(moving).outcome, "failed")
        self.assertEqual(self.vm.state, "connected")

    def test_the_source_talks_on_and_its_credential_is_told(self) -> None:
        moving = self.move(PlannedFault.TALK_ON)
        report = self.assertStays(moving, "talks on, on purpose")
        self.assertEqual(report.credential, (SEQUENCE + SECRET).hex())
        self.assertNotIn(ext.ABORT, self.source.codes())


class ConvoyTests(SynchronousTestCase):
    """Several ports of one VM."""

    def setUp(self) -> None:
        self.world = World(ports=3)
        self.world.start()
        self.machine = self.world.machine

    def move(self, **words: object) -> list[MigrationReport]:
        moving = self.machine.move(THERE, 0.0, **words)  # type: ignore[arg-type]
        self.world.run()
        return self.successResultOf(moving)

    def test_all_of_them_move_with_sequences_of_their_own(self) -> None:
        reports = self.move()
        self.assertEqual([report.outcome for report in reports], ["moved"] * 3)
        begun = [dict(proxy.heard)[ext.BEGIN] for proxy in self.world.proxies[:3]]
        self.assertEqual(len(set(begun)), 3)
        self.assertEqual(self.world.sources, [HERE] * 3 + [THERE] * 3)

    def test_none_is_completed_before_all_are_accepted(self) -> None:
        class Slow(Proxy):
            slow: "list[Proxy]" = []

            def suboption(self, code: int, payload: bytes) -> None:
                if code == ext.PEER and not self.slow:
                    self.slow.append(self)
                    return
                super().suboption(code, payload)

        self.world.kind = Slow
        moving = self.machine.move(THERE, 0.0)
        self.world.run()
        self.assertNoResult(moving)
        codes = [code for proxy in self.world.proxies for code in proxy.codes()]
        self.assertNotIn(ext.COMPLETE, codes)
        [slow] = Slow.slow
        slow.say(ext.PEER_OK, dict(slow.heard)[ext.PEER][: -len(SECRET)])
        self.world.run()
        self.assertEqual({r.outcome for r in self.successResultOf(moving)}, {"moved"})

    def test_one_that_fails_keeps_all_where_they_are(self) -> None:
        second, other = self.machine.port("com2"), "another port of the VM did not move"
        reports = self.move(fault=PlannedFault.ABORT_LATE, only=second)
        self.assertEqual(
            [report.reason for report in reports],
            [other, "aborted on purpose", other],
        )
        self.assertEqual({port.address for port in self.machine.ports}, {HERE})
        self.assertEqual({port.state for port in self.machine.ports}, {"connected"})
        self.assertEqual([proxy.codes()[-1] for proxy in self.world.proxies[:3]], [ext.ABORT] * 3)

    def test_one_that_hangs_keeps_all_of_them_waiting_as_long_as_it_hangs(self) -> None:
        for fault in (PlannedFault.HANG, PlannedFault.HANG_LATE):
            second = self.machine.port("com2")
            moving = self.machine.move(THERE, 0.0, fault=fault, only=second)
            self.world.run(HANG_LIMIT - 1)
            self.assertNoResult(moving)
            self.assertEqual({port.state for port in self.machine.ports}, {"migrating"})
            self.world.run(2)
            self.assertEqual({r.outcome for r in self.successResultOf(moving)}, {"failed"})
            self.assertEqual({port.address for port in self.machine.ports}, {HERE})

    def test_a_guest_that_shuts_down_takes_all_its_ports_with_it(self) -> None:
        self.world.typed(b"poweroff\r", 0.1)
        self.assertEqual({port.state for port in self.machine.ports}, {"off"})

    def test_ports_are_called_by_label_or_number(self) -> None:
        fleet = self.world.fleet()
        for word in ("web1:com2", "web1:2"):
            found = fleet.find(word)
            assert found is not None
            self.assertIs(found[1], self.machine.ports[1])
        self.assertIsNone(fleet.find("web1:4"))
        self.assertIsNone(fleet.find("db1"))
        self.assertIn(b"web1 ttyS1.", self.world.proxies[1].data)
