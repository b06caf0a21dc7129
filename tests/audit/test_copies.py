"""Copies of the audit file: syslog and the journal, over real sockets of this machine."""

import os
import re
import socket
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from vspc.audit import copies
from vspc.audit.copies import Copy, journal, syslog
from vspc.net.connection import Connection, tcp, udp, unix_datagrams

LINE = b'{"time": "2026-11-21T08:30:00.123456Z", "seq": 7, "event": "attach", "operator": "alice"}'


def line(number: int) -> bytes:
    """One of many."""
    return LINE.replace(b"7", str(number).encode(), 1)


class Encoding(SynchronousTestCase):
    """A line as the other side wants it."""

    def test_syslog(self) -> None:
        made = syslog("host1", 10, stream=False)(LINE)
        head = b"<86>1 2026-11-21T08:30:00.123456Z host1 vspc - attach - \xef\xbb\xbf"
        self.assertEqual(made, head + LINE)

    def test_syslog_in_a_stream_has_its_length_in_front(self) -> None:
        length, _, rest = syslog("host1", 10, stream=True)(LINE).partition(b" ")
        self.assertEqual(int(length), len(rest))
        self.assertTrue(rest.endswith(LINE))

    def test_the_journal_gets_fields(self) -> None:
        fields = dict(row.split(b"=", 1) for row in journal(LINE).splitlines())
        self.assertEqual(fields[b"MESSAGE"], LINE)
        self.assertEqual(fields[b"VSPC_EVENT"], b"attach")
        self.assertEqual(fields[b"VSPC_OPERATOR"], b"alice")
        self.assertEqual(fields[b"SYSLOG_IDENTIFIER"], b"vspc")
        for name in fields:
            self.assertRegex(name.decode(), "^[A-Z][A-Z_]*$")


