"""How late a GOAHEAD, another VM's output and `list` are while somebody floods the server (law 11).

    python -m benchmarks.fair [SECONDS] [FLOOD ...]

A real server on loopback. One VM begins and aborts vMotions, one talks and `ssh ... raw` listens,
`ssh ... list` logs in again and again; beside them, in processes of their own, the flooders of
`FLOODS`: each for SECONDS (10), on the VMs' side from the same address. Prints for each what took
how long, and what the server used of a processor. The goals: GOAHEAD under 100 ms for 99 of 100 and
never over 500, output under 50 ms for 99 of 100, `list` under 500. On a busy machine run it by
`nice -n -5`.
"""

import contextlib
import os
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread

import paramiko  # type: ignore[import-untyped]
from attrs import define, field
from OpenSSL import SSL

from benchmarks.load.wire import message
from benchmarks.processes import Server, python, running
from benchmarks.servers.ours import ssh, vspc
from vspc.wire.telnet import (
    BRK,
    COM_PORT,
    NOP,
    VMWARE,
    WILL,
    command,
    negotiation,
    subnegotiation,
)
from vspc.wire.vmware import (
    DoProxy,
    VmName,
    VMotionAbort,
    VMotionBegin,
    VmVcUuid,
)

GOALS = {"goahead": (100.0, 500.0), "output": (50.0, 1e9), "list": (500.0, 500.0)}
"""Milliseconds: for 99 of 100, and for all."""

NOBODIES = 200
"""Connections that do not say who they are; at the SSH door 192, as many as may wait."""

FAILED = 99.0
"""Seconds that a login counts which did not succeed."""

GOAHEAD = bytes((255, 250, VMWARE, 41))
BLOCK = 65536
SSH_VERSION = b"SSH-2.0-flood\r\n"
READY = "ready"


