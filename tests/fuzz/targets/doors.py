"""Sockets of programs and connections to remote systems: real doors over consoles in memory."""

from collections.abc import Iterable
from pathlib import Path

from attrs import define, field

from tests.doors.programs.support import Client, Hall, entry
from tests.doors.programs.test_comport import DeviceLine
from tests.doors.remote_world import RemoteWorld
from tests.fuzz.target import Choices, Target, chunks, same
from tests.fuzz.targets.wire import TELNET_TOKENS
from tests.net.dialling import lose
from vspc.common.serial import ModemState, PortSettings
from vspc.config.vm_settings import SocketSettings
from vspc.console.attachment import Attachment
from vspc.console.console import Console
from vspc.console.input_flow import WAITING
from vspc.doors.programs.channel import CLOSE_TIMEOUT
from vspc.wire.gdb import packet
from vspc.wire.telnet import (
    COM_PORT,
    DO,
    WILL,
    Data,
    Decoder,
    command,
    escape,
    negotiation,
    subnegotiation,
)

NOWHERE = Path("no-such-directory")
"""Nothing is written in it: threads do not run."""

MOST_CLIENTS = 3

SOCKETS = (entry(), entry("telnet"), entry("rfc2217"), entry(split_break=True))
RAW = 0


def is_part(found: Iterable[int], whole: bytes) -> bool:
    """Whether `found` is `whole` with bytes left out."""
    rest = iter(whole)
    return all(byte in rest for byte in found)


@define(eq=False)
class Sockets:
    """Clients of one socket, and its VM; `typed` and `shown` are all that each side was given."""

    kind: int
    hall: Hall = field(init=False)
    console: Console = field(init=False)
    clients: list[Client] = field(factory=list)
    line: DeviceLine = field(init=False)
    sent: bytes = b""
    typed: bytes = b""
    shown: bytes = b""

    def __attrs_post_init__(self) -> None:
        self.hall = Hall(NOWHERE, SOCKETS[self.kind])
        self.console, _ = self.hall.connected()
        self.replace_line("10.0.0.1")

    def replace_line(self, address: str) -> None:
        """The VM is away, and back."""
        self.console.link.disconnect("gone")
        self.line = DeviceLine(self.console)
        self.line.address = address
        self.console.link.connect(self.line)

    def run(self, choices: Choices) -> None:
        """All steps; then everybody leaves."""
        while choices:
            self.step(choices)
            self.hall.settle()
            self.check()
        for client in self.clients:
            client.leave()
        self.hall.clock.advance(CLOSE_TIMEOUT)
        self.hall.settle()
        same(len(self.console.attachments), 0, "attachments")
        same(self.hall.failures, 0, "failures")

    def step(self, choices: Choices) -> None:
        """One of them."""
        step = choices.below(11)
        if len(self.clients) < MOST_CLIENTS and (step == 0 or not self.clients):
            self.clients.append(Client(self.hall, 4001))
            return
        client = self.clients[choices.below(len(self.clients))]
        match step:
            case 1:
                self.clients.remove(client)
                client.leave()
            case 2:
                data = choices.piece() * (1 + choices.below(3) * 40)
                self.shown += data
                self.console.link.output(data)
            case 3:
                self.console.link.answered()
            case 4:
                self.happen(choices)
            case 5 if client.producer is not None:
                client.producer.pauseProducing()
            case 6 if client.producer is not None:
                client.producer.resumeProducing()
            case 7:
                self.say(client, subnegotiation(COM_PORT, choices.piece()))
            case 8:
                self.hall.clock.advance(choices.byte() / 32)
            case _:
                self.say(client, choices.piece() * (1 + choices.below(3) * 40))

    def say(self, client: Client, data: bytes) -> None:
        """What a client that is connected and read still sends."""
        if data and client.wire.reading and not client.closed:
            self.typed += data
            client.say_quietly(data)

    def happen(self, choices: Choices) -> None:
        """Something at the VM's side."""
        link = self.console.link
        match choices.below(5):
            case 0:
                link.disconnect("gone")
            case 1:
                self.keep_sent()
                self.replace_line(("10.0.0.1", "10.0.0.2")[choices.below(2)])
            case 2:
                link.break_received()
            case 3:
                link.port.set(PortSettings(300 + choices.byte() * 100))
            case _:
                link.port.set_modem(ModemState(choices.byte()))

    def keep_sent(self) -> None:
        """What this line was sent is part of all that lines were."""
        self.sent += bytes(self.line.sent)
        self.line.sent.clear()

    def check(self) -> None:
        """What holds after each step."""
        if self.console.input.waiting > WAITING:
            raise AssertionError(f"{self.console.input.waiting} bytes wait")
        self.keep_sent()
        for client in self.clients:
            heard = client.wire.take()
            if self.kind == RAW and not is_part(heard, self.shown):
                raise AssertionError(f"{heard!r} is not what the VM has said")
        if self.kind == RAW and not is_part(self.sent, self.typed):
            raise AssertionError(f"{self.sent!r} is not what clients have typed")


def _socket(data: bytes) -> None:
    choices = Choices(data)
    Sockets(choices.below(len(SOCKETS))).run(choices)


def _said(settings: SocketSettings, pieces: Iterable[bytes]) -> tuple[object, ...]:
    """What comes of a client that says `pieces`."""
    hall = Hall(NOWHERE, settings)
    console, _ = hall.connected()
    console.link.disconnect("gone")
    line = DeviceLine(console)
    console.link.connect(line)
    client = Client(hall, 4001)
    answers = client.heard()
    for piece in pieces:
        answers += client.say(piece)
        while console.input.waiting:
            console.link.answered()
            hall.settle()
    ended = client.closed
    client.leave()
    same(hall.failures, 0, "failures")
    return answers, bytes(line.sent), line.asked, ended


def _socket_client(data: bytes) -> None:
    choices = Choices(data)
    settings, seed = SOCKETS[choices.below(len(SOCKETS))], choices.byte()
    said = choices.rest()
    same(_said(settings, chunks(said, seed)), _said(settings, (said,)), "in pieces")


SCHEMES = (b"tcp://192.0.2.9:4001", b"telnet://192.0.2.9:23")


class RemoteSystem(RemoteWorld):
    """A VM and its remote system; alice may take the pen away from it."""

    def __init__(self, uri: bytes) -> None:
        self.build()
        self.host, self.wire = self.connected(uri)
        self.host.wire.take()
        self.decoder = Decoder()
        self.heard = self.given = b""
        self.alice: Attachment | None = None

    def step(self, choices: Choices) -> None:
        """One of what may happen."""
        match choices.below(10):
            case 0:
                self.host.say_quietly(escape(choices.piece()))
            case 1:
                self.operate(choices)
            case 2:
                self.wait(choices.byte() / 4)
            case 3 if self.wire.producer is not None:
                self.wire.producer.pauseProducing()
            case 4 if self.wire.producer is not None:
                self.wire.producer.resumeProducing()
            case 5:
                self.connect_again(choices)
            case 6:
                self.host.say_quietly(command(243))
            case _:
                self.say(choices.piece())
        self.turn()
        self.check()

    def say(self, data: bytes) -> None:
        """The remote system sends `data`, if it is connected and read."""
        if data and self.wire.reading and not self.wire.disconnecting:
            self.wire.above.dataReceived(data)
            self.given += data

    def operate(self, choices: Choices) -> None:
        """An operator comes, forces the pen, sends a BREAK or leaves."""
        if self.alice is None:
            self.alice, _ = self.desk.attach(self.console)
            return
        match choices.below(4):
            case 0:
                self.alice.take_pen(force=True)
            case 1:
                self.alice.send_break()
            case _:
                self.alice.detach()
                self.alice = None

    def connect_again(self, choices: Choices) -> None:
        """The connection is lost; perhaps the next one is refused first."""
        lose(self.wire)
        for refuses in (choices.below(2), False):
            while not self.dialling.reactor.dialled:
                self.wait(1)
            if refuses:
                self.dialling.take().refuse()
        self.wire = self.dialling.take().accept()

    def check(self) -> None:
        """What holds after each step."""
        if self.console.input.waiting > WAITING:
            raise AssertionError(f"{self.console.input.waiting} bytes wait")
        self.decoder.receive(self.host.wire.take())
        while (event := self.decoder.next_event()) is not None:
            self.heard += event.data if isinstance(event, Data) else b""
        self.decoder.take_rest()

    def end(self) -> None:
        """The VM is gone: so is all that was for it."""
        lose(self.wire)
        self.host.lose()
        self.wait(600)
        same(self.dialling.reactor.dialled, [], "dialled")
        if self.alice is not None:
            self.alice.detach()
        same(len(self.console.attachments), 0, "attachments")
        same(self.desk.failures, 0, "failures")


