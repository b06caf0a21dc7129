"""`make demo` as a newcomer runs it: started, its printed command run, Ctrl-C, nothing left."""

import os
import select
import shlex
import signal
import socket
import sys
from pathlib import Path

from tests.end_to_end.processes import ProcessTestCase, Size, free_port
from tests.programs import require
from vspc.simulator.demo import SSH_PORT, TELNET_PORT, TELNETS_PORT

ROOT = Path(__file__).resolve().parents[2]


def free_offset() -> int:
    """An offset with which all ports of the demonstration are free."""
    for _ in range(100):
        offset = free_port() - SSH_PORT
        if 0 < offset <= 50_000 and all(
            map(is_free, (TELNET_PORT + offset, TELNETS_PORT + offset))
        ):
            return offset
    raise AssertionError("no three ports are free")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def processes_in(directory: Path) -> list[int]:
    """Processes that work in `directory`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if Path(os.readlink(entry / "cwd")) == directory:
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


class Demonstration(ProcessTestCase):
    def setUp(self) -> None:
        super().setUp()
        # A checkout of its own, so that the state of somebody's demonstration stays his.
        self.checkout = self.directory / "checkout"
        self.checkout.mkdir()
        for name in ("Makefile", "setup.cfg", "pyproject.toml"):
            (self.checkout / name).symlink_to(ROOT / name)
        (self.checkout / ".venv").symlink_to(sys.prefix)

    def test_the_printed_command_logs_in_and_ctrl_c_leaves_nothing(self) -> None:
        [make, _ssh] = require("make", "ssh")
        offset = free_offset()
        words = ["-C", str(self.checkout), "--no-print-directory", "demo"]
        demo = self.start(
            make, *words, terminal=Size(), environment={"DEMO_PORT_OFFSET": str(offset)}
        )
        printed = demo.out.expect(rb"^  (ssh .*demo@127\.0\.0\.1)\r$")[1].decode()
        command = [word for word in shlex.split(printed) if word != "-t"]
        self.assertEqual(command[command.index("-i") + 1], f"{self.checkout}/.demo/id_ed25519")
        listed = self.complete(*require("ssh"), *command[1:], "list")
        self.assertEqual(listed.status, 0, listed)
        for name in (b"db1", b"web1", b"web2"):
            self.assertIn(name, listed.out)
        for verb in ("status", "sessions", "events"):  # the roles admin and audit
            done = self.complete(*require("ssh"), *command[1:], verb)
            self.assertEqual(done.status, 0, done)
        local = demo.out.expect(rb"^  (\S*vspc status --config \S+)\r$")[1].decode()
        self.assertEqual(self.complete(*shlex.split(local)).status, 0)
        terminal = self.start(*require("ssh"), *command[1:-1], "-tt", command[-1], terminal=Size())
        terminal.out.expect(rb"web2")
        terminal.type(b"db1")
        terminal.type(b"\r")
        terminal.out.expect(rb"\[db1 connected, ")
        terminal.type(b"\x05c.")
        terminal.out.expect(rb"1 of 3")  # the filter is kept
        terminal.type(b"\x03")
        self.assertEqual(terminal.wait(), 0)
        self.assertTrue(processes_in(self.checkout))
        demo.type(b"\x03")
        # make waits for what it runs, then ends as a program that was interrupted.
        self.assertEqual(demo.wait(), -signal.SIGINT)
        self.assertEqual(processes_in(self.checkout), [])

    def test_being_killed_leaves_nothing_either(self) -> None:
        [make] = require("make")
        offset = free_offset()
        demo = self.start(
            make,
            *("-C", str(self.checkout), "demo"),
            environment={"DEMO_PORT_OFFSET": str(offset)},
        )
        demo.out.expect(rb"Ctrl-C here ends")
        leader = next(
            pid
            for pid in processes_in(self.checkout)
            if b"vspc.simulator.demo" in Path(f"/proc/{pid}/cmdline").read_bytes()
        )
        children = [pid for pid in processes_in(self.checkout) if pid not in (leader, demo.pid)]
        self.assertEqual(len(children), 3)
        watched = [os.pidfd_open(pid) for pid in children]
        os.kill(leader, signal.SIGKILL)
        demo.wait()
        for descriptor in watched:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            self.assertTrue(poll.poll(30_000))
            os.close(descriptor)
