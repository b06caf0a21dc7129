"""Real programs in tests: started, listened to, and ended whatever happens.

    class Listing(ProcessTestCase):
        def test_one_virtual_machine_is_listed(self) -> None:
            [ssh] = require("ssh")
            server = self.start(script("vspc"), "run", "--config", self.directory / "vspc.toml")
            server.out.expect(rb"ready")
            listing = self.complete(ssh, "-p", "2222", ...)
            self.assertEqual(listing.status, 0)

Each wait is for an event (output, end of file, exit) and has a deadline in seconds. A child is a
session of its own, is ended with its process group by its number, and dies with the test process.
Its environment has a home of its own. When a test fails, what its children said is printed.
"""

import fcntl
import os
import random
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any

from attrs import frozen
from twisted.trial.unittest import SynchronousTestCase

from tests.end_to_end.output import Output
from tests.environment import private_environment

DEADLINE = 30.0
"""Seconds that a test waits for anything, unless it says otherwise; passing tests never do."""

_GRACE = 10.0  # seconds from SIGTERM to SIGKILL
_SHOWN = 8192  # bytes of each stream that a failure prints

# Makes the terminal the controlling one, so that /dev/tty, SIGWINCH and hang-ups work.
_LOGIN_TTY = "import os, sys; os.login_tty(0); os.execv(sys.argv[1], sys.argv[1:])"


@frozen
class Size:
    """A terminal's size; columns and rows."""

    columns: int = 80
    rows: int = 24

    def apply(self, descriptor: int) -> None:
        """Make it the size of the terminal that `descriptor` is open on."""
        fcntl.ioctl(
            descriptor, termios.TIOCSWINSZ, struct.pack("4H", self.rows, self.columns, 0, 0)
        )


@frozen
class Completed:
    """How a program ended: its exit status (negative: the signal), stdout and stderr."""

    status: int
    out: bytes
    err: bytes


