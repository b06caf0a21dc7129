"""What a connection speaks, by its first bytes."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.wire.opening import (
    DECIDED,
    OpeningProtocol,
    offered_version,
    recognise,
    recognise_server,
)

STARTS = {
    b"\xff\xfb\x25": OpeningProtocol.TELNET,
    b"\x16\x03\x01\x02\x00\x01": OpeningProtocol.TLS,
    b"\x80\x2e\x01\x03\x01\x00": OpeningProtocol.TLS,
    b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n": OpeningProtocol.PROXY,
    b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c": OpeningProtocol.PROXY,
    b"SSH-2.0-OpenSSH_9.2\r\n": OpeningProtocol.SSH,
    b"GET / HTTP/1.1\r\n": OpeningProtocol.HTTP,
    b"POST /x HTTP/1.1\r\n": OpeningProtocol.HTTP,
    b"OPTIONS * HTTP/1.0\r\n": OpeningProtocol.HTTP,
    b"PRI * HTTP/2.0\r\n": OpeningProtocol.HTTP,
}


class Openings(SynchronousTestCase):
    def test_each_is_recognised_within_five_bytes(self) -> None:
        for start, spoken in STARTS.items():
            self.assertIs(recognise(start), spoken, start)
            self.assertIs(recognise(start[:DECIDED]), spoken, start)

    def test_what_could_still_be_anything_is_nothing_yet(self) -> None:
        for start in (b"", b"P", b"PO", b"\r\n", b"\x16", b"\x16\x03", b"G", b"S"):
            self.assertIsNone(recognise(start), start)

    def test_console_output_is_not_recognised(self) -> None:
        for text in (b"SeaBIOS (version 1.16)", b"\r\n\r\nlogin: ", b"\x1b[2J", b"PROX\x00"):
            self.assertIsNone(recognise(text), text)

    def test_servers_that_are_not_a_serial_line(self) -> None:
        for start, spoken in (
            (b"\xff\xfd\x25", OpeningProtocol.TELNET),
            (b"\xff\xfa\x2c", OpeningProtocol.TELNET),
            (b"\x15\x03\x03\x00\x02\x02\x28", OpeningProtocol.TLS),
            (b"SSH-2.0-dropbear\r\n", OpeningProtocol.SSH),
            (b"HTTP/1.0 400 Bad Request\r\n", OpeningProtocol.HTTP),
        ):
            self.assertIs(recognise_server(start), spoken)
        for start in (b"", b"\xff", b"\xff\x00\xff", b"\xff\xff", b"SSH", b"\r\nlogin: "):
            self.assertIsNone(recognise_server(start), start)

    @given(st.binary(max_size=40))
    def test_the_first_five_bytes_of_a_server_decide(self, data: bytes) -> None:
        self.assertIs(recognise_server(data[:DECIDED]), recognise_server(data))

    @given(st.binary(max_size=40))
    def test_the_first_five_bytes_decide(self, data: bytes) -> None:
        self.assertIs(recognise(data[:DECIDED]), recognise(data))

    def test_the_version_that_is_offered(self) -> None:
        hello = bytes.fromhex("160301008b01000087") + b"\x03\x02"
        self.assertEqual(offered_version(hello), "TLS 1.1")
        self.assertEqual(offered_version(hello[:-1]), "")
        self.assertEqual(offered_version(b"GET / HTTP/1.1"), "")
