"""The AUTHENTICATION option: ESXi's dialogue, RFC 2941's other messages, and noise."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.wire.starttls import (
    IS_START,
    REPLY_ACCEPTED,
    SEND_TLS,
    SSL,
    Is,
    MalformedAuthentication,
    Name,
    Reply,
    Send,
    parse,
)
from vspc.wire.telnet import AUTHENTICATION, subnegotiation


class Dialogue(SynchronousTestCase):
    def test_the_three_messages_byte_for_byte(self) -> None:
        wire = [subnegotiation(AUTHENTICATION, b) for b in (SEND_TLS, IS_START, REPLY_ACCEPTED)]
        self.assertEqual(
            [message.hex(" ") for message in wire],
            ["ff fa 25 01 07 00 ff f0", "ff fa 25 00 07 00 01 ff f0", "ff fa 25 02 07 00 02 ff f0"],
        )

    def test_each_is_read_as_what_it_is(self) -> None:
        self.assertEqual(parse(SEND_TLS), Send(((SSL, 0),)))
        self.assertEqual(parse(IS_START), Is(SSL, 0, b"\x01"))
        self.assertEqual(parse(REPLY_ACCEPTED), Reply(SSL, 0, b"\x02"))

    def test_only_the_very_answer_starts_tls(self) -> None:
        for body, starts in (
            (IS_START, True),
            (b"\x00\x07\x00", False),
            (b"\x00\x07\x00\x02", False),
            (b"\x00\x07\x00\x01\x00", False),
            (b"\x00\x07\x01\x01", False),
            (b"\x00\x02\x00\x01", False),
            (b"\x00\x00\x00", False),
        ):
            message = parse(body)
            assert isinstance(message, Is)
            self.assertEqual(message.starts_tls, starts, body)

    def test_only_accepted_is_the_servers_consent(self) -> None:
        for body, accepts in ((REPLY_ACCEPTED, True), (b"\x02\x07\x00\x01", False)):
            message = parse(body)
            assert isinstance(message, Reply)
            self.assertEqual(message.accepts_tls, accepts, body)


class Others(SynchronousTestCase):
    def test_send_with_several_types_or_none(self) -> None:
        self.assertEqual(parse(b"\x01\x02\x00\x07\x00"), Send(((2, 0), (7, 0))))
        self.assertEqual(parse(b"\x01"), Send(()))

    def test_a_name(self) -> None:
        self.assertEqual(parse(b"\x03vm"), Name(b"vm"))

    def test_invalid_messages(self) -> None:
        for body in (b"", b"\x04", b"\xff\x07\x00", b"\x00", b"\x00\x07", b"\x02\x07", b"\x01\x07"):
            with self.assertRaises(MalformedAuthentication):
                parse(body)

    @given(st.binary(max_size=12) | st.lists(st.integers(0, 8), max_size=8).map(bytes))
    @settings(deadline=None)
    def test_any_bytes_are_a_message_or_malformed(self, body: bytes) -> None:
        try:
            message = parse(body)
        except MalformedAuthentication:
            return
        self.assertEqual(getattr(message, "starts_tls", False), body == IS_START)
        self.assertEqual(getattr(message, "accepts_tls", False), body == REPLY_ACCEPTED)
