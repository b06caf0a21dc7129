"""The room in front of a line: balancers, waiting for room, and the connection given away."""

from collections import Counter
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet import reactor as the_reactor
from twisted.internet import ssl
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase

from tests.net.ends import ReplaceableWire
from vspc.net import preaccept
from vspc.net.fair_tls import start_tls
from vspc.net.keepalive import unacknowledged
from vspc.net.preaccept import (
    HEADER_TIMEOUT,
    WAITING_TIMEOUT,
    AcceptQueue,
    PendingConnection,
    ProxiedConnection,
)
from vspc.net.scheduler import Scheduler
from vspc.net.tls import ServerTls, load_pair

reactor: Any = the_reactor
HEADER = b"PROXY TCP4 10.1.2.3 10.0.0.1 40000 13370\r\n"


class Heard(Protocol):
    """Keeps what it is told."""

    transport: Any

    def __init__(self) -> None:
        self.data = b""
        self.peer: IAddress | None = None

    def connectionMade(self) -> None:
        self.peer = self.transport.getPeer()

    def dataReceived(self, data: bytes) -> None:
        self.data += data


def connect(protocol: Protocol | None) -> ReplaceableWire:
    """A connection with `protocol` above it."""
    assert protocol is not None
    wire = ReplaceableWire(peerAddress=IPv4Address("TCP", "192.0.2.1", 4))
    wire.protocol = protocol
    protocol.makeConnection(wire)
    return wire


