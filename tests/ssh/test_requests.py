"""What a client may open and ask for."""

import struct
from typing import Any

from tests.ssh.bench import (
    ADJUST,
    CLOSE,
    CONFIRMATION,
    DATA,
    DISCONNECT,
    EOF,
    EXTENDED,
    FAILURE,
    OPEN,
    OPEN_FAILURE,
    REQUEST,
    SUCCESS,
    BenchCase,
)
from vspc.console.logins import ExecRequest, ForwardRequest, ShellRequest
from vspc.console.ports import Terminal
from vspc.wire.ssh import string, uint32


def pty(columns: int, rows: int, kind: bytes = b"xterm") -> bytes:
    """The body of a pty-req."""
    return string(kind) + uint32(columns) + uint32(rows) + uint32(0) * 2 + string(b"")


class RequestTests(BenchCase):
    def test_a_command_is_handed_on_as_it_is(self) -> None:
        _, program = self.bench.running(self.client, b"send web01 'a b'\xff")
        self.assertEqual(ExecRequest(b"send web01 'a b'\xff"), program.request)
        self.assertIsNone(program.channel.terminal)
        self.assertEqual("192.0.2.1", program.channel.address)

    def test_a_command_is_in_no_log_event(self) -> None:
        self.bench.running(self.client, b"send web01 hunter2")
        self.assertNotIn("hunter2", repr(self.bench.events))

    def test_the_reply_stands_before_the_output(self) -> None:
        number = self.bench.session(self.client)
        self.bench.refusing = "no such console"
        self.ask(number, b"exec", string(b"console nowhere"))
        numbers = [message for message, _ in self.client.messages[-5:]]
        self.assertEqual([SUCCESS, EXTENDED, REQUEST, EOF, CLOSE], numbers)

    def test_only_one_command_or_shell(self) -> None:
        number, _ = self.bench.running(self.client)
        self.assertFalse(self.ask(number, b"shell"))
        self.assertFalse(self.ask(number, b"exec", string(b"list")))
        self.assertFalse(self.ask(number, b"pty-req", pty(80, 24)))
        self.assertEqual(1, len(self.bench.programs))

    def test_the_terminal_and_its_size(self) -> None:
        number = self.bench.session(self.client)
        self.assertTrue(self.ask(number, b"pty-req", pty(0, 0, b"vt\x1b100")))
        self.assertFalse(self.ask(number, b"pty-req", pty(80, 24)))
        self.assertTrue(self.ask(number, b"shell"))
        program = self.bench.programs[-1]
        self.assertEqual(ShellRequest(None), program.request)
        self.assertEqual(Terminal("vt\\x1b100", 80, 24), program.channel.terminal)
        for columns, rows in ((100, 50), (1, 1), (80, 0), (1 << 31, 1 << 31)):
            self.assertTrue(
                self.ask(number, b"window-change", uint32(columns) + uint32(rows) + bytes(8))
            )
        sizes = [(each.columns, each.rows) for each in program.heard]
        self.assertEqual([(100, 50), (1, 1), (80, 24), (1000, 1000)], sizes)

    def test_window_change_without_a_terminal(self) -> None:
        number, program = self.bench.running(self.client)
        self.assertFalse(self.ask(number, b"window-change", bytes(16)))
        self.assertEqual([], program.heard)

    def test_break_is_the_programs_business(self) -> None:
        number, program = self.bench.running(self.client)
        self.assertTrue(self.ask(number, b"break", uint32(1000)))
        program.passes_break = False
        self.assertFalse(self.ask(number, b"break", uint32(1000)))
        self.assertEqual(["break", "break"], program.heard)

    def test_break_before_anything_runs(self) -> None:
        self.assertFalse(self.ask(self.bench.session(self.client), b"break", uint32(1000)))

    def test_everything_else_is_refused(self) -> None:
        number = self.bench.session(self.client)
        for name, body in (
            (b"env", string(b"LANG") + string(b"C")),
            (b"subsystem", string(b"sftp")),
            (b"auth-agent-req@openssh.com", b""),
            (b"x11-req", b"\0" + string(b"") + string(b"") + uint32(0)),
            (b"signal", string(b"INT")),
            (b"\xff\xfe", b""),
        ):
            self.assertFalse(self.ask(number, name, body), name)
        self.assertEqual(6, len(self.client.got(FAILURE)))
        self.assertFalse(self.client.lost)


