"""The state of a running server moves to another directory, and another server goes on with it."""

import hashlib
import json
import signal
import socket
import ssl
from pathlib import Path

from tests.end_to_end.processes import DEADLINE, script
from tests.end_to_end.server import ServerTestCase


class MovingHouse(ServerTestCase):
    def setUp(self) -> None:
        super().setUp()
        text = self.config.read_text()
        self.config.write_text(
            text.replace("[operators.bob]\n", '[operators.bob]\nroles = ["admin", "audit"]\n')
        )
        self.backup = self.directory / "vspc.backup"
        self.elsewhere = self.directory / "elsewhere.toml"

    def say(self, text: bytes) -> socket.socket:
        """A VM says something, and stays."""
        vm = socket.create_connection(("127.0.0.1", self.ports["plain guest"]), DEADLINE)
        self.addCleanup(vm.close)
        vm.sendall(text)
        self.assertEqual(self.ssh("expect", "guest", "--from", "0", text.decode()).status, 0)
        return vm

    def identity(self) -> tuple[bytes, str]:
        """The host keys of the server, and the thumbprint of its certificate."""
        fingerprints = self.complete(script("vspc"), "fingerprints", "--config", self.config)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", self.ports["telnets"]), DEADLINE) as plain,
            context.wrap_socket(plain) as peer,
        ):
            certificate = peer.getpeercert(binary_form=True)
        assert certificate is not None
        return fingerprints.out, hashlib.sha256(certificate).hexdigest()

    def move(self) -> None:
        """Back up, kill the server, restore to another state_dir, and serve from there."""
        made = self.complete(
            script("vspc"), "backup", "--logs", self.backup, "--config", self.config
        )
        self.assertEqual(made.status, 0, made)
        self.server.send_signal(signal.SIGKILL)
        self.server.wait()
        text = self.config.read_text()
        self.elsewhere.write_text(text.replace('"state"', '"moved"'))
        self.config = self.elsewhere
        restored = self.complete(script("vspc"), "restore", self.backup, "--config", self.config)
        self.assertEqual(restored.status, 0, restored)
        self.serve()

    def numbers(self, state: str) -> list[int]:
        """Of the records in the audit file."""
        lines = Path(self.directory, state, "audit.jsonl").read_text().splitlines()
        return [json.loads(line)["seq"] for line in lines]

    def test_the_same_keys_certificate_locks_descriptions_and_logs_and_the_audit_goes_on(
        self,
    ) -> None:
        self.serve()
        self.say(b"said before\n")
        self.assertEqual(self.ssh("lock", "guest", "--keep", "maintenance").status, 0)
        words = ("describe", "guest", "the old database", "--config", self.config)
        self.assertEqual(self.complete(script("vspc"), *words).status, 0)
        before = self.identity()
        self.move()
        self.assertEqual(self.identity(), before)
        self.say(b"said after\n")
        log = self.ssh("log", "guest", "--raw").out
        self.assertIn(b"said before\n", log)
        self.assertIn(b"said after\n", log)
        info = self.ssh("info", "guest").out
        self.assertIn(b"the old database", info)
        self.assertIn(b"maintenance", info)
        kept, now = self.numbers("state"), self.numbers("moved")
        self.assertEqual(now, list(range(now[0], now[0] + len(now))))
        self.assertGreater(len(now), len(kept) - 5)
        self.assert_no_defects()

    def test_a_backup_while_output_comes_has_all_that_was_on_disk(self) -> None:
        self.serve()
        vm = self.say(b"first\n")
        for _ in range(200):
            vm.sendall(b"x" * 4000 + b"\n")
        vm.sendall(b"last\n")
        self.assertEqual(self.ssh("expect", "guest", "--from", "0", "last").status, 0)
        self.move()
        checked = self.complete(script("vspc"), "verify", "--config", self.config)
        self.assertEqual(checked.status, 0, checked)
        self.assertIn(b"first\n", self.ssh("log", "guest", "--raw").out)
        self.assert_no_defects()