class Child:
    """A running program. With a terminal, `out` is all that it shows and `err` stays empty."""

    def __init__(
        self,
        command: list[str],
        directory: Path,
        environment: Mapping[str, str],
        size: Size | None,
        inherited: Sequence[int] = (),
    ) -> None:
        """`inherited` are descriptors that it gets besides its own three, under their numbers."""
        self.name = Path(command[0]).name
        self.out = Output(f"{self.name} stdout")
        self.err = Output(f"{self.name} stderr")
        self._command = command
        self._size = size
        self._inherited = inherited
        start = self._in_terminal if size else self._in_pipes
        self._process = start(directory, dict(environment))
        self.pid = self._process.pid
        self._exit = os.pidfd_open(self.pid)

    def _in_pipes(self, directory: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [*_dies_with_us(), *self._command],
            cwd=directory,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            pass_fds=self._inherited,
            bufsize=0,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._input = os.dup(process.stdin.fileno())
        process.stdin.close()
        self.out.read_from(os.dup(process.stdout.fileno()))
        self.err.read_from(os.dup(process.stderr.fileno()))
        process.stdout.close()
        process.stderr.close()
        os.set_blocking(self._input, False)
        return process

    def _in_terminal(self, directory: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        ours, theirs = os.openpty()
        self._input = os.dup(ours)
        try:
            assert self._size is not None
            self._size.apply(ours)
            login = [sys.executable, "-E", "-S", "-c", _LOGIN_TTY]
            return subprocess.Popen(
                [*_dies_with_us(), *login, *self._command],
                cwd=directory,
                env={"TERM": "xterm-256color"} | environment,
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
            )
        finally:
            os.close(theirs)
            self.out.read_from(ours)
            self.err.finish()
            os.set_blocking(self._input, False)

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return not self._ended_within(0)

    def type(self, data: bytes, timeout: float = DEADLINE) -> None:
        """Write `data` to its standard input. AssertionError if it does not take it in time."""
        end = time.monotonic() + timeout
        while data:
            left = max(0.0, end - time.monotonic())
            if not _ready(self._input, select.POLLOUT, left):
                raise AssertionError(f"{self.name} left {len(data)} bytes of input unread")
            data = data[os.write(self._input, data) :]

    def end_input(self) -> None:
        """End of file on its standard input: nothing can be typed any more. Not for terminals."""
        if self._input >= 0:
            os.close(self._input)
            self._input = -1

    def resize(self, size: Size) -> None:
        """Change the size of its terminal; the kernel tells it."""
        size.apply(self._input)

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the program itself, not to its children."""
        signal.pidfd_send_signal(self._exit, number)

    def wait(self, timeout: float = DEADLINE) -> int:
        """Its exit status (negative: the signal that ended it), when it and its output ended.

        Processes of its group that it left behind are killed. AssertionError if it takes longer.
        """
        if self._process.returncode is None:
            if not self._ended_within(timeout):
                raise AssertionError(f"{self.name} still runs after {timeout} s\n{self.report()}")
            self._reap()
        self.out.wait_end(timeout)
        self.err.wait_end(timeout)
        return self._process.returncode

    def stop(self) -> int:
        """End it now, if it still runs: SIGTERM, then SIGKILL after 10 s; its exit status."""
        self.end_input()
        if self._process.returncode is None:
            if self.running:
                self.send_signal(signal.SIGTERM)
            if not self._ended_within(_GRACE):
                self.send_signal(signal.SIGKILL)
            self._ended_within(DEADLINE)
            self._reap()
        if self._exit >= 0:
            os.close(self._exit)
            self._exit = -1
        self.out.close()
        self.err.close()
        return self._process.returncode

    def _ended_within(self, timeout: float) -> bool:
        if self._process.returncode is not None:
            return True
        return _ready(self._exit, select.POLLIN, timeout)

    def _reap(self) -> None:
        # It has ended but is not reaped, so its number is nobody else's yet.
        with suppress(ProcessLookupError):  # ended before it had a session of its own
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(DEADLINE)

    def report(self) -> str:
        """The end of all that it said, for people."""
        state = "runs" if self.running else f"ended with {self._process.returncode}"
        head = f"-- {' '.join(self._command)} [{self.pid}] {state}"
        return "\n".join([head, self.out.report(_SHOWN), self.err.report(_SHOWN)])


class ProcessTestCase(SynchronousTestCase):
    """A test with real programs. `directory` is new, private, and goes when the test ends."""

    directory: Path
    _children: list[Child]

    def run(self, result: unittest.TestResult | None = None) -> None:
        """As any test; where it fails, what the children said is printed."""
        for name in ("setUp", self.id().rpartition(".")[2]):
            setattr(self, name, self._telling(getattr(self, name)))
        run: Callable[[Any], None] = super().run
        run(result)

    def _telling(self, method: Callable[[], None]) -> Callable[[], None]:
        @wraps(method)
        def tell() -> None:
            try:
                method()
            except unittest.SkipTest:
                raise
            except BaseException:
                for child in getattr(self, "_children", ()):
                    print(child.report(), file=sys.stderr, flush=True)
                raise

        return tell

    def setUp(self) -> None:
        """Make the directory. Subclasses call this first."""
        self._children = []
        # Not trial's own: the path of a unix socket has room for 107 bytes only.
        self.directory = Path(tempfile.mkdtemp(prefix="vspc-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        (self.directory / "home").mkdir(mode=0o700)

    def start(
        self,
        *command: str | Path,
        terminal: Size | None = None,
        environment: Mapping[str, str] | None = None,
        inherited: Sequence[int] = (),
    ) -> Child:
        """Start a program, given by its path, in `directory`; the end of the test stops it."""
        own = private_environment(self.directory / "home") | {"PYTHONUNBUFFERED": "1"}
        words = [str(word) for word in command]
        child = Child(words, self.directory, own | dict(environment or {}), terminal, inherited)
        self._children.append(child)
        self.addCleanup(child.stop)
        return child

    def complete(
        self,
        *command: str | Path,
        typed: bytes = b"",
        environment: Mapping[str, str] | None = None,
        timeout: float = DEADLINE,
    ) -> Completed:
        """Run a program to its end with `typed` as its whole input."""
        child = self.start(*command, environment=environment)
        with suppress(BrokenPipeError):  # it ended without reading all of it
            child.type(typed, timeout)
        child.end_input()
        status = child.wait(timeout)
        return Completed(status, child.out.data, child.err.data)


def script(name: str) -> Path:
    """Where a program that pip installed (`vspc`, `twistd`) is: beside this Python."""
    return Path(sys.executable).parent / name


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on, and that the kernel gives to no client."""
    while True:
        port = random.randrange(20000, 32000)  # below what Linux hands out for port 0
        with suppress(OSError), socket.socket() as four:
            four.bind(("127.0.0.1", port))
            return port


def _ready(descriptor: int, event: int, timeout: float) -> bool:
    poll = select.poll()  # select.select ends at descriptor 1023
    poll.register(descriptor, event)
    return bool(poll.poll(timeout * 1000))


def _dies_with_us() -> list[str]:
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []
