"""Channels: windows, backpressure and the end."""

from tests.ssh.bench import (
    ADJUST,
    CLOSE,
    DATA,
    DISCONNECT,
    EOF,
    EXTENDED,
    REQUEST,
    BenchCase,
    Remembering,
    ask,
    server_of,
)
from vspc.console.logins import ExecRequest
from vspc.console.ports import Channel
from vspc.ssh import limits
from vspc.wire.ssh import string, uint32

TERMINAL = string(b"xterm") + uint32(80) + uint32(24) + uint32(0) * 2 + string(b"")


class OutputTests(BenchCase):
    def test_more_than_the_window_waits_for_the_client(self) -> None:
        number, program = self.bench.running(self.client, window=10)
        self.assertEqual(10, program.channel.room())
        program.channel.write(b"0123456789abc")
        self.bench.settle()
        self.assertEqual(b"0123456789", self.client.bytes_of(7))
        self.assertEqual(0, program.channel.room())
        self.say(ADJUST, uint32(number), uint32(2))
        self.assertEqual(b"0123456789ab", self.client.bytes_of(7))
        self.assertEqual([], program.heard)
        self.say(ADJUST, uint32(number), uint32(5))
        self.assertEqual(b"0123456789abc", self.client.bytes_of(7))
        self.assertEqual(["drained"], program.heard)
        self.assertEqual(4, program.channel.room())

    def test_drained_is_called_only_after_a_room_of_0(self) -> None:
        number, program = self.bench.running(self.client, window=10)
        program.channel.write(b"0123456789")
        self.say(ADJUST, uint32(number), uint32(5))
        self.assertEqual([], program.heard)

    def test_packets_are_as_large_as_the_client_takes(self) -> None:
        _, program = self.bench.running(self.client, largest=100)
        program.channel.write(b"x" * 250)
        self.bench.settle()
        sizes = [len(payload) - 8 for payload in self.client.got(DATA)]
        self.assertEqual([100, 100, 50], sizes)

    def test_room_is_bounded_whatever_the_window(self) -> None:
        _, program = self.bench.running(self.client, window=(1 << 32) - 1)
        self.assertEqual(limits.ROOM, program.channel.room())

    def test_a_window_beyond_all_numbers_stays_at_the_largest(self) -> None:
        number, program = self.bench.running(self.client, window=(1 << 32) - 1)
        self.say(ADJUST, uint32(number), uint32((1 << 32) - 1))
        program.channel.write(b"x")
        self.bench.settle()
        self.assertEqual(b"x", self.client.bytes_of(7))

    def test_a_full_tcp_buffer_leaves_no_room(self) -> None:
        _, program = self.bench.running(self.client)
        server_of(self.client).output.pauseProducing()
        self.assertEqual(0, program.channel.room())
        program.channel.write(b"short")
        self.bench.settle()
        self.assertEqual(b"", self.client.bytes_of(7))
        server_of(self.client).output.resumeProducing()
        self.bench.settle()
        self.assertEqual(b"short", self.client.bytes_of(7))
        self.assertEqual(["drained"], program.heard)

    def test_channels_that_wait_go_on_one_after_the_other(self) -> None:
        order: list[int] = []
        server = server_of(self.client)
        programs = [self.bench.running(self.client)[1] for _ in range(3)]
        server.output.pauseProducing()
        for index, program in enumerate(programs):
            program.channel.room()

            def drained(index: int = index) -> None:
                order.append(index)
                server.output.pauseProducing()
                programs[index].channel.room()

            program.drained = drained
        for _ in range(4):
            server.output.resumeProducing()
        self.assertEqual([0, 1, 2, 0], order)

    def test_a_program_that_does_not_look_loses_its_channel_only(self) -> None:
        _, other = self.bench.running(self.client)
        _, program = self.bench.running(self.client, window=0)
        for _ in range(5):
            program.channel.write(b"x" * 64 * 1024)
        self.assertEqual(1, len(self.bench.logged("channel-overrun")))
        self.bench.pass_time(10)
        self.assertEqual(["closed"], program.heard)
        self.assertEqual([], other.heard)

    def test_stderr_is_a_stream_of_its_own_and_the_order_stays(self) -> None:
        _, program = self.bench.running(self.client, window=0)
        program.channel.write(b"a")
        program.channel.write_error(b"b")
        program.channel.write(b"c")
        program.channel.write(b"d")
        self.say(ADJUST, uint32(0), uint32(100))
        self.assertEqual(b"acd", self.client.bytes_of(7))
        self.assertEqual([uint32(7) + uint32(1) + string(b"b")], self.client.got(EXTENDED))

    def test_with_a_terminal_stderr_is_the_same_screen(self) -> None:
        number = self.bench.session(self.client)
        self.ask(number, b"pty-req", TERMINAL)
        self.ask(number, b"shell")
        self.bench.programs[-1].channel.write_error(b"oops")
        self.bench.settle()
        self.assertEqual(b"oops", self.client.bytes_of(7))


