"""The server, from start to end, again and again: configuration, process, disk, what it logged."""

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import IO, Any

from twisted.internet.task import deferLater

from tests.end_to_end.openssh import make_key
from tests.end_to_end.processes import free_port
from tests.environment import private_environment
from tests.supervisor import ServiceManager, handing_over

START_LIMIT, STOP_LIMIT = 30.0, 30.0
"""Seconds that a start and an orderly stop may take."""

POLL = 0.02
"""Seconds between two looks at a process."""

DISK = 96 << 20
"""Bytes of the file system that the state is on, where one can be mounted; and for each second of
the run `GROWTH` more."""

GROWTH = 256 << 10

OPERATOR, PROGRAMS = "alice", "lab"

_CONFIG = """\
state_dir = "state"
[vm]
telnet = ["tcp:{telnet}:interface=127.0.0.1"]
telnets = ["tcp:{telnets}:interface=127.0.0.1"]
allow = ["127.0.0.0/8"]
probe_timeout = 1
[console]
forget_after = "{forget}"
[log]
free_floor = "0B"
max_console = "2GiB"
[ssh]
listen = ["tcp:{ssh}:interface=127.0.0.1"]
[operators.{operator}]
authorized_keys_file = "{operator}.pub"
[operators.{programs}]
[[access]]
operators = ["*"]
consoles = ["*"]
rights = ["read", "write", "break", "force"]
"""

_SOCKET = """\
[[console.listen]]
console = "{console}"
protocol = "{protocol}"
listen = "tcp:{port}"
operator = "{programs}"
"""

_TROUBLE = re.compile(
    rb"[Tt]raceback|Unhandled| critical | defect| line-defect|BEGIN OPENSSH PRIVATE|<\w+:\d{6}:"
)
"""What the server's log must not have: defects of ours, keys, and what was typed."""


_NUMBERS = re.compile(r"[0-9a-f]{16}|\d+")
"""What differs between files and sockets of one kind."""


