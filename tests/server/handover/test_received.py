"""What was handed over is sorted, whatever it is."""

import os
import socket

from twisted.trial.unittest import SynchronousTestCase

from vspc.net.notify import FIRST, ReceivedDescriptor
from vspc.server.handover.received import Received


class Sorting(SynchronousTestCase):
    def listening(self) -> int:
        return self.number(socket.create_server(("127.0.0.1", 0)))

    def connection(self) -> int:
        ours, theirs = socket.socketpair()
        self.addCleanup(theirs.close)
        return self.number(ours)

    def number(self, sock: socket.socket) -> int:
        return self.closed_later(sock.detach())

    def closed_later(self, number: int) -> int:
        def close() -> None:
            try:
                os.close(number)
            except OSError:  # the test has closed it
                return

        self.addCleanup(close)
        return number

    def sort(self, *descriptors: tuple[str, int], endpoints: tuple[str, ...] = ()) -> Received:
        found = Received.of([ReceivedDescriptor(*each) for each in descriptors], endpoints)
        for each in (*found.lines.values(), *(port.socket for port in found.ports.unclaimed)):
            self.addCleanup(each.close)
        return found

    def test_state_lines_ports_and_socket_units(self) -> None:
        memfd = self.closed_later(os.memfd_create("state"))
        found = self.sort(
            *(("state0", memfd), ("l00000", self.connection()), ("l0000a", self.connection())),
            *(("p00000", self.listening()), ("telnet", self.listening())),
        )
        self.assertEqual(found.state, memfd)
        self.assertEqual(list(found.lines), ["l00000", "l0000a"])
        self.assertEqual(
            [(port.name, port.kept) for port in found.ports.unclaimed],
            [("p00000", True), ("telnet", False)],
        )
        self.assertEqual(found.unusable, [])

    def test_of_two_states_the_one_that_was_written_last(self) -> None:
        for late in (0, 1):
            memfds = [self.closed_later(os.memfd_create("state")) for _ in range(2)]
            for at, memfd in enumerate(memfds):
                os.utime(memfd, ns=(0, 1000 + (at == late)))
            found = self.sort(("state0", memfds[0]), ("state1", memfds[1]))
            self.assertEqual((found.state, found.state_name), (memfds[late], f"state{late}"))
            self.assertEqual(found.unusable, [f"state{1 - late}"])
            self.assertRaises(OSError, os.fstat, memfds[1 - late])

    def test_what_has_no_place_is_closed(self) -> None:
        memfds = [self.closed_later(os.memfd_create("x")) for _ in range(3)]
        wrong = [
            *(("l00000", memfds[0]), ("l00001", self.listening()), ("stored", self.connection())),
            *(("p00000", self.connection()), ("p00001", memfds[1]), ("unknown", memfds[2])),
            *(("l00002", self.number(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))),),
        ]
        found = self.sort(*wrong)
        self.assertEqual(found.unusable, [name for name, _ in wrong])
        for _, number in wrong:
            self.assertRaises(OSError, os.fstat, number)

    def test_a_name_that_comes_twice(self) -> None:
        found = self.sort(("l00000", self.connection()), ("l00000", self.connection()))
        self.assertEqual(list(found.lines), ["l00000"])
        self.assertEqual(found.unusable, ["l00000"])

    def test_what_twisted_takes_itself_is_left_to_it(self) -> None:
        first, second = self.listening(), self.listening()
        found = Received.of(
            [ReceivedDescriptor("telnet", first), ReceivedDescriptor("ssh", FIRST + 1)],
            ["systemd:domain=INET:name=telnet", "systemd:domain=INET6:index=1", "tcp:2222"],
        )
        self.assertEqual(found.ports.unclaimed, [])
        for number in (first, second):
            os.fstat(number)
