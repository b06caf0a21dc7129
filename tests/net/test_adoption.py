"""Sockets of another process: adopted by a reactor, kept by a service manager, and really closed
when their lines end although the manager has a duplicate.
"""

import os
import shutil
import socket
import stat
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from tests.supervisor import ServiceManager
from vspc.net.adoption import adopt_connection, adopt_port, is_listening, opened
from vspc.net.descriptor_store import (
    RESERVED,
    DescriptorStore,
    is_name,
    name_of,
    port_name,
    shut,
)
from vspc.net.notify import ManagerSettings, Notifier
from vspc.net.turn_loop import TurnLoop


class Line(Protocol):
    """Remembers what it hears."""

    transport: Any

    def __init__(self) -> None:
        self.made: Deferred[None] = Deferred()
        self.heard = b""
        self.lost: Deferred[None] = Deferred()
        self.reason: Failure | None = None

    def connectionMade(self) -> None:
        self.made.callback(None)

    def dataReceived(self, data: bytes) -> None:
        self.heard += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.reason = reason
        self.lost.callback(None)


class StoreTestCase(TestCase):
    """A listener, connections to it, and a service manager that keeps them."""

    timeout = 30.0

    def setUp(self) -> None:
        directory = Path(tempfile.mkdtemp(prefix="vspc-"))
        self.addCleanup(shutil.rmtree, directory)
        self.directory = directory
        self.manager = ServiceManager(directory / "notify")
        self.addCleanup(self.manager.close)
        self.errors: list[str] = []
        settings = ManagerSettings(self.manager.address)
        self.full = list[int]()
        self.store = DescriptorStore(
            Notifier(reactor, settings, self.errors.append), self.full.append
        )
        self.lines: list[Line] = []

    async def listen(self, description: str = "tcp:0:interface=127.0.0.1") -> Any:
        factory = Factory.forProtocol(self._line)
        port = await serverFromString(reactor, description).listen(factory)
        self.addCleanup(port.stopListening)
        return port

    def _line(self) -> Line:
        line = Line()
        self.lines.append(line)
        return line

    async def connect(self, port: Any) -> tuple[socket.socket, Line]:
        """A peer of its own, and the line that it has here."""
        there = port.getHost()
        peer = socket.create_connection((there.host, there.port))
        self.addCleanup(peer.close)
        peer.setblocking(False)
        before = len(self.lines)
        await self.until(lambda: len(self.lines) > before)
        line = self.lines[-1]
        self.addCleanup(_end, line)
        return peer, line

    async def until(self, happened: Any) -> None:
        while not happened():
            self.manager.receive_all()
            await deferLater(reactor, 0.001)

    async def hears(self, peer: socket.socket, expected: bytes) -> None:
        """`peer` is sent exactly `expected`; b"": the end."""
        got = b""
        while got != expected or not expected:
            self.assertTrue(expected.startswith(got), got)
            try:
                data = peer.recv(100)
            except BlockingIOError:
                await deferLater(reactor, 0.001)
                continue
            if not data:
                self.assertEqual(got, expected)
                return
            got += data

    def hand_over(self, name: str) -> socket.socket:
        """A process of its own is given what is kept as `name`."""
        self.manager.receive_all()
        [entry] = [each for each in self.manager.stored if each.name == name]
        sock = opened(os.dup(entry.number))
        assert sock is not None
        return sock


def _end(line: Line) -> "Deferred[None] | None":
    if line.reason is not None:
        return None
    line.transport.loseConnection()
    return line.lost


