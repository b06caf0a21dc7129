"""The SSH door against OpenSSH's own client, over loopback; `toy_door` runs in a child process."""

import contextlib
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

from twisted.trial.unittest import SynchronousTestCase

from tests.programs import require

ROOT = Path(__file__).parents[2]
PATIENCE = 30
"""Seconds after which something that should have happened will not."""

MEGABYTE = 1_000_000


class ToyDoor:
    """A door in a child process, keys for it, and ways to ask OpenSSH to go through it."""

    def __init__(self, *more: str) -> None:
        self._place = tempfile.TemporaryDirectory(prefix="vspc-door-")
        self.place = Path(self._place.name)
        (self.place / "authorized").mkdir()
        self.log = self.place / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.end_to_end.toy_door", str(self.place), *more],
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.port = int(self.wait_for(r"^port (\d+)$"))

    def wait_for(self, pattern: str, times: int = 1) -> str:
        """The first group of the last of so many matches in the door's log."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            found = re.findall(pattern, self.log.read_text(), re.MULTILINE)
            if len(found) >= times:
                return str(found[times - 1])
            if self.process.poll() is not None:
                break
            select.select([], [], [], 0.02)
        raise AssertionError(f"{pattern!r} is not in the log:\n{self.log.read_text()}")

    def key(self, kind: str, operator: str | None = "alice", bits: int | None = None) -> Path:
        """A new key of `kind`, authorised for `operator`."""
        path = self.place / f"key{len(list(self.place.iterdir()))}"
        size = [] if bits is None else ["-b", str(bits)]
        make = ["ssh-keygen", "-q", "-t", kind, *size, "-N", "", "-f", str(path)]
        subprocess.run(make, check=True, timeout=PATIENCE)
        if operator is not None:
            with (self.place / "authorized" / operator).open("a") as file:
                file.write(path.with_suffix(".pub").read_text())
        return path

    def command(self, *words: str, key: Path, user: str = "alice") -> list[str]:
        """`ssh` with nothing of this machine's configuration; `words` begin with options."""
        options = {
            "StrictHostKeyChecking": "accept-new",
            "UserKnownHostsFile": str(self.place / "known_hosts"),
            "GlobalKnownHostsFile": "/dev/null",
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "BatchMode": "yes",
            "LogLevel": "ERROR",
        }
        named = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        split = next((at for at, word in enumerate(words) if word == "--"), len(words))
        target = [f"{user}@127.0.0.1"]
        # OpenSSH takes the first value of an option: those of a test stand before ours.
        front = ["ssh", "-F", "none", "-p", str(self.port), "-i", str(key), *words[:split]]
        return [*front, *named, *target, *words[split + 1 :]]

    def run(
        self, *words: str, key: Path, user: str = "alice", typed: bytes = b""
    ) -> "subprocess.CompletedProcess[bytes]":
        """Run it to its end."""
        return subprocess.run(
            self.command(*words, key=key, user=user),
            input=typed,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )

    def close(self) -> None:
        """End the child."""
        self.process.terminate()
        self.process.wait(PATIENCE)
        self._place.cleanup()


class DoorCase(SynchronousTestCase):
    arguments: tuple[str, ...] = ()

    def setUp(self) -> None:
        require("ssh", "ssh-keygen")
        self.door = ToyDoor(*self.arguments)
        self.addCleanup(self.door.close)
        self.key = self.door.key("ed25519")

    def out(self, *words: str, typed: bytes = b"") -> bytes:
        """What a command that ends well prints."""
        done = self.door.run(*words, key=self.key, typed=typed)
        self.assertEqual((0, b""), (done.returncode, done.stderr))
        return done.stdout

    def no_traceback(self) -> None:
        self.assertNotIn("Traceback", self.door.log.read_text())


