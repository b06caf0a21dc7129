"""A service manager for tests: the descriptor store and the notifications of systemd, as
sd_notify(3), sd_listen_fds(3) and systemd.service(5) have them.

`ServiceManager` is the socket and the store. `Unit` runs a real program under it: started with what
is in the store, restarted as `systemctl restart` does, killed and started again.
"""

import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from secrets import token_hex

from attrs import frozen

from tests.end_to_end.processes import DEADLINE, Child, ProcessTestCase

DESCRIPTORS = 253
"""Descriptors in one message at most (SCM_MAX_FD)."""

NAME = 255
"""Characters of a name at most; one that is longer or has a colon in it is `stored`."""


@frozen
class Notification:
    """One datagram: its assignments, the last of each name."""

    fields: Mapping[str, str]

    @classmethod
    def parse(cls, data: bytes) -> "Notification":
        """As systemd reads it: lines without `=` have no meaning."""
        lines = (line.partition("=") for line in data.decode("utf-8", "replace").split("\n"))
        return cls({name: value for name, mark, value in lines if mark})

    def says(self, word: str) -> bool:
        """Whether it has `word=1`."""
        return self.fields.get(word) == "1"


@frozen
class Stored:
    """An entry of the store; `polled`: it is dropped when its peer hangs up; `file`: what tells one
    socket or file from another.
    """

    name: str
    number: int
    polled: bool
    file: tuple[int, int]


class ServiceManager:
    """One unit's notification socket and descriptor store, of at most `store_max` entries."""

    def __init__(self, path: Path | str, store_max: int = 4096) -> None:
        """`path` may begin with @: the abstract namespace."""
        self.address = str(path)
        self.room = store_max
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + self.address[1:] if self.address.startswith("@") else self.address)
        self.stored: list[Stored] = []
        self._files: set[tuple[int, int]] = set()
        self.received: list[Notification] = []
        self._changed = threading.Condition()

    def close(self) -> None:
        """Forget everything, as when a unit is stopped and not started again."""
        self._socket.close()
        self.empty()

    def empty(self) -> None:
        """Close what is in the store."""
        with self._changed:
            for entry in list(self.stored):
                self._drop(entry)

    def receive(self, timeout: float = 0.0) -> bool:
        """Take one message, if one comes within `timeout` seconds."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        if not poll.poll(timeout * 1000):
            return False
        try:
            data, numbers, _, _ = socket.recv_fds(self._socket, 65536, DESCRIPTORS)
        except OSError:
            return False
        with self._changed:
            self._take(Notification.parse(data), numbers)
            self._changed.notify_all()
        return True

    def receive_all(self) -> None:
        """Take all that is there."""
        while self.receive():
            pass

    def _take(self, message: Notification, numbers: list[int]) -> None:
        self.received.append(message)
        name = message.fields.get("FDNAME", "stored")
        if not name or ":" in name or len(name) > NAME or not name.isprintable():
            name = "stored"
        if message.says("FDSTORE"):
            polled = message.fields.get("FDPOLL") != "0"
            for number in numbers:
                self._store(name, number, polled)
        else:
            for number in numbers:
                os.close(number)
        if message.says("FDSTOREREMOVE") and "FDNAME" in message.fields:
            self._remove(name)

    def _store(self, name: str, number: int, polled: bool) -> None:
        """Unless the same socket or file is there already."""
        os.set_inheritable(number, False)
        its = os.fstat(number)
        file = its.st_dev, its.st_ino
        if len(self.stored) < self.room and file not in self._files:
            self.stored.append(Stored(name, number, polled, file))
            self._files.add(file)
        else:
            os.close(number)

    def _remove(self, name: str) -> None:
        for entry in [each for each in self.stored if each.name == name]:
            self._drop(entry)

    def _drop(self, entry: Stored) -> None:
        os.close(entry.number)
        self.stored.remove(entry)
        self._files.discard(entry.file)

    def forget(self, name: str) -> None:
        """Lose what is kept as `name`: no manager does that, a test may."""
        with self._changed:
            self._remove(name)

    def names(self) -> list[str]:
        """The names of what is in the store, sorted."""
        with self._changed:
            return sorted(entry.name for entry in self.stored)

    def drop_hung_up(self) -> None:
        """Drop what is polled and has been hung up on (EPOLLHUP, EPOLLERR)."""
        with self._changed:
            poll = select.poll()
            for entry in self.stored:
                if entry.polled:
                    poll.register(entry.number, 0)
            gone = {number for number, _ in poll.poll(0)}
            for entry in [each for each in self.stored if each.number in gone]:
                self._drop(entry)

    def handed_over(self) -> list[Stored]:
        """What a program that is started now gets; the entries stay in the store, too."""
        self.drop_hung_up()
        with self._changed:
            return list(reversed(self.stored))  # systemd's list has the latest first

    def wait(self, happened: Callable[[], bool], timeout: float) -> bool:
        """Wait until messages, which another thread takes, make `happened` true, or time does."""
        end = time.monotonic() + timeout
        with self._changed:
            while not (done := happened()) and time.monotonic() < end:
                self._changed.wait(0.1)
        return done

    def settle(self) -> None:
        """Wait until all is taken that a program which has ended had sent."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        while poll.poll(0):
            with self._changed:
                self._changed.wait(0.01)

    def said(self, word: str) -> list[Notification]:
        """The messages with `word=1`."""
        with self._changed:
            return [each for each in self.received if each.says(word)]


