"""What VMs say, nobody attached: lines, text, random bytes; of VMs and of raw consoles."""

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

from benchmarks.bench import Bench
from benchmarks.load import wire
from benchmarks.load.client import Load
from benchmarks.measuring import FLOOR, OURS, Found, Goal, Row
from benchmarks.processes import Server
from benchmarks.servers.others import CONMAN, CONSERVER, program

US, MS = 1e6, 1e3
NO_LOG = "vspc without log"
SILENT = "[log]\nenabled = false\n"


def lines(bench: Bench) -> Found:
    """CPU us of each line of 80 bytes, of 500 VMs, 1,000 a second in all."""
    vms = bench.amount(500)
    with bench.both() as both:
        for server, load in both.values():
            load.prepare("register", port=server.ports["telnet"], first=0, count=vms)
        _say_lines(bench, list(both.values()), 1000)
    return bench.found()


def raw_lines(bench: Bench, consoles: int) -> Found:
    """The same of raw consoles, beside other servers."""
    names, absent = installed()
    with ExitStack() as stack:
        pairs = [stack.enter_context(bench.raw(name, consoles)) for name in names]
        _say_lines(bench, pairs, 900)
    return bench.found(absent)


def installed() -> tuple[list[str], list[str]]:
    """Servers for raw consoles that are there, and others."""
    others = (CONSERVER, CONMAN)
    there = [name for name in others if program(name)]
    return [OURS, *there], [name for name in others if name not in there]


def _say_lines(bench: Bench, pairs: Sequence[tuple[Server, Load]], rate: int) -> None:
    seconds = 0.1 if bench.tiny else 1.0
    count = int(rate * seconds)
    for _ in range(bench.repeats):
        for server, load in pairs:
            talk = partial(load.call, "talk", rate=rate, seconds=seconds)
            bench.cost(server, talk, count / US)
    for server, _ in pairs:
        server.check_received(bench.repeats * count * len(wire.LINE))


def flood(bench: Bench) -> Found:
    """CPU ms of each MiB of one console that says it as fast as it is taken.

    VMs escape 0xFF; conserver and conman are told the same as a raw console does.
    """
    mib = bench.amount(16)
    others, absent = installed()
    with ExitStack() as stack:
        enter = stack.enter_context
        ours = [*map(enter, bench.ours())]
        servers: list[Server] = [*ours, enter(bench.floor()), enter(bench.vspc(SILENT, NO_LOG))]
        vms: list[tuple[Server, Load]] = [
            (server, enter(bench.load(server.name))) for server in servers
        ]
        for server, load in vms:
            load.prepare("register", port=server.ports["telnet"], first=0, count=1)
        raw = [enter(bench.raw(name, 1)) for name in others if name != OURS]
        said = dict.fromkeys((server for server, _ in (*vms, *raw)), 0)
        for kind in wire.OUTPUTS:
            for server, load in (*vms, *raw):
                load.prepare("make", kind=kind, escapes=int(server in servers))
            for _ in range(bench.repeats):
                for server, load in (*vms, *raw):
                    work = partial(_flood, load, kind, mib, server in servers)
                    bench.cost(server, work, mib / MS, kind)
                    # The floor does not know what an escape is.
                    sent = wire.pieces(kind, mib * wire.MIB, escapes=server.name == FLOOR)
                    said[server] += sum(map(len, sent))
            for server, size in said.items():
                server.check_received(size)
            ours[0].check_logged(wire.name_of(0), wire.OUTPUTS[kind](wire.MIB))
    return bench.found(absent)


def _flood(load: Load, kind: str, mib: int, is_vm: bool) -> None:
    load.call("flood", kind=kind, mib=mib, number=0, escapes=int(is_vm))
    if is_vm:
        load.call("acknowledge")


ROWS = (
    Row("line", "a line, 500 VMs, 1,000 lines/s", "us", lines, Goal(1.5, FLOOR)),
    Row("raw-line-8", "a line, 8 raw consoles, 900 lines/s", "us", partial(raw_lines, consoles=8)),
    Row(
        "raw-line-200",
        "a line, 200 raw consoles, 900 lines/s",
        "us",
        partial(raw_lines, consoles=200),
        Goal(0.33, CONMAN),
        spread=3.0,  # conman reads what has come meanwhile: 40 to 140 us with other load
    ),
    Row(
        "text",
        "text, nobody attached, MiB",
        "ms",
        flood,
        Goal(1.0, CONSERVER),
        pick="text",
    ),
    Row(
        "random",
        "random bytes, nobody attached, MiB",
        "ms",
        flood,
        Goal(3.5),
        pick="random",
    ),
)
