"""`state_dir/control`: the operators' verbs for whoever may act as the server on its own machine.

A Unix socket, 0600; who connects must be root or run as the server does. Both ends send frames: a
letter, the length of what follows (32 bits, big-endian), and that. The client begins with `V`: JSON
with the words of the verb, and the terminal if there is one. Then it sends `I` (input), `E` (its
end), `W` (another size) and `B` (a BREAK), the server `O` and `X` (standard output and error), `A`
(so many bytes of input are dealt with) and at the end `S` (the exit status).
"""

import json
import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import define, field
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IPushProducer
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import Logger
from zope.interface import implementer

from vspc.common.state_dir import StateError
from vspc.console.ports import Channel, Program, Terminal

HEAD = struct.Struct(">cI")

FRAME = 64 * 1024
"""Bytes in a frame."""

WINDOW = 64 * 1024
"""Bytes of input that may be under way."""

SIZES = 1000
"""Rows or columns of a terminal."""

CONTROL = "control"
"""The socket's name in state_dir."""

_NO_LOGIN = 0xFFFFFFFF

LONGEST = 100
"""Bytes of a path that a Unix socket takes, about."""

log = Logger()


@define(eq=False)
class Frames:
    """Takes a stream apart."""

    _held: bytearray = field(factory=bytearray, init=False)

    def feed(self, data: bytes) -> "list[tuple[bytes, bytes]]":
        """The whole frames up to now. Raises ValueError for one that is too long."""
        self._held += data
        found = []
        while len(self._held) >= HEAD.size:
            kind, length = HEAD.unpack_from(self._held)
            if length > FRAME:
                raise ValueError("a frame is too long")
            end = HEAD.size + length
            if len(self._held) < end:
                break
            found.append((kind, bytes(self._held[HEAD.size : end])))
            del self._held[:end]
        return found


def frame(kind: bytes, data: bytes = b"") -> bytes:
    """`data`, of any length, as frames."""
    pieces = [data[at : at + FRAME] for at in range(0, len(data), FRAME)] or [b""]
    return b"".join(HEAD.pack(kind, len(piece)) + piece for piece in pieces)


Run = Callable[[Channel, list[str]], Callable[[], None]]
"""Runs the words of a verb on a channel; what it returns is called when the client has gone."""