class Copying(SynchronousTestCase):
    """A copy whose rounds the test makes."""

    def setUp(self) -> None:
        self.now = 100.0
        self.told: list[tuple[str, dict[str, object]]] = []
        self.failures = 0

    def fail_inside(self) -> None:
        self.failures += 1

    def copy(self, connection: Connection) -> Copy:
        self.addCleanup(connection.close)
        return Copy(
            "syslog",
            connection,
            lambda data: data + b"\n",
            lambda *each: self.told.append(each),
            self.fail_inside,
            lambda: self.now,
        )

    def listener(self) -> tuple[socket.socket, int]:
        made = socket.create_server(("127.0.0.1", 0))
        made.settimeout(30)
        self.addCleanup(made.close)
        return made, made.getsockname()[1]

    def test_lines_go_in_order(self) -> None:
        listener, port = self.listener()
        made = self.copy(Connection(tcp("127.0.0.1", port)))
        made.take([line(1), line(2)])
        made.round()
        made.take([line(3)])
        made.round()
        taken, _ = listener.accept()
        with taken:
            got = b""
            while got.count(b"\n") < 3:
                got += taken.recv(65536)
        self.assertEqual(got.splitlines(), [line(1), line(2), line(3)])

    def test_what_is_not_taken_waits_and_comes_when_it_is(self) -> None:
        listener, port = self.listener()
        listener.close()
        made = self.copy(Connection(tcp("127.0.0.1", port)))
        made.take([line(1), line(2)])
        made.round()
        self.assertEqual([event for event, _ in self.told], ["audit-copy-failing"])
        self.assertEqual(made.condition(), {"state": "failing", "waiting": 2, "lost": 0})
        again = socket.create_server(("127.0.0.1", port))
        self.addCleanup(again.close)
        made.round()  # too early
        self.now += 1
        made.round()
        taken, _ = again.accept()
        with taken:
            taken.settimeout(30)
            self.assertEqual(taken.recv(65536).splitlines()[0], line(1))
        self.assertEqual(self.told[-1][0], "audit-copy-recovered")
        self.assertEqual(made.condition(), {"state": "sent", "waiting": 0, "lost": 0})

    def test_over_the_limit_they_are_counted_and_reported(self) -> None:
        self.patch(copies, "COUNT", 5)
        _, port = self.listener()
        made = self.copy(Connection(tcp("127.0.0.1", port)))
        made.take([line(number) for number in range(8)])
        made.round()
        self.assertEqual(self.told, [("audit-copy-lost", {"copy": "syslog", "count": 3})])
        self.assertEqual(made.lost, 3)

    def test_what_was_on_its_way_when_the_connection_broke_comes_again(self) -> None:
        ours: list[socket.socket] = []
        theirs: list[socket.socket] = []

        def dial() -> socket.socket:
            left, right = socket.socketpair()
            right.settimeout(30)
            self.addCleanup(right.close)
            ours.append(left)
            theirs.append(right)
            return left

        made = self.copy(Connection(dial))
        made.take([line(1)])
        made.round()
        theirs[0].close()  # without having read it
        made.take([line(2)])
        made.round()
        self.now += 2
        made.round()
        got = theirs[1].recv(65536).splitlines()
        self.assertEqual(got[-1], line(2))

    def test_by_udp_and_unix_each_is_a_datagram(self) -> None:
        by_udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        by_udp.bind(("127.0.0.1", 0))
        by_unix = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        by_unix.bind(f"/proc/self/fd/{self.directory()}/s")
        for theirs, dial in (
            (by_udp, udp("127.0.0.1", by_udp.getsockname()[1])),
            (by_unix, unix_datagrams(by_unix.getsockname())),
        ):
            self.addCleanup(theirs.close)
            theirs.settimeout(30)
            made = self.copy(Connection(dial))
            made.take([line(1), line(2)])
            made.round()
            got = [theirs.recv(65536) for _ in range(2)]
            self.assertEqual(got, [line(1) + b"\n", line(2) + b"\n"])

    def directory(self) -> int:
        """An open directory: its path is short enough for a socket."""
        path = Path(self.mktemp())
        path.mkdir()
        found = os.open(path, os.O_PATH | os.O_DIRECTORY)
        self.addCleanup(os.close, found)
        return found

    def test_a_line_too_long_for_a_datagram_is_lost_and_reported(self) -> None:
        theirs = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(theirs.close)
        theirs.bind(("127.0.0.1", 0))
        theirs.settimeout(30)
        made = self.copy(Connection(udp("127.0.0.1", theirs.getsockname()[1])))
        made.take([b"x" * 100_000, line(1)])
        made.round()
        self.assertEqual(theirs.recv(65536), line(1) + b"\n")
        self.assertEqual(self.told, [("audit-copy-lost", {"copy": "syslog", "count": 1})])

    def test_a_socket_that_is_not_there_is_trouble_like_other(self) -> None:
        made = self.copy(Connection(unix_datagrams("/nonexistent/socket")))
        made.take([line(1)])
        made.round()
        self.assertEqual(self.told[0][0], "audit-copy-failing")

    def test_a_line_that_cannot_be_encoded_keeps_none_back(self) -> None:
        listener, port = self.listener()
        made = self.copy(Connection(tcp("127.0.0.1", port)))
        made.encode = syslog("h", 10, stream=True)
        made.take([b"{}", LINE])
        made.round()
        self.assertEqual(self.failures, 1)
        taken, _ = listener.accept()
        with taken:
            got = b""
            while not got.endswith(b"}") or got.count(b"}") < 2:
                got += taken.recv(65536)
        self.assertTrue(re.search(rb"<86>1 .*attach", got))

    def test_with_a_thread_what_waits_at_the_end_is_sent(self) -> None:
        listener, port = self.listener()
        made = self.copy(Connection(tcp("127.0.0.1", port)))
        made.start()
        made.take([line(1)] * 100)
        made.stop()
        taken, _ = listener.accept()
        got = b""
        with taken:
            while got.count(b"\n") < 100:
                got += taken.recv(65536)
        self.assertEqual(self.told, [])

    def test_with_a_thread_and_no_receiver_it_stops_all_the_same(self) -> None:
        made = self.copy(Connection(unix_datagrams("/nonexistent/socket")))
        made.start()
        made.take([line(1)] * 3)
        made.stop()
        self.assertIn(("audit-copy-lost", {"copy": "syslog", "count": 3}), self.told)
