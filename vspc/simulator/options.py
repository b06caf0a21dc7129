"""Which telnet options are on, and what to answer: RFC 854 and RFC 1143, the simple part.

The VM offers three options in its life and agrees to a few; it never asks for one (DO) itself, so
no question of its own can cross the same one from the proxy.
"""

from enum import Enum, auto

from vspc.simulator.wire import BINARY, DO, DONT, ECHO, SGA, WILL, WONT, negotiate


class Change(Enum):
    """What a message changed on the VM's own side."""

    NOTHING = auto()
    ON = auto()
    OFF = auto()
    REFUSED = auto()


_AGREED_OURS = frozenset({BINARY, SGA})
_AGREED_THEIRS = frozenset({BINARY, ECHO, SGA})


class TelnetOptions:
    """One connection's options: `ours` (WILL/DO) and `theirs` (DO/WILL) are those that are on."""

    def __init__(self) -> None:
        self.ours: set[int] = set()
        self.theirs: set[int] = set()
        self._offered: set[int] = set()

    def offer(self, option: int) -> bytes:
        """WILL, to be answered."""
        self._offered.add(option)
        return negotiate(WILL, option)

    def forget(self) -> None:
        """TLS has begun: what was agreed in clear may be agreed again."""
        self.ours.clear()
        self.theirs.clear()

    def heard(self, verb: int, option: int) -> tuple[bytes, Change]:
        """What to answer to a message, and what it changed on our side."""
        if verb == DO:
            return self._do(option)
        if verb == DONT:
            return self._dont(option)
        return (self._will(option) if verb == WILL else self._wont(option)), Change.NOTHING

    def _do(self, option: int) -> tuple[bytes, Change]:
        if option in self.ours:
            return b"", Change.NOTHING
        if option in self._offered:
            self._offered.discard(option)
            self.ours.add(option)
            return b"", Change.ON
        if option in _AGREED_OURS:
            self.ours.add(option)
            return negotiate(WILL, option), Change.ON
        return negotiate(WONT, option), Change.NOTHING

    def _dont(self, option: int) -> tuple[bytes, Change]:
        if option in self._offered:
            self._offered.discard(option)
            return b"", Change.REFUSED
        if option in self.ours:
            self.ours.discard(option)
            return negotiate(WONT, option), Change.OFF
        return b"", Change.NOTHING

    def _will(self, option: int) -> bytes:
        if option in self.theirs:
            return b""
        if option in _AGREED_THEIRS:
            self.theirs.add(option)
            return negotiate(DO, option)
        return negotiate(DONT, option)

    def _wont(self, option: int) -> bytes:
        if option not in self.theirs:
            return b""
        self.theirs.discard(option)
        return negotiate(DONT, option)
