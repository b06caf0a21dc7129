"""Brings frames to a terminal: only the lines that differ, and only as there is room."""

from collections.abc import Sequence

from vspc.console.ports import Channel

# The alternate screen, cursor hidden, no wrapping (a character may be wider than we think), and
# pastes marked, so that the line end in one attaches to nothing.
_OPEN = b"\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[?2004h\x1b[m\x1b[H\x1b[2J"
_CLEAR = b"\x1b[m\x1b[2J"
# Cleared first: a terminal without an alternate screen has only this one.
_CLOSE = b"\x1b[m\x1b[H\x1b[2J\x1b[?2004l\x1b[?7h\x1b[?25h\x1b[?1049l"


class Painter:
    """Writes to `channel`; what does not fit is written when it has room again (`go_on`)."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._shown: dict[int, bytes] = {}
        self._frame: Sequence[bytes] = ()
        self._prefix = _OPEN
        self.is_open = False

    def forget(self) -> None:
        """The terminal no longer shows what it did."""
        self._shown.clear()
        self._prefix = _CLEAR if self.is_open else _OPEN

    def paint(self, frame: Sequence[bytes]) -> bool:
        """Show `frame`; whether anything is to be written for it."""
        self._frame = frame
        is_new = any(self._shown.get(i) != line for i, line in enumerate(frame))
        self.go_on()
        return is_new

    def go_on(self) -> None:
        """Write what differs. Out of room, the rest stays for the next call."""
        frame = self._frame
        while changed := [i for i, line in enumerate(frame) if self._shown.get(i) != line]:
            room = self._channel.room()
            if room <= 0:
                return
            self._channel.write(self._piece(frame, changed, room))

    def _piece(self, frame: Sequence[bytes], changed: Sequence[int], room: int) -> bytes:
        """Whole lines within `room`, and at least one of anything."""
        piece, self._prefix = self._prefix, b""
        self.is_open = True
        for i in changed:
            if piece and len(piece) + len(frame[i]) > room:
                break
            piece += frame[i]
            self._shown[i] = frame[i]
        return piece

    def close(self) -> bool:
        """Give the terminal back as it was; whether anything was to be done."""
        was_open, self.is_open = self.is_open, False
        self._frame = ()
        if was_open:
            self._channel.write(_CLOSE)
        return was_open
