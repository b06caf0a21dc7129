"""vMotion under every fault: what the VM's hosts hear, where input goes, what people see."""

from ipaddress import ip_network
from itertools import product

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.vm.support import SEQUENCE, VC_UUID, Host
from tests.vm.test_server import LineServerTest, sb
from vspc.console import events
from vspc.console.attachment import Refusal
from vspc.console.console import ConsoleState
from vspc.console.migration import TABLE, Act, MigrationEvent, step
from vspc.console.migration import MigrationState as Migration
from vspc.net.limits import Allow
from vspc.vm.assignment import WAIT
from vspc.vm.context import MINUTE, Zone
from vspc.vm.early_output import BUFFER, TOO_EARLY
from vspc.wire.vmware import (
    DoProxy,
    GetVmVcUuid,
    VmName,
    VMotionAbort,
    VMotionBegin,
    VMotionComplete,
    VMotionNotNow,
    VMotionPeer,
    VMotionPeerOk,
    VmVcUuid,
)

SOURCE, TARGET = "10.1.1.4", "10.1.1.7"
PEER_OK = sb(VMotionPeerOk(SEQUENCE))


class Table(SynchronousTestCase):
    def test_what_is_over_stays_over(self) -> None:
        for state, event in product(Migration, MigrationEvent):
            after, act = step(state, event)
            self.assertIsInstance(act, Act)
            if not state.open:
                self.assertIs(after, state)
                self.assertIn(act, (Act.REFUSE, Act.ILLEGAL))

    def test_only_a_claimed_one_completes(self) -> None:
        movers = [pair for pair, (_, act) in TABLE.items() if act is Act.MOVE]
        self.assertEqual(movers, [(Migration.CLAIMED, MigrationEvent.COMPLETE)])

    @given(st.lists(st.sampled_from(list(MigrationEvent))))
    def test_whatever_happens_it_is_claimed_once_and_completed_once(
        self, events: list[MigrationEvent]
    ) -> None:
        state, acts, orphaned = Migration.BEGUN, list[Act](), 0
        for event in events:
            state, act = step(state, event)
            acts.append(act)
            orphaned = max(orphaned, int(state is Migration.ORPHANED))
        self.assertLessEqual(acts.count(Act.CLAIM), 1)
        self.assertLessEqual(acts.count(Act.MOVE), 1)
        # One that was given up without a line may be claimed all the same, and end anew.
        self.assertLessEqual(acts.count(Act.MOVE) + acts.count(Act.RELEASE), 1 + orphaned)

    def test_one_without_any_line_is_given_up_and_its_credential_is_not(self) -> None:
        state, act = step(Migration.BEGUN, MigrationEvent.ORPHANED)
        self.assertEqual((state, act), (Migration.ORPHANED, Act.RELEASE))
        self.assertTrue(state.open)
        self.assertEqual(step(state, MigrationEvent.PEER), (Migration.CLAIMED, Act.CLAIM))
        for event in MigrationEvent:
            after, act = step(state, event)
            if event is not MigrationEvent.PEER:
                # Its console is away already: nothing is to be done for it once more.
                self.assertIn(act, (Act.NOTHING, Act.ILLEGAL), event)
                self.assertFalse(after.open and after is not state, event)
        self.assertEqual(step(Migration.CLAIMED, MigrationEvent.ORPHANED)[1], Act.ILLEGAL)


class VmotionTest(LineServerTest):
    def setUp(self) -> None:
        super().setUp()
        self.source = self.scene.host(SOURCE)
        self.source.register()
        self.source.wire.take()
        self.alice, self.sink = self.scene.attach(self.console())

    def target(self, credential: bytes, address: str = TARGET) -> Host:
        host = self.scene.host(address)
        self.assertIn(PEER_OK, host.peer(credential))
        return host

    def refused(self, credential: bytes, address: str = TARGET, zone: Zone | None = None) -> Host:
        """A PEER that is answered by silence, after the questions that each one gets."""
        host = self.scene.host(address, zone=zone)
        self.assertNotIn(PEER_OK, host.peer(credential))
        return host

    def is_at(self, address: str) -> None:
        line = self.console().link.line
        assert line is not None
        self.assertEqual(line.address, address)

    def notices(self) -> list[str]:
        self.scene.turn()
        return self.sink.notices


