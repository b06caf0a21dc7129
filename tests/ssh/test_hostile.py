"""Before the login: clients that say nothing, too much, or everything at the wrong time."""

import struct
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.ssh.bench import (
    ALICE,
    AUTH_FAILURE,
    AUTH_REQUEST,
    AUTH_SUCCESS,
    GLOBAL_FAILURE,
    GLOBAL_REQUEST,
    OPEN,
    SERVICE_REQUEST,
    STRANGER,
    Client,
    authenticate,
    probe,
    server_of,
)
from tests.ssh.hostile import TCP_BUFFER, StormBench, Storming, Wire
from tests.ssh.test_transport import Raw
from vspc.net.scheduler import EVENTS_UNPROVEN
from vspc.ssh import limits
from vspc.ssh.limits import DELAY_LIMIT, TABLE_LIMIT
from vspc.wire.ssh import string, uint32

IGNORE, UNIMPLEMENTED, DEBUG, KEXINIT, NEWKEYS, EXCHANGE_INIT = 2, 3, 4, 20, 21, 30
MEBIBYTE = 1 << 20


class Stalling(Client):
    """Sends nothing any more after the message `last`."""

    def __init__(self, last: int) -> None:
        super().__init__()
        self.last = last
        self.silent = False

    def sendPacket(self, messageType: int, payload: bytes) -> None:
        if not self.silent:
            super().sendPacket(messageType, payload)
        self.silent = self.silent or messageType == self.last


def clear(message: int, *parts: bytes) -> bytes:
    """A packet before there are keys."""
    payload = bytes((message,)) + b"".join(parts)
    padding = 4 + -(4 + 1 + len(payload) + 4) % 8
    return struct.pack(">LB", 1 + len(payload) + padding, padding) + payload + bytes(padding)


class StormCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.bench = StormBench()
        self.bench.watch(self)

    def assert_all_is_over(self) -> None:
        self.assertEqual(set(), self.bench.ssh.connections)
        self.assertEqual([], self.bench.clock.getDelayedCalls())
        self.assertEqual(0, len(self.bench.book))
        self.assertEqual([], self.flushLoggedErrors())

    def ours(self, event: Any) -> bool:
        """Whether it is a line of the server's log."""
        named = str(event["log_namespace"]).startswith("vspc.")
        return named and event["log_level"].name != "debug"

    def assert_log_is_short(self, lines: int) -> None:
        told = [event for event in self.bench.events if self.ours(event)]
        self.assertLessEqual(len(told), lines, told)
        for event in told:
            self.assertLess(max(len(str(value)) for value in event.values()), 1000)


class HalfOpenTests(StormCase):
    """Connections that are never more than that."""

    def silent(self, host: str) -> Any:
        return self.bench.connect(host=host, protocol=Raw())

    def test_one_address_has_32_places_and_all_200(self) -> None:
        one = [self.silent("192.0.2.7") for _ in range(100)]
        self.bench.grow_up()
        self.assertEqual([True] * 68 + [False] * 32, [raw.lost for raw in one])
        for number in range(300):
            self.silent(f"198.51.100.{number % 250}")
        self.assertLessEqual(len(self.bench.ssh.connections), 400)
        self.bench.grow_up()
        self.assertEqual(200, len(self.bench.ssh.connections))
        self.assertEqual(200, len(self.bench.book))

    def test_a_right_key_logs_in_all_the_same(self) -> None:
        for number in range(400):
            self.silent(f"198.51.100.{number % 20}")
            if number % 100 == 99:
                self.bench.grow_up()
                self.bench.pumps = self.bench.pumps[-200:]
                self.bench.logged_in(host="198.51.100.3")
        self.assertEqual(4, sum(each.login is not None for each in self.bench.ssh.connections))

    def test_after_a_minute_all_are_disconnected_and_nothing_ran_meanwhile(self) -> None:
        for number in range(60):
            self.silent(f"198.51.100.{number}")
        calls = self.bench.calls_during(lambda: self.bench.pass_time(61))
        self.assertLessEqual(calls, 60)  # the linger of each
        self.bench.pass_time(6)
        self.assert_all_is_over()
        self.assert_log_is_short(60)


