"""Each cipher against a second implementation, and what none of them may do."""

import hmac
import struct
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.ssh.crypto import packets
from vspc.ssh.crypto.exchange import CIPHERS, MACS
from vspc.ssh.crypto.packets import CHACHA, PACKET_LIMIT, direction, usable
from vspc.wire.ssh import MalformedSsh

VECTOR, KEY, MAC_KEY = bytes(range(50, 70)), bytes(range(64)), bytes(range(100, 164))
_WORD = 0xFFFFFFFF


def _quarter(state: list[int], a: int, b: int, c: int, d: int) -> None:
    for first, second, third, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        state[first] = (state[first] + state[second]) & _WORD
        mixed = state[third] ^ state[first]
        state[third] = (mixed << bits | mixed >> (32 - bits)) & _WORD


def chacha20(key: bytes, tail: bytes, text: bytes) -> bytes:
    """RFC 8439 section 2.4; `tail`: counter and nonce of the first block, 16 bytes."""
    numbers = list(struct.unpack("<4L", tail))
    out = bytearray()
    for at in range(0, len(text), 64):
        start = [0x61707865, 0x3320646E, 0x79622D32, 0x6B206574, *struct.unpack("<8L", key)]
        start += numbers
        state = start.copy()
        for _ in range(10):
            for column in range(4):
                _quarter(state, column, column + 4, column + 8, column + 12)
            for row in range(4):
                _quarter(state, row, (row + 1) % 4 + 4, (row + 2) % 4 + 8, (row + 3) % 4 + 12)
        stream = struct.pack("<16L", *((x + y) & _WORD for x, y in zip(start, state, strict=True)))
        out += bytes(x ^ y for x, y in zip(text[at : at + 64], stream, strict=False))
        numbers[0] += 1
    return bytes(out)


def poly1305(key: bytes, text: bytes) -> bytes:
    """RFC 8439 section 2.5."""
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    total = 0
    for at in range(0, len(text), 16):
        block = text[at : at + 16] + b"\1"
        total = (total + int.from_bytes(block, "little")) * r % ((1 << 130) - 5)
    return ((total + int.from_bytes(key[16:], "little")) % (1 << 128)).to_bytes(16, "little")


def opened_chacha(sequence: int, packet: bytes) -> bytes:
    """A packet as PROTOCOL.chacha20poly1305 has it; the body with its padding."""
    nonce = bytes(8) + struct.pack(">Q", sequence)
    length = struct.unpack(">L", chacha20(KEY[32:], nonce, packet[:4]))[0]
    sealed, tag = packet[:-16], packet[-16:]
    assert len(sealed) == 4 + length
    assert poly1305(chacha20(KEY[:32], nonce, bytes(32)), sealed) == tag
    return chacha20(KEY[:32], b"\1" + nonce[1:], sealed[4:])


