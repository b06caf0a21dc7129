"""A virtual address moves from a server that dies to another one, which has its last backup."""

import hashlib
import re
import signal
import socket
import ssl
from itertools import pairwise

from tests.end_to_end.processes import DEADLINE, Child, Completed, script
from tests.end_to_end.relay import Relay
from tests.end_to_end.test_virtual_machines import SimulatorTestCase

ADDRESSES = ("telnet", "telnets", "ssh")
"""What listens on the virtual address."""

RATE = 400
"""Numbered lines a second that the VM prints."""


class Standby(SimulatorTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.virtual = {name: Relay("127.0.0.1", 0) for name in ADDRESSES}
        for relay in self.virtual.values():
            self.addCleanup(relay.close)

    def take_address(self) -> Child:
        """A server starts, and has the virtual address."""
        server = self.serve()
        for name, relay in self.virtual.items():
            relay.turn(self.ports[name])
        self.ports = {name: relay.port for name, relay in self.virtual.items()}
        return server

    def thumbprint(self) -> str:
        """Of the certificate behind the virtual address."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        address = ("127.0.0.1", self.ports["telnets"])
        with (
            socket.create_connection(address, DEADLINE) as plain,
            context.wrap_socket(plain) as peer,
        ):
            certificate = peer.getpeercert(binary_form=True)
        assert certificate is not None
        return hashlib.sha256(certificate).hexdigest()

    def simulate_secure(self, thumbprint: str) -> None:
        """A VM over TLS, whose host takes that certificate only."""
        words = ["--proxy", f"telnets://127.0.0.1:{self.ports['telnets']}", "--name", "secret"]
        self.start(script("vspc"), "simulate", *words, "--thumbprint", thumbprint)
        self.server.out.expect(rb" vm-registered .*secret")

    def known(self, *words: str) -> Completed:
        """`ssh` that takes no host key but the one it knows."""
        first, *others = self.ssh_words()
        return self.complete(first, "-o", "StrictHostKeyChecking=yes", *others, *words)

    def copy(self) -> None:
        """The standby gets a backup; from now on `config` is its configuration."""
        backup, other = self.directory / "vspc.backup", self.directory / "standby.toml"
        other.write_text(self.config.read_text().replace('"state"', '"standby"'))
        words = ("backup", "--logs", backup, "--config", self.config)
        self.assertEqual(self.complete(script("vspc"), *words).status, 0)
        restored = self.complete(script("vspc"), "restore", backup, "--config", other)
        self.assertEqual(restored.status, 0)
        self.config = other

    def printed(self, data: bytes) -> list[int]:
        """The numbers of whole lines."""
        return [int(line) for line in re.findall(rb"([0-9]{8})\r\n", data)]

    def test_vms_and_operators_find_the_same_server_and_what_is_lost_is_what_came_between(
        self,
    ) -> None:
        first = self.take_address()
        thumbprint = self.thumbprint()
        self.simulate()
        self.simulate_secure(thumbprint)
        self.assertEqual(self.ssh("list").status, 0)  # the host key is known from now on
        raw = self.attach("raw", "web1")
        self.server.out.expect(rb" attached console=web1 ")
        raw.type(b"stream 9999999 %d &\r" % RATE)
        raw.out.expect(rb"^%08d" % RATE)
        raw.out.expect(rb"^%08d" % (2 * RATE))
        self.copy()
        seen = int(raw.out.expect(rb"^([0-9]{8})\r\n(?!.*\n[0-9]{8}\r\n)").group(1))
        first.send_signal(signal.SIGKILL)
        first.wait()
        self.assertNotEqual(raw.wait(), 0)
        self.take_address()
        for _ in range(2):
            self.server.out.expect(rb" vm-registered ")
        self.assertEqual(self.thumbprint(), thumbprint)
        self.assertEqual(self.known("expect", "web1", "[0-9]{8}").status, 0)
        self.assertEqual(self.known("expect", "--from", "0", "secret", ".").status, 0)
        log = self.known("log", "web1", "--raw")
        self.assertRegex(
            log.err, rb"a backup was restored: output between \S+ and \S+ may be missing"
        )
        numbers = self.printed(log.out)
        gaps = [(a, b) for a, b in pairwise(numbers) if b != a + 1]
        self.assertEqual(numbers[0], 0)
        self.assertEqual(len(gaps), 1, gaps)
        [(last, again)] = gaps
        self.assertGreaterEqual(last, RATE)  # when the backup was made, it was on the disk
        self.assertGreater(again, seen)
        self.assert_no_defects()
