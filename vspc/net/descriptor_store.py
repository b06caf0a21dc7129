"""Connections and listeners that the service manager keeps open over a restart of this process.

What it keeps is a duplicate of the descriptor: closing ours leaves the connection open. So each
end of a kept connection is a shutdown(2), and the manager is told in the same turn.
"""

import socket
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Any
from zlib import crc32

from attrs import define, field
from twisted.internet.interfaces import IListeningPort

from vspc.net.notify import Notifier

LINE, PORT = "l", "p"
"""What names of connections and of listeners begin with."""

DIGITS = 5
"""Digits behind it, of base 36. The names of 16,384 descriptors fit into one string of the
environment (`vspc.net.notify.NAMES`).
"""

RESERVED = 2
"""Descriptors that have room whatever number of connections there is: those of two states."""

NAMES_IN_ALL = 36**DIGITS
"""Names of one kind."""

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"


def name_of(kind: str, number: int) -> str:
    """A name in the store: at most 6 characters."""
    digits = ""
    for _ in range(DIGITS):
        number, digit = divmod(number, 36)
        digits = _ALPHABET[digit] + digits
    return kind + digits


def is_name(kind: str, name: str) -> bool:
    """Whether `name` is one that `name_of` gives for `kind`."""
    digits = name[1:]
    return name[:1] == kind and len(digits) == DIGITS and set(digits) <= set(_ALPHABET)


def port_name(what: str, description: str) -> str:
    """The name of the listener `what` at the endpoint `description`: the same one in each process
    that has this listener.
    """
    return name_of(PORT, crc32(f"{what} {description}".encode()) % NAMES_IN_ALL)


def below(transport: Any) -> Any:
    """Twisted's own transport under the layers of ours."""
    while (inner := getattr(transport, "transport", None)) is not None:
        transport = inner
    return transport


@define(eq=False)
class DescriptorStore:
    """What is kept, by name. `full` is called with the number of descriptors that are kept at most,
    if the manager has said it: when there is no room for a connection, and again after there was.
    """

    notifier: Notifier
    full: Callable[[int], None]
    _is_full: bool = field(default=False, init=False)
    _connections: dict[str, Any] = field(factory=dict, init=False)
    _ports: dict[Any, str | None] = field(factory=dict, init=False)  # and their names
    _port_names: set[str] = field(factory=set, init=False)
    _numbers: Iterator[int] = field(factory=count, init=False)
    _has_left: bool = field(default=False, init=False)

    def avoid(self, names: Iterable[str]) -> None:
        """`names` are in the store from an earlier process: no new connection gets one of them."""
        used = [int(name[1:], 36) for name in names if is_name(LINE, name)]
        self._numbers = count(max(used, default=-1) + 1)

    def __len__(self) -> int:
        return len(self._connections) + len(self._ports)

    # Connections

    def keep(self, transport: Any) -> str | None:
        """Have the connection of `transport` kept; its name, or None if it cannot be kept."""
        name = name_of(LINE, next(self._numbers) % NAMES_IN_ALL)
        its = below(transport)
        handle = getattr(its, "socket", None)
        if self._has_left or name in self._connections or not isinstance(handle, socket.socket):
            return None
        if not self._has_room() or not self.notifier.store(name, handle):
            return None
        self.kept(name, its)
        return name

    def _has_room(self) -> bool:
        room, was_full = self.notifier.settings.room, self._is_full
        self._is_full = room is not None and len(self) + RESERVED >= room
        if room is not None and self._is_full and not was_full:
            self.full(room)
        return not self._is_full

    def kept(self, name: str, transport: Any) -> None:
        """The connection of `transport` is in the store already, as `name`."""
        its = below(transport)
        self._connections[name] = its
        its._closeSocket = partial(self._close, name, its)

    def release(self, name: str) -> None:
        """The connection `name` is about to be closed, or is not to be kept any more."""
        its = self._connections.pop(name, None)
        if its is not None:
            its.__dict__.pop("_closeSocket", None)
            # From here on its transport closes it as any other; but the manager has it until it
            # has read this, and would keep an aborted connection open until then.
            its._closeSocket = partial(_shut, its)
            self.notifier.remove(name)

    def _close(self, name: str, its: Any, orderly: bool) -> None:
        """Twisted closes the socket of `its`."""
        if self._has_left:
            its.socket.close()
            return
        self.release(name)
        _shut(its, orderly)

    # Listeners

    def keep_port(self, name: str, port: IListeningPort) -> bool:
        """Have the listener `port` kept as `name`; False if it cannot be."""
        handle = getattr(port, "socket", None)
        if self._has_left or name in self._port_names or not isinstance(handle, socket.socket):
            return False
        if not self.notifier.store(name, handle):
            return False
        self.kept_port(name, port)
        return True

    def kept_port(self, name: str | None, port: Any) -> None:
        """The listener `port` is in the store already, as `name`, or is that of a socket unit."""
        if name is not None:
            self._port_names.add(name)
        self._ports[port] = name
        port._shouldShutdown = False  # shutdown(2) would end the duplicate, too

    def keeps_port(self, port: object) -> bool:
        """Whether `port` is kept."""
        return port in self._ports

    def release_port(self, port: Any) -> None:
        """The listener `port` is about to be closed, or is not to be kept any more."""
        name = self._ports.pop(port, None)
        if name is not None:
            self._port_names.discard(name)
            self.notifier.remove(name)
            port._shouldShutdown = True

    # The end

    def freeze(self) -> None:
        """Read and write nothing more, and accept no connection: another process goes on."""
        for its in (*self._connections.values(), *self._ports):
            its.stopReading()
            its.stopWriting()
            # Twisted's own, so that no resumeProducing and no write begins anew.
            its.startReading = its.startWriting = _nothing

    def close_others(self, names: Container[str]) -> None:
        """Close the connections that are kept under other names: nobody goes on with them."""
        for name in [each for each in self._connections if each not in names]:
            with suppress(AttributeError, OSError):  # it is closed already
                self._connections[name].socket.shutdown(socket.SHUT_RDWR)
            self.release(name)

    def leave(self) -> None:
        """This process ends: what is kept stays open, whoever closes it here."""
        self.freeze()
        self._has_left = True


def _nothing() -> None:
    """In place of a method of a transport that does no more work."""


def _shut(its: Any, orderly: bool) -> None:
    """Close the socket of `its`, whoever else has it open."""
    if not orderly:
        with suppress(OSError):
            its.socket.shutdown(socket.SHUT_RDWR)
    its.__dict__.pop("_closeSocket", None)
    its._closeSocket(orderly)


def shut(sock: socket.socket) -> None:
    """Close `sock`, whoever else has it open."""
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()
