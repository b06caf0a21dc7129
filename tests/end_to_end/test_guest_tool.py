"""The guest that other end-to-end tests use, seen from a plain socket: no server of ours."""

import os
import socket

from tests.end_to_end.guest import PROMPT, READY, Guest, client_of
from tests.end_to_end.output import Output
from tests.end_to_end.processes import DEADLINE, ProcessTestCase

_PROMPT = PROMPT.encode()


class Peer:
    """The far end of the guest's serial port: listens, and takes one connection."""

    def __init__(self, test: ProcessTestCase) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(DEADLINE)
        test.addCleanup(self._listener.close)
        self._test = test
        self.port: int = self._listener.getsockname()[1]
        self.out = Output("guest")

    def accept(self) -> None:
        """Wait for the guest, then hear it."""
        self._socket, _ = self._listener.accept()
        self._socket.settimeout(DEADLINE)
        self._test.addCleanup(self._socket.close)
        self.out.read_from(os.dup(self._socket.fileno()))

    def type(self, data: bytes) -> None:
        """At the guest's keyboard."""
        self._socket.sendall(data)


class Booting(ProcessTestCase):
    """One guest from power on to power off."""

    def setUp(self) -> None:
        super().setUp()
        self.guest = Guest(self)
        self.peer = Peer(self)
        self.guest.start(client_of(self.peer.port))
        self.peer.accept()
        self.out = self.peer.out

    def test_it_boots_obeys_a_shell_and_powers_off(self) -> None:
        self.out.expect(rb"Linux version \d")
        self.out.expect(READY.encode())
        self.out.expect(_PROMPT)
        self.peer.type(b"echo $((6 * 7)) answers; tty\n")
        self.out.expect(rb"^42 answers")
        self.out.expect(rb"^/dev/ttyS0")
        self.peer.type(b"/count 200\n")
        self.out.expect(rb"^line 00000001\r\n(?:line \d{8}\r\n){198}line 00000200\r\n")
        self.out.expect(_PROMPT)
        self.peer.type(b"/mirror 256\n")
        self.out.expect(rb"^mirror\n")
        self.peer.type(bytes(range(256)))
        self.out.expect(b"(?s)" + b"".join(b"\\x%02x" % value for value in range(256)))
        self.out.expect(_PROMPT)
        self.peer.type(b"poweroff -f\n")
        self.assertEqual(self.guest.child.wait(), 0)
        self.out.wait_end()

    def test_a_stunned_guest_reads_nothing_and_goes_on_where_it_was(self) -> None:
        self.out.expect(_PROMPT)
        self.peer.type(b"/count 100000\n")
        self.out.expect(rb"^line 00000050\r\n")
        self.guest.stun()
        self.assertEqual(self.guest.command("query-status")["status"], "paused")
        self.peer.type(b"\x03echo on again\n")
        self.guest.resume()
        self.out.expect(rb"^on again")
