"""How long VMOTION-BEGIN waits for its GOAHEAD while 1 MiB is being pasted (law 3: under 100 ms).

A host that has stopped reading is pasted at until nothing moves, then it sends BEGIN and reads.
Real TCP on loopback, the real server; prints milliseconds and the bytes before GOAHEAD, for several
rounds. Run: python benchmarks/goahead.py [ROUNDS]
"""

import socket
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor as the_reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.threads import deferToThread

from vspc.console.access import Operator
from vspc.console.attachment import Attachment
from vspc.console.console import Console
from vspc.console.context import ConsoleContext, Wakeups
from vspc.console.events import EventBus
from vspc.console.history import LIMIT, Budget
from vspc.console.peers import PeerTable
from vspc.console.roster import Roster
from vspc.console.session import Proof, Session
from vspc.net.limits import Refusals
from vspc.net.reactor import ReactorClock
from vspc.vm.lines.vmware import Terms
from vspc.vm.listen import vmware_factory
from vspc.vm.server import LineServer
from vspc.wire.telnet import VMWARE, WILL, negotiation, subnegotiation
from vspc.wire.vmware import (
    DoProxy,
    Suboption,
    VmName,
    VMotionAbort,
    VMotionBegin,
    VmVcUuid,
    encode,
)

reactor: Any = the_reactor
PASTE = 1 << 20
SESSION = Session("bench", Operator("bench"), Proof("local"), "", 0.0)
GOAHEAD = bytes((255, 250, VMWARE, 41))


class Paster:
    """An operator who pastes as fast as he is let."""

    def __init__(self, console: Console) -> None:
        self.left = PASTE
        rights = frozenset({"read", "write"})
        self.attachment: Attachment = console.attach(SESSION, rights, self, 0)
        self.writable()

    def writable(self) -> None:
        """Type what is taken."""
        while self.left and (taken := self.attachment.type(b"p" * min(self.left, 32768)).taken):
            self.left -= taken

    def ready(self) -> None:
        """Nothing is read."""

    def ended(self, reason: str) -> None:
        """Nothing to do."""


def message(suboption: Suboption) -> bytes:
    """On the wire."""
    return subnegotiation(VMWARE, encode(suboption))


def host(port: int, ask: Callable[[], None]) -> tuple[float, int]:
    """One VM that does not read while it is pasted at: ms until GOAHEAD, and bytes before it."""
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(negotiation(WILL, VMWARE) + message(DoProxy(b"S", b"vspc")))
        line.sendall(message(VmVcUuid(b"ab" * 16)) + message(VmName(b"bench")))
        seen = b""
        while message(VmName(b"")) not in seen and b"\x47\xff\xf0" not in seen:
            seen += line.recv(65536)
        ask()
        time.sleep(0.5)  # let the paste run into its bound
        begun = time.perf_counter()
        line.sendall(message(VMotionBegin(b"\x01\x02\x03\x04")))
        read = b""
        while GOAHEAD not in read:
            read += line.recv(65536)
        took = (time.perf_counter() - begun) * 1000
        line.sendall(message(VMotionAbort()))
        return took, read.index(GOAHEAD)


def main() -> None:
    """Run the rounds and print them."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    clock = ReactorClock(reactor)
    events = EventBus(lambda: None)
    wakeups = Wakeups(lambda call: reactor.callLater(0, call) and None, lambda: None)
    roster = Roster(ConsoleContext(clock, Budget(), wakeups, events, LIMIT))
    server = LineServer(roster, PeerTable(), clock, Refusals())
    factory = vmware_factory(server, lambda: Terms(("vspc",), clock.seconds), secure=False)

    def paste() -> None:
        (console,) = roster
        for attachment in list(console.attachments):
            attachment.detach()
        Paster(console)

    def measure(listening: Any) -> Any:
        port = listening.getHost().port

        def all_rounds() -> list[tuple[float, int]]:
            return [host(port, lambda: reactor.callFromThread(paste)) for _ in range(rounds)]

        return deferToThread(all_rounds)

    def show(results: list[tuple[float, int]]) -> None:
        times = [milliseconds for milliseconds, _ in results]
        print(
            f"{rounds} rounds: BEGIN to GOAHEAD ms: median {statistics.median(times):.2f}", end=""
        )
        print(f", max {max(times):.2f}; most bytes before it: {max(b for _, b in results)}")

    done = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(factory)
    done.addCallback(measure).addCallback(show)
    done.addErrback(lambda failure: failure.printTraceback())
    done.addBoth(lambda _: reactor.stop())
    reactor.run()


if __name__ == "__main__":
    main()