class InputTests(BenchCase):
    def test_the_window_opens_only_when_input_is_dealt_with(self) -> None:
        number, program = self.bench.running(self.client)
        program.takes = False
        self.say(DATA, uint32(number), string(b"x" * 32768))
        self.say(DATA, uint32(number), string(b"x" * 32768))
        self.assertEqual([], self.client.got(ADJUST))
        program.channel.consumed(32767)
        self.bench.settle()
        self.assertEqual([], self.client.got(ADJUST))
        program.channel.consumed(1)
        self.bench.settle()
        self.assertEqual([uint32(7) + uint32(32768)], self.client.got(ADJUST))

    def test_more_than_the_window_ends_the_connection(self) -> None:
        number, program = self.bench.running(self.client)
        program.takes = False
        for _ in range(2):
            self.say(DATA, uint32(number), string(b"x" * 32768))
        self.say(DATA, uint32(number), string(b"x"))
        self.assertTrue(self.client.lost)
        self.assertEqual(1, len(self.bench.logged("ssh-refused")))
        self.assertEqual("closed", program.heard[-1])

    def test_a_packet_over_the_limit_ends_the_connection(self) -> None:
        number, program = self.bench.running(self.client)
        self.say(DATA, uint32(number), string(b"x" * limits.CHANNEL_PACKET))
        self.assertFalse(self.client.lost)
        self.say(DATA, uint32(number), string(b"x" * (limits.CHANNEL_PACKET + 1)))
        self.assertTrue(self.client.lost)
        self.assertEqual(sum(map(len, program.heard[:-1])), limits.CHANNEL_PACKET)

    def test_consuming_more_than_there_was_opens_no_more(self) -> None:
        number, program = self.bench.running(self.client)
        program.takes = False
        self.say(DATA, uint32(number), string(b"x" * 32768))
        program.channel.consumed(1 << 30)
        self.bench.settle()
        self.assertEqual([uint32(7) + uint32(32768)], self.client.got(ADJUST))

    def test_what_is_typed_before_the_program_runs_is_not_lost(self) -> None:
        number = self.bench.session(self.client)
        self.say(DATA, uint32(number), string(b"early"))
        self.say(EOF, uint32(number))
        self.ask(number, b"shell")
        self.assertEqual([b"early", "ended"], self.bench.programs[-1].heard)

    def test_a_chooser_hands_over_to_a_console(self) -> None:
        number, chooser = self.bench.running(self.client)
        _, console = self.bench.running(self.client)
        chooser.channel.start(console)
        self.say(DATA, uint32(number), string(b"x"))
        self.assertEqual(([], [b"x"]), (chooser.heard, console.heard))

    def test_extended_data_from_a_client_is_dropped_and_taken(self) -> None:
        number, program = self.bench.running(self.client)
        for _ in range(4):
            self.say(EXTENDED, uint32(number), uint32(1), string(b"x" * 32768))
        self.assertFalse(self.client.lost)
        self.assertEqual([], program.heard)


