"""Raw sockets: exact bytes, and closed where something would be lost."""

from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet import reactor as any_reactor
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase, TestCase

from tests.doors.programs.support import NO_PAIR, Client, Hall, entry
from tests.fakes import FakeLine, FakeSink, session
from vspc.config.sockets import SocketAddress
from vspc.console.access import Access, Rule, approval_needed
from vspc.console.attachment import AttachmentKind
from vspc.console.history import LIMIT
from vspc.console.sessions import end_sessions
from vspc.doors.programs import channel
from vspc.doors.programs.channel import CLOSE_TIMEOUT, WINDOW
from vspc.doors.programs.door import ProgramDoor
from vspc.doors.programs.listener import SocketError
from vspc.doors.programs.socket import ADMISSION_RATE, ADMISSIONS
from vspc.wire.gdb import packet


class RawSockets(SynchronousTestCase):
    def setUp(self) -> None:
        self.hall = Hall(Path(self.mktemp()), entry(max=2))

    def test_exact_bytes_both_ways(self) -> None:
        console, line = self.hall.connected()
        client = Client(self.hall, 4001)
        self.assertEqual(client.heard(), b"")
        every = bytes(range(256))
        console.link.output(every)
        self.assertEqual(client.heard(), every)
        client.say(every)
        self.assertEqual(bytes(line.sent), every)
        self.assertEqual(console.link.line, line)
        self.assertEqual(self.hall.logins.told, ["alice came by tcp:127.0.0.1:4001"])
        client.leave()
        self.assertEqual(len(console.attachments), 0)
        self.assertEqual(self.hall.logins.told[1:], ["alice left"])
        self.assertEqual(self.hall.failures, 0)

    def test_for_gdb_only_packets_go_out_and_an_interrupt_is_a_break_and_g(self) -> None:
        self.hall.reload(entry(split_break=True))
        console, line = self.hall.connected()
        client = Client(self.hall, 4001)
        console.link.output(b"login: ")
        client.say(packet(b"?"))
        console.link.output(b"sysrq: DEBUG\r\n+" + packet(b"S05"))
        self.assertEqual(client.heard(), b"+" + packet(b"S05"))
        client.say(b"\x03")
        sent = [each for each in line.log if each != "?"]
        self.assertEqual(sent, ["BREAK", b"g" + packet(b"?"), "BREAK", b"g"])
        line.carries_break = False
        client.say(b"\x03")
        self.assertTrue(client.closed)

    def test_the_console_comes_later_and_no_byte_of_it_is_missed(self) -> None:
        client = Client(self.hall, 4001)
        console, _ = self.hall.connected()
        console.link.output(b"first")
        self.assertEqual(client.heard(), b"first")
        self.assertEqual(self.hall.door.condition()["waiting"], 0)

    def test_a_name_is_exact_and_without_a_port_the_first_one(self) -> None:
        self.hall.connected("web011", "1" * 32)
        client = Client(self.hall, 4001)
        self.assertEqual(self.hall.door.condition()["waiting"], 1)
        first, _ = self.hall.connected()
        other, _ = self.hall.connected()
        self.assertEqual((first.title, other.title), ("web01:1", "web01:2"))
        first.link.output(b"one")
        other.link.output(b"two")
        self.assertEqual(client.heard(), b"one")
        again = Client(self.hall, 4001)
        first.link.output(b"!")
        self.assertEqual(again.heard(), b"!")

    def test_input_before_there_is_a_console_closes(self) -> None:
        client = Client(self.hall, 4001)
        client.say(b"x")
        self.assertTrue(client.closed)

    def test_going_away_does_not_close_but_typing_then_does(self) -> None:
        console, _ = self.hall.connected()
        client = Client(self.hall, 4001)
        console.link.disconnect("gone")
        self.hall.roster.settle(console)
        self.assertEqual(client.heard(), b"")
        self.assertFalse(client.closed)
        console.link.connect(FakeLine())
        console.link.output(b"back")
        self.assertEqual(client.heard(), b"back")
        console.link.disconnect("gone")
        client.say(b"x")
        self.assertTrue(client.closed)

    def test_input_that_was_taken_and_is_not_sent_closes(self) -> None:
        console, line = self.hall.connected()
        line.answers, line.unread = True, None
        client = Client(self.hall, 4001)
        client.say(b"x" * 10_000)
        self.assertLess(len(line.sent), 10_000)
        console.link.disconnect("gone")
        self.hall.settle()
        self.assertTrue(client.closed)

    def test_another_writer_closes_the_second(self) -> None:
        console, line = self.hall.connected()
        one, two = Client(self.hall, 4001), Client(self.hall, 4001)
        one.say(b"1")
        two.say(b"2")
        self.assertFalse(one.closed)
        self.assertTrue(two.closed)
        self.assertEqual(bytes(line.sent), b"1")
        self.assertEqual(len(console.attachments), 1)

    def test_a_host_that_changed_closes(self) -> None:
        console, _ = self.hall.connected()
        client = Client(self.hall, 4001)
        console.link.disconnect("gone")
        console.link.connect(FakeLine("10.0.0.2"))
        self.hall.settle()
        self.assertTrue(client.closed)

    def test_more_than_allowed_at_once(self) -> None:
        clients = [Client(self.hall, 4001) for _ in range(3)]
        self.assertEqual([client.closed for client in clients], [False, False, True])
        clients[0].leave()
        self.assertFalse(Client(self.hall, 4001).closed)

    def admitted(self, count: int) -> int:
        """How many of so many that come and go."""
        admitted = 0
        for _ in range(count):
            client = Client(self.hall, 4001)
            admitted += not client.closed
            client.leave()
        return admitted

    def test_connections_that_come_and_go(self) -> None:
        self.assertEqual(self.admitted(2 * ADMISSIONS), ADMISSIONS)
        self.assertEqual(len(self.hall.logins.told), 2 * ADMISSIONS)
        for _ in range(5):
            self.hall.clock.advance(1)
            self.assertEqual(self.admitted(20), ADMISSION_RATE)

    def test_a_host_that_is_not_allowed(self) -> None:
        self.assertIsNone(Client(self.hall, 4001, "192.0.2.1").protocol)

    def test_an_operator_that_is_locked_out(self) -> None:
        self.hall.locked.add("alice")
        self.assertTrue(Client(self.hall, 4001).closed)
        self.assertEqual(self.hall.logins.told, ["alice failed: locked out"])

    def test_a_client_that_does_not_read_holds_nothing_up_and_loses_nothing(self) -> None:
        console, _ = self.hall.connected()
        client = Client(self.hall, 4001)
        self.hall.settle()
        client.producer.pauseProducing()
        console.link.output(b"a" * 1000)
        self.assertEqual(client.heard(), b"")
        client.producer.resumeProducing()
        self.assertEqual(client.heard(), b"a" * 1000)
        client.producer.pauseProducing()
        console.link.output(b"b" * (2 * LIMIT))
        client.producer.resumeProducing()
        client.heard()
        self.assertTrue(client.closed)  # there is no log here that has what the history has lost

    def test_what_it_reads_comes_in_pieces(self) -> None:
        self.patch(channel, "PIECE", 1000)
        console, _ = self.hall.connected()
        client = Client(self.hall, 4001)
        self.hall.settle()
        console.link.output(b"a" * 2500)
        self.assertEqual(client.heard(), b"a" * 2500)
        self.assertEqual(client.wire.sizes, [1000, 1000, 500])

    def test_a_paste_waits_in_the_socket(self) -> None:
        _, line = self.hall.connected()
        client = Client(self.hall, 4001)
        for _ in range(3):
            client.say(b"x" * WINDOW)
        self.assertFalse(client.wire.reading)
        console = self.hall.roster.resolve("web01", lambda _console: True).console  # type: ignore[union-attr]
        while len(line.sent) < 3 * WINDOW:
            console.link.answered()
            self.hall.settle()
        self.assertTrue(client.wire.reading)
        self.assertEqual(bytes(line.sent), b"x" * 3 * WINDOW)

    def test_what_was_sent_before_the_end_is_typed(self) -> None:
        console, line = self.hall.connected()
        client = Client(self.hall, 4001)
        client.say(b"x" * WINDOW, b"y" * WINDOW)
        client.leave()
        self.assertEqual(len(console.attachments), 1)
        while len(line.sent) < 2 * WINDOW:
            console.link.answered()
            self.hall.settle()
        self.assertEqual((bytes(line.sent[-1:]), len(console.attachments)), (b"y", 0))
        self.assertEqual(self.hall.logins.told[-1], "alice left")

    def test_it_is_dropped_and_logged_if_the_vm_does_not_take_it(self) -> None:
        console, line = self.hall.connected()
        line.unread = 4096
        client = Client(self.hall, 4001)
        client.say(b"x" * WINDOW, b"y" * WINDOW)
        client.leave()
        with capturedLogs() as events:
            self.hall.clock.advance(CLOSE_TIMEOUT)
        self.assertEqual(len(console.attachments), 0)
        lost = [each["bytes"] for each in events if each["log_format"] == "input-lost"]
        self.assertEqual(lost, [WINDOW - len(line.sent)])  # as much waits in the console

    def test_an_operator_that_is_removed_types_nothing_more(self) -> None:
        console, line = self.hall.connected()
        client = Client(self.hall, 4001)
        client.say(b"x" * WINDOW, b"y" * WINDOW)
        client.leave()
        sent = len(line.sent)
        end_sessions(self.hall.logins.sessions, "removed")
        console.link.answered()
        self.hall.settle()
        self.assertEqual((len(line.sent), len(console.attachments)), (sent, 0))

    def test_a_client_that_takes_nothing_is_cut_off_at_the_end(self) -> None:
        console, _ = self.hall.connected()
        client = Client(self.hall, 4001)
        end_sessions(self.hall.logins.sessions, "the server is shutting down")
        self.assertTrue(client.closed)
        self.assertEqual(len(console.attachments), 0)
        self.hall.clock.advance(CLOSE_TIMEOUT)
        self.assertTrue(client.wire.aborted)

    @settings(deadline=None, max_examples=30)
    @given(st.lists(st.binary(min_size=1, max_size=5000), max_size=6))
    def test_any_pieces_arrive_as_they_are(self, pieces: list[bytes]) -> None:
        hall = Hall(Path(self.mktemp()), entry())
        console, line = hall.connected()
        client = Client(hall, 4001)
        hall.settle()
        heard = b""
        for piece in pieces:
            console.link.output(piece)
            heard += client.say(piece)
            console.link.answered()
        whole = b"".join(pieces)
        self.assertEqual((bytes(line.sent), heard + client.heard()), (whole, whole))


