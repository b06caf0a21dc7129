"""Certificates: those of the real ssh-keygen, and those that it would never make."""

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.auth.minting import (
    AFTER,
    BEFORE,
    NOW,
    CurveToken,
    Mint,
    Plain,
    Signer,
    Token,
    Workshop,
    trusted,
)
from vspc.auth.certkeys import FOREVER, parse, unsound
from vspc.auth.directory import PrincipalMatch, is_plain, match_principals, voucher_of
from vspc.auth.methods.certificate import Authorities, examine
from vspc.auth.revoked import Draft
from vspc.config.checks import filled
from vspc.config.credentials import fingerprint
from vspc.config.settings import CertificateMap
from vspc.console.access import Voucher
from vspc.console.authentication import Claimant, Offered, ProofRefused
from vspc.console.session import SessionLimits
from vspc.wire.ssh import is_certificate, string

ALICE = Claimant("alice", "10.1.2.3")
TYPES = (("ed25519", None), ("ecdsa", 256), ("ecdsa", 384), ("ecdsa", 521), ("rsa", 2048))


class _Case(SynchronousTestCase):
    def good(self, blob: bytes, *cas: bytes, claimant: Claimant = ALICE) -> Offered:
        found = examine(blob, claimant, Authorities(tuple(map(trusted, cas))), NOW)
        assert isinstance(found, Offered), found
        return found

    def bad(self, blob: bytes, authorities: Authorities, now: float = NOW) -> str:
        found = examine(blob, ALICE, authorities, now)
        assert isinstance(found, ProofRefused), found
        return found.reason

    def refused(self, mint: Mint, now: float = NOW) -> str:
        return self.bad(mint.blob, Authorities((trusted(mint.ca.blob),)), now)


