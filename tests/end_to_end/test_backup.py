"""The state of a running server moves to another directory, and another server goes on with it."""

import hashlib
import json
import re
import signal
import socket
import ssl
import sys
from pathlib import Path
from threading import Event, Thread

from tests.end_to_end.processes import DEADLINE, ProcessTestCase, script
from tests.end_to_end.server import ServerTestCase
from tests.programs import require


class BackupTestCase(ServerTestCase):
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


class MovingHouse(BackupTestCase):
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


class WhileItRolls(BackupTestCase):
    """Backups of a log whose segments are closed, compressed and deleted meanwhile."""

    BACKUPS = 3

    def write_config(self, more: str = "") -> None:
        super().write_config('[log]\nmax_console = "1MiB"\n' + more)

    def serve_elsewhere(self, number: int) -> None:
        """A server with backup `number`, on other ports."""
        text = self.config.read_text()
        self.elsewhere.write_text(text.replace('"state"', f'"moved{number}"'))
        words = ("restore", "-", "--config", self.elsewhere)
        data = Path(self.directory, f"backup{number}").read_bytes()
        restored = self.complete(script("vspc"), *words, typed=data)
        self.assertEqual(restored.status, 0, restored)
        self.serve(script("vspc"), "run", "--config", self.elsewhere)

    def test_every_byte_until_a_backup_is_in_it(self) -> None:
        self.serve()
        vm, over = self.say(b"first\n"), Event()

        def talk() -> None:
            for number in range(1_000_000):
                noise = hashlib.sha512(b"%d" % number).hexdigest().encode()
                vm.sendall(b"%08d %s%s\n" % (number, noise, noise))
                if not number % 20 and over.wait(0.02):
                    return

        talking = Thread(target=talk, daemon=True)
        talking.start()
        seen = []
        for number in range(self.BACKUPS):
            seen.append(int(self.ssh("expect", "guest", "[0-9]{8} ").out))
            self.ssh("expect", "guest", "[0-9]{8} ")  # what came before it is in the journal
            words = ("backup", "--logs", "-", "--config", self.config)
            made = self.complete(script("vspc"), *words)
            self.assertEqual(made.status, 0, made.err)
            Path(self.directory, f"backup{number}").write_bytes(made.out)
        over.set()
        talking.join()
        self.assertTrue([*Path(self.directory, "state").rglob("*.zst")])
        self.stop_server()
        for number, last in enumerate(seen):
            self.serve_elsewhere(number)
            verified = self.complete(script("vspc"), "verify", "--config", self.elsewhere)
            self.assertEqual(verified.status, 0, verified)
            said = self.ssh("log", "guest", "--raw").out
            numbers = [int(n) for n in re.findall(rb"^([0-9]{8}) [0-9a-f]{256}$", said, re.M)]
            self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))))
            self.assertGreaterEqual(numbers[-1], last)
            self.assert_no_defects()
            self.server.stop()


MEASURED = """
import resource, sys
from vspc.cli.main import main
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
status = main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, file=sys.stderr)
sys.exit(status)
"""
"""`vspc`, and KiB of memory that it needed at most above what it begins with."""


class OfAMachine(ProcessTestCase):
    """State of a server that does not run."""

    def setUp(self) -> None:
        super().setUp()
        self.config, self.state = self.directory / "vspc.toml", self.directory / "state"
        self.config.write_text('state_dir = "state"\n[vm]\nallow = ["127.0.0.0/8"]\n')
        (self.state / "log" / "journal").mkdir(parents=True)
        (self.state / "locks.json").write_bytes(b"locks")
        self.backup = self.directory / "vspc.backup"

    def memory(self, *words: str | Path) -> int:
        """MiB that a subcommand needed."""
        command = (sys.executable, "-c", MEASURED, *words, "--config", self.config)
        done = self.complete(*command, timeout=4 * DEADLINE)
        self.assertEqual(done.status, 0, done)
        return int(done.err.split()[-1]) >> 10

    def test_memory_is_bounded_however_large_the_log_is(self) -> None:
        for number in range(1000):
            small = self.state / "log" / "consoles" / f"{number % 100:02x}" / f"{number:016x}"
            small.mkdir(parents=True)
            (small / "about").write_bytes(b"{}")
        with open(self.state / "log" / "journal" / "00000001.journal", "wb") as journal:
            journal.truncate(200 << 20)
        self.assertLess(self.memory("backup", "--logs", self.backup), 48)
        self.assertLess(self.memory("restore", "--force", self.backup), 48)

    def test_a_state_dir_that_is_a_mount_stays_and_its_contents_are_moved(self) -> None:
        [unshare] = require("unshare")
        inside = (unshare, "--mount", "--map-root-user")
        if self.complete(*inside, "true").status != 0:
            self.skipTest("no mount can be made in a namespace here")
        vspc = f"{script('vspc')} %s {self.backup} --config {self.config}"
        done = self.complete(
            *inside,
            "sh",
            "-ec",
            f"""
            {vspc % "backup --logs"}
            mount -t tmpfs tmpfs {self.state}
            echo newer > {self.state}/locks.json
            {vspc % "restore"} && exit 9
            {vspc % "restore --force"}
            mountpoint -q {self.state}
            cat {self.state}/locks.json {self.state}/before-*/locks.json
            ls {self.state}
        """,
        )
        self.assertEqual(done.status, 0, done)
        after = done.out.decode().partition("start the server\n")[2]
        self.assertRegex(after, r"\Alocksnewer\nbefore-\w+\nlock\nlocks.json\n\Z")
