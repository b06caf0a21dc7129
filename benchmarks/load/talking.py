"""What VMs say: lines at a rate, or as much as the server takes; without a wait for each line."""

import os
import select
import socket
import time
from collections.abc import Sequence
from typing import BinaryIO

from benchmarks.load import wire
from benchmarks.processes import PATIENCE, BenchmarkError

READ = 65536


def talk(lines: Sequence[socket.socket], rate: float, seconds: float) -> int:
    """Each in turn says a line, `rate` a second in all, at even times; how many were said.

    What the server says meanwhile is left in the sockets. Raises BenchmarkError where it does not
    read.
    """
    poll = select.poll()
    said, count = 0, int(rate * seconds)
    begun = time.monotonic()
    while said < count:
        due = min(count, int((time.monotonic() - begun) * rate) + 1)
        while said < due:
            line = lines[said % len(lines)]
            if line.send(wire.LINE) != len(wire.LINE):
                raise BenchmarkError("the server does not read a line")
            said += 1
        poll.poll(max(0.0, (begun + said / rate - time.monotonic()) * 1000))
    return said


def output(kind: str, escapes: bool) -> BinaryIO:
    """A MiB of it as it goes over the wire, in memory that the kernel sends from by itself."""
    file = os.fdopen(os.memfd_create(kind), "w+b")
    file.writelines(wire.pieces(kind, wire.MIB, escapes))
    file.flush()
    return file


def flood(line: socket.socket, said: BinaryIO, times: int) -> None:
    """As fast as it is taken, by sendfile(2)."""
    line.settimeout(PATIENCE)
    try:
        for _ in range(times):
            line.sendfile(said)
    except TimeoutError:
        raise BenchmarkError(f"the server has not read for {PATIENCE:g} s") from None
    finally:
        line.setblocking(False)


def echo(line: socket.socket, count: int) -> None:
    """Give back `count` bytes, one by one, as they are typed."""
    line.settimeout(PATIENCE)
    while count > 0:
        data = line.recv(READ)
        if not data:
            raise BenchmarkError("the server closed the line")
        if not data.startswith(b"\xff"):  # no negotiation, no question of the server's
            line.sendall(data)
            count -= len(data)
