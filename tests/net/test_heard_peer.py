"""What a probe makes of what it hears; tests/end_to_end/test_doctor.py has real peers."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.net.heard_peer import KEPT, Answer, HeardPeer
from vspc.net.probe import BANNER, _Probe
from vspc.wire.telnet import (
    BINARY,
    COM_PORT,
    DO,
    DONT,
    ECHO,
    IAC,
    SB,
    VMWARE,
    WILL,
    negotiation,
    subnegotiation,
)
from vspc.wire.uri import RemoteUri

OFFERS = negotiation(WILL, VMWARE) + negotiation(WILL, COM_PORT) + negotiation(DO, BINARY)


class Heard(SynchronousTestCase):
    """One peer."""

    def heard(self, *chunks: bytes, closed: bool = False) -> HeardPeer:
        met = HeardPeer()
        for chunk in chunks:
            met.take(chunk)
        met.closed = closed
        return met

    def test_each_answer(self) -> None:
        for chunks, closed, expected in (
            ((), False, Answer.SILENT),
            ((), True, Answer.CLOSED),
            ((negotiation(WILL, ECHO),), False, Answer.TELNET),
            ((b"login: ", negotiation(DO, VMWARE)), True, Answer.TELNET),
            ((OFFERS,), False, Answer.ECHO),
            ((b"SSH-2.0-", b"OpenSSH_9.2\r\n"), False, Answer.SSH),
            ((b"HTTP/1.1 400 Bad Request\r\n",), True, Answer.HTTP),
            ((b"220 mail ESMTP\r\n",), False, Answer.OTHER),
            ((b"\x15\x03\x03\x00\x02\x02\x46",), True, Answer.CLOSED),
        ):
            self.assertEqual(self.heard(*chunks, closed=closed).answer(), expected, chunks)

    def test_it_is_settled_when_both_offers_are_answered(self) -> None:
        one = self.heard(negotiation(DO, VMWARE), negotiation(WILL, COM_PORT))
        self.assertFalse(one.is_settled)
        one.take(negotiation(DONT, COM_PORT))
        self.assertTrue(one.is_settled)

    def test_subnegotiations_are_no_text(self) -> None:
        met = self.heard(subnegotiation(VMWARE, b"\x01\x00"), b"login: ")
        self.assertEqual(met.text, b"login: ")

    def test_the_first_line_is_shown(self) -> None:
        for chunk, line in (
            (b"\r\nSSH-2.0-x\r\n\x00\x01", b"SSH-2.0-x"),
            (subnegotiation(VMWARE, b"\x01") + b"login: ", b"login:"),
            (bytes((IAC, SB)) + b"y", b"\xff\xfay"),
            (b"", b""),
        ):
            self.assertEqual(self.heard(chunk).first_line, line)

    def test_a_flood_is_bounded(self) -> None:
        met = self.heard(*[b"x" * 10_000] * 50, bytes((IAC, SB)) + b"y" * 100_000)
        self.assertLessEqual(len(met.text), KEPT)
        self.assertLessEqual(len(met.raw), KEPT)

    def test_of_a_long_banner_the_beginning_is_shown(self) -> None:
        probe = _Probe(RemoteUri.parse("telnet://192.0.2.9"), 0.0, lambda: 0.0)
        found = probe._of(self.heard(b"SSH-2.0-" + b"x" * 500))
        self.assertTrue(found.banner.startswith("SSH-2.0-" + "x" * (BANNER - 8)))
        self.assertLess(len(found.banner), BANNER + 20)

    @given(st.lists(st.binary(max_size=64)))
    def test_anything(self, chunks: list[bytes]) -> None:
        self.assertIn(self.heard(*chunks).answer(), Answer)
