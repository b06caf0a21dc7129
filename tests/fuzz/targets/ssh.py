"""The SSH door: real connections in memory, their key exchange done, and then any messages."""

from typing import Any

from attrs import define
from twisted.internet.protocol import Protocol

from tests.fuzz.target import Choices, Target, chunks, same
from tests.ssh.bench import (
    ADJUST,
    ALICE,
    AUTH_REQUEST,
    AUTH_SUCCESS,
    CLOSE,
    DATA,
    EOF,
    EXTENDED,
    GLOBAL_REQUEST,
    OPEN,
    REQUEST,
    SERVICE_REQUEST,
    Keys,
    Remembering,
    request_text,
)
from tests.ssh.hostile import StormBench
from vspc.console.authentication import Asker, Claimant, ProofRefused, Question, Verdict
from vspc.console.session import Proof
from vspc.ssh.limits import SshLimits
from vspc.wire.ssh import string, uint32

INFO_RESPONSE = 61
SECONDS = 4000
"""Enough for every time limit of a connection."""


class Raw(Protocol):
    """A client without a protocol."""

    lost = False
    heard = b""

    def dataReceived(self, data: bytes) -> None:
        self.heard += data

    def connectionLost(self, reason: object = None) -> None:
        self.lost = True


class EveryMethod(Keys):
    """Asks for everything and takes nothing: no login may come of any message."""

    def methods(self, claimant: Claimant, shown: tuple[str, ...]) -> tuple[str, ...]:
        return ("publickey", "password", "keyboard-interactive")

    async def password(
        self, claimant: Claimant, shown: tuple[str, ...], password: bytes
    ) -> Verdict:
        return ProofRefused("wrong password", Proof("password"))

    async def converse(self, claimant: Claimant, shown: tuple[str, ...], ask: Asker) -> Verdict:
        await ask(Question("Password: "))
        await ask(Question("look at your phone", is_asked=False))
        await ask(Question("Code: ", echo=True, seconds=30.0))
        return ProofRefused("wrong code", Proof("totp"))


@define(eq=False)
class Door:
    """A bench with one client, which says the messages that an input consists of."""

    bench: StormBench
    client: Any

    def say_all(self, choices: Choices, kinds: bytes) -> None:
        """Each message: its number, or one of `kinds` by what is over 127, and its body."""
        while choices and not self.client.lost:
            number = choices.byte()
            if number == 127:
                self.bench.pass_time(choices.below(8))
                continue
            message = number if number < 128 else kinds[number % len(kinds)]
            self.client.say(message, choices.piece())
            self.bench.settle()

    def end(self) -> None:
        """The connection is lost: nothing of it is left."""
        if not self.client.lost:
            self.client.transport.loseConnection()
        self.bench.settle()
        self.bench.clock.advance(SECONDS)
        self.bench.settle()
        same(len(self.bench.ssh.connections), 0, "connections")
        same(self.bench.clock.getDelayedCalls(), [], "timers")
        same(len(self.bench.book), 0, "admissions")


def _transport(data: bytes) -> None:
    seed, data = (data or b"\0")[0], data[1:]
    bench = StormBench()
    client = bench.connect(protocol=Raw())
    for piece in chunks(data, seed):
        if not client.lost:
            client.transport.write(piece)
            bench.settle()
    if len(client.server.incoming._received) > 64 * 1024:
        raise AssertionError("too much is kept")
    Door(bench, client).end()


_USERAUTH = bytes((AUTH_REQUEST, INFO_RESPONSE, SERVICE_REQUEST))


def _userauth(data: bytes) -> None:
    bench = StormBench(authenticator=EveryMethod())
    client = bench.asking()
    door = Door(bench, client)
    door.say_all(Choices(data), _USERAUTH)
    same(client.got(AUTH_SUCCESS), [], "logged in")
    door.end()


_CHANNELS = bytes((OPEN, REQUEST, DATA, EXTENDED, ADJUST, EOF, CLOSE, GLOBAL_REQUEST))


def _channels(data: bytes) -> None:
    choices = Choices(data)
    bench = StormBench()
    client = bench.logged_in()
    kind = choices.byte()

    def start(channel: Any, login: Any, request: Any) -> None:
        program = Remembering(channel, request, login, takes=not kind & 1)
        bench.programs.append(program)
        if kind & 2:
            channel.write(b"x" * 70_000)
        if kind & 4:
            channel.write_error(b"refused")
            channel.finish(3)
        else:
            channel.start(program)

    bench.start = start
    door = Door(bench, client)
    door.say_all(choices, _CHANNELS)
    service = client.server.service
    if service is not None and len(service.channels) > SshLimits().channels:
        raise AssertionError(f"{len(service.channels)} channels")
    door.end()
    if not kind & 4:
        closed = [program.heard.count("closed") for program in bench.programs]
        same(closed, [1] * len(closed), "programs that were closed")