class FairWeather(VmotionTest):
    def test_a_sequence_of_any_length_from_0_to_64_bytes_of_0xff(self) -> None:
        for length in range(65):
            sequence = b"\xff" * length
            credential = self.source.begin(sequence)
            self.assertEqual(len(credential), length + 8)
            self.assertNotIn(0xFF, credential[length:])

    def test_it_moves_with_each_of_them(self) -> None:
        source = self.source
        for length in range(65):
            sequence = bytes([0xFF, 0xF0][n % 2] for n in range(length))
            credential = source.begin(sequence)
            target = self.scene.host(TARGET if length % 2 else SOURCE)
            self.assertIn(sb(VMotionPeerOk(sequence)), target.peer(credential))
            target.complete(sequence)
            source.lose()
            source = target
        self.assertEqual(self.console().link.moves, 65)

    def test_typing_during_the_move_arrives_at_the_target_whole(self) -> None:
        self.alice.type(b"one ")
        self.assertEqual(self.source.wire.take(), b"one ")
        credential = self.source.begin()
        self.alice.type(b"two ")
        target = self.target(credential)
        self.alice.type(b"three")
        self.assertEqual(self.source.wire.take(), b"")
        self.assertEqual(target.complete(), b"two three")
        self.assertTrue(self.source.closed)

    def test_there_and_back_again_and_again(self) -> None:
        line = self.source
        for address in (TARGET, SOURCE) * 3:
            credential = line.begin()
            following = self.target(credential, address)
            following.complete()
            line.lose()
            line = following
        self.is_at(SOURCE)
        self.assertEqual(self.console().link.moves, 6)

    def test_all_ports_of_a_vm_at_once(self) -> None:
        other = self.scene.host(SOURCE)
        other.register(uri=b"vspc?port=debug")
        first, second = self.source.begin(b"seq1"), other.begin(b"seq2")
        debug, plain = self.scene.host(TARGET), self.scene.host(TARGET)
        debug.peer(second)
        plain.peer(first)
        plain.complete(b"seq1")
        debug.complete(b"seq2")
        debug.say(b"debug")
        plain.say(b"plain")
        said = {c.title: c.history.read(0, 99) for c in self.scene.roster}
        self.assertEqual(said, {"web01:debug": b"debug", "web01:1": b"plain"})

    def test_a_whole_host_is_evacuated_within_a_second(self) -> None:
        hosts = []
        for number in range(400):
            uuid = b"%032x" % (number + 1)
            host = self.scene.host(SOURCE)
            host.register(b"vm%d" % number, uuid)
            hosts.append((host, uuid, b"%04d" % number))
        credentials = [host.begin(sequence) for host, _, sequence in hosts]
        for (host, uuid, sequence), credential in reversed(
            list(zip(hosts, credentials, strict=True))
        ):
            target = self.scene.host(TARGET)
            target.peer(credential)
            target.complete(sequence, uuid)
            self.assertTrue(host.closed)
        moved = [
            c for c in self.scene.roster if c.link.moves == 1 and c.link.last_address == TARGET
        ]
        self.assertEqual(len(moved), 400)

    def test_what_people_see(self) -> None:
        credential = self.source.begin()
        self.scene.clock.advance(1.25)
        self.target(credential).complete()
        self.assertEqual(self.notices(), [f"web01 moved from {SOURCE} to {TARGET} in 1.2 s"])
        move = self.console().link.last_move
        assert move is not None
        self.assertEqual((move.source, move.target), (SOURCE, TARGET))

    def test_what_people_see_of_a_long_one(self) -> None:
        credential = self.source.begin()
        self.alice.type(b"twelve bytes")
        self.scene.clock.advance(3.5)
        self.target(credential).complete()
        self.assertEqual(
            self.notices(),
            [
                "web01 is migrating; 12 bytes held",
                f"web01 moved from {SOURCE} to {TARGET} in 3.5 s",
            ],
        )