class LoginTests(DoorCase):
    def test_every_kind_of_key(self) -> None:
        for kind, bits in (("ed25519", None), ("ecdsa", 256), ("ecdsa", 521), ("rsa", 3072)):
            done = self.door.run("--", "login", key=self.door.key(kind, bits=bits))
            self.assertEqual(b"alice None\n", done.stdout, kind)

    def test_target_and_options_in_the_user_name(self) -> None:
        done = self.door.run("--", "login", key=self.key, user="alice+web01,ro,replay=200")
        self.assertEqual(b"alice web01 ro replay=200\n", done.stdout)

    def test_a_key_that_nobody_knows_is_refused_with_one_line(self) -> None:
        stranger = self.door.key("ed25519", operator=None)
        done = self.door.run("--", "echo", "hello", key=stranger)
        self.assertEqual(255, done.returncode)
        self.assertIn(b"Permission denied (publickey)", done.stderr)
        self.door.wait_for(r"^warn login-failed operator=alice .*(key=SHA256:\S+)")
        self.no_traceback()

    def test_every_cipher_and_mac_that_is_offered(self) -> None:
        for cipher in ("aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com"):
            self.assertEqual(b"hello\n", self.out("-c", cipher, "--", "echo", "hello"))
        for mac in ("hmac-sha2-256", "hmac-sha2-512"):
            for etm in ("", "-etm@openssh.com"):
                ways = ("-c", "aes256-ctr", "-m", mac + etm)
                self.assertEqual(b"hello\n", self.out(*ways, "--", "echo", "hello"))

    def test_every_key_exchange_that_openssh_has(self) -> None:
        for name in ("curve25519-sha256", "curve25519-sha256@libssh.org"):
            self.assertEqual(b"hello\n", self.out("-oKexAlgorithms=" + name, "--", "echo", "hello"))

    def test_key_exchange_is_strict(self) -> None:
        done = self.door.run("-oLogLevel=DEBUG3", "--", "status", "0", key=self.key)
        if b"kex-strict" not in done.stderr.partition(b"peer server KEXINIT")[0]:
            self.skipTest("this OpenSSH is older than strict key exchange")
        self.assertIn(b"will use strict KEX ordering", done.stderr)

    def test_what_is_weak_is_refused(self) -> None:
        for option, value in (
            ("Ciphers", "aes128-cbc"),
            ("MACs", "hmac-sha1"),
            ("KexAlgorithms", "diffie-hellman-group14-sha1"),
            ("HostKeyAlgorithms", "ssh-rsa"),
        ):
            options = [f"-o{option}={value}"]
            if option == "MACs":
                options.append("-oCiphers=aes256-ctr")
            done = self.door.run(*options, "--", "echo", "hello", key=self.key)
            self.assertEqual(255, done.returncode, option)
            self.assertEqual(b"", done.stdout)

    def test_compression_is_wished_for_in_vain(self) -> None:
        done = self.door.run("-C", "-oLogLevel=DEBUG1", "--", "echo", "x", key=self.key)
        self.assertEqual(b"x\n", done.stdout)
        self.assertIn(b"compression: none", done.stderr)

    def test_no_line_of_the_log_has_the_command(self) -> None:
        self.out("--", "echo", "hunter2")
        self.assertNotIn("hunter2", self.door.log.read_text())


