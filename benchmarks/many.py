"""What `watch '*'` costs: the server's CPU while 500 VMs print two lines a second each, with nobody
there (their log is written), and with an operator who watches all of them.

    python -m benchmarks.many [SECONDS [VMS]]

A real server and `ssh` on loopback; each figure over SECONDS (20). The goal: watched, at most 1.3
times as much as unwatched.
"""

import contextlib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

from attrs import define, field

from benchmarks.fair import cpu_of, identity, start_server
from tests.end_to_end.openssh import make_key, ssh_command

LINE = b"[   12.345678] a line as kernels say it, of eighty bytes, newline included......\r\n"

INTERVAL = 0.5
"""Seconds between two lines of a VM."""

WATCHED: dict[str, tuple[str, ...] | None] = {
    "nobody": None,
    "watch": ("watch", "'*'"),
    "watch --json": ("watch", "--json", "'*'"),
    "watch --grep": ("watch", "'*'", "--grep", "'panic|Oops|BUG:'"),
}


@define
class Talkers:
    """VMs that print their lines, spread over the interval, until `over`; `count` of lines."""

    lines: list[socket.socket]
    interval: float = INTERVAL
    over: Event = field(factory=Event)
    count: int = 0

    def run(self) -> None:
        """In a thread."""
        pause = self.interval / len(self.lines)
        due = time.monotonic()
        while not self.over.is_set():
            for line in self.lines:
                line.sendall(LINE)
                self.count += 1
                due += pause
                time.sleep(max(0.0, due - time.monotonic()))


@contextlib.contextmanager
def watching(directory: Path, port: int, words: tuple[str, ...] | None) -> Iterator[None]:
    """An operator runs the verb meanwhile."""
    if words is None:
        yield
        return
    command = [*ssh_command(directory, port, directory / "alice"), "alice@127.0.0.1", *words]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as client:
        time.sleep(3.0)  # it has attached to all
        try:
            yield
        finally:
            client.kill()


def main() -> None:
    """Print a line for each."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20.0
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 500
    with tempfile.TemporaryDirectory(prefix="vspc-many-") as place:
        directory = Path(place)
        make_key(directory, "alice")
        server, ports = start_server(directory)
        try:
            lines = []
            for number in range(count):
                line = socket.create_connection(("127.0.0.1", ports["telnet"]))
                line.sendall(identity(number + 1, f"vm{number}"))
                lines.append(line)
            talkers = Talkers(lines)
            talking = Thread(target=talkers.run, daemon=True)
            talking.start()
            time.sleep(5.0)
            first = None
            for name, words in WATCHED.items():
                with watching(directory, ports["ssh"], words):
                    before, said = cpu_of(server.pid), talkers.count
                    time.sleep(seconds)
                    each = (cpu_of(server.pid) - before) / (talkers.count - said)
                first = first or each
                print(
                    f"{name:14} {(talkers.count - said) / seconds:5.0f} lines/s, "
                    f"{each * 1e6:6.1f} us of CPU each, {each / first:.2f} times",
                    flush=True,
                )
            talkers.over.set()
            talking.join()
        finally:
            server.kill()
            server.wait()


if __name__ == "__main__":
    main()
