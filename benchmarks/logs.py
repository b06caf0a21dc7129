"""What a log costs: seconds of the reactor's thread per byte and per line, with it and without; and
how often a second the disk is synced, for one VM and for a thousand.

    python -m benchmarks.logs

Real threads, real files in a temporary directory, no network. Figures differ from run to run.
"""

import queue
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.fakes import FakeLine, World
from vspc.config.classes import LogSettings
from vspc.console.console import Console
from vspc.console.identity import Claim
from vspc.console.lineside import NoTap
from vspc.console.ports import Cancellable
from vspc.log.log import Log
from vspc.log.recorder import BATCH_TIME

CHUNK = 4096
TOTAL = 64 * 1024 * 1024
LINE = b"[   12.345678] a line as kernels say it, of eighty bytes, newline included......\n"
LINES = 100_000


class RealClock:
    """Time as it is; what is put off happens when `turn` is called."""

    def __init__(self) -> None:
        self._late: list[tuple[float, Callable[[], None]]] = []

    def seconds(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()

    def call_later(self, delay: float, call: Callable[[], None]) -> Cancellable:
        later = _Later(self.seconds() + delay, call)
        self._late.append((later.at, later))
        return later

    def turn(self) -> None:
        """Do what is due."""
        now = self.seconds()
        due = [call for at, call in self._late if at <= now]
        self._late = [(at, call) for at, call in self._late if at > now]
        for call in due:
            call()


class _Later:
    def __init__(self, at: float, call: Callable[[], None]) -> None:
        self.at = at
        self._call: Callable[[], None] | None = call

    def __call__(self) -> None:
        if self._call is not None:
            call, self._call = self._call, None
            call()

    def cancel(self) -> None:
        self._call = None

    def active(self) -> bool:
        return self._call is not None


class Bench:
    """Consoles with a log, or without."""

    def __init__(self, root: Path, count: int, logged: bool) -> None:
        self.world = World()
        self.clock = RealClock()
        self.calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.log = Log(root, LogSettings(), self.clock, self.calls.put, self.tell, self.world.fail)
        self.log.open()
        self.log.start()
        self.world.tap.target = self.log.recorder if logged else NoTap()
        if logged:
            self.world.happenings.subscribe(self.log.heard)
        self.consoles = [self.console(number) for number in range(count)]

    def tell(self, event: str, facts: dict[str, object]) -> None:
        print(event, facts)

    def console(self, number: int) -> Console:
        claim = Claim("default", f"{number:032x}", "vc", f"vm{number}", "10.0.0.1")
        console = self.world.roster.open(claim)
        console.connect(FakeLine())
        return console

    def turn(self) -> None:
        """What the reactor does between two reads."""
        self.clock.turn()
        while not self.calls.empty():
            self.calls.get()()

    def close(self) -> None:
        self.log.end()
        self.log.stop()


def cost(logged: bool, data: bytes, times: int) -> float:
    """Seconds to hear `data` so often, from 100 consoles in turn."""
    with tempfile.TemporaryDirectory() as root:
        bench = Bench(Path(root), 100, logged)
        began = time.thread_time()
        for number in range(times):
            bench.consoles[number % 100].output(data)
            if number % 16 == 0:
                bench.turn()
        spent = time.thread_time() - began
        bench.close()
    return spent


def syncs(count: int, seconds: float = 5.0) -> tuple[float, float]:
    """Syncs and writes a second while `count` VMs say a line ten times a second."""
    with tempfile.TemporaryDirectory() as root:
        bench = Bench(Path(root), count, logged=True)
        counts = bench.log.writer.counts
        began, before = time.monotonic(), (counts.syncs, counts.writes)
        while (now := time.monotonic()) < began + seconds:
            for console in bench.consoles:
                console.output(LINE)
            while time.monotonic() < now + 0.1:
                bench.turn()
                time.sleep(BATCH_TIME / 4)
        spent = time.monotonic() - began
        found = ((counts.syncs - before[0]) / spent, (counts.writes - before[1]) / spent)
        bench.close()
    return found


def main() -> None:
    """Print the figures."""
    for logged in (False, True):
        word = "with a log" if logged else "without"
        spent = min(cost(logged, b"x" * CHUNK, TOTAL // CHUNK) for _ in range(3))
        print(f"{word}: {spent / TOTAL * 1e9:.2f} ns a byte ({CHUNK} bytes a piece)")
        spent = min(cost(logged, LINE, LINES) for _ in range(3))
        print(f"{word}: {spent / LINES * 1e6:.2f} us a line ({len(LINE)} bytes)")
    for count in (1, 1000):
        synced, written = syncs(count)
        print(f"{count} VMs, 10 lines a second each: {synced:.1f} syncs/s, {written:.1f} writes/s")


if __name__ == "__main__":
    main()