class Made(_Case):
    """By ssh-keygen -s."""

    def setUp(self) -> None:
        self.shop = Workshop(self.mktemp())

    def test_every_type_of_key_signed_by_every_type_of_authority(self) -> None:
        names = [f"{kind}{bits or ''}" for kind, bits in TYPES]
        keys = {name: self.shop.key(name, *each) for name, each in zip(names, TYPES, strict=True)}
        for at, name in enumerate(names):
            ca = names[at - 1]
            blob = self.shop.sign(ca, name, "-z", "7")
            vouched = self.good(blob, keys[ca])
            self.assertEqual(vouched.key, keys[name], name)
            self.assertEqual(vouched.proof.fingerprint, fingerprint(keys[name]))
            self.assertEqual(vouched.proof.ca, fingerprint(keys[ca]))
            self.assertTrue(is_certificate(blob))
            self.assertFalse(is_certificate(keys[name]))

    def test_fido_keys_signed_by_every_type_of_authority(self) -> None:
        tokens: dict[str, Signer] = {"sk": Token(), "sk-ec": CurveToken()}
        for name, token in tokens.items():
            self.shop.bring(name, token.blob)
            for kind, bits in TYPES:
                ca = f"{name}-{kind}{bits}"
                key = self.shop.key(ca, kind, bits)
                vouched = self.good(self.shop.sign(ca, name, "-O", "verify-required"), key)
                self.assertEqual(vouched.key, token.blob)
                self.assertTrue(vouched.verified)
                self.shop.path.joinpath(f"{name}-cert.pub").unlink()

    def test_what_it_says_of_its_holder(self) -> None:
        ca, key = self.shop.key("ca"), self.shop.key("id")
        blob = self.shop.sign("ca", "id", "-z", "18446744073709551615", names="alice,netops")
        vouched = self.good(blob, ca)
        self.assertEqual(vouched.proof.via, "certificate")
        self.assertEqual(vouched.proof.serial, 2**64 - 1)
        self.assertEqual(vouched.proof.key_id, "alice@laptop")
        self.assertEqual(vouched.proof.principals, ("alice", "netops"))
        self.assertEqual(vouched.proof.voucher, Voucher("alice@laptop", ("alice", "netops")))
        self.assertEqual(
            (vouched.key, vouched.limits, vouched.verified), (key, SessionLimits(), False)
        )

    def test_options_limit_it(self) -> None:
        ca = self.shop.key("ca")
        self.shop.key("id")
        for words, limits in (
            (("-O", "clear"), SessionLimits(pty=False, forwarding=False)),
            (("-O", "no-pty"), SessionLimits(pty=False)),
            (("-O", "no-port-forwarding"), SessionLimits(forwarding=False)),
            (("-O", "clear", "-O", "permit-pty"), SessionLimits(forwarding=False)),
            (
                ("-O", "force-command=expect 'test-*' ok"),
                SessionLimits(command="expect 'test-*' ok"),
            ),
            (("-O", "no-user-rc", "-O", "no-x11-forwarding"), SessionLimits()),
            (("-O", "no-touch-required"), SessionLimits()),
            (("-O", "extension:badge@example.com=blue"), SessionLimits()),
        ):
            vouched = self.good(self.shop.sign("ca", "id", *words), ca)
            self.assertEqual(vouched.limits, limits, words)

    def test_only_a_fido_key_can_ask_for_a_finger(self) -> None:
        authorities = Authorities((trusted(self.shop.key("ca")),))
        self.shop.key("id")
        reason = self.bad(self.shop.sign("ca", "id", "-O", "verify-required"), authorities)
        self.assertIn("which only a FIDO key can do", reason)

    def test_from_where(self) -> None:
        ca = self.shop.key("ca")
        self.shop.key("id")
        blob = self.shop.sign("ca", "id", "-O", "source-address=10.0.0.0/8,2001:db8::/32,::1")
        for address in ("10.255.0.1", "2001:db8::9", "::1", "::ffff:10.0.0.1"):
            self.good(blob, ca, claimant=Claimant("alice", address))
        for address in ("11.0.0.1", "2001:db9::1", "::ffff:11.0.0.1", "control", ""):
            found = examine(blob, Claimant("alice", address), Authorities((trusted(ca),)), NOW)
            assert isinstance(found, ProofRefused)
            self.assertIn("is not for the address", found.reason)

    def test_a_hosts_certificate(self) -> None:
        authorities = Authorities((trusted(self.shop.key("ca")),))
        self.shop.key("id")
        reason = self.bad(self.shop.sign("ca", "id", "-h"), authorities)
        self.assertEqual(reason, "the certificate is a host's, not a user's")

    def test_an_authority_that_signs_with_sha_1(self) -> None:
        authorities = Authorities((trusted(self.shop.key("ca", "rsa", 2048)),))
        self.shop.key("id")
        for algorithm in ("rsa-sha2-256", "rsa-sha2-512"):
            blob = self.shop.sign("ca", "id", "-t", algorithm)
            self.assertIsInstance(examine(blob, ALICE, authorities, NOW), Offered)
        reason = self.bad(self.shop.sign("ca", "id", "-t", "ssh-rsa"), authorities)
        self.assertEqual(
            reason, "the certificate is not genuine: its authority signed with ssh-rsa"
        )

    def test_an_untrusted_authority(self) -> None:
        other = trusted(self.shop.key("other"))
        ca = self.shop.key("ca")
        self.shop.key("id")
        blob = self.shop.sign("ca", "id")
        for authorities in (Authorities(), Authorities((other,))):
            found = examine(blob, ALICE, authorities, NOW)
            assert isinstance(found, ProofRefused)
            self.assertEqual(
                found.reason, f"the certificate's authority {fingerprint(ca)} is not trusted"
            )
            assert found.proof is not None
            self.assertEqual(found.proof.key_id, "alice@laptop")

    def test_no_principals(self) -> None:
        authorities = Authorities((trusted(self.shop.key("ca")),))
        self.shop.key("id")
        reason = self.bad(self.shop.sign("ca", "id", names=""), authorities)
        self.assertEqual(reason, "the certificate names no principals")

    def test_an_hour_as_ssh_keygen_counts_it_is_within_an_hour(self) -> None:
        ca = self.shop.key("ca")
        self.shop.key("id")
        hour = parse(self.shop.sign("ca", "id", "-V", "+1h"))
        now = hour.before - 1800.0
        hourly = Authorities((trusted(ca),), 3600.0)
        self.assertIsInstance(examine(hour.blob, ALICE, hourly, now), Offered)
        longer = self.shop.sign("ca", "id", "-V", "+2h")
        self.assertIn("max_validity is 3600", self.bad(longer, hourly, now))
        self.assertIn(
            "never ends", self.bad(self.shop.sign("ca", "id", "-V", "always:forever"), hourly)
        )

    def test_an_rsa_key_that_is_too_short(self) -> None:
        authorities = Authorities((trusted(self.shop.key("ca")),))
        self.shop.key("id", "rsa", 1024)
        reason = self.bad(self.shop.sign("ca", "id"), authorities)
        self.assertEqual(reason, "the certificate's RSA key has 1024 bits; 2048 are needed")

    def test_an_unknown_critical_option(self) -> None:
        authorities = Authorities((trusted(self.shop.key("ca")),))
        self.shop.key("id")
        blob = self.shop.sign("ca", "id", "-O", "critical:moon@example.com=full")
        self.assertEqual(
            self.bad(blob, authorities),
            "the certificate's critical option moon@example.com is not known",
        )

    def test_no_bit_of_any_of_them_can_be_turned(self) -> None:
        self.shop.bring("sk", Token().blob)
        for kind, bits in TYPES[:1] + TYPES[2:3] + TYPES[4:]:
            name = f"{kind}-ca"
            authorities = Authorities((trusted(self.shop.key(name, kind, bits)),))
            for subject in (name, "sk"):
                blob = self.shop.sign(name, subject)
                self.assertIsInstance(examine(blob, ALICE, authorities, NOW), Offered)
                for at in range(0, len(blob) * 8, 23):
                    self.bad(_turned(blob, at), authorities)