class Reloads(SynchronousTestCase):
    def setUp(self) -> None:
        self.hall = Hall(Path(self.mktemp()), entry())
        self.hall.connected()

    def ports(self) -> list[int]:
        return sorted(port for _, port in self.hall.reactor.factories)

    def test_a_socket_that_is_removed_ends_its_connections(self) -> None:
        client = Client(self.hall, 4001)
        self.assertEqual(self.hall.reload(entry(port=4002)), 1)
        self.assertTrue(client.closed)
        self.assertEqual(self.ports(), [4002])

    def test_nothing_changes_where_one_cannot_be_opened(self) -> None:
        client = Client(self.hall, 4001)
        self.hall.reactor.busy.add(4003)
        with self.assertRaisesRegex(Exception, "127.0.0.1:4003: Address already in use"):
            self.hall.door.prepare((entry(port=4002), entry(port=4003)), None)  # type: ignore[arg-type]
        self.assertEqual(self.ports(), [4001])
        self.assertFalse(client.closed)

    def test_a_limit_is_changed_under_a_connection(self) -> None:
        client = Client(self.hall, 4001)
        self.assertEqual(self.hall.reload(entry(max=1)), 0)
        self.assertFalse(client.closed)
        self.assertTrue(Client(self.hall, 4001).closed)

    def test_what_has_been_ended_is_not_counted_again(self) -> None:
        Client(self.hall, 4001)
        del self.hall.known["alice"]
        self.hall.operator("carol")
        self.assertEqual(self.hall.reload(entry(operator="carol")), 1)

    def test_another_console_ends_it(self) -> None:
        client = Client(self.hall, 4001)
        self.assertEqual(self.hall.reload(entry(console="web02")), 1)
        self.assertTrue(client.closed)
        again = Client(self.hall, 4001)
        other, _ = self.hall.connected("web02", "2" * 32)
        other.link.output(b"two")
        self.assertEqual(again.heard(), b"two")

    def test_an_operator_that_was_removed(self) -> None:
        client = Client(self.hall, 4001)
        del self.hall.known["alice"]
        self.hall.operator("carol")
        self.hall.reload(entry(operator="carol"))
        self.assertTrue(client.closed)

    def test_rules_that_no_longer_let_it_read(self) -> None:
        client = Client(self.hall, 4001)
        self.hall.settle()
        self.hall.rules = type(self.hall.rules)(())
        for console in self.hall.roster:
            console.reassess(self.hall.rights)
        self.assertTrue(client.closed)
        self.assertFalse(Client(self.hall, 4001).closed)  # for it the console is not there
        self.assertEqual(self.hall.door.condition()["waiting"], 1)


