"""What an alert carries and waits for: what happens beyond."""

import socket
from collections.abc import Callable
from pathlib import Path
from threading import Event, Semaphore

from twisted.trial.unittest import TestCase

from tests.alerts.support import settings
from tests.alerts.test_actions import ActionTest
from tests.alerts.test_service import ServiceTest
from tests.fakes import World
from vspc.alerts import actions
from vspc.alerts.facts import LINE
from vspc.alerts.service import SYSLOG_THREADS, AlertContext, AlertService
from vspc.common.worker import WorkerPool
from vspc.config.values import Target
from vspc.net.connection import Connection


class Carried(ServiceTest):
    def test_a_long_line_is_cut(self) -> None:
        alerted = self.made(settings())
        alerted.say(self.web, b"panic " + b"x" * 2 * LINE + b"\n")
        (facts,) = alerted.sent()
        self.assertLess(len(str(facts["line"])), LINE + 20)


class Waiting(ActionTest):
    async def test_a_syslog_server_whose_kernel_acknowledges_nothing_is_left(self) -> None:
        self.patch(actions, "ACKNOWLEDGED", actions.LOOK)
        self.patch(Connection, "waiting", lambda _connection: 1)
        with socket.create_server(("127.0.0.1", 0)) as server:
            target = Target(f"tcp:127.0.0.1:{server.getsockname()[1]}")
            action = self.action(settings("oncall", webhook=None, syslog=target))
            self.assertIn("does not acknowledge it", await self.deliver(action))


class Threads(TestCase):
    def test_a_third_server_waits_while_two_stall(self) -> None:
        pools: dict[str, WorkerPool] = {}

        def make(name: str, failed: Callable[[], None], threads: int) -> WorkerPool:
            pools[name] = pool = WorkerPool(name, failed, threads)
            self.addCleanup(pool.close)
            return pool

        world = World()
        context = AlertContext(
            None, world.clock, lambda call: call(), lambda *_: None, world.fail, make
        )
        AlertService(context, Path(self.mktemp()), world.observer.target)
        begun, stalled = Semaphore(0), Event()
        self.addCleanup(stalled.set)
        third: list[bool] = []

        def stall() -> None:
            begun.release()
            stalled.wait()

        for _ in range(SYSLOG_THREADS):
            pools["alert-syslog"].submit(stall)
        for _ in range(SYSLOG_THREADS):
            self.assertTrue(begun.acquire(timeout=30))
        pools["alert-syslog"].submit(third.append, True)
        self.assertEqual((pools["alert-syslog"].waiting, third), (1, []))
        stalled.set()
        pools["alert-syslog"].close(30)
        self.assertEqual(third, [True])