_HAND_OVER = """
import fcntl, os, sys
count, names = int(sys.argv[1]), sys.argv[2]
numbers = [int(word) for word in sys.argv[3].split(",") if word]
# Out of the way first: what is handed over has to be from 3 on.
away = [fcntl.fcntl(number, fcntl.F_DUPFD, 3 + count) for number in numbers]
for at, number in enumerate(away):
    os.dup2(number, 3 + at)
    os.close(number)
for number in numbers:
    if number >= 3 + count:
        os.close(number)
if count:
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(count), LISTEN_FDNAMES=names)
if "WATCHDOG_USEC" in os.environ:
    os.environ["WATCHDOG_PID"] = str(os.getpid())
os.execv(sys.argv[4], sys.argv[4:])
"""


def handing_over(names: Sequence[str], numbers: Sequence[int]) -> list[str]:
    """The beginning of a command line whose program gets the open descriptors `numbers`, which it
    has to inherit, under `names`.
    """
    words = [str(len(numbers)), ":".join(names), ",".join(map(str, numbers))]
    return [sys.executable, "-E", "-S", "-c", _HAND_OVER, *words]


class Unit:
    """A service of Type=notify that runs under a `ServiceManager` of its own."""

    def __init__(
        self,
        case: ProcessTestCase,
        *command: str | Path,
        store_max: int = 4096,
        environment: Mapping[str, str] | None = None,
        sockets: Mapping[str, socket.socket] | None = None,
    ) -> None:
        """`environment`: such as WATCHDOG_USEC; `sockets`: those of socket units, by name."""
        self._case = case
        self._command = command
        self.environment = dict(environment or {})
        self._sockets = dict(sockets or {})
        self.manager = ServiceManager(case.directory / f"notify-{token_hex(4)}", store_max)
        self._over = False
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        case.addCleanup(self._end)
        self.process: Child

    def _listen(self) -> None:
        while not self._over:
            self.manager.receive(0.05)

    def _end(self) -> None:
        self._over = True
        self._thread.join()
        self.manager.close()

    def start(self) -> Child:
        """Start it with what is in the store, and wait until it says that it is ready."""
        before = len(self.manager.said("READY"))
        entries = self.manager.handed_over()
        numbers = [*(sock.fileno() for sock in self._sockets.values())]
        numbers += [entry.number for entry in entries]
        names = [*self._sockets, *(entry.name for entry in entries)]
        self.process = self._case.start(
            *handing_over(names, numbers),
            *self._command,
            environment={"NOTIFY_SOCKET": self.manager.address, **self.environment},
            inherited=numbers,
        )
        self.wait(lambda: len(self.manager.said("READY")) > before, "READY=1")
        return self.process

    def wait(self, happened: Callable[[], bool], what: str, timeout: float = DEADLINE) -> None:
        """Wait for something that messages change. AssertionError after `timeout`, or if the
        program ends.
        """
        if not self.manager.wait(lambda: happened() or not self.process.running, timeout):
            raise AssertionError(f"no {what} within {timeout} s\n{self.process.report()}")
        if not happened():
            raise AssertionError(f"it ended before {what}\n{self.process.report()}")

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send it a signal and wait for its end: its exit status. The store stays as it is."""
        self.process.send_signal(number)
        status = self.process.wait()
        self.manager.settle()
        return status

    def restart(self) -> Child:
        """`systemctl restart`: SIGTERM, the end of it, and a new one with what is in the store."""
        self.end()
        return self.start()

    def kill(self) -> Child:
        """It is killed, and started again (Restart=on-failure)."""
        self.end(signal.SIGKILL)
        return self.start()

    def stop(self) -> int:
        """`systemctl stop`: its exit status; what is in the store is closed."""
        status = self.end()
        self.manager.empty()
        return status
