"""VMware's extension: every suboption there and back, and everything that a peer can get wrong."""

import re

from attrs import fields
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.wire import vmware
from vspc.wire.vmware import (
    KNOWN_SUBOPTIONS,
    DoProxy,
    GetVmBiosUuid,
    GetVmLocationUuid,
    GetVmName,
    GetVmVcUuid,
    KnownSuboptions1,
    KnownSuboptions2,
    MalformedSuboption,
    PeerError,
    Suboption,
    UnknownSuboption,
    UnknownSuboption1,
    UnknownSuboption2,
    VmBiosUuid,
    VmLocationUuid,
    VmName,
    VMotionAbort,
    VMotionBegin,
    VMotionComplete,
    VMotionGoahead,
    VMotionNotNow,
    VMotionPeer,
    VMotionPeerOk,
    VmVcUuid,
    WillProxy,
    WontProxy,
    decode,
    encode,
    normalise_uuid,
)

# Each suboption with its body as the document prints it, code first.
DOCUMENT: list[tuple[Suboption, str]] = [
    (KnownSuboptions1(b"\x00\x01\x46"), "00 000146"),
    (KnownSuboptions2(b"\x00\x01"), "01 0001"),
    (UnknownSuboption1(81), "02 51"),
    (UnknownSuboption2(255), "03 ff"),
    (VMotionBegin(b"\x44\xda\x87\xf1"), "28 44da87f1"),
    (VMotionGoahead(bytes.fromhex("44da87f13ce64dab")), "29 44da87f1 3ce64dab"),
    (VMotionNotNow(b"\x44\xda\x87\xf1"), "2b 44da87f1"),
    (VMotionPeer(bytes.fromhex("44da87f13ce64dab")), "2c 44da87f1 3ce64dab"),
    (VMotionPeerOk(b"\x44\xda\x87\xf1"), "2d 44da87f1"),
    (VMotionComplete(b"\x44\xda\x87\xf1"), "2e 44da87f1"),
    (VMotionAbort(), "30"),
    (DoProxy(b"S", b"vSPC.py"), "46 53 765350432e7079"),
    (WillProxy(), "47"),
    (WontProxy(), "49"),
    (VmVcUuid(b"01 23"), "50 3031203233"),
    (GetVmVcUuid(), "51"),
    (VmName(b"web"), "52 776562"),
    (GetVmName(), "53"),
    (VmBiosUuid(b"ab"), "54 6162"),
    (GetVmBiosUuid(), "55"),
    (VmLocationUuid(b"cd"), "56 6364"),
    (GetVmLocationUuid(), "57"),
]

TEXT = st.binary(max_size=40)
CODE = st.integers(0, 255)
ANY = st.one_of(
    [
        st.builds(kind, **{f.name: CODE if f.type is int else TEXT for f in fields(kind)})
        for kind in (type(message) for message, _ in DOCUMENT)
        if kind is not DoProxy
    ]
    + [st.builds(DoProxy, st.binary(min_size=1, max_size=1), TEXT)]
)


class ThereAndBack(SynchronousTestCase):
    def test_every_suboption_as_the_document_prints_it(self) -> None:
        for message, body in DOCUMENT:
            self.assertEqual(encode(message), bytes.fromhex(body), message)
            self.assertEqual(decode(bytes.fromhex(body)), message)

    def test_the_list_above_leaves_no_suboption_out(self) -> None:
        self.assertEqual(bytes(message.CODE for message, _ in DOCUMENT), KNOWN_SUBOPTIONS)

    def test_known_suboptions_are_the_sample_sessions_and_the_later_uuids(self) -> None:
        self.assertEqual(
            list(KNOWN_SUBOPTIONS),
            [0, 1, 2, 3, 40, 41, 43, 44, 45, 46, 48, 70, 71, 73, 80, 81, 82, 83, 84, 85, 86, 87],
        )

    @given(ANY)
    @settings(deadline=None)
    def test_any_message_comes_back_as_it_was(self, message: Suboption) -> None:
        self.assertEqual(decode(encode(message)), message)

    @given(
        st.binary(max_size=30)
        | st.builds(
            bytes.__add__, st.sampled_from(KNOWN_SUBOPTIONS).map(lambda code: bytes([code])), TEXT
        )
    )
    @settings(deadline=None, max_examples=300)
    def test_any_bytes_are_a_message_with_those_bytes_or_the_peers_error(self, body: bytes) -> None:
        try:
            message = decode(body)
        except PeerError as error:
            self.assertEqual(error.code, body[0] if body else -1)
        else:
            self.assertEqual(encode(message), body)


