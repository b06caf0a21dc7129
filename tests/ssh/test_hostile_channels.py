"""After the login: operators whose clients storm, never read, or open all that there is."""

import struct
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.ssh.bench import (
    ADJUST,
    CLOSE,
    CONFIRMATION,
    DATA,
    DISCONNECT,
    EOF,
    FAILURE,
    OPEN,
    OPEN_FAILURE,
    SUCCESS,
    ask,
    server_of,
)
from tests.ssh.hostile import TCP_BUFFER, ConsoleBench, StormBench, Wire, connection_of
from vspc.console.history import LIMIT
from vspc.console.input_flow import WAITING
from vspc.net.scheduler import BYTES, EVENTS
from vspc.ssh import limits
from vspc.ssh.session import HOST_LIMIT
from vspc.wire.ssh import string, uint32

GIBIBYTE = 1 << 30
PIECE = b"y" * 65536


class StormCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.bench = StormBench()
        self.bench.watch(self)
        self.client = self.bench.logged_in()
        self.server = server_of(self.client)
        self.wire: Wire = self.server.transport

    def open(self, kind: bytes = b"session", window: int = 1 << 20, more: bytes = b"") -> None:
        self.client.say(OPEN, string(kind), uint32(7), uint32(window), uint32(32768), more)

    def assert_others_are_well(self) -> None:
        other = self.bench.logged_in()
        _, program = self.bench.running(other)
        program.channel.write(b"fine")
        self.bench.settle()
        self.assertEqual(b"fine", other.bytes_of(7))
        self.assertEqual([], self.flushLoggedErrors())


