"""The generator's side of the pipe: a command a line, an answer a line, both JSON.

An answer has what was found, and the CPU and the time that it took, in seconds.
"""

import json
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from threading import Thread
from typing import Any, BinaryIO

from attrs import define, field

from benchmarks.load import talking, wire
from benchmarks.load.vms import Fleet, hold, trusting
from benchmarks.processes import PATIENCE, BenchmarkError


@define(eq=False)
class Commands:
    """What it can be asked for; VMs are named by their numbers."""

    fleet: Fleet = field(factory=Fleet)
    listeners: list[socket.socket] = field(factory=list)
    client: socket.socket | None = None
    probed: int = 0
    outputs: dict[tuple[str, int], BinaryIO] = field(factory=dict)

    def register(self, port: int, first: int, count: int, window: int = 32, tls: int = 0) -> int:
        """VMs become consoles."""
        self.fleet.port, self.fleet.tls = port, trusting() if tls else None
        numbers = range(first, first + count)
        hold(map(self.fleet.registering, numbers), window)
        return count

    def move(self, first: int, count: int, window: int = 8) -> int:
        """VMs move, each once."""
        hold(map(self.fleet.moving, range(first, first + count)), window)
        return count

    def acknowledge(self) -> int:
        """Wait until all lines have been read."""
        hold(map(self.fleet.asking, self.fleet.lines), 64)
        return len(self.fleet.lines)

    def begin(self, first: int, count: int, window: int, pause: float = 0.0) -> list[float]:
        """Seconds from BEGIN to GOAHEAD of each; with `pause`, one after the other."""
        took: list[float] = []
        numbers = range(first, first + count)
        dialogues = (self.fleet.beginning(number, took.append) for number in numbers)
        if not pause:
            hold(dialogues, window)
        else:
            for dialogue in dialogues:
                hold([dialogue], 1)
                time.sleep(pause)
        return took

    def talk(self, rate: float, seconds: float) -> int:
        """All VMs say lines; how many."""
        return talking.talk(list(self.fleet.lines.values()), rate, seconds)

    def say(self, kind: str, size: int, first: int, count: int) -> int:
        """Each VM says so much; bytes in all."""
        said = b"".join(wire.pieces(kind, size, escapes=True))
        for number in range(first, first + count):
            line = self.fleet.lines[number]
            line.settimeout(PATIENCE)
            line.sendall(said)
            line.setblocking(False)
        return size * count

    def make(self, kind: str, escapes: int = 1) -> int:
        """A MiB of output is there for `flood`."""
        self.outputs[kind, escapes] = talking.output(kind, bool(escapes))
        return wire.MIB

    def flood(self, kind: str, mib: int, number: int, escapes: int = 1) -> int:
        """One VM says so much of what was made, as fast as it is taken."""
        talking.flood(self.fleet.lines[number], self.outputs[kind, escapes], mib)
        return mib * wire.MIB

    def flood_text(self, mib: int, number: int, count: int) -> int:
        """Each of some VMs says so much, a MiB of each in turn, until all have been read."""
        for _ in range(mib):
            for each in range(number, number + count):
                self.flood("text", 1, each)
        hold(map(self.fleet.asking, range(number, number + count)), 64)
        return mib * count * wire.MIB

    def listen(self, count: int, directory: str = "") -> list[int]:
        """Raw consoles to connect to: TCP ports, or in `directory` Unix sockets 1, 2 and so on."""
        for number in range(1, count + 1):
            if directory:
                listener = socket.socket(socket.AF_UNIX)
                listener.bind(f"{directory}/{number}")
                listener.listen()
            else:
                listener = socket.create_server(("127.0.0.1", 0))
            self.listeners.append(listener)
        return [] if directory else [each.getsockname()[1] for each in self.listeners]

    def accept(self) -> int:
        """Wait until each of them has been connected to."""
        for number, listener in enumerate(self.listeners):
            listener.settimeout(PATIENCE)
            self.fleet.lines[number], _ = listener.accept()
            self.fleet.lines[number].setblocking(False)
        return len(self.listeners)

    def type(self, client: list[str], number: int, count: int, pause: float) -> list[float]:
        """Seconds from a key in `client` until the echo of VM `number` comes out of it."""
        line = self.fleet.lines[number]
        Thread(target=talking.echo, args=(line, count + 1), daemon=True).start()
        with subprocess.Popen(
            client, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        ) as ssh:
            assert ssh.stdin is not None
            assert ssh.stdout is not None
            took = []
            for _ in range(count + 1):
                begun = time.perf_counter()
                ssh.stdin.write(b"k")
                if ssh.stdout.read(1) != b"k":
                    raise BenchmarkError("a key did not come back")
                took.append(time.perf_counter() - begun)
                time.sleep(pause)
            ssh.kill()
        return took[1:]  # the first had to wait for the login

    def exchange(self, port: int, number: int, size: int, count: int) -> list[float]:
        """Seconds of each packet of `size` bytes from a client at `port` to that VM and back."""
        line = self.fleet.lines[number]
        Thread(target=talking.echo, args=(line, (count + 1) * size), daemon=True).start()
        took, packet = [], bytes(size)
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(count + 1):
                begun = time.perf_counter()
                client.sendall(packet)
                back = b""
                while len(back) < size and (data := client.recv(size)):
                    back += data
                if back != packet:
                    raise BenchmarkError(f"{packet!r} came back as {back!r}")
                took.append(time.perf_counter() - begun)
        return took[1:]

    def attach(self, port: int) -> int:
        """A client of a console's raw socket."""
        self.client = socket.create_connection(("127.0.0.1", port), PATIENCE)
        return port

    def probe(self, pause: float, seconds: float, number: int = 0) -> list[float]:
        """Seconds from when each line of that VM was due until the client has it."""
        assert self.client is not None
        line = self.fleet.lines[number]
        took, said = talking.probe(line, self.client, pause, seconds)
        self.probed += said
        return took

    def probed_bytes(self) -> int:
        """Bytes that the VM has said for it so far."""
        return self.probed

    def leave(self, rate: float) -> int:
        """All VMs go, `rate` a second."""
        begun = time.monotonic()
        for count, line in enumerate(self.fleet.lines.values(), 1):
            line.close()
            time.sleep(max(0.0, begun + count / rate - time.monotonic()))
        count = len(self.fleet.lines)
        self.fleet.lines.clear()
        return count

    def hang_up(self) -> int:
        """All lines close at once."""
        count = len(self.fleet.lines)
        self.fleet.hang_up()
        return count


def answer(commands: Commands, said: str) -> dict[str, Any]:
    """Of one line."""
    words = json.loads(said)
    work: Callable[..., Any] = getattr(commands, words.pop("command"))
    began, cpu = time.monotonic(), time.process_time()
    try:
        found: dict[str, Any] = {"found": work(**words)}
    except (BenchmarkError, OSError) as wrong:
        found = {"wrong": f"{type(wrong).__name__}: {wrong}"}
    return found | {"cpu": time.process_time() - cpu, "time": time.monotonic() - began}


def main() -> None:
    """Until the pipe is closed."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    commands = Commands()
    for line in sys.stdin:
        print(json.dumps(answer(commands, line)), flush=True)


if __name__ == "__main__":
    main()
