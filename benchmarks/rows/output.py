"""What VMs say, nobody attached: lines, text, random bytes."""

from functools import partial

from benchmarks.bench import Bench
from benchmarks.load import wire
from benchmarks.load.client import Load
from benchmarks.measuring import FLOOR, Found, Goal, Row

US, MS = 1e6, 1e3
NO_LOG = "vspc without log"


def lines(bench: Bench, vms: int = 500, rate: int = 1000) -> Found:
    """CPU us of each line of 80 bytes."""
    vms, seconds = bench.amount(vms), 0.1 if bench.tiny else 3.0
    count = int(rate * seconds)
    with bench.both() as both:
        for server, load in both.values():
            load.prepare("register", port=server.ports["telnet"], first=0, count=vms)
        for _ in range(bench.repeats):
            for server, load in both.values():
                talk = partial(load.call, "talk", rate=rate, seconds=seconds)
                bench.cost(server, talk, count / US)
        for server, load in both.values():
            load.call("acknowledge")
            server.check_received(bench.repeats * count * len(wire.LINE))
    return bench.found()


def flood(bench: Bench, kind: str) -> Found:
    """CPU ms of each MiB of one VM that says it as fast as it is taken."""
    mib = bench.amount(16)
    with (
        bench.vspc() as logging,
        bench.floor() as floor,
        bench.vspc("[log]\nenabled = false\n", NO_LOG) as silent,
        bench.load() as first,
        bench.load() as second,
        bench.load() as third,
    ):
        each_with_load = ((logging, first), (floor, second), (silent, third))
        size = mib * wire.MIB
        for server, load in each_with_load:
            load.prepare("register", port=server.ports["telnet"], first=0, count=1)

        for _ in range(bench.repeats):
            for server, load in each_with_load:

                def say(load: Load = load) -> None:
                    load.call("flood", kind=kind, size=size, number=0)
                    load.call("acknowledge")

                bench.cost(server, say, mib / MS)
        on_the_wire = sum(map(len, wire.pieces(kind, size, escapes=True)))
        for server, _ in each_with_load:
            # The floor does not know what an escape is.
            each = on_the_wire if server.name == FLOOR else size
            server.check_received(bench.repeats * each)
        said = wire.OUTPUTS[kind](wire.MIB)
        logging.check_logged(wire.name_of(0), said)
    return bench.found()


ROWS = (
    Row("line", "a line, 500 VMs, 1,000 lines/s", "us", lines, Goal(1.5, FLOOR)),
    Row("text", "text, nobody attached, MiB", "ms", partial(flood, kind="text")),
    Row(
        "random",
        "random bytes, nobody attached, MiB",
        "ms",
        partial(flood, kind="random"),
        Goal(3.5),
    ),
)
