"""`vspc VERB`: an administrator on the server's own machine."""

import json
import os
import socket

from tests.end_to_end.processes import Child, Completed, Size, script
from tests.end_to_end.test_virtual_machines import SimulatorTestCase
from vspc.doors.control import frame


class Local(SimulatorTestCase):
    """Without SSH."""

    def vspc(self, *words: str, typed: bytes = b"") -> Completed:
        return self.complete(script("vspc"), *words, "--config", self.config, typed=typed)

    def test_verbs_their_output_and_their_statuses(self) -> None:
        self.serve()
        self.simulate(vms=2)
        listed = json.loads(self.vspc("list", "--json").out)
        self.assertEqual([row["name"] for row in listed], ["web1", "web2"])
        self.assertIn(b"SeaBIOS", self.vspc("log", "web1").out)
        exported = self.vspc("export", "web1", "--format", "raw")
        self.assertIn(b"Linux version", exported.out)
        missing = self.vspc("info", "nowhere")
        self.assertEqual((missing.status, missing.out), (3, b""))
        self.assertIn(b"no console nowhere", missing.err)
        self.assertEqual(self.vspc("log", "web1", "--colour").status, 2)
        self.assert_no_defects()

    def test_input_and_output_of_a_console_of_any_length(self) -> None:
        self.serve()
        self.simulate()
        raw: Child = self.start(script("vspc"), "raw", "web1", "--config", self.config)
        self.server.out.expect(b" attached console=web1 operator=root@local ")
        raw.type(b"stream 20000\r")
        raw.out.expect(rb"19999\s")
        raw.stop()
        self.assert_no_defects()

    def test_a_terminal_and_its_escapes(self) -> None:
        self.serve()
        self.simulate()
        words = (script("vspc"), "console", "web1", "--config", self.config)
        terminal = self.start(*words, terminal=Size(100, 30))
        terminal.out.expect(rb"\[web1 connected")
        terminal.resize(Size(120, 40))
        terminal.type(b"\x05c.")
        self.assertEqual(terminal.wait(), 0)
        terminal.out.expect(rb"\[left web1\]")

    def test_only_who_may_and_nonsense_ends_only_itself(self) -> None:
        self.serve()
        path = self.directory / "state" / "control"
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        for nonsense in (b"\0" * 5, frame(b"I", b"x"), b"\xff\xff\xff\xffV", frame(b"V", b"[]")):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(path))
                connection.sendall(nonsense)
                connection.settimeout(30)
                while connection.recv(4096):
                    pass
        self.assertEqual(self.vspc("list").status, 0)

    def test_without_a_server_it_says_so(self) -> None:
        done = self.vspc("list")
        self.assertEqual(done.status, 1)
        self.assertIn(b"no server answers at", done.err)
        self.assertEqual(os.listdir(self.directory).count("state"), 0)
