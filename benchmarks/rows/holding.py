"""What it costs to hold VMs: memory, an idle server, and all of them back after a restart."""

import time
from functools import partial
from urllib.request import urlopen

from benchmarks.bench import Bench
from benchmarks.load.client import Load
from benchmarks.measuring import MS, Found, Goal, Row
from benchmarks.processes import PATIENCE, BenchmarkError, Server
from benchmarks.servers.ours import vspc
from tests.end_to_end.processes import free_port
from vspc.console.quiet import QUIET
from vspc.log.writer import TIDY_INTERVAL

KIB, PERCENT = 1024, 100.0
SCRAPES = 5

METRICS = """
[metrics]
listen = ["tcp:{port}:interface=127.0.0.1"]
per_console = ["*"]
"""

SAID = 8 * KIB
WARM = 200
"""VMs that come before memory is looked at: what is made once is made then."""

IDLE = 490
"""VMs that are idle: not more than become quiet in one look of the log's thread."""

QUIETENED = int(QUIET + 3 * TIDY_INTERVAL)
"""Seconds until what nobody needs of VMs that are quiet has gone back to the kernel."""

MOVED = 300.0
"""Seconds in which the log of very many VMs has been moved to their segments."""

WAVE = 100


def idle_vms(bench: Bench) -> Found:
    """KiB of private memory of each VM that is connected, said 8 KiB at once, and is quiet now."""
    warm, count = bench.amount(WARM), bench.amount(IDLE)
    with bench.both() as plain, bench.both() as secure:
        held = [(*each, "plain") for each in plain.values()]
        held += [(*each, "tls") for each in secure.values()]
        for server, load, pick in held:
            come(server, load, 0, warm, pick == "tls")
            server.settled_cpu()
        before = [server.memory for server, _, _ in held]
        for server, load, pick in held:
            say(server, load, warm, count, pick == "tls")
        time.sleep(bench.amount(QUIETENED))
        for (server, _, pick), memory in zip(held, before, strict=True):
            bench.add(server.name, (server.memory - memory) / count / KIB, pick)
            server.check_received(count * SAID)
    return bench.found()


def come(server: Server, load: Load, first: int, count: int, tls: bool = False) -> None:
    """So many VMs come."""
    port = server.ports["telnets" if tls else "telnet"]
    load.prepare("register", port=port, first=first, count=count, tls=int(tls))


def say(server: Server, load: Load, first: int, count: int, tls: bool = False) -> None:
    """So many VMs come, and say 8 KiB each."""
    come(server, load, first, count, tls)
    load.prepare("say", kind="text", size=SAID, first=first, count=count)
    load.prepare("acknowledge")
    server.settled_cpu(MOVED)


def away_vms(bench: Bench) -> Found:
    """KiB of each VM that is away and has said nothing, as one whose history was given back."""
    warm, count = bench.amount(WARM), bench.amount(1000)
    with bench.vspc() as server, bench.load() as load:
        _come_and_go(server, load, range(warm))
        before = server.memory
        _come_and_go(server, load, range(warm, warm + count))
        bench.add(server.name, (server.memory - before) / count / KIB)
    return bench.found()


def _come_and_go(server: Server, load: Load, numbers: range) -> None:
    for first in range(numbers.start, numbers.stop, WAVE):
        count = min(WAVE, numbers.stop - first)
        load.prepare("register", port=server.ports["telnet"], first=first, count=count)
        load.prepare("hang_up")
        server.wait_for("vm-lost", first + count)
    server.settled_cpu()


def idling(bench: Bench) -> Found:
    """% of a core of a server with 100 VMs, when nothing happens."""
    seconds = bench.amount(2)
    with bench.both() as both:
        for server, load in both.values():
            load.prepare("register", port=server.ports["telnet"], first=0, count=bench.amount(100))
            server.settled_cpu()
        time.sleep(seconds)  # what follows a start or a registration is done
        for _ in range(bench.repeats):
            before = {name: (server.cpu, time.monotonic()) for name, (server, _) in both.items()}
            time.sleep(seconds)
            for name, (cpu, begun) in before.items():
                used = both[name][0].cpu - cpu
                bench.add(name, PERCENT * used / (time.monotonic() - begun))
    return bench.found()


def coming_back(bench: Bench, vms: int) -> Found:
    """Seconds until all VMs are back at a server that has been started again."""
    vms = bench.amount(vms)
    with bench.directory() as directory, bench.load() as load:
        with vspc(directory) as server:
            words = {"first": 0, "count": vms}
            load.prepare("register", port=server.ports["telnet"], **words)
            server.settled_cpu()
        load.prepare("hang_up")
        with vspc(directory) as server:
            begun = time.monotonic()
            load.call("register", port=server.ports["telnet"], window=200, **words)
            bench.add(server.name, time.monotonic() - begun)
            server.wait_for("vm-registered", vms)
    return bench.found()


def scraping(bench: Bench, vms: int) -> Found:
    """CPU ms of each scrape of /metrics, 1,000 consoles having numbers of their own."""
    port = free_port()
    with bench.vspc(METRICS.format(port=port)) as server, bench.load() as load:
        load.prepare("register", port=server.ports["telnet"], first=0, count=bench.amount(vms))
        for _ in range(bench.repeats):
            bench.cost(server, partial(_scrape, port), SCRAPES / MS)
    return bench.found()


def _scrape(port: int) -> None:
    for _ in range(SCRAPES):
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE) as page:
            if b"vspc_" not in page.read():
                raise BenchmarkError("a scrape has no numbers")


ROWS = (
    Row("memory", "an idle VM, 8 KiB said", "KiB", idle_vms, Goal(10.0), pick="plain"),
    Row("memory-tls", "the same over TLS", "KiB", idle_vms, Goal(36.0), pick="tls"),
    Row("memory-away", "a VM that is away", "KiB", away_vms, Goal(4.0)),
    Row("idle", "idle server, 100 VMs", "% of a core", idling, Goal(0.1)),
    Row("scrape", "a scrape of /metrics, 1,000 VMs", "ms", partial(scraping, vms=1000)),
    Row(
        "scrape-10000",
        "a scrape of /metrics, 10,000 VMs",
        "ms",
        partial(scraping, vms=10_000),
        is_long=True,
    ),
    Row(
        "back-1000",
        "1,000 VMs back after a restart",
        "s",
        partial(coming_back, vms=1000),
        Goal(0.8),
    ),
    Row(
        "back-10000",
        "10,000 VMs back after a restart",
        "s",
        partial(coming_back, vms=10_000),
        Goal(8.0),
        is_long=True,
    ),
)
