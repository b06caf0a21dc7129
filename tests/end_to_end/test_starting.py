"""Starting and stopping, right and wrong: what an administrator is told."""

import signal
import socket

from tests.end_to_end.processes import script
from tests.end_to_end.server import ServerTestCase


class Starting(ServerTestCase):
    def test_a_second_server_on_one_state_dir_names_the_first(self) -> None:
        server = self.serve()
        second = self.complete(script("vspc"), "run", "--config", self.config)
        self.assertEqual(second.status, 1)
        self.assertIn(b"is in use by the server with pid %d" % server.pid, second.err)
        self.assertNotIn(b"Traceback", second.err)

    def test_a_port_that_is_taken_is_named(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            text = self.config.read_text().replace('listen = ["tcp:0:', f'listen = ["tcp:{port}:')
            self.config.write_text(text)
            for command in (
                (script("vspc"), "run", "--config", self.config),
                (script("twistd"), "-n", "--pidfile=", "vspc", "--config", self.config),
            ):
                done = self.complete(*command)
                self.assertEqual(done.status, 1, done)
                self.assertIn(b"cannot listen for ssh on tcp:%d:" % port, done.err)
                self.assertNotIn(b"Traceback", done.err)

    def test_every_mistake_of_a_configuration_and_status_1(self) -> None:
        self.config.write_text("[vm]\ntelnet = 1\n[ssh]\nlisten = 2\n")
        for command in (
            (script("vspc"), "run", "--config", self.config),
            (script("vspc"), "check", "--config", self.config),
            (script("vspc"), "fingerprints", "--config", self.config),
            (script("twistd"), "-n", "--pidfile=", "vspc", "--config", self.config),
        ):
            done = self.complete(*command)
            self.assertEqual(done.status, 1)
            self.assertIn(b"vm.telnet: ", done.err)
            self.assertIn(b"ssh.listen: ", done.err)

    def test_check_prints_a_summary(self) -> None:
        done = self.complete(script("vspc"), "check", "--config", self.config)
        self.assertEqual(done.status, 0)
        self.assertIn(b"operator alice: 1 key", done.out)

    def test_in_the_foreground_it_ends_with_status_0(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            server = self.start(script("vspc"), "run", "--config", self.config)
            server.out.expect(rb" info started ")
            server.send_signal(number)
            self.assertEqual(server.wait(), 0)
            server.out.expect(rb" info stopping")

    def test_operators_are_told_that_it_stops(self) -> None:
        self.serve()
        idle = self.attach("raw", "nothing-yet")
        self.assertEqual(idle.wait(), 3)
        terminal = self.terminal()
        terminal.out.expect(rb"type to filter")
        self.stop_server()
        self.assertEqual(terminal.wait(), 255)
