"""The control socket: frames, the channel of a command, and what ends it."""

import json
import os
import socket
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.protocol import Protocol
from twisted.test.iosim import FakeTransport, IOPump, connect
from twisted.trial.unittest import SynchronousTestCase

from vspc.console.ports import Channel, Program, SuspendableChannel, Terminal
from vspc.doors.control import FRAME, WINDOW, ControlChannel, FrameReceiver, frame, socket_address


class Socket(FakeTransport):
    """A connection of a process of ours."""

    def getHandle(self) -> socket.socket:
        self.pair = socket.socketpair()
        return self.pair[0]

    def loseConnection(self) -> None:
        for each in getattr(self, "pair", ()):
            each.close()
        super().loseConnection()

    abortConnection = loseConnection


class Client(Protocol):
    """Sends frames, and keeps those that come."""

    def __init__(self) -> None:
        self.frames: list[tuple[bytes, bytes]] = []
        self.lost = False
        self._receiver = FrameReceiver(lambda *each: self.frames.append(each))

    def dataReceived(self, data: bytes) -> None:
        self._receiver.dataReceived(data)

    def connectionLost(self, reason: Any = None) -> None:
        self.lost = True

    def got(self, kind: bytes) -> list[bytes]:
        return [data for each, data in self.frames if each == kind]


