"""TCP options and the send queue, over a real socket pair and over transports in memory."""

import socket
from typing import Any

from twisted.internet import tcp
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactor, StringTransport
from twisted.test.iosim import FakeTransport
from twisted.trial.unittest import SynchronousTestCase

from vspc.net.keepalive import (
    IDLE,
    INTERVAL,
    PROBES,
    keep_accepted_alive,
    keep_alive,
    unacknowledged,
)


class OverTcp:
    """What Twisted's TCP transport shows of itself."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self.dataBuffer = b""
        self.offset = 0
        self._tempDataLen = 0

    def getHandle(self) -> socket.socket:
        return self._socket


class Engine:
    """What Twisted's TLS engine shows of itself."""

    def __init__(self, transport: Any = None) -> None:
        self.transport = transport
        self._appSendBuffer = [b"before", b"handshake"]

    def getHandle(self) -> object:
        return object()


class KeepaliveTests(SynchronousTestCase):
    def setUp(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        self.ours = socket.create_connection(listener.getsockname())
        self.addCleanup(self.ours.close)
        self.theirs, _ = listener.accept()
        self.addCleanup(self.theirs.close)

    def assert_kept_alive(self, sock: socket.socket) -> None:
        self.assertTrue(sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
        self.assertTrue(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        self.assertEqual(IDLE, sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE))
        self.assertEqual(INTERVAL, sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL))
        self.assertEqual(PROBES, sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT))

    def test_the_options_are_set_through_tls_too(self) -> None:
        keep_alive(Engine(OverTcp(self.ours)))
        self.assert_kept_alive(self.ours)

    def test_what_is_accepted_has_the_options_though_it_came_before_its_port_had_them(self) -> None:
        made = list[Any]()

        class Kept(Protocol):
            def connectionMade(self) -> None:
                made.append(self.transport)

        factory = Factory.forProtocol(Kept)
        port: Any = tcp.Port(0, factory, interface="127.0.0.1", reactor=MemoryReactor())
        port.startListening()
        self.addCleanup(port.socket.close)
        there = port.socket.getsockname()
        with socket.create_connection(there):
            keep_accepted_alive(port)
            with socket.create_connection(there):
                port.doRead()
        self.assertEqual(2, len(made))
        for transport in made:
            self.addCleanup(transport.socket.close)
            self.assert_kept_alive(transport.getHandle())

    def test_what_the_peer_does_not_take_is_counted(self) -> None:
        transport = OverTcp(self.ours)
        self.assertEqual(0, unacknowledged(transport))
        self.ours.setblocking(False)
        # Its kernel takes no more, and ours keeps what is over.
        sent = 0
        while True:
            try:
                sent += self.ours.send(bytes(65536))
            except BlockingIOError:
                break
        queued = unacknowledged(transport)
        assert queued is not None
        self.assertGreater(queued, 0)
        self.assertLessEqual(queued, sent)

    def test_what_is_still_in_this_process_counts(self) -> None:
        transport = OverTcp(self.ours)
        transport.dataBuffer, transport.offset, transport._tempDataLen = b"0123456789", 4, 3
        self.assertEqual(9, unacknowledged(transport))
        self.assertEqual(9 + 15, unacknowledged(Engine(transport)))

    def test_a_socket_that_is_closed(self) -> None:
        transport = OverTcp(self.ours)
        self.ours.close()
        keep_alive(transport)
        self.assertIsNone(unacknowledged(transport))

    def test_a_unix_socket(self) -> None:
        one, other = socket.socketpair()
        self.addCleanup(one.close)
        self.addCleanup(other.close)
        keep_alive(OverTcp(one))
        self.assertIsNotNone(unacknowledged(OverTcp(one)))

    def test_transports_in_memory_are_left_alone(self) -> None:
        for transport in (StringTransport(), FakeTransport(None, True), object(), None, Engine()):
            keep_alive(transport)
            keep_accepted_alive(transport)
            self.assertIsNone(unacknowledged(transport))