class Approval(SynchronousTestCase):
    """A socket whose operator types only with the approval of another one."""

    def setUp(self) -> None:
        self.hall = Hall(Path(self.mktemp()), entry())
        needed = frozenset({"read", "write", "break"}) | approval_needed(["bob"])
        self.hall.rules = Access(
            (
                Rule(frozenset({"alice"}), ("*",), needed, approve=frozenset({"bob"})),
                Rule(frozenset({"bob"}), ("*",), frozenset({"read"})),
            )
        )
        self.console, self.line = self.hall.connected()
        self.client = Client(self.hall, 4001)
        self.hall.settle()
        bob, sink = session("bob"), FakeSink()
        rights = self.hall.rights(bob.operator, self.console.subject)
        kind = AttachmentKind.TERMINAL
        self.bob = self.console.attach(bob, rights, sink, self.console.history.end, kind)
        sink.attachment = self.bob
        self.client.say(b"abc")
        self.assertEqual(bytes(self.line.sent), b"")

    def answer(self, yes: bool) -> None:
        self.console.attachments.approvals.answer(self.bob, yes)
        self.hall.settle()

    def test_what_its_client_sends_waits_and_the_end_of_approval_closes_it(self) -> None:
        self.answer(yes=True)
        self.assertEqual(bytes(self.line.sent), b"abc")
        self.assertFalse(self.client.closed)
        self.bob.detach()
        self.client.say(b"def")
        self.assertTrue(self.client.closed)
        self.assertEqual(bytes(self.line.sent), b"abc")

    def test_a_no_closes_it(self) -> None:
        self.answer(yes=False)
        self.assertTrue(self.client.closed)
        self.assertEqual(bytes(self.line.sent), b"")