class SecondOpinionTests(SynchronousTestCase):
    def test_the_second_implementation_of_chacha20_has_the_result_of_rfc_8439(self) -> None:
        key, nonce = bytes(range(32)), bytes.fromhex("000000000000004a00000000")
        text = (
            b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for "
            b"the future, sunscreen would be it."
        )
        sealed = chacha20(key, b"\1\0\0\0" + nonce, text)
        self.assertEqual("6e2e359a2568f98041ba0728dd0d6981", sealed[:16].hex())
        self.assertEqual("87" + "4d", sealed[-2:].hex())

    def test_that_of_poly1305_too(self) -> None:
        key = "85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b"
        tag = poly1305(bytes.fromhex(key), b"Cryptographic Forum Research Group")
        self.assertEqual("a8061dc1305136c6c22b8baf0c0127a9", tag.hex())

    @settings(deadline=None, max_examples=30)
    @given(st.binary(min_size=1, max_size=300), st.integers(0, _WORD))
    def test_chacha20_with_poly1305(self, payload: bytes, sequence: int) -> None:
        sealed = direction(CHACHA, b"", VECTOR, KEY, MAC_KEY).seal(sequence, payload)
        self.checked(payload, opened_chacha(sequence, sealed), whole=8)

    @settings(deadline=None)
    @given(st.binary(min_size=1, max_size=300), st.sampled_from([16, 32]))
    def test_gcm(self, payload: bytes, size: int) -> None:
        sealer = direction(f"aes{size * 8}-gcm@openssh.com".encode(), b"", VECTOR, KEY, MAC_KEY)
        for turn in range(2):
            packet = sealer.seal(99, payload)
            nonce = VECTOR[:4] + (int.from_bytes(VECTOR[4:12], "big") + turn).to_bytes(8, "big")
            body = AESGCM(KEY[:size]).decrypt(nonce, packet[4:], packet[:4])
            self.checked(payload, body, whole=16)

    @settings(deadline=None)
    @given(
        st.binary(min_size=1, max_size=300),
        st.sampled_from([16, 32]),
        st.sampled_from([256, 512]),
        st.booleans(),
        st.integers(0, _WORD),
    )
    def test_counter_mode(
        self, payload: bytes, size: int, bits: int, before: bool, sequence: int
    ) -> None:
        mac = f"hmac-sha2-{bits}{'' if before else '-etm@openssh.com'}".encode()
        cipher = f"aes{size * 8}-ctr".encode()
        packet = direction(cipher, mac, VECTOR, KEY, MAC_KEY).seal(sequence, payload)
        sealed, tag = packet[: -bits // 8], packet[-bits // 8 :]
        counter = Cipher(algorithms.AES(KEY[:size]), modes.CTR(VECTOR[:16])).encryptor()
        clear = counter.update(sealed) if before else sealed[:4] + counter.update(sealed[4:])
        covered = struct.pack(">L", sequence) + (clear if before else sealed)
        digest = hmac.digest(MAC_KEY[: bits // 8], covered, f"sha{bits}")
        self.assertEqual(digest, tag)
        self.assertEqual(len(clear) - 4, int.from_bytes(clear[:4], "big"))
        self.checked(payload, clear[4:], whole=16, head=4 if before else 0)

    def checked(self, payload: bytes, body: bytes, whole: int, head: int = 0) -> None:
        """Padding of 4 bytes or more makes the body whole blocks (RFC 4253 section 6)."""
        self.assertGreaterEqual(body[0], 4)
        self.assertEqual(payload, body[1 : -body[0]])
        self.assertEqual(0, (head + len(body)) % whole)


class RefusalTests(SynchronousTestCase):
    def test_a_packet_may_come_only_once_and_in_its_turn(self) -> None:
        for cipher in CIPHERS:
            sealer, opener = (direction(cipher, MACS[0], VECTOR, KEY, MAC_KEY) for _ in range(2))
            first, second = sealer.seal(0, b"first"), sealer.seal(1, b"second")
            with self.assertRaises(MalformedSsh):
                opener.measure(0, second[: opener.head])
                opener.open(0, second)
            del first
            opener = direction(cipher, MACS[0], VECTOR, KEY, MAC_KEY)
            packet = direction(cipher, MACS[0], VECTOR, KEY, MAC_KEY).seal(0, b"once")
            opener.measure(0, packet[: opener.head])
            self.assertEqual(b"once", opener.open(0, packet))
            with self.assertRaises(MalformedSsh):
                opener.measure(1, packet[: opener.head])
                opener.open(1, packet)

    def test_no_length_over_the_limit_is_waited_for(self) -> None:
        for cipher in CIPHERS:
            packet = direction(cipher, MACS[0], VECTOR, KEY, MAC_KEY).seal(0, bytes(PACKET_LIMIT))
            opener = direction(cipher, MACS[0], VECTOR, KEY, MAC_KEY)
            self.assertRaises(MalformedSsh, opener.measure, 0, packet[: opener.head])

    def test_a_cipher_that_openssl_does_not_have_is_not_offered(self) -> None:
        def missing(*_: Any) -> None:
            raise UnsupportedAlgorithm("not in this build")

        self.assertTrue(all(map(usable, CIPHERS)))
        self.patch(packets, "ChaCha", missing)
        self.assertEqual([CHACHA], [cipher for cipher in CIPHERS if not usable(cipher)])
