"""Choosers: many while VMs leave, and one over very many VMs, key by key."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from subprocess import DEVNULL, PIPE

from benchmarks.bench import Bench
from benchmarks.measuring import MS, OURS, Found, Goal, Row
from benchmarks.processes import PATIENCE, BenchmarkError, Server
from benchmarks.rows.operators import PERCENT
from benchmarks.servers.ours import ssh

MANY = 5000
LISTED = 10_000

KEYS: dict[str, bytes] = {
    "a digit of the filter": b"7",
    "another": b"3",
    "Backspace": b"\x7f",
    "^U, no filter": b"\x15",
    "Down": b"\x1b[B",
    "PgDn": b"\x1b[6~",
    "End": b"\x1b[F",
    "Home": b"\x1b[H",
    "^O, by state": b"\x0f",
    "^R, reversed": b"\x12",
    "? for help": b"?",
    "Esc": b"\x1b",
}


def choosing(bench: Bench, vms: int = 1000) -> Found:
    """% of a core, once, while 20 choosers are open and VMs leave, 250 a second."""
    vms, choosers = bench.amount(vms), bench.amount(20)
    with ExitStack() as stack:
        server, load = stack.enter_context(bench.vspc()), stack.enter_context(bench.load())
        place = stack.enter_context(bench.directory())
        screens = [place / str(number) for number in range(choosers)]
        clients = [stack.enter_context(_chooser(server, screen)) for screen in screens]
        server.wait_for("login-accepted", choosers)
        load.prepare("register", port=server.ports["telnet"], first=0, count=vms)
        before, begun = server.settled_cpu(), time.monotonic()
        drawn = [screen.stat().st_size for screen in screens]
        load.call("leave", rate=250)
        used = server.cpu - before
        bench.add(server.name, PERCENT * used / (time.monotonic() - begun))
        server.wait_for("vm-lost", vms)
        _check_choosers(clients, screens, drawn)
    return bench.found()


def _check_choosers(
    clients: "list[subprocess.Popen[bytes]]", screens: list[Path], drawn: list[int]
) -> None:
    """Each is there, and draws what changed."""
    for client, screen, before in zip(clients, screens, drawn, strict=True):
        _drawn(client, screen, before)


def _drawn(client: "subprocess.Popen[bytes]", screen: Path, before: int) -> None:
    """Wait until it has drawn more than `before` bytes."""
    end = time.monotonic() + PATIENCE
    while screen.stat().st_size <= before:
        if client.poll() is not None or time.monotonic() > end:
            raise BenchmarkError(f"a chooser ended, or did not draw: {screen.read_bytes()!r}")
        time.sleep(0.05)


@contextmanager
def _chooser(server: Server, screen: Path) -> "Iterator[subprocess.Popen[bytes]]":
    command = ssh(server, options=("-tt",))
    with (
        screen.open("wb") as output,
        subprocess.Popen(command, stdin=PIPE, stdout=output, stderr=DEVNULL) as client,
    ):
        try:
            yield client
        finally:
            client.kill()


def pressing(bench: Bench) -> Found:
    """CPU ms of the first screen, login included, and of each key, with 10,000 VMs in the list."""
    with (
        bench.vspc() as server,
        bench.load() as load,
        bench.directory() as place,
        ExitStack() as stack,
    ):
        words = {"port": server.ports["telnet"], "first": 0, "count": bench.amount(LISTED)}
        load.prepare("register", **words)
        for number in range(bench.repeats):
            screen = place / str(number)
            before = server.settled_cpu()
            client = stack.enter_context(_chooser(server, screen))
            server.wait_for("login-accepted", number + 1)
            _drawn(client, screen, 0)
            bench.add(OURS, (server.settled_cpu() - before) * MS, "screen")
        assert client.stdin is not None
        for key in KEYS.values():
            before, drawn = server.settled_cpu(), screen.stat().st_size
            client.stdin.write(key)
            client.stdin.flush()
            _drawn(client, screen, drawn)
            bench.add(OURS, (server.settled_cpu() - before) * MS, "key")
    return bench.found()


ROWS = (
    Row("choosers", "20 open choosers, 1,000 VMs leave", "% of a core", choosing, Goal(20.0)),
    Row(
        "choosers-5000",
        "20 open choosers, 5,000 VMs leave",
        "% of a core",
        partial(choosing, vms=MANY),
        Goal(20.0),
        is_long=True,
    ),
    Row(
        "chooser-screen",
        "login and first screen of a chooser of 10,000 VMs",
        "ms",
        pressing,
        Goal(100.0, each=True),
        is_long=True,
        pick="screen",
    ),
    Row(
        "chooser-key",
        f"a key in it ({len(KEYS)} kinds)",
        "ms",
        pressing,
        Goal(10.0),
        is_long=True,
        pick="key",
    ),
)
