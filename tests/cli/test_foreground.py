"""`vspc run` ends, whatever waits."""

import io
import os
import sys
from collections.abc import Callable
from typing import Any, cast
from unittest.mock import patch

from twisted.internet import defer
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import globalLogBeginner
from twisted.trial.unittest import SynchronousTestCase

from vspc.cli import foreground
from vspc.server.handover.lifecycle import STOP_TIMEOUT
from vspc.server.service import VspcService


class Reactor(MemoryReactorClock):
    """Stops at once, and fires the triggers for that as a real one does; where one waits for ever,
    time passes.
    """

    def run(self) -> None:
        before = self.triggers["before"]["shutdown"]
        waits = [f(*args, **kwargs) for f, args, kwargs in before]
        if any(isinstance(each, defer.Deferred) and not each.called for each in waits):
            self.advance(STOP_TIMEOUT)

    def make_timer(self, seconds: float, call: Callable[..., None], args: Any) -> "LateTimer":
        """In place of `threading.Timer`."""
        return LateTimer(self, seconds, lambda: call(*args))


class LateTimer:
    """A timer whose time is that of a reactor."""

    def __init__(self, reactor: Reactor, seconds: float, call: Callable[[], None]) -> None:
        self.daemon = False
        self._reactor, self._seconds, self._call = reactor, seconds, call
        self._due: Any = None

    def start(self) -> None:
        assert self.daemon  # else the interpreter waits for it
        self._due = self._reactor.callLater(self._seconds, self._call)

    def cancel(self) -> None:
        if self._due.active():
            self._due.cancel()


class Service:
    """Something that stops when `stopped` fires."""

    def __init__(self, stopped: Any) -> None:
        self.stopped = stopped

    def privilegedStartService(self) -> None:
        """Nothing listens."""

    startService = privilegedStartService

    def stopService(self) -> Any:
        """As the test says."""
        return self.stopped


class Ending(SynchronousTestCase):
    def run_with(self, stopped: Any) -> tuple[int, str, list[int]]:
        """What is returned, what is logged, and with what the process was ended at once."""
        out, ended, reactor = io.StringIO(), list[int](), Reactor()
        with (
            patch.object(sys, "stdout", out),
            patch.object(os, "_exit", ended.append),
            patch.object(foreground, "Timer", reactor.make_timer),
            patch.object(globalLogBeginner, "beginLoggingTo"),
        ):
            service = cast(VspcService, Service(stopped))
            status = foreground._run(reactor, service, verbose=False)
        self.assertEqual(reactor.getDelayedCalls(), [])
        return status, out.getvalue(), ended

    def test_what_stops_in_time(self) -> None:
        self.assertEqual(self.run_with(None), (0, "", []))

    def test_what_never_stops_is_ended(self) -> None:
        _status, _said, ended = self.run_with(defer.Deferred())
        self.assertEqual(ended, [1])
