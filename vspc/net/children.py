"""A child process with pipes: in a session of its own, inheriting nothing, ended with all that it
started.

Twisted's `spawnProcess` is not used: it starts no session, and reaps a child before we could signal
its group, whose number may then belong to other processes. Here a pidfd tells the end of a child
that is reaped after its group was killed; the reactor's SIGCHLD handler is not needed.
"""

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from types import MappingProxyType
from typing import IO, Protocol

from twisted.internet.abstract import FileDescriptor
from twisted.internet.interfaces import IReactorFDSet, IReactorTime
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.python.failure import Failure

ENVIRONMENT: Mapping[str, str] = MappingProxyType(
    {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
)
"""The whole environment of a child."""

_READ = 64 * 1024
"""Bytes that are read at once: what a pipe usually holds."""

_REST = 16
"""Reads of what a child left in a pipe when it ended: all that a pipe can hold."""


class ChildObserver(Protocol):
    """What is called for a child. No method may raise."""

    def output(self, data: bytes) -> None:
        """From its standard output."""

    def error_output(self, data: bytes) -> None:
        """From its standard error."""

    def exited(self, status: int) -> None:
        """It has ended, after all its output; a negative status is a signal. The last call."""


class _Pipe(FileDescriptor):
    """Our end of one of its pipes, or its pidfd; closed once, by `close_it`, in the next turn.

    Until then its number must not be used again: the reactor may have an event for it.
    """

    def __init__(
        self, reactor: IReactorFDSet, descriptor: int, close_it: Callable[[], None]
    ) -> None:
        super().__init__(reactor)
        self.connected = 1
        self._descriptor = descriptor
        self._close_it = close_it
        os.set_blocking(descriptor, False)

    def fileno(self) -> int:
        return self._descriptor

    def connectionLost(self, reason: Failure) -> None:
        if self.connected:
            super().connectionLost(reason)  # type: ignore[no-untyped-call]
            self._descriptor = -1
            IReactorTime(self.reactor).callLater(0, self._close_it)

    def close(self) -> None:
        """At once, whatever is left in it."""
        self.connectionLost(Failure(CONNECTION_DONE))  # type: ignore[no-untyped-call]


class _Input(_Pipe):
    """Its standard input."""

    def writeSomeData(self, data: bytes) -> int | Exception:
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:
            return 0
        except OSError:
            return CONNECTION_LOST


class _Output(_Pipe):
    """Its standard output or error."""

    def __init__(
        self, reactor: IReactorFDSet, pipe: IO[bytes], receive: Callable[[bytes], None]
    ) -> None:
        super().__init__(reactor, pipe.fileno(), pipe.close)
        self._receive = receive
        self.startReading()  # type: ignore[no-untyped-call]

    def doRead(self) -> Exception | None:
        return None if self._read() is not False else CONNECTION_DONE

    def _read(self) -> bool | None:
        """Whether there was data; False: the end, None: not now."""
        try:
            data = os.read(self._descriptor, _READ)
        except BlockingIOError:
            return None
        except OSError:
            return False
        if data:
            self._receive(data)
        return bool(data)

    def finish(self) -> None:
        """Read what is there now, and close it: a process of another session may have it open for
        ever.
        """
        for _ in range(_REST):
            if not self.connected or not self._read():
                break
        self.close()


class _Watch(_Pipe):
    """Its pidfd, which is readable when it has ended."""

    def __init__(self, reactor: IReactorFDSet, pid: int, ended: Callable[[], None]) -> None:
        descriptor = os.pidfd_open(pid)
        super().__init__(reactor, descriptor, partial(os.close, descriptor))
        self._ended = ended
        self.startReading()  # type: ignore[no-untyped-call]

    def doRead(self) -> None:
        self.close()
        self._ended()


class Child:
    """A running program."""

    def __init__(
        self, reactor: IReactorFDSet, process: subprocess.Popen[bytes], observer: ChildObserver
    ) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._observer = observer
        self._watch = _Watch(reactor, process.pid, self._ended)
        self._input = _Input(reactor, process.stdin.fileno(), process.stdin.close)
        self._outputs = (
            _Output(reactor, process.stdout, observer.output),
            _Output(reactor, process.stderr, observer.error_output),
        )

    def write(self, data: bytes) -> None:
        """To its standard input; ignored if that is closed."""
        self._input.write(data)

    def close_input(self) -> None:
        """End of file, after all that was written."""
        self._input.loseConnection()  # type: ignore[no-untyped-call]

    def ignore_output(self) -> None:
        """Close its outputs: only its end is reported."""
        for output in self._outputs:
            output.close()

    def end(self, force: bool = False) -> None:
        """SIGTERM, or SIGKILL, to it and all of its group; nothing once it has ended."""
        if self._process.returncode is None:  # not reaped yet: the group's number is its own
            _kill_group(self._process, signal.SIGKILL if force else signal.SIGTERM)

    def _ended(self) -> None:
        """What it started in its group ends with it, before its number is free."""
        self.end(force=True)
        for output in self._outputs:
            output.finish()
        self._input.close()
        self._observer.exited(self._process.wait())


def start(reactor: IReactorFDSet, words: Sequence[str], observer: ChildObserver) -> Child:
    """Run `words`, without a shell.

    Raises OSError: it cannot be run, or too many descriptors are open; ValueError: a NUL is in a
    word.
    """
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        words,
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        env=dict(ENVIRONMENT),
        cwd="/",
        start_new_session=True,
        bufsize=0,
    )
    try:
        return Child(reactor, process, observer)
    except OSError:  # it cannot be watched: it ends at once
        with process:  # which closes its pipes and waits for it
            _kill_group(process, signal.SIGKILL)
        raise


def _kill_group(process: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
