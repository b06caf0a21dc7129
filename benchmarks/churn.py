"""What VMs cost in memory that come and go: the whole server, real TCP on loopback, logs on disk.

9,500 VMs, each with a name and a UUID of its own, connect in waves, say some text and go; a tenth
of them in the middle of a vMotion. Prints MiB of RSS before and after, and how many bytes an away
console that nobody is on costs, as tracemalloc counts them. It takes a minute or two.

Run: python -m benchmarks.churn [VMS]
"""

import gc
import re
import socket
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet import reactor as the_reactor
from twisted.internet.defer import ensureDeferred
from twisted.internet.threads import deferToThread
from twisted.logger import LogEvent, LogLevel, formatEvent, globalLogBeginner
from twisted.python.threadable import isInIOThread

from benchmarks.load.wire import message
from vspc.console.console import ConsoleState
from vspc.server.config_files import load_with_files
from vspc.server.service import VspcService
from vspc.wire.telnet import VMWARE, WILL, negotiation, subnegotiation
from vspc.wire.vmware import (
    DoProxy,
    VmName,
    VMotionBegin,
    VMotionGoahead,
    VmVcUuid,
    WillProxy,
    encode,
)

reactor: Any = the_reactor
VMS = 9500
WARM = 500
"""VMs before the first look, so that what is made once is not counted."""

COUNTED = 5000
"""VMs for tracemalloc, which makes all slower."""

WAVE = 100
HOSTS = 16
"""Addresses that they come from: a host may leave only so many away consoles behind."""

TEXT = b"[    0.000000] Linux version 6.1.0-13-amd64\r\n" * 45
"""About 2 KiB."""

SETTLED = 15.0
"""Seconds after the last VM until the look: longer than a vMotion without lines holds a console."""

MOVED = 300.0
"""Seconds that the log may take to put away what it holds in memory of VMs that have gone."""

LOG = re.compile(r"/vspc/log/|/pathlib|/json/")
"""Files whose memory is counted for the logs."""

WILL_PROXY = subnegotiation(VMWARE, encode(WillProxy()))
GOAHEAD = bytes((255, 250, VMWARE, VMotionGoahead.CODE))

CONFIG = """
state_dir = "state"
[vm]
telnet = ["tcp:0:interface=127.0.0.1"]
telnets = []
allow = ["127.0.0.0/8"]
[ssh]
listen = ["tcp:0:interface=127.0.0.1"]
[operators.bench]
authorized_keys = []
"""


def read_until(line: socket.socket, wanted: bytes) -> None:
    """Read what the server says, as far as `wanted`."""
    heard = b""
    while wanted not in heard:
        more = line.recv(65536)
        if not more:
            raise ConnectionError("the server closed the line")
        heard += more


def connect(port: int, number: int) -> socket.socket:
    """VM `number`, which says who it is, and some text."""
    line = socket.create_connection(
        ("127.0.0.1", port), 30, source_address=(f"127.0.0.{number % HOSTS + 2}", 0)
    )
    line.sendall(
        negotiation(WILL, VMWARE)
        + message(DoProxy(b"S", b"vspc"))
        + message(VmVcUuid(b"%032x" % (number + 1)))
        + message(VmName(b"vm-%05d" % number))
        + TEXT
    )
    return line


def wave(port: int, numbers: range) -> None:
    """They come, all of them, and go."""
    lines = [connect(port, number) for number in numbers]
    for number, line in zip(numbers, lines, strict=True):
        read_until(line, WILL_PROXY)
        if number % 10 == 0:
            line.sendall(message(VMotionBegin(b"%04d" % (number % 10_000))))
            read_until(line, GOAHEAD)
    for line in lines:
        line.close()


def churn(service: VspcService, port: int, numbers: range) -> None:
    """Wave after wave; not for the reactor's thread."""
    assert not isInIOThread()
    for first in range(numbers.start, numbers.stop, WAVE):
        wave(port, range(first, min(first + WAVE, numbers.stop)))
    time.sleep(SETTLED)
    log = service.parts.logs.log
    until = time.monotonic() + MOVED
    while log is not None and log.store.gone and time.monotonic() < until:
        time.sleep(0.1)


def resident() -> float:
    """MiB of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * 4096 / (1 << 20)


async def measure(service: VspcService, port: int, vms: int) -> None:
    """The whole of it."""
    await deferToThread(churn, service, port, range(WARM))
    gc.collect()
    before = resident()
    at = time.monotonic()
    await deferToThread(churn, service, port, range(WARM, WARM + vms))
    gc.collect()
    after = resident()
    took = time.monotonic() - at
    print(f"{vms} VMs came and went in {took:.0f} s: {before:.1f} MiB before, {after:.1f} after")
    print(f"    {(after - before) * (1 << 20) / vms:.0f} bytes of RSS for each")
    states = [console.state for console in service.roster]
    away = states.count(ConsoleState.AWAY)
    print(f"    {away} away, {len(states) - away} others")


async def count(service: VspcService, port: int) -> None:
    """The same with fewer VMs under tracemalloc; what is made once has been made before."""
    await deferToThread(churn, service, port, range(WARM))
    gc.collect()
    tracemalloc.start()
    first = tracemalloc.take_snapshot()
    await deferToThread(churn, service, port, range(WARM, WARM + COUNTED))
    gc.collect()
    found = tracemalloc.take_snapshot().compare_to(first, "lineno")
    whole = sum(statistic.size_diff for statistic in found)
    of_log = sum(s.size_diff for s in found if LOG.search(s.traceback[0].filename))
    print(f"{(whole - of_log) / COUNTED:.0f} bytes for an away console, of {COUNTED} VMs")
    print(f"    and {of_log / COUNTED:.0f} for its log")
    if "-v" in sys.argv:
        for statistic in found[:40]:
            print(f"{statistic.size_diff / COUNTED:8.0f}  {statistic.traceback[0]}")


def note(ports: dict[str, int], event: LogEvent) -> None:
    """Where the server listens; and what it complains of."""
    if event.get("log_format") == "listening":
        ports[event["what"]] = event["port"]
    elif event["log_level"] >= LogLevel.error:
        print(formatEvent(event), event.get("log_failure", ""))


def serve(directory: Path, work: Callable[[VspcService, int], Coroutine[Any, Any, None]]) -> None:
    """Run the server until `work`, which gets it and its telnet port, is done."""
    path = directory / "vspc.toml"
    path.write_text(CONFIG)
    service = VspcService(load_with_files(path), reactor)
    ports: dict[str, int] = {}
    observer: Any = partial(note, ports)
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)
    service.privilegedStartService()

    def begin() -> None:
        service.startService()
        done = ensureDeferred(work(service, ports["telnet"]))
        done.addErrback(lambda failure: failure.printTraceback())
        done.addBoth(lambda _result: reactor.stop())

    reactor.callWhenRunning(begin)
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    reactor.run()


def main() -> None:
    """Run it: the count in a process of its own."""
    counts = "--count" in sys.argv
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    vms = int(words[0]) if words else VMS
    with tempfile.TemporaryDirectory(prefix="vspc-churn-") as directory:
        serve(Path(directory), count if counts else partial(measure, vms=vms))
    if not counts:
        again = [sys.executable, "-m", "benchmarks.churn", "--count", *sys.argv[1:]]
        subprocess.run(again, check=True)


if __name__ == "__main__":
    main()
