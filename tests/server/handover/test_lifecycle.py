"""A service manager hears when the server is ready, lives, reloads and stops."""

import os
import shutil
import socket
import tempfile
from pathlib import Path

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from tests.fakes import FakeClock
from tests.supervisor import ServiceManager as TestManager
from vspc.net.notify import ManagerSettings
from vspc.server.handover.lifecycle import (
    NO_MANAGER,
    SENDING,
    STATUS_INTERVAL,
    Lifecycle,
    ServiceManager,
)


class LifecycleTestCase(SynchronousTestCase):
    watchdog: float | None = None

    def setUp(self) -> None:
        directory = Path(tempfile.mkdtemp(prefix="vspc-"))
        self.addCleanup(shutil.rmtree, directory)
        self.manager = TestManager(directory / "notify")
        self.addCleanup(self.manager.close)
        self.clock = FakeClock()
        self.reactor = MemoryReactorClock()
        settings = ManagerSettings(self.manager.address, self.watchdog)
        self.lifecycle = Lifecycle.of(ServiceManager(settings), self.reactor, self.clock)

    def said(self) -> list[str]:
        """The names of what was said since the last time."""
        self.manager.receive_all()
        names = [name for each in self.manager.received for name in each.fields]
        self.manager.received.clear()
        return names


class Life(LifecycleTestCase):
    def test_ready_reloading_ready_stopping(self) -> None:
        self.lifecycle.ready("0 lines")
        self.lifecycle.reloading()
        self.lifecycle.ready("0 lines")
        self.lifecycle.stopping()
        self.successResultOf(self.lifecycle.stopped())
        states = [name for name in self.said() if not name.startswith(("STATUS", "MONOTONIC"))]
        self.assertEqual(states, ["READY", "RELOADING", "READY", "STOPPING", "EXTEND_TIMEOUT_USEC"])

    def test_a_status_is_told_when_it_is_another_one_and_not_too_often(self) -> None:
        self.lifecycle.ready("0 lines")
        self.said()
        self.lifecycle.tick(lambda: "1 lines")
        self.assertEqual(self.said(), [])
        for expected in (["STATUS"], []):
            self.clock.advance(STATUS_INTERVAL)
            self.lifecycle.tick(lambda: "2 lines")
            self.assertEqual(self.said(), expected)

    def test_without_a_watchdog_there_are_no_signs_of_life(self) -> None:
        self.lifecycle.ready("")
        self.clock.advance(3600)
        self.assertNotIn("WATCHDOG", self.said())

    def test_without_a_manager_nothing_is_told(self) -> None:
        alone = Lifecycle.of(NO_MANAGER, self.reactor, self.clock)
        alone.ready("")
        alone.reloading()
        alone.tick(lambda: "never asked for")
        alone.stopping()
        self.successResultOf(alone.stopped())
        self.assertEqual(self.clock.twisted.getDelayedCalls(), [])

    def test_a_manager_that_does_not_read_is_not_waited_for_for_ever(self) -> None:
        while not self.reactor.getWriters():
            self.lifecycle.reloading()
        done = self.lifecycle.stopped()
        self.assertNoResult(done)
        self.clock.advance(SENDING)
        self.successResultOf(done)

    def test_a_manager_that_is_slow_is_waited_for(self) -> None:
        notifier = self.lifecycle.notifier
        assert notifier is not None
        sock = socket.socket()
        self.addCleanup(sock.close)
        for number in range(1000):
            notifier.store(f"{number:05}", sock)
        done = self.lifecycle.stopped()
        for _ in range(3):
            self.clock.advance(SENDING - 1)
            self.manager.receive()
            for writer in self.reactor.getWriters():
                writer.doWrite()
            self.assertNoResult(done)
        self.clock.advance(SENDING)
        self.clock.advance(SENDING)
        self.successResultOf(done)


class Watchdog(LifecycleTestCase):
    watchdog = 3.0

    def test_four_signs_of_life_in_each_interval_until_it_stops(self) -> None:
        self.lifecycle.ready("")
        self.said()
        for _ in range(4):
            self.clock.advance(0.75)
            self.assertEqual(self.said(), ["WATCHDOG"])
        self.successResultOf(self.lifecycle.stopped())
        self.clock.advance(30)
        self.assertEqual(self.said(), [])


class Found(SynchronousTestCase):
    def test_programs_that_this_one_starts_are_not_told(self) -> None:
        self.patch(os, "environ", dict(os.environ) | {"NOTIFY_SOCKET": "@x", "LISTEN_FDS": "1"})
        ServiceManager.found()
        self.assertNotIn("NOTIFY_SOCKET", os.environ)
        self.assertNotIn("LISTEN_FDS", os.environ)