class ProgramTests(DoorCase):
    def test_status_and_both_streams(self) -> None:
        for status in (0, 1, 5, 42):
            done = self.door.run("--", "status", str(status), key=self.key)
            self.assertEqual(status, done.returncode)
        done = self.door.run("--", "both", key=self.key)
        self.assertEqual((b"out\n", b"err\n"), (done.stdout, done.stderr))

    def test_bytes_come_back_as_they_went(self) -> None:
        blob = os.urandom(3 * MEGABYTE)
        self.assertEqual(blob, self.out("--", "cat", typed=blob))

    def test_also_while_keys_change(self) -> None:
        blob = os.urandom(3 * MEGABYTE)
        for cipher in ("aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes128-ctr"):
            ways = ("-oRekeyLimit=500K", "-c", cipher)
            self.assertEqual(blob, self.out(*ways, "--", "cat", typed=blob))
        self.no_traceback()

    def test_a_console_as_a_host(self) -> None:
        blob = bytes(range(256)) * 400
        self.assertEqual(blob, self.out("-W", "web01:1", typed=blob))

    def test_a_host_that_is_none(self) -> None:
        done = self.door.run("-oLogLevel=INFO", "-W", "nowhere:1", key=self.key)
        self.assertEqual(255, done.returncode)
        self.assertIn(b"no such toy", done.stderr)

    def test_a_terminal_without_a_size(self) -> None:
        done = self.door.run("-tt", key=self.key)
        self.assertIn(b"columns=80, rows=24", done.stdout)

    def test_a_program_that_breaks_ends_alone(self) -> None:
        done = self.door.run("--", "raise", key=self.key)
        self.assertEqual(1, done.returncode)
        self.assertEqual(b"still here\n", self.out("--", "echo", "still", "here"))

    def test_a_subsystem(self) -> None:
        done = self.door.run("-s", "--", "sftp", key=self.key)
        self.assertEqual(255, done.returncode)

    def test_ports_to_the_server_are_refused(self) -> None:
        options = ("-R", "0:127.0.0.1:1", "-oExitOnForwardFailure=yes")
        done = self.door.run(*options, "--", "echo", "x", key=self.key)
        self.assertEqual((255, b""), (done.returncode, done.stdout))

    def test_agents_and_displays_are_refused_but_the_command_runs(self) -> None:
        done = self.door.run("-A", "-X", "--", "echo", "x", key=self.key)
        self.assertEqual(b"x\n", done.stdout)
        self.no_traceback_but_of_toys()

    def no_traceback_but_of_toys(self) -> None:
        tracebacks = self.door.log.read_text().count("Traceback")
        self.assertLessEqual(tracebacks, self.door.log.read_text().count("a toy that breaks"))

    def test_one_channel_too_many_on_one_connection(self) -> None:
        control = self.door.place / "control"
        options = (f"-oControlPath={control}", "-oControlMaster=yes", "-N")
        command = self.door.command(*options, key=self.key)
        with subprocess.Popen(command, stderr=subprocess.PIPE) as master:
            try:
                self.wait_until(control.exists)
                self.fill(control)
                done = self.through(control, "echo", "x")
                self.assertNotEqual(0, done.returncode)
                self.assertEqual(b"", done.stdout)
            finally:
                master.terminate()
        self.assertEqual(b"x\n", self.out("--", "echo", "x"))

    def fill(self, control: Path) -> None:
        """Take all the channels that a connection may have."""
        for _ in range(64):
            held = subprocess.Popen(
                self.door.command(f"-oControlPath={control}", "--", "slow", key=self.key),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            self.addCleanup(self.end, held)
            assert held.stdin is not None
            held.stdin.write(b"x")
            held.stdin.flush()
        self.door.wait_for(r"^(slow-got) 1$", 64)

    def through(self, control: Path, *words: str) -> "subprocess.CompletedProcess[bytes]":
        """Run over the connection that is there, and over no other."""
        options = (f"-oControlPath={control}", "-oProxyCommand=false")
        return self.door.run(*options, "--", *words, key=self.key)

    def end(self, process: "subprocess.Popen[bytes]") -> None:
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        process.kill()
        process.wait(PATIENCE)

    def wait_until(self, true: object) -> None:
        deadline = time.monotonic() + PATIENCE
        while not true():  # type: ignore[operator]
            self.assertLess(time.monotonic(), deadline)
            select.select([], [], [], 0.02)


class NewKeyTests(DoorCase):
    """The door, not the client, asks for new keys."""

    arguments = ("300000",)

    def test_bytes_come_back_as_they_went(self) -> None:
        blob = os.urandom(3 * MEGABYTE)
        for cipher in ("aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes128-ctr"):
            options = ("-oLogLevel=DEBUG1", "-c", cipher)
            done = self.door.run(*options, "--", "cat", key=self.key, typed=blob)
            self.assertEqual(blob, done.stdout)
            self.assertGreater(done.stderr.count(b"SSH2_MSG_NEWKEYS received"), 15)
        self.no_traceback()


class TerminalTests(DoorCase):
    """OpenSSH with a terminal of its own."""

    def spawn(self, *words: str) -> tuple[int, int]:
        """OpenSSH on a new terminal; its process and our end."""
        command = self.door.command(*words, key=self.key)
        pid, master = pty.fork()
        if pid == 0:
            os.execvp(command[0], command)
        return pid, master

    def read_until(self, master: int, wanted: bytes) -> bytes:
        found = b""
        while wanted not in found:
            ready, _, _ = select.select([master], [], [], PATIENCE)
            self.assertTrue(ready, found)
            found += os.read(master, 4096)
        return found

    def finish(self, pid: int, master: int) -> int:
        """Wait for the end, reading; the exit status."""
        with contextlib.suppress(OSError):
            while os.read(master, 4096):
                pass
        os.close(master)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def test_break_by_the_escape_of_openssh(self) -> None:
        pid, master = self.spawn("-t", "-e", "~", "--", "breaks")
        self.read_until(master, b"ready")
        os.write(master, b"\r~B")
        self.read_until(master, b"break!")
        self.assertEqual(0, self.finish(pid, master))

    def test_the_size_of_the_terminal(self) -> None:
        import fcntl
        import termios

        command = self.door.command("-t", "--", "terminal", key=self.key)
        pid, master = pty.fork()
        if pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 111, 0, 0))
            os.execvp(command[0], command)
        self.assertIn(b"columns=111, rows=33", self.read_until(master, b"rows="))
        self.assertEqual(0, self.finish(pid, master))