def _remote(data: bytes) -> None:
    choices = Choices(data)
    is_raw = choices.below(2) == 0
    remote = RemoteSystem(SCHEMES[not is_raw])
    try:
        while choices:
            remote.step(choices)
        remote.end()
        if is_raw:
            about = remote.console.remote
            unsent = 0 if about is None else about.unsent
            same(len(remote.heard) + unsent, len(remote.given), "bytes that it sent")
            if not is_part(remote.heard, remote.given):
                raise AssertionError(f"{remote.heard!r} is not what it has sent")
    finally:
        remote.remotes.close("the input is over")
        remote.outbound.close()


def _answered(uri: bytes, pieces: Iterable[bytes]) -> tuple[object, ...]:
    """What comes of a remote system that says `pieces`."""
    remote = RemoteSystem(uri)
    try:
        for piece in pieces:
            remote.say(piece)
            remote.turn()
            remote.check()
        return remote.wire.take(), remote.heard, remote.state, remote.wire.disconnecting
    finally:
        remote.remotes.close("the input is over")
        remote.outbound.close()


def _remote_answer(data: bytes) -> None:
    choices = Choices(data)
    uri, seed = SCHEMES[choices.below(2)], choices.byte()
    said = choices.rest()
    same(_answered(uri, chunks(said, seed)), _answered(uri, (said,)), "in pieces")


def _piece(data: bytes) -> bytes:
    return bytes((len(data),)) + data


_AGREED = negotiation(WILL, COM_PORT) + negotiation(DO, 0) + negotiation(WILL, 0)
_SPEED = b"\x01\0\x01\xc2\0"

_DIALOGUES = (
    *(b"%c\0\x0a\0" % kind + _piece(b"ls\r") + b"\0\2\0" + _piece(b"a b\r\n") for kind in range(4)),
    b"\2\0\x0a\0" + _piece(_AGREED) + b"\0\7\0" + _piece(_SPEED) + b"\4\0\3\x60\4\0\4\xb0\x08\0\4",
    b"\0\0\x0a\0" + _piece(b"x" * 100) + b"\2" + b"\x0a\0" + _piece(b"y" * 255) + b"\2\1\0\3\3",
    b"\0\0\x05\0\2\0" + _piece(b"z" * 200) + b"\2\6\0\4\0\0\4\0\1\0\0",
    b"\3\0\x0a\0" + _piece(packet(b"?")) + b"\0\2\0" + _piece(b"+" + packet(b"S05")) + b"\0",
)
_CLIENTS = (
    *(b"%c\3ls\r\n\xff\xf3\xff\xf6\xff\xff" % kind for kind in range(4)),
    b"\2\5" + _AGREED + subnegotiation(COM_PORT, _SPEED) + b"AT\r\n",
    b"\3\1" + packet(b"qSupported") + b"\x03",
)
_REMOTES = (
    *(b"%c\7" % kind + _piece(b"AT\r\n") + b"\0" + _piece(b"OK") + b"\2\4" for kind in range(2)),
    b"\0\1\7" + _piece(b"a") + b"\1\0\7" + _piece(b"lost") + b"\1\3\7" + _piece(b"b"),
    b"\1\7" + _piece(negotiation(WILL, 1)) + b"\5\1\6\3\0" + _piece(b"late") + b"\4",
)
_ANSWERS = (b"\0\1\xff\xfd\x18login: ", b"\1\2" + negotiation(WILL, 1) + b"login: \xff\xff\r\0")

TARGETS = (
    Target("program-socket", _socket, lambda: _DIALOGUES, TELNET_TOKENS, 1024, replayed=100),
    Target("program-client", _socket_client, lambda: _CLIENTS, TELNET_TOKENS, 1024, replayed=100),
    Target("remote-system", _remote, lambda: _REMOTES, TELNET_TOKENS, 1024, replayed=100),
    Target("remote-answer", _remote_answer, lambda: _ANSWERS, TELNET_TOKENS, 1024, replayed=100),
)
