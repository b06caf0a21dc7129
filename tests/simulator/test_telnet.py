"""The simulator's own telnet: any cut of the stream gives the same events."""

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.simulator import telnet
from vspc.simulator.extension import identity, plain_uuid, spelled_uuid, suboption
from vspc.simulator.telnet import (
    Event,
    WireCommand,
    WireData,
    WireDecoder,
    WireNegotiation,
    WireSubnegotiation,
)

EVENTS = st.lists(
    st.one_of(
        st.binary(min_size=1, max_size=20).map(WireData),
        st.builds(WireNegotiation, st.integers(251, 254), st.integers(0, 255)),
        st.builds(WireSubnegotiation, st.integers(0, 254), st.binary(max_size=20)),
        st.sampled_from([WireCommand(telnet.BRK), WireCommand(241)]),
    ),
    max_size=8,
)


def encoded(event: Event) -> bytes:
    match event:
        case WireData(data):
            return telnet.escape(data)
        case WireNegotiation(verb, option):
            return telnet.negotiate(verb, option)
        case WireSubnegotiation(option, payload):
            return telnet.subnegotiate(option, payload)
        case WireCommand(code):
            return telnet.command(code)


def joined(events: list[Event]) -> list[Event]:
    """Data next to Data is one."""
    result: list[Event] = []
    for event in events:
        if isinstance(event, WireData) and result and isinstance(result[-1], WireData):
            result[-1] = WireData(result[-1].data + event.data)
        else:
            result.append(event)
    return result


def decoded(pieces: list[bytes], room: int = 1 << 20) -> list[Event]:
    decoder, events = WireDecoder(), []
    for piece in pieces:
        decoder.feed(piece)
        while (event := decoder.next(room)) is not None:
            events.append(event)
    return events


def cut(data: bytes, marks: list[int]) -> list[bytes]:
    places = sorted(mark % (len(data) + 1) for mark in marks)
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


class DecoderTests(SynchronousTestCase):
    @settings(deadline=None)
    @given(EVENTS, st.lists(st.integers(0, 1000), max_size=6), st.integers(1, 5))
    def test_what_is_encoded_comes_out_however_it_is_cut(
        self, events: list[Event], marks: list[int], room: int
    ) -> None:
        stream = b"".join(map(encoded, events))
        self.assertEqual(joined(decoded(cut(stream, marks), room)), joined(events))

    @settings(deadline=None)
    @given(st.lists(st.binary(max_size=30), max_size=10))
    def test_noise_never_raises(self, pieces: list[bytes]) -> None:
        decoded(pieces)

    def test_without_room_data_waits_and_so_does_what_follows(self) -> None:
        decoder = WireDecoder()
        decoder.feed(b"ab" + telnet.negotiate(telnet.DO, 1))
        self.assertIsNone(decoder.next(0))
        self.assertTrue(decoder.data_next())
        self.assertEqual(decoder.next(1), WireData(b"a"))
        self.assertEqual(decoder.next(9), WireData(b"b"))
        self.assertEqual(decoder.next(0), WireNegotiation(telnet.DO, 1))

    def test_a_ff_that_is_not_doubled_ends_the_payload(self) -> None:
        [event] = decoded([b"\xff\xfa\xe8\x29\x01\x02\xff\x33\x44\xff\xf0"])
        self.assertEqual(event, WireSubnegotiation(232, b"\x29\x01\x02"))

    def test_an_empty_subnegotiation_is_harmless(self) -> None:
        self.assertEqual(decoded([b"\xff\xfa\xff\xf0x"]), [WireCommand(telnet.SB), WireData(b"x")])

    def test_a_subnegotiation_without_an_end_is_given_up(self) -> None:
        decoder = WireDecoder()
        decoder.feed(b"\xff\xfa\xe8" + b"x" * telnet.SUBNEGOTIATION)
        self.assertRaises(telnet.WireError, decoder.next, 1)

    def test_the_rest_can_be_taken_away(self) -> None:
        decoder = WireDecoder()
        decoder.feed(b"\xff\xf3\x16\x03\x01")
        decoder.next(1)
        self.assertEqual(decoder.rest(), b"\x16\x03\x01")
        self.assertEqual(len(decoder), 0)


class IdentityTests(SynchronousTestCase):
    def test_a_uuid_is_spelled_as_vmware_does(self) -> None:
        digits = plain_uuid("01234567-89ab-cdef-FEDC-ba9800000000")
        self.assertEqual(spelled_uuid(digits), b"01 23 45 67 89 ab cd ef-fe dc ba 98 00 00 00 00")

    def test_a_uuid_may_be_missing_but_not_be_something_else(self) -> None:
        self.assertEqual(spelled_uuid(plain_uuid("")), b"")
        for text in ("0123", "g" * 32):
            self.assertRaises(ValueError, plain_uuid, text)

    def test_a_name_always_gives_the_same_identity(self) -> None:
        self.assertEqual(identity("web1"), identity("web1"))
        self.assertNotEqual(identity("web1").vc_uuid, identity("web2").vc_uuid)
        self.assertEqual(identity("web1", "").vc_uuid, "")

    def test_ff_in_a_suboption_is_doubled(self) -> None:
        self.assertEqual(suboption(40, b"\x76\xff"), b"\xff\xfa\xe8\x28\x76\xff\xff\xff\xf0")
