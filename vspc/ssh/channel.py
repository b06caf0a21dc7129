"""One channel as a program's `vspc.console.ports.Channel`: windows, flow and the end.

Output: what the window and the transport do not take now is kept, at most `OUTBOX_LIMIT` bytes;
a program that writes beyond it has not looked at `room` and loses its channel. Input: at most
`WINDOW` bytes are under way until the program calls `consumed`. A program that raises ends with
status 1 and one traceback in the log; no other is affected.
"""

import struct
from collections import deque
from collections.abc import Callable
from typing import Protocol

from twisted.conch.ssh.connection import (
    MSG_CHANNEL_CLOSE,
    MSG_CHANNEL_DATA,
    MSG_CHANNEL_EOF,
    MSG_CHANNEL_EXTENDED_DATA,
    MSG_CHANNEL_OPEN_CONFIRMATION,
    MSG_CHANNEL_WINDOW_ADJUST,
)
from twisted.logger import Logger

from vspc.console.logins import Request
from vspc.console.ports import Program, Terminal
from vspc.ssh import limits
from vspc.ssh.context import Timers
from vspc.ssh.crypto.packets import Part
from vspc.ssh.transport import SshTransport
from vspc.wire.ssh import MalformedSsh, SshReader, uint32

log = Logger()

STDOUT = 0
STDERR = 1
"""RFC 4254 section 5.2 calls it SSH_EXTENDED_DATA_STDERR."""

_WINDOW_LIMIT = (1 << 32) - 1
_DATA = struct.Struct(">BLL")
_EXTENDED = struct.Struct(">BLLL")

Granted = tuple[bool, Callable[[], object] | None]
"""Whether a request is granted, and what to do after the reply."""

REFUSED: Granted = (False, None)


class Outbox:
    """Output that a client does not take yet: pieces of two streams, in order, bounded. Pure.

    Neighbours of one stream become one piece.
    """

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
        """Discard everything."""
        self._pieces.clear()
        self.held = 0


class ChannelTable(Protocol):
    """The channels of one connection, as each of them uses it."""

    @property
    def transport(self) -> SshTransport: ...

    def wait(self, channel: "SshChannel") -> None:
        """Call `channel.resume` when the transport flows again."""

    def refuse(self, channel: "SshChannel", reason: int, text: str) -> None:
        """Refuse to open `channel`, with a code and a text of RFC 4254 section 5.1."""