class Lives:
    """One server. `sockets` are (console, protocol) of its sockets for programs."""

    def __init__(
        self, clock: Any, directory: Path, sockets: Sequence[tuple[str, str]], seconds: float
    ) -> None:
        self.directory = directory
        self.state = directory / "state"
        self.log = directory / "server.log"
        self.key = make_key(directory, OPERATOR)
        self.telnet, self.telnets, self.ssh = free_port(), free_port(), free_port()
        self.sockets = [(console, protocol, free_port()) for console, protocol in sockets]
        self.number = 0
        """Of the present life, from 1."""
        self.is_ending = False
        self.problems: list[str] = []
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self._changes = 0
        self._mounted = False
        self.log.touch()
        self._is_closed = False
        self._manager = ServiceManager(directory / "notify")
        Thread(target=self._notifications, daemon=True).start()
        (directory / "home").mkdir(mode=0o700)
        self.state.mkdir(mode=0o700)
        self._mount(DISK + int(seconds * GROWTH))
        self.write_config()

    # The configuration

    def write_config(self, broken: bool = False) -> None:
        """The configuration, never twice the same; `broken`: with mistakes."""
        self._changes += 1
        text = _CONFIG.format(
            telnet=self.telnet,
            telnets=self.telnets,
            ssh=self.ssh,
            operator=OPERATOR,
            programs=PROGRAMS,
            forget=f"{7 + self._changes % 20}d",
        )
        for console, protocol, port in self.sockets:
            text += _SOCKET.format(console=console, protocol=protocol, port=port, programs=PROGRAMS)
        if broken:
            text += '[vm]\ntelnet = 7\n[[access]]\nrights = ["fly"]\n'
        (self.directory / "vspc.toml").write_text(text)

    def reload(self) -> None:
        """SIGHUP."""
        if self.is_alive and not self.is_ending:
            self._signal(signal.SIGHUP)

    # The process

    @property
    def is_alive(self) -> bool:
        """Whether a process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Of the present life."""
        assert self._process is not None
        return self._process.pid

    def _notifications(self) -> None:
        while not self._is_closed:
            self._manager.receive(0.05)

    def lose_store(self) -> None:
        """What is in the descriptor store is closed, as when a unit is stopped."""
        self._manager.empty()

    async def start(self, under_manager: bool = True) -> None:
        """Start it with what is in the descriptor store, and wait until it listens. AssertionError
        if it does not. `under_manager` False: there is no service manager.
        """
        setpriv = shutil.which("setpriv")
        dies_with_us = [setpriv, "--pdeathsig", "KILL"] if setpriv else []
        program = [
            sys.executable,
            "-m",
            "vspc",
            "run",
            "--config",
            str(self.directory / "vspc.toml"),
        ]
        entries = self._manager.handed_over()
        numbers = [entry.number for entry in entries]
        environment = private_environment(self.directory / "home") | {"PYTHONUNBUFFERED": "1"}
        if under_manager:
            environment["NOTIFY_SOCKET"] = self._manager.address
            program = [*handing_over([entry.name for entry in entries], numbers), *program]
        self.number += 1
        before = self.log.stat().st_size
        self._process = subprocess.Popen(
            [*dies_with_us, *program],
            pass_fds=numbers,
            cwd=self.directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        # Not its own file: where files may not grow, what it says is still of interest.
        Thread(target=_copy, args=(self._process.stdout, self.log), daemon=True).start()
        end = self._clock.seconds() + START_LIMIT
        while b" info started " not in self.logged(before):
            assert self.is_alive, f"the server did not start:\n{self.tail()}"
            assert self._clock.seconds() < end, f"no start in {START_LIMIT} s:\n{self.tail()}"
            await deferLater(self._clock, POLL)
        self.is_ending = False

    async def terminate(self) -> None:
        """SIGTERM, and its end in time."""
        self.is_ending = True
        self._signal(signal.SIGTERM)
        status = await self._ended()
        if status not in (0, -signal.SIGTERM):
            self.problems.append(f"life {self.number}: ended with {status} after SIGTERM")

    async def kill(self) -> None:
        """SIGKILL."""
        self.is_ending = True
        self._signal(signal.SIGKILL)
        await self._ended()

    async def _ended(self) -> int:
        assert self._process is not None
        end = self._clock.seconds() + STOP_LIMIT
        while (status := self._process.poll()) is None:
            if self._clock.seconds() > end:
                self.problems.append(f"life {self.number}: did not end in {STOP_LIMIT} s")
                self._process.kill()
                return self._process.wait()
            await deferLater(self._clock, POLL)
        return status

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(number)
        else:
            self.problems.append(f"life {self.number}: ended by itself")

    def descriptors(self) -> Counter[str]:
        """What it has open: how many of each kind. Sockets are told apart by its own port."""
        sockets = _sockets(self.pid)
        found = Counter[str]()
        for number in os.listdir(f"/proc/{self.pid}/fd"):
            with suppress(FileNotFoundError):  # closed meanwhile
                target = os.readlink(f"/proc/{self.pid}/fd/{number}")
                found[sockets.get(target) or _NUMBERS.sub("N", target)] += 1
        return found

    def memory(self) -> int:
        """Its resident memory in bytes."""
        with open(f"/proc/{self.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize()

    # What it logged

    def logged(self, start: int = 0) -> bytes:
        """Its log from byte `start` on, of all lives."""
        with self.log.open("rb") as file:
            file.seek(start)
            return file.read()

    def tail(self) -> str:
        """The end of its log."""
        return self.logged()[-3000:].decode("utf-8", "replace")

    def look_at_log(self) -> list[str]:
        """Lines that must not be in its log."""
        return [
            f"server's log: {line.decode('utf-8', 'replace')}"
            for line in self.logged().splitlines()
            if _TROUBLE.search(line)
        ][:10]

    # Its disk

    def _mount(self, size: int) -> None:
        """A small file system of its own for the state, where we may mount one."""
        options = ["-o", f"size={size},mode=0700"]
        done = subprocess.run(
            ["mount", "-t", "tmpfs", *options, "tmpfs", str(self.state)],
            capture_output=True,
            check=False,
        )
        self._mounted = done.returncode == 0

    @property
    def has_disk(self) -> bool:
        """Whether the disk can be filled."""
        return self._mounted

    def fill_disk(self) -> None:
        """No byte is left."""
        with suppress(OSError), (self.state / "filler").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1 << 16))
        with suppress(OSError), (self.state / "filler2").open("wb", buffering=0) as file:
            while True:
                file.write(b"x")

    def limit_files(self, limited: bool) -> None:
        """No file may grow over 4 KiB, or each may again."""
        if not self.is_alive:
            return
        with suppress(ProcessLookupError):
            hard = resource.RLIM_INFINITY
            resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (4096 if limited else hard, hard))

    def heal(self) -> None:
        """The disk is as before."""
        for name in ("filler", "filler2"):
            (self.state / name).unlink(missing_ok=True)
        self.limit_files(False)

    async def close(self, keep: bool) -> None:
        """End it; `keep`: what it left is copied out of the mount."""
        if self.is_alive:
            await self.kill()
        self._close_manager()
        self._leave_disk(keep)

    def abandon(self) -> None:
        """The same at once."""
        if self._process is not None and self.is_alive:
            self._process.kill()
            self._process.wait()
        self._close_manager()
        self._leave_disk(keep=True)

    def _close_manager(self) -> None:
        self._is_closed = True
        self._manager.close()

    def _leave_disk(self, keep: bool) -> None:
        if not self._mounted:
            return
        self._mounted = False
        if keep:
            shutil.copytree(
                self.state,
                self.directory / "kept",
                ignore=shutil.ignore_patterns("control", "filler*"),
            )
        subprocess.run(["umount", "--lazy", str(self.state)], check=False)


def _sockets(pid: int) -> dict[str, str]:
    """Descriptors of TCP sockets, and what they are."""
    found = {}
    for line in Path(f"/proc/{pid}/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        _, local, _, state, *rest = line.split()
        found[f"socket:[{rest[5]}]"] = f"TCP port {int(local[-4:], 16)} in state {state}"
    return found


def _copy(source: IO[bytes], target: Path) -> None:
    with target.open("ab", buffering=0) as file:
        while data := source.read1(65536):  # type: ignore[attr-defined]
            file.write(data)
