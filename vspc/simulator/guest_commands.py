"""The commands of a toy guest's shell, in one table at the foot of this file.

Each is a function of the shell and its words that gives back what to print. All of it is the same
in every run: nothing depends on the time of day, a process number or chance.
"""

import hashlib
from collections.abc import Callable, Iterator
from typing import Protocol

from vspc.simulator.guest_terminal import Steps

MOST = 10**9
"""The largest number that a command takes."""

_LINES = 100  # numbered lines in one step

_FLOOD = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ\r\n"

_STEP = _FLOOD * 32


NUMBER = b"%08d"
"""A line of `stream` and `expect`."""

_SHOWN = 60  # bytes of a line that differs


class GuestReader(Protocol):
    """Reads until it has a result."""

    differs: bool
    """The result is a failure: what else is typed belongs to no command."""

    after_cr: bool
    """The last byte may have been the first half of CR LF."""

    def take(self, data: bytearray) -> bytes | None:
        """Consume bytes of `data`; what to print when it has read enough."""


class Sum:
    """`sum N`: the SHA-256 of the next N bytes."""

    differs = False
    after_cr = False

    def __init__(self, count: int) -> None:
        self._left = count
        self._hash = hashlib.sha256()

    def take(self, data: bytearray) -> bytes | None:
        """Hash."""
        piece = data[: self._left]
        del data[: self._left]
        self._hash.update(piece)
        self._left -= len(piece)
        return None if self._left else self._hash.hexdigest().encode()


class Expect:
    """`expect N`: numbered lines from 0 to N-1, each ended by CR, LF or CR LF."""

    after_cr = True

    def __init__(self, count: int) -> None:
        self.differs = False
        self._count = count
        self._next = 0
        self._line = bytearray()

    def take(self, data: bytearray) -> bytes | None:
        """Compare, up to the first difference."""
        while data and self._next < self._count and not self.differs:
            self._byte(data)
        if self.differs:
            return b"differs at line %d: %r" % (self._next, bytes(self._line[:_SHOWN]))
        return b"ok %d" % self._count if self._next == self._count else None

    def _byte(self, data: bytearray) -> None:
        end = min((at for at in (data.find(b"\r"), data.find(b"\n")) if at >= 0), default=-1)
        if end != 0:
            size = end if end > 0 else len(data)
            self._line += data[:size]
            del data[:size]
            self.differs = not (NUMBER % self._next).startswith(bytes(self._line))
            return
        newline = bytes(data[:1]) == b"\n"
        del data[:1]
        if not self._line and newline:
            return  # the second half of CR LF, or an empty line
        self.differs = bytes(self._line) != NUMBER % self._next
        if not self.differs:
            self._line.clear()
            self._next += 1


class Discard:
    """Reads and forgets; the guest ends it after a silence."""

    differs = False
    after_cr = False

    def take(self, data: bytearray) -> bytes | None:
        """Nothing comes of it."""
        data.clear()
        return None


class GuestShell(Protocol):
    """What a command may do to its guest."""

    name: str
    deaf: bool

    def read_with(self, reader: GuestReader) -> None:
        """Raw bytes go to `reader`, from the next one on, until it has a result."""

    def later(self, action: str) -> None:
        """Do "reboot", "poweroff" or "panic" once this is printed."""


class GuestUsageError(Exception):
    """The words after a command make no sense."""


def _number(words: list[str], at: int = 0) -> int:
    if len(words) <= at or not words[at].isascii() or not words[at].isdigit():
        raise GuestUsageError
    number = int(words[at][:12])
    if number > MOST:
        raise GuestUsageError
    return number


def _help(_shell: GuestShell, _words: list[str]) -> Steps:
    for name, (_, usage, text) in COMMANDS.items():
        yield f"{f'{name} {usage}'.strip():22} {text}\r\n".encode()


def _echo(_shell: GuestShell, words: list[str]) -> Steps:
    return [" ".join(words).encode() + b"\r\n"]


def _uname(shell: GuestShell, words: list[str]) -> Steps:
    every = f"Linux {shell.name} 6.1.0-sim #1 SMP x86_64 GNU/Linux\r\n"
    return [every.encode() if "-a" in words else b"Linux\r\n"]


