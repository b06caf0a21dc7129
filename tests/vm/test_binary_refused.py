"""Peers that refuse BINARY: that direction is NVT (RFC 854) until they agree, the other is not."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address

from tests.net.ends import Wire
from tests.vm.test_server import LineServerTest
from vspc.net.telnet_transport import LineTransport
from vspc.vm.lines.binary import BinaryLine
from vspc.vm.lines.plain import TelnetLine
from vspc.vm.listen import plain_factory
from vspc.vm.roles import LineEvent
from vspc.wire import telnet
from vspc.wire.telnet import (
    BINARY,
    DO,
    DONT,
    NOP,
    TIMING_MARK,
    WILL,
    WONT,
    Data,
    Decoder,
    command,
    negotiation,
)


def data_in(sent: bytes) -> bytes:
    """What of `sent` is data, as a telnet peer reads it."""
    decoder, found = Decoder(), b""
    decoder.receive(sent)
    while (event := decoder.next_event()) is not None:
        found += event.data if isinstance(event, Data) else b""
    return found


class Refusing(LineServerTest):
    """A device server on a [[vm.plain]] listener with telnet."""

    def setUp(self) -> None:
        super().setUp()
        self.wire = Wire(peerAddress=IPv4Address("TCP", "10.0.0.1", 4))
        factory = plain_factory(self.scene.server, "acs", True)
        self.line: Any = factory.buildProtocol(None)
        self.line.makeConnection(self.wire)
        self.alice, _ = self.scene.attach(self.console("acs"))

    def hear(self, *chunks: bytes) -> bytes:
        """`chunks` come; what the console has said since."""
        before = self.console("acs").history.end
        for chunk in chunks:
            self.line.dataReceived(chunk)
        while self.line.share.waiting:  # more than a turn has room for
            self.scene.clock.advance(0)
        history = self.console("acs").history
        return history.read(before, history.end - before)

    def typed(self, data: bytes) -> bytes:
        self.wire.take()
        self.alice.type(data)
        return data_in(self.wire.take())

    def test_before_it_has_answered_it_is_binary(self) -> None:
        self.assertEqual(self.hear(b"a\r\0b"), b"a\r\0b")
        self.assertEqual(self.typed(b"a\r"), b"a\r")

    def test_wont_makes_what_it_says_nvt(self) -> None:
        self.hear(negotiation(WONT, BINARY))
        self.assertEqual(self.hear(b"a\r\0b\r\nc"), b"a\rb\r\nc")
        self.assertEqual(self.typed(b"a\r"), b"a\r")

    def test_dont_makes_what_it_hears_nvt(self) -> None:
        self.hear(negotiation(DONT, BINARY))
        self.assertEqual(self.typed(b"ls\r"), b"ls\r\0")
        self.assertEqual(self.typed(b"a\r\nb\xff\0"), b"a\r\0\nb\xff\0")
        self.assertEqual(self.hear(b"a\r\0b"), b"a\r\0b")

    def test_a_cr_whose_nul_comes_later(self) -> None:
        self.hear(negotiation(WONT, BINARY))
        self.assertEqual(self.hear(b"50%\r"), b"50%\r")
        self.assertEqual(self.hear(command(NOP), b"\0", b"60%\r", b"\n"), b"60%\r\n")

    def test_it_agrees_later(self) -> None:
        self.hear(negotiation(WONT, BINARY) + negotiation(DONT, BINARY))
        self.assertEqual(self.hear(b"\r", negotiation(WILL, BINARY), b"\0x"), b"\r\0x")
        self.hear(negotiation(DO, BINARY))
        self.assertEqual(self.typed(b"a\r"), b"a\r")

    def test_it_stops_being_binary(self) -> None:
        self.hear(negotiation(WILL, BINARY) + negotiation(DO, BINARY))
        self.assertEqual(self.hear(b"a\r\0b"), b"a\r\0b")
        self.hear(negotiation(WONT, BINARY) + negotiation(DONT, BINARY))
        self.assertEqual(self.hear(b"a\r\0b"), b"a\rb")
        self.assertEqual(self.typed(b"a\r"), b"a\r\0")

    def test_another_process_goes_on_between_cr_and_nul(self) -> None:
        self.hear(negotiation(WONT, BINARY), b"\r")
        self.assertTrue(self.line.protocol.after_cr)
        heard: list[bytes] = []

        class Observer:
            def handle(self, _event: LineEvent, data: bytes) -> None:
                heard.append(data)

            def traffic(self) -> bool:
                return False

        observer: Any = Observer()

        def make() -> TelnetLine:
            line = TelnetLine(lambda _line: observer, "acs")
            line.continues = line.after_cr = True
            return line

        share = self.scene.server.scheduler.share("10.0.0.1")
        successor = LineTransport(make, self.scene.now, share, self.line.value)
        successor.makeConnection(Wire(peerAddress=IPv4Address("TCP", "10.0.0.1", 4)))
        successor.dataReceived(b"\0x\r\0y")
        self.assertEqual(heard, [b"x\ry"])

    def test_a_paste_of_carriage_returns_keeps_the_bound(self) -> None:
        self.hear(negotiation(DONT, BINARY))
        self.wire.take()
        self.alice.type(b"\r" * 9000)
        question = negotiation(DO, TIMING_MARK)
        sent = self.wire.take()
        self.assertLess(len(sent), 4096 + 64)
        while question in sent:
            for _ in range(sent.count(question)):
                self.line.dataReceived(negotiation(WONT, TIMING_MARK))
            sent = self.wire.take()
        self.assertEqual(self.console("acs").link.bytes_to_vm, 9000)

    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.binary(max_size=6) | st.sampled_from([b"\r", b"\n", b"\0", b"\xff"])))
    def test_a_peer_that_is_nvt_both_ways_loses_nothing(self, chunks: list[bytes]) -> None:
        self.setUp()
        self.hear(negotiation(WONT, BINARY) + negotiation(DONT, BINARY))
        said = telnet.encode(b"".join(chunks)).replace(b"\xff", b"\xff\xff")
        self.assertEqual(
            self.hear(*(said[at : at + 1] for at in range(len(said)))), b"".join(chunks)
        )
        typed = b"".join(self.typed(chunk) for chunk in chunks if chunk)
        self.assertEqual(telnet.decode(typed, False)[0], b"".join(chunks))


class OfVMwaresExtension(LineServerTest):
    def test_each_direction_for_itself(self) -> None:
        host = self.scene.host()
        host.register()
        self.assertIsInstance(host.line, BinaryLine)
        history = self.console().history
        host.say(b"a\r\0b", negotiation(WONT, BINARY), b"c\r\0d")
        self.assertEqual(history.read(0, 99), b"a\r\0bc\rd")
        alice, _ = self.scene.attach(self.console())
        alice.type(b"x\r")
        self.assertEqual(host.wire.take(), b"x\r")
        host.say(negotiation(DONT, BINARY))
        alice.type(b"y\r")
        self.assertEqual(host.wire.take(), b"y\r\0")