class Begin(VmotionTest):
    def test_a_second_one_replaces_the_first(self) -> None:
        first = self.source.begin(b"old!")
        claimant = self.scene.host(TARGET)
        claimant.peer(first)
        second = self.source.begin(SEQUENCE)
        self.assertTrue(claimant.closed)
        claimant.lose()
        self.refused(first)
        self.target(second).complete()
        self.is_at(TARGET)

    def test_a_second_one_replaces_the_first_though_memory_runs_out_for_sending_it(self) -> None:
        def hasten() -> None:
            raise MemoryError

        claimant = self.scene.host(TARGET)
        claimant.peer(self.source.begin(b"old!"))
        self.source.wire.hasten = hasten
        second = self.source.begin(SEQUENCE)
        self.assertEqual(1, len(self.flushLoggedErrors(MemoryError)))
        self.assertTrue(claimant.closed)
        self.target(second).complete()
        self.is_at(TARGET)

    def test_a_sequence_over_64_bytes_is_answered_not_now(self) -> None:
        said = self.source.say(VMotionBegin(b"s" * 65))
        self.assertEqual(said, sb(VMotionNotNow(b"s" * 65)))

    def test_while_shutting_down_is_answered_not_now(self) -> None:
        self.scene.server.stopping = True
        self.assertEqual(self.source.say(VMotionBegin(SEQUENCE)), sb(VMotionNotNow(SEQUENCE)))
        self.assertIs(self.console().state, ConsoleState.CONNECTED)

    def test_before_it_is_known_whose_line_it_is_waits_four_seconds_at_most(self) -> None:
        unidentified = self.scene.host().agree()
        unidentified.wire.take()
        self.assertEqual(unidentified.say(VMotionBegin(SEQUENCE)), b"")
        self.scene.clock.advance(3.9)
        self.assertEqual(unidentified.wire.take(), b"")
        self.scene.clock.advance(0.2)
        self.assertEqual(unidentified.wire.take(), sb(VMotionNotNow(SEQUENCE)))

    def test_while_the_old_line_is_asked_is_decided_as_soon_as_that_is(self) -> None:
        newcomer = self.scene.host(TARGET)
        newcomer.register()
        self.assertEqual(newcomer.say(VMotionBegin(SEQUENCE)), b"")
        self.source.lose()  # the VM is the newcomer's now
        credential, _ = Host.credential_in(newcomer.wire.take())
        self.assertTrue(credential.startswith(SEQUENCE))

    def test_a_go_ahead_that_nobody_acknowledges_is_withdrawn(self) -> None:
        self.source.line.unacknowledged = lambda: 14  # type: ignore[method-assign]
        credential = self.source.begin()
        self.alice.type(b"held")
        self.scene.clock.advance(4.9)
        self.assertEqual(self.source.wire.take(), b"")
        self.scene.clock.advance(0.2)
        self.assertEqual(self.source.wire.take(), b"held")
        self.refused(credential)
        reason = "its host did not acknowledge the go-ahead in time"
        self.assertIn(f"web01 did not move: {reason}", self.notices())

    def test_a_go_ahead_whose_credential_was_said_was_heard_whatever_tcp_says(self) -> None:
        self.source.line.unacknowledged = lambda: 14  # type: ignore[method-assign]
        target = self.target(self.source.begin())
        self.scene.clock.advance(6)
        target.complete()
        self.is_at(TARGET)