class EndTests(BenchCase):
    def test_status_end_of_file_and_close_in_this_order(self) -> None:
        _, program = self.bench.running(self.client)
        program.channel.write(b"bye")
        program.channel.finish(5)
        program.channel.finish(6)
        program.channel.write(b"late")
        self.bench.settle()
        numbers = [number for number, _ in self.client.messages[-4:]]
        self.assertEqual([DATA, REQUEST, EOF, CLOSE], numbers)
        [request] = self.client.got(REQUEST)
        self.assertEqual(uint32(7) + string(b"exit-status") + b"\0" + uint32(5), request)
        self.assertEqual(["closed"], program.heard)

    def test_the_last_output_waits_for_the_window(self) -> None:
        number, program = self.bench.running(self.client, window=1)
        program.channel.write(b"bye")
        program.channel.finish(0)
        self.bench.pass_time(9)
        self.assertEqual([], self.client.got(CLOSE))
        self.say(ADJUST, uint32(number), uint32(2))
        self.assertEqual(b"bye", self.client.bytes_of(7))
        self.assertEqual(1, len(self.client.got(CLOSE)))

    def test_but_not_for_ever(self) -> None:
        _, program = self.bench.running(self.client, window=1)
        program.channel.write(b"bye")
        program.channel.finish(0)
        self.bench.pass_time(10)
        self.assertEqual(1, len(self.client.got(CLOSE)))
        self.assertEqual(["closed"], program.heard)
        # What was cut short was no success.
        [request] = self.client.got(REQUEST)
        self.assertTrue(request.endswith(string(b"exit-status") + b"\0" + uint32(1)))

    def test_a_finished_channel_is_free_once_the_client_agrees(self) -> None:
        number, program = self.bench.running(self.client)
        program.channel.finish(0)
        self.bench.settle()
        self.say(CLOSE, uint32(number))
        self.assertEqual(["closed"], program.heard)
        self.assertEqual({}, server_of(self.client).service.channels)  # type: ignore[union-attr]

    def test_a_client_that_closes(self) -> None:
        number, program = self.bench.running(self.client)
        self.say(CLOSE, uint32(number))
        self.assertEqual([uint32(7)], self.client.got(CLOSE))
        self.assertEqual(["closed"], program.heard)

    def test_every_program_is_closed_when_the_connection_is_lost(self) -> None:
        programs = [self.bench.running(self.client)[1] for _ in range(3)]
        self.client.transport.loseConnection()
        self.bench.settle()
        self.assertEqual([["closed"]] * 3, [program.heard for program in programs])
        for program in programs:
            program.channel.write(b"x")
            program.channel.consumed(1)
            program.channel.finish(0)
            self.assertEqual(0, program.channel.room())
        self.bench.pass_time(20)
        self.assertEqual([["closed"]] * 3, [program.heard for program in programs])
        self.assertEqual([], self.bench.clock.getDelayedCalls())

    def test_a_program_that_raises_ends_alone(self) -> None:
        number, program = self.bench.running(self.client)
        _, other = self.bench.running(self.client)

        def received(data: bytes) -> None:
            raise RuntimeError("a mistake")

        program.received = received
        self.say(DATA, uint32(number), string(b"x"))
        self.assertEqual(1, len(self.flushLoggedErrors(RuntimeError)))
        [request] = self.client.got(REQUEST)
        self.assertTrue(request.endswith(uint32(1)))
        self.assertEqual([], other.heard)
        self.assertFalse(self.client.lost)

    def test_a_program_that_raises_at_the_very_end(self) -> None:
        _, program = self.bench.running(self.client)

        def closed() -> None:
            raise RuntimeError("a mistake")

        program.closed = closed
        program.channel.finish(0)
        self.bench.settle()
        self.assertEqual(1, len(self.flushLoggedErrors(RuntimeError)))
        self.assertFalse(self.client.lost)

    def test_a_program_started_too_late_is_only_closed_whether_or_not_another_ran(self) -> None:
        _, program = self.bench.running(self.client)
        _, late = self.bench.running(self.client)
        late.channel.finish(0)
        self.bench.settle()
        late.channel.start(program)
        self.bench.settle()
        self.assertEqual((["closed"], ["closed"]), (late.heard, program.heard))
        program.heard.clear()
        self.bench.start = lambda channel, login, request: channel.finish(0)
        number = self.bench.session(self.client)
        channel = server_of(self.client).service.channels[number]  # type: ignore[union-attr]
        ask(self.client, number, b"shell")
        self.bench.settle()
        channel.start(program)
        self.bench.settle()
        self.assertEqual(["closed"], program.heard)


