"""The one reader and writer of SSH's data types."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.wire.ssh import MalformedSsh, SshReader, is_certificate, key_type, string, uint32


class SshReaderTests(SynchronousTestCase):
    @given(st.binary(max_size=40))
    def test_any_bytes_are_read_or_refused(self, data: bytes) -> None:
        for read in (
            lambda r: (r.uint32(), r.boolean(), r.end()),
            lambda r: (r.string(5), r.rest()),
            lambda r: (r.byte(), r.uint64(), r.nested().mpint()),
            lambda r: r.names(),
        ):
            try:
                read(SshReader(data))
            except MalformedSsh as error:
                self.assertNotIn(repr(data), str(error))

    @given(st.lists(st.binary(max_size=20)), st.integers(0, (1 << 32) - 1))
    def test_what_was_written_is_read(self, strings: list[bytes], number: int) -> None:
        reader = SshReader(uint32(number) + b"".join(map(string, strings)))
        self.assertEqual(number, reader.uint32())
        self.assertEqual(strings, [reader.string() for _ in strings])
        self.assertTrue(reader.ended)
        reader.end()

    @given(st.integers(0, 255), st.integers(0, (1 << 64) - 1), st.integers())
    def test_numbers_of_each_kind(self, small: int, large: int, signed: int) -> None:
        encoded = signed.to_bytes(signed.bit_length() // 8 + 1, "big", signed=True)
        data = bytes((small,)) + large.to_bytes(8, "big") + string(encoded)
        reader = SshReader(data)
        self.assertEqual((small, large), (reader.byte(), reader.uint64()))
        self.assertEqual(9, reader.at)
        self.assertEqual(signed, reader.mpint())

    def test_a_string_with_fields_of_its_own(self) -> None:
        reader = SshReader(string(string(b"a") + b"b") + b"c")
        inner = reader.nested()
        self.assertEqual((b"a", b"b"), (inner.string(), inner.rest()))
        self.assertRaises(MalformedSsh, reader.end)
        self.assertEqual(b"c", reader.rest())

    def test_a_string_over_its_limit(self) -> None:
        self.assertRaises(MalformedSsh, SshReader(string(b"12345")).string, 4)


class KeyTypeTests(SynchronousTestCase):
    @given(st.binary(max_size=40))
    def test_any_bytes_have_a_type_or_none(self, data: bytes) -> None:
        self.assertEqual(data, key_type(string(data) + b"more"))
        self.assertIsInstance(key_type(data), bytes)

    def test_certificates_of_both_versions(self) -> None:
        for name in (b"ssh-ed25519-cert-v01@openssh.com", b"ssh-rsa-cert-v00@openssh.com"):
            self.assertTrue(is_certificate(string(name)))
        self.assertFalse(is_certificate(string(b"ssh-ed25519")))
        self.assertFalse(is_certificate(b""))
