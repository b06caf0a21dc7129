"""What one line, or one host, may cost the log and memory: what happens beyond."""

from typing import Any, cast

from twisted.logger import LogEvent, globalLogPublisher

from tests.vm.support import SEQUENCE, VC_UUID
from tests.vm.test_comport import said
from tests.vm.test_server import LineServerTest
from vspc.config.dialling import Connect
from vspc.config.dials import dialled
from vspc.config.settings import Config
from vspc.config.vm_settings import DialSettings
from vspc.console.events import HOST_CLOSED
from vspc.vm import context
from vspc.vm.context import GUESSES, CredentialGuesses
from vspc.vm.dialled import SAID, LineWatcher
from vspc.vm.lines.comport import ANSWERS, UNREAD, ComPortLine
from vspc.vm.reports import DROPPED, EVENTS, REASON
from vspc.wire import comport
from vspc.wire.telnet import COM_PORT, VMWARE, WILL, negotiation, subnegotiation
from vspc.wire.vmware import VMotionAbort, VMotionBegin


class LogLines(LineServerTest):
    def setUp(self) -> None:
        super().setUp()
        self.told: list[LogEvent] = []
        observer = cast(Any, self.told.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def names(self) -> list[object]:
        return [event.get("log_format") for event in self.told]

    def test_of_dropped_messages_a_few_are_logged(self) -> None:
        host = self.scene.host()
        host.register()
        for _ in range(40):
            host.say(subnegotiation(VMWARE, b"\x46"))
        numbers = [*range(1, DROPPED + 1), 8, 16, 32]
        lines = [e["reason"] for e in self.told if e.get("log_format") == "vm-dropped"]
        self.assertEqual(len(lines), len(numbers))
        self.assertIn(f"(number {numbers[-1]} on this line)", str(lines[-1]))

    def test_what_is_allowed_is_logged_unless_it_happens_all_the_time(self) -> None:
        host = self.scene.host()
        host.register()
        for _ in range(2 * EVENTS):
            host.say(VMotionBegin(SEQUENCE), VMotionAbort())
            self.scene.clock.advance(0.1)  # the messages of the extension have a rate of their own
        logged = self.names().count("vmotion-goahead")
        self.assertTrue(EVENTS <= logged < 2 * EVENTS, logged)

    def test_a_long_reason_is_cut_with_its_length(self) -> None:
        host = self.scene.host()
        host.register()
        session = next(iter(self.scene.server.sessions.values()))
        session.reports.warn("vm-failed", "x" * (REASON + 1))
        (line,) = [e["reason"] for e in self.told if e.get("log_format") == "vm-failed"]
        self.assertTrue(str(line).startswith("x" * REASON))
        self.assertLess(len(str(line)), REASON + 20)


class Guesses(LineServerTest):
    def test_of_too_many_hosts_the_longest_silent_is_forgotten(self) -> None:
        self.patch(context, "HOSTS", 2)
        guesses = CredentialGuesses()
        for _ in range(GUESSES - 1):
            self.assertFalse(guesses.one_more("10.0.0.1", 0.0))
        for host in ("10.0.0.2", "10.0.0.3"):
            guesses.one_more(host, 1.0)
        self.assertFalse(guesses.one_more("10.0.0.1", 2.0))


class DialledDevices(LineServerTest):
    def test_of_what_a_device_says_and_closes_a_little_is_repeated(self) -> None:
        (entry,) = dialled(Config(dial=(DialSettings("moxa", Connect("tcp://192.0.2.9:4001")),)))
        watcher = LineWatcher(entry, lambda: 0.0)
        watcher.output(b"y" * (SAID + 50))
        reason = watcher.explain(HOST_CLOSED)
        self.assertIn("y" * SAID + '"', reason)
        self.assertNotIn("y" * (SAID + 1), reason)


class PortQuestions(LineServerTest):
    def answers(self, unread: int) -> int:
        """How many of a burst are answered, where so many bytes are not acknowledged."""
        self.patch(ComPortLine, "unacknowledged", lambda _line: unread)
        host = self.scene.host()
        host.register(b"web01", VC_UUID)
        host.say(negotiation(WILL, COM_PORT))
        host.wire.take()
        answered = b""
        for _ in range(2 * ANSWERS):
            answered += host.say(said(comport.SetBaudRate()))
        return answered.count(said(comport.SetBaudRate())[:2])

    def test_a_host_that_reads_its_answers_gets_all_and_one_that_does_not_a_few(self) -> None:
        self.assertGreaterEqual(self.answers(UNREAD - 1), 2 * ANSWERS)
        self.assertLess(self.answers(UNREAD), 2 * ANSWERS)