class SlowTests(DoorCase):
    """Clients that stall."""

    def start(self, *words: str) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            self.door.command("--", *words, key=self.key),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.addCleanup(self.end, process)
        return process

    def end(self, process: "subprocess.Popen[bytes]") -> None:
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait(PATIENCE)

    def largest(self) -> int:
        """KiB of memory that the door ever had."""
        return int(self.out("--", "rss"))

    def test_a_client_that_does_not_read_costs_little(self) -> None:
        before = self.largest()
        stalled = [self.start("flood") for _ in range(8)]
        for process in stalled[:4]:
            stream: IO[bytes] | None = process.stdout
            assert stream is not None
            stream.read(MEGABYTE)
            process.send_signal(signal.SIGSTOP)
        for process in stalled[4:]:
            stream = process.stdout
            assert stream is not None
            stream.read(MEGABYTE)
        # Meanwhile others go through, as much as would show if it were kept for the stalled.
        self.assertEqual(50 * MEGABYTE, len(self.out("--", "bytes", str(50 * MEGABYTE))))
        self.assertLess(self.largest() - before, 16 * 1024)

    def test_input_that_nobody_takes_stops_at_the_window(self) -> None:
        process = self.start("slow")
        assert process.stdin is not None
        os.set_blocking(process.stdin.fileno(), False)
        with contextlib.suppress(BlockingIOError):
            while process.stdin.write(b"x" * 65536):
                pass
        self.door.wait_for(r"^(slow-got) 65536$")
        self.out("--", "bytes", str(MEGABYTE))
        self.assertEqual(65536, max(map(int, re.findall(r"slow-got (\d+)", self.log_text()))))

    def log_text(self) -> str:
        return self.door.log.read_text()

    def test_a_client_that_is_killed_is_heard_by_its_program(self) -> None:
        process = self.start("slow")
        assert process.stdin is not None
        process.stdin.write(b"here")
        process.stdin.flush()
        self.door.wait_for(r"^(slow-got) 4$")
        before = len(re.findall(r"^closed Slow$", self.log_text(), re.MULTILINE))
        process.kill()
        self.door.wait_for(r"^(closed Slow)$", before + 1)