class Ended(BenchCase):
    """The server ends a connection, and the client keeps its end open as long as it may."""

    def test_nothing_starts_any_more_and_what_runs_is_closed(self) -> None:
        _, running = self.bench.running(self.client)
        waiting: list[Channel] = []
        self.bench.start = lambda channel, login, request: waiting.append(channel)
        number = self.bench.session(self.client)
        self.ask(number, b"exec", string(b"raw web01"))
        self.say(DATA, uint32(number), string(b"reboot\r"))
        server = self.client.server
        server.transport.loseConnection = lambda: None
        server.disconnect("you are locked out")
        self.assertEqual(running.heard, ["closed"])
        late = Remembering(waiting[0], ExecRequest(b""), server.login)
        waiting[0].start(late)
        self.bench.clock.advance(0)
        self.assertEqual(late.heard, ["closed"])

    def test_terminals_are_given_back_and_the_client_has_time_to_show_it(self) -> None:
        number = self.bench.session(self.client)
        self.ask(number, b"pty-req", TERMINAL)
        self.ask(number, b"shell")
        program = self.bench.programs[-1]
        program.undoes = b"\x1b[?1049l"
        server = server_of(self.client)
        server.disconnect("the server stops")
        self.bench.settle()
        self.assertEqual(program.undoes, self.client.bytes_of(7))
        self.assertEqual([], self.client.got(DISCONNECT))
        self.assertEqual(["closed"], program.heard)
        self.say(DATA, uint32(number), string(b"too late"))
        self.bench.clock.advance(limits.DISCONNECT_DELAY)
        self.bench.settle()
        self.assertIn(b"the server stops", self.client.got(DISCONNECT)[0])
        self.assertEqual(["closed"], program.heard)
        self.assertTrue(self.client.lost)

    def test_a_client_that_reads_nothing_now_gives_its_terminal_back_when_it_reads(self) -> None:
        number = self.bench.session(self.client)
        self.ask(number, b"pty-req", TERMINAL)
        self.ask(number, b"shell")
        program = self.bench.programs[-1]
        program.undoes = b"\x1b[?1049l"
        server = server_of(self.client)
        server.output.pauseProducing()
        program.channel.write(b"before")
        server.disconnect("the server stops")
        self.bench.settle()
        self.assertEqual(b"before\x1b[?1049l", self.client.bytes_of(7))

    def test_output_leaves_room_in_the_window_for_what_gives_a_terminal_back(self) -> None:
        for window, left in ((1 << 20, limits.END_RESERVE), (16384, 256), (60, 0)):
            number = self.bench.session(self.client, window=window)
            self.ask(number, b"pty-req", TERMINAL)
            self.ask(number, b"shell")
            program = self.bench.programs[-1]
            written = 0
            while room := program.channel.room():
                program.channel.write(b"x" * room)
                written += room
            self.assertEqual(window - left, written)

    def test_the_last_output_of_a_client_that_reads_nothing_is_there_when_it_reads(self) -> None:
        _, program = self.bench.running(self.client)
        server_of(self.client).output.pauseProducing()
        program.channel.write(b"the last words")
        program.channel.finish(0)
        self.bench.pass_time(limits.FINISH_TIMEOUT)
        self.assertEqual(b"the last words", self.client.bytes_of(7))
        self.assertEqual(1, len(self.client.got(CLOSE)))
        self.assertEqual([], self.bench.logged("output-not-taken"))

    def test_what_is_beyond_the_window_of_a_client_that_reads_nothing_is_lost(self) -> None:
        _, program = self.bench.running(self.client, window=8)
        server_of(self.client).output.pauseProducing()
        program.channel.write(b"the last words")
        program.channel.finish(0)
        self.bench.pass_time(limits.FINISH_TIMEOUT)
        self.assertEqual(b"the last", self.client.bytes_of(7))
        self.assertEqual([6], [event["lost"] for event in self.bench.logged("output-not-taken")])

    def test_without_a_terminal_it_ends_at_once(self) -> None:
        self.bench.running(self.client)
        server_of(self.client).disconnect("the server stops")
        self.bench.settle()
        self.assertEqual(1, len(self.client.got(DISCONNECT)))

    def test_a_connection_lost_meanwhile_is_not_kept(self) -> None:
        number = self.bench.session(self.client)
        self.ask(number, b"pty-req", TERMINAL)
        self.ask(number, b"shell")
        server = server_of(self.client)
        server.disconnect("the server stops")
        self.client.transport.loseConnection()
        self.bench.settle()
        self.bench.clock.advance(limits.DISCONNECT_DELAY)
        self.assertTrue(server.ended)
        self.assertNotIn(server, self.bench.ssh.connections)