class UnixSockets(TestCase):
    """The files of Unix sockets are real."""

    def open(self, path: Path) -> ProgramDoor:
        hall = Hall(Path(self.mktemp()))
        real: Any = any_reactor
        hall.reactor = real
        door = hall.new_door()
        listen = SocketAddress(path=str(path))
        door.open((entry(listen=listen),), NO_PAIR)
        for port in door.ports():
            self.addCleanup(port.stopListening)
        return door

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.path = self.directory / "web01"

    def test_a_directory_that_is_missing(self) -> None:
        with self.assertRaisesRegex(SocketError, "web01: No such file or directory"):
            self.open(self.path)

    def test_a_file_in_its_place_stays_and_does_not_lock_it(self) -> None:
        self.directory.mkdir()
        self.path.write_text("precious")
        with self.assertRaisesRegex(SocketError, "Address already in use"):
            self.open(self.path)
        self.assertEqual(self.path.read_text(), "precious")
        self.path.unlink()
        self.assertEqual(self.open(self.path).condition()["listening"], 1)

    def test_a_socket_of_another_server(self) -> None:
        self.directory.mkdir()
        self.open(self.path)
        with self.assertRaisesRegex(SocketError, "another process listens there"):
            self.open(self.path)
        self.assertTrue(self.path.is_socket())
