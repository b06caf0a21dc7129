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


def probe(
    line: socket.socket, client: socket.socket, pause: float, seconds: float
) -> tuple[list[float], int]:
    """The line says when each of its lines is due, `pause` after the one before. How late each came
    to the client, in seconds, and how many bytes were said.
    """
    took: list[float] = []
    count, sent, said, heard = int(seconds / pause), 0, 0, b""
    begun = time.monotonic()
    while len(took) < count:
        due = begun + sent * pause
        wait = due - time.monotonic() if sent < count else PATIENCE
        if wait <= 0:
            said += line.send(b"%.6f\n" % due)
            sent += 1
        elif select.select([client], [], [], wait)[0]:
            data = client.recv(READ)
            now = time.monotonic()
            *whole, heard = (heard + data).split(b"\n")
            took += (now - float(each) for each in whole)
        elif sent == count:
            raise BenchmarkError(f"{count - len(took)} lines are {PATIENCE:g} s late")
    return took, said


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
