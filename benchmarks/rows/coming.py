"""VMs that come and move: registration, telnets, vMotion, and how late GOAHEAD is."""

import subprocess
import time
from contextlib import suppress
from functools import partial
from subprocess import PIPE
from threading import Thread
from typing import IO

from benchmarks.bench import Bench
from benchmarks.load import wire
from benchmarks.load.client import Load
from benchmarks.measuring import FLOOR, MS, OURS, Found, Goal, Row
from benchmarks.processes import Server
from benchmarks.servers.ours import ssh

MANY = 4000
"""VMs that chatter in a long run."""

ROUNDS = 4
"""Moves of each VM while others chatter: what these cost varies by as much as 100 moves cost."""

STUCK = 0.5
"""Seconds until a paste has filled all that is between the operator and the VM."""


def registering(bench: Bench, tls: bool = False) -> Found:
    """CPU ms of each VM that becomes a console; VMs of earlier repeats stay."""
    count = bench.amount(100)
    with bench.both() as both:
        for repeat in range(bench.repeats + 1):
            for server, load in both.values():
                _register(bench, server, load, repeat * count, count, tls)
        for values in bench.values[""].values():
            del values[0]  # what is made once was made then
        for _, load in both.values():
            load.call("acknowledge")
        both[OURS][0].wait_for("vm-registered", count * (bench.repeats + 1))
    return bench.found()


def _register(
    bench: Bench, server: Server, load: Load, first: int, count: int, tls: bool = False
) -> None:
    port = server.ports["telnets" if tls else "telnet"]
    words = {"port": port, "first": first, "count": count, "tls": int(tls)}
    bench.cost(server, partial(load.call, "register", **words), count / MS)


def registering_over_tls(bench: Bench) -> Found:
    """The same over TLS; what the floor has is the handshake."""
    return registering(bench, tls=True)


def moving(bench: Bench) -> Found:
    """CPU ms of each vMotion: BEGIN, the target's connection, COMPLETE, the source's end."""
    count = bench.amount(100)
    with bench.both() as both:
        for server, load in both.values():
            load.prepare("register", port=server.ports["telnet"], first=0, count=count)
        for _ in range(bench.repeats):
            for server, load in both.values():
                bench.cost(server, partial(load.call, "move", first=0, count=count), count / MS)
        both[OURS][0].wait_for("vmotion-complete", count * bench.repeats)
        for _, load in both.values():
            load.call("acknowledge")
    return bench.found()


def moving_among_others(bench: Bench, others: int = 500) -> Found:
    """The same while others chatter: a line a second each, whose cost is taken off."""
    count, others, seconds = bench.amount(100), bench.amount(others), 1.0
    with bench.both() as both, bench.load() as chatter:
        for server, load in both.values():
            port = server.ports["telnet"]
            chatter.prepare("register", port=port, first=count, count=others)
            load.prepare("register", port=port, first=0, count=count)
            said = 0
            for _ in range(bench.repeats):
                used = []
                for moves in (False, True):
                    before = server.settled_cpu()
                    chatter.begin("talk", rate=others, seconds=seconds)
                    for _ in range(ROUNDS if moves else 0):
                        load.call("move", first=0, count=count)
                    said += chatter.end() * len(wire.LINE)
                    used.append(server.settled_cpu() - before)
                bench.add(server.name, (used[1] - used[0]) * MS / (count * ROUNDS))
            server.check_received(said)
            chatter.prepare("hang_up")
        both[OURS][0].wait_for("vmotion-complete", count * ROUNDS * bench.repeats)
    return bench.found()


def waiting_for_goahead(bench: Bench, others: int = 500) -> Found:
    """ms from BEGIN to GOAHEAD, while others chatter; percentiles of each repeat."""
    others, count = bench.amount(others), bench.amount(200)
    with bench.both() as both, bench.load() as chatter:
        for server, load in both.values():
            port = server.ports["telnet"]
            chatter.prepare("register", port=port, first=count, count=others)
            load.prepare("register", port=port, first=0, count=count)
            said = 0
            for _ in range(bench.repeats):
                chatter.begin("talk", rate=others, seconds=count * 0.01)
                took = load.call("begin", first=0, count=count, window=1, pause=0.005)
                said += chatter.end() * len(wire.LINE)
                bench.add_times(server.name, took)
            server.check_received(said)
            chatter.prepare("hang_up")
    return bench.found()


