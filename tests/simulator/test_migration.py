"""vMotion, from the two hosts' side: happy, refused, aborted, lost, and under load."""

import random
import re

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.simulator.proxy import SECRET, Proxy
from tests.simulator.support import PROMPT, World
from vspc.simulator import extension as ext
from vspc.simulator.migration import BEGIN_BUFFER, GOAHEAD_LIMIT, PEER_LIMIT, PlannedFault
from vspc.simulator.serial_port import FIFO, MigrationReport
from vspc.simulator.vm import CannotMove, next_host

HERE, THERE = "127.0.0.1", "127.0.0.2"
SEQUENCE = bytes.fromhex("7619ffffe9")

_FAULTS = (PlannedFault.NONE, PlannedFault.NONE, PlannedFault.ABORT, PlannedFault.ABORT_LATE)


class Silent(Proxy):
    """Leaves every vMotion message to the test."""

    answers = False


class MigrationTestCase(SynchronousTestCase):
    proxy: type[Proxy] = Proxy

    def setUp(self) -> None:
        self.world = World(self.proxy)
        self.source = self.world.start()
        self.vm = self.world.vm

    def move(self, **words: object) -> "Deferred[MigrationReport]":
        moving = self.vm.migrate(THERE, **{"transfer": 0.0, "sequence": SEQUENCE, **words})  # type: ignore[arg-type]
        self.world.run()
        return moving

    def assertStays(self, moving: "Deferred[MigrationReport]", outcome: str, reason: str) -> None:
        report = self.successResultOf(moving)
        self.assertEqual((report.outcome, report.reason), (outcome, reason))
        self.assertEqual((self.vm.state, self.vm.address), ("connected", HERE))
        self.source.type(b"echo here\r")
        self.world.run()
        self.assertTrue(self.source.data.endswith(b"\r\nhere\r\n" + PROMPT))


class HappyTests(MigrationTestCase):
    def test_it_moves(self) -> None:
        report = self.successResultOf(self.move(transfer=0.0))
        target = self.world.proxy
        self.assertEqual((report.outcome, report.source, report.target), ("moved", HERE, THERE))
        self.assertEqual(self.world.sources, [HERE, THERE])
        self.assertEqual(self.source.heard[-1], (ext.BEGIN, SEQUENCE))
        self.assertEqual(target.heard[1], (ext.PEER, SEQUENCE + SECRET))
        self.assertEqual(target.heard[-1], (ext.COMPLETE, SEQUENCE))
        self.assertEqual([code for code, _ in target.heard], [0, 44, 80, 82, 46])
        self.assertEqual((self.source.lost, target.lost), (True, False))
        self.assertEqual(self.world.typed(b"echo hi\r"), b"echo hi\r\nhi\r\n" + PROMPT)

    def test_the_copy_takes_its_time_and_nothing_is_said_meanwhile(self) -> None:
        self.world.typed(b"stream 1000 100\r")
        moving = self.move(transfer=1.0)
        said = len(self.source.data)
        self.world.run(0.9)
        self.assertNoResult(moving)
        self.assertEqual((len(self.source.data), self.vm.state), (said, "migrating"))
        self.world.run(0.2)
        self.assertEqual(self.successResultOf(moving).milliseconds, 1000)
        self.assertGreater(len(self.world.proxy.data), 0)

    def test_the_target_is_the_source_of_the_next_move(self) -> None:
        for number in range(2, 8):
            moving = self.vm.migrate(f"127.0.0.{number}", transfer=0.0)
            self.world.run()
            self.assertEqual(self.successResultOf(moving).outcome, "moved")
        self.assertEqual(self.vm.address, "127.0.0.7")
        self.assertEqual([proxy.lost for proxy in self.world.proxies], [True] * 6 + [False])

    def test_a_secret_with_ff_comes_back_whole(self) -> None:
        class Full(Proxy):
            secret = b"\xff\x00\xff\xff\xf0\xff"

        self.world = World(Full)
        self.world.start()
        self.vm = self.world.vm
        report = self.successResultOf(self.move())
        self.assertEqual(self.world.proxy.heard[1], (ext.PEER, SEQUENCE + Full.secret))
        self.assertEqual(report.outcome, "moved")

    def test_only_what_is_connected_to_a_proxy_that_can_moves(self) -> None:
        self.source.answers = False
        self.move()
        self.assertRaisesRegex(CannotMove, "moving", self.vm.migrate, THERE)
        self.vm.power_off()
        self.assertRaisesRegex(CannotMove, "off", self.vm.migrate, THERE)

        class Old(Proxy):
            known = bytes([0, 1, 70, 71])

        world = World(Old)
        world.start()
        self.assertRaisesRegex(CannotMove, "vMotion", world.vm.migrate, THERE)


class RefusedTests(MigrationTestCase):
    proxy = Silent

    def test_not_now(self) -> None:
        moving = self.move()
        self.source.say(ext.NOTNOW, SEQUENCE)
        self.world.run()
        self.assertStays(moving, "notnow", "")
        self.assertNotIn(ext.ABORT, self.source.codes())

    def test_not_now_for_another(self) -> None:
        moving = self.move()
        self.source.say(ext.NOTNOW, b"x")
        self.world.run()
        self.assertStays(moving, "failed", "VMOTION-NOTNOW with another sequence")

    def test_no_answer_to_begin_in_time(self) -> None:
        moving = self.move()
        self.world.run(GOAHEAD_LIMIT - 0.1)
        self.assertNoResult(moving)
        self.world.run(0.2)
        self.assertStays(moving, "failed", "no answer to VMOTION-BEGIN")
        self.assertEqual(self.source.heard[-1], (ext.ABORT, b""))

    def test_a_goahead_that_is_none(self) -> None:
        for payload in (b"other", SEQUENCE):
            moving = self.move()
            self.source.say(ext.GOAHEAD, payload)
            self.world.run()
            self.assertStays(
                moving, "failed", "VMOTION-GOAHEAD with another sequence, or without a secret"
            )

    def test_a_target_that_is_not_accepted(self) -> None:
        moving = self.move()
        self.source.say(ext.GOAHEAD, SEQUENCE + SECRET)
        self.world.run(PEER_LIMIT + 0.1)
        self.assertStays(moving, "failed", "no VMOTION-PEER-OK")
        self.assertEqual(self.world.proxy.heard[-1], (ext.PEER, SEQUENCE + SECRET))
        self.assertTrue(self.world.proxy.lost)

    def test_a_target_that_is_accepted_as_another(self) -> None:
        moving = self.move()
        self.source.say(ext.GOAHEAD, SEQUENCE + SECRET)
        self.world.run()
        self.world.proxy.say(ext.PEER_OK, SEQUENCE + SECRET)
        self.world.run()
        self.assertStays(moving, "failed", "VMOTION-PEER-OK with another sequence")

    def test_an_undoubled_ff_in_the_secret_ends_it_and_the_claim_is_wrong(self) -> None:
        self.move()
        said = (
            b"\xff\xfa\xe8\x29" + SEQUENCE.replace(b"\xff", b"\xff\xff") + b"\x01\xff\x02\xff\xf0"
        )
        self.source.write(said)
        self.world.run()
        self.assertEqual(self.world.proxy.heard[-1], (ext.PEER, SEQUENCE + b"\x01"))