class Refused(SynchronousTestCase):
    def test_a_code_that_the_document_does_not_have(self) -> None:
        for code in sorted(set(range(256)) - set(KNOWN_SUBOPTIONS)):
            with self.assertRaises(UnknownSuboption) as caught:
                decode(bytes([code]) + b"arguments")
            self.assertEqual(caught.exception.code, code)

    def test_nothing_at_all(self) -> None:
        with self.assertRaises(MalformedSuboption) as caught:
            decode(b"")
        self.assertEqual(caught.exception.code, -1)

    def test_superfluous_arguments(self) -> None:
        for code in (48, 71, 73, 81, 83, 85, 87):
            with self.assertRaisesRegex(MalformedSuboption, f"suboption {code} has 2 bytes, not 0"):
                decode(bytes([code]) + b"xx")

    def test_unknown_suboption_received_with_no_code_or_with_two(self) -> None:
        for body in (b"\x02", b"\x02ab", b"\x03", b"\x03ab"):
            with self.assertRaises(MalformedSuboption) as caught:
                decode(body)
            self.assertEqual(caught.exception.code, body[0])

    def test_do_proxy_without_a_direction(self) -> None:
        with self.assertRaises(MalformedSuboption):
            decode(b"\x46")

    def test_a_refusal_never_repeats_what_the_peer_sent(self) -> None:
        # Credentials and names go through here, and the reason goes to a log.
        for body in (b"\x33SECRET", b"\x30SECRET", b"\x02SECRET"):
            with self.assertRaises(PeerError) as caught:
                decode(body)
            self.assertNotIn("SECRET", str(caught.exception))


class Unusual(SynchronousTestCase):
    def test_do_proxy_with_an_empty_service_uri(self) -> None:
        self.assertEqual(decode(b"\x46C"), DoProxy(b"C", b""))

    def test_an_invalid_direction_is_left_to_the_layer_above(self) -> None:
        self.assertEqual(decode(b"\x46\xffuri"), DoProxy(b"\xff", b"uri"))

    def test_an_empty_uuid_as_a_host_without_a_vcenter_sends_it(self) -> None:
        self.assertEqual(decode(b"\x50"), VmVcUuid(b""))

    def test_a_sequence_of_any_length(self) -> None:
        self.assertEqual(decode(b"\x28"), VMotionBegin(b""))
        self.assertEqual(decode(bytes.fromhex("28 7619ffffe9")), VMotionBegin(b"v\x19\xff\xff\xe9"))

    def test_what_only_a_proxy_may_send_is_decoded_too(self) -> None:
        self.assertEqual(decode(b"\x47"), WillProxy())

    def test_messages_are_values(self) -> None:
        self.assertEqual(len({VMotionBegin(b"1"), VMotionBegin(b"1"), VMotionComplete(b"1")}), 2)
        with self.assertRaises(AttributeError):
            VMotionBegin(b"1").sequence = b"2"  # type: ignore[misc]


class Uuids(SynchronousTestCase):
    PLAIN = "0123456789abcdeffedcba9800000001"

    def test_spellings_of_one_uuid(self) -> None:
        for text in (
            b"01 23 45 67 89 ab cd ef-fe dc ba 98 00 00 00 01",
            b"01234567-89AB-CDEF-FEDC-BA9800000001",
            b"0123456789abcdeffedcba9800000001",
            b" 0123456789abcdef fedcba9800000001 ",
            b"0123456789abcdeffedcba9800000001\0",
        ):
            self.assertEqual(normalise_uuid(text), self.PLAIN, text)

    def test_what_identifies_nothing(self) -> None:
        for text in (
            b"",
            b" - ",
            b"0123456789abcdeffedcba980000000",
            b"0123456789abcdeffedcba98000000012",
            b"0123456789abcdegfedcba9800000001",
            b"0123456789abcde\xb9fedcba9800000001",
            b"0123456789abcde\xef\xbc\x91edcba980000001",
            b"00000000-0000-0000-0000-000000000000",
            b"FFFFFFFFffffffffFFFFFFFFffffffff",
            b"x" * 16384,
        ):
            self.assertIsNone(normalise_uuid(text), text[:50])

    @given(TEXT | st.text("0123456789abcdefABCDEF -", min_size=30, max_size=48).map(str.encode))
    @settings(deadline=None)
    def test_is_none_or_32_digits_in_lower_case(self, text: bytes) -> None:
        uuid = normalise_uuid(text)
        if uuid is not None:
            self.assertTrue(re.fullmatch("[0-9a-f]{32}", uuid))
            self.assertEqual(normalise_uuid(uuid.encode()), uuid)

    def test_no_name_is_missing_from_the_module(self) -> None:
        union = set(vmware.Suboption.__args__)
        self.assertEqual(union, {type(message) for message, _ in DOCUMENT})