def _turned(blob: bytes, bit: int) -> bytes:
    changed = bytearray(blob)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


class Minted(_Case):
    """Byte by byte."""

    def test_ours_are_as_good_as_ssh_keygens(self) -> None:
        mint = Mint()
        self.assertEqual(self.good(mint.blob, mint.ca.blob).limits, SessionLimits())

    def test_a_fido_token_is_the_authority(self) -> None:
        for token in (Token(), CurveToken()):
            for key in (Plain().blob, Token().blob, CurveToken().blob):
                blob = Mint(ca=token, key=key).blob
                self.assertEqual(self.good(blob, token.blob).key, key)
                for at in range(0, len(blob) * 8, 61):
                    self.bad(_turned(blob, at), Authorities((trusted(token.blob),)))

    def test_a_token_that_signs_for_something_else(self) -> None:
        mint = Mint(ca=Token())
        other = evolve(mint, ca=Token(mint.ca.private, b"ssh:other"))  # type: ignore[arg-type]
        blob = evolve(other, authority=mint.ca.blob).blob
        reason = self.bad(blob, Authorities((trusted(mint.ca.blob),)))
        self.assertEqual(reason, "the certificate is not genuine: its signature is wrong")

    def test_the_seconds_in_which_it_is_valid(self) -> None:
        mint = Mint()
        authorities = Authorities((trusted(mint.ca.blob),))
        for now in (AFTER, BEFORE - 0.001):
            self.assertIsInstance(examine(mint.blob, ALICE, authorities, now), Offered)
        self.assertEqual(
            self.refused(mint, AFTER - 0.001),
            "the certificate is not valid before 2030-03-17T17:46:40Z",
        )
        self.assertEqual(
            self.refused(mint, BEFORE), "the certificate was valid until 2030-03-17T18:46:40Z"
        )

    def test_times_that_no_calendar_has(self) -> None:
        self.assertIn(f"second {FOREVER - 1}", self.refused(Mint(after=FOREVER - 1)))
        self.assertIn("until", self.refused(Mint(after=0, before=0)))
        forever = Mint(after=0, before=FOREVER)
        self.good(forever.blob, forever.ca.blob)

    def test_it_ends_before_it_begins(self) -> None:
        self.assertIn("until", self.refused(Mint(after=AFTER, before=AFTER - 1)))

    def test_signed_by_another_certificate(self) -> None:
        nested = Mint().blob
        mint = Mint(authority=nested)
        reason = self.bad(mint.blob, Authorities((trusted(nested),)))
        self.assertEqual(
            reason, "the certificate is not genuine: it is signed by another certificate"
        )

    def test_signed_by_a_kind_of_key_that_is_not_taken(self) -> None:
        old = string(b"ssh-dss") + string(b"p")
        reason = self.bad(Mint(authority=old).blob, Authorities((trusted(old),)))
        self.assertIn("its authority's type ssh-dss is unknown", reason)

    def test_signed_by_another_key_in_the_name_of_a_trusted_authority(self) -> None:
        ca = Plain()
        mint = Mint(ca=Plain(Token().private), authority=ca.blob, principals=())
        reason = self.bad(mint.blob, Authorities((trusted(ca.blob),)))
        self.assertEqual(reason, "the certificate is not genuine: its signature is wrong")

    def test_options_with_values_that_make_no_sense(self) -> None:
        for name, value in (
            (b"force-command", b""),
            (b"force-command", b"  "),
            (b"force-command", b"\xff"),
            (b"source-address", b""),
            (b"source-address", b"10.0.0.0/8,"),
            (b"source-address", b"10.0.0.1/8"),
            (b"source-address", b"!10.0.0.0/8"),
            (b"source-address", b"10.*"),
            (b"source-address", b"\xff"),
            (b"verify-required", b"yes"),
        ):
            self.assertEqual(
                self.refused(Mint(options=((name, value),))),
                f"the certificate's critical option {name.decode()} has no proper value",
            )

    def test_options_twice_or_out_of_order(self) -> None:
        for options in (
            ((b"force-command", b"list"), (b"force-command", b"list")),
            ((b"verify-required", b""), (b"force-command", b"list")),
        ):
            self.assertIn("out of order", self.refused(Mint(options=options)))
            self.assertIn("out of order", self.refused(Mint(extensions=options)))

    def test_names_with_zero_bytes(self) -> None:
        self.assertIn("zero byte", self.refused(Mint(key_id=b"alice\0bob")))
        self.assertIn("zero byte", self.refused(Mint(principals=(b"alice\0",))))

    def test_types_that_are_neither_users_nor_hosts(self) -> None:
        for kind in (0, 3, 2**32 - 1):
            self.refused(Mint(type=kind))

    def test_more_principals_than_openssh_takes(self) -> None:
        many = tuple(b"%d" % number for number in range(257))
        mint = Mint(principals=many[:256])
        self.good(mint.blob, mint.ca.blob)
        self.assertIn("more than 256", self.refused(Mint(principals=many)))

    def test_a_long_one(self) -> None:
        self.assertIn("longer than", self.refused(Mint(key_id=b"a" * 65536)))

    def test_what_it_says_cannot_move_a_cursor(self) -> None:
        mint = Mint(key_id=b"\x1b[2J\xff", principals=("\u202ealice".encode(), b"\n"))
        found = self.good(mint.blob, mint.ca.blob)
        self.assertEqual(found.proof.key_id, "\\x1b[2J\\xff")
        self.assertEqual(found.proof.principals, ("\\u202ealice", "\\x0a"))
        self.assertEqual(voucher_of(found.proof).principals, ("\u202ealice", "\n"))

    def test_what_is_revoked(self) -> None:
        mint = Mint()
        draft = Draft()
        draft.key_id(b"", "alice@laptop")
        for revoked, why in (
            (draft.done(), "the certificate is revoked: its key ID is revoked"),
            ("list: cut short", "revocation list cannot be read: list: cut short"),
        ):
            authorities = Authorities((trusted(mint.ca.blob),), None, revoked)
            self.assertIn(why, self.bad(mint.blob, authorities))
        self.good(mint.blob, mint.ca.blob)

    def test_no_field_of_one_that_is_not_genuine_is_logged(self) -> None:
        mint = Mint(before=AFTER + 1, options=((b"moon", b""),), type=2)
        damaged = mint.blob[:-1] + bytes([mint.blob[-1] ^ 1])
        authorities = Authorities((trusted(mint.ca.blob),), 1.0, "unknown")
        reason = self.bad(damaged, authorities)
        self.assertEqual(reason, "the certificate is not genuine: its signature is wrong")

    def test_kinds_of_certificates_that_are_not_taken(self) -> None:
        for kind in (b"ssh-dss-cert-v01@openssh.com", b"ssh-rsa-cert-v00@openssh.com"):
            blob = string(kind) + b"rest"
            self.assertTrue(is_certificate(blob))
            self.assertIn(f"its type {kind.decode()} is unknown", self.bad(blob, Authorities()))

    def test_every_bit(self) -> None:
        mint = Mint(options=((b"force-command", b"list"),))
        authorities = Authorities((trusted(mint.ca.blob),))
        blob = mint.blob
        for at in range(len(blob) * 8):
            self.bad(_turned(blob, at), authorities)

    def test_the_library_and_we_agree(self) -> None:
        """Our own verification, which is for FIDO keys, against the library's."""
        mint = Mint()
        certificate = parse(mint.blob)
        self.assertEqual(unsound(certificate), "")
        as_token = evolve(certificate, kind=b"sk-ssh-ed25519-cert-v01@openssh.com")
        self.assertEqual(unsound(as_token), "")
        self.assertNotEqual(unsound(evolve(as_token, signed=certificate.signed + b"x")), "")
        self.assertNotEqual(unsound(evolve(certificate, key_id="bob")), "")

    @settings(deadline=None)
    @given(st.binary(max_size=200))
    def test_any_bytes(self, blob: bytes) -> None:
        is_certificate(blob)
        for data in (blob, string(b"ssh-ed25519-cert-v01@openssh.com") + blob):
            self.assertIsInstance(examine(data, ALICE, Authorities(), NOW), ProofRefused)

    @settings(deadline=None)
    @given(st.integers(0), st.integers(0), st.binary(max_size=8))
    def test_any_damage(self, at: int, length: int, put: bytes) -> None:
        mint = Mint()
        blob = mint.blob
        at %= len(blob)
        changed = blob[:at] + put + blob[at + length % 9 :]
        found = examine(changed, ALICE, Authorities((trusted(mint.ca.blob),)), NOW)
        self.assertEqual(isinstance(found, Offered), changed == blob)

    @settings(deadline=None)
    @given(
        st.binary(max_size=20),
        st.lists(st.binary(max_size=9), max_size=4),
        st.dictionaries(st.binary(max_size=9), st.binary(max_size=9), max_size=3),
    )
    def test_whatever_an_authority_signs(
        self, key_id: bytes, principals: list[bytes], options: dict[bytes, bytes]
    ) -> None:
        pairs = tuple(sorted(options.items()))
        mint = Mint(key_id=key_id, principals=tuple(principals), extensions=pairs)
        found = examine(mint.blob, ALICE, Authorities((trusted(mint.ca.blob),)), NOW)
        sane = b"\0" not in key_id + b"".join(principals) and bool(principals)
        self.assertEqual(isinstance(found, Offered), sane)
        found = examine(
            evolve(mint, options=pairs).blob, ALICE, Authorities((trusted(mint.ca.blob),)), NOW
        )
        self.assertEqual(isinstance(found, Offered), sane and not options)


