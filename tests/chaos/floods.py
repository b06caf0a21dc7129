"""Strangers: connections that say nonsense, too much, or nothing."""

import random
from typing import Any

from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.python.failure import Failure

from vspc.simulator.telnet import DO, VMWARE, WILL, negotiate, subnegotiate

STAY = 4.0
"""Seconds that a stranger stays."""


class _Stranger(Protocol):
    transport: Any

    def __init__(self, flood: "Flood") -> None:
        self._flood = flood

    def connectionMade(self) -> None:
        self._flood.open.add(self)
        self.transport.write(self._flood.words)

    def dataReceived(self, data: bytes) -> None:
        if self._flood.answer:
            self.transport.write(self._flood.answer)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._flood.open.discard(self)

    def leave(self, in_order: bool) -> None:
        if in_order:
            self.transport.loseConnection()
        else:
            self.transport.abortConnection()


class Flood(ClientFactory):
    """So many connections from `source` to `port` that say `words`, and `answer` what they hear."""

    noisy = False

    def __init__(self, reactor: Any, words: bytes, answer: bytes = b"") -> None:
        self.words = words
        self.answer = answer
        self.open: set[_Stranger] = set()
        self._reactor = reactor

    def begin(self, port: int, source: str, count: int) -> None:
        """Connect; after `STAY` seconds they leave."""
        for _ in range(count):
            self._reactor.connectTCP("127.0.0.1", port, self, 10, (source, 0))
        self._reactor.callLater(STAY, self._end)

    def buildProtocol(self, _address: object) -> Protocol:
        return _Stranger(self)

    def _end(self) -> None:
        for number, stranger in enumerate(list(self.open)):
            stranger.leave(in_order=number % 2 == 0)


def garbage(chance: random.Random) -> bytes:
    """Bytes of all values, some of which look like telnet."""
    words = bytearray(chance.randbytes(chance.choice((10, 3000, 60000))))
    for _ in range(20):
        at = chance.randrange(len(words))
        words[at:at] = chance.choice(
            (b"\xff\xfa\xe8", b"\xff\xf0", b"\xff\xff", negotiate(WILL, VMWARE), b"SSH-2.0-x\r\n")
        )
    return bytes(words)


def handshake(chance: random.Random) -> bytes:
    """The beginning of a TLS client's words, or all of them damaged."""
    body = b"\x01\x00\x00\xfc\x03\x03" + chance.randbytes(chance.choice((20, 246)))
    return b"\x16\x03\x01" + len(body).to_bytes(2, "big") + body


def storm(chance: random.Random) -> bytes:
    """Options that are switched on and off, and a subnegotiation that has no sense."""
    options = [negotiate(chance.choice((DO, WILL, 252, 254)), chance.randrange(256))]
    options += [subnegotiate(chance.choice((VMWARE, 44, 37)), chance.randbytes(8))]
    return b"".join(options) * 200


def storm_answer(chance: random.Random) -> bytes:
    """What is said to each answer."""
    return negotiate(chance.choice((DO, WILL)), chance.randrange(256))


def login(chance: random.Random) -> bytes:
    """A client of SSH that says its version and then nonsense."""
    return b"SSH-2.0-OpenSSH_9.2\r\n" + chance.randbytes(chance.choice((0, 40, 5000)))
