"""What flows between a VM's line and its guest, and stands still while the VM moves."""

import hashlib
from collections import deque
from collections.abc import Callable
from typing import Protocol

from attrs import asdict, frozen

from vspc.simulator.comport import BREAK, ComPort
from vspc.simulator.host import HostConnection
from vspc.simulator.transport import ROOM

FIFO = 4096
"""Bytes that the host takes while the guest does not read; then it stops reading its socket."""

HELD_OUTPUT = 256 * 1024
"""Bytes of output kept while the VM stands still; `room` is 0 then."""


REPORTS = 100
"""Migrations that a VM remembers."""


@frozen
class MigrationReport:
    """How one vMotion went. Times in milliseconds.

    `outcome` is "moved", "notnow", or "failed", then with a `reason`. `bytes_before_goahead`
    came in between VMOTION-BEGIN and its answer. What came on the source after that answer, or on
    the target before VMOTION-COMPLETE, ought to be 0: a proxy has to hold it back. `credential` is
    what VMOTION-GOAHEAD brought, in hex.
    """

    outcome: str
    reason: str
    source: str
    target: str
    milliseconds: int
    goahead_milliseconds: int
    bytes_before_goahead: int
    bytes_after_goahead: int
    bytes_before_complete: int
    credential: str = ""


class CountedStream:
    """Bytes of one direction: how many, and their SHA-256."""

    def __init__(self) -> None:
        self.size = 0
        self._hash = hashlib.sha256()

    def add(self, data: bytes) -> None:
        """Bytes that went by."""
        self.size += len(data)
        self._hash.update(data)

    @property
    def sha256(self) -> str:
        """Of all bytes so far, in hex."""
        return self._hash.hexdigest()


class Counters:
    """Of one VM, since it was made: `into` the VM and `out` of it, over all its connections."""

    def __init__(self) -> None:
        self.into = CountedStream()
        self.out = CountedStream()
        self.dropped = 0  # output while no line was up
        self.breaks = 0
        self.lines = 0
        self.moves = 0
        self.reports: deque[MigrationReport] = deque(maxlen=REPORTS)

    def moved(self, report: MigrationReport) -> None:
        """A migration is over."""
        self.moves += report.outcome == "moved"
        self.reports.append(report)

    def facts(self) -> dict[str, object]:
        """As `stats` prints it."""
        return {
            "bytes_in": self.into.size,
            "sha256_in": self.into.sha256,
            "bytes_out": self.out.size,
            "sha256_out": self.out.sha256,
            "bytes_dropped": self.dropped,
            "breaks": self.breaks,
            "lines": self.lines,
            "moves": self.moves,
            "bytes_before_goahead": sum(r.bytes_before_goahead for r in self.reports),
            "migrations": [asdict(report) for report in self.reports],
        }


class Uart:
    """Bytes and BREAKs in the order in which they came."""

    def __init__(self) -> None:
        self._items: deque[bytes] = deque()  # an empty one is a BREAK
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __bool__(self) -> bool:
        return bool(self._items)

    def room(self) -> int:
        """Bytes that the FIFO still takes."""
        return max(0, FIFO - self._size)

    def push(self, data: bytes) -> None:
        """Bytes from the host."""
        if data:
            self._items.append(data)
            self._size += len(data)

    def push_break(self) -> None:
        """A BREAK, at its place between the bytes; one that follows another at once is the same."""
        if not self._items or self._items[-1]:
            self._items.append(b"")

    def break_next(self) -> bool:
        """Whether a BREAK comes next; if so it is taken out."""
        if self._items and not self._items[0]:
            self._items.popleft()
            return True
        return False

    def pop(self, limit: int) -> bytes:
        """At most `limit` bytes, up to the next BREAK."""
        if limit <= 0 or not self._items or not self._items[0]:
            return b""
        data = self._items.popleft()
        if len(data) > limit:
            self._items.appendleft(data[limit:])
            data = data[:limit]
        self._size -= len(data)
        return data

    def clear(self) -> None:
        """Power off."""
        self._items.clear()
        self._size = 0