class Peer(VmotionTest):
    def test_an_unknown_one_gets_silence_one_line_and_the_time_limit(self) -> None:
        self.source.begin()
        liar = self.refused(SEQUENCE + b"x" * 8)
        liar.say(VmVcUuid(VC_UUID), VmName(b"web01"), VMotionComplete(SEQUENCE), b"text")
        self.assertEqual(self.count(), 1)
        self.is_at(SOURCE)
        self.assertFalse(liar.closed)
        self.scene.clock.advance(31)
        self.assertTrue(liar.closed)
        self.assertEqual(self.scene.suspicions(), [])

    def test_the_third_unknown_one_on_a_connection_is_a_security_event(self) -> None:
        liar = self.refused(b"guess 1")
        liar.say(VMotionPeer(b"guess 2"))
        self.assertEqual(self.scene.suspicions(), [])
        liar.say(VMotionPeer(b"guess 3"), VMotionPeer(b"guess 4"))
        self.assertEqual(self.scene.suspicions(), [("credentials-guessed", TARGET, "")])

    def test_the_twentieth_of_a_host_in_a_minute_is_one(self) -> None:
        for number in range(25):
            self.refused(b"guess %d" % number)
        self.assertEqual(self.scene.suspicions(), [("credentials-guessed", TARGET, "")])
        self.scene.clock.advance(MINUTE)
        for number in range(25):
            self.refused(b"again %d" % number)
        self.assertEqual(self.scene.suspicions(), [("credentials-guessed", TARGET, "")] * 2)

    def test_a_right_one_after_a_wrong_one_counts(self) -> None:
        credential = self.source.begin()
        target = self.refused(b"wrong")
        self.assertIn(PEER_OK, target.say(VMotionPeer(credential)))
        target.complete()
        self.is_at(TARGET)

    def test_a_replayed_one_is_a_security_event_with_both_addresses(self) -> None:
        credential = self.source.begin()
        self.target(credential).complete()
        self.refused(credential, "10.6.6.6").complete()
        self.assertEqual(self.scene.suspicions(), [("credential-replayed", "10.6.6.6", SOURCE)])
        self.is_at(TARGET)

    def test_a_second_claimant_gets_nothing_and_the_first_completes(self) -> None:
        credential = self.source.begin()
        first = self.target(credential)
        self.refused(credential, "10.6.6.6").complete()
        first.complete()
        self.is_at(TARGET)
        self.assertEqual(self.scene.suspicions(), [("credential-replayed", "10.6.6.6", SOURCE)])

    def test_from_another_zone_it_does_not_count_and_is_not_spent(self) -> None:
        credential = self.source.begin()
        self.refused(credential, "10.6.6.6", Zone("prod")).complete()
        self.assertEqual(self.scene.suspicions(), [("peer-from-elsewhere", "10.6.6.6", SOURCE)])
        self.target(credential).complete()
        self.is_at(TARGET)

    def test_from_a_host_that_may_be_no_target_it_does_not_count_and_is_not_spent(self) -> None:
        self.scene.server.zone.targets = Allow([ip_network("10.1.1.0/24")])
        credential = self.source.begin()
        self.refused(credential, "10.6.6.6").complete()
        self.assertEqual(self.scene.suspicions(), [("peer-from-elsewhere", "10.6.6.6", SOURCE)])
        self.target(credential).complete()
        self.is_at(TARGET)

    def test_with_another_uuid_than_the_source_ends_the_claim(self) -> None:
        credential = self.source.begin()
        self.alice.type(b"held")
        liar = self.target(credential, "10.6.6.6")
        liar.complete(uuid=b"ab" * 16)
        self.assertTrue(liar.closed)
        self.is_at(SOURCE)
        self.assertEqual(self.source.wire.take(), b"held")
        self.assertEqual(self.scene.suspicions(), [("peer-of-another", "10.6.6.6", SOURCE)])
        self.refused(credential)

    def test_do_proxy_on_the_connection_of_a_target_changes_nothing(self) -> None:
        target = self.target(self.source.begin())
        target.say(DoProxy(b"S", b"vspc"))
        target.complete()
        self.is_at(TARGET)


class Complete(VmotionTest):
    def test_without_a_peer_changes_nothing(self) -> None:
        self.source.begin()
        self.source.say(VMotionComplete(SEQUENCE))
        self.scene.host(TARGET).agree().say(VMotionComplete(SEQUENCE))
        self.assertIs(self.console().state, ConsoleState.MIGRATING)

    def test_from_the_wrong_line_changes_nothing(self) -> None:
        target = self.target(self.source.begin())
        other = self.scene.host(TARGET)
        other.register(b"db", b"cd" * 16)
        other.say(VMotionComplete(SEQUENCE))
        self.source.say(VMotionComplete(SEQUENCE))
        self.assertIs(self.console().state, ConsoleState.MIGRATING)
        target.complete()
        self.is_at(TARGET)

    def test_twice_changes_nothing_the_second_time(self) -> None:
        target = self.target(self.source.begin())
        target.complete()
        target.say(VMotionComplete(SEQUENCE))
        self.assertEqual(self.console().link.moves, 1)
        self.assertFalse(target.closed)

    def test_with_another_sequence_changes_nothing(self) -> None:
        target = self.target(self.source.begin())
        target.say(VMotionComplete(b"other"))
        self.assertIs(self.console().state, ConsoleState.MIGRATING)
        target.complete()
        self.is_at(TARGET)

    def test_before_the_target_has_said_who_it_is_counts(self) -> None:
        target = self.target(self.source.begin())
        target.say(VMotionComplete(SEQUENCE))
        self.is_at(TARGET)
        target.say(VmVcUuid(VC_UUID), VmName(b"renamed"))
        self.assertEqual(self.console("renamed").name, "renamed")

    def test_a_name_that_the_source_sent_after_peer_stays(self) -> None:
        console = self.console()
        target = self.target(self.source.begin())
        self.source.say(VmName(b"renamed"))
        target.say(VMotionComplete(SEQUENCE))
        self.assertEqual(console.name, "renamed")


