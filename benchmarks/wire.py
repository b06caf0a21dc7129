"""CPU milliseconds for a MiB from a VM, through the decoder alone and through the transport.

    python benchmarks/wire.py

Text has no 0xFF and takes the short way; escaped random bytes have a doubled one in 256.
"""

from collections.abc import Callable, Iterable
from random import Random
from statistics import median
from time import process_time

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from vspc.net.scheduler import Scheduler
from vspc.net.telnet_options import LineProtocol
from vspc.net.telnet_transport import LineTransport
from vspc.wire.telnet import Decoder, escape

MIB = 1 << 20
SIZES_KIB = (1, 4, 64)
ROUNDS = 9
REPEATS = 4  # of the same MiB in a round: a short one would measure the clock


def decode(chunks: Iterable[bytes]) -> None:
    """All events of `chunks`."""
    decoder = Decoder()
    for chunk in chunks:
        decoder.receive(chunk)
        while decoder.next_event() is not None:
            pass


class Sink(LineProtocol):
    """Hears and forgets."""

    def dataReceived(self, data: bytes) -> None:
        """Nothing."""


def transport(chunks: Iterable[bytes]) -> None:
    """`chunks` through a whole line."""
    clock = Clock()
    scheduler = Scheduler(clock.callLater, process_time)
    share = scheduler.share("127.0.0.1")
    share.proven = True  # as a VM's is
    line = LineTransport(Sink, process_time, share)
    line.makeConnection(StringTransport())
    for chunk in chunks:
        line.dataReceived(chunk)
        clock.advance(0)  # a turn of the reactor for each


def cost(way: Callable[[Iterable[bytes]], None], data: bytes, size: int) -> float:
    """Milliseconds of CPU for a MiB of `data` in chunks of `size`: the median of several rounds."""
    chunks = [data[at : at + size] for at in range(0, len(data), size)] * REPEATS
    times = []
    for _ in range(ROUNDS):
        start = process_time()
        way(chunks)
        times.append(process_time() - start)
    return median(times) * 1000 * MIB / (len(data) * REPEATS)


def main() -> None:
    """Print the table."""
    line = b"[    1.234567] systemd[1]: Started something with a name of ordinary length.\r\n"
    inputs = {
        "text": (line * (MIB // len(line) + 1))[:MIB],
        "escaped random": escape(Random(1).randbytes(MIB)),  # noqa: S311 - not a secret
        "0xFF only": b"\xff" * MIB,
    }
    print(f"{'input':16} {'KiB':>4} {'decoder':>9} {'transport':>9}   ms/MiB")
    for name, data in inputs.items():
        for size in SIZES_KIB:
            costs = [cost(way, data, size * 1024) for way in (decode, transport)]
            print(f"{name:16} {size:4} {costs[0]:9.2f} {costs[1]:9.2f}")


if __name__ == "__main__":
    main()
