"""What one process holds: ever more lines, output and operators, until it is late.

While they go on, a VM says what time it is every 10 ms, and a client of its raw socket looks when
it hears that: the delay counts from when the line was due, so a late generator is seen, too.
"""

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import repeat
from subprocess import DEVNULL, PIPE

from benchmarks.bench import Bench
from benchmarks.load import wire
from benchmarks.load.client import Load
from benchmarks.measuring import MS, OURS, Found, Goal, Row, percentile
from benchmarks.rows.holding import KIB
from benchmarks.rows.operators import PERCENT, SOCKET, US, log_in
from benchmarks.servers.ours import Vspc, ssh
from tests.end_to_end.processes import free_port

RATES = (1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 128_000)
"""Lines a second of `TALKING` VMs."""

TALKING = 500

CONSOLES = (1, 10, 100)
"""Consoles that say `FLOOD` MiB together, as fast as they are taken."""

FLOOD = 100

OPERATORS = (100, 200, 400, 800)
"""`ssh ... raw`, each at a console of its own that says a line a second."""

AT_ONCE = 16
"""Clients that are started together: fewer than may be unauthenticated."""

PARALLEL = (1, 4, 16)
"""OpenSSH clients that log in, run `list` and do it again."""

LOGINS = 48
"""Of all of them."""

LATE = 50.0
"""ms within which 99 of 100 lines are to be there."""

PAUSE = 0.01
SECONDS = 2.0


def _step(
    bench: Bench,
    name: str,
    pair: tuple[Vspc, Load],
    probe: Load,
    command: str,
    **words: float,
) -> float:
    """Do it, and look meanwhile; seconds of CPU that it cost the server."""
    server, load = pair
    cpu, reactor = server.settled_cpu(), server.reactor_cpu
    probe.begin("probe", pause=PAUSE, seconds=0.1 if bench.tiny else SECONDS)
    load.call(command, **words)
    took = probe.end()
    cpu = server.settled_cpu() - cpu
    bench.add(OURS, percentile(took, 0.99) * MS, f"{name} delay")
    bench.add(OURS, PERCENT * (server.reactor_cpu - reactor) / load.time, f"{name} reactor")
    bench.add(OURS, PERCENT * load.share, f"{name} generator")
    return cpu


@contextmanager
def _looked_at(bench: Bench) -> Iterator[tuple[Vspc, Load, Load]]:
    """A server, the generator of the load, and that of VM 0, which says what time it is."""
    port = free_port()
    with ExitStack() as stack:
        enter = stack.enter_context
        server = enter(bench.vspc(SOCKET.format(port=port)))
        load, probe = enter(bench.load()), enter(bench.load("probe"))
        probe.prepare("register", port=server.ports["telnet"], first=0, count=1)
        probe.prepare("attach", port=port)
        yield server, load, probe


def rising_lines(bench: Bench) -> Found:
    """Ever more lines a second of 500 VMs."""
    vms, seconds = bench.amount(TALKING), 0.1 if bench.tiny else SECONDS
    with _looked_at(bench) as (server, load, probe):
        load.prepare("register", port=server.ports["telnet"], first=1, count=vms)
        for rate in RATES:
            words = {"rate": rate, "seconds": seconds}
            cpu = _step(bench, str(rate), (server, load), probe, "talk", **words)
            bench.add(OURS, cpu / int(rate * seconds) * US, f"{rate} cost")
        load.prepare("acknowledge")
        said = sum(int(rate * seconds) for rate in RATES) * len(wire.LINE)
        server.check_received(said + probe.prepare("probed_bytes"))
    return bench.found()


