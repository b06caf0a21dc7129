"""What others notice while somebody floods the server (law 11), or guesses passwords."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import DEVNULL

from benchmarks.bench import Bench
from benchmarks.load.flooding import FLOODS, READY
from benchmarks.measuring import MS, OURS, Found, Goal, Row, percentile
from benchmarks.processes import BenchmarkError, Server, python, running
from benchmarks.rows.operators import SOCKET
from benchmarks.servers.ours import ssh
from tests.end_to_end.processes import free_port

SECONDS = 3.0
"""Of each flood."""

PAUSE = 0.02

FAILED = 99.0
"""Seconds that a login counts which did not succeed."""

A_MINUTE = 10_000
"""Bad logins."""

ALONE = "vspc alone"

GUESSED = """
[operators.bob]
password_hash = "{hash}"
"""


def flooded(bench: Bench) -> Found:
    """ms that GOAHEAD, a line and `list` take: a value for each flood."""
    floods = ("vm-nop", "ssh-ignore", "in-env") if bench.tiny else FLOODS
    seconds = 0.2 if bench.tiny else SECONDS
    for flood in floods:
        port = free_port()
        with (
            bench.vspc(SOCKET.format(port=port)) as server,
            bench.load() as talker,
            bench.load() as mover,
        ):
            movers = int(seconds / PAUSE)
            words = {"port": server.ports["telnet"]}
            talker.prepare("register", **words, first=0, count=1)
            talker.prepare("attach", port=port)
            mover.prepare("register", **words, first=1, count=movers)
            _list(server)
            with _flooding(server, flood, seconds):
                mover.begin("begin", first=1, count=movers, window=1, pause=PAUSE)
                talker.begin("probe", pause=PAUSE, seconds=seconds)
                listed = max(_listing(server, seconds, 0.3))
                late, delay = (percentile(each.end(), 0.99) for each in (mover, talker))
        told = []
        for pick, took in (("goahead", late), ("output", delay), ("list", listed)):
            bench.add(OURS, took * MS, pick)
            told.append(f"{pick} {took * MS:.1f}")
        print(f"    {flood}: {', '.join(told)} ms", flush=True)
    return bench.found()


@contextmanager
def _flooding(server: Server, flood: str, seconds: float) -> Iterator[None]:
    """A flooder, in a process of its own that is less urgent: it would not be on this machine."""
    where = [f"{what}={port}" for what, port in server.ports.items()]
    words = python("benchmarks.load.flooding", flood, str(seconds + 30), *where)
    with running(["nice", "-n", "15", *words], server.directory) as flooder:
        assert flooder.stdout is not None
        said = flooder.stdout.readline()
        if said.strip() != READY.encode():
            raise BenchmarkError(f"{flood} does not begin: {said + flooder.stdout.read()!r}")
        yield


def _listing(server: Server, seconds: float, pause: float) -> list[float]:
    """Seconds of each `list`, one after the other for so long."""
    took, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        took.append(_list(server))
        time.sleep(pause)
    return took


def _list(server: Server) -> float:
    begun = time.monotonic()
    done = subprocess.run(ssh(server, "list"), stdin=DEVNULL, capture_output=True, check=False)
    return time.monotonic() - begun if done.returncode == 0 else FAILED


def guessed(bench: Bench) -> Found:
    """ms of each good login while 10,000 bad ones a minute come from the same address."""
    seconds = 1.0 if bench.tiny else 10.0
    with bench.vspc(GUESSED.format(hash=_hash())) as server:
        _list(server)
        for took in _listing(server, seconds / 3, 0.3):
            bench.add(ALONE, took * MS)
        words = (str(server.ports["ssh"]), str(seconds), str(A_MINUTE))
        with running(python("benchmarks.load.guessing", *words), server.directory) as guesser:
            server.wait_for("login-failed")
            for took in _listing(server, seconds, 0.3):
                bench.add(OURS, took * MS)
            failed, _ = guesser.communicate()
        print(f"    {int(failed) * 60 / seconds:,.0f} bad logins a minute", flush=True)
    return bench.found()


def _hash() -> str:
    made = subprocess.run(
        python("vspc", "hash-password"), input=b"right\n", capture_output=True, check=True
    )
    return made.stdout.decode().strip()


def _flooded(pick: str, title: str, goal: float) -> Row:
    many = f"{title} while somebody floods ({len(FLOODS)} ways)"
    return Row(f"fair-{pick}", many, "ms", flooded, Goal(goal, each=True), is_long=True, pick=pick)


ROWS = (
    _flooded("goahead", "BEGIN to GOAHEAD, p99,", 100.0),
    _flooded("output", "another VM's line, p99,", 50.0),
    _flooded("list", "login and `list`, the slowest,", 500.0),
    Row(
        "login-guessed",
        "a login while 10,000 bad ones a minute come from its address",
        "ms",
        guessed,
        is_long=True,
        spread=3.0,
    ),
)
