"""Every way in which a byte can reach a VM: each is counted to the byte, and none is shown."""

from collections.abc import Callable, Mapping
from io import StringIO
from pathlib import Path
from types import MappingProxyType

from attrs import evolve
from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from tests.apps.support import ALICE, XTERM, Desk, FakeChannel
from tests.audit.support import lines_of
from tests.audit.test_service import Inline
from tests.fakes import FakeLine, session
from vspc.apps.dispatch import Dispatcher
from vspc.apps.verbs import output
from vspc.audit.service import AuditService
from vspc.config.settings import AuditSettings
from vspc.console.logins import ExecRequest, ForwardRequest, Login, Request, ShellRequest
from vspc.server.own_log import ServerLog

CANARY = b"hunter2-canary-9f1c"


class Machine:
    """A desk with an audit file, a console with a line, and the service's dispatcher."""

    def __init__(self, directory: Path, failed: Callable[[], None]) -> None:
        self.desk = Desk()
        self.path = directory / "audit.jsonl"
        self.watching = AuditService(
            AuditSettings(),
            directory,
            Inline(),
            self.desk.clock,
            self.desk.events,
            lambda _event, _facts: None,
            failed,
        )
        self.watching.start()
        self.desk.context = evolve(self.desk.context, audit=self.watching.recorder)
        self.console, self.line = self.desk.connected()
        self.lines = [self.line]
        self.dispatcher = Dispatcher(self.desk.context)

    def ask(self, request: Request, terminal: bool = False) -> FakeChannel:
        """A channel of alice's."""
        channel = FakeChannel(XTERM if terminal else None)
        login = Login(session(ALICE), "web01", ())
        self.dispatcher.start(channel, login, request)
        self.turn()
        return channel

    def turn(self) -> None:
        """Let what was put off happen."""
        self.desk.clock.advance(0.1)
        self.desk.turn()

    def end(self) -> list[dict[str, object]]:
        """The server stops; what it recorded."""
        self.desk.console_context.accounting.close()
        self.watching.end()
        self.watching.stop()
        return lines_of(self.path)

    @property
    def sent(self) -> bytes:
        """What the VM got."""
        return b"".join(bytes(line.sent) for line in self.lines)


def _terminal(machine: Machine) -> None:
    machine.ask(ShellRequest("web01"), terminal=True).type(CANARY + b"\r")


def _console_without_a_terminal(machine: Machine) -> None:
    machine.ask(ExecRequest(b"console web01")).type(CANARY)


def _raw(machine: Machine) -> None:
    machine.ask(ExecRequest(b"raw web01")).type(CANARY + b"\xff\x05")


def _forwarded(machine: Machine) -> None:
    machine.ask(ForwardRequest("web01")).type(CANARY + bytes(range(256)))


def _send(machine: Machine) -> None:
    machine.ask(ExecRequest(b"send web01 --enter " + CANARY))


def _send_from_standard_input(machine: Machine) -> None:
    channel = machine.ask(ExecRequest(b"send web01"))
    channel.type(CANARY)
    assert channel.program is not None
    channel.program.ended_input()


def _expect(machine: Machine) -> None:
    machine.ask(ExecRequest(b"expect web01 --timeout 5 --send " + CANARY + b" login:"))
    machine.console.link.output(b"login: ")


def _held_during_a_migration(machine: Machine) -> None:
    channel = machine.ask(ShellRequest("web01"), terminal=True)
    machine.console.link.migrate()
    channel.type(CANARY)
    assert not machine.sent
    machine.lines.append(FakeLine("10.0.0.2"))
    machine.console.link.move(machine.lines[-1], "10.0.0.1", 1.0)


def _held_when_it_came_to_nothing(machine: Machine) -> None:
    channel = machine.ask(ShellRequest("web01"), terminal=True)
    machine.console.link.migrate()
    channel.type(CANARY)
    machine.console.link.end_migration("it was aborted")


def _waiting_for_a_slow_host(machine: Machine) -> None:
    channel = machine.ask(ForwardRequest("web01"))
    channel.type(CANARY * 1000)
    while machine.line.questions:
        machine.line.questions -= 1
        machine.console.link.answered()


WAYS: Mapping[str, Callable[[Machine], None]] = MappingProxyType(
    {
        "terminal": _terminal,
        "console without a terminal": _console_without_a_terminal,
        "raw": _raw,
        "-W and -L": _forwarded,
        "send": _send,
        "send from standard input": _send_from_standard_input,
        "expect --send": _expect,
        "held during a vMotion": _held_during_a_migration,
        "held in one that came to nothing": _held_when_it_came_to_nothing,
        "waiting for a slow host": _waiting_for_a_slow_host,
    }
)


class CrashError(Exception):
    """A defect where typed bytes are at hand."""


def _crash(*_what: object) -> None:
    raise CrashError("a line that breaks")


class Ways(SynchronousTestCase):
    """Each in a machine of its own."""

    def setUp(self) -> None:
        self.failures = 0

    def fail_inside(self) -> None:
        self.failures += 1

    def machine(self) -> Machine:
        directory = Path(self.mktemp())
        directory.mkdir()
        return Machine(directory, self.fail_inside)

    def test_each_is_counted_to_the_byte_and_not_shown(self) -> None:
        for name, way in WAYS.items():
            machine = self.machine()
            way(machine)
            events = machine.end()
            self.assertIn(CANARY, machine.sent, name)
            counted = [event["bytes"] for event in events if event["event"] == "input"]
            self.assertEqual(sum(map(int, map(str, counted))), len(machine.sent), name)
            for event in events:
                if event["event"] == "input":
                    self.assertEqual(event["operator"], "alice", name)
            self.assertNotIn(CANARY, machine.path.read_bytes(), name)
        self.assertEqual(self.failures, 0)

    def test_none_is_shown_by_a_crash_on_its_way_to_the_vm(self) -> None:
        crashed = []
        self.patch(FakeLine, "send", _crash)
        for name, way in WAYS.items():
            machine, written = self.machine(), StringIO()
            log = Logger(observer=ServerLog(written))
            self.patch(output, "log", log)  # a verb that fails is logged by its output
            try:
                way(machine)
            except CrashError:
                crashed.append(name)
                log.failure("defect")
            machine.end()
            self.assertNotIn(CANARY.decode(), written.getvalue() + machine.path.read_text(), name)
        self.assertIn("terminal", crashed)

    def test_what_does_not_reach_it_is_counted_as_dropped(self) -> None:
        machine = self.machine()
        channel = machine.ask(ShellRequest("web01"), terminal=True)
        machine.console.link.migrate()
        channel.type(CANARY)
        machine.console.link.disconnect("gone")
        channel.close()
        events = [event for event in machine.end() if event["event"] == "input"]
        self.assertEqual([(e["bytes"], e["dropped"]) for e in events], [(0, len(CANARY))])

    def test_reading_alone_counts_no_input(self) -> None:
        machine = self.machine()
        machine.ask(ExecRequest(b"console web01 ro")).type(CANARY)
        events = machine.end()
        self.assertEqual([e for e in events if e["event"] == "input"], [])
        self.assertNotIn(CANARY, machine.path.read_bytes())
        self.assertEqual(machine.sent, b"")
