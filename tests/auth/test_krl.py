"""Binary revocation lists: those of the real ssh-keygen, and damaged ones."""

from hashlib import sha1, sha256

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.auth.minting import Plain, Token, Workshop
from vspc.auth.revoked import KRL_MAGIC, LARGEST, Draft, Revoked, read_krl
from vspc.config.credentials import fingerprint
from vspc.wire.ssh import string

CA = Plain().blob
OTHER = Token().blob
KEY = string(b"ssh-ed25519") + string(b"k" * 32)


def listed(*sections: tuple[int, bytes]) -> bytes:
    """A revocation list of these sections."""
    head = KRL_MAGIC + (1).to_bytes(4, "big") + bytes(24) + string(b"") + string(b"a list")
    return head + b"".join(bytes([kind]) + string(data) for kind, data in sections)


def issued(*sections: tuple[int, bytes], authority: bytes = CA) -> tuple[int, bytes]:
    """A section about the certificates of one authority."""
    inner = b"".join(bytes([kind]) + string(data) for kind, data in sections)
    return 1, string(authority) + string(b"") + inner


def number(value: int) -> bytes:
    """Eight bytes."""
    return value.to_bytes(8, "big")


class Made(SynchronousTestCase):
    """By ssh-keygen -k."""

    def setUp(self) -> None:
        self.shop = Workshop(self.mktemp())
        self.ca = self.shop.key("ca")

    def hits(self, revoked: Revoked, ca: bytes, *serials: int) -> list[int]:
        return [serial for serial in serials if revoked.reason(KEY, ca, serial)]

    def test_serial_numbers(self) -> None:
        text = "serial: 5\nserial: 0x10\nserial: 100-200\nserial: 18446744073709551615\n"
        found = read_krl(self.shop.revoke(text, "-s", "ca.pub"))
        asked = (1, 4, 5, 6, 15, 16, 17, 99, 100, 150, 200, 201, LARGEST - 1, LARGEST)
        wanted = [5, 16, 100, 150, 200, LARGEST]
        self.assertEqual(self.hits(found, self.ca, *asked), wanted)
        self.assertEqual(self.hits(found, OTHER, *asked), [])
        self.assertEqual(found.reason(KEY, self.ca, 5), "the serial number 5 is revoked")
        self.assertEqual(found.reason(KEY), "")

    def test_every_way_in_which_it_packs_them(self) -> None:
        for numbers in (
            list(range(1000, 1100, 3)),  # close together: a bitmap
            [10**6 * each for each in range(1, 40)],  # far apart: a list
            [*range(500, 900), *range(2000, 9000, 2), 10**12],
        ):
            text = "".join(f"serial: {each}\n" for each in numbers)
            found = read_krl(self.shop.revoke(text, "-s", "ca.pub"))
            asked = sorted({each + near for each in numbers for near in (-1, 0, 1)})
            self.assertEqual(self.hits(found, self.ca, *asked), sorted(numbers))

    def test_key_ids_of_all_authorities(self) -> None:
        found = read_krl(self.shop.revoke("id: alice@laptop\nid: a b\n", "-s", "none"))
        for key_id, revoked in (("alice@laptop", 1), ("a b", 1), ("alice", 0), ("", 0)):
            for ca in (self.ca, OTHER):
                self.assertEqual(bool(found.reason(KEY, ca, 0, key_id)), revoked, key_id)

    def test_keys_and_their_fingerprints(self) -> None:
        keys = {name: self.shop.key(name) for name in ("a", "b", "c", "d")}
        lines = {n: self.shop.path.joinpath(f"{n}.pub").read_text() for n in keys}
        text = f"key: {lines['a']}sha1: {lines['b']}sha256: {lines['c']}"
        found = read_krl(self.shop.revoke(text))
        for name in ("a", "b", "c"):
            self.assertEqual(
                found.reason(keys[name]), f"the key {fingerprint(keys[name])} is revoked"
            )
        self.assertEqual(found.reason(keys["d"]), "")
        more = read_krl(self.shop.revoke(f"hash: {fingerprint(keys['d'])}\n", "-u"))
        self.assertEqual([bool(more.reason(key)) for key in keys.values()], [True] * 4)

    def test_an_authority_goes_with_all_that_it_signed(self) -> None:
        found = read_krl(self.shop.revoke(self.shop.path.joinpath("ca.pub").read_text()))
        why = f"its authority {fingerprint(self.ca)} is revoked"
        self.assertEqual(found.reason(KEY, self.ca, 7, "x"), why)
        self.assertEqual(found.reason(KEY, OTHER, 7, "x"), "")

    def test_a_certificate(self) -> None:
        key = self.shop.key("id")
        self.shop.sign("ca", "id", "-z", "77")
        text = self.shop.path.joinpath("id-cert.pub").read_text()
        found = read_krl(self.shop.revoke(text))
        self.assertEqual(self.hits(found, self.ca, 76, 77, 78), [77])
        self.assertEqual(found.reason(key), "")

    def test_nothing(self) -> None:
        self.assertEqual(read_krl(self.shop.revoke("# nothing yet\n")), Revoked())

    def test_what_is_cut_off_anywhere_is_refused(self) -> None:
        text = "serial: 5\nserial: 100-200\nid: alice\n" + "".join(
            f"serial: {each}\n" for each in range(1000, 1100, 3)
        )
        data = self.shop.revoke(text, "-s", "ca.pub")
        read_krl(data)
        whole = len(listed()) - len(string(b"a list")) + len(string(b""))
        for end in range(len(data)):
            if end != whole:  # the header by itself is a list
                self.assertRaises(ValueError, read_krl, data[:end])


