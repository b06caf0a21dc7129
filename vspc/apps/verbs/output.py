"""A verb's coroutine as the program of its channel, and what it prints.

A verb prints as fast as its operator reads: `print` and `room` wait. Its coroutine is cancelled
when the channel closes, and by Control-C from a terminal.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from vspc.console.ports import Channel, Program
from vspc.net.waiting import RunningCoroutine, Wakeup

INTERRUPT = b"\x03"
"""Control-C, where a terminal sends it as a key."""

log = Logger()


class VerbOutput(Program):
    """Standard output of one verb. `written` counts the bytes that the channel took.

    Input is ignored unless a verb sets `reader`, which gets it, and None at its end; it must call
    `Channel.consumed`.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._rest = bytearray()
        self._running: RunningCoroutine | None = None
        self._drained = Wakeup()
        self._begun = False
        self._is_cancelled = False
        self.written = 0
        self.reader: Callable[[bytes | None], None] | None = None

    def run(self, work: Coroutine[Any, Any, None], listens: bool = True) -> None:
        """Run `work` until it has to wait, and then as the program of the channel. Without
        `listens` it is not: another program will be, to which all input is left.
        """
        self._running = RunningCoroutine(self._guard(work))
        if listens and self._running.active():
            self._begin()

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except CancelledError:
            self._channel.finish(1)
        except Exception:
            log.failure("program-failed", address=self._channel.address)
            self._channel.finish(1)

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            self._channel.start(self)

    # Printing

    def put(self, *pieces: bytes) -> None:
        """Print without waiting: what the channel does not take is kept."""
        self._rest += b"".join(pieces)
        self._drain()

    async def print(self, text: str) -> None:
        """Print `text` with the line ends of the operator's terminal; return when it is taken."""
        self.put((text.replace("\n", "\r\n") if self._channel.terminal else text).encode())
        await self.flush()

    async def flush(self) -> None:
        """Wait until all that was printed is taken."""
        while self._rest:
            await self._more_room()

    async def room(self) -> int:
        """Wait until all that was printed is taken and the channel takes more: so many bytes."""
        while self._rest or (room := self._channel.room()) <= 0:
            await self._more_room()
        return room

    @property
    def is_taken(self) -> bool:
        """Whether the channel has taken all that was printed."""
        return not self._rest

    def throw(self, error: Exception) -> None:
        """End the wait of a verb whose output is not taken, with `error`."""
        if self._drained.is_awaited:
            self._drained.throw(error)

    async def _more_room(self) -> None:
        self.listen()
        await self._drained.wait()

    def listen(self) -> None:
        """Be the program of the channel, until another one is. Raises CancelledError."""
        self._begin()
        if self._is_cancelled:  # while the coroutine ran
            raise CancelledError

    def _drain(self) -> None:
        while self._rest and (room := self._channel.room()) > 0:
            piece = bytes(self._rest[:room])
            del self._rest[:room]
            self._channel.write(piece)
            self.written += len(piece)

    # Program

    def drained(self) -> None:
        """Print on."""
        self._drain()
        if self._drained.is_awaited:
            self._drained.set()

    def received(self, data: bytes) -> None:
        """Standard input, or Control-C."""
        if self.reader is not None:
            self.reader(data)
            return
        self._channel.consumed(len(data))
        if INTERRUPT in data and self._channel.terminal is not None:
            self._cancel()

    def ended_input(self) -> None:
        """The end of standard input."""
        if self.reader is not None:
            self.reader(None)

    def closed(self) -> None:
        """Cancel the verb."""
        self._rest.clear()
        self._cancel()

    def _cancel(self) -> None:
        self._is_cancelled = True
        if self._running is not None:
            self._running.cancel()
