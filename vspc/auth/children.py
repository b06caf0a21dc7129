"""A child process with pipes: its own session, nothing inherited, ended with all that it started.

Its end is seen by a pidfd before it is reaped: until then its number is nobody else's, and a
signal to its group meets no stranger. The reactor's SIGCHLD is not needed.
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
"""All that a child finds in its environment."""

_READ = 64 * 1024
"""Bytes that are read at once: what a pipe usually holds."""

_REST = 16
"""Reads of what a child left in a pipe when it ended: all that a pipe can hold."""


class Parent(Protocol):
    """Who hears of a child. No method may raise."""

    def said(self, data: bytes) -> None:
        """On standard output."""

    def complained(self, data: bytes) -> None:
        """On standard error."""

    def exited(self, status: int) -> None:
        """It is gone, after all that it said; a negative status is a signal. The last call."""


class Child(Protocol):
    """A running program."""

    def write(self, data: bytes) -> None:
        """To its standard input; nothing happens if that is closed."""

    def close_input(self) -> None:
        """End of file, after all that was written."""

    def deafen(self) -> None:
        """Hear only of its end."""

    def end(self, force: bool = False) -> None:
        """SIGTERM, or SIGKILL, to it and all of its group."""


class _Pipe(FileDescriptor):
    """Our end of one of its pipes, or its pidfd; closed once, by `close_it`, in the next turn.

    In this one its number must not become somebody else's: the reactor may have an event for it.
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

    def __init__(self, reactor: IReactorFDSet, pipe: IO[bytes]) -> None:
        super().__init__(reactor, pipe.fileno(), pipe.close)

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
        self, reactor: IReactorFDSet, pipe: IO[bytes], heard: Callable[[bytes], None]
    ) -> None:
        super().__init__(reactor, pipe.fileno(), pipe.close)
        self._heard = heard
        self.startReading()  # type: ignore[no-untyped-call]

    def doRead(self) -> Exception | None:
        return None if self._read() is not False else CONNECTION_DONE

    def _read(self) -> bool | None:
        """Whether something was there; False: nothing will come any more, None: not now."""
        try:
            data = os.read(self._descriptor, _READ)
        except BlockingIOError:
            return None
        except OSError:
            return False
        if data:
            self._heard(data)
        return bool(data)

    def finish(self) -> None:
        """Hear what is there now, and close it. A straggler of another session may go on writing:
        that is not waited for.
        """
        for _ in range(_REST):
            if not self.connected or not self._read():
                break
        self.close()


class _Watch(_Pipe):
    """Its pidfd, which can be read when it is gone."""

    def __init__(self, reactor: IReactorFDSet, pid: int, ended: Callable[[], None]) -> None:
        descriptor = os.pidfd_open(pid)
        super().__init__(reactor, descriptor, partial(os.close, descriptor))
        self._ended = ended
        self.startReading()  # type: ignore[no-untyped-call]

    def doRead(self) -> None:
        self.close()
        self._ended()


class Running:
    """`Child`, for real."""

    def __init__(
        self, reactor: IReactorFDSet, process: subprocess.Popen[bytes], parent: Parent
    ) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._parent = parent
        self._watch = _Watch(reactor, process.pid, self._ended)
        self._input = _Input(reactor, process.stdin)
        self._outputs = (
            _Output(reactor, process.stdout, parent.said),
            _Output(reactor, process.stderr, parent.complained),
        )

    def write(self, data: bytes) -> None:
        self._input.write(data)

    def close_input(self) -> None:
        self._input.loseConnection()  # type: ignore[no-untyped-call]

    def deafen(self) -> None:
        for output in self._outputs:
            output.close()

    def end(self, force: bool = False) -> None:
        if self._process.returncode is None:
            # Nobody else reaps it, so its number, and its group's, is its own.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL if force else signal.SIGTERM)

    def _ended(self) -> None:
        """What it started in its group goes with it, before the number is given back."""
        self.end(force=True)
        for output in self._outputs:
            output.finish()
        self._input.close()
        self._parent.exited(self._process.wait())


def start(reactor: IReactorFDSet, words: Sequence[str], parent: Parent) -> Child:
    """Run `words`, without a shell.

    Raises OSError: it cannot be run, or there is no room for it; ValueError: a NUL is in a word.
    """
    process = subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(ENVIRONMENT),
        cwd="/",
        start_new_session=True,
        bufsize=0,
    )
    try:
        return Running(reactor, process, parent)
    except OSError:
        _drop(process)
        raise


def _drop(process: subprocess.Popen[bytes]) -> None:
    """There is no room to watch it: it ends at once."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
