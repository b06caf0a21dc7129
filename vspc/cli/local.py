"""`vspc VERB`: a verb for the server on this machine, through its control socket.

The server does all the work; this end moves bytes until there is an exit status.
"""

import errno
import json
import math
import os
import selectors
import shutil
import signal
import socket
import sys
import termios
import time
import tty
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from vspc.doors.control import CONTROL, FRAME, WINDOW, FrameReceiver, frame, socket_address

ANSWER_TIMEOUT = 30.0
"""Seconds that a server may take for a piece of an answer to a program."""


class NoServer(Exception):
    """No server has the state_dir; the text says why."""


def run(state_dir: Path, words: list[str]) -> int:
    """Send the verb `words` to the server that has `state_dir`; the verb's exit status. Raises
    `NoServer`.
    """
    try:
        connection = _connect(state_dir)
    except OSError as error:
        reason = f"no server answers at {state_dir / CONTROL}: {error.strerror}"
        raise NoServer(reason) from None
    with connection, _RawTerminal(sys.stdin.isatty() and sys.stdout.isatty()) as terminal:
        return _Client(connection, terminal).talk(words)


def _connect(state_dir: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    directory = os.open(state_dir, os.O_PATH | os.O_DIRECTORY)
    try:
        connection.connect(socket_address(state_dir, directory))
    finally:
        os.close(directory)
    return connection


def _verb(words: list[str], terminal: dict[str, object] | None) -> bytes:
    return frame(b"V", json.dumps({"words": words, "terminal": terminal}).encode())


def ask(
    state_dir: Path,
    words: list[str],
    timeout: float = ANSWER_TIMEOUT,
    in_all: float = math.inf,
) -> tuple[int, bytes]:
    """The exit status and the standard output of the verb `words`, without a terminal or input.

    Raises OSError if no server answers within `timeout` seconds (each piece), or not all within
    `in_all`, and for a malformed answer.
    """
    output, status = bytearray(), list[int]()
    deadline = time.monotonic() + in_all

    def received(kind: bytes, data: bytes) -> None:
        if kind == b"O":
            output.extend(data)
        elif kind == b"S":
            status.append(int(data))

    frames = FrameReceiver(received)
    with _connect(state_dir) as connection:
        connection.settimeout(timeout)
        connection.sendall(_verb(words, None) + frame(b"E"))
        while not status and (data := connection.recv(FRAME)):
            try:
                frames.dataReceived(data)  # type: ignore[no-untyped-call]
            except ValueError:
                raise OSError(errno.EPROTO, os.strerror(errno.EPROTO)) from None
            if time.monotonic() > deadline:
                raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
    if not status:
        raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
    return status[0], bytes(output)


class _RawTerminal:
    """The terminal, if `is_one`: while this is entered it passes on each key."""

    def __init__(self, is_one: bool) -> None:
        self.is_one = is_one
        self._before = termios.tcgetattr(sys.stdin) if is_one else None

    def __enter__(self) -> "_RawTerminal":
        if self.is_one:
            tty.setraw(sys.stdin)
        return self

    def __exit__(self, *_error: object) -> None:
        if self._before is not None:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._before)

    def suspend(self) -> None:
        """Stop this process, as Control-Z does for others; return when it is continued."""
        self.__exit__()
        os.kill(os.getpid(), signal.SIGTSTP)
        tty.setraw(sys.stdin, termios.TCSADRAIN)  # what was typed ahead is not dropped


class _Client:
    """Moves bytes between a terminal, or pipes, and the server until there is a status."""

    def __init__(self, connection: socket.socket, terminal: _RawTerminal) -> None:
        self._connection = connection
        self._terminal = terminal
        self._frames = FrameReceiver(self._received)
        self._window = WINDOW
        self._selector = selectors.DefaultSelector()
        self._reading = False
        self._status: int | None = None

    def talk(self, words: list[str]) -> int:
        """The exit status; 1 if the server ends without one."""
        self._send(_verb(words, self._size() if self._terminal.is_one else None))
        self._selector.register(self._connection, selectors.EVENT_READ, self._hear)
        self._read(True)
        if self._terminal.is_one:
            self._watch_size()
        while self._status is None:
            for key, _ in self._selector.select():
                call: Callable[[], None] = key.data
                call()
        return self._status

    def _size(self) -> dict[str, object]:
        size = shutil.get_terminal_size()
        return {
            "kind": os.environ.get("TERM", "dumb"),
            "columns": size.columns,
            "rows": size.lines,
        }

    def _watch_size(self) -> None:
        """Not in a signal handler, whose frame could be written into the midst of another one."""
        woken, waker = socket.socketpair()
        waker.setblocking(False)
        signal.signal(signal.SIGWINCH, lambda _number, _frame: None)
        signal.set_wakeup_fd(waker.detach(), warn_on_full_buffer=False)
        self._selector.register(woken, selectors.EVENT_READ, partial(self._resized, woken))

    def _resized(self, woken: socket.socket) -> None:
        woken.recv(FRAME)
        self._send_size()

    def _send_size(self) -> None:
        self._send(frame(b"W", json.dumps(self._size()).encode()))

    def _send(self, data: bytes) -> None:
        # If the server has closed it, its last frames are still to be read.
        with suppress(BrokenPipeError, ConnectionResetError):
            self._connection.sendall(data)

    def _read(self, wanted: bool) -> None:
        """Whether standard input is read: not while the window is full."""
        if wanted == self._reading:
            return
        self._reading = wanted
        if wanted:
            try:
                self._selector.register(sys.stdin, selectors.EVENT_READ, self._type)
            except PermissionError:  # epoll does not take a plain file, which is always ready
                self._type_all()
        else:
            self._selector.unregister(sys.stdin)

    def _type(self) -> None:
        data = os.read(sys.stdin.fileno(), min(self._window, FRAME))
        if not data:
            self._read(False)
            self._reading = True  # so that it is never registered again
            self._send(frame(b"E"))
            return
        self._send(frame(b"I", data))
        self._window -= len(data)
        if self._window <= 0:
            self._read(False)

    def _type_all(self) -> None:
        self._reading = False
        while self._window > 0 and (data := os.read(sys.stdin.fileno(), min(self._window, FRAME))):
            self._send(frame(b"I", data))
            self._window -= len(data)
        if self._window > 0:
            self._send(frame(b"E"))
            self._reading = True

    def _hear(self) -> None:
        data = self._connection.recv(FRAME)
        if not data:
            self._fail("the server has closed the connection")
            return
        try:
            self._frames.dataReceived(data)  # type: ignore[no-untyped-call]
        except ValueError:  # a server that was started before an upgrade
            self._fail("malformed answer; restart the server")

    def _fail(self, why: str) -> None:
        print(f"vspc: {why}", file=sys.stderr)
        self._status = 1

    def _received(self, kind: bytes, data: bytes) -> None:
        if kind == b"O":
            self._print(1, data)
        elif kind == b"X":
            self._print(2, data)
        elif kind == b"A":
            self._window += int(data)
            self._read(True)
        elif kind == b"S":
            self._status = int(data)
        elif kind == b"Z" and self._terminal.is_one:
            self._terminal.suspend()
            self._send_size()

    def _print(self, descriptor: int, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        except BrokenPipeError:  # the reader of our output has seen enough
            self._status = 1
