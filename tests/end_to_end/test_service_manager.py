"""The server under a service manager: ready when it listens, reloaded, watched, stopped."""

import signal
import socket
from pathlib import Path

from tests.end_to_end.processes import script
from tests.end_to_end.server import ServerTestCase
from tests.supervisor import Unit


class Notifying(ServerTestCase):
    def lives(self, *command: str | Path) -> None:
        """The whole life of a server, which `command` starts."""
        unit = Unit(self, *command, environment={"WATCHDOG_USEC": "200000"})
        manager = unit.manager
        self.served_by(unit.start())
        socket.create_connection(("127.0.0.1", self.ports["telnet"])).close()
        unit.wait(lambda: len(manager.said("WATCHDOG")) > 3, "signs of life")
        self.server.send_signal(signal.SIGHUP)
        unit.wait(lambda: len(manager.said("READY")) == 2, "end of the reload")
        self.assertEqual(len(manager.said("RELOADING")), 1)
        self.config.write_text("[vm]\ntelnet = 1\n")
        self.server.send_signal(signal.SIGHUP)
        unit.wait(lambda: len(manager.said("READY")) == 3, "end of a reload that is refused")
        unit.stop()
        self.assertEqual(len(manager.said("STOPPING")), 1)
        self.assert_no_defects()

    def test_vspc_run(self) -> None:
        self.lives(script("vspc"), "run", "--config", self.config)

    def test_twistd(self) -> None:
        self.lives(script("twistd"), "-n", "--pidfile=", "vspc", "--config", self.config)
