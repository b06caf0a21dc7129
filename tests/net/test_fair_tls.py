"""TLS below a line, against OpenSSL in memory: records and handshakes have their turn."""

import contextlib
import gc
import weakref
from typing import Any

from OpenSSL import SSL
from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.net.ends import Recorder, TurnClock, Wire
from tests.net.test_tls import Client, made_pair
from vspc.net.fair_tls import PIECE, PIECES, FairTlsFactory
from vspc.net.scheduler import EVENTS_UNPROVEN, HANDSHAKE, TURN_EVENTS, Scheduler
from vspc.net.telnet_transport import LineTransport
from vspc.net.tls import ServerTls
from vspc.wire.telnet import NOP, command


class Telnets:
    """A line behind TLS, and its client."""

    def __init__(self, clock: TurnClock, scheduler: Scheduler, server: ServerTls) -> None:
        self.clock = clock
        self.protocol = Recorder()
        self.wire = Wire()
        share = scheduler.share("192.0.2.1")
        self.line = LineTransport(lambda: self.protocol, clock.seconds, share)
        factory: Any = FairTlsFactory(server, False, Factory.forProtocol(lambda: self.line), clock)
        self.engine: Any = factory.buildProtocol(None)
        self.engine.makeConnection(self.wire)
        self.client = Client().engine

    def flush(self) -> bytes:
        """What the client wants to send."""
        try:
            return self.client.bio_read(1 << 20)
        except SSL.WantReadError:
            return b""

    def hello(self) -> bytes:
        """The client's first words."""
        with contextlib.suppress(SSL.WantReadError):
            self.client.do_handshake()
        return self.flush()

    def shake_hands(self) -> "Telnets":
        """All of the handshake, in as many turns as it takes."""
        said = self.hello()
        while said:
            self.engine.dataReceived(said)
            while self.line.share.waiting:
                self.clock.turn()
            self.client.bio_write(self.wire.take())
            said = self.hello()
        return self

    def records(self, *pieces: bytes) -> bytes:
        """Each piece in a record of its own."""
        for piece in pieces:
            self.client.send(piece)
        return self.flush()


class FairTlsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = TurnClock()
        self.scheduler = Scheduler(self.clock.callLater, self.clock.seconds)
        self.server = ServerTls(made_pair())

    def telnets(self) -> Telnets:
        return Telnets(self.clock, self.scheduler, self.server)

    def test_a_turn_has_room_for_few_handshakes(self) -> None:
        many = [self.telnets() for _ in range(40)]
        for one in many:
            one.engine.dataReceived(one.hello())

        def answered() -> int:
            return sum(bool(one.wire.value()) for one in many)

        most = TURN_EVENTS // HANDSHAKE
        self.assertLessEqual(answered(), most)
        for _ in range(40):
            before = answered()
            self.clock.turn()
            self.assertLessEqual(answered() - before, most)
        self.assertEqual(answered(), 40)
        self.assertTrue(all(one.wire.reading for one in many))

    def test_tiny_records_wait_in_the_engine(self) -> None:
        one = self.telnets().shake_hands()
        self.clock.turn()
        data = b"".join(b"%d," % number for number in range(300))
        one.engine.dataReceived(one.records(*(bytes((byte,)) for byte in data)))
        heard = len(one.protocol.heard())
        self.assertLessEqual(heard, EVENTS_UNPROVEN)
        self.assertFalse(one.wire.reading)
        self.clock.turn()
        self.assertLessEqual(len(one.protocol.heard()), heard + EVENTS_UNPROVEN)
        while one.line.share.waiting:
            self.clock.turn()
        self.assertEqual(one.protocol.heard(), data)
        self.assertTrue(one.wire.reading)

    def test_what_was_read_at_once_reaches_openssl_in_pieces(self) -> None:
        one = self.telnets().shake_hands()
        self.clock.turn()
        engine, sizes = one.engine._tlsConnection, list[int]()

        def measured(data: bytes) -> int:
            sizes.append(len(data))
            return SSL.Connection.bio_write(engine, data)

        engine.bio_write = measured
        for count in (1, 80, 600):
            said = one.records(*[b"x" * 100] * count)
            one.engine.dataReceived(said)
            self.assertEqual(sum(sizes), len(said))
            self.assertLessEqual(len(sizes), PIECES)
            self.assertLessEqual(max(sizes), max(PIECE, len(said) // PIECES + 1))
            sizes.clear()
            while one.line.share.waiting:
                self.clock.turn()
        self.assertEqual(one.protocol.heard(), b"x" * 68_100)

    def test_what_was_read_is_delivered_though_the_connection_is_lost(self) -> None:
        one = self.telnets().shake_hands()
        one.engine.dataReceived(one.records(*[b"x" + command(NOP)] * 200))
        one.engine.connectionLost(Failure(ConnectionLost()))
        self.assertNotIn(("lost",), one.protocol.happened)
        while one.line.share.waiting:
            self.clock.turn()
        told = [event[0] for event in one.protocol.happened]
        self.assertEqual(told, ["data", "command"] * 200 + ["lost"])

    def test_a_handshake_that_waits_is_forgotten_with_its_connection(self) -> None:
        many = [self.telnets() for _ in range(40)]
        for one in many:
            one.engine.dataReceived(one.hello())
        many[-1].engine.connectionLost(Failure(ConnectionLost()))
        while many[-1].line.share.waiting:
            self.clock.turn()
        self.assertEqual(many[-1].protocol.happened, [("lost",)])
        self.assertLess(len(many[-1].wire.value()), 10)  # an alert at most

    def test_one_that_ends_without_a_farewell_does_not_wait_for_a_garbage_collection(self) -> None:
        gc.disable()
        self.addCleanup(gc.enable)
        one = self.telnets().shake_hands()
        engine = weakref.ref(one.engine)
        one.engine.connectionLost(Failure(ConnectionLost()))
        while one.line.share.waiting:
            self.clock.turn()
        self.assertEqual(one.protocol.happened, [("lost",)])
        vars(one).clear()
        self.assertIsNone(engine())

    def test_the_close_notify_follows_the_data(self) -> None:
        one = self.telnets().shake_hands()
        said = one.records(*[command(NOP)] * 100)
        one.client.shutdown()
        one.engine.dataReceived(said + one.flush())
        self.assertFalse(one.wire.disconnecting)
        while one.line.share.waiting:
            self.clock.turn()
        self.assertEqual(len(one.protocol.happened), 100)
        self.assertTrue(one.wire.disconnecting)

    def test_our_farewell_is_answered_though_it_was_paused(self) -> None:
        one = self.telnets().shake_hands()
        one.engine.dataReceived(one.records(*[command(NOP)] * 100))
        one.line.loseConnection()
        while one.line.share.waiting:
            self.clock.turn()
        self.assertTrue(one.wire.reading)
        self.assertLess(len(one.protocol.happened), 2 * EVENTS_UNPROVEN)
