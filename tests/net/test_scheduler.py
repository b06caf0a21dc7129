"""The order of work: who is served when, counted in turns of a fake reactor, never in time."""

from collections import Counter
from typing import Any

from attrs import define, field
from twisted.trial.unittest import SynchronousTestCase

from tests.net.ends import End, TurnClock
from vspc.net.scheduler import (
    BUSY_TURNS,
    BYTES,
    EVENTS,
    EVENTS_UNPROVEN,
    NEGOTIATION,
    PATIENCE,
    RESERVED,
    RESPITE,
    SUBNEGOTIATION,
    TURN_EVENTS,
    TURN_SECONDS,
    Scheduler,
    Share,
)
from vspc.wire.telnet import BINARY, BRK, NOP, WILL, command, negotiation, subnegotiation


@define(eq=False)
class Flood:
    """A connection with more to do than will ever be done; `done` is how much was."""

    share: Share
    cost: int = 1
    done: int = 0
    ended: bool = False
    order: list["Flood"] = field(factory=list)

    def arrive(self) -> None:
        if self.share.open():
            self.work()
        elif not self.share.waiting:
            self.wait()

    def work(self) -> None:
        self.order.append(self)
        self.done += 1
        while self.share.spend(self.cost):
            self.done += 1
        self.wait()

    def wait(self) -> None:
        self.ended = not self.share.wait(self.work)


class SchedulerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = TurnClock()
        self.scheduler = Scheduler(self.clock.callLater, self.clock.seconds)
        self.order: list[Flood] = []

    def flood(self, host: str = "10.0.0.1", proven: bool = False, cost: int = 1) -> Flood:
        flood = Flood(self.scheduler.share(host), cost, order=self.order)
        flood.share.proven = proven
        return flood

    def test_without_memory_for_a_turn_the_next_who_waits_begins_it(self) -> None:
        def fail(*_: object) -> None:
            raise MemoryError

        first, second = self.flood(), self.flood()
        call_later, self.scheduler._call_later = self.scheduler._call_later, fail
        self.assertRaises(MemoryError, first.arrive)
        self.scheduler._call_later = call_later
        second.arrive()
        done = second.done
        self.turn()
        self.assertGreater(second.done, done)

    def turn(self) -> None:
        self.order.clear()
        self.clock.turn()

    def test_each_connection_has_so_much_of_a_turn_and_a_tenth_before_it_is_known(self) -> None:
        known, unknown = self.flood(proven=True), self.flood()
        known.arrive()
        unknown.arrive()
        for turns in range(1, 4):
            self.assertEqual((known.done, unknown.done), (turns * EVENTS, turns * EVENTS_UNPROVEN))
            self.turn()

    def test_a_turn_is_bounded_however_many_there_are(self) -> None:
        floods = [self.flood(f"10.0.{n // 250}.{n % 250}", proven=True) for n in range(200)]
        for flood in floods:
            flood.arrive()
        self.assertLessEqual(sum(flood.done for flood in floods), TURN_EVENTS)
        for _ in range(5):
            before = sum(flood.done for flood in floods)
            self.turn()
            self.assertLessEqual(sum(flood.done for flood in floods) - before, TURN_EVENTS)

    def test_all_get_the_same_in_turns(self) -> None:
        floods = [self.flood(proven=True) for _ in range(40)]
        for flood in floods:
            flood.arrive()
        for _ in range(20):  # till all are known to be over their share
            self.turn()
        served = Counter[Flood]()
        while sum(served.values()) < 4 * len(floods):
            self.turn()
            served.update(self.order)
            self.assertLessEqual(max(Counter(self.order).values()), 1)  # once in a turn
        self.assertLessEqual(max(served.values()) - min(served.values()), 1)

    def test_what_is_quiet_is_worked_on_at_once_though_all_others_wait(self) -> None:
        for _ in range(200):
            self.flood(proven=True).arrive()
        for _ in range(5):
            self.turn()
            quiet = self.scheduler.share("10.0.0.1")
            quiet.proven = True
            self.assertTrue(quiet.open())
            self.assertGreaterEqual(self.scheduler.left, RESERVED - EVENTS)

    def test_what_is_known_comes_before_what_is_not(self) -> None:
        for _ in range(500):
            self.flood().arrive()
        known, unknown = self.flood(proven=True), self.flood()
        known.arrive()
        unknown.arrive()
        self.assertEqual((known.done > 0, unknown.done), (True, 0))
        self.scheduler.left = 0
        another = self.flood(proven=True)
        another.arrive()
        self.turn()
        self.assertIs(self.order[0], another)

    def test_one_that_was_served_is_not_served_again_before_others(self) -> None:
        flood = self.flood(proven=True)
        flood.arrive()
        self.turn()
        flood.share.leave()
        self.turn()
        self.assertFalse(flood.share.open())
        for _ in range(BUSY_TURNS):
            self.scheduler.arm()
            self.turn()
        self.assertTrue(flood.share.open())

    def test_one_that_keeps_to_its_share_is_soon_served_at_once_though_it_does_not_rest(
        self,
    ) -> None:
        share, served = self.scheduler.share("10.0.0.1"), list[int]()

        def packet() -> None:
            served.append(self.scheduler.turn)
            share.spend()

        share.spend(EVENTS)
        self.assertTrue(share.wait(packet))
        self.turn()
        waits = 0
        while not share.open():
            self.assertTrue(share.wait(packet))
            self.turn()
            waits += 1
        self.assertLessEqual(waits, BUSY_TURNS)
        self.assertEqual(len(served), waits + 1)

    def test_what_comes_late_in_a_full_turn_is_first_in_the_next(self) -> None:
        for _ in range(200):
            self.flood(proven=True).arrive()
        for _ in range(20):
            self.turn()
        quiet = self.flood()
        self.scheduler.left = 0
        quiet.arrive()
        self.assertEqual(quiet.done, 0)
        self.turn()
        self.assertIs(quiet, self.order[0])

    def test_behind_two_hundred_new_floods_what_is_quiet_waits_a_few_turns(self) -> None:
        for _ in range(200):
            self.flood(proven=True).arrive()
        quiet, turns = self.flood(), 0
        quiet.arrive()
        while not quiet.done:
            self.turn()
            turns += 1
        self.assertLessEqual(turns, 10)

    def test_an_address_with_many_takes_turns_with_one_that_has_few(self) -> None:
        for _ in range(500):
            self.flood("10.0.0.1", proven=True).arrive()
        other = self.flood("10.0.0.2", proven=True)
        other.arrive()
        for _ in range(5):
            self.turn()
            self.assertIn(other, self.order)

    def test_the_addresses_of_one_ipv6_network_are_one(self) -> None:
        self.assertEqual(
            self.scheduler.share("2001:db8::1").host, self.scheduler.share("2001:db8::2").host
        )

    def test_a_turn_ends_when_it_has_taken_long_enough(self) -> None:
        floods = [self.flood(proven=True) for _ in range(100)]
        for flood in floods:
            flood.arrive()

        def slow(work: Any) -> Any:
            def take_long() -> None:
                self.clock.rightNow += TURN_SECONDS / 2
                work()

            return take_long

        for flood in floods:
            flood.share._work = slow(flood.work)
        self.turn()
        self.assertEqual(len(self.order), 2)

    def test_one_dear_event_is_never_too_dear(self) -> None:
        flood = self.flood(cost=10 * TURN_EVENTS)
        flood.arrive()
        self.turn()
        self.turn()
        self.assertEqual(flood.done, 3)

    def test_one_that_stays_over_its_share_unidentified_is_closed(self) -> None:
        flood, known = self.flood(), self.flood(proven=True)
        flood.arrive()
        known.arrive()
        while self.clock.seconds() < PATIENCE:
            self.assertFalse(flood.ended)
            self.clock.turn(1)
        self.clock.turn(1)
        self.assertEqual((flood.ended, known.ended), (True, False))

    def test_among_so_many_that_its_turn_comes_seldom_it_is_ended_too(self) -> None:
        flood = self.flood()
        flood.arrive()
        for _ in range(3):
            self.assertFalse(flood.ended)
            self.clock.turn(2 * RESPITE)
        self.assertTrue(flood.ended)

    def test_a_pause_within_the_share_resets_the_time(self) -> None:
        flood = self.flood()
        for _ in range(10):
            flood.arrive()
            flood.share.leave()
            self.clock.turn(5)
        self.assertFalse(flood.ended)

    def test_quiet_traffic_costs_no_timer(self) -> None:
        share = self.scheduler.share("10.0.0.1")
        share.proven = True
        for _ in range(EVENTS // 2):
            self.assertTrue(share.open() and share.spend())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_defect_in_one_costs_no_other_its_turn(self) -> None:
        def fail() -> None:
            raise ValueError

        broken, flood = self.scheduler.share("10.0.0.1"), self.flood("10.0.0.2")
        broken.spend(EVENTS)
        broken.wait(fail)
        flood.arrive()
        done = flood.done
        self.assertRaises(ValueError, self.turn)
        self.turn()
        self.assertGreater(flood.done, done)

    def test_the_end_leaves_nothing_waiting(self) -> None:
        told = []
        for host in range(300):
            share = self.scheduler.share(f"10.0.{host // 250}.{host % 250}")
            share.spend(EVENTS)
            share.wait(lambda: told.append(1))
        self.scheduler.stop()
        self.assertEqual(len(told), 300)
        share = self.scheduler.share("10.0.0.1")
        self.assertTrue(share.open() and share.spend(10 * TURN_EVENTS) and share.open())


class LineTests(SynchronousTestCase):
    """A telnet line and what it counts."""

    def setUp(self) -> None:
        self.end = End()

    def worked_on(self, data: bytes) -> int:
        """How much of `data` is worked on in its first turn."""
        self.end.line.dataReceived(data)
        return len(self.end.happened)

    def test_cheap_things_by_the_thousand_wait_in_their_socket(self) -> None:
        for cheap in (
            command(NOP),
            command(BRK),
            subnegotiation(44, b"\x01"),
            subnegotiation(232, b"\xf0"),
            b"x" + command(NOP),
            b"\xff\xfa\xff\xf0",
        ):
            self.setUp()
            self.assertLessEqual(self.worked_on(cheap * 1000), EVENTS_UNPROVEN, cheap)
            self.assertFalse(self.end.wire.reading, cheap)
            self.end.clock.turn()
            self.assertGreater(len(self.end.happened), EVENTS_UNPROVEN - 2, cheap)
            self.assertLessEqual(len(self.end.happened), 2 * EVENTS_UNPROVEN, cheap)
            while self.end.line.share.waiting:
                self.end.clock.turn()
            self.assertGreaterEqual(len(self.end.happened), 1000, cheap)
            self.assertTrue(self.end.wire.reading, cheap)

    def test_what_has_to_be_answered_counts_for_more_once_the_peer_is_identified(self) -> None:
        for dear, events in (
            (subnegotiation(44, b"\x01"), SUBNEGOTIATION),
            (negotiation(WILL, BINARY), NEGOTIATION),
        ):
            for proven, share in ((False, EVENTS_UNPROVEN), (True, EVENTS // events)):
                self.setUp()
                self.end.line.share.proven = proven
                self.end.line.dataReceived(dear * 400)
                worked_on = 400 - len(self.end.line.value.tail) // len(dear)
                self.assertLessEqual(abs(worked_on - share), 2)

    def test_negotiations_are_answered_in_turns(self) -> None:
        self.end.line.dataReceived(negotiation(WILL, BINARY) * 100)
        self.assertLessEqual(len(self.end.wire.take()), 3 * EVENTS_UNPROVEN)

    def test_data_counts_by_its_size(self) -> None:
        self.end.line.share.proven = True
        for data, least in ((b"x" * BYTES, EVENTS // 4 * BYTES), (b"\xff" * BYTES, 2 * BYTES)):
            self.setUp()
            self.end.line.share.proven = True
            taken = 0
            while self.end.wire.reading:
                self.end.line.dataReceived(data)
                taken += len(data)
            self.assertGreater(taken, least)
            self.assertLessEqual(taken, EVENTS * BYTES)

    def test_a_byte_at_a_time_counts_by_reads(self) -> None:
        for byte in subnegotiation(232, bytes(30)) * 2:
            self.end.line.dataReceived(bytes((byte,)))
        self.assertFalse(self.end.wire.reading)

    def test_nothing_is_lost_when_the_connection_ends_meanwhile(self) -> None:
        data = b"".join(b"%d" % number + command(NOP) for number in range(500))
        self.end.line.dataReceived(data)
        self.end.lose()
        self.assertNotIn(("lost",), self.end.happened)
        while self.end.line.share.waiting:
            self.end.clock.turn()
        said = b"".join(event[1] for event in self.end.happened if event[0] == "data")
        self.assertEqual(said, b"".join(b"%d" % number for number in range(500)))
        self.assertEqual(self.end.happened[-1], ("lost",))

    def test_what_we_close_is_not_worked_on(self) -> None:
        self.end.line.dataReceived(command(NOP) * 1000)
        self.end.line.abortConnection()
        before = len(self.end.happened)
        self.end.lose()
        self.end.clock.turn()
        self.assertEqual(self.end.happened[before:], [("lost",)])

    def test_an_unidentified_flood_ends_after_ten_seconds(self) -> None:
        for _ in range(10):
            self.assertFalse(self.end.wire.aborted)
            while self.end.wire.reading and not self.end.wire.aborted:
                self.end.line.dataReceived(command(NOP) * 100)
            self.end.clock.turn(1)
        self.assertTrue(self.end.wire.aborted)
        self.assertEqual([e[0] for e in self.end.happened].count("failed"), 1)