class SshChannel:
    """What sessions and forwarded connections share.

    `number` is the server's, `remote` the client's; `window` and `largest`, bytes, are the
    client's, too.
    """

    terminal: Terminal | None = None

    def __init__(
        self, table: ChannelTable, number: int, remote: int, window: int, largest: int
    ) -> None:
        self._table = table
        self._transport = table.transport
        self.number = number
        self.remote = remote
        self.address = self._transport.address
        self.window_out = self._first_window = window
        self._largest = largest
        self._window_in = limits.WINDOW
        self._credit = 0  # of what is missing in `_window_in`, how much is consumed
        self.confirmed = False
        self._outbox = Outbox(limits.OUTBOX_LIMIT)
        self._wants_room = False
        self._program: Program | None = None
        self._early = bytearray()
        self._ended_input = False
        self._status: int | None = None
        self.is_closed = False
        """Whether CLOSE is sent, or nothing can be sent."""
        self._is_gone = False
        self._told_closed = False
        self._timers = Timers(self._transport.context.clock)

    def confirm(self) -> None:
        """Tell the client that the channel is open."""
        self.confirmed = True
        numbers = (self.remote, self.number, limits.WINDOW, limits.CHANNEL_PACKET)
        body = b"".join(map(uint32, numbers))
        self._transport.sendPacket(MSG_CHANNEL_OPEN_CONFIRMATION, body)

    def requested(self, request: bytes, reader: SshReader) -> Granted:
        """A channel request: granted or not."""
        del request, reader
        return REFUSED

    # The program

    def run(self, request: Request) -> None:
        """Let `context.start` decide what runs here."""
        assert self._transport.login is not None
        self._call(self._transport.context.start, self, self._transport.login, request)

    def start(self, program: Program) -> None:
        """Run `program`; it gets what was typed before."""
        if self._over:  # it has to undo what was prepared for it
            self._program = self._program or program
            self._transport.context.clock.callLater(0, self._dismiss, program)
            return
        self._program = program
        if self._early:
            early, self._early = bytes(self._early), bytearray()
            self._call(program.received, early)
        if self._ended_input and self._program is program:
            self._call(program.ended_input)

    @property
    def _over(self) -> bool:
        return self._is_gone or self._status is not None

    def _call(self, call: Callable[..., object], *arguments: object) -> object:
        try:
            return call(*arguments)
        except Exception:
            log.failure("program-failed", address=self.address)
            self.finish(1)
            return None

    def ask_program(self, call: Callable[[Program], object]) -> object:
        """What `call` returns for the program; None where none runs."""
        if self._program is None or self._over:
            return None
        return self._call(call, self._program)

    def _tell_closed(self) -> None:
        if not self._told_closed and self._program is not None:
            self._told_closed = True
            self._close_program(self._program)

    def _dismiss(self, program: Program) -> None:
        """`program` was started when the channel was over."""
        if program is self._program:
            self._tell_closed()
        else:
            self._close_program(program)

    def _close_program(self, program: Program) -> None:
        try:
            program.closed()
        except Exception:
            log.failure("program-failed", address=self.address)

    # Output

    def _window(self, stalled: bool = False) -> int:
        transport = self._transport
        takes = transport.flowing or (stalled and transport.may_write)
        return self.window_out if self.confirmed and takes else 0

    @property
    def _reserve(self) -> int:
        """Bytes of the window for the end."""
        if self.terminal is None:
            return 0
        return min(limits.END_RESERVE, self._first_window * limits.END_RESERVE // limits.WINDOW)

    def room(self) -> int:
        """Bytes that may be written now; after a 0 `drained` follows."""
        if self._over:
            return 0
        room = max(0, min(self._window() - self._reserve, limits.ROOM) - self._outbox.held)
        if not room:
            self._wants_room = True
            self._table.wait(self)
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
        if not self._outbox.held and len(data) <= self._outbox.limit:
            data = self._pass(stream, data)
        if data and not self._outbox.put(stream, data):
            log.warn("channel-overrun", address=self.address, limit=self._outbox.limit)
            self.finish(1)
            return
        self._flush()

    def _pass(self, stream: int, data: bytes) -> bytes:
        """Send what window and transport take of `data`, uncopied until it is sealed; the rest."""
        sent, size, whole = 0, len(data), memoryview(data)
        while sent < size and (window := self._window()):
            count = min(window, self._largest, size - sent)
            self._send_data(stream, whole[sent : sent + count], count)
            sent += count
        return data[sent:]

    def send_last(self) -> None:
        """Send what the window takes though the client does not read yet: this is the end, and what
        restores a terminal is among it.
        """
        self._flush(stalled=True)

    def _flush(self, stalled: bool = False) -> None:
        """Send what window and transport take."""
        while self._outbox.held and (window := self._window(stalled)):
            stream, data = self._outbox.take(min(window, self._largest))
            self._send_data(stream, data, len(data))
        if self._outbox.held:
            self._table.wait(self)
        elif self._status is not None:
            self._close(self._status)

    def _send_data(self, stream: int, data: Part, size: int) -> None:
        self.window_out -= size
        if stream == STDOUT:
            head = _DATA.pack(MSG_CHANNEL_DATA, self.remote, size)
        else:
            head = _EXTENDED.pack(MSG_CHANNEL_EXTENDED_DATA, self.remote, stream, size)
        self._transport.send_output(head, data)

    def send(self, message: int, body: bytes = b"") -> None:
        """A message about this channel."""
        self._transport.sendPacket(message, uint32(self.remote) + body)

    def adjust_window(self, count: int) -> None:
        """The client takes `count` bytes more."""
        self.window_out = min(self.window_out + count, _WINDOW_LIMIT)
        self.resume()

    def resume(self) -> None:
        """There may be room again."""
        if self._is_gone or self.is_closed:
            return
        self._flush()
        if self._wants_room and not self._over and self.room():
            self._wants_room = False
            self.ask_program(lambda program: program.drained())

    # Input

    def take(self, data: bytes) -> None:
        """The client typed `data`."""
        self._count(len(data))
        if self._over or not data:
            return
        if self._program is None:
            self._early += data
        else:
            self._call(self._program.received, data)

    def skip(self, count: int) -> None:
        """`count` bytes arrived that are not used."""
        self._count(count)
        self.consumed(count)

    def _count(self, count: int) -> None:
        if count > self._window_in:
            raise MalformedSsh("data beyond the window")
        self._window_in -= count

    def consumed(self, count: int) -> None:
        """Open the window again by `count`; the client is told when it is half of the window."""
        self._credit = min(self._credit + count, limits.WINDOW - self._window_in)
        if self._credit * 2 < limits.WINDOW or self._over or self.is_closed:
            return
        credit, self._credit = self._credit, 0
        self._window_in += credit
        self.send(MSG_CHANNEL_WINDOW_ADJUST, uint32(credit))

    def end_input(self) -> None:
        """The client types no more."""
        if not self._ended_input:
            self._ended_input = True
            self.ask_program(lambda program: program.ended_input())

    # The end

    def finish(self, status: int) -> None:
        """Send what is written, then the status, then close."""
        if self._over:
            return
        self._status = status
        self._timers.later("end", limits.FINISH_TIMEOUT, self._cut_short)
        self._flush()

    def _cut_short(self) -> None:
        self.send_last()
        if self.is_closed:
            return
        log.info("output-not-taken", address=self.address, lost=self._outbox.held)
        self._outbox.clear()
        self._close(self._status or 1)  # output that is lost is no success

    def _close(self, status: int) -> None:
        if self.is_closed:
            return
        self.send_status(status)
        self.send(MSG_CHANNEL_EOF)
        self.send(MSG_CHANNEL_CLOSE)
        self.is_closed = True
        # In a turn of its own: the program may have called `finish`.
        self._timers.later("end", 0, self._tell_closed)

    def send_status(self, status: int) -> None:
        """Send the exit status, if the channel is of a type that has one."""

    def remote_closed(self) -> None:
        """The client has closed the channel; it is closed here, too."""
        if not self.is_closed:
            self.is_closed = True
            self.send(MSG_CHANNEL_CLOSE)

    def gone(self) -> None:
        """Nothing more can be sent or received."""
        self._is_gone = self.is_closed = True
        self._outbox.clear()
        self._timers.stop()
        self._tell_closed()