class OpeningTests(BenchCase):
    def open(self, kind: bytes, more: bytes = b"", largest: int = 32768) -> None:
        self.say(OPEN, string(kind), uint32(7), uint32(1 << 20), uint32(largest), more)

    def forward(self, host: bytes) -> None:
        """As `ssh -W HOST:1` does."""
        self.open(b"direct-tcpip", string(host) + uint32(1) + string(b"127.0.0.1") + uint32(9))

    def reasons(self) -> list[int]:
        return [struct.unpack(">L", body[4:8])[0] for body in self.client.got(OPEN_FAILURE)]

    def test_a_console_as_a_host(self) -> None:
        self.forward("büro".encode())
        program = self.bench.programs[-1]
        self.assertEqual(ForwardRequest("büro"), program.request)
        program.channel.write(b"\xff\x00")
        program.channel.write_error(b"a notice")
        program.channel.finish(4)
        self.bench.settle()
        self.assertEqual(b"\xff\x00", self.client.bytes_of(7))
        numbers = [message for message, _ in self.client.messages[-4:]]
        self.assertEqual([CONFIRMATION, DATA, EOF, CLOSE], numbers)

    def test_a_console_that_is_not_there_is_a_host_that_does_not_answer(self) -> None:
        self.bench.refusing = "no such console: web\x1b01\n"
        self.forward(b"web01")
        [body] = self.client.got(OPEN_FAILURE)
        words = string(b"no such console: web\\x1b01")
        self.assertEqual(uint32(7) + uint32(2) + words + string(b""), body)
        self.assertEqual([], self.client.got(CONFIRMATION))

    def test_a_forward_that_is_never_started(self) -> None:
        self.bench.start = lambda *_: None
        self.forward(b"web01")
        self.bench.pass_time(15)
        self.say(2, string(b""))
        self.bench.pass_time(15)
        self.assertEqual([2], self.reasons())

    def test_what_a_program_writes_before_it_starts_comes_after_the_confirmation(self) -> None:
        channels: list[Any] = []

        def start(channel: Any, login: Any, request: Any) -> None:
            channel.write(b"banner")
            channels.append(channel)

        self.bench.start = start
        self.forward(b"web01")
        self.assertEqual([], self.client.messages[2:])
        self.bench.start = self.bench.remember
        _, program = self.bench.running(self.client)
        channels[0].start(program)
        self.bench.settle()
        self.assertEqual(b"banner", self.client.bytes_of(7))

    def test_other_kinds_of_channels(self) -> None:
        for kind in (b"x11", b"forwarded-tcpip", b"tun@openssh.com", b"auth-agent@openssh.com"):
            self.open(kind)
        self.open(b"no-such-kind")
        self.assertEqual([1, 1, 1, 1, 3], self.reasons())

    def test_a_thousand_channels(self) -> None:
        for _ in range(1000):
            self.client.say(OPEN, string(b"session"), uint32(7), uint32(9), uint32(99))
        self.bench.settle()
        self.assertEqual(64, len(self.client.got(CONFIRMATION)))
        self.assertEqual([4] * 936, self.reasons())
        self.say(CLOSE, uint32(0))
        self.open(b"session")
        self.assertEqual(65, len(self.client.got(CONFIRMATION)))

    def test_packets_too_small_to_hold_anything(self) -> None:
        self.open(b"session", largest=0)
        self.assertEqual([4], self.reasons())

    def test_no_port_is_forwarded_to_the_server(self) -> None:
        self.say(80, string(b"tcpip-forward"), b"\1", string(b""), uint32(0))
        self.say(80, string(b"tcpip-forward"), b"\0", string(b""), uint32(0))
        self.assertEqual([b""], self.client.got(82))

    def test_messages_about_channels_that_do_not_exist(self) -> None:
        for message in (ADJUST, DATA, EXTENDED, EOF, CLOSE, REQUEST):
            client = self.bench.logged_in()
            client.say(message, uint32(99), uint32(1), string(b""))
            self.bench.settle()
            self.assertTrue(client.lost, message)
            self.assertEqual(1, len(client.got(DISCONNECT)))

    def test_replies_to_requests_that_were_not_made(self) -> None:
        for message in (CONFIRMATION, OPEN_FAILURE, SUCCESS, FAILURE):
            client = self.bench.logged_in()
            self.bench.session(client)
            client.say(message, uint32(0), uint32(0), uint32(0), uint32(0))
            self.bench.settle()
            self.assertTrue(client.lost, message)
