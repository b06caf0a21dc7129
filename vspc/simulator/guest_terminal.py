"""Output of a toy guest: made as it is sent, never kept in bulk.

What prints is an iterator of bytes, and of numbers: seconds to wait. One strand is in front
(boot, shell, echo), others run behind it and take turns with it.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from vspc.simulator.serial_port import SerialPort

LINE = 4096
"""Bytes of a command line; what is typed beyond rings the bell."""

_RUBOUT = b"\b \b"


Steps = Iterable[bytes | float]

TURN = 64 * 1024
"""Bytes that are printed in one turn of the reactor."""

BEHIND = 8
"""Strands that may run behind."""


class _Strand:
    """Steps in sequence, one or none at a time."""

    def __init__(self, clock: IReactorTime, wake: Callable[[], None]) -> None:
        self._clock = clock
        self._wake = wake
        self._queue: deque[Iterator[bytes | float]] = deque()
        self._sleep: IDelayedCall | None = None

    def __bool__(self) -> bool:
        return bool(self._queue)

    def add(self, steps: Steps) -> None:
        self._queue.append(iter(steps))

    def ready(self) -> bool:
        return bool(self._queue) and self._sleep is None

    def step(self) -> bytes:
        """The next bytes; none when a wait begins, or an iterator ends."""
        try:
            item = next(self._queue[0])
        except StopIteration:
            self._queue.popleft()
            return b""
        if isinstance(item, bytes):
            return item
        self._sleep = self._clock.callLater(item, self._awake)
        return b""

    def clear(self) -> None:
        self._queue.clear()
        if self._sleep is not None:
            self._sleep.cancel()
            self._sleep = None

    def _awake(self) -> None:
        self._sleep = None
        self._wake()


class GuestPrinter:
    """Prints on a port while it has room; calls `idle` whenever the front strand has ended."""

    def __init__(self, clock: IReactorTime, idle: Callable[[], None]) -> None:
        self._clock = clock
        self._idle = idle
        self._port: SerialPort | None = None
        self._front = _Strand(clock, self.pump)
        self._behind: list[_Strand] = []
        self._pumping = False
        self._turn: IDelayedCall | None = None

    @property
    def busy(self) -> bool:
        """Whether something in front is not printed yet."""
        return bool(self._front)

    def attach(self, port: SerialPort | None) -> None:
        """Print here from now on; forget what was to be printed."""
        self.clear()
        self._port = port

    def show(self, steps: Steps) -> None:
        """In front, after what is there."""
        self._front.add(steps)
        self.pump()

    def run_behind(self, steps: Steps) -> bool:
        """Behind; False if there are too many."""
        if len(self._behind) >= BEHIND:
            return False
        strand = _Strand(self._clock, self.pump)
        strand.add(steps)
        self._behind.append(strand)
        self.pump()
        return True

    def interrupt(self) -> None:
        """Drop what is in front."""
        self._front.clear()

    def clear(self) -> None:
        """Drop everything."""
        self._front.clear()
        for strand in self._behind:
            strand.clear()
        self._behind = []
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None

    def pump(self) -> None:
        """Print what there is room for, at most TURN bytes now."""
        if self._pumping or self._port is None:
            return
        self._pumping = True
        try:
            done = self._print(self._port)
        finally:
            self._pumping = False
        if not done and self._turn is None:
            self._turn = self._clock.callLater(0, self._next_turn)

    def _next_turn(self) -> None:
        self._turn = None
        self.pump()

    def _print(self, port: SerialPort) -> bool:
        """False: there is more, and room for it."""
        budget = TURN
        while port.room() > 0:
            ready = [strand for strand in (self._front, *self._behind) if strand.ready()]
            if not ready:
                return True
            if budget <= 0:
                return False
            budget -= sum(self._step(port, strand) for strand in ready)
            self._behind = [strand for strand in self._behind if strand]
            if not self._front:
                self._idle()
        return True

    @staticmethod
    def _step(port: SerialPort, strand: _Strand) -> int:
        data = strand.step() if strand.ready() else b""
        if data:
            port.transmit(data)
        return len(data) + 1  # a step costs something, though it prints nothing


_CR, _LF, _BELL = 0x0D, 0x0A, b"\a"
_ERASE = (0x08, 0x7F)
_KILL, _INTERRUPT = 0x15, 0x03


class LineEditor:
    """Takes keys, gives back what to echo; CR, LF and CR LF are one Enter each."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._after_cr = False

    def reset(self, after_cr: bool = False) -> None:
        """An empty line. `after_cr`: a LF that comes next belongs to the last Enter."""
        self._line.clear()
        self._after_cr = after_cr

    def take(self, keys: bytearray) -> tuple[bytes, str | None]:
        """Consume keys up to Enter or ^C; the echo, and the line that was entered."""
        echo = bytearray()
        for at, key in enumerate(keys):
            if key == _LF and self._after_cr:
                self._after_cr = False
            elif key in (_CR, _LF, _INTERRUPT):
                line = "" if key == _INTERRUPT else self._line.decode("utf-8", "replace")
                echo += b"^C\r\n" if key == _INTERRUPT else b"\r\n"
                self.reset(after_cr=key == _CR)
                del keys[: at + 1]
                return bytes(echo), line
            else:
                self._after_cr = False
                echo += self._key(key)
        keys.clear()
        return bytes(echo), None

    def _key(self, key: int) -> bytes:
        if key in _ERASE:
            return self._erase()
        if key == _KILL:
            shown = len(self._line.decode("utf-8", "replace"))
            self._line.clear()
            return _RUBOUT * shown
        if key < 0x20:
            return b""
        if len(self._line) >= LINE:
            return _BELL
        self._line.append(key)
        return bytes([key])

    def _erase(self) -> bytes:
        if not self._line:
            return b""
        while self._line and self._line.pop() & 0xC0 == 0x80:
            pass  # a character of several bytes goes as one
        return _RUBOUT
