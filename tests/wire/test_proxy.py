"""Headers of balancers: what counts, what is malformed, and that nothing else is raised."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.wire.proxy import LIMIT, Header, MalformedHeader, parse

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
V4 = bytes([10, 1, 2, 3, 10, 0, 0, 1]) + b"\x9c\x40\x34\x3a"


def version_2(command: int, family: int, body: bytes) -> bytes:
    return SIGNATURE + bytes([command, family]) + len(body).to_bytes(2) + body


GOOD = {
    b"PROXY TCP4 10.1.2.3 10.0.0.1 40000 13370\r\n": ("10.1.2.3", 40000),
    b"PROXY TCP6 2001:db8::1 ::1 65535 1\r\n": ("2001:db8::1", 65535),
    b"PROXY UNKNOWN\r\n": (None, 0),
    b"PROXY UNKNOWN ffff:: ::1 1 2\r\n": (None, 0),
    version_2(0x21, 0x11, V4): ("10.1.2.3", 40000),
    version_2(0x21, 0x11, V4 + b"\x03\x00\x04abcd"): ("10.1.2.3", 40000),
    version_2(0x21, 0x21, bytes(15) + b"\x01" + bytes(16) + b"\x00\x07\x00\x08"): ("::1", 7),
    version_2(0x20, 0x00, b""): (None, 0),
}

BAD = (
    b"GET / HTTP/1.0\r\n",
    b"PROXYTCP4\r\n",
    b"PROXY TCP4 10.1.2.3 10.0.0.1 40000\r\n",
    b"PROXY TCP4 10.1.2.3 10.0.0.1 40000 99999\r\n",
    b"PROXY TCP4 ::1 ::1 1 2\r\n",
    b"PROXY TCP4 10.1.2.3 10.0.0.1 -1 2\r\n",
    b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
    b"PROXY TCP6 ::1 fe80::1%\x1b[31m 1 2\r\n",
    b"PROXY TCP4 " + b"1" * 200,
    version_2(0x11, 0x11, V4),
    version_2(0x22, 0x11, V4),
    version_2(0x21, 0x12, V4),
    version_2(0x21, 0x11, V4[:11]),
    version_2(0x21, 0x21, V4),
    version_2(0x21, 0x11, bytes(LIMIT)),
)


class Headers(SynchronousTestCase):
    def test_what_counts(self) -> None:
        for data, (host, port) in GOOD.items():
            self.assertEqual(parse(data + b"rest"), Header(host, port, len(data)), data)

    def test_each_needs_all_of_its_bytes(self) -> None:
        for data in GOOD:
            for size in range(len(data)):
                self.assertIsNone(parse(data[:size]), (data, size))

    def test_what_is_malformed(self) -> None:
        for data in BAD:
            with self.assertRaises(MalformedHeader):
                parse(data)

    @given(
        st.binary(max_size=LIMIT), st.sampled_from([b"", b"PROXY ", SIGNATURE, SIGNATURE + b"!"])
    )
    def test_nothing_else_is_ever_raised(self, data: bytes, start: bytes) -> None:
        try:
            parse(start + data)
        except MalformedHeader as malformed:
            self.assertNotIn("\n", str(malformed))
