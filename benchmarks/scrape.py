"""What a scrape costs with 10,000 VMs: ms of the reactor's thread, which reads the numbers, and of
the thread that makes the text; without single consoles, and with as many as may have their own.
Run: python -m benchmarks.scrape [VMS]
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.testing import MemoryReactorClock, StringTransport

from vspc.doors.metrics.exposition import collect, render
from vspc.doors.metrics.sources import MetricSources
from vspc.server.config_files import load_with_files
from vspc.server.service import VspcService
from vspc.wire.telnet import VMWARE, WILL, negotiation, subnegotiation
from vspc.wire.vmware import DoProxy, VmName, VmVcUuid, encode

CONFIG = """
state_dir = "state"
[vm]
telnet = ["tcp:13370:interface=127.0.0.1"]
telnets = []
allow = ["10.0.0.0/8"]
[ssh]
listen = []
[metrics]
per_console = {per_console}
"""

ROUNDS = 15


def connect(reactor: Any, number: int) -> None:
    """One VM, registered."""
    _, factory, *_ = reactor.tcpServers[0]
    address = IPv4Address("TCP", f"10.0.{number >> 8}.{number & 255}", 40000)
    line = factory.buildProtocol(address)
    wire: Any = StringTransport(peerAddress=address)
    wire.bufferSize = 65536
    wire.pauseProducing = wire.resumeProducing = lambda: None
    line.makeConnection(wire)
    line.dataReceived(
        negotiation(WILL, VMWARE)
        + b"".join(
            subnegotiation(VMWARE, encode(each))
            for each in (
                DoProxy(b"S", b"vspc"),
                VmVcUuid(b"%032x" % number),
                VmName(b"vm%05d" % number),
            )
        )
    )
    reactor.advance(0.001)
    wire.clear()


def milliseconds(call: Callable[[], object]) -> str:
    """CPU time: median and longest of some rounds."""
    found = []
    for _ in range(ROUNDS):
        began = time.thread_time()
        call()
        found.append((time.thread_time() - began) * 1000)
    return f"{statistics.median(found):.1f} ms, {max(found):.1f} at the most"


def scrapes(sources: MetricSources, what: str) -> None:
    """Print both parts of a scrape."""
    collected = collect(sources)
    text = render(collected)
    print(f"{what}: {len(text.splitlines())} lines, {len(text) >> 10} KiB")
    print(f"  numbers: {milliseconds(lambda: collect(sources))}")
    print(f"  text:    {milliseconds(lambda: render(collected))}")


def main() -> None:
    """With as many VMs as the first argument says."""
    vms = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    directory = Path(tempfile.mkdtemp(prefix="vspc-scrape-"))
    file = directory / "vspc.toml"
    file.write_text(CONFIG.format(per_console="[]"))
    reactor: Any = MemoryReactorClock()
    service = VspcService(load_with_files(file), reactor)
    service.privilegedStartService()
    sources = service.parts.metric_sources()
    service.parts.metrics.start(service.events)
    for number in range(1, vms + 1):
        connect(reactor, number)
    # So many descriptors the process would have: /proc is read for them.
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(min(vms, 15_000))]
    print(sources.lines.console_states())
    scrapes(sources, "no single consoles")
    file.write_text(CONFIG.format(per_console='["*"]'))
    service.reload()
    scrapes(sources, "1,000 single consoles")
    for descriptor in held:
        os.close(descriptor)
    os._exit(0)


if __name__ == "__main__":
    main()