class CrowdTests(StormCase):
    """Connections that are many, and quick: while they are new they take nobody's place."""

    def new(self) -> int:
        return len(self.bench.grace_period)

    def test_many_connections_in_the_middle_of_a_login_displace_none(self) -> None:
        crowd = [self.bench.connect(protocol=Raw()) for _ in range(63)]
        client = self.bench.connect(host="192.0.2.1")
        for raw in crowd:
            raw.transport.write(b"SSH-2.0-crowd\r\n")
        self.bench.settle()
        self.assertEqual((32, 32), (self.new(), len(self.bench.book)))
        client.say(SERVICE_REQUEST, string(b"ssh-userauth"))
        self.bench.settle()
        authenticate(client, b"alice", ALICE)
        self.bench.settle()
        self.assertEqual(1, len(client.got(AUTH_SUCCESS)))
        self.assertFalse(any(raw.lost for raw in crowd))
        self.bench.connect(protocol=Raw())
        self.bench.settle()
        self.assertFalse(crowd[0].lost)  # there is one less
        self.bench.connect(protocol=Raw())
        self.bench.settle()
        self.assertTrue(crowd[0].lost)

    def test_of_all_addresses_two_hundred_are_new(self) -> None:
        for number in range(500):
            self.bench.connect(host=f"198.51.{number % 100}.1", protocol=Raw())
        self.assertEqual((200, 200), (self.new(), len(self.bench.book)))
        self.bench.grow_up()
        self.assertEqual((0, 200), (self.new(), len(self.bench.book)))
        self.assertEqual(200, len(self.bench.ssh.connections))

    def test_a_connection_lost_in_its_grace_period_leaves_nothing(self) -> None:
        for raw in [self.bench.connect(protocol=Raw()) for _ in range(20)]:
            raw.transport.loseConnection()
        self.bench.settle()
        self.assertEqual(0, self.new())
        self.assert_all_is_over()

    def test_a_failure_in_the_grace_period_counts_afterwards(self) -> None:
        bench = StormBench(per_address=2)
        silent, failing = bench.connect(protocol=Raw()), bench.asking()
        authenticate(failing, b"alice", ALICE, signer=STRANGER)
        bench.grow_up()
        newcomer = bench.connect(protocol=Raw())
        bench.grow_up()
        self.assertEqual([False, True, False], [c.lost for c in (silent, failing, newcomer)])


class StallTests(StormCase):
    """A key exchange, or a login, that stops in the middle."""

    def test_wherever_it_stops_a_minute_is_all_it_gets(self) -> None:
        for last in (KEXINIT, EXCHANGE_INIT, NEWKEYS, SERVICE_REQUEST, AUTH_REQUEST):
            client = Stalling(last)
            self.bench.connect(protocol=client)
            client.say(SERVICE_REQUEST, string(b"ssh-userauth"))
            self.bench.settle()
            if client.secure:
                probe(client, b"alice", ALICE)
            self.bench.pass_time(59)
            self.assertFalse(client.lost, last)
            calls = self.bench.calls_during(lambda: self.bench.pass_time(2))
            self.assertTrue(client.lost, last)
            self.assertLessEqual(calls, 2)
        self.bench.pass_time(10)
        self.assert_all_is_over()

    def test_a_byte_now_and_then_buys_no_time(self) -> None:
        raw = self.bench.connect(protocol=Raw())
        raw.transport.write(b"SSH-2.0-slow\r\n" + struct.pack(">L", 30000))
        for _ in range(60):
            raw.transport.write(b"\x05")
            self.bench.pass_time(1)
        self.assertTrue(raw.lost)

    def test_new_keys_again_and_again_buy_none_either(self) -> None:
        self.patch(limits, "REKEY_BURST", 32)
        client = self.bench.connect(protocol=Storming())
        client.storming = True
        client.sendKexInit()
        self.bench.pass_time(61)
        self.assertTrue(client.lost)


