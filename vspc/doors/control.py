"""`state_dir/control`: the operators' verbs for root and the server's user on its own machine.

A Unix socket, mode 0600, whose peer's uid is checked. Both ends send frames: the length of what
follows (32 bits, big-endian), a letter, and data. The client begins with `V`: JSON with the words
of the verb, and the terminal if there is one. Then it sends `I` (input), `E` (end of input), `W`
(window size) and `B` (a BREAK), the server `O` and `X` (standard output and error), `A` (bytes of
input that are consumed), `Z` (suspend yourself) and at the end `S` (the exit status).
"""

import json
import os
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IPushProducer
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.protocols.basic import Int32StringReceiver
from zope.interface import implementer

from vspc.common.state_dir import StateError
from vspc.console.ports import Channel, Program, Terminal
from vspc.doors.peers import local_peer

CONTROL = "control"
"""The socket's name in state_dir."""

FRAME = 64 * 1024
"""Bytes of data in a frame."""

WINDOW = 64 * 1024
"""Bytes of input that may be sent and not yet consumed."""

PATH_LIMIT = 100
"""Bytes of a path that the address of a Unix socket takes, about."""

_LENGTH = struct.Struct(">I")
_SIZE_LIMIT = 1000

_MALFORMED = (ValueError, LookupError, TypeError, OverflowError, RecursionError)
"""What a frame raises that is not as it should be; JSON may have infinities, and be deep."""

log = Logger()


class FrameReceiver(Int32StringReceiver):
    """Takes a stream apart; raises ValueError for a frame that is too long."""

    MAX_LENGTH = 1 + FRAME
    """Bytes of a frame, its kind included."""

    def __init__(self, received: Callable[[bytes, bytes], None]) -> None:
        """`received(letter, data)` is called for each frame."""
        self._received = received

    def stringReceived(self, string: bytes) -> None:
        """A whole frame."""
        self._received(string[:1], string[1:])

    def lengthLimitExceeded(self, length: int) -> None:
        """A frame claims to be longer than it may be."""
        raise ValueError(f"a frame of {length} bytes")


def frame(kind: bytes, data: bytes = b"") -> bytes:
    """`data`, of any length, as frames."""
    pieces = [data[at : at + FRAME] for at in range(0, len(data), FRAME)] or [b""]
    return b"".join(_LENGTH.pack(1 + len(piece)) + kind + piece for piece in pieces)


def socket_address(state_dir: Path, directory: int) -> str:
    """The socket's address. `directory` is `state_dir`, open: a path through it is short."""
    path = state_dir / CONTROL
    if len(os.fsencode(path)) <= PATH_LIMIT:
        return str(path)
    return f"/proc/self/fd/{directory}/{CONTROL}"


Run = Callable[[Channel, list[str]], Callable[[], None]]
"""Runs the words of a verb on a channel; what it returns is called when the client has left."""


