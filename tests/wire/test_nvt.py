"""Carriage returns of RFC 854's NVT."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.wire.telnet import decode, encode

CHUNKS = st.lists(st.binary(max_size=8) | st.sampled_from([b"\r", b"\n", b"\0", b"\r\n", b"\r\0"]))


def heard(chunks: list[bytes]) -> bytes:
    """What comes of `chunks`."""
    whole, after_cr = b"", False
    for chunk in chunks:
        data, after_cr = decode(chunk, after_cr)
        whole += data
    return whole


class Nvt(SynchronousTestCase):
    def test_what_is_sent(self) -> None:
        self.assertEqual(encode(b"a\rb\r\nc\n\xff\0"), b"a\r\0b\r\0\nc\n\xff\0")

    def test_what_comes(self) -> None:
        self.assertEqual(heard([b"a\r\0b\r\nc\rd\0\n\r"]), b"a\rb\r\nc\rd\0\n\r")

    def test_a_cr_at_the_end_of_a_chunk_is_not_held_back(self) -> None:
        self.assertEqual(decode(b"50%\r", False), (b"50%\r", True))
        self.assertEqual(decode(b"\0\0x", True), (b"\0x", False))
        self.assertEqual(decode(b"", True), (b"", True))

    @given(CHUNKS)
    def test_any_chunks_are_as_the_whole(self, chunks: list[bytes]) -> None:
        self.assertEqual(heard(chunks), heard([b"".join(chunks)]))

    @given(CHUNKS, st.integers(1, 5))
    def test_a_round_trip_cut_anywhere(self, chunks: list[bytes], size: int) -> None:
        sent = b"".join(map(encode, chunks))
        cut = [sent[at : at + size] for at in range(0, len(sent), size)]
        self.assertEqual(heard(cut), b"".join(chunks))