class Recorded:
    """A program that keeps what it is told."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.heard: list[Any] = []
        self.fails = False

    def received(self, data: bytes) -> None:
        self._note(data)

    def ended_input(self) -> None:
        self._note("ended")

    def drained(self) -> None:
        self.heard.append("drained")

    def resized(self) -> None:
        self.heard.append(self.channel.terminal)

    def break_requested(self) -> bool:
        self._note("break")
        return True

    def give_back(self) -> bool:
        return False

    def closed(self) -> None:
        self._note("closed")

    def _note(self, event: object) -> None:
        if self.fails:
            raise ZeroDivisionError
        self.heard.append(event)


def verb(*words: str, terminal: object = None) -> bytes:
    return frame(b"V", json.dumps({"words": words, "terminal": terminal}).encode())


class FrameTests(SynchronousTestCase):
    @given(st.lists(st.tuples(st.sampled_from("VIEOXS"), st.binary(max_size=40))), st.data())
    def test_frames_arrive_whole_in_any_pieces(
        self, frames: list[tuple[str, bytes]], draw: st.DataObject
    ) -> None:
        found: list[tuple[bytes, bytes]] = []
        receiver = FrameReceiver(lambda *each: found.append(each))
        sent = [(letter.encode(), data) for letter, data in frames]
        stream = b"".join(frame(*each) for each in sent)
        while stream:
            size = draw.draw(st.integers(1, len(stream)))
            receiver.dataReceived(stream[:size])
            stream = stream[size:]
        self.assertEqual(found, sent)

    def test_more_than_a_frame_takes_is_several(self) -> None:
        found: list[tuple[bytes, bytes]] = []
        receiver = FrameReceiver(lambda *each: found.append(each))
        receiver.dataReceived(frame(b"O", b"x" * (FRAME + 1)))
        self.assertEqual(found, [(b"O", b"x" * FRAME), (b"O", b"x")])

    def test_a_frame_that_claims_too_much(self) -> None:
        receiver = FrameReceiver(lambda *each: None)
        self.assertRaises(ValueError, receiver.dataReceived, b"\0\1\0\2")

    def test_a_path_that_does_not_fit_into_an_address(self) -> None:
        deep = self.mktemp() + "/" + "x" * 100
        os.makedirs(deep)
        directory = os.open(deep, os.O_RDONLY)
        self.addCleanup(os.close, directory)
        address = socket_address(Path(deep).absolute(), directory)
        self.assertEqual(address, f"/proc/self/fd/{directory}/control")


class ChannelTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.programs: list[Recorded] = []
        self.left: list[str] = []
        self.refused: list[str] = []
        self.starts = True
        self.uids = frozenset({os.getuid()})

    def connect(self) -> tuple[ControlChannel, Client, IOPump]:
        channel = ControlChannel(self.run_verb, self.uids, self.refused.append)
        client = Client()
        wire = Socket(channel, True)
        pump = connect(channel, wire, client, FakeTransport(client, False))
        self.addCleanup(wire.loseConnection)
        return channel, client, pump

    def run_verb(self, channel: Channel, words: list[str]) -> Any:
        program = Recorded(channel)
        self.programs.append(program)
        checked: Program = program
        if self.starts:
            channel.start(checked)
        return lambda: self.left.append(" ".join(words))

    def say(self, *frames: bytes) -> tuple[ControlChannel, Client, IOPump]:
        channel, client, pump = self.connect()
        client.transport.write(b"".join(frames))  # type: ignore[union-attr]
        pump.flush()
        return channel, client, pump

    def test_a_command_its_input_output_and_status(self) -> None:
        channel, client, pump = self.say(verb("send", "web01"), frame(b"I", b"x"), frame(b"E"))
        [program] = self.programs
        self.assertEqual(program.heard, [b"x", "ended"])
        self.assertIn(f"local uid={os.getuid()}", channel.address)
        channel.consumed(1)
        channel.write(b"out")
        channel.write_error(b"err")
        channel.finish(3)
        pump.flush()
        expected = [(b"A", b"1"), (b"O", b"out"), (b"X", b"err"), (b"S", b"3")]
        self.assertEqual(client.frames, expected)
        self.assertTrue(client.lost)
        self.assertEqual((program.heard[-1], self.left), ("closed", ["send web01"]))

    def test_a_terminal_has_one_screen_and_a_size_within_limits(self) -> None:
        described = {"kind": "xterm", "columns": 5000, "rows": 0}
        channel, client, pump = self.say(
            verb("console", "web01", terminal=described),
            frame(b"W", json.dumps({**described, "columns": 100, "rows": 30}).encode()),
            frame(b"B"),
        )
        [program] = self.programs
        self.assertEqual(program.heard, [Terminal("xterm", 100, 30), "break"])
        channel.write_error(b"notice")
        pump.flush()
        self.assertEqual(client.got(b"O"), [b"notice"])
        self.assertIsInstance(channel, SuspendableChannel)
        channel.suspend()
        pump.flush()
        self.assertEqual(client.got(b"Z"), [b""])

    def test_what_comes_before_the_program_waits_for_it(self) -> None:
        self.starts = False
        channel, _, _ = self.say(verb("send"), frame(b"I", b"early"), frame(b"E"))
        [program] = self.programs
        self.assertEqual(program.heard, [])
        channel.start(program)
        self.assertEqual(program.heard, [b"early", "ended"])

    def test_a_program_that_comes_too_late_is_closed(self) -> None:
        self.starts = False
        channel, client, pump = self.say(verb("send"))
        client.transport.loseConnection()  # type: ignore[union-attr]
        pump.flush()
        [program] = self.programs
        channel.start(program)
        self.assertEqual(program.heard, ["closed"])

    def test_a_client_that_does_not_read_is_not_written_to(self) -> None:
        channel, _, _ = self.say(verb("log"))
        self.assertEqual(channel.room(), FRAME)
        channel.pauseProducing()
        self.assertEqual(channel.room(), 0)
        channel.resumeProducing()
        self.assertEqual((channel.room(), self.programs[0].heard), (FRAME, ["drained"]))

    def test_nonsense_ends_the_connection_with_status_1(self) -> None:
        piece = frame(b"I", b"x" * FRAME)
        for frames in (
            [frame(b"I", b"x")],
            [frame(b"V", b"[]")],
            [frame(b"V", b"no JSON")],
            [frame(b"V", b'{"words": "list"}')],
            [verb("log", terminal={"kind": "xterm"})],
            [verb("log", terminal={"kind": "xterm", "columns": float("inf"), "rows": 1})],
            [frame(b"V", b"[" * 50_000)],
            [verb("log"), piece * (2 * WINDOW // FRAME + 1)],
            [b"\xff\xff\xff\xffV"],
            [b"\0\0\0\0"],
        ):
            _, client, _ = self.say(*frames)
            self.assertEqual((client.got(b"S"), client.lost), ([b"1"], True), frames[0][:40])

    def test_a_program_that_raises_ends_its_connection_and_is_logged(self) -> None:
        for piece in (frame(b"I", b"x"), frame(b"E"), frame(b"B")):
            self.programs.clear()
            _, client, pump = self.say(verb("log"))
            self.programs[0].fails = True
            client.transport.write(piece)  # type: ignore[union-attr]
            pump.flush()
            self.assertEqual((client.got(b"S"), client.lost), ([b"1"], True))
            # What was read is one failure, `closed` another one.
            self.assertEqual(2, len(self.flushLoggedErrors(ZeroDivisionError)))
        self.assertEqual(self.left, ["log"] * 3)

    def test_another_user_is_refused(self) -> None:
        self.uids = frozenset({os.getuid() + 1})
        _, client, _ = self.say(verb("list"))
        self.assertEqual((self.programs, client.frames, client.lost), ([], [], True))
        [address] = self.refused
        self.assertIn(f"local uid={os.getuid()}", address)
