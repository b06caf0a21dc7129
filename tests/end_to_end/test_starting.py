"""Starting and stopping, right and wrong: what an administrator is told."""

import contextlib
import os
import re
import select
import signal
import socket
import sys
from pathlib import Path

from tests.end_to_end.openssh import make_key
from tests.end_to_end.processes import DEADLINE, script
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

    def test_check_names_every_file_that_cannot_be_used_and_keys_of_one_type(self) -> None:
        for name in ("host1", "host2"):
            make_key(self.directory, name)
        (self.directory / "bad.pem").write_text("no certificate")
        text = self.config.read_text().replace(
            "[ssh]\n", '[ssh]\nhost_keys = ["host1", "bad.pem", "host2"]\n'
        )
        tls = '[tls]\ncertificate = "bad.pem"\nprivate_key = "bad.pem"\n'
        self.config.write_text(text + tls)
        done = self.complete(script("vspc"), "check", "--config", self.config)
        self.assertEqual(done.status, 1)
        for key_path in (b"tls.certificate: ", b"ssh.host_keys[1]: ", b"ssh.host_keys[2]: "):
            self.assertIn(key_path, done.err)
        self.assertIn(b"ssh-ed25519, is ssh.host_keys[0]", done.err)

    def test_the_word_to_type_into_vsphere_is_no_glob(self) -> None:
        text = self.config.read_text()
        for globs, word in (('["*"]', b"vspc"), ('["v*", "lab"]', b"lab")):
            self.config.write_text(text.replace("[vm]\n", f"[vm]\nservice_uris = {globs}\n"))
            done = self.complete(script("vspc"), "proxy-uri", "--config", self.config)
            self.assertIn(b"Port URI: %s;" % word, done.out)

    def test_what_needs_a_restart_is_said_at_each_reload_and_is_not_done(self) -> None:
        server = self.serve()
        self.config.write_text(self.config.read_text().replace('"state"', '"elsewhere"'))
        for _ in range(2):
            server.send_signal(signal.SIGHUP)
            server.out.expect(rb" reload-needs-restart key=state_dir")
            server.out.expect(rb" info reloaded ")
        self.assertFalse((self.directory / "elsewhere").exists())

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


_PROGRAM = """
import sys
from twisted.logger import Logger, LogPublisher
from vspc.server.own_log import ServerLog
logger = Logger("vspc", observer=LogPublisher(ServerLog(sys.stdout)))
for number in range(1000):
    logger.info("event", number=number)
{end}
"""

_BUFFERED = {"PYTHONUNBUFFERED": ""}


class Log(ServerTestCase):
    """The server's own log, whatever becomes of its reader and of the server."""

    def test_nothing_is_lost_however_a_program_ends(self) -> None:
        for end, status in (("", 0), ("raise SystemExit(3)", 3), ("raise ValueError", 1)):
            words = (sys.executable, "-c", _PROGRAM.format(end=end))
            done = self.complete(*words, environment=_BUFFERED)
            self.assertEqual((done.out.count(b" number="), done.status), (1000, status))

    def test_a_reader_that_stalls_stops_neither_the_work_nor_the_end(self) -> None:
        self.log = self.directory / "log"
        os.mkfifo(self.log)
        self.pipe = os.open(self.log, os.O_RDWR | os.O_NONBLOCK)
        self.addCleanup(os.close, self.pipe)
        vspc: tuple[str | Path, ...] = (script("vspc"), "run", "--config", self.config)
        words = ("/bin/sh", "-c", 'exec "$0" "$@" > log', *vspc)
        server = self.start(*words, environment=_BUFFERED)
        said = self.read_until(b" info started ")
        listening = re.search(rb"listening what=ssh .*port=(\d+)", said)
        assert listening is not None
        self.ports = {"ssh": int(listening[1])}
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(self.pipe, b"x" * 4096)
        for _ in range(3):
            self.assertEqual(self.ssh("list", "--json").out, b"[]\n")
        server.send_signal(signal.SIGTERM)
        self.assertEqual((server.wait(), server.err.data), (0, b""))

    def read_until(self, word: bytes) -> bytes:
        """What the server has logged, up to `word`."""
        said = b""
        while word not in said:
            poll = select.poll()
            poll.register(self.pipe, select.POLLIN)
            self.assertTrue(poll.poll(DEADLINE * 1000), said)
            said += os.read(self.pipe, 65536)
        return said