class Abort(VmotionTest):
    def test_gives_input_back_to_the_source_and_closes_the_target(self) -> None:
        target = self.target(self.source.begin())
        self.alice.type(b"held")
        self.assertEqual(self.source.say(VMotionAbort()), b"held")
        self.assertTrue(target.closed)
        self.assertIs(self.console().state, ConsoleState.CONNECTED)
        self.assertEqual(self.notices(), ["web01 did not move: the source aborted it"])

    def test_on_the_line_of_the_target_changes_nothing(self) -> None:
        target = self.target(self.source.begin())
        target.say(VMotionAbort())
        self.assertIs(self.console().state, ConsoleState.MIGRATING)
        target.complete()
        self.is_at(TARGET)

    def test_without_begin_changes_nothing(self) -> None:
        self.source.say(VMotionAbort())
        self.assertIs(self.console().state, ConsoleState.CONNECTED)
        self.assertEqual(self.notices(), [])

    def test_the_credential_is_void_afterwards(self) -> None:
        credential = self.source.begin()
        self.source.say(VMotionAbort())
        self.refused(credential)


class Losses(VmotionTest):
    def test_the_source_before_peer(self) -> None:
        credential = self.source.begin()
        self.alice.type(b"held")
        self.source.lose()
        self.assertIs(self.console().state, ConsoleState.MIGRATING)
        self.assertEqual(self.target(credential).complete(), b"held")
        self.is_at(TARGET)

    def test_the_source_between_peer_and_complete(self) -> None:
        target = self.target(self.source.begin())
        self.alice.type(b"held")
        self.source.lose()
        self.assertEqual(target.complete(), b"held")

    def test_the_source_after_complete(self) -> None:
        self.target(self.source.begin()).complete()
        self.source.lose()
        self.is_at(TARGET)
        self.assertEqual(len(self.notices()), 1)

    def test_the_target_before_complete_gives_input_back(self) -> None:
        target = self.target(self.source.begin())
        self.alice.type(b"held")
        target.lose()
        self.assertEqual(self.source.wire.take(), b"held")
        self.assertEqual(self.notices(), ["web01 did not move: the target is gone"])

    def test_the_target_after_complete_is_the_console_going_away(self) -> None:
        target = self.target(self.source.begin())
        target.complete()
        target.lose()
        self.assertIs(self.console().state, ConsoleState.AWAY)

    def test_both_before_complete(self) -> None:
        target = self.target(self.source.begin())
        self.alice.type(b"held")
        self.source.lose()
        target.lose()
        self.assertIs(self.console().state, ConsoleState.AWAY)
        self.assertIn("web01 is away: 4 bytes not sent", self.notices())

    def tick(self, seconds: float) -> None:
        """Time passes, and the server looks at its migrations each second."""
        for _ in range(int(seconds)):
            self.scene.clock.advance(1)
            self.scene.server.tick()

    def test_a_migration_without_any_line_is_over_long_before_its_time(self) -> None:
        self.source.begin()
        self.alice.type(b"held")
        self.source.lose()
        self.tick(9)
        self.assertIs(self.console().state, ConsoleState.MIGRATING)
        self.tick(2)
        self.assertIs(self.console().state, ConsoleState.AWAY)
        self.assertIn("web01 is away: 4 bytes not sent", self.notices())
        self.assertEqual(self.alice.type(b"x").refusal, Refusal.AWAY)
        away = len(self.notices())
        self.tick(120)
        self.assertEqual(len(self.notices()), away)
        self.assertEqual(len(self.scene.peers), 0)

    def test_its_target_that_comes_late_has_the_console_all_the_same(self) -> None:
        credential = self.source.begin()
        self.source.lose()
        self.tick(60)
        target = self.target(credential)
        self.assertIs(self.console().state, ConsoleState.MIGRATING)
        self.alice.type(b"held")
        self.assertEqual(target.complete(), b"held")
        self.is_at(TARGET)
        self.assertIn(f"web01 moved from {SOURCE} to {TARGET} in 60.0 s", self.notices())
        self.assertEqual(self.scene.suspicions(), [])
        self.tick(120)
        self.is_at(TARGET)

    def test_its_target_that_comes_late_and_goes_leaves_it_away(self) -> None:
        credential = self.source.begin()
        self.source.lose()
        self.tick(60)
        self.target(credential).lose()
        self.assertIs(self.console().state, ConsoleState.AWAY)
        self.refused(credential)

    def test_how_long_it_is_away_afterwards_is_told_from_then_on(self) -> None:
        credential = self.source.begin()
        self.source.lose()
        self.tick(60)
        target = self.target(credential)
        target.complete()
        self.tick(600)
        target.lose()
        self.tick(5)
        self.scene.host(TARGET).register()
        self.assertIn(f"web01 is connected again, from {TARGET}, after 5 s", self.notices())

    def test_its_target_that_comes_too_late(self) -> None:
        credential = self.source.begin()
        self.source.lose()
        self.tick(121)
        self.refused(credential)
        self.assertIs(self.console().state, ConsoleState.AWAY)

    def test_the_vm_that_came_back_meanwhile_keeps_its_console(self) -> None:
        credential = self.source.begin()
        self.source.lose()
        self.tick(30)
        self.scene.host("10.1.1.9").register()
        self.is_at("10.1.1.9")
        self.refused(credential)
        self.is_at("10.1.1.9")
        self.assertEqual(len(self.scene.peers), 0)

    def test_a_console_that_was_forgotten_meanwhile_is_nobodys(self) -> None:
        credential = self.source.begin()
        self.source.lose()
        self.tick(30)
        self.assertTrue(self.scene.server.forget(self.console()))
        self.refused(credential)
        self.assertEqual(self.count(), 0)

    def test_a_target_that_came_during_a_stall_of_the_server_is_read_first(self) -> None:
        credential = self.source.begin()
        self.source.lose()
        self.tick(2)
        self.scene.clock.advance(30)
        self.scene.server.tick()
        self.assertIs(self.console().state, ConsoleState.MIGRATING)
        self.target(credential).say(VMotionComplete(SEQUENCE))
        self.assertIs(self.console().state, ConsoleState.CONNECTED)

    def test_without_one_it_is_over_at_the_next_tick_however_late_that_is(self) -> None:
        self.source.begin()
        self.source.lose()
        self.tick(2)
        for seconds in (30, 30):
            self.scene.clock.advance(seconds)
            self.scene.server.tick()
        self.assertIs(self.console().state, ConsoleState.AWAY)

    def test_a_line_that_is_kept_apart_gets_its_turn_then(self) -> None:
        thief = self.scene.host("10.6.6.6")
        thief.register()
        self.source.say(VmVcUuid(VC_UUID))
        self.source.begin()
        self.source.lose()
        self.tick(12)
        self.is_at("10.6.6.6")

    def test_both_and_the_vm_is_started_elsewhere(self) -> None:
        self.source.begin()
        self.source.lose()
        anew = self.scene.host("10.1.1.9")
        anew.register()
        self.assertIs(self.console().state, ConsoleState.MIGRATING)
        self.scene.clock.advance(11)
        self.is_at("10.1.1.9")

    def test_time_out(self) -> None:
        credential = self.source.begin()
        self.alice.type(b"held")
        self.scene.clock.advance(119)
        self.scene.server.tick()
        self.assertEqual(self.source.wire.take(), b"")
        self.scene.clock.advance(2)
        self.scene.server.tick()
        self.assertEqual(self.source.wire.take(), b"held")
        self.refused(credential)
        self.assertIn("web01 did not move: it took longer than 120 s", self.notices())

    def test_the_service_goes_on_after_each_of_them(self) -> None:
        self.source.begin()
        self.source.say(VMotionAbort())
        self.target(self.source.begin()).lose()
        self.target(self.source.begin()).complete()
        self.is_at(TARGET)
        ended = [h for h in self.scene.happened if isinstance(h, events.MigrationEnded)]
        self.assertEqual(len(ended), 2)