def _hostname(shell: GuestShell, _words: list[str]) -> Steps:
    return [f"{shell.name}\r\n".encode()]


def _count(_shell: GuestShell, words: list[str]) -> Steps:
    return _lines(b"%d\r\n", 1, _number(words) + 1)


def _stream(_shell: GuestShell, words: list[str]) -> Steps:
    count = _number(words)
    if len(words) == 1:
        return _lines(NUMBER + b"\r\n", 0, count)
    rate = _number(words, 1)
    if not rate:
        raise GuestUsageError
    return _paced(count, rate)


def _lines(form: bytes, first: int, end: int) -> Iterator[bytes]:
    for start in range(first, end, _LINES):
        yield b"".join(form % number for number in range(start, min(start + _LINES, end)))


def _paced(count: int, rate: int) -> Iterator[bytes | float]:
    # Ten or more steps a second, each a whole number of lines.
    step = max(1, rate // 100)
    for start in range(0, count, step):
        yield from _lines(NUMBER + b"\r\n", start, min(start + step, count))
        yield step / rate


def _flood(_shell: GuestShell, words: list[str]) -> Steps:
    return _bytes(_number(words))


def _bytes(left: int) -> Iterator[bytes]:
    while left:
        piece = _STEP[:left]
        left -= len(piece)
        yield piece
    yield b"\r\n"


def _sum(shell: GuestShell, words: list[str]) -> Steps:
    count = _number(words)
    if not count:
        raise GuestUsageError
    shell.read_with(Sum(count))
    return [b"reading %d bytes\r\n" % count]


def _expect(shell: GuestShell, words: list[str]) -> Steps:
    count = _number(words)
    if not count:
        raise GuestUsageError
    shell.read_with(Expect(count))
    return [b"expecting %d lines\r\n" % count]


def _sleep_reading(shell: GuestShell, words: list[str]) -> Steps:
    return _deaf(shell, _number(words))


def _deaf(shell: GuestShell, seconds: int) -> Iterator[bytes | float]:
    shell.deaf = True
    yield b"not reading for %d s\r\n" % seconds
    yield float(seconds)
    shell.deaf = False
    yield b"reading again\r\n"


def _reboot(shell: GuestShell, _words: list[str]) -> Steps:
    yield b"The system will reboot now\r\n"
    shell.later("reboot")


def _poweroff(shell: GuestShell, _words: list[str]) -> Steps:
    yield b"The system will power off now\r\n[   99.000000] reboot: Power down\r\n"
    shell.later("poweroff")


def _panic(shell: GuestShell, _words: list[str]) -> Steps:
    yield b"[   99.000000] Kernel panic - not syncing: asked for\r\n"
    yield f"[   99.000001] CPU: 0 PID: 1 Comm: init Hardware name: {shell.name}\r\n".encode()
    yield b"[   99.000002] ---[ end Kernel panic - not syncing: asked for ]---\r\n"
    shell.later("panic")


Run = Callable[[GuestShell, list[str]], Steps]

COMMANDS: dict[str, tuple[Run, str, str]] = {
    "help": (_help, "", "this list"),
    "echo": (_echo, "TEXT", "print TEXT"),
    "uname": (_uname, "[-a]", "the system's name"),
    "hostname": (_hostname, "", "the guest's name"),
    "count": (_count, "N [&]", "lines 1 to N"),
    "stream": (_stream, "N [RATE] [&]", "lines 00000000 to N-1, at most RATE a second"),
    "flood": (_flood, "BYTES [&]", "as many bytes as fast as they go"),
    "sum": (_sum, "N", "SHA-256 of the next N bytes"),
    "hash": (_sum, "N", "the same"),
    "expect": (_expect, "N", "check that lines 00000000 to N-1 are typed"),
    "sleep-reading": (_sleep_reading, "SECONDS", "read nothing for so long"),
    "reboot": (_reboot, "", "start again"),
    "poweroff": (_poweroff, "", "switch off"),
    "panic": (_panic, "", "stop for good"),
}
"""Name to function, usage and help. A final & runs a printing command behind the shell."""
