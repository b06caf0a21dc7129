"""A console that a kernel shares with its debugger (kgdb over the console's serial port), as GDB
sees it: only packets of its protocol. `raw --split-break` is to such a line what agent-proxy and
kdmx are to a serial port of one's own: the text of the console stays with the operators on it.
"""

import re
from collections.abc import Iterator

from vspc.apps.forms import BreakKey, Plain, ProgramInput
from vspc.wire.gdb import DebuggerInput, Packet, PacketSplitter

ENTER_DEBUGGER = b"g"
"""What is typed behind a BREAK to stop a Linux kernel in kgdb: the SysRq key."""

_ACKNOWLEDGEMENT = re.compile(rb"\+|-\Z")
"""A `-` is one at the end of what came: the VM waits then. Elsewhere it is text (`link-up`)."""


class SplitBreak(Plain):
    """Out go packets, notifications, and one `+` or `-` for each packet of GDB.

    GDB's first byte has a BREAK and `g` before it, and each interrupt (0x03) outside a packet
    becomes these two: they stop the kernel in kgdb, and are nothing to it if it has stopped
    already. A packet that comes back as it was sent is the echo of a terminal.
    """

    is_debugger = True

    def __init__(self) -> None:
        self._splitter = PacketSplitter()
        self._input = DebuggerInput()
        self._has_begun = False
        self._acknowledged = 0  # packets of GDB

    def output(self, offset: int, data: bytes, at: float | None) -> bytes:
        del offset, at
        return b"".join(self._shown(piece) for piece in self._splitter.feed(data))

    def _shown(self, piece: bytes | Packet) -> bytes:
        if isinstance(piece, Packet):
            return b"" if piece.data == self._input.packet else piece.data
        is_due = self._acknowledged < self._input.count
        found = _ACKNOWLEDGEMENT.search(piece) if is_due else None
        if found is None:
            return b""
        self._acknowledged = self._input.count
        return found[0]

    def typed(self, data: bytes) -> Iterator[ProgramInput]:
        said = b""
        for piece in self._input.feed(data):
            if piece is None or not self._has_begun:
                self._has_begun = True
                yield said
                yield BreakKey()
                said = ENTER_DEBUGGER
            said += piece or b""
        yield said
