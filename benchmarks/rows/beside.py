"""What a VM costs beside ever more others: registration, vMotion, a line, memory."""

from collections.abc import Iterator
from functools import partial

from benchmarks.bench import Bench
from benchmarks.load import wire
from benchmarks.measuring import FLOOR, MS, Found, Goal, Row
from benchmarks.rows.holding import KIB, SAID, WARM, say
from benchmarks.rows.output import US

SIZES = (100, 1000, 3000, 10_000)
"""VMs that are there, and say nothing but lines."""

COUNT = 100
"""VMs that come, and that move, in each repeat."""

RATE = 1000
"""Lines a second."""


def beside(bench: Bench, vms: int) -> Found:
    """All of it at one server that has so many VMs."""
    warm, vms, count = bench.amount(WARM), bench.amount(vms), bench.amount(COUNT)
    there, seconds = warm + vms, 0.1 if bench.tiny else 1.0
    lines = int(RATE * seconds)
    with bench.both() as both:
        for server, load in both.values():
            say(server, load, 0, warm)
            before = server.memory
            say(server, load, warm, vms)
            bench.add(server.name, (server.memory - before) / vms / KIB, "memory")
        for repeat in range(bench.repeats):
            words = {"first": there + repeat * count, "count": count}
            for server, load in both.values():
                port = server.ports["telnet"]
                work = partial(load.call, "register", port=port, **words)
                bench.cost(server, work, count / MS, "registration")
            for server, load in both.values():
                bench.cost(server, partial(load.call, "move", **words), count / MS, "vmotion")
            for server, load in both.values():
                talk = partial(load.call, "talk", rate=RATE, seconds=seconds)
                bench.cost(server, talk, lines / US, "line")
        for server, _ in both.values():
            server.check_received(there * SAID + bench.repeats * lines * len(wire.LINE))
    return bench.found()


def _points() -> Iterator[Row]:
    for vms in SIZES:
        work = partial(beside, vms=vms)
        for curve, title, unit, goal in (
            ("registration", "registration", "ms", Goal(2.2, FLOOR)),
            ("vmotion", "vMotion", "ms", Goal(2.0, FLOOR)),
            ("line", "a line, 1,000 lines/s,", "us", Goal(1.5, FLOOR)),
            ("memory", "a VM that has just said 8 KiB,", "KiB", None),
        ):
            yield Row(
                f"{curve}-{vms}",
                f"{title} beside {vms:,} VMs",
                unit,
                work,
                goal,
                is_long=True,
                pick=curve,
                curve=curve,
                at=vms,
            )


ROWS = tuple(_points())