def _message(number: int, *parts: bytes) -> bytes:
    body = b"".join(parts)[:255]
    return bytes((number, len(body))) + body


def _auth(method: bytes, *parts: bytes) -> bytes:
    return _message(
        AUTH_REQUEST, string(b"alice"), string(b"ssh-connection"), string(method), *parts
    )


def _logins() -> tuple[bytes, ...]:
    key = _message(AUTH_REQUEST, request_text(None, b"alice", ALICE), string(b"x" * 83))
    answer = _message(INFO_RESPONSE, uint32(1), string(b"secret"))
    return (
        _auth(b"none"),
        key + key,
        _auth(b"password", b"\0", string(b"secret")),
        _auth(b"password", b"\1", string(b"secret"), string(b"new")),
        _auth(b"keyboard-interactive", string(b""), string(b"")) + answer + answer,
        _auth(b"keyboard-interactive", string(b""), string(b"")) + _auth(b"none") + answer,
    )


def _request(name: bytes, *body: bytes) -> bytes:
    return _message(REQUEST, uint32(0), string(name), b"\1", *body)


_SESSION = _message(OPEN, string(b"session"), uint32(7), uint32(1 << 20), uint32(32768))
_TERMINAL = _request(
    b"pty-req", string(b"xterm"), *map(uint32, (80, 24, 0, 0)), string(b"\x35\0\0\0\0\0")
)


def _sessions() -> tuple[bytes, ...]:
    data = _message(DATA, uint32(0), string(b"ls\r"))
    resize = _request(b"window-change", *map(uint32, (100, 50, 0, 0)))
    end = _message(EOF, uint32(0)) + _message(CLOSE, uint32(0))
    forward = (string(b"web01"), uint32(1), string(b"::1"), uint32(5))
    return (
        b"\0" + _SESSION + _TERMINAL + _request(b"shell") + data + resize + end,
        b"\1" + _SESSION + _request(b"env", string(b"A"), string(b"b")) + data,
        b"\2" + _SESSION + _request(b"exec", string(b"list")) + _message(ADJUST, *[uint32(0)] * 2),
        b"\4" + _SESSION + _request(b"exec", string(b"nothing")) + end,
        b"\0" + _SESSION + _request(b"subsystem", string(b"sftp")),
        b"\0" + _SESSION + _TERMINAL + _request(b"break", uint32(500)) + _request(b"signal"),
        b"\0"
        + _message(OPEN, string(b"direct-tcpip"), *[uint32(n) for n in (3, 9999, 9999)], *forward),
        b"\0" + _message(GLOBAL_REQUEST, string(b"keepalive@openssh.com"), b"\1"),
        b"\0" + _message(GLOBAL_REQUEST, string(b"hostkeys-prove-00@openssh.com"), b"\1"),
    )


def _clear(message: int, *parts: bytes) -> bytes:
    """A packet before there are keys."""
    payload = bytes((message,)) + b"".join(parts)
    padding = 4 + -(9 + len(payload)) % 8
    return uint32(1 + len(payload) + padding) + bytes((padding,)) + payload + bytes(padding)


_LISTS = (
    *(b"curve25519-sha256", b"ssh-ed25519", b"aes256-gcm@openssh.com", b"aes256-gcm@openssh.com"),
    *(b"hmac-sha2-256", b"hmac-sha2-256", b"none", b"none", b"", b""),
)
_KEXINIT = _clear(20, bytes(16), *map(string, _LISTS), bytes(5))
_OPENINGS = (
    b"\3SSH-2.0-client\r\n" + _KEXINIT + _clear(30, string(bytes(31) + b"\11")),
    b"\1SSH-2.0-hasty\r\n" + _clear(SERVICE_REQUEST, string(b"ssh-userauth")),
    b"\1\r\nGET / HTTP/1.0\r\n",
)

_WORDS = tuple(
    string(word)
    for word in (
        *(b"alice", b"ssh-connection", b"publickey", b"password", b"keyboard-interactive"),
        *(b"session", b"direct-tcpip", b"pty-req", b"shell", b"exec", b"ssh-ed25519", b"env"),
    )
)

TARGETS = (
    Target("ssh-transport", _transport, lambda: _OPENINGS, _LISTS[:5], 2048, replayed=60),
    Target("ssh-userauth", _userauth, _logins, _WORDS, 2048, replayed=60),
    Target("ssh-channels", _channels, _sessions, _WORDS, 2048, replayed=60),
)
