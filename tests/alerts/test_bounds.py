"""What an alert carries and waits for: what happens beyond."""

import socket

from tests.alerts.support import settings
from tests.alerts.test_actions import ActionTest
from tests.alerts.test_service import ServiceTest
from vspc.alerts import actions
from vspc.alerts.facts import LINE
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