class LongNameTests(StormCase):
    """Names of a mebibyte, and of what just fits into a packet."""

    def refused(self, data: bytes, server: Any = None) -> None:
        raw = self.bench.connect(protocol=Raw())
        raw.transport.write(data)
        self.bench.settle()
        self.assertTrue(raw.lost)
        # What came behind the refusal was not kept.
        self.assertEqual(b"", bytes(raw.server.incoming._received))

    def test_a_version(self) -> None:
        self.refused(b"SSH-2.0-" + b"v" * MEBIBYTE)

    def test_a_packet_of_a_mebibyte_is_refused_at_its_length(self) -> None:
        raw = self.bench.connect(protocol=Raw())
        raw.transport.write(b"SSH-2.0-long\r\n" + clear(KEXINIT, bytes(MEBIBYTE))[:100])
        self.bench.settle()
        self.assertTrue(raw.lost)

    def test_lists_of_algorithms(self) -> None:
        for names in (b"n" * 60_000, b"n," * 30_000, b"," * 60_000):
            for place in range(10):
                lists = [b"none"] * 10
                lists[place] = names
                body = bytes(16) + b"".join(map(string, lists)) + bytes(5)
                self.refused(b"SSH-2.0-long\r\n" + clear(KEXINIT, body))
        self.assert_log_is_short(10)

    def test_users_services_methods_and_keys(self) -> None:
        long = string(b"u" * 60_000)
        ssh, user = string(b"ssh-connection"), string(b"alice")
        for parts in (
            (long, ssh, string(b"none")),
            (user, ssh, long),
            (user, ssh, string(b"publickey"), b"\0", long, string(b"x")),
            (user, ssh, string(b"publickey"), b"\0", string(b"ssh-ed25519"), long),
            (user, ssh, string(b"publickey"), b"\1", string(b"ssh-ed25519"), string(b"x"), long),
            (user, ssh, string(b"password"), b"\0", long),
            (user, ssh, string(b"keyboard-interactive"), long, long[:100]),
        ):
            client = self.bench.asking()
            client.say(AUTH_REQUEST, *parts)
            self.bench.settle()
            self.assertTrue(client.lost or client.got(AUTH_FAILURE), parts[2][:40])
            self.assertEqual([], client.got(AUTH_SUCCESS))
        self.assert_log_is_short(20)

    def test_a_service(self) -> None:
        client = self.bench.connect()
        client.say(SERVICE_REQUEST, string(b"s" * 60_000))
        self.bench.settle()
        self.assertTrue(client.lost)


class OrderTests(StormCase):
    """Requests out of order; `test_exchange` has those inside a key exchange."""

    def test_a_service_before_the_key_exchange(self) -> None:
        for message in (SERVICE_REQUEST, AUTH_REQUEST, OPEN, GLOBAL_REQUEST, NEWKEYS):
            raw = self.bench.connect(protocol=Raw())
            raw.transport.write(b"SSH-2.0-hasty\r\n" + clear(message, string(b"ssh-userauth")))
            self.bench.settle()
            self.assertTrue(raw.lost, message)

    def test_a_login_after_the_login(self) -> None:
        client = self.bench.logged_in()
        authenticate(client, b"bob", STRANGER)
        authenticate(client, b"alice", ALICE)
        self.bench.settle()
        self.assertEqual(1, len(client.got(AUTH_SUCCESS)))
        self.assertEqual("alice", server_of(client).login.operator)  # type: ignore[union-attr]
        number, program = self.bench.running(client)
        self.assertEqual((0, "alice"), (number, program.login.operator))

    def test_answers_to_questions_that_were_not_asked(self) -> None:
        for message in (6, 52, 60, 61, 91, 92, 99, 100):
            client = self.bench.logged_in()
            client.say(message, uint32(0), uint32(0), uint32(0))
            self.bench.settle()
            self.assertTrue(client.lost or client.got(UNIMPLEMENTED), message)

    def test_compression_is_never_had(self) -> None:
        for names in ([b"zlib"], [b"zlib@openssh.com"], [b"zlib", b"zlib@openssh.com"]):
            client = Client()
            client.supportedCompressions = names
            self.bench.connect(protocol=client)
            self.assertEqual((False, True), (client.secure, client.lost))
        client = Client()
        client.supportedCompressions = [b"zlib", b"none"]
        self.bench.connect(protocol=client)
        self.assertTrue(client.secure)


