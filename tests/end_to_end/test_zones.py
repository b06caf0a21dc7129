"""Zones by real listeners: equal UUIDs and names in two of them, rules by zone, a reload."""

import contextlib
import json
import signal
import socket

from tests.end_to_end.server import ServerTestCase
from tests.end_to_end.test_many_connections import REGISTRATION

ZONE = """
[[vm.zone]]
name = "lab"
telnet = ["tcp:0:interface=127.0.0.1"]
allow = ["127.0.0.0/8"]
"""


class Zones(ServerTestCase):
    def setUp(self) -> None:
        super().setUp()
        text = self.config.read_text().replace("[ssh]\n", ZONE + "[ssh]\n")
        self.config.write_text(text.replace('["web*"]', '["lab/*"]'))
        self.serve()

    def register(self, stack: contextlib.ExitStack, listener: str) -> None:
        address = ("127.0.0.1", self.ports[listener])
        stack.enter_context(socket.create_connection(address)).sendall(REGISTRATION)
        self.server.out.expect(rb" vm-registered console=\S*web01 ")

    def handles(self, operator: str) -> list[str]:
        rows = json.loads(self.ssh("list", "--json", operator=operator).out)
        return sorted(row["handle"] for row in rows)

    def test_two_vcenters_with_equal_uuids_and_names(self) -> None:
        with contextlib.ExitStack() as stack:
            self.register(stack, "telnet")
            self.register(stack, "telnet lab")
            self.assertIn(b" security kind=uuid-of-another-zone ", self.server.out.data)
            self.assertEqual(self.handles("alice"), ["lab/web01", "web01"])
            self.assertEqual(self.handles("carol"), ["lab/web01"])
            self.assertIn(b"zone: lab", self.ssh("info", "lab/web01", operator="carol").out)
            self.assertEqual(self.ssh("info", "web01", operator="carol").status, 3)

    def test_a_reload_changes_who_may_in(self) -> None:
        self.config.write_text(
            self.config.read_text().replace('allow = ["127.0.0.0/8"]\n[ssh]', "allow = []\n[ssh]")
        )
        self.server.send_signal(signal.SIGHUP)
        self.server.out.expect(rb" info reloaded ")
        with socket.create_connection(("127.0.0.1", self.ports["telnet lab"])) as stranger:
            self.server.out.expect(rb" vm-not-allowed .*listener=.telnet lab.*vm.zone.. lab")
            with contextlib.suppress(ConnectionResetError):
                self.assertEqual(stranger.recv(1), b"")
        with contextlib.ExitStack() as stack:
            self.register(stack, "telnet")
