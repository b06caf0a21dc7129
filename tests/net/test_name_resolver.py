"""Names that are looked up for Twisted: with a resolver that answers, hangs and fails."""

import socket
import threading
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import DNSLookupError
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import SynchronousTestCase, TestCase

from tests.fakes import FakeClock
from vspc.net import name_resolver
from vspc.net.name_resolver import LOOK_UP, RESOLVERS, Found, NameResolver
from vspc.net.reactor import ReactorClock, ThreadRunner

LOCAL = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))]


class Receiver:
    """What Twisted asks with; `over` fires with the addresses."""

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self.complete = 0
        self.over: Deferred[list[str]] = Deferred()

    def resolutionBegan(self, _resolution: object) -> None:
        pass

    def addressResolved(self, address: Any) -> None:
        self.addresses.append(address.host)

    def resolutionComplete(self) -> None:
        self.complete += 1
        self.over.callback(self.addresses)


class Hanging(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = FakeClock()
        self.begun, self.release = threading.Semaphore(0), threading.Event()
        self.answered = threading.Semaphore(0)
        self.addCleanup(self.release.set)
        self.calls: list[Any] = []
        self.resolver = NameResolver(self.clock, self.call, self.fail, self.look_up)

    def call(self, call: Any) -> None:
        self.calls.append(call)
        self.answered.release()

    def look_up(self, host: str, port: int) -> Found:
        if host == "127.0.0.1":
            return LOCAL
        self.begun.release()
        self.release.wait()
        return LOCAL

    def ask(self, host: str) -> Receiver:
        receiver = Receiver()
        self.resolver.resolveHostName(receiver, host, 80)  # type: ignore[arg-type]
        return receiver

    def test_each_has_its_time_then_has_no_address_and_late_answers_are_dropped(self) -> None:
        asked = [self.ask(f"h{n}") for n in range(RESOLVERS + 2)]
        for _ in range(RESOLVERS):
            self.assertTrue(self.begun.acquire(timeout=10))
        self.clock.advance(LOOK_UP)
        for each in asked:
            self.assertEqual((each.addresses, each.complete), ([], 1))
        self.release.set()
        for _ in range(RESOLVERS):
            self.assertTrue(self.answered.acquire(timeout=10))
        for call in self.calls:
            call()
        for each in asked:
            self.assertEqual((each.addresses, each.complete), ([], 1))
        self.assertEqual(self.clock.twisted.getDelayedCalls(), [])

    def test_an_address_needs_no_thread_and_over_the_limit_nothing_waits(self) -> None:
        for n in range(RESOLVERS):
            self.ask(f"h{n}")
        for _ in range(RESOLVERS):
            self.assertTrue(self.begun.acquire(timeout=10))
        self.patch(name_resolver, "LOOK_UPS", 1)
        self.assertEqual([self.ask("one").complete, self.ask("two").complete], [0, 1])
        self.assertEqual(self.ask("127.0.0.1").addresses, ["127.0.0.1"])


class WithTwisted(TestCase):
    def resolver(self, look_up: Any) -> NameResolver:
        clock = ReactorClock(reactor)
        in_reactor: Any = reactor
        return NameResolver(clock, in_reactor.callFromThread, self.fail, look_up)

    def connect(self, look_up: Any, port: int) -> "Deferred[Any]":
        resolver = self.resolver(look_up)
        made: Any = HostnameEndpoint
        self.patch(made, "_getNameResolverAndMaybeWarn", lambda _self, _reactor: resolver)
        connecting: Deferred[Any] = made(reactor, b"web.example", port).connect(
            Factory.forProtocol(Protocol)
        )
        return connecting

    async def test_a_name_that_is_known_is_connected_to(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            found = [(*LOCAL[0][:4], ("127.0.0.1", port))]
            protocol = await self.connect(lambda _host, _port: found, port)
            closed = Deferred[None]()
            protocol.connectionLost = lambda _reason: closed.callback(None)
            protocol.transport.abortConnection()
            await closed

    async def test_a_name_that_is_not_is_an_error(self) -> None:
        def fail(_host: str, _port: int) -> Found:
            raise socket.gaierror(-2, "Name or service not known")

        try:
            await self.connect(fail, 80)
        except DNSLookupError:
            return
        self.fail("it was found")

    async def test_however_many_hang_the_reactors_threads_are_free(self) -> None:
        release = threading.Event()
        self.addCleanup(release.set)

        def hang(_host: str, _port: int) -> Found:
            release.wait()
            return LOCAL

        resolver, receivers = self.resolver(hang), [Receiver() for _ in range(50)]
        for number, receiver in enumerate(receivers):
            resolver.resolveHostName(receiver, f"h{number}", 80)  # type: ignore[arg-type]
        self.assertEqual(await ThreadRunner(reactor)(lambda: 7), 7)
        release.set()
        for receiver in receivers:
            self.assertEqual(await receiver.over, ["127.0.0.1"])
