"""Sockets of programs stay open over a restart: who connects meanwhile waits, and is served."""

import os
import signal
import socket
import stat
import time

from tests.end_to_end import test_handover
from tests.end_to_end.processes import DEADLINE, free_port
from tests.vm.test_values import registration

PROTOCOLS = ("raw", "telnet", "rfc2217")


class KeptSockets(test_handover.HandoverTestCase):
    """A port for each protocol, and a Unix socket, all of them the console of a guest."""

    def configure(self) -> None:
        self.sockets = {protocol: free_port() for protocol in PROTOCOLS}
        self.path = self.directory / "guest.sock"
        self.write_sockets(*PROTOCOLS)

    def write_sockets(self, *protocols: str, operator: str = "alice") -> None:
        """The configuration has these, and the Unix socket."""
        places = [(each, f"tcp:{self.sockets[each]}") for each in protocols]
        self.write_config(
            "".join(
                f'[[console.listen]]\nconsole = "guest"\nprotocol = "{protocol}"\n'
                f'listen = "{place}"\noperator = "{operator}"\n'
                for protocol, place in [*places, ("raw", f"unix:{self.path}:mode=660")]
            )
        )

    def program(self, protocol: str) -> socket.socket:
        """A program that connects now; `unix` is that of the path."""
        if protocol == "unix":
            peer = socket.socket(socket.AF_UNIX)
            peer.settimeout(DEADLINE)
            peer.connect(str(self.path))
        else:
            peer = socket.create_connection(("127.0.0.1", self.sockets[protocol]), DEADLINE)
        self.addCleanup(peer.close)
        return peer

    def ends(self, peer: socket.socket) -> None:
        """`peer` is closed, whatever it is told before."""
        try:
            while peer.recv(4096):
                pass
        except ConnectionResetError:
            pass

    def data(self, peer: socket.socket, wanted: bytes) -> None:
        """`peer` is sent `wanted`, whatever is negotiated around it."""
        got = b""
        while wanted not in got:
            data = peer.recv(4096)
            self.assertNotEqual(data, b"", f"closed after {got!r}")
            got += data

    def test_who_connects_during_a_restart_or_after_a_kill_waits(self) -> None:
        guest = self.connect("plain guest")
        guest.sendall(b"boot\n")
        self.until_state("guest")
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
            before = self.program("raw")
            self.until_attached(1)
            self.unit.end(number)
            self.ends(before)
            waiting = {each: self.program(each) for each in ("unix", *PROTOCOLS)}
            waiting["unix"].sendall(b"typed")
            self.served_by(self.unit.start())
            self.hears(guest, b"typed")
            self.until_attached(len(waiting))
            guest.sendall(b"answer\n")
            for each in waiting.values():
                self.data(each, b"answer")
                each.close()
            self.until_attached(0)
            self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o660)
            self.assertEqual(self.names_of_ports(), [6] * len(self.names_of_ports()))
        self.assert_no_defects()

    def until_attached(self, count: int) -> None:
        """Wait until that many programs are on the console."""
        end = time.monotonic() + DEADLINE
        while sum(len(self.consoles()["guest"][each]) for each in ("writers", "readers")) != count:
            self.assertLess(time.monotonic(), end)

    def until_closed(self, protocol: str) -> None:
        """Wait until nobody listens there: it is closed in the turn after the reload."""
        end = time.monotonic() + DEADLINE
        while True:
            try:
                self.program(protocol).close()
            except ConnectionRefusedError:
                return
            except ConnectionResetError:  # just now
                pass
            self.assertLess(time.monotonic(), end)

    def reload(self) -> None:
        """The configuration is in force."""
        self.server.send_signal(signal.SIGHUP)
        self.server.out.expect(rb" reloaded ")

    def names_of_ports(self) -> list[int]:
        """The lengths of the names under which listeners are kept."""
        return [len(each) for each in self.unit.manager.names() if each.startswith("p")]

    def test_one_that_is_another_or_gone_is_closed(self) -> None:
        guest = self.connect("plain guest")
        guest.sendall(b"boot\n")
        self.until_state("guest")
        self.unit.end()
        waiting = [self.program(each) for each in ("unix", "raw", "telnet")]
        self.write_sockets("raw", operator="bob")
        self.served_by(self.unit.start())
        for each in waiting:
            self.ends(each)
        with self.assertRaises(ConnectionRefusedError):
            self.program("telnet")
        now = [self.program(each) for each in ("raw", "unix")]
        self.until_attached(len(now))
        guest.sendall(b"for bob\n")
        for each in now:
            self.data(each, b"for bob")
        self.assert_no_defects()

    def test_one_that_a_reload_opens_changes_or_closes(self) -> None:
        guest = self.connect("plain guest")
        guest.sendall(b"boot\n")
        self.until_state("guest")
        self.write_sockets("raw", operator="bob")
        self.reload()
        self.until_closed("telnet")
        self.write_sockets("raw", "rfc2217", operator="bob")
        self.reload()
        self.unit.end(signal.SIGKILL)
        with self.assertRaises(ConnectionRefusedError):
            self.program("telnet")
        waiting = [self.program(each) for each in ("unix", "raw", "rfc2217")]
        self.served_by(self.unit.start())
        self.until_attached(len(waiting))
        guest.sendall(b"for bob\n")
        for each in waiting:
            self.data(each, b"for bob")
        self.assert_no_defects()


class AskedFor(test_handover.HandoverTestCase):
    """A socket that a VM asks for by its service URI."""

    def configure(self) -> None:
        self.port = free_port()
        self.write_config(
            f'[vm.service_socket]\nports = "{self.port}-{self.port}"\noperator = "alice"\n'
        )
        text = self.config.read_text().replace("[vm]\n", '[vm]\nservice_sockets = "open"\n', 1)
        self.config.write_text(text)

    def test_it_stays_open_with_the_line_of_its_console(self) -> None:
        vm = self.connect("telnet")
        vm.sendall(registration(uri=b"tcp://:%d" % self.port))
        self.until_state("web01")
        for number in (signal.SIGTERM, signal.SIGKILL):
            self.unit.end(number)
            with socket.create_connection(("127.0.0.1", self.port), DEADLINE) as waiting:
                waiting.sendall(b"typed")
                self.served_by(self.unit.start())
                got = b""
                while not got.endswith(b"typed"):
                    data = vm.recv(4096)
                    self.assertNotEqual(data, b"", f"closed after {got!r}")
                    got += data
        self.assert_no_defects()