class Kept(StoreTestCase):
    """The manager has a duplicate of each descriptor."""

    async def test_a_connection_that_is_closed_in_order_is_closed(self) -> None:
        peer, line = await self.connect(await self.listen())
        name = self.store.keep(line.transport)
        assert name is not None
        line.transport.write(b"last words")
        line.transport.loseConnection()
        await line.lost
        await self.hears(peer, b"last words")
        await self.hears(peer, b"")
        self.manager.receive_all()
        self.assertEqual(self.manager.names(), [])

    async def test_a_manager_that_says_how_much_room_it_has(self) -> None:
        self.store.notifier.settings = ManagerSettings(self.manager.address, None, RESERVED + 1)
        port = await self.listen()
        for _ in range(2):
            _, line = await self.connect(port)
            name = self.store.keep(line.transport)
            assert name is not None
            for _ in range(2):
                _, other = await self.connect(port)
                self.assertIsNone(self.store.keep(other.transport))
            self.store.release(name)
        self.assertEqual(self.full, [RESERVED + 1] * 2)

    async def test_an_aborted_connection_is_closed_before_the_manager_has_heard_of_it(self) -> None:
        peer, line = await self.connect(await self.listen())
        self.store.keep(line.transport)
        self.manager.receive_all()
        line.transport.abortConnection()
        await line.lost
        self.assertEqual(len(self.manager.names()), 1)
        await self.hears(peer, b"")
        self.manager.receive_all()
        self.assertEqual(self.manager.names(), [])

    async def test_a_peer_that_closes(self) -> None:
        peer, line = await self.connect(await self.listen())
        self.store.keep(line.transport)
        peer.close()
        await line.lost
        self.manager.receive_all()
        self.assertEqual(self.manager.names(), [])
        self.assertEqual(len(self.store), 0)

    async def test_a_released_connection_is_not_kept_and_its_abort_still_ends_it(self) -> None:
        peer, line = await self.connect(await self.listen())
        name = self.store.keep(line.transport)
        assert name is not None
        self.manager.receive_all()
        self.store.release(name)
        line.transport.abortConnection()
        await line.lost
        self.assertEqual(self.manager.names(), [name])  # it has not read this yet
        await self.hears(peer, b"")
        self.manager.receive_all()
        self.assertEqual(self.manager.names(), [])

    async def test_names_are_not_used_twice(self) -> None:
        port = await self.listen()
        self.store.avoid(["state", "p00007", "l0000z", "l00003"])
        names = [self.store.keep((await self.connect(port))[1].transport) for _ in range(2)]
        self.assertEqual(names, ["l00010", "l00011"])

    async def test_what_is_left_stays_open_however_it_is_closed_here(self) -> None:
        port = await self.listen()
        kept = [await self.connect(port) for _ in range(3)]
        for _, line in kept:
            self.store.keep(line.transport)
        self.store.keep_port("p00000", port)
        self.manager.receive_all()
        self.store.leave()
        for how, (_, line) in zip(("loseConnection", "abortConnection"), kept, strict=False):
            getattr(line.transport, how)()
        for _, line in kept:
            if line.reason is None:
                line.transport.connectionLost(Failure(ConnectionError("the reactor ends")))
            await line.lost
        await port.stopListening()
        self.manager.receive_all()
        self.assertEqual(len(self.manager.names()), 4)
        for peer, _ in kept:
            peer.send(b"still here")
            self.assertRaises(BlockingIOError, peer.recv, 1)
        socket.create_connection(port_of(self.hand_over("p00000"))).close()

    async def test_what_nobody_goes_on_with_is_closed(self) -> None:
        port = await self.listen()
        (one, _), (other, line) = [await self.connect(port) for _ in range(2)]
        names = [self.store.keep(each.transport) for each in self.lines]
        self.store.freeze()
        line.transport.loseConnection()
        self.store.close_others({str(names[0])})
        self.store.leave()
        await self.hears(other, b"")
        self.assertRaises(BlockingIOError, one.recv, 1)
        self.manager.receive_all()
        self.assertEqual(self.manager.names(), names[:1])
        for each in self.lines:
            each.transport.connectionLost(Failure(ConnectionError("over")))

    async def test_a_frozen_connection_neither_reads_nor_writes(self) -> None:
        peer, line = await self.connect(await self.listen())
        self.store.keep(line.transport)
        self.store.freeze()
        peer.send(b"for the next process")
        line.transport.resumeProducing()
        line.transport.write(b"not from here")
        await deferLater(reactor, 0.01)
        self.assertEqual(line.heard, b"")
        self.assertRaises(BlockingIOError, peer.recv, 1)
        self.store.leave()
        line.transport.connectionLost(Failure(ConnectionError("over")))


