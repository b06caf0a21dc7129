"""Service URIs as administrators type them and as anybody may send them; proxy URIs as we print."""

from urllib.parse import urlsplit

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.wire.vmware import URI_ARGUMENTS, URI_LENGTH, ServiceUri, proxy_uri


class Service(SynchronousTestCase):
    def parsed(self, raw: bytes) -> tuple[str, dict[str, str]]:
        uri = ServiceUri.parse(raw)
        return uri.word, dict(uri.arguments)

    def test_a_word_alone(self) -> None:
        self.assertEqual(self.parsed(b"vSPC.py"), ("vSPC.py", {}))

    def test_a_label_for_one_of_several_ports(self) -> None:
        uri = ServiceUri.parse(b"vspc?port=COM1&x=2")
        self.assertEqual((uri.word, uri.port_label), ("vspc", "COM1"))
        self.assertEqual(uri.text, "vspc?port=COM1&x=2")

    def test_a_missing_or_empty_label_is_none(self) -> None:
        for raw in (b"vspc", b"vspc?port", b"vspc?port=", b"vspc#port=COM1"):
            self.assertIsNone(ServiceUri.parse(raw).port_label, raw)

    def test_percent_escapes_in_arguments(self) -> None:
        self.assertEqual(self.parsed(b"vspc?port=a%20b%26c"), ("vspc", {"port": "a b&c"}))

    def test_a_fragment_is_not_an_argument(self) -> None:
        self.assertEqual(
            self.parsed(b"telnets://h:1?port=A#thumbprint=AA:BB&verify"),
            ("telnets://h:1", {"port": "A"}),
        )

    def test_a_question_mark_within_the_fragment(self) -> None:
        self.assertEqual(self.parsed(b"vspc#a?port=A"), ("vspc", {}))

    def test_nothing(self) -> None:
        self.assertEqual(self.parsed(b""), ("", {}))

    def test_only_so_many_arguments_are_read(self) -> None:
        raw = b"vspc?" + b"&".join(b"k%d=v" % i for i in range(URI_ARGUMENTS + 5))
        self.assertEqual(len(ServiceUri.parse(raw).arguments), URI_ARGUMENTS)

    def test_only_so_many_bytes_are_read(self) -> None:
        self.assertEqual(len(ServiceUri.parse(b"x" * (URI_LENGTH + 1)).text), URI_LENGTH)

    def test_bytes_that_are_not_utf_8_show_as_escapes(self) -> None:
        self.assertEqual(ServiceUri.parse(b"vsp\xff").word, "vsp\\xff")

    @given(st.binary(max_size=60) | st.text("ab?#&=%;+2F \0", max_size=40).map(str.encode))
    @settings(deadline=None)
    def test_any_bytes_are_read(self, raw: bytes) -> None:
        uri = ServiceUri.parse(raw)
        self.assertFalse(set("?#") & set(uri.word))
        self.assertTrue(uri.text.startswith(uri.word))


class Proxy(SynchronousTestCase):
    def test_as_one_types_it_into_vsphere(self) -> None:
        self.assertEqual(proxy_uri("telnet", "10.0.0.1", 13370), "telnet://10.0.0.1:13370")

    def test_an_ipv6_address_gets_its_brackets(self) -> None:
        self.assertEqual(proxy_uri("telnets", "::1", 13371), "telnets://[::1]:13371")
        self.assertEqual(urlsplit(proxy_uri("telnets", "fe80::1", 1)).hostname, "fe80::1")

    def test_a_thumbprint_keeps_its_colons(self) -> None:
        self.assertEqual(
            proxy_uri("telnets", "vspc.example.net", 13371, thumbprint="AA:0b:C1"),
            "telnets://vspc.example.net:13371#thumbprint=AA:0b:C1",
        )

    def test_several_arguments_and_characters_that_would_part_them(self) -> None:
        self.assertEqual(
            proxy_uri("telnets", "h", 1, peerName="a&b", verify="1"),
            "telnets://h:1#peerName=a%26b&verify=1",
        )
