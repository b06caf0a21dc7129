"""A door costs one file: over pipes in memory operators log in and run everything there is."""

import subprocess
import sys
from collections.abc import Iterable

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from tests.apps.pipe_door import CAPACITY, PipeConnection, PipeDoor
from tests.apps.support import ALICE, BOB, Desk
from tests.audit.holding import Recorded
from vspc.apps.dispatch import Dispatcher
from vspc.console.logins import Login, LoginFailure
from vspc.console.sessions import Quota, Sessions, end_sessions
from vspc.server.logins import LoginService

EVERY_BYTE = bytes(range(256))


class Recording:
    """`vspc.server.logins.LoginRecording`."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def came(self, login: Login) -> None:
        self.told.append(f"{login.operator} came")

    def left(self, login: Login) -> None:
        self.told.append(f"{login.operator} left")

    def failed(self, failure: LoginFailure) -> None:
        self.told.append(f"{failure.operator} failed: {failure.reason}")

    def excused(self, failures: Iterable[LoginFailure]) -> None:
        raise AssertionError


class NewDoor(SynchronousTestCase):
    def setUp(self) -> None:
        self.desk = Desk()
        self.web, self.line = self.desk.connected("web01", f"{1:032x}")
        self.sessions = Sessions(lambda: Quota(sessions=2))
        self.recording = Recording()
        clock = self.desk.clock
        object.__setattr__(self.desk.console_context, "sessions", self.sessions)
        operators = {each.name: each for each in (ALICE, BOB)}
        context = evolve(
            self.desk.context,
            sessions=self.sessions,
            current=lambda operator: operators.get(operator.name),
        )
        self.door = PipeDoor(
            {"alice": "secret", "bob": "hunter2"},
            Dispatcher(context).start,
            LoginService(self.sessions, Recorded(), self.recording, clock.wall),
            clock.wall,
        )

    def ask(self, request: str, user: str = "alice", password: str = "secret") -> PipeConnection:
        client = PipeConnection(self.door)
        client.send(f"{user}\n{password}\n{request}\n".encode())
        return client

    def says(self, data: bytes) -> None:
        self.web.link.output(data)
        self.desk.turn()

    def test_a_verb(self) -> None:
        client = self.ask("exec list")
        self.assertIn(b"web01", client.read())
        self.assertEqual((client.status, client.errors), (0, b""))
        client.hang_up()
        self.assertEqual(self.recording.told, ["alice came", "alice left"])

    def test_raw_is_exact_and_lossless_both_ways(self) -> None:
        for request in ("exec raw web01", "forward web01"):
            client, read = self.ask(request), bytearray()
            for _ in range(3 * CAPACITY // 256):
                self.says(EVERY_BYTE)
                self.assertLessEqual(len(client.output), CAPACITY)
            while piece := client.read():
                read += piece
            self.assertEqual(read, EVERY_BYTE * (3 * CAPACITY // 256))
            self.line.sent.clear()
            client.send(EVERY_BYTE)
            self.assertEqual((bytes(self.line.sent), client.under_way), (EVERY_BYTE, 0))
            client.hang_up()
        self.assertEqual(len(self.web.attachments), 0)

    def test_a_terminal_with_replay_escapes_and_an_end(self) -> None:
        self.says(b"login: ")
        client = self.ask("shell on xterm", "alice+web01")
        shown = client.read()
        self.assertIn(b"[web01 connected", shown)
        self.assertIn(b"login: ", shown)
        client.send(b"root\r")
        self.assertEqual(bytes(self.line.sent), b"root\r")
        client.send(b"\x05c.")
        self.assertIn(b"[left web01]", client.read())
        self.assertEqual(client.status, 0)

    def test_the_chooser_and_back_to_it(self) -> None:
        client = self.ask("shell on xterm")
        self.desk.clock.advance(0.3)
        self.assertIn(b"web01", client.read())
        client.send(b"\r")
        self.assertIn(b"[web01 connected", client.read())
        client.send(b"\x05c.")
        self.desk.clock.advance(0.3)
        self.assertIn(b"Enter attach", client.read())
        client.send(b"\x03")
        self.assertEqual(client.status, 0)

    def test_rights_and_failed_logins(self) -> None:
        self.assertEqual(self.ask("exec send web01 x", "bob", "hunter2").status, 4)
        wrong = self.ask("exec list", "bob", "secret")
        self.assertEqual((wrong.status, wrong.read()), (255, b""))
        self.assertEqual(self.recording.told, ["bob came", "bob failed: wrong password"])

    def test_sessions_are_counted_and_ended(self) -> None:
        first, second = self.ask("exec raw web01"), self.ask("exec raw web01")
        third = self.ask("exec list")
        self.assertIn(b"you have 2 sessions already", third.errors)
        end_sessions(self.sessions, "maintenance")
        for client in (first, second):
            self.assertIn(b"maintenance", client.errors)
            self.assertIsNotNone(client.status)
        self.assertEqual(len(self.web.attachments), 0)

    def test_it_needs_nothing_of_ssh(self) -> None:
        code = (
            "import sys, tests.apps.pipe_door, vspc.apps.dispatch\n"
            "ssh = ('vspc.ssh', 'twisted.conch')\n"
            "print([name for name in sys.modules if name.startswith(ssh)])"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
        self.assertEqual(done.stdout.strip(), b"[]")
