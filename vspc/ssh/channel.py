"""One channel as a program's `vspc.console.ports.Channel`: windows, flow and the end.

Output: what the window and the transport do not take now is kept, at most `OUTBOX_LIMIT` bytes;
a program that writes beyond it has not looked at `room` and loses its channel. Input: at most
`WINDOW` bytes are under way until the program says `consumed`. A program that raises ends with
status 1 and one traceback of ours; no other is affected.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.conch.ssh.channel import SSHChannel
from twisted.conch.ssh.connection import (
    MSG_CHANNEL_CLOSE,
    MSG_CHANNEL_DATA,
    MSG_CHANNEL_EOF,
    MSG_CHANNEL_EXTENDED_DATA,
    MSG_CHANNEL_WINDOW_ADJUST,
)
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from vspc.console.logins import Request
from vspc.console.ports import Program, Terminal
from vspc.ssh import limits
from vspc.ssh.quiet import quiet
from vspc.wire.ssh import MalformedSsh, SshReader, string, uint32

if TYPE_CHECKING:
    from vspc.ssh.connection import SshConnection
from collections import deque

STDOUT = 0
STDERR = 1
"""RFC 4254 section 5.2 calls it SSH_EXTENDED_DATA_STDERR."""


class Outbox:
    """First in, first out; neighbours of one stream become one piece."""

    __slots__ = ("_pieces", "held", "limit")

    def __init__(self, limit: int) -> None:
        self._pieces: deque[tuple[int, bytearray]] = deque()
        self.limit = limit
        self.held = 0
        """Bytes in it."""

    def put(self, stream: int, data: bytes) -> bool:
        """Keep `data`; False, and nothing is kept, if that were more than the limit."""
        if self.held + len(data) > self.limit:
            return False
        if self._pieces and self._pieces[-1][0] == stream:
            self._pieces[-1][1].extend(data)
        else:
            self._pieces.append((stream, bytearray(data)))
        self.held += len(data)
        return True

    def take(self, count: int) -> tuple[int, bytes]:
        """At most `count` bytes of the oldest piece; the outbox must not be empty."""
        stream, piece = self._pieces[0]
        data = bytes(piece[:count])
        del piece[:count]
        if not piece:
            self._pieces.popleft()
        self.held -= len(data)
        return stream, data

    def clear(self) -> None:
        """Throw everything away."""
        self._pieces.clear()
        self.held = 0


log = Logger()

_WINDOW_LIMIT = (1 << 32) - 1

Asked = tuple[bool, Callable[[], None] | None]
"""Whether a request is granted, and what to do once that has been said."""


class SshChannel(SSHChannel):
    """What sessions and forwarded connections share."""

    _log = quiet
    conn: "SshConnection"
    id: int  # type: ignore[assignment]
    terminal: Terminal | None = None

    def __init__(self, conn: "SshConnection", window: int, largest: int) -> None:
        super().__init__(
            localWindow=limits.WINDOW,
            localMaxPacket=limits.CHANNEL_PACKET,
            remoteWindow=window,
            remoteMaxPacket=largest,
        )
        self.conn = conn
        self._first_window = window
        self.confirmed = False
        self._program: Program | None = None
        self._outbox = Outbox(limits.OUTBOX_LIMIT)
        self._early = bytearray()
        self._ended_input = False
        self._credit = 0
        self._wants_room = False
        self._status: int | None = None
        self._is_gone = False
        self._told = False
        self._timer: IDelayedCall | None = None

    @property
    def address(self) -> str:
        """Where the operator comes from."""
        return self.conn.transport.address

    def opening(self, reader: SshReader) -> None:
        """The client has asked for this channel; `reader` has what belongs to its kind."""
        raise NotImplementedError

    def asked(self, request: bytes, reader: SshReader) -> Asked:
        """A channel request: granted or not."""
        del request, reader
        return False, None

    # The program

    def run(self, request: Request) -> None:
        """Let the service decide what runs here."""
        transport = self.conn.transport
        assert transport.login is not None
        self._safely(transport.factory.start, self, transport.login, request)

    def start(self, program: Program) -> None:
        """From now on `program` hears; what was typed before comes first."""
        if self._over:  # whatever was prepared for this program must be undone
            self._program = self._program or program
            self.conn.transport.factory.clock.callLater(0, self._dismiss, program)
            return
        self._program = program
        if self._early:
            early, self._early = bytes(self._early), bytearray()
            self._safely(program.received, early)
        if self._ended_input and self._program is program:
            self._safely(program.ended_input)

    @property
    def _over(self) -> bool:
        return self._is_gone or self._status is not None

    def _safely(self, call: Callable[..., object], *arguments: object) -> object:
        try:
            return call(*arguments)
        except Exception:
            log.failure("program-failed", address=self.address)
            self.finish(1)
            return None

    def ask_program(self, call: Callable[[Program], object]) -> object:
        """What the program says to `call`; None where none runs."""
        if self._program is None or self._over:
            return None
        return self._safely(call, self._program)

    def _soon_told(self) -> None:
        """`closed` comes in a turn of its own: `finish` may have been called by the program."""
        self._after(0, self._tell_closed)

    def _tell_closed(self) -> None:
        if self._told or self._program is None:
            return
        self._told = True
        self._close_program(self._program)

    def _dismiss(self, program: Program) -> None:
        """`program` came when all was over."""
        if program is self._program:
            self._tell_closed()
        else:
            self._close_program(program)

    def _close_program(self, program: Program) -> None:
        try:
            program.closed()
        except Exception:
            log.failure("program-failed", address=self.address)

    def _after(self, delay: float, call: Callable[[], None]) -> None:
        self._never()
        self._timer = self.conn.transport.factory.clock.callLater(delay, call)

    def _never(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None

    # Output

    def _window(self, stalled: bool = False) -> int:
        transport = self.conn.transport
        takes = transport.flowing or (stalled and transport.may_write)
        return self.remoteWindowLeft if self.confirmed and takes else 0

    @property
    def _reserve(self) -> int:
        """Bytes of the window for the end."""
        if self.terminal is None:
            return 0
        return min(limits.LAST_WORDS, self._first_window * limits.LAST_WORDS // limits.WINDOW)

    def room(self) -> int:
        """Bytes that may be written now; asking and finding 0 brings `drained` later."""
        if self._over:
            return 0
        room = max(0, min(self._window() - self._reserve, limits.ROOM) - self._outbox.held)
        if not room:
            self._wants_room = True
            self.conn.wait(self)
        return room

    def write(self, data: bytes) -> None:
        """To stdout."""
        self._put(STDOUT, data)

    def write_error(self, data: bytes) -> None:
        """To stderr; with a terminal the same screen."""
        self._put(STDOUT if self.terminal is not None else STDERR, data)

    def _put(self, stream: int, data: bytes) -> None:
        if self._over or not data:
            return
        if not self._outbox.put(stream, data):
            log.warn("channel-overrun", address=self.address, limit=self._outbox.limit)
            self.finish(1)
            return
        self._flush()

    def send_last(self) -> None:
        """Send what the window takes though the client does not read yet: this is the end, and what
        gives a terminal back is among it.
        """
        self._flush(stalled=True)

    def _flush(self, stalled: bool = False) -> None:
        """Send what window and transport take."""
        while self._outbox.held and (window := self._window(stalled)):
            stream, data = self._outbox.take(min(window, self.remoteMaxPacket))
            self.remoteWindowLeft -= len(data)
            self._send_data(stream, data)
        if self._outbox.held:
            self.conn.wait(self)
        elif self._status is not None:
            self._close()

    def _send_data(self, stream: int, data: bytes) -> None:
        remote = uint32(self.conn.remote(self))
        if stream == STDOUT:
            self.conn.transport.sendPacket(MSG_CHANNEL_DATA, remote + string(data))
        else:
            body = remote + uint32(stream) + string(data)
            self.conn.transport.sendPacket(MSG_CHANNEL_EXTENDED_DATA, body)

    def addWindowBytes(self, data: int) -> None:
        """The client takes `data` bytes more."""
        self.remoteWindowLeft = min(self.remoteWindowLeft + data, _WINDOW_LIMIT)
        self.resume()

    def resume(self) -> None:
        """There may be room again."""
        if self._is_gone or self.localClosed:
            return
        self._flush()
        if self._wants_room and not self._over and self.room():
            self._wants_room = False
            self.ask_program(lambda program: program.drained())

    # Input

    def take(self, data: bytes) -> None:
        """The client typed `data`; more than the window is against the protocol."""
        if len(data) > self.localWindowLeft:
            raise MalformedSsh("data beyond the window")
        self.localWindowLeft -= len(data)
        if self._over or not data:
            return
        if self._program is None:
            self._early += data
        else:
            self._safely(self._program.received, data)

    def skip(self, count: int) -> None:
        """`count` bytes came that nobody wants."""
        if count > self.localWindowLeft:
            raise MalformedSsh("data beyond the window")
        self.localWindowLeft -= count
        self.consumed(count)

    def consumed(self, count: int) -> None:
        """Open the window again by `count`; said to the client when it is half of the window."""
        under_way = self.localWindowSize - self.localWindowLeft
        self._credit = min(self._credit + count, under_way)
        if self._credit * 2 < self.localWindowSize or self._over or self.localClosed:
            return
        credit, self._credit = self._credit, 0
        self.localWindowLeft += credit
        body = uint32(self.conn.remote(self)) + uint32(credit)
        self.conn.transport.sendPacket(MSG_CHANNEL_WINDOW_ADJUST, body)

    def eofReceived(self) -> None:
        """The client types no more."""
        if self._ended_input:
            return
        self._ended_input = True
        self.ask_program(lambda program: program.ended_input())

    # The end

    def finish(self, status: int) -> None:
        """Send what is written, then the status, then close."""
        if self._over:
            return
        self._status = status
        self._after(limits.FINISH_PATIENCE, self._lose_patience)
        self._flush()

    def _lose_patience(self) -> None:
        self.send_last()
        if self.localClosed:
            return
        log.info("output-not-taken", address=self.address, lost=self._outbox.held)
        self._outbox.clear()
        self._status = self._status or 1  # what is cut short was no success
        self._close()

    def _close(self) -> None:
        if self.localClosed:
            return
        self.send_status(self._status or 0)
        remote = uint32(self.conn.remote(self))
        self.conn.transport.sendPacket(MSG_CHANNEL_EOF, remote)
        self.conn.transport.sendPacket(MSG_CHANNEL_CLOSE, remote)
        self.localClosed = True
        self._soon_told()

    def send_status(self, status: int) -> None:
        """Tell the client how it ended, where its kind of channel can."""

    def closeReceived(self) -> None:
        """The client is done; it hears the same, unless it has."""
        self.remoteClosed = True
        if not self.localClosed:
            self.localClosed = True
            self.conn.transport.sendPacket(MSG_CHANNEL_CLOSE, uint32(self.conn.remote(self)))

    def gone(self) -> None:
        """Nothing more can be sent or heard."""
        self._is_gone = True
        self.localClosed = self.remoteClosed = True
        self._outbox.clear()
        self._never()
        self._tell_closed()
