"""Real GDB on a real Linux guest in QEMU, through real OpenSSH."""

import json
import shlex
import signal
from base64 import b64decode, b64encode
from typing import Any

from tests.end_to_end.guest import PROMPT, Guest, client_of
from tests.end_to_end.processes import Child, free_port
from tests.end_to_end.server import ServerTestCase
from tests.end_to_end.shared_line import SharedLine
from tests.programs import require

LISTENER = '[[vm.plain]]\nname = "{}"\nlisten = "tcp:{}:interface=127.0.0.1"\ntelnet = {}\n'


class Debuggers(ServerTestCase):
    def gdb(self, *command: str) -> Child:
        """GDB with a remote target behind `ssh` with this command; `(gdb)` is its prompt."""
        [program] = require("gdb")
        words = [str(each) for each in self.ssh_words()] + list(command)
        child = self.start(program, "-nx", "-q", "-ex", "set pagination off")
        child.out.expect(rb"\(gdb\) ")
        # What it sends again before `ssh` has logged in is answered twice.
        self.ask(child, b"set remotetimeout 60", b"")
        child.type(b"target remote | " + shlex.join(words).encode() + b"\n")
        child.out.expect(rb"(?s)Remote debugging using.*\(gdb\) ")
        return child

    def ask(self, gdb: Child, command: bytes, wanted: bytes) -> bytes:
        gdb.type(command + b"\n")
        return gdb.out.expect(b"(?s)" + wanted + rb".*?\(gdb\) ").group()

    def test_a_stub_with_a_port_of_its_own(self) -> None:
        guest = Guest(self)
        self.write_config(LISTENER.format("guest-gdb", free_port(), "false"))
        self.serve()
        guest.start(client_of(self.ports["plain guest"]), client_of(self.ports["plain guest-gdb"]))
        self.server.out.expect(rb" vm-registered console=guest-gdb ")
        console = self.attach("raw", "guest", "--from", "0")
        gdb = self.gdb("raw", "guest-gdb")
        registers = self.ask(gdb, b"info registers rip", rb"rip +0x")
        self.assertIn(b"0x", registers)
        self.ask(gdb, b"x/2xb $sp", rb"0x[0-9a-f]+:\s+0x")
        self.ask(gdb, b"detach", rb"Detach|Inferior 1")
        console.out.expect(PROMPT.encode())
        console.type(b"echo $((6 * 7)) answers\n")
        console.out.expect(rb"^42 answers")
        said = self.ssh("log", "guest-gdb", "--raw").out
        self.assertIn(b"PacketSize=", said)
        self.assert_no_defects()

    def test_a_line_that_the_console_and_the_debugger_share(self) -> None:
        guest, line = Guest(self), SharedLine()
        self.addCleanup(line.close)
        self.write_config(LISTENER.format("kernel", free_port(), "true"))
        self.serve()
        guest.start(client_of(line.serial), client_of(line.stub))
        line.start(self.ports["plain kernel"])
        self.server.out.expect(rb" vm-registered console=kernel ")
        console = self.attach("raw", "kernel", "--from", "0", "ro")
        guest.go_on()
        console.out.expect(PROMPT.encode())
        self.ssh("send", "kernel", "--enter", "/count 100000 0.05")
        console.out.expect(rb"line 00000003")
        bob = self.terminal(user="bob+kernel,replay=0", operator="bob")
        bob.out.expect(rb"line 000")
        gdb = self.gdb("raw", "kernel", "--lease", "--split-break")
        self.ask(gdb, b"info registers rip", rb"rip +0x")
        for _ in range(2):
            gdb.type(b"continue\n")
            gdb.out.expect(rb"Continuing\.")
            self.assertEqual(self.ssh("expect", "kernel", "line 000").status, 0)
            gdb.send_signal(signal.SIGINT)
            gdb.out.expect(rb"(?s)SIGINT.*\(gdb\) ")
            self.ask(gdb, b"x/2xb $sp", rb"0x[0-9a-f]+:\s+0x")
        self.ask(gdb, b"detach", rb"Detach|Inferior 1")
        self.assertEqual(self.ssh("expect", "kernel", "line 000").status, 0)
        self.assertRegex(self.ssh("log", "kernel", "--raw").out, rb"\$m[0-9a-f]+,|\$[0-9a-f]+#")
        self.assertNotRegex(bob.out.data, rb"\$[^#$ ]*#[0-9a-f]{2}")
        self.assert_no_defects()


class Tools(ServerTestCase):
    def frame(self, tool: Child, **wanted: object) -> dict[str, Any]:
        """The next object that has these values."""
        while True:
            found: dict[str, Any] = json.loads(tool.out.expect(rb"[^\n]*\n").group())
            if wanted.items() <= found.items():
                return found

    def test_a_tool_that_speaks_json(self) -> None:
        guest = Guest(self)
        self.serve()
        guest.start(client_of(self.ports["plain guest"]))
        self.server.out.expect(rb" vm-registered console=guest ")
        self.assertEqual(self.ssh("expect", "guest", PROMPT, "--from", "0").status, 0)
        tool = self.attach("raw", "guest", "--json")
        begin = self.frame(tool, type="begin")
        data = b64encode(b"echo $((6 * 7)) answers\n").decode()
        tool.type(b"nonsense\n" + json.dumps({"type": "input", "data": data}).encode() + b"\n")
        self.assertEqual(self.frame(tool, type="error")["line"], 1)
        self.frame(tool, event="pen-is-taken", operator="alice")
        said, at = b"", begin["offset"]
        while b"\n42 answers" not in said:
            output = self.frame(tool, type="output")
            self.assertEqual(output["offset"], at)
            said += b64decode(output["data"])
            at += len(b64decode(output["data"]))
        guest.stop()
        self.assertGreaterEqual(self.frame(tool, event="away")["offset"], at)
        self.assert_no_defects()
