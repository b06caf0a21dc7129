"""What a log costs: seconds of the reactor's thread per byte and per line, with it and without; how
often a second the disk is synced, for one VM and for a thousand; and what a flood costs while 64
read along and 12 read all of it afterwards, and whether anything of it is lost.

    python -m benchmarks.logs

Real threads, real files in a temporary directory, no network. Figures differ from run to run.
"""

import tempfile
import time
from pathlib import Path

from tests.log.threads import ThreadedLog
from vspc.log.recorder import BATCH_TIME

CHUNK = 4096
TOTAL = 64 * 1024 * 1024
LINE = b"[   12.345678] a line as kernels say it, of eighty bytes, newline included......\n"
LINES = 100_000
FLOOD = 64 * 1024 * 1024


def cost(logged: bool, data: bytes, times: int) -> float:
    """Seconds to hear `data` so often, from 100 consoles in turn."""
    with tempfile.TemporaryDirectory() as root:
        bench = ThreadedLog(Path(root), 100, logged)
        began = time.thread_time()
        for number in range(times):
            bench.consoles[number % 100].link.output(data)
            if number % 16 == 0:
                bench.turn()
        spent = time.thread_time() - began
        bench.close()
    return spent


def syncs(count: int, seconds: float = 5.0) -> tuple[float, float]:
    """Syncs and writes a second while `count` VMs say a line ten times a second."""
    with tempfile.TemporaryDirectory() as root:
        bench = ThreadedLog(Path(root), count)
        counts = bench.log.writer.counts
        began, before = time.monotonic(), (counts.syncs, counts.writes)
        while (now := time.monotonic()) < began + seconds:
            for console in bench.consoles:
                console.link.output(LINE)
            while time.monotonic() < now + 0.1:
                bench.turn()
                time.sleep(BATCH_TIME / 4)
        spent = time.monotonic() - began
        found = ((counts.syncs - before[0]) / spent, (counts.writes - before[1]) / spent)
        bench.close()
    return found


def flood(followers: int, stalled: int) -> str:
    """One VM says `FLOOD` bytes as fast as it may."""
    with tempfile.TemporaryDirectory() as root:
        bench = ThreadedLog(Path(root), 1)
        (console,) = bench.consoles
        readers = [bench.follow(console, number) for number in range(followers)]
        late = [bench.follow(console, number, stalled=True) for number in range(stalled)]
        piece = LINE * (64 * 1024 // len(LINE))
        pieces = [piece] * (FLOOD // len(piece))
        began = time.monotonic()
        most = bench.flood(console, pieces)
        said = time.monotonic() - began
        for reader in late:
            reader.go_on()
        readers += late
        end = console.history.end
        bench.until(lambda: all(r.got + sum(b - a for a, b in r.lost) >= end for r in readers))
        read = time.monotonic() - began
        lost = sum(b - a for r in readers for a, b in r.lost)
        reads = bench.log.queries.cache.reads
        bench.close()
    return (
        f"{followers} followers, {stalled} stalled: {FLOOD >> 20} MiB said in {said:.1f} s, "
        f"read by all in {read:.1f} s; at most {most >> 10} KiB queued, files read {reads} times, "
        f"{lost} bytes lost"
    )


def main() -> None:
    """Print the figures."""
    for followers, stalled in ((0, 0), (1, 12), (64, 12)):
        print(flood(followers, stalled))
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
