"""The channel of a chooser, for a verb: when that ends, the chooser has it again."""

from collections.abc import Callable

from vspc.console.ports import Channel, Program, Terminal

_GO_ON = b"\r\n\x03\x04"


class VerbChannel:
    """A `Channel` whose end is not that of the channel behind it: `ended` is called instead, unless
    that has closed.
    """

    def __init__(self, channel: Channel, ended: Callable[[int], None]) -> None:
        self._channel = channel
        self._ended = ended
        self._is_over = False
        self.is_closed = False

    @property
    def terminal(self) -> Terminal | None:
        return self._channel.terminal

    @property
    def address(self) -> str:
        return self._channel.address

    def start(self, program: Program) -> None:
        self._channel.start(_VerbProgram(self, program))

    def room(self) -> int:
        return 0 if self._is_over else self._channel.room()

    def write(self, data: bytes) -> None:
        self._channel.write(data)

    def write_error(self, data: bytes) -> None:
        self._channel.write_error(data)

    def consumed(self, count: int) -> None:
        self._channel.consumed(count)

    def finish(self, status: int) -> None:
        if self._is_over:
            return
        self._is_over = True
        if self.is_closed:
            self._channel.finish(status)
        else:
            self._ended(status)


class _VerbProgram(Program):
    """The program of the verb, as the channel sees it."""

    def __init__(self, channel: VerbChannel, program: Program) -> None:
        self._channel = channel
        self._program = program

    def received(self, data: bytes) -> None:
        self._program.received(data)

    def ended_input(self) -> None:
        self._program.ended_input()

    def drained(self) -> None:
        self._program.drained()

    def resized(self) -> None:
        self._program.resized()

    def break_requested(self) -> bool:
        return self._program.break_requested()

    def give_back(self) -> bool:
        return self._program.give_back()

    def closed(self) -> None:
        self._channel.is_closed = True
        self._program.closed()


class Pause(Program):
    """Waits for Enter, so that what a verb printed can be read: then `over` is called, once; also
    if input ends. What is typed behind it is dropped.
    """

    def __init__(self, channel: Channel, text: str, over: Callable[[], None]) -> None:
        """Start it on `channel` when it has been made."""
        self._channel = channel
        self._over: Callable[[], None] | None = over
        channel.write_error(f"[{text}; Enter goes back to the list]\r\n".encode())

    def received(self, data: bytes) -> None:
        self._channel.consumed(len(data))
        if any(key in data for key in _GO_ON):
            self.ended_input()

    def ended_input(self) -> None:
        over, self._over = self._over, None
        if over is not None:
            over()

    def closed(self) -> None:
        self._over = None
