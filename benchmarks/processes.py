"""Processes that are measured: started in a directory, their CPU time, their memory, their end."""

import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Condition, Thread

from attrs import define, field

TOP = Path(__file__).resolve().parent.parent

PATIENCE = 60.0
"""Seconds until something that was to happen is an error."""

QUIET_TIME, QUIET_CPU = 0.15, 0.002
"""A process is done with its work when it uses less CPU than this, both in seconds."""


class BenchmarkError(Exception):
    """A run found no figure: something was lost, refused or late, and the text says what."""


def cpu_of(pid: int) -> float:
    """Seconds of CPU of all threads of a process, those that have ended included; to 1 ns.

    The clock of another process, as clock_getcpuclockid(3) makes its number.
    """
    return time.clock_gettime((~pid << 3) | 2)


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found = [pid]
    for one in found:
        with suppress(OSError):
            for task in Path(f"/proc/{one}/task").iterdir():
                found += map(int, (task / "children").read_text("ascii").split())
    return found


def private_memory(pid: int) -> int:
    """Bytes of memory that only this process has, smaps_rollup(5)."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii")
    return 1024 * sum(map(int, re.findall(r"^Private_\w+: +(\d+) kB$", text, re.MULTILINE)))


@define(eq=False)
class Server:
    """A running subject: a process with children, what it printed, and where it listens; `user`
    logs in with the key `alice` in its directory.
    """

    name: str
    process: "subprocess.Popen[bytes]"
    directory: Path
    user: str = "alice"
    ports: dict[str, int] = field(factory=dict)
    events: Counter[str] = field(factory=Counter)
    last: str = ""
    _changed: Condition = field(factory=Condition)
    _lines: list[str] = field(factory=list)

    def read_on(self) -> None:
        """Count what it prints, in a thread, so that it never waits for its reader."""
        Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for raw in self.process.stdout:
            line = raw.decode("utf-8", "replace")
            words = line.split(maxsplit=3)
            with self._changed:
                self.events[words[2] if len(words) > 2 else words[0] if words else ""] += 1
                self.last = line
                if len(self._lines) < 100 or " error " in line or " critical " in line:
                    self._lines.append(line)
                self._changed.notify_all()

    @property
    def said(self) -> str:
        """The first of what it printed, and its errors."""
        return "".join(self._lines)

    def wait_for(self, event: str, count: int = 1, patience: float = PATIENCE) -> None:
        """Until it has printed that many of `event`. Raises BenchmarkError."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.events[event] >= count, patience):
                text = f"{self.name}: {self.events[event]} of {count} {event}:\n{self.said[-3000:]}"
                raise BenchmarkError(text)

    @property
    def cpu(self) -> float:
        """Seconds of CPU so far, of the whole family."""
        total = 0.0
        for pid in family(self.process.pid):
            with suppress(OSError):
                total += cpu_of(pid)
        return total

    @property
    def reactor_cpu(self) -> float:
        """Seconds of CPU so far of the main thread, schedstat in proc(5)."""
        text = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/schedstat").read_text()
        return int(text.split()[0]) / 1e9

    def settled_cpu(self, patience: float = PATIENCE) -> float:
        """The same, once it has done what it was given: its threads write a little later."""
        last, end = self.cpu, time.monotonic() + patience
        while time.monotonic() < end:
            time.sleep(QUIET_TIME)
            last, before = self.cpu, last
            if last - before < QUIET_CPU:
                return last
        raise BenchmarkError(f"{self.name} does not come to rest")

    @property
    def memory(self) -> int:
        """Bytes, of the whole family."""
        return sum(map(private_memory, family(self.process.pid)))

    def named(self, name: str) -> "Server":
        """Its process under another name: what that one costs."""
        return Server(name, self.process, self.directory)

    def begin(self) -> None:
        """All consoles are there, and nothing has been said."""
        self.settled_cpu()

    def received(self) -> int:
        """Bytes of output that have come of all consoles, and where it has logs are in them."""
        return 0

    def check_received(self, expected: int) -> None:
        """Raises BenchmarkError unless so many bytes come to be received."""
        end = time.monotonic() + PATIENCE
        while (found := self.received()) < expected and time.monotonic() < end:
            time.sleep(0.2)
        if found != expected:
            raise BenchmarkError(f"{self.name} has {found} bytes of {expected}")


def python(*words: str) -> list[str]:
    """A command line of a module of ours."""
    return [sys.executable, "-m", *words]


def environment(top: Path = TOP) -> Mapping[str, str]:
    """So that a process in another directory finds this checkout, or the one at `top` before it."""
    path = os.pathsep.join(filter(None, (str(top), str(TOP), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


@contextmanager
def running(
    command: Sequence[str], directory: Path, top: Path = TOP
) -> "Iterator[subprocess.Popen[bytes]]":
    """A process of the checkout at `top` in a session of its own, killed with its children at the
    end.
    """
    process = subprocess.Popen(
        command,
        cwd=directory,
        env=environment(top),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        children = family(process.pid)
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        for pid in children:
            with suppress(ProcessLookupError):
                os.kill(pid, 9)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
