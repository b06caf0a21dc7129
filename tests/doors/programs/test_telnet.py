"""Telnet sockets: a character at a time, BREAK, words; whatever clients send."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from tests.doors.programs.support import Client, Hall, entry
from tests.fakes import FakeLine
from vspc.wire import telnet
from vspc.wire.telnet import (
    AO,
    AYT,
    BINARY,
    BRK,
    DO,
    DONT,
    ECHO,
    IP,
    SGA,
    WILL,
    WONT,
    Data,
    Decoder,
    command,
    negotiation,
)

NAWS = 31

OPENING = negotiation(WILL, ECHO) + negotiation(WILL, SGA) + negotiation(DO, SGA)

EVERY = bytes(range(256))


class TelnetSockets(SynchronousTestCase):
    def setUp(self) -> None:
        self.hall = Hall(Path(self.mktemp()), entry("telnet", max=2))
        self.console, self.line = self.hall.connected()

    def client(self) -> Client:
        client = Client(self.hall, 4001)
        self.assertEqual(client.heard(), OPENING)
        return client

    def away(self) -> None:
        self.console.link.disconnect("gone")
        self.hall.roster.settle(self.console)

    def test_keys_go_one_by_one_and_enter_is_a_cr(self) -> None:
        client = self.client()
        agreed = negotiation(DO, ECHO) + negotiation(DO, SGA) + negotiation(WILL, SGA)
        self.assertEqual(client.say(agreed), b"")
        client.say(b"l", b"s", b"\r", b"\0", b"x\r\n", b"y\r", b"\nz", b"\xff\xff\n")
        self.assertEqual(bytes(self.line.sent), b"ls\rx\ry\rz\xff\n")

    def test_what_a_vm_says_is_shown_by_a_virtual_terminal(self) -> None:
        client = self.client()
        self.console.link.output(b"a\r\nb\rc\xff\r")
        self.assertEqual(client.heard(), b"a\r\nb\r\0c\xff\xff\r")
        self.console.link.output(b"\nd\r")
        self.assertEqual(client.heard(), b"\nd\r")
        self.console.link.output(b"e")
        self.assertEqual(client.heard(), b"\0e")

    def test_binary_where_the_client_offers_it(self) -> None:
        client = self.client()
        self.assertEqual(client.say(negotiation(WILL, BINARY)), negotiation(DO, BINARY))
        client.say(b"\r\0\r\n")
        self.assertEqual(bytes(self.line.sent), b"\r\0\r\n")
        self.console.link.output(b"\rx")
        self.assertEqual(client.heard(), b"\r\0x")
        self.assertEqual(client.say(negotiation(DO, BINARY)), negotiation(WILL, BINARY))
        self.console.link.output(b"\rx")
        self.assertEqual(client.heard(), b"\rx")
        client.say(negotiation(WONT, BINARY))
        client.say(b"\r\0")
        self.assertEqual(bytes(self.line.sent), b"\r\0\r\n\r")

    def test_the_size_of_a_window_is_declined(self) -> None:
        client = self.client()
        self.assertEqual(client.say(negotiation(WILL, NAWS)), negotiation(DONT, NAWS))
        client.say(telnet.subnegotiation(NAWS, b"\0P\0\x18"))
        self.assertEqual(bytes(self.line.sent), b"")
        self.assertFalse(client.closed)

    def test_break_both_ways_in_its_place(self) -> None:
        client = self.client()
        client.say(b"a" + command(BRK) + b"b")
        self.assertEqual(self.line.log, [b"a", "BREAK", b"b"])
        self.console.link.output(b"x")
        self.console.link.break_received()
        self.console.link.output(b"y")
        self.assertEqual(client.heard(), b"x" + command(BRK) + b"y")

    def test_are_you_there(self) -> None:
        client = self.client()
        self.console.link.output(b"login: ")
        self.assertEqual(client.heard(), b"login: ")
        self.assertEqual(client.say(command(AYT)), b"\r\n[web01 is connected]\r\n")
        self.assertEqual(client.say(command(AYT)), b"[web01 is connected]\r\n")

    def test_interrupts_do_nothing(self) -> None:
        client = self.client()
        self.assertEqual(client.say(command(IP) + b"a" + command(AO) + b"b"), b"")
        self.assertEqual(bytes(self.line.sent), b"ab")

    def test_words_for_what_happens(self) -> None:
        client = self.client()
        self.away()
        self.assertEqual(client.heard(), b"[web01 is away (gone)]\r\n")
        self.assertEqual(client.say(b"x"), b"[web01 is away: 1 byte not sent]\r\n")
        self.console.link.connect(FakeLine())
        self.assertIn(b"[web01 is connected again, from 10.0.0.1", client.heard())
        self.assertFalse(client.closed)

    def test_who_has_the_pen(self) -> None:
        one, two = self.client(), self.client()
        one.say(b"1")
        said = two.say(b"22")
        self.assertRegex(said, rb"\A\[you, from session \w+, are typing on web01: 2 bytes not sent")
        self.assertFalse(two.closed)
        one.leave()
        self.assertEqual(two.say(b"3"), b"")
        self.assertEqual(bytes(self.line.sent), b"13")

    def test_a_client_too_many_is_told(self) -> None:
        self.client(), self.client()
        third = Client(self.hall, 4001)
        self.assertEqual(third.heard(), b"[all 2 connections of this port are in use]\r\n")
        self.assertTrue(third.closed)

    def test_waiting_for_a_console_in_words(self) -> None:
        self.hall.reload(entry("telnet", console="web02"))
        client = Client(self.hall, 4001)
        wanted = OPENING + b"[web02 is not there yet; this connection waits for it]\r\n"
        self.assertEqual(client.heard(), wanted)
        wanted = b"[nothing is sent before the console is there]\r\n"
        self.assertEqual(client.say(b"ab", b"c"), wanted)
        wanted = b"[no BREAK is sent before the console is there]\r\n"
        self.assertEqual(client.say(command(BRK)), wanted)
        self.assertEqual(client.say(command(AYT)), b"[web02: waiting for the console]\r\n")
        other, line = self.hall.connected("web02", "2" * 32)
        self.assertEqual(client.heard(), b"[web02 is there; 3 bytes not sent]\r\n")
        client.say(b"d")
        self.assertEqual(bytes(line.sent), b"d")
        self.assertEqual(other.link.line, line)

    def test_a_console_that_is_away_at_the_beginning(self) -> None:
        self.away()
        client = Client(self.hall, 4001)
        self.assertEqual(client.heard(), OPENING + b"[web01 is away]\r\n")

    def test_a_storm_of_negotiations_ends_it(self) -> None:
        client = self.client()
        with capturedLogs() as events:
            for _ in range(40):
                if not client.wire.aborted:
                    client.say((negotiation(WILL, NAWS) + negotiation(WONT, NAWS)) * 100)
        self.assertTrue(client.wire.aborted)
        self.assertEqual([each["reason"] for each in events], ["a negotiation storm"])

    @settings(deadline=None, max_examples=40)
    @given(st.binary(max_size=400), st.integers(1, 50))
    def test_anything_in_any_pieces_is_survived(self, data: bytes, size: int) -> None:
        hall = Hall(Path(self.mktemp()), entry("telnet"))
        hall.connected()
        client = Client(hall, 4001)
        client.say(*(data[at : at + size] for at in range(0, len(data), size)))
        client.leave()
        self.assertEqual((hall.failures, len(self.flushLoggedErrors())), (0, 0))

    @settings(deadline=None, max_examples=40)
    @given(st.binary(max_size=600), st.integers(1, 50))
    def test_a_binary_client_types_and_reads_every_byte(self, data: bytes, size: int) -> None:
        hall = Hall(Path(self.mktemp()), entry("telnet"))
        console, line = hall.connected()
        client = Client(hall, 4001)
        client.say(negotiation(WILL, BINARY) + negotiation(DO, BINARY))
        sent = telnet.escape(data)
        heard = client.say(*(sent[at : at + size] for at in range(0, len(sent), size)))
        console.link.output(data)
        heard += client.heard()
        self.assertEqual((bytes(line.sent), decoded(heard)), (data, data))


def decoded(heard: bytes) -> bytes:
    decoder, data = Decoder(), b""
    decoder.receive(heard)
    while (event := decoder.next_event()) is not None:
        data += event.data if isinstance(event, Data) else b""
    return data