class Talking(VmotionTest):
    def test_the_source_that_goes_on_for_a_second_gets_its_input_back(self) -> None:
        credential = self.source.begin()
        self.alice.type(b"held")
        self.source.say(b"still ")
        self.scene.clock.advance(0.9)
        self.source.say(b"here ")
        self.assertEqual(self.source.wire.take(), b"")
        self.scene.clock.advance(0.2)
        self.assertEqual(self.source.say(b"and now"), b"held")
        self.assertIs(self.console().state, ConsoleState.CONNECTED)
        self.assertEqual(self.console().history.read(0, 99), b"still here and now")
        # It was early: the credential is valid all the same.
        self.target(credential).complete()
        self.is_at(TARGET)

    def test_what_is_typed_after_it_was_released_goes_to_the_source(self) -> None:
        target = self.target(self.source.begin())
        self.scene.clock.advance(2)
        self.source.say(b"x")
        self.alice.type(b"now")
        self.assertEqual(self.source.wire.take(), b"now")
        self.source.lose()
        self.assertIs(self.console().state, ConsoleState.MIGRATING)
        self.alice.type(b"then")
        self.assertEqual(target.complete(), b"then")

    def test_the_target_before_complete_is_shown_at_complete(self) -> None:
        self.source.say(b"source ")
        target = self.target(self.source.begin())
        target.say(b"target")
        self.scene.turn()
        self.assertEqual(bytes(self.sink.output), b"source ")
        target.complete()
        self.scene.turn()
        self.assertEqual(bytes(self.sink.output), b"source target")

    def test_the_target_before_complete_is_kept_up_to_64_kib(self) -> None:
        target = self.target(self.source.begin())
        for _ in range(65):
            target.say(b"x" * 1024)
        target.complete()
        self.scene.turn()
        self.assertEqual(len(self.sink.output), 64 * 1024)
        self.assertEqual(self.sink.losses, [(0, 1024)])
        self.assertEqual(self.sink.notices[-1], TOO_EARLY)

    def test_what_is_not_kept_of_a_target_is_a_gap_in_the_output(self) -> None:
        self.source.say(b"source")
        target = self.target(self.source.begin())
        target.say(b"lost" + b"x" * BUFFER)
        self.scene.turn()
        target.complete()
        self.scene.turn()
        target.say(b"on")
        self.scene.turn()
        self.assertEqual(bytes(self.sink.output), b"source" + b"x" * BUFFER + b"on")
        self.assertEqual(self.sink.losses, [(6, 10)])
        history = self.console().history
        self.assertEqual(
            (history.end, self.console().link.bytes_from_vm), (12 + BUFFER, 12 + BUFFER)
        )

    def test_a_reader_that_was_slow_before_that_gap_is_told_of_each_in_its_place(self) -> None:
        self.sink.stalled = True
        self.source.say(b"source")
        target = self.target(self.source.begin())
        target.say(b"lost" + b"x" * BUFFER)
        target.complete()
        self.scene.turn()
        self.sink.read()
        self.assertEqual(self.sink.losses, [(0, 6), (6, 10)])
        self.assertEqual(bytes(self.sink.output), b"x" * BUFFER)

    def test_a_target_that_never_completes_is_not_shown(self) -> None:
        target = self.target(self.source.begin())
        target.say(b"nobody's")
        target.lose()
        self.scene.turn()
        self.assertEqual(bytes(self.sink.output), b"")


class OthersInTheMiddle(VmotionTest):
    def test_a_plain_line_of_the_same_uuid_waits_until_it_is_over(self) -> None:
        credential = self.source.begin()
        newcomer = self.scene.host("10.6.6.6")
        newcomer.register()
        self.alice.type(b"secret")
        self.scene.clock.advance(30)
        self.assertIs(self.console().state, ConsoleState.MIGRATING)
        target = self.target(credential)
        self.assertEqual(target.complete(), b"secret")
        self.scene.clock.advance(WAIT)  # the one that has the console now is asked
        self.assertIn(sb(GetVmVcUuid()), target.wire.take())
        self.assertEqual(newcomer.wire.take(), b"")
        self.is_at(TARGET)
