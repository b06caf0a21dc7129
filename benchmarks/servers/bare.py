"""The floor: bare Twisted that answers as a concentrator does, and forgets.

    python -m benchmarks.servers.bare DIRECTORY

Listens for telnet, for telnets with the key and certificate in DIRECTORY, and for SSH by bare
Conch, where `raw` is a bridge to the newest line and anything else echoes its words. Prints where
it listens, and for each line on its standard input how many bytes of output have come.
"""

import sys
from pathlib import Path
from threading import Thread
from typing import Any

from twisted.conch.avatar import ConchUser
from twisted.conch.checkers import InMemorySSHKeyDB, SSHPublicKeyChecker
from twisted.conch.ssh.channel import SSHChannel
from twisted.conch.ssh.factory import SSHFactory
from twisted.conch.ssh.keys import Key
from twisted.cred.portal import IRealm, Portal
from twisted.internet import reactor as the_reactor
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import PrivateCertificate
from zope.interface import implementer

from benchmarks.load import wire
from vspc.wire.vmware import VMotionGoahead, VMotionPeerOk

reactor: Any = the_reactor

ANSWERS = wire.canned_answers()
GOAHEAD = wire.message(VMotionGoahead(wire.SEQUENCE + b"\x05\x06\x07\x08"))
PEER_OK = wire.message(VMotionPeerOk(wire.SEQUENCE))
PEER = bytes((255, 250, 232, 44))
LAST = (b"\xff\xf0", b"\xff\xfb\x2c")
"""How what is no output ends: a suboption, or WILL COM-PORT."""

LOOPBACK = "127.0.0.1"


class Line(Protocol):
    """Says what is expected of it, then counts and forgets; output goes to channels, if any."""

    answered = 0
    factory: "Lines"

    def __init__(self) -> None:
        self.channels: list[Session] = []

    def dataReceived(self, data: bytes) -> None:
        """Whole steps of the dialogue, because a VM waits for each answer; then output."""
        assert self.transport is not None
        if self.answered < len(ANSWERS):
            if PEER in data:
                self.answered = len(ANSWERS)
                self.transport.write(PEER_OK)
                return
            self.transport.write(ANSWERS[self.answered])
            self.answered += 1
        elif data.endswith(LAST):
            if data == wire.BEGIN:
                self.transport.write(GOAHEAD)
            elif data.endswith(wire.QUESTION):
                self.factory.received += len(data) - len(wire.QUESTION)
                self.transport.write(wire.ANSWER)
        else:
            self.factory.received += len(data)
            for channel in self.channels:
                channel.write(data)


class Lines(Factory):
    """All of them."""

    noisy = False

    def __init__(self) -> None:
        self.received = 0
        self.newest: Line | None = None

    def buildProtocol(self, addr: object) -> Any:
        """The newest is the one that a channel bridges to."""
        self.newest = line = Line()
        line.factory = self
        return line


class Session(SSHChannel):
    """A session of bare Conch; it pauses the line while the client's window is closed."""

    name = b"session"
    conn: Any
    line: Any = None

    def request_exec(self, data: bytes) -> int:
        """A bridge, or an echo."""
        if data[4:].startswith(b"raw"):
            user: Any = self.avatar
            self.line = user.lines.newest
            self.line.channels.append(self)
            print("- info attached", flush=True)
        else:
            reactor.callLater(0, self.reply, data[4:])
        return 1

    def reply(self, words: bytes) -> None:
        """Say it, and end."""
        self.write(words + b"\n")
        self.conn.sendRequest(self, b"exit-status", bytes(4))
        self.loseConnection()

    def dataReceived(self, data: bytes) -> None:
        """Keys."""
        if self.line is not None:
            self.line.transport.write(data)

    def stopWriting(self) -> None:
        """The window is closed."""
        if self.line is not None:
            self.line.transport.pauseProducing()

    def startWriting(self) -> None:
        """It is open."""
        if self.line is not None:
            self.line.transport.resumeProducing()

    def closed(self) -> None:
        """Nobody reads."""
        if self.line is not None:
            self.line.channels.remove(self)


@implementer(IRealm)
class Realm:
    """Everybody may."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines

    def requestAvatar(self, avatarId: Any, mind: object, *interfaces: Any) -> Any:
        """Conch's, with our session."""
        user: Any = ConchUser()
        user.channelLookup[b"session"] = Session
        user.lines = self.lines
        return interfaces[0], user, lambda: None


def ssh(directory: Path, lines: Lines) -> Any:
    """A bare Conch that alice's key opens."""
    factory: Any = SSHFactory()
    host_key = Key.fromFile(str(directory / "ssh_host_ed25519_key"))
    factory.privateKeys = {b"ssh-ed25519": host_key}
    factory.publicKeys = {b"ssh-ed25519": host_key.public()}
    keys = InMemorySSHKeyDB({b"alice": [Key.fromFile(str(directory / "alice.pub"))]})
    factory.portal = Portal(Realm(lines), [SSHPublicKeyChecker(keys)])
    return factory


def answer(lines: Lines) -> None:
    """How many bytes have come, as often as somebody asks."""
    for _ in sys.stdin:
        print("received", lines.received, flush=True)


def main() -> None:
    """Until killed."""
    directory = Path(sys.argv[1])
    lines = Lines()
    pem = (directory / "tls.key").read_text() + (directory / "tls.pem").read_text()
    tls = PrivateCertificate.loadPEM(pem).options()
    ports = {
        "telnet": reactor.listenTCP(0, lines, interface=LOOPBACK),
        "telnets": reactor.listenSSL(0, lines, tls, interface=LOOPBACK),
        "ssh": reactor.listenTCP(0, ssh(directory, lines), interface=LOOPBACK),
    }
    for what, port in ports.items():
        print("- info listening", f"what={what} port={port.getHost().port}", flush=True)
    print("- info started", flush=True)
    Thread(target=answer, args=(lines,), daemon=True).start()
    reactor.run()


if __name__ == "__main__":
    main()
