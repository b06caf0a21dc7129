"""Messages to the service manager, with the descriptors that it is to keep: sd_notify(3).

The manager takes one datagram each, and may be slower than this process: what it does not take at
once waits in a queue, in order. The reactor never waits for it.
"""

import errno
import os
import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from vspc.common.text import safe

QUEUE = 65_536
"""Messages that wait for the service manager at most; one more is not sent."""

RETRY = 0.05
"""Seconds until the next attempt where the kernel does not say when there is room."""

STATUS = 200
"""Characters of a status text."""

FIRST = 3
"""The number of the first descriptor that a service manager hands over: sd_listen_fds(3)."""

NAMES = 128 * 1024
"""Bytes of the names of all descriptors together: one string of the environment, see execve(2)."""

_NO_ROOM = frozenset({errno.EAGAIN})
_BUSY = frozenset({errno.ENOBUFS, errno.ETOOMANYREFS})  # of the system, or in flight
_GONE = frozenset({errno.ECONNREFUSED, errno.ENOTCONN, errno.EPIPE, errno.ECONNRESET})
_LISTEN = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


@frozen
class ManagerSettings:
    """What the environment says of the service manager.

    `watchdog`: seconds within which it wants to hear of this process again; None if never.
    `room`: how many descriptors it keeps. Only newer managers say that; None: not known.
    """

    address: str
    watchdog: float | None = None
    room: int | None = None

    @classmethod
    def of(cls, environment: Mapping[str, str], pid: int) -> "ManagerSettings | None":
        """None if there is no manager, or one that is not reached by a Unix socket."""
        address = environment.get("NOTIFY_SOCKET", "")
        if not address.startswith(("/", "@")):
            return None
        room = environment.get("FDSTORE", "")
        return cls(address, _watchdog(environment, pid), int(room) if room.isdecimal() else None)

    @property
    def keeps(self) -> bool:
        """Whether it has a store for descriptors, as far as it says."""
        return self.room != 0


def _watchdog(environment: Mapping[str, str], pid: int) -> float | None:
    """sd_watchdog_enabled(3)."""
    microseconds = environment.get("WATCHDOG_USEC", "")
    if environment.get("WATCHDOG_PID", str(pid)) != str(pid) or not microseconds.isdecimal():
        return None
    return int(microseconds) / 1e6 or None


@frozen
class ReceivedDescriptor:
    """An open descriptor that the service manager has handed over, and its name."""

    name: str
    number: int


def received(environment: Mapping[str, str], pid: int) -> list[ReceivedDescriptor]:
    """The descriptors that were handed over to the process `pid`; no program that it starts gets
    them. Where names are missing they are `unknown`, as sd_listen_fds_with_names(3) has it.
    """
    count = environment.get("LISTEN_FDS", "")
    if environment.get("LISTEN_PID") != str(pid) or not count.isdecimal():
        return []
    named = environment.get("LISTEN_FDNAMES")
    names = [] if named is None else named.split(":")
    found = list[ReceivedDescriptor]()
    for at in range(min(int(count), NAMES)):
        try:
            os.set_inheritable(FIRST + at, False)
        except OSError:  # they are numbered one after another: this was the last one
            break
        found.append(ReceivedDescriptor(names[at] if at < len(names) else "unknown", FIRST + at))
    return found


def first_environment() -> dict[str, str]:
    """The environment that this process was started with.

    Not `os.environ`: Twisted takes out what it finds of descriptors, when it is imported.
    """
    try:
        words = Path("/proc/self/environ").read_bytes().split(b"\0")
    except OSError:
        return dict(os.environ)
    pairs = (os.fsdecode(word).partition("=") for word in words if word)
    return {name: value for name, _, value in pairs}