class ChannelTests(StormCase):
    def test_a_thousand_channels(self) -> None:
        for _ in range(1000):
            self.open()
        self.bench.settle()
        self.assertEqual(64, len(self.client.got(CONFIRMATION)))
        reasons = [struct.unpack(">2L", body[:8]) for body in self.client.got(OPEN_FAILURE)]
        self.assertEqual([(7, 4)] * 936, reasons)  # SSH_OPEN_RESOURCE_SHORTAGE
        self.assertEqual(64, len(connection_of(self.client).channels))
        ask(self.client, 63, b"exec", string(b"list"))
        self.bench.settle()
        self.assertEqual(1, len(self.bench.programs))
        self.client.say(CLOSE, uint32(0))
        self.open()
        self.bench.settle()
        self.assertEqual(65, len(self.client.got(CONFIRMATION)))
        self.assert_others_are_well()

    def test_forwarded_channels_count_like_any_other(self) -> None:
        console = string(b"web01") + uint32(1) + string(b"127.0.0.1") + uint32(1)
        for _ in range(200):
            self.open(b"direct-tcpip", more=console)
        self.bench.settle()
        self.assertEqual(64, len(connection_of(self.client).channels))
        self.assertEqual(136, len(self.client.got(OPEN_FAILURE)))

    def test_channels_opened_and_closed_for_ever_leave_nothing(self) -> None:
        for number in range(2000):
            self.open()
            ask(self.client, number, b"shell")
            self.client.say(CLOSE, uint32(number))
            self.bench.settle()
        service = connection_of(self.client)
        for table in (service.channels, service._waiting):
            self.assertEqual(0, len(table))
        self.assertEqual(["closed"] * 2000, [p.heard[-1] for p in self.bench.programs])
        self.bench.clock.advance(0)
        self.assertLessEqual(len(self.bench.clock.getDelayedCalls()), 2)  # new keys, and life

    def test_commands_by_the_hundred_leave_turns_to_others(self) -> None:
        for number in range(60):
            self.open()
            ask(self.client, number, b"exec", string(b"list"))
        self.bench.settle()
        self.assertEqual(60, len(self.bench.programs))
        self.assertGreaterEqual(self.wire.pauses, 60 // limits.STARTS)
        self.assertTrue(self.wire.reading)

    def test_kinds_and_hosts_with_long_names(self) -> None:
        self.open(b"k" * 60_000)
        self.open(b"\xff" * 60_000)
        self.bench.settle()
        self.assertEqual(2, len(self.client.got(OPEN_FAILURE)))
        self.open(b"direct-tcpip", more=string(b"h" * (HOST_LIMIT + 1)) + bytes(12))
        self.bench.settle()
        self.assertTrue(self.client.lost)
        self.assert_others_are_well()

    def test_packets_that_are_too_small_to_be_worth_it(self) -> None:
        self.client.say(OPEN, string(b"session"), uint32(7), uint32(GIBIBYTE), uint32(1))
        self.bench.settle()
        self.assertEqual(1, len(self.client.got(OPEN_FAILURE)))


class OrderTests(StormCase):
    """Each of these ends the connection that did it, and nothing else."""

    def assert_ended(self) -> None:
        self.bench.settle()
        self.assertEqual(1, len(self.client.got(DISCONNECT)))
        self.assertTrue(self.client.lost)
        self.assertEqual(1, len(self.bench.logged("ssh-refused")))
        self.assert_others_are_well()

    def test_a_request_before_the_channel_is_open(self) -> None:
        ask(self.client, 0, b"exec", string(b"list"))
        self.assert_ended()
        self.assertEqual(1, len(self.bench.programs))  # the other's

    def test_data_on_a_channel_that_was_closed(self) -> None:
        number, _ = self.bench.running(self.client)
        self.client.say(CLOSE, uint32(number))
        self.client.say(DATA, uint32(number), string(b"late"))
        self.assert_ended()

    def test_closing_twice(self) -> None:
        number, _ = self.bench.running(self.client)
        self.client.say(CLOSE, uint32(number))
        self.client.say(CLOSE, uint32(number))
        self.assert_ended()

    def test_data_beyond_the_window(self) -> None:
        number, program = self.bench.running(self.client)
        program.takes = False
        for _ in range(3):
            self.client.say(DATA, uint32(number), string(b"x" * 30_000))
        self.assert_ended()

    def test_a_forwarded_channel_used_before_it_is_confirmed(self) -> None:
        self.bench.start = lambda *_: None
        console = string(b"web01") + uint32(1) + string(b"127.0.0.1") + uint32(1)
        self.open(b"direct-tcpip", more=console)
        self.client.say(DATA, uint32(0), string(b"early"))
        self.bench.settle()
        self.assertTrue(self.client.lost)

    def test_a_second_command_on_one_channel_is_refused_only(self) -> None:
        number, program = self.bench.running(self.client)
        for request, body in (
            (b"exec", string(b"list")),
            (b"shell", b""),
            (b"pty-req", string(b"xterm") + uint32(80) * 4 + string(b"")),
            (b"subsystem", string(b"sftp")),
        ):
            ask(self.client, number, request, body)
        self.bench.settle()
        self.assertEqual(4, len(self.client.got(FAILURE)))
        self.assertEqual([], program.heard)

    def test_the_end_of_input_many_times(self) -> None:
        number, program = self.bench.running(self.client)
        for _ in range(1000):
            self.client.say(EOF, uint32(number))
        self.bench.settle()
        self.assertEqual(["ended"], program.heard)


class StormTests(StormCase):
    """Requests that cost the client little."""

    def requests(self, number: int, name: bytes, body: bytes, count: int = 5000) -> None:
        for _ in range(count):
            ask(self.client, number, name, body, reply=False)
        self.bench.settle()

    def test_environment(self) -> None:
        number = self.bench.session(self.client)
        for body in (
            string(b"LANG") + string(b"C"),
            string(b"N" * 30_000) + string(b"v" * 30_000),
        ):
            count = 5000 if len(body) < 100 else 50
            calls = self.bench.calls_during(
                lambda b=body, c=count: self.requests(number, b"env", b, c)  # type: ignore[misc]
            )
            # A call for each turn that was full, and nothing else.
            self.assertLessEqual(calls, count * (1 + len(body) // BYTES) // EVENTS + 2)
        self.assertEqual([], self.client.got(SUCCESS))
        self.assertFalse(self.client.lost)
        self.assertEqual([], [e for e in self.bench.events if e["log_format"] == "ssh-refused"])

    def test_exec_lines_and_terminals_with_long_names(self) -> None:
        number = self.bench.session(self.client)
        ask(self.client, number, b"pty-req", string(b"t" * 60_000) + uint32(80) * 4 + string(b""))
        ask(self.client, number, b"exec", string(b"l" * 60_000))
        self.bench.settle()
        [program] = self.bench.programs
        self.assertLessEqual(len(program.channel.terminal.kind), 100)  # type: ignore[union-attr]
        self.assert_others_are_well()

    def test_signals_and_nonsense(self) -> None:
        number, program = self.bench.running(self.client)
        for name in (b"signal", b"x" * 60_000, b"", b"auth-agent-req@openssh.com", b"exit-status"):
            self.requests(number, name, string(b"KILL"), 50)
        self.assertEqual([], program.heard)
        self.assertFalse(self.client.lost)

    def test_windows(self) -> None:
        number, program = self.bench.running(self.client, window=0)
        for _ in range(5000):
            self.client.say(ADJUST, uint32(number), uint32(0xFFFFFFFF))
        self.bench.settle()
        self.assertEqual((1 << 32) - 1, connection_of(self.client).channels[number].window_out)
        self.assertEqual([], program.heard)
        self.assertLessEqual(program.channel.room(), limits.ROOM)

    def test_data_of_no_length_and_of_one_byte(self) -> None:
        number, program = self.bench.running(self.client)
        for data in (b"", b"x"):
            for _ in range(5000):
                self.client.say(DATA, uint32(number), string(data))
            self.bench.settle()
        self.assertEqual([b"x"] * 5000, program.heard)
        # The window is opened again by halves, not by bytes.
        self.assertEqual([], self.client.got(ADJUST))


class GreedyTests(SynchronousTestCase):
    """Windows of a gibibyte without a reader, with real consoles behind the server."""

    def setUp(self) -> None:
        self.bench = ConsoleBench()
        self.bench.watch(self)
        self.console, self.line = self.bench.machine()

    def terminal(self, client: Any, line: bytes, window: int = GIBIBYTE) -> int:
        number = self.bench.session(client, window=window)
        ask(client, number, b"pty-req", string(b"xterm") + uint32(80) + uint32(24) + bytes(12))
        ask(client, number, b"exec", string(line))
        self.bench.settle()
        self.assertEqual([], client.got(FAILURE))
        return number

    def test_the_vm_talks_on_others_read_on_and_little_is_kept(self) -> None:
        greedy = self.bench.logged_in()
        reader = self.bench.logged_in(host="192.0.2.2")
        wire: Wire = server_of(greedy).transport
        for line in (b"console web01", b"raw web01") * 4:
            self.terminal(greedy, line)
        self.terminal(reader, b"console web01")
        wire.stalled = True
        before = len(reader.bytes_of(7))
        for _ in range(160):  # 10 MiB
            self.console.link.output(PIECE)
            self.bench.settle()
        self.assertEqual(160 * len(PIECE), len(reader.bytes_of(7)) - before)
        self.assertLess(wire.most, TCP_BUFFER + limits.ROOM + 40_000)
        kept = [c._outbox.held for c in connection_of(greedy).channels.values()]
        self.assertLessEqual(max(kept), limits.ROOM)
        self.assertLessEqual(self.console.history.end - self.console.history.start, LIMIT)

    def test_a_client_that_does_not_read_is_closed_after_a_while_and_frees_everything(self) -> None:
        greedy = self.bench.logged_in()
        wire: Wire = server_of(greedy).transport
        self.terminal(greedy, b"console web01")
        wire.stalled = True
        for _ in range(10):
            self.console.link.output(PIECE)
        self.assertEqual(1, len(list(self.console.attachments)))
        calls = self.bench.calls_during(lambda: self.bench.pass_time(46))
        self.assertLess(calls, 60)
        wire.stalled = False
        self.bench.settle()
        self.assertEqual(set(), self.bench.ssh.connections)
        self.assertEqual(0, len(list(self.console.attachments)))

    def test_a_window_that_is_closed_costs_no_turns(self) -> None:
        stuck = self.bench.logged_in()
        number = self.terminal(stuck, b"console web01", window=200)
        for _ in range(50):
            self.console.link.output(PIECE)
            self.bench.settle()
        calls = self.bench.calls_during(self.bench.desk.turn)
        self.assertEqual(0, calls)
        self.assertLess(server_of(stuck).transport.most, 20_000)
        stuck.say(ADJUST, uint32(number), uint32(1 << 20))
        self.bench.settle()
        self.assertIn(b"lost", stuck.bytes_of(7)[200:400])

    def test_terminals_that_change_their_size_all_the_time(self) -> None:
        client = self.bench.logged_in()
        watcher = self.terminal(client, b"console web01")
        chooser = self.bench.session(client, window=GIBIBYTE)
        size = string(b"xterm") + uint32(80) + uint32(24) + bytes(12)
        ask(client, chooser, b"pty-req", size)
        ask(client, chooser, b"shell")
        self.bench.settle()
        wire: Wire = server_of(client).transport
        wire.stalled = True
        written = wire.held
        for number in (watcher, chooser):
            for turn in range(5000):
                columns = uint32(40 + turn % 400)
                body = columns + uint32(10 + turn % 90) + bytes(8)
                ask(client, number, b"window-change", body, reply=False)
            self.bench.settle()
        self.bench.clock.advance(0.1)
        self.bench.pass_time(10)
        self.assertLess(wire.held - written, TCP_BUFFER + limits.ROOM)
        self.assertLess(len(self.bench.clock.getDelayedCalls()), 20)

    def test_breaks_at_a_line_that_takes_none_now(self) -> None:
        client = self.bench.logged_in()
        number = self.bench.session(client)
        ask(client, number, b"exec", string(b"raw web01"))
        self.bench.settle()
        for _ in range(20_000):
            ask(client, number, b"break", uint32(500), reply=False)
        self.bench.settle()
        bridge: Any = connection_of(client).channels[number]._program
        self.assertLessEqual(len(bridge._input._pending), 1024)
        self.assertLessEqual(self.console.input.waiting, WAITING)
        self.assertFalse(client.lost)

    def test_input_that_waits_is_bounded_however_small_its_pieces(self) -> None:
        clients = [self.bench.logged_in() for _ in range(4)]
        for client in clients:
            number = self.bench.session(client)
            ask(client, number, b"exec", string(b"raw web01"))
            self.bench.settle()
            for _ in range(10_000):
                client.say(DATA, uint32(number), string(b"ab"))
            self.bench.settle()
        self.assertLessEqual(self.console.input.waiting, WAITING)
        self.assertFalse(any(client.lost for client in clients))