@implementer(IPushProducer)
class Control(Protocol):
    """One command; `vspc.console.ports.Channel` for the program that it runs."""

    def __init__(self, run: Run, uids: frozenset[int], refused: Callable[[str], None]) -> None:
        self._run = run
        self._uids = uids
        self._refused = refused
        self._frames = Frames()
        self._program: Program | None = None
        self._early = bytearray()
        self._under_way = 0
        self._paused = False
        self._over = False
        self._began = False
        self._left: Callable[[], None] = lambda: None
        self.terminal: Terminal | None = None
        self.address = "local"

    # The connection

    def connectionMade(self) -> None:
        """Look who it is."""
        peer: socket.socket = self.transport.getHandle()  # type: ignore[union-attr]
        credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        pid, uid, _ = struct.unpack("3i", credentials)
        self.address = f"local uid={uid}{_login_uid(pid)}"
        if uid not in self._uids:
            log.warn("control-refused", uid=uid)
            self._refused(self.address)
            self._over = True
            self.transport.abortConnection()  # type: ignore[union-attr]
            return
        self.transport.registerProducer(self, True)  # type: ignore[union-attr]

    def dataReceived(self, data: bytes) -> None:
        """Frames; what makes no sense ends the connection."""
        if self._over:
            return
        try:
            for kind, body in self._frames.feed(data):
                self._heard(kind, body)
        except Exception:  # a defect of ours, or a client that is none: either way this one only
            log.failure("control-failed")
            self.finish(1)

    def _heard(self, kind: bytes, body: bytes) -> None:
        if not self._began:
            self._begin(kind, body)
        elif kind == b"I":
            self._under_way += len(body)
            if self._under_way > 2 * WINDOW:
                raise ValueError("more input than the window has")
            if self._program is None:
                self._early += body
            else:
                self._program.received(body)
        elif self._program is not None:
            self._told(kind, body)

    def _told(self, kind: bytes, body: bytes) -> None:
        assert self._program is not None
        if kind == b"E":
            self._program.ended_input()
        elif kind == b"B":
            self._program.break_requested()
        elif kind == b"W":
            self.terminal = _terminal(json.loads(body))
            self._program.resized()

    def _begin(self, kind: bytes, body: bytes) -> None:
        if kind != b"V":
            raise ValueError("the first frame has no verb")
        facts = json.loads(body)
        words = facts["words"]
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise ValueError("the verb has no words")
        self.terminal = _terminal(facts.get("terminal"))
        self._began = True
        self._left = self._run(self, words)

    def connectionLost(self, reason: Any = None) -> None:
        """The client has gone."""
        self._over = True
        program, self._program = self._program, None
        if program is not None:
            program.closed()
        self._left()

    # `IPushProducer`: the kernel's buffer is full, or has room again

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False
        if self._program is not None and not self._over:
            self._program.drained()

    def stopProducing(self) -> None:
        self._paused = True

    # `Channel`

    def start(self, program: Program) -> None:
        """From now on `program` hears."""
        if self._over:
            program.closed()
            return
        self._program = program
        if self._early:
            early, self._early = bytes(self._early), bytearray()
            program.received(early)

    def room(self) -> int:
        """A frame's worth, unless the client does not read."""
        return 0 if self._paused or self._over else FRAME

    def write(self, data: bytes) -> None:
        """Standard output."""
        self._send(b"O", data)

    def write_error(self, data: bytes) -> None:
        """Standard error; with a terminal it is the same screen."""
        self._send(b"O" if self.terminal is not None else b"X", data)

    def consumed(self, count: int) -> None:
        """As much may be sent again."""
        self._under_way -= count
        self._send(b"A", str(count).encode())

    def finish(self, status: int) -> None:
        """The exit status, and the end."""
        if not self._over:
            self._send(b"S", str(status).encode())
            self._over = True
            self.transport.unregisterProducer()  # type: ignore[union-attr]
            self.transport.loseConnection()  # type: ignore[union-attr]

    def _send(self, kind: bytes, data: bytes) -> None:
        if not self._over:
            self.transport.write(frame(kind, data))  # type: ignore[union-attr]


def _login_uid(pid: int) -> str:
    """As whom the owner of a process logged in, whoever he became since; empty: not known."""
    try:
        number = int(Path(f"/proc/{pid}/loginuid").read_text())
    except (OSError, ValueError):
        return ""
    return "" if number == _NO_LOGIN else f" loginuid={number}"


def _terminal(facts: Any) -> Terminal | None:
    """Raises ValueError, KeyError or TypeError where it makes no sense."""
    if facts is None:
        return None
    columns, rows = int(facts["columns"]), int(facts["rows"])
    return Terminal(
        str(facts["kind"])[:64],
        min(columns, SIZES) if columns > 0 else 80,
        min(rows, SIZES) if rows > 0 else 24,
    )


def listen_locally(
    reactor: Any, state_dir: Path, run: Run, refused: Callable[[str], None]
) -> IListeningPort:
    """Open the socket in `state_dir`, which is ours alone; `refused` hears who is turned away.

    Raises `StateError`.
    """
    path = state_dir / CONTROL
    path.unlink(missing_ok=True)  # of a server that was killed: its lock is ours now
    uids = frozenset({0, os.geteuid(), state_dir.stat().st_uid})
    factory = ControlFactory(run, uids, refused)
    directory = os.open(state_dir, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    # A long path does not fit into a socket's address; one through an open directory does.
    address = (
        str(path) if len(os.fsencode(path)) <= LONGEST else f"/proc/self/fd/{directory}/{CONTROL}"
    )
    try:
        port: IListeningPort = reactor.listenUNIX(address, factory, mode=0o600)
    except CannotListenError as error:
        raise StateError(f"{path}: {error.socketError}") from None
    finally:
        os.close(directory)
    return port


class ControlFactory(Factory):
    """For each connection to the socket."""

    noisy = False

    def __init__(self, run: Run, uids: frozenset[int], refused: Callable[[str], None]) -> None:
        self._run = run
        self._uids = uids
        self._refused = refused

    def buildProtocol(self, addr: Any) -> Control:
        """One of them."""
        del addr
        return Control(self._run, self._uids, self._refused)