def repeated(piece: bytes) -> bytes:
    """A block of it."""
    return piece * max(1, BLOCK // len(piece))


def identity(number: int, name: str) -> bytes:
    """What a VM says to be somebody."""
    said = negotiation(WILL, VMWARE) + message(DoProxy(b"S", b"vspc"))
    said += message(VmVcUuid(b"%032x" % number)) + message(VmName(name.encode()))
    return said + negotiation(WILL, COM_PORT)


def clear_packet(payload: bytes) -> bytes:
    """An SSH packet before there are keys."""
    padding = 4 + -(9 + len(payload)) % 8
    size = (1 + len(payload) + padding).to_bytes(4)
    return size + bytes((padding,)) + payload + bytes(padding)


# Flooders: each runs in a process of its own


@define
class Sockets:
    """`count` connections to `port` that say `first`, then `block` for ever."""

    port: int
    count: int
    first: Callable[[int], bytes]
    block: bytes
    reconnect: bool = False
    most: int = BLOCK  # bytes that are sent at once
    addresses: int = 0  # from so many others, 127.0.0.2 and so on, 32 from each

    def run(self, end: float) -> None:
        """Send as fast as they are read."""
        selector = selectors.DefaultSelector()
        for number in range(self.count):
            self._open(selector, number)
        print(READY, flush=True)
        while time.monotonic() < end and selector.get_map():
            for key, _ in selector.select(0.5):
                try:
                    self._turn(key)
                except BlockingIOError:
                    continue
                except OSError:
                    selector.unregister(key.fileobj)
                    key.data[0].close()
                    if self.reconnect:
                        self._open(selector, key.data[2])

    def _open(self, selector: selectors.BaseSelector, number: int) -> None:
        source = f"127.0.0.{2 + number // 32}" if self.addresses else "127.0.0.1"
        with contextlib.suppress(OSError):
            connection = socket.create_connection(("127.0.0.1", self.port), 30, (source, 0))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(self.first(number))
            connection.setblocking(False)
            both = selectors.EVENT_READ | selectors.EVENT_WRITE
            selector.register(connection, both, [connection, b"", number])

    def _turn(self, key: selectors.SelectorKey) -> None:
        connection, rest, _ = key.data
        with contextlib.suppress(BlockingIOError):
            if not connection.recv(BLOCK):
                raise ConnectionResetError
        rest = rest or self.block
        if not rest:
            raise ConnectionResetError  # to connect was all
        sent = connection.send(rest[: self.most])
        key.data[1] = rest[sent:]


class TlsSockets(Sockets):
    """The same within TLS, `most` bytes in a record; without a block the handshake is all."""

    def run(self, end: float) -> None:
        """Shake hands, then records without end, made beforehand: to seal them costs as much."""
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        print(READY, flush=True)
        threads = [
            Thread(target=self._flood, args=(context, end, number), daemon=True)
            for number in range(self.count)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _flood(self, context: SSL.Context, end: float, number: int) -> None:
        while time.monotonic() < end:
            with contextlib.suppress(OSError, SSL.Error):
                raw = socket.create_connection(("127.0.0.1", self.port), timeout=30)
                raw.settimeout(None)
                connection = SSL.Connection(context, raw)
                connection.set_connect_state()
                connection.do_handshake()
                said = self.first(number)
                if said:
                    connection.sendall(said)
                while self.block and time.monotonic() < end:
                    connection.send(self.block[: self.most])
                connection.close()


@define
class Clients:
    """`count` SSH clients that have logged in; `flood` sends a few messages over one."""

    port: int
    count: int
    flood: Callable[[paramiko.Transport, paramiko.Channel], None]

    def run(self, end: float) -> None:
        """Log in, then flood."""
        key = paramiko.Ed25519Key.from_private_key_file("alice")
        opened = []
        for _ in range(self.count):
            transport = paramiko.Transport(("127.0.0.1", self.port))
            transport.connect(username="alice", pkey=key)
            opened.append((transport, transport.open_session()))
        print(READY, flush=True)
        while time.monotonic() < end:
            for transport, channel in opened:
                self.flood(transport, channel)


def channel_message(kind: int, *fields: bytes) -> Callable[..., None]:
    """Sends that message about its channel, a hundred times."""

    def flood(transport: paramiko.Transport, channel: paramiko.Channel) -> None:
        text = bytes((kind,)) + channel.remote_chanid.to_bytes(4) + b"".join(fields)
        for _ in range(100):
            transport._send_user_message(paramiko.Message(text))

    return flood


def plain_message(text: bytes) -> Callable[..., None]:
    """Sends that message a hundred times."""

    def flood(transport: paramiko.Transport, _channel: paramiko.Channel) -> None:
        for _ in range(100):
            transport._send_user_message(paramiko.Message(text))

    return flood


def opened_and_closed(transport: paramiko.Transport, _channel: paramiko.Channel) -> None:
    """A channel comes and goes."""
    transport.open_session().close()


def ssh_string(text: bytes) -> bytes:
    """A counted string."""
    return len(text).to_bytes(4) + text


def vm(block: bytes, count: int = 70, **options: object) -> Callable[[dict[str, int]], Sockets]:
    """Lines of VMs."""

    def make(ports: dict[str, int]) -> Sockets:
        return Sockets(
            ports["telnet"],
            count,
            lambda number: identity(os.getpid() * 1000 + number, f"flood{os.getpid()}-{number}"),
            block,
            **options,  # type: ignore[arg-type]
        )

    return make


def nobody(
    what: str, block: bytes, first: bytes = b"", count: int = NOBODIES, **options: object
) -> Callable[[dict[str, int]], Sockets]:
    """Connections that have not said who they are."""

    def make(ports: dict[str, int]) -> Sockets:
        return Sockets(ports[what], count, lambda _number: first, block, **options)  # type: ignore[arg-type]

    return make


def stranger(block: bytes) -> Callable[[dict[str, int]], Sockets]:
    """Clients at the SSH door that have not logged in, from six addresses."""
    return nobody("ssh", block, SSH_VERSION, 192, reconnect=True, addresses=6)


def tls(block: bytes, most: int, count: int) -> Callable[[dict[str, int]], Sockets]:
    """Lines within TLS; with a block, of VMs."""

    def make(ports: dict[str, int]) -> Sockets:
        def first(number: int) -> bytes:
            return identity(os.getpid() * 1000 + number, f"tls{number}") if block else b""

        return TlsSockets(ports["telnets"], count, first, block, most=most)

    return make


def client(
    flood: Callable[[paramiko.Transport, paramiko.Channel], None], count: int = 4
) -> Callable[[dict[str, int]], Clients]:
    """Clients that are logged in."""
    return lambda ports: Clients(ports["ssh"], count, flood)


_IGNORE = b"\x02" + ssh_string(b"")
_DEBUG = b"\x04\x00" + ssh_string(b"x") + ssh_string(b"")
_UNIMPLEMENTED = b"\x03" + bytes(4)
_ENV = (ssh_string(b"env") + b"\x00", ssh_string(b"LANG") + ssh_string(b"C"))

_TOGGLES = b"".join(subnegotiation(COM_PORT, bytes((5, value))) for value in (5, 6, 8, 9, 1, 2))

FLOODS: dict[str, Callable[[dict[str, int]], Sockets | Clients] | None] = {
    "nothing": None,
    "vm-nop": vm(repeated(command(NOP))),
    "vm-break": vm(repeated(command(BRK))),
    "vm-negotiations": vm(repeated(negotiation(WILL, 77)), reconnect=True),
    "vm-comport": vm(repeated(subnegotiation(COM_PORT, b"\x01\x00\x00\x00\x00"))),
    "vm-comport-toggles": vm(repeated(_TOGGLES)),
    "vm-suboptions": vm(repeated(subnegotiation(VMWARE, b"\x63")), reconnect=True),
    "vm-bytes-and-nop": vm(repeated(b"x" + command(NOP))),
    "vm-doubled": vm(repeated(b"\xff\xff")),
    "vm-segments-of-1": vm(repeated(command(NOP)), most=1),
    "vm-output": vm(repeated(b"all work and no play\r\n"), count=20),
    "tls-records-of-1": tls(repeated(command(NOP)), 1, 20),
    "tls-handshakes": tls(b"", 0, 60),
    "nobody-nop": nobody("telnet", repeated(command(NOP)), reconnect=True),
    "nobody-output": nobody("telnet", repeated(b"x" * 100), reconnect=True),
    "nobody-comes-and-goes": nobody("telnet", b"", reconnect=True),
    "ssh-comes-and-goes": stranger(b""),
    "ssh-ignore": stranger(repeated(clear_packet(_IGNORE))),
    "ssh-debug": stranger(repeated(clear_packet(_DEBUG))),
    "ssh-unimplemented": stranger(repeated(clear_packet(_UNIMPLEMENTED))),
    "ssh-ignore-same-address": nobody(
        "ssh", repeated(clear_packet(_IGNORE)), SSH_VERSION, 60, reconnect=True
    ),
    "ssh-comes-same-address": nobody("ssh", b"", SSH_VERSION, 60, reconnect=True),
    "in-ignore": client(plain_message(_IGNORE)),
    "in-env": client(channel_message(98, *_ENV)),
    "in-adjust": client(channel_message(93, bytes(4))),
    "in-empty-data": client(channel_message(94, bytes(4))),
    "in-global-requests": client(plain_message(b"\x50" + ssh_string(b"x") + b"\x01")),
    "in-channels": client(opened_and_closed),
}

# What is measured


@define
class Times:
    """Milliseconds that something took, again and again."""

    name: str
    found: list[float] = field(factory=list)

    def add(self, seconds: float) -> None:
        """One more."""
        self.found.append(seconds * 1000)

    def show(self) -> str:
        """Median, the 99th of a hundred, the longest; with a mark where a goal is missed."""
        if not self.found:
            return "      none      !"
        ordered = sorted(self.found)
        late, longest = ordered[int(len(ordered) * 0.99)], ordered[-1]
        goals = GOALS[self.name]
        mark = " " if late < goals[0] and longest <= goals[1] else "!"
        return f"{ordered[len(ordered) // 2]:6.1f} {late:6.1f} {longest:7.1f}{mark}"


@define
class Measuring:
    """Three threads that measure until `over`."""

    server: Server
    over: Event = field(factory=Event)
    goahead: Times = field(factory=lambda: Times("goahead"))
    output: Times = field(factory=lambda: Times("output"))
    listed: Times = field(factory=lambda: Times("list"))
    _mover: socket.socket = field(init=False)
    _talker: socket.socket = field(init=False)
    _listener: "subprocess.Popen[bytes]" = field(init=False)

    def line(self, number: int, name: str) -> socket.socket:
        """A VM, known to the server."""
        line = socket.create_connection(("127.0.0.1", self.server.ports["telnet"]))
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.sendall(identity(number, name))
        line.settimeout(60)
        return line

    def prepare(self) -> None:
        """Two VMs, and somebody who listens to one: before the flood."""
        self._mover, self._talker = self.line(1, "mover"), self.line(2, "talker")
        time.sleep(0.3)  # the VM has to be known
        raw = ssh(self.server, "raw", "talker")
        self._listener = subprocess.Popen(raw, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        Thread(target=self._listen, daemon=True).start()
        time.sleep(1.0)

    def measure(self, seconds: float) -> str:
        """All three for so long, beside whoever floods; what the server used comes last."""
        threads = [Thread(target=work) for work in (self.move, self.talk, self.look)]
        before, begun = self.server.cpu, time.monotonic()
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        used = (self.server.cpu - before) / (time.monotonic() - begun)
        self.over.set()
        for thread in threads:
            thread.join(60)
        self.close()
        rows = (self.goahead, self.output, self.listed)
        return "  ".join((*(row.show() for row in rows), f"{used:6.0%}"))

    def close(self) -> None:
        """Nobody listens any more."""
        self._listener.kill()
        self._listener.wait()

    def move(self) -> None:
        """Begin vMotions and abort them."""
        with self._mover as line:
            while not self.over.wait(0.02):
                begun = time.monotonic()
                line.sendall(message(VMotionBegin(b"\x01\x02\x03\x04")))
                read = b""
                while GOAHEAD not in read:
                    read += line.recv(BLOCK)
                self.goahead.add(time.monotonic() - begun)
                line.sendall(message(VMotionAbort()))

    def talk(self) -> None:
        """Say what time it is, every 20 ms."""
        with self._talker as line:
            while not self.over.wait(0.02):
                line.sendall(b"%.6f\n" % time.monotonic())
            time.sleep(0.5)

    def _listen(self) -> None:
        assert self._listener.stdout is not None
        for said in self._listener.stdout:
            now = time.monotonic()
            with contextlib.suppress(ValueError):
                self.output.add(now - float(said))

    def look(self) -> None:
        """Log in and list."""
        while not self.over.wait(0.3):
            begun = time.monotonic()
            done = subprocess.run(
                ssh(self.server, "list"), check=False, stdin=subprocess.DEVNULL, capture_output=True
            )
            self.listed.add(time.monotonic() - begun if done.returncode == 0 else FAILED)


def measure(directory: Path, flood: str, seconds: float) -> None:
    """One row of the table, with a server of its own."""
    with vspc(directory) as server, flooding(directory, server.ports, flood, seconds + 30):
        measuring = Measuring(server)
        measuring.prepare()
        print(f"{flood:26}", measuring.measure(seconds), flush=True)


@contextlib.contextmanager
def flooding(directory: Path, ports: dict[str, int], flood: str, seconds: float) -> Iterator[None]:
    """The flooder of that name, in a process of its own."""
    if FLOODS[flood] is None:
        yield
        return
    where = [f"{what}={port}" for what, port in ports.items()]
    # It would not be on this machine.
    words = ["nice", "-n", "15", *python("benchmarks.fair", "flood", flood, str(seconds), *where)]
    with running(words, directory) as flooder:
        assert flooder.stdout is not None
        flooder.stdout.readline()
        yield


def main() -> None:
    """The benchmark, or one of its flooders."""
    if sys.argv[1:2] == ["flood"]:
        name, duration, *where = sys.argv[2:]
        ports = {what: int(port) for what, _, port in (word.partition("=") for word in where)}
        make = FLOODS[name]
        assert make is not None
        make(ports).run(time.monotonic() + float(duration))
        return
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    print("median, 99th of 100 and longest, ms; ! misses a goal")
    print(f"{'flood':26} {'GOAHEAD':23} {'output':23} {'list':23} processor")
    for flood in sys.argv[2:] or FLOODS:
        with tempfile.TemporaryDirectory(prefix="vspc-fair-") as place:
            measure(Path(place), flood, seconds)


if __name__ == "__main__":
    main()
