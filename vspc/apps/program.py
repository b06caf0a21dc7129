"""What a program on a channel can do without: a size, a BREAK, room, the end of input."""

from collections.abc import Iterable

from vspc.console.ports import Channel


class NoScreen:
    """The half of `vspc.console.ports.Program` that only a console needs."""

    def ended_input(self) -> None:
        """Output goes on."""

    def drained(self) -> None:
        """Nothing waits for room."""

    def give_back(self) -> bool:
        """Lines only were written."""
        return False

    def resized(self) -> None:
        """Lines are as long as they are."""

    def break_requested(self) -> bool:
        """There is nobody to break."""
        return False


class Spool:
    """Bytes on their way to `channel`, as it takes them; bounded by who looks at `room`."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._rest = bytearray()
        self.written = 0
        """Bytes that the channel took."""

    def __bool__(self) -> bool:
        """Whether there is anything left."""
        return bool(self._rest)

    def room(self) -> int:
        """Bytes worth printing now: none while something is left."""
        return 0 if self._rest else self._channel.room()

    def print(self, pieces: Iterable[bytes]) -> None:
        """Write `pieces`, or keep what is not taken."""
        for piece in pieces:
            self._rest += piece
        self.drain()

    def drain(self) -> None:
        """Write what is left."""
        while self._rest and (room := self._channel.room()) > 0:
            piece = bytes(self._rest[:room])
            del self._rest[:room]
            self._channel.write(piece)
            self.written += len(piece)
