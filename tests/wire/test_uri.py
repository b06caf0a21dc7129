"""Service URIs as administrators type them and as anybody may send them; proxy URIs as we print."""

from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.common.text import ensure_safe
from vspc.common.values import InvalidValue
from vspc.wire.uri import (
    DIAL_SCHEMES,
    SERVICE_SCHEMES,
    SOCKET_URIS,
    URI_ARGUMENTS,
    URI_LENGTH,
    RemoteUri,
    Scheme,
    ServiceUri,
    TlsWishes,
    proxy_uri,
    socket_of,
)


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


SHA1 = "aa:bb:cc:dd:ee:ff:00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd"


class Remote(SynchronousTestCase):
    """The URI of a remote system that a VM asks for, or of one of [[dial]]."""

    def parsed(self, text: str) -> tuple[Scheme, str, int]:
        uri = RemoteUri.parse(text)
        return uri.scheme, uri.host, uri.port

    def wrong(self, text: str, schemes: tuple[Scheme, ...] = SERVICE_SCHEMES) -> str:
        error = self.assertRaises(InvalidValue, RemoteUri.parse, text, schemes)
        return f"{error.problem}; {error.allowed}"

    def test_host_and_port_alone_are_tcp(self) -> None:
        self.assertEqual(self.parsed("lab-7:4001"), (Scheme.TCP, "lab-7", 4001))

    def test_each_scheme_in_any_case(self) -> None:
        for scheme in SERVICE_SCHEMES:
            host = "[2001:db8::7]" if scheme.version == 6 else "h"
            found = self.parsed(f"{scheme.value.upper()}://{host}:7")
            self.assertEqual(found, (scheme, host.strip("[]"), 7))

    def test_telnet_has_a_default_port(self) -> None:
        self.assertEqual(self.parsed("telnet://h"), (Scheme.TELNET, "h", 23))
        self.assertEqual(self.parsed("telnets://[::1]/"), (Scheme.TELNETS, "::1", 992))

    def test_a_scope_of_ipv6(self) -> None:
        self.assertEqual(self.parsed("tcp://[fe80::1%25eth0]:1")[1], "fe80::1%eth0")
        self.assertEqual(self.parsed("tcp://[FE80::1%eth0]:1")[1], "fe80::1%eth0")

    def test_names_are_compared_in_lower_case_without_the_dot_of_the_root(self) -> None:
        self.assertEqual(self.parsed("tcp://LAB.Example.:1")[1], "lab.example")

    def test_arguments_before_the_fragment_are_left_alone(self) -> None:
        self.assertEqual(self.parsed("ssl://h:1?port=COM1#verify"), (Scheme.SSL, "h", 1))

    def test_how_tls_is_to_be_verified(self) -> None:
        text = f"ssl://h:1#thumbprint={SHA1}&peername=Moxa.Example&verify&cipherList=A-B,C D:!e"
        digest = bytes.fromhex(SHA1.replace(":", ""))
        expected = TlsWishes(digest, "moxa.example", True, "A-B:C:D:!e")
        self.assertEqual(RemoteUri.parse(text).wishes, expected)

    def test_a_peer_name_may_be_an_address(self) -> None:
        self.assertEqual(RemoteUri.parse("ssl://h:1#peerName=::1").wishes.peer_name, "::1")

    def test_each_mistake_is_told_with_what_is_allowed(self) -> None:
        for text, part in {
            "http://h:1": "unknown scheme 'http'; expected one of tcp://",
            "h": "'h' has no port",
            "tcp://h": "'h' has no port",
            "tcp://h:": "'h:' has no port",
            "tcp://h:0": "'0' is not a port; a port is a number from 1 to 65535",
            "tcp://h:65536": "'65536' is not a port",
            "tcp://h:\u0661": "is not a port",
            "tcp://::1:4001": "written in brackets: [::1]:4001",
            "tcp://[::1:4001": "written in brackets",
            "tcp://[::g]:1": "'::g' is not an IPv6 address",
            "tcp://[fe80::1%a/b]:1": "has a path",
            "tcp://[fe80::1%]:1": "is not a network interface",
            "tcp://[h]:1": "'h' is not an IPv6 address",
            "tcp://me@h:1": "a user before the host",
            "tcp://h:1/x": "has a path",
            "tcp://-h:1": "'-h' is not a host",
            "tcp://a..b:1": "'a..b' is not a host",
            "tcp://bücher:1": "write the name as xn--",
            "tcp://127.1:1": "'127.1' is not an IPv4 address",
            "tcp://0x7f000001:1": "is not an IPv4 address",
            "tcp://" + "a." * 130 + "b:1": "is not a host",
            "tcp4://[::1]:1": "'::1' is not an IPv4 address, which tcp4:// needs",
            "tcp6+ssl://10.0.0.9:1": "is not an IPv6 address, which tcp6+ssl:// needs",
            "tcp://h:1#verify": "tcp:// has no TLS",
            "telnet://h#thumbprint=00": "write telnets:// in place of telnet://",
            "ssl://h:1#certificate=x": "unknown option 'certificate' behind the #; thumbprint=HEX",
            "ssl://h:1#thumbprint=00": "'00' is not a thumbprint; expected 40 (SHA-1)",
            "ssl://h:1#thumbprint": "'' is not a thumbprint",
            "ssl://h:1#verify&verify": "'verify' is there twice",
            "ssl://h:1#peerName=": "'' is not a host",
            "telnet://:2001": "'' is not a host",
            "ssl://h:1#cipherList=%0a": "is not a list of ciphers",
        }.items():
            self.assertIn(part, self.wrong(text), text)

    def test_the_uri_of_a_socket_has_no_host(self) -> None:
        for text, found in {
            "telnet://:2001": (Scheme.TELNET, 2001),
            "TCP://:2001/?port=a#verify": (Scheme.TCP, 2001),
            ":2001": (Scheme.TCP, 2001),
            "tcp+ssl://:2001": (Scheme.TCP_SSL, 2001),
            "tcp://h:2001": None,
            "tcp://:0": None,
            "tcp://:65536": None,
            "http://:80": None,
            "rfc2217://:80": None,
            "vspc": None,
            "": None,
        }.items():
            self.assertEqual(socket_of(text), found, text)
            if found is not None:
                word = ServiceUri.parse(text.lower().encode()).word
                self.assertTrue(any(fnmatchcase(word, each) for each in SOCKET_URIS), text)

    def test_dial_needs_a_scheme_of_its_own(self) -> None:
        self.assertIn("'h:1' has no scheme; expected one of", self.wrong("h:1", (Scheme.RFC2217,)))
        self.assertEqual(RemoteUri.parse("rfc2217://h:1", DIAL_SCHEMES).scheme, Scheme.RFC2217)
        self.assertIn("unknown scheme 'rfc2217'", self.wrong("rfc2217://h:1"))

    @given(st.text("tcplens46+sl:/[]%.@?#&=1f0x -\n\0\u00e9", max_size=50) | st.text(max_size=30))
    @settings(deadline=None)
    def test_any_text_is_read_or_refused_in_one_safe_line(self, text: str) -> None:
        try:
            uri = RemoteUri.parse(text)
        except InvalidValue as error:
            said = f"{error.problem}; {error.allowed}"
            self.assertEqual(ensure_safe(said), said)
        else:
            self.assertEqual(RemoteUri.parse(str(uri)), RemoteUri(uri.scheme, uri.host, uri.port))
            self.assertTrue(str(uri).isascii() and str(uri).isprintable())
