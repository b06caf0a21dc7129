"""The pure parts of the SSH server: ciphers, streams, outboxes, throttle."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.console.logins import UserName, split_user
from vspc.ssh.channel import STDERR, STDOUT, Outbox
from vspc.ssh.crypto.exchange import CIPHERS, MACS
from vspc.ssh.crypto.packets import PACKET_LIMIT, Clear, Incoming, Outgoing, direction
from vspc.ssh.limits import DELAY_LIMIT, FREE_FAILURES, TABLE_LIMIT, LoginThrottle
from vspc.wire.ssh import MalformedSsh

HOST_KEYS = (b"ssh-ed25519",)
SECRETS = (b"v" * 20, b"k" * 64, b"m" * 64)
WAYS = [(cipher, mac) for cipher in CIPHERS for mac in MACS]


class StreamTests(SynchronousTestCase):
    @settings(deadline=None)
    @given(
        st.sampled_from(WAYS),
        st.lists(st.binary(min_size=1, max_size=300), max_size=8),
        st.lists(st.integers(1, 50), min_size=1),
    )
    def test_packets_arrive_whole_in_any_pieces(
        self, way: tuple[bytes, bytes], payloads: list[bytes], sizes: list[int]
    ) -> None:
        outgoing, incoming = Outgoing(), Incoming()
        outgoing.rekey(direction(*way, *SECRETS), reset=False)
        incoming.rekey(direction(*way, *SECRETS), reset=False)
        wire = b"".join(map(outgoing.seal, payloads))
        self.assertEqual(payloads, self.pieces(incoming, wire, sizes))
        self.assertEqual(outgoing.count, incoming.count)

    def pieces(self, incoming: Incoming, wire: bytes, sizes: list[int]) -> list[bytes]:
        found = []
        at = turn = 0
        while at < len(wire):
            size = sizes[turn % len(sizes)]
            incoming.feed(wire[at : at + size])
            at, turn = at + size, turn + 1
            while (payload := incoming.packet()) is not None:
                found.append(payload)
        return found

    @settings(deadline=None)
    @given(st.sampled_from(WAYS), st.binary(min_size=1, max_size=99), st.data())
    def test_a_changed_byte_is_noticed(
        self, way: tuple[bytes, bytes], payload: bytes, data: st.DataObject
    ) -> None:
        wire = bytearray(direction(*way, *SECRETS).seal(0, payload))
        wire[data.draw(st.integers(0, len(wire) - 1))] ^= data.draw(st.integers(1, 255))
        incoming = Incoming()
        incoming.rekey(direction(*way, *SECRETS), reset=False)
        incoming.feed(bytes(wire))
        try:
            self.assertIsNone(incoming.packet())
        except MalformedSsh:
            return

    @settings(deadline=None)
    @given(st.sampled_from([*WAYS, None]), st.binary(max_size=200))
    def test_noise_never_raises_anything_else(
        self, way: tuple[bytes, bytes] | None, noise: bytes
    ) -> None:
        incoming = Incoming()
        incoming.rekey(Clear() if way is None else direction(*way, *SECRETS), reset=False)
        incoming.feed(noise)
        try:
            while incoming.packet() is not None:
                pass
        except MalformedSsh:
            return

    def test_the_largest_packet(self) -> None:
        for way in WAYS:
            incoming = Incoming()
            incoming.rekey(direction(*way, *SECRETS), reset=False)
            incoming.feed(direction(*way, *SECRETS).seal(0, bytes(PACKET_LIMIT - 64)))
            self.assertEqual(PACKET_LIMIT - 64, len(incoming.packet() or b""))

    def test_numbers_begin_again_after_the_last(self) -> None:
        for way in WAYS:
            outgoing, incoming = Outgoing(), Incoming()
            outgoing.rekey(direction(*way, *SECRETS), reset=False)
            incoming.rekey(direction(*way, *SECRETS), reset=False)
            outgoing.sequence = incoming.sequence = (1 << 32) - 1
            for _ in range(2):
                incoming.feed(outgoing.seal(b"x"))
                self.assertEqual(b"x", incoming.packet())
            self.assertEqual((1, 1), (outgoing.sequence, incoming.sequence))


class NameTests(SynchronousTestCase):
    def test_operators_targets_and_options(self) -> None:
        for user, expected in (
            (b"alice", UserName("alice", None, ())),
            (b"alice+web01", UserName("alice", "web01", ())),
            (b"alice:web01", UserName("alice", "web01", ())),
            (b"alice+", UserName("alice", "", ())),
            (b"alice:", UserName("alice", "", ())),
            (b"alice+web01:COM1", UserName("alice", "web01:COM1", ())),
            (b"alice:a+b", UserName("alice", "a+b", ())),
            (b"alice+web01,ro,replay=200", UserName("alice", "web01", ("ro", "replay=200"))),
            (b"alice,ro", UserName("alice", None, ("ro",))),
            (b"alice,esc=+", UserName("alice", None, ("esc=+",))),
            (b"alice,", UserName("alice", None, ("",))),
            (b"alice@corp+prod/web", UserName("alice@corp", "prod/web", ())),
            ("zoë+büro".encode(), UserName("zoë", "büro", ())),
            (b"", UserName("", None, ())),
        ):
            self.assertEqual(expected, split_user(user))

    def test_names_that_are_no_text_or_too_long(self) -> None:
        self.assertIsNone(split_user(b"\xff"))
        self.assertIsNone(split_user(b"a" * 1025))

    @given(st.binary(max_size=60))
    def test_any_bytes(self, user: bytes) -> None:
        name = split_user(user)
        if name is not None:
            self.assertFalse(set(name.operator) & set("+:,"))


class OutboxTests(SynchronousTestCase):
    @given(
        st.lists(st.tuples(st.sampled_from([STDOUT, STDERR]), st.binary(max_size=9))),
        st.integers(1, 7),
    )
    def test_first_in_first_out(self, puts: list[tuple[int, bytes]], count: int) -> None:
        outbox = Outbox(100)
        expected: list[tuple[int, int]] = []
        for stream, data in puts:
            if outbox.put(stream, data):
                expected += [(stream, byte) for byte in data]
            self.assertLessEqual(outbox.held, 100)
        found: list[tuple[int, int]] = []
        while outbox.held:
            stream, data = outbox.take(count)
            self.assertLessEqual(len(data), count)
            found += [(stream, byte) for byte in data]
        self.assertEqual(expected, found)


class AttemptTests(SynchronousTestCase):
    def test_twenty_cost_nothing_then_each_one_more_until_the_limit(self) -> None:
        attempts = LoginThrottle()
        delays = []
        for _ in range(FREE_FAILURES + 15):
            delays.append(attempts.delay("a", "alice", 0))
            attempts.failed("a", "alice", 0)
        self.assertEqual([0.0] * FREE_FAILURES, delays[:FREE_FAILURES])
        self.assertEqual(DELAY_LIMIT, attempts.delay("a", "alice", 0))
        self.assertEqual(0, attempts.delay("b", "alice", 0))
        self.assertEqual(0, attempts.delay("a", "alice", 120))
        attempts.succeeded("a", "alice")
        self.assertEqual(0, attempts.delay("a", "alice", 0))

    def test_the_table_is_bounded(self) -> None:
        attempts = LoginThrottle()
        for number in range(TABLE_LIMIT + 10):
            attempts.failed("a", str(number), 0)
        self.assertEqual(TABLE_LIMIT, len(attempts._tallies))