class FloodTests(StormCase):
    """Much of what is allowed."""

    def flood(self, client: Any, message: int, *parts: bytes, count: int = 10_000) -> None:
        for _ in range(count):
            client.say(message, *parts)
        self.bench.settle()

    def test_chatter_is_read_and_forgotten(self) -> None:
        for kind in (self.bench.connect, self.bench.logged_in):
            client = kind()
            wire: Wire = server_of(client).transport
            wire.most = 0
            for message, parts in (
                (IGNORE, (string(b"x" * 100),)),
                (DEBUG, (b"\1", string(b"x" * 100), string(b""))),
                (UNIMPLEMENTED, (uint32(1),)),
            ):
                turns = 3000 // EVENTS_UNPROVEN + 2  # one call each, nothing else
                calls = self.bench.calls_during(
                    lambda c=client, m=message, p=parts: self.flood(c, m, *p, count=3000)  # type: ignore[misc]
                )
                self.assertLessEqual(calls, turns)
            self.assertEqual(0, wire.most)
            self.assertEqual(b"", bytes(server_of(client).incoming._received))
            self.assertFalse(client.lost)
        self.assert_log_is_short(1)  # the login

    def test_global_requests_are_answered_as_long_as_the_answers_are_read(self) -> None:
        client = self.bench.logged_in()
        self.flood(client, GLOBAL_REQUEST, string(b"tcpip-forward"), b"\1", count=2000)
        self.assertEqual(2000, len(client.got(GLOBAL_FAILURE)))

    def test_answers_that_are_not_read_stop_the_reading(self) -> None:
        self.patch(limits, "BACKLOG_LIMIT", 32 * 1024)
        for message, parts in (
            (GLOBAL_REQUEST, (string(b"tcpip-forward"), b"\1")),
            (OPEN, (string(b"x11"), bytes(12))),
            (150, ()),
        ):
            client = self.bench.logged_in()
            wire: Wire = server_of(client).transport
            wire.stalled = True
            self.flood(client, message, *parts, count=4000)
            self.assertFalse(wire.reading)
            self.assertLess(wire.most, TCP_BUFFER + limits.BACKLOG_LIMIT + 1024)
            wire.stalled = False
            self.bench.settle()
            self.assertTrue(wire.reading)
            self.assertFalse(client.lost)

    def test_requests_to_log_in(self) -> None:
        client = self.bench.asking()
        for _ in range(1000):
            client.say(AUTH_REQUEST, string(b"bob"), string(b"ssh-connection"), string(b"none"))
        self.bench.settle()
        self.assertTrue(client.lost)
        self.assertLessEqual(len(client.got(AUTH_FAILURE)), 6 * limits.PROBES_PER_FAILURE)

    def test_a_client_that_always_asks_for_new_keys_gets_fifty_a_second(self) -> None:
        self.patch(limits, "REKEY_BURST", 32)  # in memory all of them come in one turn
        client = self.bench.logged_in_with(Storming())
        client.storming = True
        client.sendKexInit()
        self.bench.settle()
        self.assertEqual(limits.REKEY_BURST + 1, client.exchanges)
        other = self.bench.logged_in()
        for _ in range(300):
            self.bench.clock.advance(0.01)
            self.bench.settle()
        self.assertLessEqual(client.exchanges, limits.REKEY_BURST + 150)
        self.assertGreater(client.exchanges, limits.REKEY_BURST + 50)
        self.assertFalse(client.lost)
        client.storming = False
        self.bench.pass_time(2)
        _, program = self.bench.running(client)
        program.channel.write(b"all is well")
        self.bench.running(other)
        self.bench.settle()
        self.assertEqual(b"all is well", client.bytes_of(7))


