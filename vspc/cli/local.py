"""`vspc VERB ...`: the other end of `vspc.doors.control`, in an administrator's shell."""

import errno
import json
import os
import selectors
import shutil
import signal
import socket
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from vspc.doors.control import CONTROL, FRAME, LONGEST, WINDOW, Frames, frame

ANSWER = 30.0
"""Seconds that a server may take for a piece of an answer that no person waits for."""


def run(state_dir: Path, words: list[str]) -> int:
    """Say `words` to the server that has `state_dir`; the verb's exit status."""
    try:
        connection = _connect(state_dir)
    except OSError as error:
        print(
            f"vspc: no server answers at {state_dir / CONTROL}: {error.strerror}", file=sys.stderr
        )
        return 1
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    with connection, _raw(terminal):
        return _Client(connection, terminal).talk(words)


def _connect(state_dir: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    path = state_dir / CONTROL
    if len(os.fsencode(path)) <= LONGEST:
        connection.connect(str(path))
        return connection
    # A long path does not fit into a socket's address; one through an open directory does.
    directory = os.open(state_dir, os.O_PATH | os.O_DIRECTORY)
    try:
        connection.connect(f"/proc/self/fd/{directory}/{CONTROL}")
    finally:
        os.close(directory)
    return connection


def ask(state_dir: Path, words: list[str], timeout: float = ANSWER) -> tuple[int, bytes]:
    """The exit status and the standard output of `words`, said without a terminal or input.

    Raises OSError if no server answers within `timeout` seconds.
    """
    with _connect(state_dir) as connection:
        connection.settimeout(timeout)
        facts = {"words": words, "terminal": None}
        connection.sendall(frame(b"V", json.dumps(facts).encode()) + frame(b"E"))
        frames, said = Frames(), bytearray()
        while data := connection.recv(FRAME):
            for kind, body in frames.feed(data):
                if kind == b"O":
                    said += body
                elif kind == b"S":
                    return int(body), bytes(said)
    raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))


@contextmanager
def _raw(terminal: bool) -> Iterator[None]:
    """Keys go to the server as they are."""
    if not terminal:
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    tty.setraw(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


class _Client:
    """Moves bytes between a terminal, or pipes, and the server until there is a status."""

    def __init__(self, connection: socket.socket, terminal: bool) -> None:
        self._connection = connection
        self._terminal = terminal
        self._frames = Frames()
        self._window = WINDOW
        self._selector = selectors.DefaultSelector()
        self._reading = False
        self._status: int | None = None

    def talk(self, words: list[str]) -> int:
        """The exit status; 1 if the server goes without one."""
        facts = {"words": words, "terminal": self._size() if self._terminal else None}
        self._send(frame(b"V", json.dumps(facts).encode()))
        self._selector.register(self._connection, selectors.EVENT_READ, self._hear)
        self._read(True)
        if self._terminal:
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
        """A handler of its own would write its frame into the midst of another one."""
        woken, waker = socket.socketpair()
        waker.setblocking(False)
        signal.signal(signal.SIGWINCH, lambda _number, _frame: None)
        signal.set_wakeup_fd(waker.detach(), warn_on_full_buffer=False)
        self._selector.register(woken, selectors.EVENT_READ, partial(self._resized, woken))

    def _resized(self, woken: socket.socket) -> None:
        woken.recv(FRAME)
        self._send(frame(b"W", json.dumps(self._size()).encode()))

    def _send(self, data: bytes) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # its last words are still to be read
            self._connection.sendall(data)

    def _read(self, wanted: bool) -> None:
        """Whether standard input is read: not while the server has enough of it."""
        if wanted == self._reading:
            return
        self._reading = wanted
        if wanted:
            try:
                self._selector.register(sys.stdin, selectors.EVENT_READ, self._type)
            except PermissionError:  # a plain file is always ready, and epoll does not take it
                self._type_all()
        else:
            self._selector.unregister(sys.stdin)

    def _type(self) -> None:
        data = os.read(sys.stdin.fileno(), min(self._window, FRAME))
        if not data:
            self._read(False)
            self._reading = True  # it is never read again
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
            print("vspc: the server has gone", file=sys.stderr)
            self._status = 1
            return
        for kind, body in self._frames.feed(data):
            if kind == b"O":
                self._print(1, body)
            elif kind == b"X":
                self._print(2, body)
            elif kind == b"A":
                self._window += int(body)
                self._read(True)
            elif kind == b"S":
                self._status = int(body)

    def _print(self, descriptor: int, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        except BrokenPipeError:  # whoever reads has seen enough
            self._status = 1
