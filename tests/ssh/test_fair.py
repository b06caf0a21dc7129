"""Packets that are cheap for a client: worked on in its share of each turn."""

from typing import Any

from twisted.internet.task import Clock
from twisted.logger import LogEvent

from tests.net.ends import TurnClock
from tests.ssh.bench import ADJUST, DATA, Bench, BenchCase, server_of
from tests.ssh.hostile import Wire
from vspc.net.limits import Admissions
from vspc.net.scheduler import EVENTS, EVENTS_UNPROVEN, FLOOD, FLOODING
from vspc.wire.ssh import string, uint32

IGNORE, UNIMPLEMENTED, DEBUG = 2, 3, 4


class FairBench(Bench):
    """With a reactor's turns, and a wire that knows whether it is read."""

    make_clock = TurnClock
    make_wire = Wire

    def connect(self, host: str = "192.0.2.1", protocol: Any = None) -> Any:
        client = super().connect(host, protocol)
        client.pump.clock = Clock()  # bytes arrive, and no turn passes
        return client

    def settle(self) -> None:
        for pump in self.pumps:
            pump.flush()
        while any(transport.share.waiting for transport in self.ssh.connections):
            self.clock.turn()  # type: ignore[attr-defined]
            for pump in self.pumps:
                pump.flush()


class FairTests(BenchCase):
    def setUp(self) -> None:
        self.bench: Any = FairBench()
        self.bench.watch(self)
        self.client = self.bench.logged_in()

    def packets_a_turn(self, client: Any, message: int, *parts: bytes) -> list[int]:
        """How many of 1,000 packets are opened in each of some turns."""
        self.bench.settle()
        for _ in range(40):
            self.bench.clock.turn()
        incoming = server_of(client).incoming
        for _ in range(1000):
            client.say(message, *parts)
        found, before = [], incoming.sequence
        client.pump.flush()
        for _ in range(6):
            found.append(incoming.sequence - before)
            before = incoming.sequence
            self.bench.clock.turn()
        self.bench.settle()
        self.assertEqual(b"", bytes(incoming._received))
        return found

    def test_before_the_login(self) -> None:
        for message, parts in (
            (IGNORE, [string(b"")]),
            (DEBUG, [b"\1", string(b"x"), string(b"")]),
            (UNIMPLEMENTED, [uint32(1)]),
        ):
            counts = self.packets_a_turn(self.bench.connect(), message, *parts)
            self.assertLessEqual(max(counts), EVENTS_UNPROVEN)
            self.assertGreater(min(counts[1:]), 0)

    def test_after_it(self) -> None:
        number = self.bench.session(self.client)
        for message, parts in (
            (IGNORE, [string(b"")]),
            (ADJUST, [uint32(number), uint32(0)]),
            (DATA, [uint32(number), string(b"")]),
            (DATA, [uint32(number), string(b"x")]),
            (98, [uint32(number), string(b"env"), b"\0", string(b"LANG"), string(b"C")]),
            (80, [string(b"nothing@example.org"), b"\1"]),
        ):
            counts = self.packets_a_turn(self.client, message, *parts)
            self.assertLessEqual(max(counts), EVENTS, message)
            self.assertGreater(min(counts[1:]), EVENTS // 2, message)

    def test_another_client_is_answered_meanwhile(self) -> None:
        number, program = self.bench.running(self.client)
        floods = [self.bench.connect() for _ in range(30)]
        for flood in floods:
            for _ in range(1000):
                flood.say(IGNORE, string(b""))
            flood.pump.flush()
        for _ in range(40):
            self.bench.clock.turn()
        self.client.say(DATA, uint32(number), string(b"key"))
        self.client.pump.flush()
        self.assertEqual(program.heard, [b"key"])

    def logged(self, name: str) -> list[LogEvent]:
        found: list[LogEvent] = self.bench.logged(name)
        return found

    def test_a_flood_before_login_ends_the_connection_with_one_log_line(self) -> None:
        client = self.bench.connect()
        for _ in range(2 * 60 * EVENTS_UNPROVEN):
            client.say(IGNORE, string(b""))
        client.pump.flush()
        for _ in range(10):
            self.assertFalse(server_of(client).ended)
            self.bench.clock.turn(1)
        self.assertTrue(server_of(client).ended)
        self.assertEqual([event["reason"] for event in self.logged("ssh-refused")], [FLOOD])
        self.assertFalse(server_of(self.client).ended)

    def test_a_flooding_connection_is_displaced_before_a_silent_one(self) -> None:
        admissions: Admissions[Any] = Admissions(2, 100)
        self.bench = FairBench(admissions=admissions)
        login, flood = self.bench.connect(), self.bench.connect()
        self.bench.clock.turn(1)  # both count
        for _ in range(FLOODING + 1):
            for _ in range(2 * EVENTS_UNPROVEN):
                flood.say(IGNORE, string(b""))
            flood.pump.flush()
            self.bench.settle()
        self.bench.connect()
        self.bench.clock.turn(1)
        self.assertTrue(server_of(flood).ended)
        self.assertFalse(server_of(login).ended)

    def test_a_lost_connection_is_not_counted_while_its_end_waits_for_its_turn(self) -> None:
        admissions: Admissions[Any] = Admissions(1, 100)
        self.bench = FairBench(admissions=admissions)
        old = self.bench.connect()
        self.bench.clock.turn(1)
        new = self.bench.connect()
        self.assertEqual((len(admissions), len(self.bench.grace_period)), (1, 1))
        self.bench.context.scheduler.left = 0  # the turn is full
        for client in (old, new):
            server_of(client).connectionLost()
            self.assertIn(server_of(client), self.bench.ssh.connections)
        self.assertEqual((len(admissions), len(self.bench.grace_period)), (0, 0))

    def typed_in_a_flood_and_lost(self) -> tuple[int, Any]:
        """An operator's connection is lost while it waits, with a last word behind the flood."""
        number, program = self.bench.running(self.client)
        for _ in range(3 * EVENTS):
            self.client.say(IGNORE, string(b""))
        self.client.say(DATA, uint32(number), string(b"the last word\r"))
        self.client.pump.flush()
        self.assertEqual(program.heard, [])
        self.server = server_of(self.client)
        self.server.connectionLost()
        return number, program

    def test_what_was_typed_before_the_connection_was_lost_is_delivered(self) -> None:
        _, program = self.typed_in_a_flood_and_lost()
        self.assertIn(self.server, self.bench.ssh.connections)
        for _ in range(5):
            self.bench.clock.turn()
        self.assertEqual(program.heard, [b"the last word\r", "closed"])
        self.assertNotIn(self.server, self.bench.ssh.connections)
        self.assertEqual(self.bench.clock.getDelayedCalls(), [])

    def test_nothing_from_a_connection_that_the_server_has_ended_meanwhile(self) -> None:
        _, program = self.typed_in_a_flood_and_lost()
        self.server.disconnect("for a reason")
        self.assertEqual(program.heard, ["closed"])
        for _ in range(5):
            self.bench.clock.turn()
        self.assertEqual(program.heard, ["closed"])
        self.assertNotIn(self.server, self.bench.ssh.connections)

    def test_a_connection_without_login_ends_at_once(self) -> None:
        client = self.bench.connect()
        for _ in range(3 * EVENTS):
            client.say(IGNORE, string(b""))
        client.pump.flush()
        server = server_of(client)
        self.assertTrue(server.share.waiting)
        server.connectionLost()
        for _ in range(2):
            self.bench.clock.turn()
        self.assertNotIn(server, self.bench.ssh.connections)
