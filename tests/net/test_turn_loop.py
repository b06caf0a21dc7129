"""What a turn writes is sent at its end, in one piece, and not before what else is due in it."""

import contextlib
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

from OpenSSL import SSL
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IPushProducer
from twisted.internet.pollreactor import PollReactor
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.selectreactor import SelectReactor
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from tests.net.test_tls import Client, made_pair
from vspc.net.fair_tls import FairTlsFactory
from vspc.net.scheduler import Scheduler
from vspc.net.tls import ServerTls
from vspc.net.turn_loop import SEND_BUFFER, GatheringConnection, TurnLoop

LARGE = bytes(range(256)) * 65536
"""More than a socket takes at once."""


class Talker(Protocol):
    """Does `reply` for whatever comes."""

    transport: Any
    reply: Callable[["Talker"], object]

    def __init__(self) -> None:
        self.lost: Deferred[None] = Deferred()
        self.share = Scheduler(reactor.callLater, reactor.seconds).share("127.0.0.1")

    def dataReceived(self, data: bytes) -> None:
        self.reply(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost.callback(None)


@implementer(IPushProducer)
class Producer:
    """Writes 256 KiB, and four times more when it is to go on."""

    def __init__(self, transport: Any) -> None:
        self.transport = transport
        self.left = 4
        self.pauses = 0

    def pauseProducing(self) -> None:
        """It is told to go on when there is room."""
        self.pauses += 1

    def stopProducing(self) -> None:
        """Nothing is left to be produced."""

    def resumeProducing(self) -> None:
        if self.left:
            self.left -= 1
            self.transport.write(bytes(256 * 1024))
        else:
            self.transport.unregisterProducer()
            self.transport.loseConnection()


class TurnLoopTests(TestCase):
    timeout = 30.0

    def setUp(self) -> None:
        self.loop = TurnLoop(reactor)
        self.loop.start()
        self.addCleanup(self.loop.stop)
        self.talkers: list[Talker] = []
        self.addCleanup(lambda: gatherResults([each.lost for each in self.talkers]))

    async def connect(self, reply: Callable[[Talker], object], tls: bool = False) -> socket.socket:
        """A client, whose first byte is answered by `reply`, over TLS if that is on."""

        def build() -> Talker:
            talker = Talker()
            talker.reply = reply
            self.talkers.append(talker)
            return talker

        factory: Any = Factory()
        factory.protocol = build
        if tls:
            factory = FairTlsFactory(ServerTls(made_pair()), False, factory)
        port = await serverFromString(reactor, "tcp:0:interface=127.0.0.1").listen(factory)
        self.addCleanup(port.stopListening)
        self.loop.serve(port)
        client = socket.create_connection(("127.0.0.1", port.getHost().port))
        self.addCleanup(client.close)
        client.setblocking(False)
        if not tls:
            client.send(b"?")
        return client

    async def heard(self, client: socket.socket, count: int = 1 << 62) -> bytes:
        """As many bytes, or all until the end."""
        got = bytearray()
        while len(got) < count:
            try:
                data = client.recv(1 << 20)
            except BlockingIOError:
                await deferLater(reactor, 0.001)
                continue
            if not data:
                break
            got += data
        return bytes(got)

    async def test_what_one_turn_writes_comes_in_one_piece_without_another_turn(self) -> None:
        seen = list[bytes]()

        def reply(talker: Talker) -> None:
            for word in (b"one ", b"two ", b"three"):
                talker.transport.write(word)
            self.assertRaises(BlockingIOError, client.recv, 1)
            reactor.callLater(0, lambda: reactor.callLater(0, look))

        def look() -> None:
            seen.append(client.recv(100))

        client = await self.connect(reply)
        while not seen:
            await deferLater(reactor, 0.001)
        self.assertEqual([b"one two three"], seen)

    async def test_what_is_due_in_the_turn_is_done_before_anything_is_sent(self) -> None:
        done = list[str]()

        def due() -> None:
            self.assertRaises(BlockingIOError, client.recv, 1)
            done.append("written down")

        def reply(talker: Talker) -> None:
            talker.transport.write(b"answer")
            reactor.callLater(0, due)

        client = await self.connect(reply)
        self.assertEqual(b"answer", await self.heard(client, 6))
        self.assertEqual(["written down"], done)

    async def test_what_comes_before_sending_does_so_where_a_timer_writes_too(self) -> None:
        done = list[str]()

        def due() -> None:
            self.assertRaises(BlockingIOError, client.recv, 1)
            done.append("written down")

        def answer(talker: Talker) -> None:
            talker.transport.write(b"answer")
            self.loop.before_sending(partial(talker.transport.getHost, "badly"))
            self.loop.before_sending(due)

        client = await self.connect(lambda talker: reactor.callLater(0, partial(answer, talker)))
        self.assertEqual(b"answer", await self.heard(client, 6))
        self.assertEqual(["written down"], done)
        self.assertEqual(1, len(self.flushLoggedErrors(TypeError)))

    async def test_with_another_reactor_it_comes_in_the_next_turn(self) -> None:
        self.loop.stop()
        done: Deferred[None] = Deferred()
        self.loop.before_sending(partial(done.callback, None))
        self.assertFalse(done.called)
        await done

    async def test_a_call_at_the_end_of_a_turn_comes_before_it_is_sent(self) -> None:
        def reply(talker: Talker) -> None:
            self.loop.callLater(0, lambda: talker.transport.write(b" and last"))
            self.loop.callLater(0, lambda: talker.transport.write(b"not said")).cancel()
            talker.transport.write(b"first")
            reactor.callLater(0, lambda: reactor.callLater(0, look))

        def look() -> None:
            seen.append(client.recv(100))

        seen = list[bytes]()
        client = await self.connect(reply)
        while not seen:
            await deferLater(reactor, 0.001)
        self.assertEqual([b"first and last"], seen)

    async def test_a_call_at_the_end_that_fails_costs_no_other(self) -> None:
        def reply(talker: Talker) -> None:
            self.loop.callLater(0, partial(talker.transport.getHost, "badly"))
            talker.transport.write(b"answer")

        client = await self.connect(reply)
        self.assertEqual(b"answer", await self.heard(client, 6))
        self.assertEqual(1, len(self.flushLoggedErrors(TypeError)))

    async def test_what_one_turn_writes_over_tls_is_one_record_and_costs_no_timer(self) -> None:
        timers = list[int]()

        def reply(talker: Talker) -> None:
            before = len(reactor.getDelayedCalls())
            for word in (b"one ", b"two ", b"three"):
                talker.transport.write(word)
            timers.append(len(reactor.getDelayedCalls()) - before)

        engine = Client().engine
        client = await self.connect(reply, tls=True)
        said, asked = list[bytes](), False
        while not said:
            try:
                engine.do_handshake()
                if not asked:
                    asked = bool(engine.send(b"?"))
                said.append(engine.recv(100))
            except SSL.WantReadError:
                with contextlib.suppress(SSL.WantReadError):
                    client.send(engine.bio_read(1 << 16))
                with contextlib.suppress(BlockingIOError):
                    engine.bio_write(client.recv(1 << 16))
                await deferLater(reactor, 0.001)
        self.assertEqual(([b"one two three"], [0]), (said, timers))

    async def test_what_is_in_a_hurry_does_not_wait_for_the_end_of_the_turn(self) -> None:
        seen = list[bytes]()

        def reply(talker: Talker) -> None:
            for word in (b"one ", b"two"):
                talker.transport.write(word)
            talker.transport.hasten()
            seen.append(client.recv(100))
            talker.transport.hasten()
            talker.transport.write(b"three")

        client = await self.connect(reply)
        self.assertEqual(b"three", await self.heard(client, 5))
        self.assertEqual([b"one two"], seen)

    async def test_a_hurry_does_not_overtake_what_the_socket_did_not_take(self) -> None:
        def reply(talker: Talker) -> None:
            talker.transport.write(LARGE)
            talker.transport.hasten()
            talker.transport.write(b"end")
            talker.transport.hasten()

        client = await self.connect(reply)
        self.assertEqual(LARGE + b"end", await self.heard(client, len(LARGE) + 3))

    async def test_a_last_call_comes_behind_what_has_arrived_and_before_timers(self) -> None:
        done = list[str]()

        def again() -> None:
            done.append("last")
            self.loop.at_end(lambda: done.append("after that"))

        def reply(talker: Talker) -> None:
            reactor.callLater(0, done.append, "timer")
            self.loop.at_end(again)
            done.append("arrived")

        await self.connect(reply)
        while len(done) < 4:
            await deferLater(reactor, 0.001)
        self.assertEqual(["arrived", "last", "timer", "after that"], done)

    async def test_a_last_call_that_fails_hinders_no_other(self) -> None:
        called = Deferred[None]()

        def reply(talker: Talker) -> None:
            self.loop.at_end(lambda: [].clear(talker))  # type: ignore[call-arg]
            self.loop.at_end(lambda: called.callback(None))

        await self.connect(reply)
        await called
        self.assertEqual(1, len(self.flushLoggedErrors(TypeError)))

    async def test_without_anything_that_arrives_or_a_start_it_comes_too(self) -> None:
        for _ in range(2):
            called = Deferred[None]()
            self.loop.at_end(lambda called=called: called.callback(None))  # type: ignore[misc]
            await called
            self.loop.stop()

    async def test_what_the_socket_does_not_take_follows(self) -> None:
        def reply(talker: Talker) -> None:
            talker.transport.write(LARGE)
            talker.transport.write(b"end")

        client = await self.connect(reply)
        self.assertEqual(LARGE + b"end", await self.heard(client, len(LARGE) + 3))

    async def test_all_is_sent_before_a_connection_is_closed(self) -> None:
        def reply(talker: Talker) -> None:
            talker.transport.write(LARGE)
            talker.transport.loseConnection()

        self.assertEqual(LARGE, await self.heard(await self.connect(reply)))

    async def test_a_connection_that_is_aborted_sends_nothing(self) -> None:
        def reply(talker: Talker) -> None:
            talker.transport.write(b"not any more")
            talker.transport.abortConnection()

        client = await self.connect(reply)
        with self.assertRaises(ConnectionResetError):
            await self.heard(client)

    async def test_a_peer_that_is_gone_is_noticed_by_writing(self) -> None:
        gone = Deferred[None]()

        def reply(talker: Talker) -> None:
            talker.transport.stopReading()
            gone.callback(None)

        client = await self.connect(reply)
        await gone
        client.close()
        [talker] = self.talkers
        while not talker.lost.called:
            talker.transport.write(b"anybody there?")
            await deferLater(reactor, 0.001)

    async def test_a_producer_goes_on_when_all_is_sent(self) -> None:
        def reply(talker: Talker) -> None:
            producer = Producer(talker.transport)
            talker.transport.registerProducer(producer, True)
            producer.resumeProducing()

        self.assertEqual(bytes(1024 * 1024), await self.heard(await self.connect(reply)))

    async def test_a_producer_is_paused_for_more_than_the_buffer_only(self) -> None:
        pauses = list[int]()

        def reply(talker: Talker) -> None:
            producer = Producer(talker.transport)
            talker.transport.registerProducer(producer, True)
            for size in (SEND_BUFFER, 1):
                talker.transport.write(bytes(size))
                pauses.append(producer.pauses)
            talker.transport.unregisterProducer()
            talker.transport.loseConnection()

        await self.heard(await self.connect(reply))
        self.assertEqual([0, 1], pauses)

    async def test_without_a_start_it_writes_as_twisted_does(self) -> None:
        self.loop.stop()

        def reply(talker: Talker) -> None:
            self.loop.callLater(0, talker.transport.loseConnection)
            talker.transport.write(b"all the same")

        self.assertEqual(b"all the same", await self.heard(await self.connect(reply)))

    async def test_what_waits_at_a_stop_is_sent(self) -> None:
        def reply(talker: Talker) -> None:
            talker.transport.write(b"the last words")
            self.loop.stop()

        client = await self.connect(reply)
        self.assertEqual(b"the last words", await self.heard(client, 14))
        [talker] = self.talkers
        self.assertIsInstance(talker.transport, GatheringConnection)
        talker.transport.write(b", and more")
        self.assertEqual(b", and more", await self.heard(client, 10))

    async def test_a_unix_socket_is_left_alone(self) -> None:
        path = self.mktemp()
        factory = Factory.forProtocol(Talker)
        port: Any = await serverFromString(reactor, f"unix:{path}").listen(factory)
        self.addCleanup(port.stopListening)
        transport = port.transport
        self.loop.serve(port)
        self.assertIs(transport, port.transport)

    def test_a_reactor_that_does_not_wait_by_epoll_is_left_alone(self) -> None:
        for other in (SelectReactor(), PollReactor()):
            self.addCleanup(other.disconnectAll)
            own = other.doIteration
            loop = TurnLoop(other)
            loop.start()
            self.assertEqual(own, other.doIteration)
            other.doIteration(0)
            loop.stop()
            self.assertEqual(own, other.doIteration)
