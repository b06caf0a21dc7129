"""What flows between a VM's line and its guest, and stands still while the VM moves."""

from collections.abc import Callable

from vspc.simulator.counters import Counters
from vspc.simulator.host import HostConnection
from vspc.simulator.outlet import ROOM
from vspc.simulator.port import Guest
from vspc.simulator.uart import Uart

HELD_OUTPUT = 256 * 1024
"""Bytes of output kept while the VM stands still. A guest is told to wait before."""


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
        """The guest may read again."""
        self.feed()

    # Output.

    def room(self) -> int:
        """Bytes that the guest may send now. Without a line: any, and nobody hears them."""
        if self.still:
            return 0
        return self.line.room() if self.line is not None and self.up else ROOM

    def transmit(self, data: bytes) -> None:
        """Output of the guest."""
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

    def send_break(self, com_port: bool) -> bool:
        """A BREAK from the guest; False if it cannot be said on this line now."""
        if self.line is None or not self.up or self.still:
            return False
        return self.line.send_break(com_port)

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
            "com_port_unanswered": sorted(line.com_port.unanswered) if line else [],
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
        """The guest has shut down."""
        self._power_off()
