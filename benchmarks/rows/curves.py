"""Points of curves: the same work beside ever more VMs, and at ever more lines a second."""

from collections.abc import Iterator
from functools import partial

from benchmarks.measuring import FLOOR, Goal, Row
from benchmarks.rows.coming import registering_by_thousands
from benchmarks.rows.holding import idle_vms
from benchmarks.rows.output import lines

SIZES = (100, 1000, 3000, 9000)
"""VMs; with those that a row adds, fewer than 10,000."""

RATES = (500, 1000, 2000, 4000, 8000)
"""Lines a second of 500 VMs."""


def _points() -> Iterator[Row]:
    for vms in SIZES:
        name = f"registration-{vms}"
        work = partial(registering_by_thousands, population=vms)
        title = f"registration beside {vms:,} VMs"
        yield Row(name, title, "ms", work, Goal(2.2, FLOOR), True, curve="registration", at=vms)
    for vms in SIZES:
        line = partial(lines, vms=vms)
        title = f"a line, {vms:,} VMs, 1,000 lines/s"
        yield Row(f"line-{vms}", title, "us", line, Goal(1.5, FLOOR), True, curve="line", at=vms)
    for rate in RATES:
        line = partial(lines, rate=rate)
        title = f"a line, 500 VMs, {rate:,} lines/s"
        yield Row(f"rate-{rate}", title, "us", line, None, True, curve="rate", at=rate)
    for vms in SIZES:
        memory = partial(idle_vms, vms=vms)
        title = f"an idle VM of {vms:,}, 8 KiB said"
        yield Row(f"memory-{vms}", title, "KiB", memory, Goal(10), True, curve="memory", at=vms)


ROWS = tuple(_points())

CURVES = {
    "registration": ("CPU of a registration", "VMs that are there"),
    "line": ("CPU of a line, 1,000 lines a second", "VMs"),
    "rate": ("CPU of a line, 500 VMs", "lines a second"),
    "memory": ("memory of an idle VM that has said 8 KiB", "VMs"),
}
"""What each curve shows, and what stands under it."""
