"""One socket for programs that is listened on: opened, or taken over at a restart, and closed."""

import grp
import os
from contextlib import suppress
from typing import Any

from attrs import define
from twisted.internet.defer import maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger
from twisted.python.failure import Failure

from vspc.config.sockets import SocketAddress
from vspc.config.vm_settings import SocketSettings
from vspc.doors.programs.factory import SocketFactory
from vspc.doors.programs.socket import ProgramSocket
from vspc.net.descriptor_store import port_name
from vspc.net.endpoints import BACKLOG, limit_accepts
from vspc.net.keepalive import keep_accepted_alive
from vspc.net.kept_ports import KeptPorts

_log = Logger(namespace="vspc.doors.programs")


class SocketError(Exception):
    """A socket cannot be opened; the text names it and says why."""


def is_another(before: SocketSettings, after: SocketSettings) -> bool:
    """Whether connections that were made under `before` may not go on, or wait for a restart."""
    return _told_apart_by(before) != _told_apart_by(after)


def _told_apart_by(entry: SocketSettings) -> tuple[object, ...]:
    return (
        *(entry.protocol, entry.console, entry.consoles),
        *(entry.operator, entry.tls, entry.client_ca),
    )


def kept_name(address: SocketAddress, entry: SocketSettings) -> str:
    """The name under which its listener is kept over a restart: another one for another entry."""
    return port_name(f"socket {_told_apart_by(entry)}", str(address))


@define(eq=False)
class SocketListener:
    """It listens until it is closed."""

    socket: ProgramSocket
    factory: SocketFactory
    port: IListeningPort
    kept: KeptPorts

    @classmethod
    def open(
        cls, reactor: Any, kept: KeptPorts, socket: ProgramSocket, factory: SocketFactory
    ) -> "SocketListener":
        """Listen. Raises `SocketError`."""
        name = kept_name(socket.address, socket.entry)
        port = kept.go_on(name, factory)
        if port is None:
            port = _bound(reactor, socket.address, factory)
            kept.keep(name, port)
        else:
            _give_again(socket.address)
        limit_accepts(port)
        keep_accepted_alive(port)
        return cls(socket, factory, port, kept)

    def change(self, address: SocketAddress, entry: SocketSettings) -> bool:
        """Both are new, at the same place; whether connections may not go on."""
        before, self.socket.entry = self.socket.entry, entry
        if address != self.socket.address:
            self.socket.address = address
            _give_again(address)
        changed = is_another(before, entry)
        if changed:
            self.kept.rename(self.port, kept_name(address, entry))
        return changed

    def close(self) -> None:
        """Listen no longer."""
        self.kept.release(self.port)
        maybeDeferred(self.port.stopListening).addErrback(self._not_closed)

    def _not_closed(self, failure: Failure) -> None:
        # Somebody has removed the file of a Unix socket.
        reason = failure.getErrorMessage()
        _log.error("socket-not-closed", socket=str(self.socket.address), reason=reason)


def _bound(reactor: Any, address: SocketAddress, factory: SocketFactory) -> IListeningPort:
    try:
        if not address.path:
            port: IListeningPort = reactor.listenTCP(
                address.port, factory, BACKLOG, address.interface
            )
            return port
        port = reactor.listenUNIX(address.path, factory, BACKLOG, mode=0o600, wantPID=True)
    except CannotListenError as error:
        why = error.socketError
        if isinstance(why, OSError):
            _unlock(address)
            raise _not_bound(address, why.strerror or why) from None
        raise _not_bound(address, "another process listens there") from None
    except OSError as error:  # the lock of a Unix socket
        raise _not_bound(address, error.strerror) from None
    try:
        _give(address)
    except (OSError, KeyError) as error:
        port.stopListening()
        why = getattr(error, "strerror", None) or f"unknown group {address.group}"
        raise SocketError(f"{address}: cannot be given to {address.group}: {why}") from None
    return port


def _not_bound(address: SocketAddress, why: object) -> SocketError:
    return SocketError(f"cannot listen for programs on {address}: {why}")


def _unlock(address: SocketAddress) -> None:
    """Twisted leaves the lock of a path that cannot be bound, and would never get it again."""
    if address.path:
        with suppress(OSError):
            os.unlink(f"{address.path}.lock")


def _give_again(address: SocketAddress) -> None:
    """A socket that is there gets another mode or group."""
    try:
        _give(address)
    except (OSError, KeyError) as error:
        _log.error("socket-mode-failed", socket=str(address), reason=str(error))


def _give(address: SocketAddress) -> None:
    """The group first: nobody else may ever use the socket."""
    if address.group:
        os.chown(address.path, -1, grp.getgrnam(address.group).gr_gid)
    os.chmod(address.path, address.mode)