class GuessingTests(StormCase):
    """Keys and logins that are wrong."""

    def test_an_agent_with_a_hundred_keys_and_the_right_one_last(self) -> None:
        for ask in (probe, authenticate):
            client = self.bench.asking()
            wrong = [self.another() for _ in range(100)]
            for key in wrong:
                ask(client, b"alice", key)
                self.bench.settle()
            self.assertEqual(100, len(client.got(AUTH_FAILURE)))
            authenticate(client, b"alice", ALICE)
            self.bench.settle()
            self.assertEqual(1, len(client.got(AUTH_SUCCESS)))

    def another(self) -> Any:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from twisted.conch.ssh.keys import Key

        return Key(Ed25519PrivateKey.generate())

    def storm(self, user: bytes, connections: int, host: str = "192.0.2.66") -> None:
        """Bad signatures, six for each connection: what six delays allow, at once."""
        for _ in range(connections):
            client = self.bench.asking(host=host)
            for _ in range(6):
                authenticate(client, user, ALICE, signer=STRANGER)
            self.bench.settle()
            self.bench.pumps = self.bench.pumps[-64:]

    def test_bad_logins_of_one_operator_delay_no_other_and_no_other_address(self) -> None:
        self.storm(b"alice", 50)
        attempts, now = self.bench.context.throttle, self.bench.clock.seconds()
        self.assertGreater(attempts.delay("192.0.2.66", "alice", now), 0)
        self.assertEqual(0, attempts.delay("192.0.2.66", "bob", now))
        self.assertEqual(0, attempts.delay("192.0.2.1", "alice", now))
        self.assertLessEqual(len(self.bench.book), 32)
        self.bench.directory.known["bob"] = [ALICE.public().blob()]
        calls = self.bench.calls_during(lambda: self.bench.logged_in(b"bob", host="192.0.2.66"))
        self.assertLessEqual(calls, 8)  # login, exchange, renewal, life, two turns
        self.bench.logged_in(b"alice", host="192.0.2.1")

    def test_the_operator_waits_five_seconds_at_most_and_logs_in(self) -> None:
        self.storm(b"alice", 50)
        client = self.bench.asking(host="192.0.2.66")
        authenticate(client, b"alice", ALICE)
        self.bench.settle()
        self.bench.pass_time(int(DELAY_LIMIT))
        self.assertEqual(1, len(client.got(AUTH_SUCCESS)))

    def test_ten_thousand_names_leave_bounded_tables(self) -> None:
        attempts = self.bench.context.throttle
        for number in range(10_000):
            attempts.failed(f"192.0.2.{number % 250}", f"user{number}", number / 170)
        self.assertLessEqual(len(attempts._tallies), TABLE_LIMIT)
        self.bench.logged_in(host="192.0.2.66")

    def test_nothing_is_read_during_the_delay(self) -> None:
        self.storm(b"alice", 50)
        client = self.bench.asking(host="192.0.2.66")
        wire: Wire = server_of(client).transport
        for _ in range(3):
            authenticate(client, b"alice", ALICE, signer=STRANGER)
        self.bench.settle()
        self.assertFalse(wire.reading)
        self.assertEqual([], client.got(AUTH_FAILURE))
        self.bench.pass_time(5)
        self.assertEqual(1, len(client.got(AUTH_FAILURE)))
