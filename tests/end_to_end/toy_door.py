"""The SSH server by itself, with toy programs.

Run as `python -m tests.end_to_end.toy_door DIR [BYTES]`; after BYTES the server asks for new keys.
DIR holds `authorized/NAME`, files of public keys as OpenSSH writes them. Prints `port N` and then
the server's log, one event a line, on standard output. Commands: `echo WORDS`, `cat`, `both`,
`status N`, `flood`, `bytes N`, `slow`, `terminal`, `breaks`, `login`, `rss`, `raise`.
"""

import base64
import resource
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from zope.interface import provider

from tests.authenticators import OnlyKeys
from vspc.console.logins import ExecRequest, ForwardRequest, Login, Request
from vspc.console.ports import Channel
from vspc.net.limits import Admissions
from vspc.net.scheduler import Scheduler
from vspc.ssh import limits
from vspc.ssh.context import SshContext
from vspc.ssh.keys import host_keys
from vspc.ssh.limits import GracePeriod
from vspc.ssh.server import SshServer

_NO_FACTS = ("log_", "isError", "message", "time", "format")


class Files(OnlyKeys):
    """Authorised keys from a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def keys(self, operator: str) -> Collection[bytes]:
        """Read anew each time: tests write them while the server runs."""
        path = self.directory / operator
        if "/" in operator or not path.is_file():
            return ()
        return [base64.b64decode(line.split()[1]) for line in path.read_text().splitlines()]


class Toy:
    """A program that does nothing."""

    def __init__(self, channel: Channel, words: list[str]) -> None:
        self.channel = channel
        self.words = words

    def begin(self) -> None:
        """The channel is open."""

    def received(self, data: bytes) -> None:
        """Take it."""
        self.channel.consumed(len(data))

    def ended_input(self) -> None:
        """Nothing."""

    def drained(self) -> None:
        """Nothing."""

    def resized(self) -> None:
        """Nothing."""

    def break_requested(self) -> bool:
        """No."""
        return False

    def give_back(self) -> bool:
        return False

    def closed(self) -> None:
        """Say so, for tests that look at the log."""
        print("closed", type(self).__name__, flush=True)


class Echo(Toy):
    """Says its words."""

    def begin(self) -> None:
        """All at once."""
        self.channel.write(" ".join(self.words[1:]).encode() + b"\n")
        self.channel.finish(0)


class Both(Toy):
    """Says something on each stream."""

    def begin(self) -> None:
        """stdout, then stderr."""
        self.channel.write(b"out\n")
        self.channel.write_error(b"err\n")
        self.channel.finish(0)


class Cat(Toy):
    """Gives back what it gets, and only takes what it could give back."""

    def begin(self) -> None:
        """Nothing yet."""
        self.waiting = bytearray()
        self.ended = False

    def received(self, data: bytes) -> None:
        """Keep it."""
        self.waiting += data
        self.drained()

    def drained(self) -> None:
        """Give back as much as there is room for."""
        while self.waiting and (room := self.channel.room()):
            piece = bytes(self.waiting[:room])
            del self.waiting[:room]
            self.channel.write(piece)
            self.channel.consumed(len(piece))
        if self.ended and not self.waiting:
            self.channel.finish(0)

    def ended_input(self) -> None:
        """The end, once all is given back."""
        self.ended = True
        self.drained()


class Status(Toy):
    """Ends with a status."""

    def begin(self) -> None:
        """At once."""
        self.channel.finish(int(self.words[1]))


class Flood(Toy):
    """Writes for ever, as much as there is room for; a turn at a time, as a console would."""

    limit: int | None = None

    def begin(self) -> None:
        """Begin to."""
        if self.words[0] == "bytes":
            self.limit = int(self.words[1])
        self.written = 0
        self.over = False
        self.drained()

    def drained(self) -> None:
        """One piece a turn."""
        room = self.channel.room()
        if self.over or not room:
            return
        left = room if self.limit is None else min(room, self.limit - self.written)
        self.channel.write(b"x" * left)
        self.written += left
        if self.limit is not None and self.written >= self.limit:
            self.channel.finish(0)
        else:
            reactor.callLater(0, self.drained)

    def closed(self) -> None:
        """Stop."""
        self.over = True
        super().closed()


class Slow(Toy):
    """Takes nothing of what is typed."""

    def begin(self) -> None:
        """Nothing."""
        self.got = 0

    def received(self, data: bytes) -> None:
        """Count, and say how much; do not take."""
        self.got += len(data)
        print("slow-got", self.got, flush=True)


class Screen(Toy):
    """Says how large the terminal is."""

    def begin(self) -> None:
        """Now, and at each change."""
        self.resized()
        self.channel.finish(0)

    def resized(self) -> None:
        """The size."""
        self.channel.write(f"{self.channel.terminal}\r\n".encode())


class Breaks(Toy):
    """Ends at the first BREAK."""

    def begin(self) -> None:
        """The prompt that a test waits for."""
        self.channel.write(b"ready\r\n")

    def break_requested(self) -> bool:
        """Here it is."""
        self.channel.write(b"break!\r\n")
        self.channel.finish(0)
        return True


class Rss(Toy):
    """Says how large the server ever was, in KiB."""

    def begin(self) -> None:
        """One line."""
        largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self.channel.write(f"{largest}\n".encode())
        self.channel.finish(0)


class Raise(Toy):
    """A program with a mistake."""

    def begin(self) -> None:
        """The mistake."""
        raise RuntimeError("a toy that breaks")


TOYS: dict[str, type[Toy]] = {
    "echo": Echo,
    "cat": Cat,
    "both": Both,
    "status": Status,
    "flood": Flood,
    "bytes": Flood,
    "slow": Slow,
    "terminal": Screen,
    "breaks": Breaks,
    "login": Echo,
    "rss": Rss,
    "raise": Raise,
}


def _words(login: Login, request: Request) -> list[str]:
    if isinstance(request, ExecRequest):
        words = request.line.decode().split()
        if words[0] == "login":
            words += [login.operator, str(login.target), *login.options]
        return words
    if isinstance(request, ForwardRequest):
        return ["cat" if request.host == "web01" else "unknown"]
    return ["terminal"]


def begin(channel: Channel, login: Login, request: Request) -> None:
    """What the service would do."""
    words = _words(login, request)
    toy = TOYS.get(words[0])
    if toy is None:
        channel.write_error(b"no such toy\n")
        channel.finish(3)
        return
    program = toy(channel, words)
    channel.start(program)
    program.begin()


@provider(ILogObserver)
def show(event: LogEvent) -> None:
    """One line for each event, a traceback's last line for failures."""
    facts = " ".join(f"{k}={v}" for k, v in event.items() if not k.startswith(_NO_FACTS))
    print(event["log_level"].name, formatEvent(event), facts, flush=True)


def main(directory: Path) -> None:
    """Listen on a free port of the loopback interface, until killed."""
    globalLogPublisher.addObserver(show)
    clock: Any = reactor
    context = SshContext(
        host_keys=host_keys([], directory),
        authenticator=Files(directory / "authorized"),
        start=begin,
        clock=clock,
        scheduler=Scheduler(clock.callLater, clock.seconds),
        grace_period=GracePeriod(Admissions(32, 200), clock),
    )
    listening = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(SshServer(context))
    listening.addCallback(lambda port: print("port", port.getHost().port, flush=True))
    reactor.run()


if __name__ == "__main__":
    limits.REKEY_BYTES = int(sys.argv[2]) if len(sys.argv) > 2 else limits.REKEY_BYTES
    main(Path(sys.argv[1]))