class AbortTests(MigrationTestCase):
    def test_aborted_before_the_target_connects(self) -> None:
        moving = self.move(fault=PlannedFault.ABORT)
        self.assertStays(moving, "failed", "aborted on purpose")
        self.assertEqual(self.source.heard[-1], (ext.ABORT, b""))
        self.assertEqual(len(self.world.proxies), 1)

    def test_aborted_after_the_target_was_accepted(self) -> None:
        moving = self.move(fault=PlannedFault.ABORT_LATE)
        self.assertStays(moving, "failed", "aborted on purpose")
        self.assertEqual(self.source.heard[-1], (ext.ABORT, b""))
        self.assertTrue(self.world.proxy.lost)
        self.assertNotIn(ext.COMPLETE, self.world.proxy.codes())

    def test_the_target_cannot_connect(self) -> None:
        moving = self.vm.migrate(THERE, transfer=0.5)
        self.world.network.reachable = False
        self.world.run(0.6)
        self.assertStays(moving, "failed", "target: unreachable")

    def test_power_off_in_the_middle(self) -> None:
        moving = self.move(transfer=1.0)
        self.vm.power_off()
        self.world.run(20)
        self.assertEqual(self.successResultOf(moving).reason, "powered off")
        self.assertEqual((self.vm.state, self.world.proxies[0].lost), ("off", True))
        self.assertEqual(self.world.clock.getDelayedCalls(), [])

    def test_the_source_lost_after_the_goahead_does_not_matter(self) -> None:
        moving = self.move(transfer=1.0)
        self.source.close()
        self.world.run(1.1)
        self.assertEqual(self.successResultOf(moving).outcome, "moved")
        self.assertEqual(len(self.world.proxies), 2)
        self.assertEqual(self.world.typed(b"echo hi\r"), b"echo hi\r\nhi\r\n" + PROMPT)

    def test_both_lines_lost_the_vm_connects_again_where_it_was(self) -> None:
        moving = self.move(transfer=1.0)
        self.source.close()
        self.world.network.reachable = False
        self.world.run(1.1)
        self.assertEqual(self.successResultOf(moving).outcome, "failed")
        self.world.network.reachable = True
        self.world.run(1.5)
        self.assertEqual((self.vm.state, self.vm.address), ("connected", HERE))


class LostEarlyTests(MigrationTestCase):
    proxy = Silent

    def test_the_source_lost_before_the_answer(self) -> None:
        moving = self.move()
        self.source.close()
        self.world.run(1.5)
        self.assertEqual(self.successResultOf(moving).outcome, "failed")
        self.assertEqual((self.vm.state, len(self.world.proxies)), ("connected", 2))


class InputTests(MigrationTestCase):
    proxy = Silent

    def test_what_the_source_got_before_the_goahead_is_read_by_the_moved_guest(self) -> None:
        lines = b"".join(b"%08d\r" % number for number in range(2000))
        self.source.type(b"expect 2000\r")
        self.world.run()
        self.vm.migrate(THERE, transfer=0.0, sequence=SEQUENCE)
        self.source.type(lines)
        self.source.say(ext.GOAHEAD, SEQUENCE + SECRET)
        self.world.run()
        self.world.proxy.say(ext.PEER_OK, SEQUENCE)
        self.world.run()
        [report] = self.vm.counters.reports
        self.assertEqual((report.outcome, report.bytes_before_goahead), ("moved", 18_000))
        self.assertIn(b"ok 2000\r\n", self.world.proxy.data)

    def test_a_full_fifo_does_not_keep_the_host_from_the_answer(self) -> None:
        self.world.typed(b"sleep-reading 3\r")
        self.source.type(b"#" * 20_000)
        self.world.run()
        self.assertEqual(len(self.vm.flow.uart), FIFO)
        moving = self.move()
        self.source.say(ext.GOAHEAD, SEQUENCE + SECRET)
        self.world.run()
        self.world.proxy.say(ext.PEER_OK, SEQUENCE)
        self.world.run()
        self.assertEqual(self.successResultOf(moving).bytes_before_goahead, 20_000 - FIFO)
        self.assertEqual(len(self.vm.flow.uart), 20_000)
        self.world.run(4)
        self.assertEqual(len(self.vm.flow.uart), 0)

    def test_a_flood_before_the_answer_aborts(self) -> None:
        moving = self.move()
        self.source.type(b"#" * (BEGIN_BUFFER + 10))
        self.world.run()
        self.assertEqual(
            self.successResultOf(moving).reason, "too much input before VMOTION-GOAHEAD"
        )
        self.assertLessEqual(len(self.vm.flow.uart), BEGIN_BUFFER + 1)
        self.assertEqual(self.source.heard[-1], (ext.ABORT, b""))

    def test_input_after_the_goahead_is_counted_and_lost_with_the_source(self) -> None:
        self.vm.migrate(THERE, transfer=1.0, sequence=SEQUENCE)
        self.world.run()
        self.source.say(ext.GOAHEAD, SEQUENCE + SECRET)
        self.source.type(b"echo lost\r")
        self.world.run(1.1)
        self.world.proxy.type(b"echo early\r")
        self.world.proxy.say(ext.PEER_OK, SEQUENCE)
        self.world.run()
        [report] = self.vm.counters.reports
        self.assertEqual((report.bytes_after_goahead, report.bytes_before_complete), (10, 11))
        self.assertNotIn(b"lost", self.world.output())
        self.assertIn(b"\r\nearly\r\n", self.world.proxy.data)
        self.assertEqual(self.vm.counters.into.size, 11)

    def test_input_after_the_goahead_is_kept_where_the_vm_stays(self) -> None:
        self.vm.migrate(THERE, transfer=1.0, sequence=SEQUENCE)
        self.world.run()
        self.source.say(ext.GOAHEAD, SEQUENCE + SECRET)
        self.source.type(b"echo kept\r")
        self.world.run(15)
        self.assertEqual(self.vm.counters.reports[0].reason, "no VMOTION-PEER-OK")
        self.assertIn(b"\r\nkept\r\n", self.source.data)