OPS = CertificateMap(("ops-*",), groups=("netops",), roles=("audit",))
ADMINS = CertificateMap(("admins",), "{key_id}", ("admins",), ("admin",))


class Standings(SynchronousTestCase):
    """Whose a certificate is."""

    def test_named(self) -> None:
        voucher = Voucher("x", ("bob", "alice"))
        self.assertEqual(match_principals((), voucher, "alice"), PrincipalMatch(True, False))
        self.assertIsNone(match_principals((), voucher, "Alice"))
        self.assertIsNone(match_principals((), voucher, "carol"))
        self.assertIsNone(match_principals((), voucher, ""))

    def test_mapped(self) -> None:
        found = match_principals((OPS, ADMINS), Voucher("x", ("ops-7",)), "ops-7")
        self.assertEqual(
            found, PrincipalMatch(True, True, frozenset({"netops"}), frozenset({"audit"}))
        )
        found = match_principals((OPS, ADMINS), Voucher("alice", ("admins", "ops-7")), "alice")
        self.assertEqual(
            found, PrincipalMatch(False, True, frozenset({"admins"}), frozenset({"admin"}))
        )
        self.assertIsNone(match_principals((OPS, ADMINS), Voucher("alice", ("admins",)), "bob"))

    def test_all_maps_that_match_count_together(self) -> None:
        maps = (
            CertificateMap(("*",), "alice", ("all",)),
            CertificateMap(("ops", "dev"), "{key_id}", ("some", "all"), ("audit",)),
            CertificateMap(("dev",), "bob", ("bobs",), ("admin",)),
        )
        found = match_principals(maps, Voucher("alice", ("dev",)), "alice")
        self.assertEqual(
            found, PrincipalMatch(False, True, frozenset({"all", "some"}), frozenset({"audit"}))
        )

    def test_a_glob_minds_case(self) -> None:
        self.assertIsNone(match_principals((ADMINS,), Voucher("alice", ("Admins",)), "alice"))

    def test_what_is_filled_in_is_not_read_again(self) -> None:
        self.assertEqual(filled("{principal}-{key_id}", "{key_id}", "k"), "{key_id}-k")
        self.assertEqual(filled("{other}", "p", "k"), "{other}")

    def test_names_that_no_certificate_gives(self) -> None:
        maps = (CertificateMap(("*",), groups=("all",)),)
        for name in ("", "a+b", "a:b", "a,b", "@netops", "-a", "a\n", "a\0", "é", "a" * 65, " a"):
            self.assertFalse(is_plain(name), name)
            found = match_principals(maps, Voucher("x", (name, "y")), name)
            self.assertEqual(found, PrincipalMatch(True, False), name)

    def test_the_machine_itself(self) -> None:
        maps = (CertificateMap(("*",), roles=("admin",)),)
        for name in ("root@local", "Root@LOCAL"):
            found = match_principals(maps, Voucher("x", (name,)), name)
            self.assertFalse(found is not None and found.mapped)
        self.assertTrue(is_plain("alice@example.com"))

    @given(st.text(max_size=8), st.text(max_size=8), st.text(max_size=8))
    def test_anything(self, key_id: str, principal: str, name: str) -> None:
        maps = (CertificateMap(("*",)), CertificateMap(("?*",), "{key_id}"))
        found = match_principals(maps, Voucher(key_id, (principal,)), name)
        self.assertEqual(
            found is not None,
            name == principal or (name == key_id and is_plain(name) and bool(principal)),
        )
