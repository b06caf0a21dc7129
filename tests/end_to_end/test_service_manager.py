"""The server under a service manager: ready when it listens, reloaded, watched, stopped."""

import signal
import socket
from pathlib import Path
from typing import Any

from tests.end_to_end.processes import DEADLINE, script
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


class Listening(ServerTestCase):
    """Listeners go on over a restart."""

    def unit(self, **more: Any) -> Unit:
        return Unit(self, script("vspc"), "run", "--config", self.config, **more)

    def connect(self, what: str) -> socket.socket:
        peer = socket.create_connection(("127.0.0.1", self.ports[what]))
        self.addCleanup(peer.close)
        peer.settimeout(DEADLINE)
        return peer

    def hears_telnet(self, peer: socket.socket) -> None:
        self.assertEqual(peer.recv(1), b"\xff")

    def test_who_connects_while_it_restarts_is_served(self) -> None:
        unit = self.unit()
        for number in (signal.SIGTERM, signal.SIGKILL):
            self.served_by(unit.start())
            before = self.ports
            unit.end(number)
            waiting = self.connect("telnet")
            ssh = self.connect("ssh")
            self.served_by(unit.start())
            self.assertEqual(self.ports, before)
            self.hears_telnet(waiting)
            self.assertEqual(ssh.recv(4), b"SSH-")
            self.assertEqual(self.consoles(), {})
            unit.stop()
            self.assertRaises(ConnectionRefusedError, self.connect, "telnet")

    def test_a_listener_that_is_gone_from_the_configuration_is_closed(self) -> None:
        unit = self.unit()
        self.served_by(unit.start())
        there = self.ports["plain guest"]
        names = unit.manager.names()
        self.config.write_text(self.config.read_text().replace('"guest"', '"other"'))
        self.served_by(unit.restart())
        self.assertRaises(ConnectionRefusedError, socket.create_connection, ("127.0.0.1", there))
        self.connect("plain other")
        unit.wait(lambda: len(unit.manager.names()) == len(names), "listeners in the store")
        self.assertNotEqual(unit.manager.names(), names)

    def test_a_start_that_fails_leaves_the_store_as_it_is(self) -> None:
        unit = self.unit()
        self.served_by(unit.start())
        text = self.config.read_text()
        unit.end()
        names = unit.manager.names()
        self.config.write_text("[vm]\ntelnet = 1\n")
        self.assertRaises(AssertionError, unit.start)
        self.assertEqual(unit.manager.names(), names)
        self.config.write_text(text)
        waiting = self.connect("telnet")
        self.served_by(unit.start())
        self.hears_telnet(waiting)

    def test_sockets_of_units(self) -> None:
        with (
            socket.create_server(("127.0.0.1", 0)) as telnet,
            socket.create_server(("127.0.0.1", 0)) as unused,
        ):
            port = telnet.getsockname()[1]
            text = self.config.read_text().replace(
                'telnet = ["tcp:0:', f'telnet = ["tcp:{port}:', 1
            )
            self.config.write_text(text)
            unit = self.unit(sockets={"vspc-telnet": telnet, "unused": unused})
            for begin in (unit.start, unit.restart):
                self.served_by(begin())
                self.assertEqual(self.ports["telnet"], port)
                self.hears_telnet(self.connect("telnet"))
                self.assertIn(b" warn socket-unit-not-used name=unused ", self.server.out.data)
            self.assertEqual(unit.stop(), 0)
            self.connect("telnet")

    def test_sockets_of_units_by_their_names(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as telnet:
            text = self.config.read_text()
            named = 'telnet = ["systemd:domain=INET:name=vspc-telnet"]'
            self.config.write_text(text.replace('telnet = ["tcp:0:interface=127.0.0.1"]', named, 1))
            unit = self.unit(sockets={"vspc-telnet": telnet})
            for begin in (unit.start, unit.restart):
                self.served_by(begin())
                self.hears_telnet(self.connect("telnet"))