class LoadTests(SynchronousTestCase):
    """Numbered lines both ways, while it moves again and again."""

    @settings(deadline=None, max_examples=40)
    @given(st.integers(0, 1 << 32))
    def test_nothing_is_lost_doubled_or_reordered(self, seed: int) -> None:
        chance = random.Random(seed)
        world = World(chop=seed)
        world.start()
        world.typed(b"stream 3000 3000 &\rexpect 2000\r", 0.1)
        typing = bytearray(b"".join(b"%08d\r" % number for number in range(2000)))
        while typing:
            self.type_some(world, typing, chance)
            if chance.random() < 0.2:
                self.move(world, chance)
            world.run(0.05)
        world.run(4)
        self.check(world)

    def type_some(self, world: World, typing: bytearray, chance: random.Random) -> None:
        size = chance.randint(1, 3000)
        world.proxy.type(bytes(typing[:size]))
        del typing[:size]

    def move(self, world: World, chance: random.Random) -> None:
        fault = chance.choice(_FAULTS)
        moving = world.vm.migrate(next_host(world.vm.address), 0.05, fault)
        while not moving.called:
            world.run(0.01)
        if fault is PlannedFault.ABORT_LATE:
            world.proxies.remove(world.proxy)  # the target that was given up; it heard nothing

    def check(self, world: World) -> None:
        output = world.output()
        lines = re.findall(rb"\d{8}(?=\r\n)", output)
        self.assertEqual(lines, [b"%08d" % number for number in range(3000)])
        self.assertEqual(output.count(b"ok 2000\r\n"), 1)
        self.assertEqual(world.vm.counters.out.size, len(output))
        self.assertEqual(sum(r.bytes_after_goahead for r in world.vm.counters.reports), 0)


class AddressTests(SynchronousTestCase):
    def test_the_next_host(self) -> None:
        for here, there in (
            ("127.0.0.1", "127.0.0.2"),
            ("127.0.0.253", "127.0.0.254"),
            ("127.0.0.254", "127.0.0.1"),
            ("127.1.2.3", "127.1.2.4"),
            ("10.0.0.1", "10.0.0.1"),
            ("::1", "::1"),
            ("", ""),
        ):
            self.assertEqual(next_host(here), there)
