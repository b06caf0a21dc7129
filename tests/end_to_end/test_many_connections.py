"""Connections of VMs: through a load balancer, and when the file descriptors are used up."""

import contextlib
import os
import select
import socket
import ssl
from pathlib import Path

from tests.end_to_end.processes import script
from tests.end_to_end.server import ServerTestCase
from vspc.wire.telnet import VMWARE, WILL, negotiation, subnegotiation
from vspc.wire.vmware import DoProxy, Suboption, VmName, VmVcUuid, encode

DESCRIPTORS = 100
CONNECTIONS = 200
QUIET = 1.0
"""Seconds in which nothing is sent."""


def _say(message: Suboption) -> bytes:
    return subnegotiation(VMWARE, encode(message))


REGISTRATION = (
    negotiation(WILL, VMWARE)
    + _say(DoProxy(b"S", b"vspc"))
    + _say(VmVcUuid(b"ab" * 16))
    + _say(VmName(b"web01"))
)


class BehindABalancer(ServerTestCase):
    def write_balancer(self) -> None:
        """127.0.0.1 is a balancer, and there are more hosts than those of this machine."""
        text = self.config.read_text()
        balancer = '[vm]\nproxy_protocol_from = ["127.0.0.1"]\n'
        hosts = 'allow = ["10.0.0.0/8", "2001:db8::/32", "127'
        self.config.write_text(text.replace("[vm]\n", balancer).replace('allow = ["127', hosts))

    def test_the_address_in_the_header_counts_and_the_line_works(self) -> None:
        self.write_balancer()
        self.serve()
        address = ("127.0.0.1", self.ports["telnet"])
        with socket.create_connection(address) as host:
            host.sendall(b"PROXY TCP4 10.1.1.4 127.0.0.1 40000 13370\r\n" + REGISTRATION)
            self.server.out.expect(rb" vm-registered console=web01 .*address=10.1.1.4 ")
            raw = self.attach("raw", "web01")
            self.server.out.expect(rb" attached console=web01 ")
            host.sendall(b"hello\n")
            raw.out.expect(b"hello\n")
        self.server.out.expect(rb" vm-lost console=web01 ")
        with socket.create_connection(address) as stranger:
            stranger.sendall(b"PROXY TCP4 192.0.2.7 127.0.0.1 40000 13370\r\n" + REGISTRATION)
            self.server.out.expect(rb" vm-not-allowed address=192.0.2.7 ")
            with contextlib.suppress(ConnectionResetError):
                self.assertEqual(stranger.recv(1), b"")
        self.assert_no_defects()

    def test_tls_begins_behind_the_header(self) -> None:
        self.write_balancer()
        self.serve()
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection(("127.0.0.1", self.ports["telnets"])) as plain:
            plain.sendall(b"PROXY TCP6 2001:db8::4 ::1 40000 13371\r\n")
            with trusting.wrap_socket(plain) as host:
                host.sendall(REGISTRATION)
                self.server.out.expect(
                    rb" vm-registered console=web01 .*address=2001:db8::4 secure=yes"
                )
        self.assert_no_defects()


class FewDescriptors(ServerTestCase):
    def cpu(self, pid: int) -> float:
        """Seconds of CPU that process `pid` has used."""
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def test_without_descriptors_no_cpu_is_used_and_no_connection_is_lost(self) -> None:
        self.serve(
            "/bin/sh",
            "-c",
            f'ulimit -n {DESCRIPTORS}; exec "$@"',
            "sh",
            script("vspc"),
            "run",
            "--config",
            str(self.config),
        )
        self.assertIn(b" few-descriptors ", self.server.out.data)
        guest = socket.create_connection(("127.0.0.1", self.ports["plain guest"]))
        self.addCleanup(guest.close)
        self.server.out.expect(rb" vm-registered console=guest ")
        inside = self.attach("raw", "guest")
        self.server.out.expect(rb" attached console=guest ")
        with contextlib.ExitStack() as stack:
            for _ in range(CONNECTIONS):
                address = ("127.0.0.1", self.ports["telnet"])
                stack.enter_context(socket.create_connection(address))
            self.server.out.expect(rb" error out-of-descriptors ")
            guest.sendall(b"all here\n")
            inside.out.expect(b"all here\n")
            before = self.cpu(self.server.pid)
            self.assertEqual(select.select([guest], [], [], QUIET)[0], [])
            # A loop around accept would have used all of it.
            self.assertLess(self.cpu(self.server.pid) - before, QUIET / 2)
            guest.sendall(b"still here\n")
            inside.out.expect(b"still here\n")
        again = self.attach("raw", "guest")
        self.server.out.expect(rb" attached console=guest ")
        guest.sendall(b"after\n")
        again.out.expect(b"after\n")
        self.assertLess(self.server.out.data.count(b"\n"), 100)
        self.assertEqual(self.server.out.data.count(b" out-of-descriptors "), 1)
        self.assertNotIn(b"traceback", self.server.out.data)
