"""Listening sockets of an earlier process, and of socket units: who goes on with which."""

import os
import shutil
import socket
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from vspc.config.listening import ListeningAddress
from vspc.net.descriptor_store import port_name
from vspc.net.received_ports import ReceivedPort, ReceivedPorts


class Claiming(SynchronousTestCase):
    def setUp(self) -> None:
        self.ports = ReceivedPorts()

    def listener(self, host: str, name: str, kept: bool = True) -> int:
        """A socket that was handed over; its port."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.create_server((host, 0), family=family)
        self.addCleanup(sock.close)
        self.ports.unclaimed.append(ReceivedPort(name, sock, kept))
        port: int = sock.getsockname()[1]
        return port

    def test_a_listener_that_has_not_changed_even_on_any_port(self) -> None:
        description = "tcp:0:interface=127.0.0.1"
        for what in ("telnet", "telnets"):
            self.listener("127.0.0.1", port_name(what, description))
        ports = [each.name for each in self.ports.unclaimed]
        self.ports.claim([(description, "telnets"), (description, "telnet")])
        self.assertEqual(self.ports.unclaimed, [])
        for what, name in zip(("telnet", "telnets"), ports, strict=True):
            found = self.ports.take(description, what)
            assert found is not None
            self.assertEqual(found.name, name)
            self.assertIsNone(self.ports.take(description, what))

    def test_another_description_of_the_same_address(self) -> None:
        for host, description in (
            ("127.0.0.1", "tcp:{}:interface=127.0.0.1:backlog=5"),
            ("::", "tcp:{}"),
            ("0.0.0.0", "tcp:{}"),
            ("::1", "tcp6:{}:interface=\\:\\:1"),
        ):
            port = self.listener(host, port_name("telnet", "as it was"))
            wanted = description.format(port)
            self.ports.claim([(wanted, "telnet")])
            self.assertIsNotNone(self.ports.take(wanted, "telnet"), description)

    def test_another_address_or_port(self) -> None:
        port = self.listener("127.0.0.1", "p00000")
        for wanted in (
            f"tcp:{port + 1}:interface=127.0.0.1",
            f"tcp:{port}:interface=127.0.0.2",
            f"tcp:{port}",
            "tcp:0:interface=127.0.0.1",
            f"unix:/tmp/{port}",
            "systemd:domain=INET:index=0",
        ):
            self.ports.claim([(wanted, "telnet")])
            self.assertIsNone(self.ports.take(wanted, "telnet"), wanted)
        self.assertEqual(len(self.ports.unclaimed), 1)

    def test_the_socket_of_a_unit_is_found_by_its_address_alone(self) -> None:
        description = "tcp:0:interface=127.0.0.1"
        port = self.listener("127.0.0.1", port_name("ssh", description), kept=False)
        self.ports.claim([(description, "ssh"), (f"tcp:{port}:interface=127.0.0.1", "telnet")])
        self.assertIsNone(self.ports.take(description, "ssh"))
        self.assertIsNotNone(self.ports.take(f"tcp:{port}:interface=127.0.0.1", "telnet"))

    def test_a_unix_socket_by_its_path(self) -> None:
        directory = Path(tempfile.mkdtemp(prefix="vspc-"))
        self.addCleanup(shutil.rmtree, directory)
        sock = socket.socket(socket.AF_UNIX)
        self.addCleanup(sock.close)
        sock.bind(str(directory / "line"))
        sock.listen()
        self.ports.unclaimed.append(ReceivedPort("p00000", sock, True))
        self.ports.claim([(f"unix:{directory}/line", "plain guest")])
        self.assertEqual(self.ports.unclaimed, [])

    def test_a_listener_of_a_name_and_an_address_and_no_other(self) -> None:
        here = [ListeningAddress("tcp", "127.0.0.1", self.listener("127.0.0.1", "p00001"))]
        here.append(ListeningAddress("tcp", "127.0.0.1", self.listener("127.0.0.1", "p00002")))
        for wanted in (("p00003", here[0]), ("p00001", here[1])):
            self.ports.claim_named([wanted])
            self.assertIsNone(self.ports.take_named(wanted[0]))
        self.ports.claim_named([("p00001", here[0]), ("p00002", here[1])])
        self.assertEqual(self.ports.unclaimed, [])
        self.assertIsNotNone(self.ports.take_named("p00001"))
        self.assertIsNone(self.ports.take_named("p00001"))
        self.assertEqual([each.name for each in self.ports.named_rest()], ["p00002"])
        self.assertIsNone(self.ports.take_named("p00002"))

    def test_one_of_a_socket_unit_has_no_name_of_ours(self) -> None:
        port = self.listener("127.0.0.1", "p00001", kept=False)
        self.ports.claim_named([("p00001", ListeningAddress("tcp", "127.0.0.1", port))])
        self.assertIsNone(self.ports.take_named("p00001"))

    def test_a_unix_socket_whose_file_is_gone_is_not_gone_on_with(self) -> None:
        directory = Path(tempfile.mkdtemp(prefix="vspc-"))
        self.addCleanup(shutil.rmtree, directory)
        path, sock = directory / "line", socket.socket(socket.AF_UNIX)
        self.addCleanup(sock.close)
        sock.bind(str(path))
        sock.listen()
        name = port_name("guest", f"unix:{path}")
        self.ports.unclaimed.append(ReceivedPort(name, sock, True))
        path.unlink()
        self.ports.claim_named([(name, ListeningAddress("unix", str(path)))])
        self.assertIsNone(self.ports.take_named(name))
        self.ports.claim([(f"unix:{path}", "guest")])
        self.assertIsNone(self.ports.take(f"unix:{path}", "guest"))

    def test_the_address_of_what_nobody_wants_is_free_again(self) -> None:
        port = self.listener("127.0.0.1", "p00000")
        [unclaimed] = self.ports.unclaimed
        duplicate = os.dup(unclaimed.socket.fileno())  # the service manager's
        self.addCleanup(os.close, duplicate)
        unclaimed.close()
        with socket.create_server(("127.0.0.1", port)):
            pass

    def test_the_socket_of_a_unit_that_nobody_wants_goes_on_listening(self) -> None:
        port = self.listener("127.0.0.1", "ssh", kept=False)
        [unclaimed] = self.ports.unclaimed
        duplicate = os.dup(unclaimed.socket.fileno())
        self.addCleanup(os.close, duplicate)
        unclaimed.close()
        socket.create_connection(("127.0.0.1", port)).close()