@implementer(IPushProducer)
class ControlChannel(FrameReceiver):
    """One command: `vspc.console.ports.Channel` for the program that it runs."""

    transport: Any

    def __init__(self, run: Run, uids: frozenset[int], refused: Callable[[str], None]) -> None:
        super().__init__(self._frame)
        self._run = run
        self._uids = uids
        self._refused = refused
        self._program: Program | None = None
        self._early = bytearray()
        self._input_ended = False
        self._unconsumed = 0
        self._paused = False
        self._over = False
        self._began = False
        self._left: Callable[[], None] = lambda: None
        self.terminal: Terminal | None = None
        self.address = "local"

    # The connection

    def connectionMade(self) -> None:
        """Check the peer's uid."""
        uid, self.address = local_peer(self.transport)
        if uid not in self._uids:
            log.warn("control-refused", uid=uid)
            self._refused(self.address)
            self._over = True
            self.transport.abortConnection()
            return
        self.transport.registerProducer(self, True)

    def dataReceived(self, data: bytes) -> None:
        """Frames; anything else ends the connection."""
        if self._over:
            return
        try:
            super().dataReceived(data)  # type: ignore[no-untyped-call]
        except _MALFORMED as error:
            log.warn("control-failed", address=self.address, reason=f"malformed frame: {error}")
            self.finish(1)

    def _frame(self, kind: bytes, data: bytes) -> None:
        if self._over:
            return
        if not self._began:
            self._begin(kind, data)
        elif kind == b"I":
            self._type(data)
        elif kind == b"E":
            self._input_ended = True
            self._call(lambda program: program.ended_input())
        elif kind == b"B":
            self._call(lambda program: program.break_requested())
        elif kind == b"W":
            self.terminal = _terminal(json.loads(data))
            self._call(lambda program: program.resized())

    def _call(self, call: Callable[[Program], object]) -> None:
        """Call the program, if one runs. One that raises ends this connection and no other."""
        if self._program is None:
            return
        try:
            call(self._program)
        except Exception:
            log.failure("control-failed")
            self.finish(1)

    def _begin(self, kind: bytes, data: bytes) -> None:
        if kind != b"V":
            raise ValueError("the first frame is not a verb")
        request = json.loads(data)
        words = request.get("words") if isinstance(request, dict) else None
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise ValueError("the words of the verb are not a list of strings")
        self.terminal = _terminal(request.get("terminal"))
        self._began = True
        self._left = self._run(self, words)

    def _type(self, data: bytes) -> None:
        self._unconsumed += len(data)
        if self._unconsumed > 2 * WINDOW:
            raise ValueError("input beyond the window")
        if self._program is None:
            self._early += data
        else:
            self._call(lambda program: program.received(data))

    def connectionLost(self, reason: Any = None) -> None:
        """The client has left."""
        self._over = True
        self._call(lambda program: program.closed())
        self._program = None
        self._left()

    # `IPushProducer`: the kernel's buffer is full, or has room again

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False
        if not self._over:
            self._call(lambda program: program.drained())

    def stopProducing(self) -> None:
        self._paused = True

    # `Channel`

    def start(self, program: Program) -> None:
        """Run `program`; it gets what was typed before."""
        if self._over:
            program.closed()
            return
        self._program = program
        if self._early:
            early, self._early = bytes(self._early), bytearray()
            self._call(lambda program: program.received(early))
        if self._input_ended and self._program is program:
            self._call(lambda program: program.ended_input())

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
        self._unconsumed -= count
        self._send(b"A", str(count).encode())

    def finish(self, status: int) -> None:
        """The exit status, and the end."""
        if not self._over:
            self._send(b"S", str(status).encode())
            self._over = True
            self.transport.unregisterProducer()
            self.transport.loseConnection()

    def suspend(self) -> None:
        """The client stops until its shell continues it."""
        self._send(b"Z", b"")

    def _send(self, kind: bytes, data: bytes) -> None:
        if not self._over:
            self.transport.write(frame(kind, data))


def _terminal(described: Any) -> Terminal | None:
    """A terminal as the client describes it; raises what `_MALFORMED` has."""
    if described is None:
        return None
    columns, rows = int(described["columns"]), int(described["rows"])
    return Terminal(
        str(described["kind"])[:64],
        min(columns, _SIZE_LIMIT) if columns > 0 else 80,
        min(rows, _SIZE_LIMIT) if rows > 0 else 24,
    )


def listen_locally(
    reactor: Any, state_dir: Path, run: Run, refused: Callable[[str], None]
) -> IListeningPort:
    """Open the socket in `state_dir`, which is ours alone; `refused` gets the address of a client
    of another user. Raises `StateError`.
    """
    path = state_dir / CONTROL
    path.unlink(missing_ok=True)  # of a server that was killed: its lock is ours now
    uids = frozenset({0, os.geteuid(), state_dir.stat().st_uid})
    factory = Factory.forProtocol(partial(ControlChannel, run, uids, refused))
    factory.noisy = False
    directory = os.open(state_dir, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        address = socket_address(state_dir, directory)
        port: IListeningPort = reactor.listenUNIX(address, factory, mode=0o600)
    except CannotListenError as error:
        raise StateError(f"{path}: {error.socketError}") from None
    finally:
        os.close(directory)
    return port