def rising_output(bench: Bench) -> Found:
    """Text of ever more consoles, each as fast as it is taken."""
    with _looked_at(bench) as (server, load, probe):
        load.prepare("register", port=server.ports["telnet"], first=1, count=max(CONSOLES))
        load.prepare("make", kind="text")
        for consoles in CONSOLES:
            mib = max(1, bench.amount(FLOOD) // consoles)
            words = {"mib": mib, "number": 1, "count": consoles}
            cpu = _step(bench, str(consoles), (server, load), probe, "flood_text", **words)
            bench.add(OURS, mib * consoles / load.time, f"{consoles} carried")
            bench.add(OURS, cpu / (mib * consoles) * MS, f"{consoles} cost")
        said = sum(max(1, bench.amount(FLOOD) // each) * each for each in CONSOLES) * wire.MIB
        server.check_received(said + probe.prepare("probed_bytes"))
    return bench.found()


def rising_operators(bench: Bench) -> Found:
    """Ever more operators, each at a console of its own that says a line a second."""
    steps = [bench.amount(each) for each in OPERATORS]
    seconds = 0.1 if bench.tiny else SECONDS
    with _looked_at(bench) as (server, load, probe), ExitStack() as stack:
        said, there, before = 0, 0, 0
        for step, operators in zip(OPERATORS, steps, strict=True):
            words = {"port": server.ports["telnet"], "first": 1 + there}
            load.prepare("register", **words, count=operators - there)
            server.settled_cpu()
            before = server.memory
            for first in range(there, operators, AT_ONCE):
                last = min(operators, first + AT_ONCE)
                for number in range(first, last):
                    stack.enter_context(_operator(server, 1 + number))
                server.wait_for("attached", 1 + last)
            server.settled_cpu()
            if operators > there:
                memory = (server.memory - before) / (operators - there) / KIB
                bench.add(OURS, memory, f"{step} memory")
            there = operators
            talk = {"rate": there, "seconds": seconds}
            cpu = _step(bench, str(step), (server, load), probe, "talk", **talk)
            bench.add(OURS, cpu / max(1, int(there * seconds)) * US, f"{step} cost")
            said += int(there * seconds) * len(wire.LINE)
        server.check_received(said + probe.prepare("probed_bytes"))
    return bench.found()


def parallel_logins(bench: Bench) -> Found:
    """Logins of ever more clients at the same time, which share the machine with the server."""
    count = bench.amount(LOGINS)
    with bench.vspc() as server:
        log_in(server)  # the first remembers the host key
        for clients in PARALLEL:
            cpu, reactor = server.settled_cpu(), server.reactor_cpu
            begun = time.monotonic()
            with ThreadPoolExecutor(clients) as pool:
                list(pool.map(log_in, repeat(server, count)))
            took = time.monotonic() - begun
            bench.add(OURS, count / took, f"{clients} carried")
            bench.add(OURS, (server.settled_cpu() - cpu) / count * MS, f"{clients} cost")
            share = PERCENT * (server.reactor_cpu - reactor) / took
            bench.add(OURS, share, f"{clients} reactor")
    return bench.found()


@contextmanager
def _operator(server: Vspc, number: int) -> Iterator[None]:
    command = ssh(server, "raw", wire.name_of(number))
    with subprocess.Popen(command, stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL) as client:
        try:
            yield
        finally:
            client.kill()


def _points(
    curve: str,
    title: str,
    work: Callable[[Bench], Found],
    steps: Sequence[int],
    units: Mapping[str, str],
) -> Iterator[Row]:
    for at in steps:
        for kind, unit in units.items():
            yield Row(
                f"{curve}-{kind}-{at}",
                f"{title.format(at)}: {NAMES[kind]}",
                unit,
                work,
                Goal(LATE) if kind == "delay" else None,
                is_long=True,
                pick=f"{at} {kind}",
                curve=f"{curve}-{kind}",
                at=at,
            )


SHARE = "% of a core"
NAMES = {
    "carried": "carried",
    "cost": "CPU",
    "memory": "memory of each",
    "delay": "delay, p99",
    "reactor": "reactor's thread",
    "generator": "load generator",
}
ALWAYS = {"delay": "ms", "reactor": SHARE, "generator": SHARE}

ROWS = (
    *_points("lines", "{:,} lines/s of 500 VMs", rising_lines, RATES, {"cost": "us"} | ALWAYS),
    *_points(
        "output",
        "text of {:,} consoles",
        rising_output,
        CONSOLES,
        {"carried": "MiB/s", "cost": "ms"} | ALWAYS,
    ),
    *_points(
        "operators",
        "{:,} ssh operators",
        rising_operators,
        OPERATORS,
        {"cost": "us", "memory": "KiB"} | ALWAYS,
    ),
    *_points(
        "logins",
        "logins of {:,} ssh clients",
        parallel_logins,
        PARALLEL,
        {"carried": "a second", "cost": "ms", "reactor": SHARE},
    ),
)
