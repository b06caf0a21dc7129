"""Lines of VMs and their dialogues, as many at a time as the window says, over one epoll."""

import re
import select
import socket
import ssl
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress

from attrs import define, field

from benchmarks.load import wire
from benchmarks.processes import PATIENCE, BenchmarkError

CLOSED = None
"""Awaited: that the other side closes."""

PER_ADDRESS = 250
"""VMs of one address, as of an ESXi host."""

Awaited = tuple[socket.socket, "re.Pattern[bytes] | None"]
Dialogue = Generator[Awaited, "re.Match[bytes] | None", None]
"""Sends, then yields on which line it awaits what; it is given what was found."""


@define(eq=False)
class _Talk:
    dialogue: Dialogue
    line: socket.socket
    awaits: "re.Pattern[bytes] | None"
    heard: bytes = b""


def trusting() -> ssl.SSLContext:
    """A client's context that believes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def hold(dialogues: Iterable[Dialogue], window: int) -> None:
    """All of them, `window` at a time. Raises BenchmarkError where one does not go as it should."""
    waiting = iter(dialogues)
    poll = select.epoll()
    talks: dict[int, _Talk] = {}
    try:
        for dialogue in _first(waiting, window):
            _begin(poll, talks, dialogue)
        while talks:
            ready = poll.poll(PATIENCE)
            if not ready:
                raise BenchmarkError(f"{len(talks)} VMs wait for an answer for {PATIENCE:g} s")
            for number, _ in ready:
                if _hear(poll, talks, talks[number]):
                    for dialogue in _first(waiting, 1):
                        _begin(poll, talks, dialogue)
    finally:
        poll.close()


def _first(dialogues: Iterator[Dialogue], count: int) -> Iterator[Dialogue]:
    for _, dialogue in zip(range(count), dialogues, strict=False):
        yield dialogue


def _begin(poll: select.epoll, talks: dict[int, _Talk], dialogue: Dialogue) -> None:
    line, awaits = next(dialogue)
    talks[line.fileno()] = _Talk(dialogue, line, awaits)
    poll.register(line, select.EPOLLIN)


def _hear(poll: select.epoll, talks: dict[int, _Talk], talk: _Talk) -> bool:
    """Read; whether the dialogue is over."""
    try:
        data = _read(talk.line)
    except BlockingIOError:
        return False
    except ConnectionResetError:
        data = b""
    talk.heard += data
    if talk.awaits is CLOSED:
        found = None
        if data:
            return False
    else:
        found = talk.awaits.search(talk.heard)
        if found is None:
            if not data:
                raise BenchmarkError(f"the server closed a line that had said {talk.heard!r}")
            return False
    talk.heard = b""
    number = talk.line.fileno()
    try:
        line, talk.awaits = talk.dialogue.send(found)
    except StopIteration:
        del talks[number]
        if talk.line.fileno() >= 0:
            poll.unregister(number)
        return True
    if line is not talk.line:
        del talks[number]
        with suppress(OSError):  # the dialogue closed it
            poll.unregister(number)
        talk.line = line
        talks[line.fileno()] = talk
        poll.register(line, select.EPOLLIN)
    return False


def _read(line: socket.socket) -> bytes:
    if not isinstance(line, ssl.SSLSocket):
        return line.recv(65536)
    read = bytearray()
    try:
        while data := line.recv(65536):
            read += data
    except ssl.SSLWantReadError:
        if not read:
            raise BlockingIOError from None
    return bytes(read)


@define(eq=False)
class Fleet:
    """VMs by number, connected to `port` of 127.0.0.1."""

    lines: dict[int, socket.socket] = field(factory=dict)
    port: int = 0
    tls: ssl.SSLContext | None = None

    def connect(self, number: int) -> socket.socket:
        """From one of many addresses; over TLS the handshake has begun, and hears nothing yet."""
        line = socket.socket()
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.bind((f"127.0.1.{1 + number // PER_ADDRESS}", 0))
        line.connect(("127.0.0.1", self.port))
        if self.tls is not None:
            line = self.tls.wrap_socket(line, do_handshake_on_connect=False)
        line.setblocking(False)
        return line

    def shake_hands(self, line: socket.socket) -> Dialogue:
        """Over TLS; nothing otherwise. The handshake is done in blocking calls."""
        if isinstance(line, ssl.SSLSocket):
            line.settimeout(PATIENCE)
            line.do_handshake()
            line.setblocking(False)
        yield from ()

    def registering(self, number: int) -> Dialogue:
        """VM `number` becomes a console."""
        line = self.connect(number)
        yield from self.shake_hands(line)
        for step in wire.registration(number):
            line.sendall(step.sends)
            yield line, step.awaits
        self.lines[number] = line

    def moving(self, number: int) -> Dialogue:
        """A vMotion of VM `number`, as long as until the server has closed the source."""
        source = self.lines[number]
        source.sendall(wire.BEGIN)
        found = yield source, wire.GOAHEAD
        assert found is not None
        target = self.connect(number)
        yield from self.shake_hands(target)
        for step in wire.arrival(found[1].replace(b"\xff\xff", b"\xff")):
            target.sendall(step.sends)
            yield target, step.awaits
        target.sendall(wire.completion(number))
        with suppress(OSError):  # the server may have closed it already
            source.shutdown(socket.SHUT_WR)
        yield source, CLOSED
        source.close()
        self.lines[number] = target

    def asking(self, number: int) -> Dialogue:
        """Until VM `number` knows that all that it said has been read."""
        line = self.lines[number]
        line.sendall(wire.QUESTION)
        yield line, wire.ANSWERED

    def beginning(self, number: int, took: Callable[[float], None]) -> Dialogue:
        """BEGIN to GOAHEAD, whose seconds `took` is given, then ABORT."""
        line = self.lines[number]
        begun = time.perf_counter()
        line.sendall(wire.BEGIN)
        yield line, wire.GOAHEAD
        took(time.perf_counter() - begun)
        line.sendall(wire.ABORT)

    def hang_up(self) -> None:
        """All lines."""
        for line in self.lines.values():
            line.close()
        self.lines.clear()