def behind_a_paste(bench: Bench) -> Found:
    """ms from BEGIN to GOAHEAD of a VM that did not read while an operator pasted 1 MiB."""
    with bench.vspc() as server, bench.load() as load:
        load.prepare("register", port=server.ports["telnet"], first=0, count=bench.repeats)
        for number in range(bench.repeats):
            with subprocess.Popen(ssh(server, "raw", wire.name_of(number)), stdin=PIPE) as paste:
                server.wait_for("attached", number + 1)
                assert paste.stdin is not None
                Thread(target=_paste, args=(paste.stdin,), daemon=True).start()
                time.sleep(STUCK)
                took = load.call("begin", first=number, count=1, window=1)
                bench.add(server.name, max(took) * MS)
                paste.kill()
    return bench.found()


def _paste(pipe: IO[bytes]) -> None:
    with suppress(OSError):
        pipe.write(bytes(wire.MIB))


def burst_of_begins(bench: Bench, others: int = 0) -> Found:
    """ms until the last of 400 VMs that say BEGIN at once has its GOAHEAD, while others chatter."""
    count, others = bench.amount(400), bench.amount(others) if others else 0
    with bench.both() as both, bench.load() as chatter:
        for server, load in both.values():
            words = {"port": server.ports["telnet"], "first": count, "count": others}
            chatter.prepare("register", **words)
            load.prepare("register", **words | {"first": 0, "count": count})
            said = 0
            for _ in range(bench.repeats):
                server.settled_cpu()
                if others:
                    chatter.begin("talk", rate=others, seconds=1.0)
                took = load.call("begin", first=0, count=count, window=count)
                if others:
                    said += chatter.end() * len(wire.LINE)
                bench.add(server.name, max(took) * MS)
            server.check_received(said)
            chatter.prepare("hang_up")
    return bench.found()


_AMONG_4000 = partial(waiting_for_goahead, others=MANY)

ROWS = (
    Row("registration", "registration", "ms", registering, Goal(2.2, FLOOR)),
    Row(
        "telnets",
        "handshake and registration over TLS",
        "ms",
        registering_over_tls,
        Goal(1.0, FLOOR, adds=True),
    ),
    Row("vmotion", "vMotion", "ms", moving, Goal(2.0, FLOOR)),
    Row(
        "vmotion-among",
        "vMotion while 500 VMs chatter",
        "ms",
        moving_among_others,
        Goal(2.0, FLOOR),
    ),
    Row(
        "goahead-p50",
        "BEGIN to GOAHEAD while 500 VMs chatter, p50",
        "ms",
        waiting_for_goahead,
        Goal(0.3),
        pick="p50",
        spread=3.0,
    ),
    Row(
        "goahead-p99",
        "BEGIN to GOAHEAD while 500 VMs chatter, p99",
        "ms",
        waiting_for_goahead,
        Goal(2.0),
        pick="p99",
        spread=3.0,
    ),
    Row(
        "goahead-paste",
        "BEGIN to GOAHEAD behind a paste of 1 MiB",
        "ms",
        behind_a_paste,
        Goal(100.0),
    ),
    Row(
        "goahead-burst",
        "400 BEGINs at once, the last",
        "ms",
        burst_of_begins,
        Goal(250.0),
        spread=3.0,
    ),
    Row(
        "vmotion-among-4000",
        "vMotion while 4,000 VMs chatter",
        "ms",
        partial(moving_among_others, others=MANY),
        Goal(2.0, FLOOR),
        is_long=True,
    ),
    Row(
        "goahead-p50-4000",
        "BEGIN to GOAHEAD while 4,000 VMs chatter, p50",
        "ms",
        _AMONG_4000,
        Goal(0.3),
        is_long=True,
        pick="p50",
        spread=3.0,
    ),
    Row(
        "goahead-p99-4000",
        "BEGIN to GOAHEAD while 4,000 VMs chatter, p99",
        "ms",
        _AMONG_4000,
        Goal(2.0),
        is_long=True,
        pick="p99",
        spread=3.0,
    ),
    Row(
        "goahead-burst-4000",
        "400 BEGINs at once while 4,000 VMs chatter, the last",
        "ms",
        partial(burst_of_begins, others=MANY),
        Goal(250.0),
        is_long=True,
        spread=3.0,
    ),
)
