"""Flooders: somebody who sends what costs the server much and himself little (law 11).

    python -m benchmarks.load.flooding FLOOD SECONDS WHAT=PORT ...

Says `ready`, and floods for so long. The floods are in `FLOODS`.
"""

import contextlib
import os
import selectors
import socket
import sys
import time
from collections.abc import Callable
from threading import Thread

import paramiko  # type: ignore[import-untyped]
from attrs import define
from OpenSSL import SSL

from benchmarks.load.wire import message
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
    VmVcUuid,
)

NOBODIES = 200
"""Connections that do not say who they are; at the SSH door 192, as many as may wait."""

SOURCES = {"telnet": "127.0.1.1", "telnets": "127.0.1.1", "ssh": "127.0.0.1"}
"""The addresses of VMs and of operators that are looked at, which floods come from, too."""

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


@define
class Sockets:
    """`count` connections to `port` that say `first`, then `block` for ever."""

    port: int
    count: int
    first: Callable[[int], bytes]
    block: bytes
    reconnect: bool = False
    most: int = BLOCK  # bytes that are sent at once
    source: str = ""  # 127.0.0.2 and so on if empty, 32 from each

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
        source = self.source or f"127.0.0.{2 + number // 32}"
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
                raw = socket.create_connection(("127.0.0.1", self.port), 30, (self.source, 0))
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
            source=SOURCES["telnet"],
            **options,  # type: ignore[arg-type]
        )

    return make


def nobody(
    what: str, block: bytes, first: bytes = b"", count: int = NOBODIES, **options: object
) -> Callable[[dict[str, int]], Sockets]:
    """Connections that have not said who they are."""

    def make(ports: dict[str, int]) -> Sockets:
        words = {"source": SOURCES[what]} | options
        return Sockets(ports[what], count, lambda _number: first, block, **words)  # type: ignore[arg-type]

    return make


def stranger(block: bytes) -> Callable[[dict[str, int]], Sockets]:
    """Clients at the SSH door that have not logged in, from six addresses."""
    return nobody("ssh", block, SSH_VERSION, 192, reconnect=True, source="")


def tls(block: bytes, most: int, count: int) -> Callable[[dict[str, int]], Sockets]:
    """Lines within TLS; with a block, of VMs."""

    def make(ports: dict[str, int]) -> Sockets:
        def first(number: int) -> bytes:
            return identity(os.getpid() * 1000 + number, f"tls{number}") if block else b""

        words = {"most": most, "source": SOURCES["telnets"]}
        return TlsSockets(ports["telnets"], count, first, block, **words)  # type: ignore[arg-type]

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

FLOODS: dict[str, Callable[[dict[str, int]], Sockets | Clients]] = {
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


def main() -> None:
    """One of them."""
    name, seconds, *where = sys.argv[1:]
    ports = {what: int(port) for what, _, port in (word.partition("=") for word in where)}
    FLOODS[name](ports).run(time.monotonic() + float(seconds))


if __name__ == "__main__":
    main()
