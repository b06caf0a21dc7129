"""Carriage returns of RFC 854's NVT."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.wire.telnet import decode, decode_keys, encode, encode_lines

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


def through(call: Callable[[bytes, bool], tuple[bytes, bool]], chunks: list[bytes]) -> bytes:
    """What `call` makes of `chunks`."""
    whole, after_cr = b"", False
    for chunk in chunks:
        data, after_cr = call(chunk, after_cr)
        whole += data
    return whole


class Terminals(SynchronousTestCase):
    """NVT peers that show output and type keys."""

    def test_enter_in_each_spelling(self) -> None:
        typed = through(decode_keys, [b"a\r\0b\r\nc\rd\0\n\r", b"\n\n"])
        self.assertEqual(typed, b"a\rb\rc\rd\0\n\r\n")

    def test_new_lines_stay_and_other_crs_are_marked(self) -> None:
        shown = through(encode_lines, [b"a\r\nb\rc\r", b"\nd\r", b"e\r\r\n"])
        self.assertEqual(shown, b"a\r\nb\r\0c\r\nd\r\0e\r\0\r\n")

    @given(CHUNKS)
    def test_any_chunks_are_as_the_whole(self, chunks: list[bytes]) -> None:
        for call in (decode_keys, encode_lines):
            self.assertEqual(through(call, chunks), through(call, [b"".join(chunks)]))

    @given(CHUNKS)
    def test_what_is_shown_is_what_was_said(self, chunks: list[bytes]) -> None:
        whole = b"".join(chunks).replace(b"\r\0", b"\r")
        self.assertEqual(heard([through(encode_lines, [whole])]), whole)