class Damaged(SynchronousTestCase):
    """What is not as PROTOCOL.krl has it."""

    def wrong(self, data: bytes) -> str:
        return str(self.assertRaises(ValueError, read_krl, data))

    def test_another_format(self) -> None:
        self.assertIn("not a key revocation list", self.wrong(b"SSHKRL\n\1" + bytes(60)))
        self.assertIn("version 2", self.wrong(KRL_MAGIC + (2).to_bytes(4, "big") + bytes(60)))

    def test_unknown_sections(self) -> None:
        for kind in (0, 6, 254):
            self.assertIn(f"unknown type {kind}", self.wrong(listed((kind, b""))))
            self.assertIn(f"unknown type {kind}", self.wrong(listed(issued((kind, b"")))))

    def test_a_signature(self) -> None:
        self.assertIn("it is signed", self.wrong(listed((4, CA)) + string(b"signature")))

    def test_extensions(self) -> None:
        for critical in (b"\0", b"\1", b"\2"):
            data = string(b"x@example.com") + critical + string(b"...")
            for each in (listed((255, data)), listed(issued((0x39, data)))):
                if critical == b"\0":
                    self.assertEqual(read_krl(each).reason(KEY), "")
                else:
                    self.assertIn("critical extension x@example.com", self.wrong(each))
        self.assertIn("truncated", self.wrong(listed((255, string(b"x") + b"\0"))))

    def test_fingerprints_of_the_wrong_length(self) -> None:
        read_krl(listed((3, string(sha1(KEY).digest())), (5, string(sha256(KEY).digest()))))
        for kind, size in ((3, 32), (3, 19), (5, 20), (5, 33), (5, 0)):
            self.assertIn("length", self.wrong(listed((kind, string(b"x" * size)))))

    def test_a_certificate_for_a_key(self) -> None:
        blob = string(b"ssh-ed25519-cert-v01@openssh.com") + b"..."
        self.assertIn("found a certificate", self.wrong(listed((2, string(blob)))))

    def test_serial_numbers_that_cannot_be(self) -> None:
        for kind, data in (
            (0x20, number(0)),
            (0x20, number(1)[:7]),
            (0x21, number(0) + number(5)),
            (0x21, number(6) + number(5)),
            (0x21, number(5)),
            (0x21, number(5) + number(6) + b"x"),
            (0x22, number(0) + string(b"\1")),
            (0x22, number(LARGEST) + string(b"\2")),
            (0x22, number(7) + string(b"\x80")),
            (0x22, number(7) + string(b"\1" * ((1 << 21) + 1))),
            (0x22, number(7) + string(b"\1") + b"x"),
        ):
            self.wrong(listed(issued((kind, data))))

    def test_bitmaps_that_meet(self) -> None:
        found = read_krl(
            listed(
                issued((0x22, number(1020) + string(b"\x01\x01"))),
                issued((0x22, number(1020) + string(b"\x01\x02")), authority=b""),
                issued((0x22, number(1000) + string(b"\x05" + bytes(300)))),
                issued((0x22, number(LARGEST) + string(b"\1"))),
                issued((0x22, number(50) + string(b""))),
            )
        )
        hits = [s for s in range(5000) if found.reason(KEY, CA, s)]
        self.assertEqual(hits, [1020, 1021, 1028, 3400, 3402])
        self.assertEqual([s for s in range(5000) if found.reason(KEY, OTHER, s)], [1021, 1028])
        self.assertTrue(found.reason(KEY, CA, LARGEST))

    def test_a_bitmap_as_large_as_they_may_be(self) -> None:
        bits = string(b"\x7f" + b"\xff" * ((1 << 21) - 1))
        found = read_krl(listed(issued((0x22, number(1) + bits))))
        self.assertTrue(found.reason(KEY, CA, (1 << 24) - 1))
        self.assertEqual(found.reason(KEY, CA, 1 << 24), "")

    def test_no_serial_number_is_never_revoked(self) -> None:
        found = read_krl(listed(issued((0x21, number(1) + number(LARGEST)))))
        self.assertEqual(found.reason(KEY, CA, 0), "")
        self.assertTrue(found.reason(KEY, CA, 1))

    def test_more_numbers_than_are_sorted_at_once(self) -> None:
        draft = Draft()
        draft.serials(CA, b"".join(number(s) for s in range(80_000, 0, -2)))
        found = draft.done().issued[CA]
        self.assertEqual(list(found.single), list(range(2, 80_001, 2)))

    @settings(deadline=None)
    @given(st.binary(max_size=200))
    def test_any_bytes(self, data: bytes) -> None:
        for each in (
            data,
            KRL_MAGIC + data,
            listed() + data,
            listed((1, data)),
            listed(issued()) + data,
        ):
            try:
                read_krl(each)
            except ValueError as error:
                self.assertTrue(str(error).isprintable())

    @settings(deadline=None)
    @given(
        st.lists(st.tuples(st.integers(1, 3000), st.integers(0, 40)), max_size=30),
        st.lists(st.integers(1, 3000), max_size=30),
        st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 2**60)), max_size=5),
    )
    def test_against_a_plain_set(
        self, ranges: list[tuple[int, int]], single: list[int], bitmaps: list[tuple[int, int]]
    ) -> None:
        draft, wanted = Draft(), set(single)
        for first, length in ranges:
            draft.range(CA, first, first + length)
            wanted |= set(range(first, first + length + 1))
        draft.serials(CA, b"".join(map(number, single)))
        for start, bits in bitmaps:
            bits &= ~1 if start == 0 else -1
            draft.bitmap(CA, start, bits.to_bytes(9, "big"))
            wanted |= {start + at for at in range(61) if bits >> at & 1}
        found = draft.done()
        self.assertEqual({s for s in range(3200) if found.reason(KEY, CA, s)}, wanted)
