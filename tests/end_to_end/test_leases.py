"""Leases with real OpenSSH: a program holds a console, its channel is cut."""

import signal
import socket

from tests.end_to_end.server import ServerTestCase


class Leases(ServerTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.serve()
        self.device = socket.create_connection(("127.0.0.1", self.ports["plain guest"]), 20)
        self.addCleanup(self.device.close)
        self.server.out.expect(rb" vm-registered console=guest ")

    def read(self, count: int) -> bytes:
        return self.device.recv(count, socket.MSG_WAITALL)

    def test_it_is_held_used_and_cut(self) -> None:
        holder = self.attach("lease", "guest", "--for", "5m", "build", "512")
        lease = holder.out.expect(rb"\Alease-[0-9a-f]{32}(?=\n)").group().decode()
        bob = self.terminal(user="bob+guest", operator="bob")
        bob.out.expect(rb"leased to alice \(build 512\)")
        refused = self.ssh("send", "guest", "x", operator="bob")
        self.assertEqual(refused.status, 4)
        self.assertIn(b"guest is leased to alice (build 512) until ", refused.err)
        foreign = self.ssh("send", "guest", "--lease", lease, "x", operator="bob")
        self.assertEqual(foreign.status, 1)
        self.assertIn(b"guest has no lease of yours with that ID", foreign.err)
        self.assertEqual(self.ssh("send", "guest", "--lease", lease, "one").status, 0)
        self.assertEqual(self.read(3), b"one")
        expecting = self.attach("expect", "guest", "--lease", lease, "--send", "two", "never")
        self.assertEqual(self.read(3), b"two")
        holder.send_signal(signal.SIGKILL)
        self.assertEqual(expecting.wait(), 1)
        expecting.err.expect(
            rb"the lease of alice is over: its program has left; 3 bytes were sent"
        )
        bob.out.expect(rb"the lease of alice is over: its program has left")
        self.assertEqual(self.ssh("send", "guest", "--lease", lease, "x").status, 1)
        self.assertEqual(self.ssh("send", "guest", "three", operator="bob").status, 0)
        self.assertEqual(self.read(5), b"three")
        audit = (self.directory / "state" / "audit.jsonl").read_bytes()
        self.assertEqual(audit.count(b'"event": "lease"'), 2)
        self.assertNotIn(lease.encode(), audit + self.server.out.data + self.server.err.data)
        self.assert_no_defects()

    def test_one_waits_for_another(self) -> None:
        first = self.attach("lease", "guest")
        first.out.expect(rb"lease-")
        second = self.attach("lease", "guest", "--wait", "30s", "--json", operator="bob")
        second.err.expect(rb"guest is leased to alice until .*: waiting\]")
        first.send_signal(signal.SIGTERM)
        second.out.expect(rb'\A\{"lease": "lease-[0-9a-f]{32}", "console": \{')
        self.assert_no_defects()
