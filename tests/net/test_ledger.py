"""Counts of the kernel, on real connections over loopback, and what follows from them."""

import contextlib
import fcntl
import socket
import termios
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.net import ledger
from vspc.net.ledger import (
    UNKNOWN,
    Difference,
    TcpCounts,
    TrafficAccount,
    compare,
    tcp_counts,
    unsent,
)


class OnLoopback(SynchronousTestCase):
    def setUp(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        self.outgoing = socket.create_connection(listener.getsockname())
        self.incoming, _ = listener.accept()
        for sock in (self.outgoing, self.incoming):
            self.addCleanup(sock.close)
            sock.settimeout(10)

    def counts(self, sock: socket.socket) -> TcpCounts:
        found = tcp_counts(sock)
        assert found is not None
        return found

    def until_read(self, sock: socket.socket, count: int) -> None:
        """`count` bytes have arrived at `sock`."""
        sock.recv(count, socket.MSG_PEEK | socket.MSG_WAITALL)

    def since(self, sock: socket.socket, base: TcpCounts) -> tuple[int, int]:
        now = self.counts(sock)
        return now.read - base.read, now.written - base.written

    def test_what_is_read_counts_and_what_waits_in_the_socket_does_not(self) -> None:
        for ours, peer in ((self.incoming, self.outgoing), (self.outgoing, self.incoming)):
            base = self.counts(ours)
            peer.sendall(b"x" * 1000)
            self.until_read(ours, 1000)
            self.assertEqual(self.since(ours, base), (0, 0))
            ours.recv(300)
            self.assertEqual(self.since(ours, base), (300, 0))
            ours.recv(700)
            self.assertEqual(self.since(ours, base), (1000, 0))

    def test_what_is_written_counts_whether_it_is_acknowledged_or_not(self) -> None:
        for ours, peer in ((self.incoming, self.outgoing), (self.outgoing, self.incoming)):
            base = self.counts(ours)
            ours.sendall(b"y" * 500)
            self.assertEqual(self.since(ours, base), (0, 500))
            self.until_read(peer, 500)
            self.assertEqual(self.since(ours, base), (0, 500))

    def test_a_peer_that_does_not_read(self) -> None:
        ours = self.incoming
        base, sent = self.counts(ours), 0
        ours.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                sent += ours.send(b"z" * 65536)
        self.assertEqual(self.since(ours, base), (0, sent))

    def test_an_incoming_connection_begins_at_nought(self) -> None:
        self.assertEqual(self.counts(self.incoming), TcpCounts(0, 0))

    def test_a_peer_that_has_closed(self) -> None:
        for ours, peer in ((self.incoming, self.outgoing), (self.outgoing, self.incoming)):
            base = self.counts(ours)
            peer.sendall(b"last")
            peer.shutdown(socket.SHUT_WR)
            self.until_read(ours, 5)  # all of it, and the end
            self.assertEqual(self.since(ours, base), (0, 0))
            self.assertEqual(ours.recv(10), b"last")
            self.assertEqual(self.since(ours, base), (4, 0))
            self.assertEqual(ours.recv(10), b"")
            self.assertEqual(self.since(ours, base), (4, 0))
            return  # the other direction is closed, too

    def test_a_duplicate_has_the_same_counts(self) -> None:
        self.outgoing.sendall(b"one")
        self.until_read(self.incoming, 3)
        self.incoming.recv(2)
        with socket.socket(fileno=socket.dup(self.incoming.fileno())) as again:
            self.assertEqual(self.counts(again), self.counts(self.incoming))

    def test_bytes_that_arrive_and_are_acknowledged_meanwhile(self) -> None:
        """The counts come from several calls, and the kernel does not wait between them."""
        ours, peer = self.incoming, self.outgoing
        base = self.counts(ours)
        real, left = fcntl.ioctl, [b"one", b"two"]

        def ioctl(number: int, request: int, argument: bytes) -> Any:
            if left and request == termios.FIONREAD:
                arrived = 3 * (3 - len(left))
                peer.sendall(left.pop())
                self.until_read(ours, arrived)
            return real(number, request, argument)

        self.patch(fcntl, "ioctl", ioctl)
        self.assertEqual(self.since(ours, base), (0, 0))
        self.assertEqual(left, [])

    def test_a_connection_that_is_never_quiet(self) -> None:
        real, arrived = fcntl.ioctl, list[bytes]()

        def ioctl(number: int, request: int, argument: bytes) -> Any:
            if request == termios.FIONREAD:
                arrived.append(b"x")
                self.outgoing.sendall(b"x")
                self.until_read(self.incoming, len(arrived))
            return real(number, request, argument)

        self.patch(fcntl, "ioctl", ioctl)
        self.patch(ledger, "ATTEMPTS", 5)
        self.assertIsNone(tcp_counts(self.incoming))
        self.assertEqual(len(arrived), 5)

    def test_sockets_that_do_not_count(self) -> None:
        one, other = socket.socketpair()
        self.addCleanup(one.close)
        self.addCleanup(other.close)
        self.assertIsNone(tcp_counts(one))
        self.assertEqual(compare(TrafficAccount(), tcp_counts(one)), UNKNOWN)


class Compared(SynchronousTestCase):
    def test_nothing_happened(self) -> None:
        self.assertEqual(compare(TrafficAccount(10, 20), TcpCounts(10, 20)), Difference())

    def test_more_was_read(self) -> None:
        self.assertEqual(compare(TrafficAccount(10, 20), TcpCounts(17, 20)).missed, 7)

    def test_part_of_what_waited_was_sent(self) -> None:
        account = TrafficAccount(0, 20, b"abcde")
        for sent, rest in ((15, b"abcde"), (17, b"cde"), (20, b"")):
            self.assertEqual(compare(account, TcpCounts(0, sent)), Difference(0, rest, 0))

    def test_more_was_sent(self) -> None:
        self.assertEqual(
            compare(TrafficAccount(0, 20, b"abc"), TcpCounts(0, 26)), Difference(0, b"", 6)
        )

    def test_numbers_that_cannot_be(self) -> None:
        self.assertEqual(compare(TrafficAccount(9, 20, b"abc"), TcpCounts(8, 16)), UNKNOWN)
        self.assertEqual(compare(None, TcpCounts(0, 0)), UNKNOWN)

    @given(st.binary(max_size=50), st.integers(0, 50), st.integers(0, 50))
    def test_each_byte_is_sent_once(self, data: bytes, kept: int, sent: int) -> None:
        """The last `kept` bytes were not sent when it was noted down; `sent` were in the end."""
        kept, sent = min(kept, len(data)), min(sent, len(data))
        sent = max(sent, len(data) - kept)
        account = TrafficAccount(0, len(data), data[len(data) - kept :])
        self.assertEqual(data[:sent] + compare(account, TcpCounts(0, sent)).resend, data)


class Unsent(SynchronousTestCase):
    def test_what_twisted_has_in_its_two_buffers(self) -> None:
        class Transport:
            dataBuffer, offset, _tempDataBuffer = b"sent, not sent", 6, [b", nor", b" this"]

        self.assertEqual(unsent(Transport()), b"not sent, nor this")
        self.assertEqual(unsent(object()), b"")
