"""2,000 lines over restarts of the server: none is disconnected, no byte is lost or comes twice.

VSPC_RESTARTS is how many restarts there are; every second time the server is killed.
"""

import json
import os
import select
import signal
import socket
import time
from collections.abc import Callable

from attrs import define, field

from tests.end_to_end.processes import DEADLINE, script
from tests.end_to_end.server import ServerTestCase
from tests.supervisor import Unit
from tests.vm.test_values import registration
from vspc.wire.telnet import Data, Decoder

LINES = 2000
RESTARTS = int(os.environ.get("VSPC_RESTARTS", "2"))
SAMPLE = range(0, LINES, 97)
"""Those whose logs are read."""

PATIENCE = 2 * DEADLINE


@define(eq=False)
class Machine:
    """One VM: what it has said, and what was typed."""

    name: str
    sock: socket.socket
    said: bytearray = field(factory=bytearray)
    heard: bytearray = field(factory=bytearray)
    closed: bool = False
    _decoder: Decoder = field(factory=Decoder)

    def say(self, text: str) -> None:
        self.said += text.encode()
        self.sock.sendall(text.encode())

    def read(self) -> None:
        try:
            data = self.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.closed = self.closed or not data
        self._decoder.receive(data)
        while (event := self._decoder.next_event()) is not None:
            if isinstance(event, Data):
                self.heard += event.data


class ManyLines(ServerTestCase):
    def setUp(self) -> None:
        super().setUp()
        root = '[operators.root]\nroles = ["admin"]\n'
        self.write_config(root)
        self.unit = Unit(self, script("vspc"), "run", "--config", self.config, store_max=LINES + 9)
        self.served_by(self.unit.start())
        self.machines = list[Machine]()
        self.poll = select.poll()
        self.by_number = dict[int, Machine]()

    def connect(self) -> None:
        """All of them, and each is identified."""
        for number in range(LINES):
            sock = socket.create_connection(("127.0.0.1", self.ports["telnet"]))
            self.addCleanup(sock.close)
            name, uuid = f"vm{number:04}", f"{number + 1:032x}".encode()
            machine = Machine(name, sock)
            sock.sendall(registration(name.encode(), uuid))
            sock.setblocking(False)
            self.machines.append(machine)
            self.by_number[sock.fileno()] = machine
            self.poll.register(sock, select.POLLIN)

    def until(self, happened: Callable[[], bool], what: str) -> None:
        """Let the machines read until then."""
        end = time.monotonic() + PATIENCE
        while not happened():
            self.assertLess(time.monotonic(), end, what)
            for number, _ in self.poll.poll(50):
                machine = self.by_number[number]
                machine.read()
                if machine.closed:
                    self.poll.unregister(number)

    def listed(self) -> dict[str, int]:
        """Bytes that came of each VM that is connected, by its console's name."""
        done = self.complete(
            *(script("vspc"), "list", "--json", "--config", self.config), timeout=PATIENCE
        )
        self.assertEqual(done.status, 0, done.err)
        rows = json.loads(done.out)
        return {r["name"]: r["bytes_from_vm"] for r in rows if r["state"] == "connected"}

    def type_on_all(self, text: str) -> None:
        words = ("broadcast", "--yes", str(LINES), "vm*", text)
        done = self.complete(script("vspc"), *words, "--config", self.config, timeout=PATIENCE)
        self.assertEqual(done.status, 0, done.err[-2000:])

    def until_all_is_heard(self) -> None:
        """Wait until the server has counted all that was said."""
        expected = {machine.name: len(machine.said) for machine in self.machines}
        left = dict[str, int]()

        def is_heard() -> bool:
            found = self.listed()
            left.clear()
            left.update({n: size - found.get(n, -1) for n, size in expected.items()})
            return not any(left.values())

        try:
            self.until(is_heard, "output")
        except AssertionError:
            self.fail(f"not heard: { ({n: size for n, size in left.items() if size}) }")

    def assert_all_there(self, typed: str) -> None:
        """Every byte, once, in both directions."""
        self.until(lambda: all(len(m.heard) >= len(typed) for m in self.machines), "input")
        self.until_all_is_heard()
        self.assertEqual([m.name for m in self.machines if m.closed], [])
        wrong = [m.name for m in self.machines if m.heard != typed.encode()]
        self.assertEqual(wrong, [])

    def test_none_is_lost(self) -> None:
        self.connect()
        self.until(lambda: len(self.listed()) == LINES, "all identified")
        typed = ""
        for round_ in range(RESTARTS):
            for machine in self.machines:
                machine.say(f"{machine.name} before {round_}\n")
            if round_ % 2:
                # A kill in the middle of a read costs what was read, and that is told.
                self.until_all_is_heard()
            self.unit.end(signal.SIGKILL if round_ % 2 else signal.SIGTERM)
            for machine in self.machines:
                machine.say(f"{machine.name} meanwhile {round_}\n")
            self.served_by(self.unit.start())
            self.type_on_all(f"typed {round_};")
            typed += f"typed {round_};"
            self.assert_all_there(typed)
        for number in SAMPLE:
            machine = self.machines[number]
            done = self.ssh("log", machine.name, "--raw")
            self.assertEqual(done.out, bytes(machine.said))
        self.assert_no_defects()