class Adopted(StoreTestCase):
    """Another process goes on."""

    async def adopt(self, name: str, host: str | None = None) -> Line:
        line = Line()
        adopt_connection(reactor, self.hand_over(name), line, TurnLoop(reactor), host)
        self.addCleanup(_end, line)
        return line

    async def kept(self) -> tuple[socket.socket, str]:
        """A connection that was left, and its name."""
        peer, line = await self.connect(await self.listen())
        name = self.store.keep(line.transport)
        assert name is not None
        self.manager.receive_all()
        self.store.leave()
        line.transport.connectionLost(Failure(ConnectionError("the process ends")))
        return peer, name

    async def test_the_peer_notices_nothing(self) -> None:
        peer, name = await self.kept()
        peer.send(b"said meanwhile")
        line = await self.adopt(name)
        await self.until(lambda: line.heard == b"said meanwhile")
        line.transport.write(b"answer")
        await self.hears(peer, b"answer")
        self.assertEqual(line.transport.getPeer().host, "127.0.0.1")
        self.assertEqual(line.transport.getPeer().port, peer.getsockname()[1])

    async def test_the_address_that_a_balancer_gave_stays(self) -> None:
        _, name = await self.kept()
        for host in ("10.1.1.4", "fd00::4"):
            line = await self.adopt(name, host)
            self.assertEqual(line.transport.getPeer().host, host)

    async def test_a_peer_that_has_closed_meanwhile(self) -> None:
        peer, name = await self.kept()
        peer.send(b"last words")
        peer.close()
        line = await self.adopt(name)
        await line.lost
        self.assertEqual(line.heard, b"last words")

    async def test_a_connection_that_was_reset_meanwhile(self) -> None:
        peer, name = await self.kept()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        peer.close()
        line = await self.adopt(name, "127.0.0.1")
        self.assertEqual(line.transport.getPeer().host, "127.0.0.1")
        await line.lost

    async def test_a_listener_goes_on_with_those_that_waited(self) -> None:
        port = await self.listen()
        there = port.getHost()
        self.store.keep_port("p00000", port)
        self.manager.receive_all()
        self.store.leave()
        await port.stopListening()
        waiting = socket.create_connection((there.host, there.port))
        self.addCleanup(waiting.close)
        sock = self.hand_over("p00000")
        self.assertTrue(is_listening(sock))
        again = adopt_port(reactor, sock, Factory.forProtocol(self._line))
        self.addCleanup(again.stopListening)
        await self.until(lambda: self.lines)
        self.addCleanup(_end, self.lines[0])
        self.assertEqual(again.getHost(), there)

    async def test_a_listener_that_is_closed_for_good_while_it_is_kept(self) -> None:
        port = await self.listen()
        there = port.getHost()
        self.store.keep_port("p00000", port)
        self.manager.receive_all()
        self.store.release_port(port)
        self.assertFalse(self.store.keeps_port(port))
        # The manager still has it, and nobody can connect all the same.
        self.assertEqual(self.manager.names(), ["p00000"])
        await port.stopListening()
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection((there.host, there.port))
        self.manager.receive_all()
        self.assertEqual(self.manager.names(), [])

    async def test_a_unix_socket_that_goes_on_has_its_mode_and_its_lock(self) -> None:
        path = self.directory / "line"
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(str(path))
        path.chmod(0o600)
        sock.listen()
        os.symlink("999999999", f"{path}.lock")  # of a process that was killed
        again = adopt_port(reactor, sock, Factory.forProtocol(self._line))
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        self.assertEqual(os.readlink(f"{path}.lock"), str(os.getpid()))
        peer = socket.socket(socket.AF_UNIX)
        self.addCleanup(peer.close)
        peer.connect(str(path))
        await self.until(lambda: self.lines)
        self.addCleanup(_end, self.lines[0])
        await maybeDeferred(again.stopListening)
        self.assertEqual(list(self.directory.glob("line*")), [])

    async def test_a_unix_socket(self) -> None:
        path = str(self.directory / "line")
        await self.listen(f"unix:{path}")
        peer = socket.socket(socket.AF_UNIX)
        self.addCleanup(peer.close)
        peer.connect(path)
        await self.until(lambda: self.lines)
        [line] = self.lines
        name = self.store.keep(line.transport)
        assert name is not None
        self.manager.receive_all()
        self.store.leave()
        line.transport.connectionLost(Failure(ConnectionError("the process ends")))
        again = await self.adopt(name, "local")
        peer.send(b"hello")
        await self.until(lambda: again.heard == b"hello")

    async def test_what_is_no_socket_stays_as_it_is(self) -> None:
        number = os.memfd_create("state")
        self.assertIsNone(opened(number))
        os.write(number, b"x")
        os.close(number)
        self.assertIsNone(opened(number))

    async def test_a_connection_that_nobody_takes_is_closed(self) -> None:
        peer, name = await self.kept()
        shut(self.hand_over(name))
        await self.hears(peer, b"")


class Names(TestCase):
    """Names in the store have 6 characters."""

    def test_they_are_short_and_known_again(self) -> None:
        for number in (0, 1, 35, 36, 36**5 - 1):
            name = name_of("l", number)
            self.assertEqual(len(name), 6)
            self.assertTrue(is_name("l", name))
            self.assertFalse(is_name("p", name))
        for other in ("state", "telnet", "l0000", "l00_00", "stored", ""):
            self.assertFalse(is_name("l", other), other)

    def test_a_listener_has_the_same_name_each_time(self) -> None:
        first = port_name("telnet", "tcp:13370")
        self.assertEqual(first, port_name("telnet", "tcp:13370"))
        self.assertNotEqual(first, port_name("telnets", "tcp:13370"))
        self.assertTrue(is_name("p", first))


def port_of(sock: socket.socket) -> tuple[str, int]:
    with sock:
        host, port = sock.getsockname()
        return host, port
