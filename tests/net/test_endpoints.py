"""Endpoints that listen where the configuration says."""

import errno
import socket
from typing import Any

from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory
from twisted.internet.testing import MemoryReactor
from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase, TestCase

from vspc.config.listening import ListeningAddress
from vspc.net.endpoints import ACCEPTS, BACKLOG, Listeners, limit_accepts, server
from vspc.net.received_ports import ReceivedPort


class Picky(MemoryReactor):
    """A reactor that fails to listen on IPv6 with `number`."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> Any:
        if interface == "::":
            raise CannotListenError(interface, port, OSError(self.number, "no"))
        return super().listenTCP(port, factory, backlog, interface)


class Port:
    """As Twisted's: it takes as many as it has a mind to, and more the next time."""

    numberAccepts = 100
    taken = 0

    def doRead(self) -> None:
        self.taken += self.numberAccepts
        self.numberAccepts += 20


class FullPort(Port):
    """There is no memory for what it takes."""

    def doRead(self) -> None:
        super().doRead()
        raise MemoryError


class AcceptTests(SynchronousTestCase):
    def test_a_turn_takes_few_connections(self) -> None:
        port = Port()
        limit_accepts(port)
        for turns in range(1, 4):
            port.doRead()
            self.assertEqual(port.taken, turns * ACCEPTS)

    def test_few_connections_are_looked_for_as_before(self) -> None:
        port = Port()
        limit_accepts(port)
        port.numberAccepts = 1
        port.doRead()
        self.assertEqual(port.taken, 1)

    def test_memory_that_runs_out_does_not_close_the_port(self) -> None:
        port = FullPort()
        limit_accepts(port)
        port.doRead()  # the reactor would close what raises
        self.assertEqual(port.taken, ACCEPTS)


class EndpointTests(SynchronousTestCase):
    def listen(self, description: str, reactor: MemoryReactor | None = None) -> list[Any]:
        reactor = reactor or MemoryReactor()
        self.successResultOf(server(reactor, description).listen(Factory()))
        return [(port, interface) for port, _, backlog, interface in reactor.tcpServers]

    def test_a_port_alone_is_on_every_address(self) -> None:
        self.assertEqual([(13370, "::")], self.listen("tcp:13370"))

    def test_without_ipv6_it_listens_on_ipv4(self) -> None:
        for number in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
            self.assertEqual([(13370, "")], self.listen("tcp:13370", Picky(number)))

    def test_a_port_in_use_does_not_fall_back_to_ipv4(self) -> None:
        reactor = Picky(errno.EADDRINUSE)
        self.failureResultOf(server(reactor, "tcp:1").listen(Factory()), CannotListenError)
        self.assertEqual([], reactor.tcpServers)

    def test_an_interface_is_that_one(self) -> None:
        self.assertEqual([(1, "10.0.0.1")], self.listen("tcp:1:interface=10.0.0.1"))
        self.assertEqual([(1, "::1")], self.listen("tcp:1:interface=\\:\\:1"))
        self.assertEqual([(1, "::")], self.listen("tcp6:1"))

    def test_the_default_backlog_is_long(self) -> None:
        for description, backlog in (
            ("tcp:1", BACKLOG),
            ("tcp6:1", BACKLOG),
            ("tcp:1:interface=10.0.0.1", BACKLOG),
            ("tcp:1:backlog=7", 7),
        ):
            reactor = MemoryReactor()
            self.successResultOf(server(reactor, description).listen(Factory()))
            self.assertEqual(backlog, reactor.tcpServers[0][2], description)

    def test_a_unix_socket(self) -> None:
        reactor = MemoryReactor()
        self.successResultOf(server(reactor, "unix:/run/vspc/door").listen(Factory()))
        self.assertEqual("/run/vspc/door", reactor.unixServers[0][0])


class HandedOver(SynchronousTestCase):
    def test_what_was_left_for_a_socket_that_is_not_opened_is_closed(self) -> None:
        sock = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(sock.close)
        port = sock.getsockname()[1]
        listeners = Listeners(MemoryReactor(), Logger())
        listeners.received.unclaimed.append(ReceivedPort("p00001", sock, True))
        listeners.received.claim_named([("p00001", ListeningAddress("tcp", "127.0.0.1", port))])
        listeners.open_all([])
        self.assertNotEqual(sock.fileno(), -1)
        listeners.close_unclaimed()
        self.assertEqual(sock.fileno(), -1)


class RealTests(TestCase):
    def test_what_listens_has_the_options_that_connections_take_from_it(self) -> None:
        from twisted.internet import reactor

        handed = socket.create_server(("127.0.0.1", 0))
        there = f"tcp:{handed.getsockname()[1]}:interface=127.0.0.1"
        listeners = Listeners(reactor, Logger())
        listeners.received.unclaimed.append(ReceivedPort("p00001", handed, True))
        listeners.open_all(
            [
                (there, Factory(), "telnet"),
                ("tcp:0:interface=127.0.0.1", Factory(), "ssh"),
            ]
        )
        self.assertEqual(handed.fileno(), -1)  # it goes on as a port
        ports: list[Any] = list(listeners.ports)
        for port in ports:
            self.addCleanup(port.stopListening)
            self.assertTrue(port.socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
            self.assertTrue(port.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    def test_both_families_reach_a_port_alone(self) -> None:
        from twisted.internet import reactor

        port: Any = self.successResultOf(server(reactor, "tcp:0").listen(Factory()))
        self.addCleanup(port.stopListening)
        families = [(socket.AF_INET, "127.0.0.1")]
        if port.addressFamily == socket.AF_INET6:
            families.append((socket.AF_INET6, "::1"))
        # Nobody has to accept: the kernel connects, or refuses.
        for family, host in families:
            with socket.socket(family) as client:
                client.connect((host, port.getHost().port))