class SerialPort(Protocol):
    """The guest's serial port, as its guest sees it."""

    def room(self) -> int:
        """Bytes that may be sent now. 0: wait for `Guest.writable`."""

    def transmit(self, data: bytes) -> None:
        """Output of the guest."""

    def readable(self) -> None:
        """`Guest.wants` may have grown."""

    def powered_off(self) -> None:
        """The guest has shut down."""


class Guest(Protocol):
    """What runs inside a VM."""

    def boot(self, port: SerialPort) -> None:
        """Power on."""

    def stop(self) -> None:
        """Power off, at once."""

    def reboot(self) -> bool:
        """The reset button; False if there is none."""

    def wants(self) -> int:
        """Bytes that the guest would read now."""

    def read(self, data: bytes) -> None:
        """At most `wants` bytes, typed at it."""

    def break_received(self) -> None:
        """A BREAK on its line."""

    def writable(self) -> None:
        """`SerialPort.room` may have grown."""


class Flow:
    """The serial port of one VM, as its guest sees it.

    The VM sets `line` (None while there is none), `up` once it may carry data, `running` while the
    guest runs, and `still` during a vMotion.
    """

    def __init__(self, guest: Guest, counters: Counters, power_off: Callable[[], object]) -> None:
        self.uart = Uart()
        self.line: HostConnection | None = None
        self.up = False
        self.running = False
        self.still = False
        self._guest = guest
        self._counters = counters
        self._power_off = power_off
        self._held = bytearray()
        self._feeding = False

    # Input.

    def take(self, data: bytes) -> None:
        """Input from the proxy for the guest, into its UART."""
        self._counters.into.add(data)
        self.uart.push(data)

    def feed(self) -> None:
        """Let the guest read, and the host read on."""
        if self._feeding:
            return
        self._feeding = True
        try:
            while self.running and not self.still and self._feed_one():
                self._read_on()
        finally:
            self._feeding = False

    def _feed_one(self) -> bool:
        if self.uart.break_next():
            self._guest.break_received()
            return True
        data = self.uart.pop(self._guest.wants())
        if data:
            self._guest.read(data)
        return bool(data)

    def _read_on(self) -> None:
        if self.line is not None:
            self.line.run()

    def readable(self) -> None:
        self.feed()

    # Output.

    def room(self) -> int:
        """Bytes that the guest may send now. Without a line: any, and they are dropped."""
        if self.still:
            return 0
        return self.line.room() if self.line is not None and self.up else ROOM

    def transmit(self, data: bytes) -> None:
        if not self.still:
            self._send(data)
        elif len(self._held) + len(data) <= HELD_OUTPUT:
            self._held += data
        else:
            self._counters.dropped += len(data)

    def _send(self, data: bytes) -> None:
        if self.line is None or not self.up:
            self._counters.dropped += len(data)
            return
        self._counters.out.add(data)
        self.line.send(data)

    @property
    def ready(self) -> HostConnection | None:
        """The line, if its guest can say anything on it now."""
        return self.line if self.up and not self.still else None

    def send_break(self, plain: bool = True, com_port: bool = False) -> bool:
        """A BREAK from the guest, as IAC BRK, by RFC 2217, or both; False if that cannot be now."""
        line = self.ready
        if line is None or (com_port and not line.say_com_port(*BREAK)):
            return False
        if plain:
            line.send_break()
        return True

    def writable(self) -> None:
        """The line has room again."""
        if self.running and not self.still:
            self._guest.writable()

    # The VM.

    def facts(self) -> dict[str, object]:
        """The port and its line, as `stats` prints them."""
        line = self.line
        return {
            "unread": len(self.uart),
            "options_vm": sorted(line.options.ours) if line else [],
            "options_proxy": sorted(line.options.theirs) if line else [],
            **(line.com_port if line else ComPort()).facts(),
        }

    def resume(self) -> None:
        """Go on, on the present line: what waited first."""
        held = bytes(self._held)
        self._held.clear()
        if held:
            self._send(held)
        self.writable()
        self.feed()
        self._read_on()

    def clear(self) -> None:
        """Power off."""
        self.uart.clear()
        self._held.clear()
        self.line = None
        self.running = self.up = self.still = False

    def powered_off(self) -> None:
        self._power_off()