class BehindABalancer(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.refused: list[str] = []
        self.inner = Heard()
        self.wire = connect(
            ProxiedConnection(lambda _peer: self.inner, self.clock.callLater, self.refused.append)
        )

    def test_no_layer_stays_below_the_line(self) -> None:
        self.wire.above.dataReceived(HEADER + b"rest")
        self.assertIs(self.wire.above, self.inner)
        self.assertIs(self.inner.transport, self.wire)
        self.assertEqual(self.inner.data, b"rest")
        self.assertEqual(self.inner.peer, IPv4Address("TCP", "10.1.2.3", 40000))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_one_that_closes_within_its_header(self) -> None:
        self.wire.above.dataReceived(HEADER[:-1])
        self.wire.above.connectionLost(Failure(ConnectionDone()))
        self.clock.advance(2 * HEADER_TIMEOUT)
        self.assertEqual((self.refused, self.wire.aborted), ([], False))

    @given(st.binary(max_size=800), st.lists(st.integers(0, 840), max_size=6), st.booleans())
    @settings(deadline=None)
    def test_any_bytes_in_any_pieces(self, data: bytes, cuts: list[int], good: bool) -> None:
        self.setUp()
        stream = HEADER + data if good else data
        edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
        for start, end in pairwise(edges):
            if not self.wire.aborted:
                self.wire.above.dataReceived(stream[start:end])
        if good:
            self.assertEqual(self.inner.data, data)
        self.clock.advance(2 * HEADER_TIMEOUT)
        self.assertTrue(self.wire.aborted or self.wire.above is self.inner)
        self.assertEqual(bool(self.refused), self.wire.aborted)


class Waiting(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.queue = AcceptQueue()
        self.refused: list[str] = []
        self.let_in: list[tuple[str, int]] = []
        self.numbers = Counter[str]()

    def join(self, host: str) -> PendingConnection | None:
        """One more of `host` wants to wait."""
        number = self.numbers[host]
        self.numbers[host] += 1

        def make() -> Protocol:
            self.let_in.append((host, number))
            return Heard()

        return self.queue.join(host, make, self.clock.callLater, self.refused.append)

    def wait(self, host: str) -> ReplaceableWire:
        """One more of `host` waits."""
        return connect(self.join(host))

    def room(self, **rooms: int) -> None:
        """So many of each host, of `any` all together, have room."""
        left = Counter(rooms)

        def has_room(host: str) -> bool:
            which = host if host in rooms else "any"
            left[which] -= 1
            return left[which] >= 0

        self.queue.serve(has_room)

    def test_order_of_arrival_across_addresses(self) -> None:
        for host in "aabab":
            self.wait(host)
        self.room(any=3)
        self.assertEqual(self.let_in, [("a", 0), ("a", 1), ("b", 0)])
        self.room(any=3)
        self.assertEqual(self.let_in[3:], [("a", 2), ("b", 1)])
        self.assertEqual(len(self.queue), 0)

    def test_a_full_address_does_not_delay_another(self) -> None:
        for host in "aab":
            self.wait(host)
        self.room(a=0, any=5)
        self.assertEqual(self.let_in, [("b", 0)])

    def test_nothing_is_read_meanwhile_and_nothing_is_lost(self) -> None:
        wire = self.wait("a")
        self.assertTrue(wire.paused)
        wire.above.dataReceived(b"early ")
        wire.above.dataReceived(b"birds")
        self.room(any=1)
        self.assertFalse(wire.paused)
        self.assertEqual(wire.above.data, b"early birds")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_it_does_not_wait_for_ever(self) -> None:
        wire = self.wait("a")
        self.clock.advance(WAITING_TIMEOUT - 0.1)
        self.assertFalse(wire.aborted)
        self.clock.advance(0.2)
        self.assertTrue(wire.aborted)
        self.assertEqual((len(self.refused), len(self.queue)), (1, 0))
        self.room(any=1)
        self.assertEqual(self.let_in, [])

    def test_one_that_closes_makes_room(self) -> None:
        self.patch(preaccept, "WAITING", 2)
        self.patch(preaccept, "WAITING_IN_ALL", 3)
        first, _ = self.wait("a"), self.wait("a")
        self.assertIsNone(self.join("a"))
        self.wait("b")
        self.assertIsNone(self.join("c"))
        first.above.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.clock.getDelayedCalls()[0].active(), 1)
        self.wait("c")
        self.assertEqual(len(self.queue), 3)

    @settings(deadline=None)
    @given(st.lists(st.tuples(st.sampled_from(["join", "go", "room"]), st.sampled_from("abc"))))
    def test_the_bounds_hold_and_each_address_keeps_its_order(
        self, steps: list[tuple[str, str]]
    ) -> None:
        self.setUp()
        self.patch(preaccept, "WAITING", 3)
        self.patch(preaccept, "WAITING_IN_ALL", 5)
        inside = list[tuple[str, ReplaceableWire]]()
        for step, host in steps:
            mine = [wire for name, wire in inside if name == host]
            if step == "join":
                waiting = self.join(host)
                self.assertEqual(waiting is None, len(mine) >= 3 or len(inside) >= 5)
                if waiting is not None:
                    inside.append((host, connect(waiting)))
            elif step == "go" and mine:
                mine[-1].above.connectionLost(Failure(ConnectionDone()))
                inside.remove((host, mine[-1]))
            elif step == "room" and mine:
                self.room(**{host: 1}, any=0)
                self.assertIsInstance(mine[0].above, Heard)
                inside.remove((host, mine[0]))
            self.assertEqual(len(self.queue), len(inside))
        for host in "abc":
            order = [number for name, number in self.let_in if name == host]
            self.assertEqual(order, sorted(order))


class Caller(Protocol):
    """The other end of a real connection: its header, then TLS if it is answered."""

    transport: Any

    def __init__(self, done: "Deferred[bytes]", gone: "Deferred[None]") -> None:
        self.done = done
        self.gone = gone

    def connectionMade(self) -> None:
        self.transport.write(HEADER + b"clear")

    def dataReceived(self, data: bytes) -> None:
        if data == b"tls":
            self.transport.startTLS(ssl.CertificateOptions())
            self.transport.write(b"secret")
        else:
            self.transport.abortConnection()
            self.done.callback(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.gone.callback(None)


class Upgrading(Heard):
    """Starts TLS when it has heard what was said in clear, and answers what is said in TLS."""

    def __init__(self, tls: ServerTls) -> None:
        super().__init__()
        self.tls = tls
        self.share = Scheduler(reactor.callLater, reactor.seconds).share("local")
        self.peers: list[str] = []
        self.queued: list[int | None] = []

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        self.peers.append(self.transport.getPeer().host)
        self.queued.append(unacknowledged(self.transport))
        if self.data == b"clear":
            self.transport.write(b"tls")
            self.transport = start_tls(self.transport, self.tls, self)
        else:
            self.transport.write(b"done")


class OnARealSocket(TestCase):
    async def test_tls_that_starts_later_leaves_the_source_and_the_socket(self) -> None:
        state = Path(self.mktemp())
        state.mkdir()
        inner = Upgrading(ServerTls(load_pair(None, None, state)))
        refused: list[str] = []
        announced = partial(
            ProxiedConnection, lambda _peer: inner, reactor.callLater, refused.append
        )
        port = reactor.listenTCP(0, Factory.forProtocol(announced), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        done, gone = Deferred[bytes](), Deferred[None]()
        client: Any = Factory.forProtocol(partial(Caller, done, gone))
        await TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port).connect(client)
        self.assertEqual(await done, b"done")
        await gone
        self.assertEqual((inner.data, refused), (b"clearsecret", []))
        self.assertEqual(set(inner.peers), {"10.1.2.3"})
        self.assertNotIn(None, inner.queued)