def forget(environment: MutableMapping[str, str]) -> None:
    """Take out of `environment` what programs that this process starts must not see."""
    for name in (*_LISTEN, "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "FDSTORE"):
        environment.pop(name, None)


@frozen
class _Message:
    text: bytes
    descriptor: Any = None  # anything with a `fileno`, as long as it is open


_Key = tuple[str, str]


@define(eq=False)
class Notifier:
    """Sends messages in order. `failed` is called with a text, once, when the manager is gone.

    At most one message of each kind waits, and one for each name of a descriptor: what is stored
    and removed again before it was sent is not sent. At most `QUEUE` in all.
    """

    reactor: Any
    settings: ManagerSettings
    failed: Callable[[str], None]
    _socket: socket.socket | None = field(default=None, init=False)
    _queue: OrderedDict[_Key, _Message] = field(factory=OrderedDict, init=False)
    _writing: bool = field(default=False, init=False)
    _retry: Any = field(default=None, init=False)
    _waiting: list[Deferred[None]] = field(factory=list, init=False)
    _has_failed: bool = field(default=False, init=False)

    # What there is to say

    def ready(self, status: str) -> None:
        """It is listening, or has read its configuration again."""
        self.status(status)
        self._say(("state", "ready"), b"READY=1")

    def reloading(self) -> None:
        """It reads its configuration again; `ready` has to follow."""
        microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._say(("state", "reloading"), b"RELOADING=1\nMONOTONIC_USEC=%d" % microseconds)

    def stopping(self, status: str) -> None:
        """It is about to end."""
        self.status(status)
        self._say(("state", "stopping"), b"STOPPING=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`, at most `STATUS` characters of it."""
        self._say(("status", ""), b"STATUS=" + safe(text, STATUS).encode())

    def alive(self) -> None:
        """The reactor turns."""
        self._say(("watchdog", ""), b"WATCHDOG=1")

    def extend(self, seconds: float) -> None:
        """Stopping takes up to `seconds` from now on: it is not to be killed before."""
        self._say(("extend", ""), b"EXTEND_TIMEOUT_USEC=%d" % round(seconds * 1e6))

    def store(self, name: str, descriptor: Any) -> bool:
        """Have `descriptor` kept as `name`, whatever becomes of it; False if too much waits.

        `descriptor` is a number or has a `fileno`; what is closed before it was sent is not sent.
        """
        text = f"FDSTORE=1\nFDNAME={name}\nFDPOLL=0".encode()
        return self._say(("store", name), text, descriptor)

    def remove(self, name: str) -> None:
        """The descriptor that is kept as `name` is kept no longer."""
        if self._queue.pop(("store", name), None) is None:
            self._say(("remove", name), f"FDSTOREREMOVE=1\nFDNAME={name}".encode())

    # Sending

    @property
    def waiting(self) -> int:
        """Messages that were not sent yet."""
        return len(self._queue)

    def sent(self) -> "Deferred[None]":
        """Fires when nothing waits any more. The manager may be slow: give it a time limit."""
        done: Deferred[None] = Deferred(self._forget_waiting)
        if self._queue:
            self._waiting.append(done)
        else:
            done.callback(None)
        return done

    def _forget_waiting(self, done: "Deferred[None]") -> None:
        self._waiting.remove(done)

    def _say(self, key: _Key, text: bytes, descriptor: Any = None) -> bool:
        self._queue.pop(key, None)
        if len(self._queue) >= QUEUE:
            return False
        self._queue[key] = _Message(text, descriptor)
        if not self._writing and self._retry is None:
            self._send()
        return True

    def _send(self) -> None:
        """Send what the manager takes now."""
        while self._queue:
            key, message = next(iter(self._queue.items()))
            error = self._send_one(message)
            if error in _NO_ROOM:
                self._write_later()
                return
            if error in _BUSY:
                self._stop_writing()
                self._retry = self.reactor.callLater(RETRY, self._again)
                return
            if error is not None:
                self._fail(error)
            del self._queue[key]
        self._stop_writing()
        waiting, self._waiting = self._waiting, []
        for done in waiting:
            done.callback(None)

    def _send_one(self, message: _Message) -> int | None:
        """The number of the error, if there was one."""
        numbers = list[int]()
        descriptor = message.descriptor
        if descriptor is not None:
            numbers.append(descriptor if isinstance(descriptor, int) else descriptor.fileno())
            if numbers[0] < 0:
                return None
        try:
            self._send_to_manager(message.text, numbers)
        except OSError as error:
            return error.errno
        return None

    def _send_to_manager(self, text: bytes, numbers: list[int]) -> None:
        for attempt in (1, 2):
            if self._socket is None:
                self._socket = _connected(self.settings.address)
            try:
                socket.send_fds(self._socket, [text], numbers)
            except OSError as error:
                if error.errno not in _GONE or attempt == 2:
                    raise
                self._disconnect()  # the manager may be a new one, with a new socket
            else:
                return

    def _disconnect(self) -> None:
        self._stop_writing()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _fail(self, error: int) -> None:
        if not self._has_failed:
            self._has_failed = True
            where = safe(self.settings.address)
            self.failed(f"cannot notify the service manager at {where}: {os.strerror(error)}")

    def _again(self) -> None:
        self._retry = None
        self._send()

    def _write_later(self) -> None:
        if not self._writing:
            self._writing = True
            self.reactor.addWriter(self)

    def _stop_writing(self) -> None:
        if self._writing:
            self._writing = False
            self.reactor.removeWriter(self)

    # For the reactor: twisted.internet.interfaces.IWriteDescriptor

    def fileno(self) -> int:
        """The socket's descriptor."""
        return -1 if self._socket is None else self._socket.fileno()

    def doWrite(self) -> None:
        """The manager has room."""
        self._send()

    def logPrefix(self) -> str:
        """For Twisted's log."""
        return "notify"

    def connectionLost(self, _reason: Failure) -> None:
        """The reactor ends, or cannot wait for the socket any more."""
        self._writing = False


def _connected(address: str) -> socket.socket:
    """A socket to the manager at `address`; `@` stands for the abstract namespace, unix(7)."""
    found = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        found.connect("\0" + address[1:] if address.startswith("@") else address)
    except OSError:
        found.close()
        raise
    return found
