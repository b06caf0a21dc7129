"""Connections in memory behave as TCP does."""

from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.simulator.memory import UNREAD, MemoryLink


class Side(Protocol):
    """Notes what it hears."""

    def __init__(self) -> None:
        self.data = b""
        self.lost: list[str] = []

    def dataReceived(self, data: bytes) -> None:
        self.data += data

    def connectionLost(self, reason: object = None) -> None:
        self.lost.append(type(getattr(reason, "value", None)).__name__)


class Producer:
    """Notes whether it is asked to pause."""

    paused = False

    def pauseProducing(self) -> None:
        self.paused = True

    def resumeProducing(self) -> None:
        self.paused = False


class LinkTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.client, self.server = Side(), Side()
        self.link = MemoryLink(self.clock, self.client, self.server, "127.0.0.9")

    def test_what_is_written_arrives_in_a_later_turn_and_the_close_behind_it(self) -> None:
        self.link.client.writeSequence([b"a", b"b"])
        self.link.client.loseConnection()
        self.link.client.write(b"too late")
        self.assertEqual(self.server.data, b"")
        self.clock.advance(0)
        self.assertEqual((self.server.data, self.link.client.written), (b"ab", b"ab"))
        self.assertEqual([self.client.lost, self.server.lost], [["ConnectionDone"]] * 2)

    def test_a_reader_that_pauses_stops_the_writer(self) -> None:
        producer = Producer()
        self.link.client.registerProducer(producer, True)
        self.link.server.pauseProducing()
        self.link.client.write(b"x" * (UNREAD + 1))
        self.link.client.stopProducing()
        self.clock.advance(0)
        self.assertEqual((producer.paused, self.server.data, self.server.lost), (True, b"", []))
        self.link.client.unregisterProducer()
        self.link.server.resumeProducing()
        self.clock.advance(0)
        self.assertEqual((len(self.server.data), len(self.server.lost)), (UNREAD + 1, 1))

    def test_an_abort_loses_what_was_on_its_way(self) -> None:
        self.link.client.write(b"lost")
        self.link.client.abortConnection()
        self.clock.advance(0)
        self.assertEqual((self.server.data, self.server.lost), (b"", ["ConnectionLost"]))

    def test_addresses(self) -> None:
        self.assertEqual(self.link.server.getPeer().host, "127.0.0.9")
        self.assertEqual(self.link.client.getPeer(), self.link.server.getHost())
