"""What a server needs for many VMs: memory, CPU, descriptors and log on disk, while each VM prints
a line of 82 bytes a second, with nobody logged in.

    python -m benchmarks.sizes [SECONDS [VMS ...]]

A real server on loopback, VMs from 127.0.1.1 upward, 250 of each address.
"""

import os
import socket
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from threading import Thread

from benchmarks.fair import cpu_of, identity, start_server
from benchmarks.many import Talkers
from tests.end_to_end.openssh import make_key

PER_ADDRESS = 250

DAY = 86400


def resident(pid: int) -> int:
    """Bytes of memory that a process has."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def disk(directory: Path) -> int:
    """Bytes of the log."""
    total = 0
    for found in directory.rglob("*"):
        with suppress(FileNotFoundError):  # it moved to a segment
            total += found.stat().st_size if found.is_file() else 0
    return total


def connect(port: int, count: int) -> list[socket.socket]:
    """VMs that are registered."""
    lines = []
    for number in range(count):
        line = socket.socket()
        line.bind((f"127.0.1.{1 + number // PER_ADDRESS}", 0))
        line.connect(("127.0.0.1", port))
        line.sendall(identity(number + 1, f"vm{number}"))
        lines.append(line)
    return lines


def measure(count: int, seconds: float) -> str:
    """A line of the table, with a server of its own."""
    with tempfile.TemporaryDirectory(prefix="vspc-sizes-") as place:
        make_key(Path(place), "alice")
        server, ports = start_server(Path(place))
        try:
            lines = connect(ports["telnet"], count)
            talkers = Talkers(lines, 1.0)
            talking = Thread(target=talkers.run, daemon=True)
            talking.start()
            time.sleep(5.0)
            log = Path(place, "state", "log")
            cpu, said, begun = cpu_of(server.pid), talkers.count, time.monotonic()
            written = disk(log)
            time.sleep(seconds)
            passed = time.monotonic() - begun
            written = disk(log) - written
            used, said = cpu_of(server.pid) - cpu, talkers.count - said
            descriptors = len(os.listdir(f"/proc/{server.pid}/fd"))
            memory = resident(server.pid)
            talkers.over.set()
            talking.join()
        finally:
            server.kill()
            server.wait()
        for line in lines:
            line.close()
    return (
        f"{count:6} VMs: {memory >> 20:5} MiB, {used / passed:5.1%} of a core at "
        f"{said / passed:6.0f} lines/s, {descriptors:6} descriptors, "
        f"{written / passed * DAY / 1e9:.1f} GB of log a day, load {os.getloadavg()[0]:.1f}"
    )


def main() -> None:
    """Print a line for each number of VMs."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0
    for count in map(int, sys.argv[2:] or ("1000", "5000")):
        print(measure(count, seconds), flush=True)


if __name__ == "__main__":
    main()
