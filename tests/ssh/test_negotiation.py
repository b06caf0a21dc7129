"""What two key exchange offers agree on: with today's OpenSSH, and with clients that are odd."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from vspc.ssh.crypto.exchange import (
    CIPHERS,
    COMPRESSIONS,
    KEY_EXCHANGES,
    MACS,
    NIST_KEY_EXCHANGES,
    STRICT_CLIENT,
    Agreed,
    KeyExchange,
    Offer,
    Phase,
    agree,
    key_exchanges,
    permitted,
    read_offer,
)
from vspc.ssh.crypto.packets import CHACHA, Incoming, Outgoing
from vspc.ssh.crypto.signatures import HOST_SIGNATURES
from vspc.wire.ssh import MalformedSsh, string

HOST_KEYS = (b"ssh-ed25519",)
ALL_HOST_KEYS = tuple(name for names in HOST_SIGNATURES.values() for name in names)


def kexinit(lists: list[bytes], tail: bytes = b"\0" + bytes(4)) -> bytes:
    """The body of a KEXINIT."""
    return bytes(16) + b"".join(map(string, lists)) + tail


def offer(**changes: Any) -> Offer:
    """What a modern client offers."""
    both: dict[str, Any] = {
        "key_exchanges": KEY_EXCHANGES,
        "host_keys": (b"ssh-ed25519",),
        "ciphers": (CIPHERS, CIPHERS),
        "macs": (MACS, MACS),
        "compressions": ((b"none",), (b"none",)),
        "guessed": False,
    }
    return Offer(**{**both, **changes})


CLIENT_KEY_EXCHANGES = (
    "curve25519-sha256 curve25519-sha256@libssh.org "
    "ecdh-sha2-nistp256 ecdh-sha2-nistp384 ecdh-sha2-nistp521 "
    "diffie-hellman-group-exchange-sha256 diffie-hellman-group16-sha512 "
    "diffie-hellman-group18-sha512 diffie-hellman-group14-sha256 ext-info-c"
)
SNTRUP = "sntrup761x25519-sha512@openssh.com"
STRICT = STRICT_CLIENT.decode()

OPENSSH_HOST_KEYS = (
    "ssh-ed25519-cert-v01@openssh.com ecdsa-sha2-nistp256-cert-v01@openssh.com "
    "ecdsa-sha2-nistp384-cert-v01@openssh.com ecdsa-sha2-nistp521-cert-v01@openssh.com "
    "sk-ssh-ed25519-cert-v01@openssh.com sk-ecdsa-sha2-nistp256-cert-v01@openssh.com "
    "rsa-sha2-512-cert-v01@openssh.com rsa-sha2-256-cert-v01@openssh.com "
    "ssh-ed25519 ecdsa-sha2-nistp256 ecdsa-sha2-nistp384 ecdsa-sha2-nistp521 "
    "sk-ssh-ed25519@openssh.com sk-ecdsa-sha2-nistp256@openssh.com rsa-sha2-512 rsa-sha2-256"
)
OPENSSH_MACS = (
    "umac-64-etm@openssh.com umac-128-etm@openssh.com hmac-sha2-256-etm@openssh.com "
    "hmac-sha2-512-etm@openssh.com hmac-sha1-etm@openssh.com umac-64@openssh.com "
    "umac-128@openssh.com hmac-sha2-256 hmac-sha2-512 hmac-sha1"
)
CIPHERS_9 = (
    "chacha20-poly1305@openssh.com aes128-ctr aes192-ctr aes256-ctr "
    "aes128-gcm@openssh.com aes256-gcm@openssh.com"
)
CIPHERS_10 = (
    "chacha20-poly1305@openssh.com aes128-gcm@openssh.com aes256-gcm@openssh.com "
    "aes128-ctr aes192-ctr aes256-ctr"
)


def openssh(key_exchange: str, ciphers: str) -> Offer:
    """What an OpenSSH client with its defaults proposes, for a host that it does not know."""
    kinds = tuple(ciphers.encode().split())
    macs = tuple(OPENSSH_MACS.encode().split())
    return Offer(
        key_exchanges=tuple(key_exchange.encode().split()),
        host_keys=tuple(OPENSSH_HOST_KEYS.encode().split()),
        ciphers=(kinds, kinds),
        macs=(macs, macs),
        compressions=((b"none", b"zlib@openssh.com", b"zlib"),) * 2,
        guessed=False,
    )


OPENSSH_9_0 = openssh(f"{SNTRUP} {CLIENT_KEY_EXCHANGES}", CIPHERS_9)
OPENSSH_9_2 = openssh(f"sntrup761x25519-sha512 {SNTRUP} {CLIENT_KEY_EXCHANGES} {STRICT}", CIPHERS_9)
OPENSSH_10_0 = openssh(
    f"mlkem768x25519-sha256 sntrup761x25519-sha512 {SNTRUP} {CLIENT_KEY_EXCHANGES} {STRICT}",
    CIPHERS_10,
)


class OpensshTests(SynchronousTestCase):
    """The proposals of `ssh -G` and of myproposal.h, with what becomes of them."""

    def agreed(self, offer: Offer, host_keys: tuple[bytes, ...] = HOST_KEYS) -> Agreed:
        return agree(offer, host_keys, strict=offer.strict)

    def test_openssh_9_2_as_debian_has_it(self) -> None:
        wanted = Agreed(
            key_exchange=b"curve25519-sha256",
            host_key=b"ssh-ed25519",
            ciphers=(CHACHA, CHACHA),
            macs=(b"", b""),
            skip_guess=False,
        )
        self.assertEqual(wanted, self.agreed(OPENSSH_9_2))
        self.assertTrue(OPENSSH_9_2.takes_extensions)

    def test_openssh_10_0(self) -> None:
        agreed = self.agreed(OPENSSH_10_0)
        self.assertEqual(b"mlkem768x25519-sha256", agreed.key_exchange)
        self.assertEqual((CHACHA, CHACHA), agreed.ciphers)

    def test_openssh_without_strict_key_exchange_gets_no_cipher_that_terrapin_breaks(self) -> None:
        agreed = self.agreed(OPENSSH_9_0)
        self.assertEqual((b"aes128-ctr", b"aes128-ctr"), agreed.ciphers)
        self.assertEqual((b"hmac-sha2-256-etm@openssh.com",) * 2, agreed.macs)

    def test_where_chacha_is_not_to_be_had_openssh_10_takes_gcm(self) -> None:
        fips = openssh(f"{CLIENT_KEY_EXCHANGES} {STRICT}", CIPHERS_10.partition(" ")[2])
        self.assertEqual((b"aes128-gcm@openssh.com",) * 2, self.agreed(fips).ciphers)

    def test_nist_curves_are_to_be_had_beside_an_ecdsa_host_key_only(self) -> None:
        nist = openssh(f"ecdh-sha2-nistp384 ext-info-c {STRICT}", CIPHERS_10)
        self.assertRaises(MalformedSsh, self.agreed, nist)
        agreed = self.agreed(nist, (b"ecdsa-sha2-nistp384",))
        self.assertEqual(
            (b"ecdh-sha2-nistp384", b"ecdsa-sha2-nistp384"), (agreed.key_exchange, agreed.host_key)
        )

    def test_several_host_keys_the_client_prefers(self) -> None:
        for ours, wanted in (
            (ALL_HOST_KEYS, b"ssh-ed25519"),
            ((b"rsa-sha2-512", b"rsa-sha2-256"), b"rsa-sha2-512"),
            ((b"rsa-sha2-512", b"rsa-sha2-256", b"ecdsa-sha2-nistp256"), b"ecdsa-sha2-nistp256"),
        ):
            self.assertEqual(wanted, self.agreed(OPENSSH_9_2, ours).host_key)


class OfferedTests(SynchronousTestCase):
    def test_counter_mode_comes_last_and_gcm_first(self) -> None:
        kinds = ["gcm" if b"gcm" in c else "ctr" if c.endswith(b"-ctr") else "" for c in CIPHERS]
        self.assertEqual(["gcm", "gcm", "", "ctr", "ctr"], kinds)

    def test_nothing_weak_and_no_compression(self) -> None:
        everything = b" ".join(
            (*key_exchanges(ALL_HOST_KEYS), *CIPHERS, *MACS, *ALL_HOST_KEYS, *COMPRESSIONS)
        )
        for weak in (b"sha1", b"cbc", b"md5", b"zlib", b"ssh-rsa", b"ssh-dss", b"arcfour", b"3des"):
            self.assertNotIn(weak, everything)
        self.assertEqual(KEY_EXCHANGES + NIST_KEY_EXCHANGES, key_exchanges(ALL_HOST_KEYS))
        self.assertEqual(KEY_EXCHANGES, key_exchanges(HOST_KEYS))


class NegotiationTests(SynchronousTestCase):
    @given(st.binary(max_size=100))
    def test_any_bytes_are_an_offer_or_refused(self, data: bytes) -> None:
        try:
            read_offer(data)
        except MalformedSsh:
            return

    def test_an_offer_is_read_as_it_was_made(self) -> None:
        lists = [b"a,kex-strict-c-v00@openssh.com,ext-info-c", *(b"%d" % n for n in range(9))]
        read = read_offer(kexinit(lists, b"\1" + bytes(4)))
        self.assertTrue(read.strict and read.takes_extensions and read.guessed)
        self.assertEqual(((b"1",), (b"2",)), read.ciphers)
        self.assertRaises(MalformedSsh, read_offer, kexinit(lists) + b"x")

    def test_the_client_prefers(self) -> None:
        backwards = offer(
            key_exchanges=tuple(reversed(KEY_EXCHANGES)),
            ciphers=((b"aes128-ctr", b"aes256-gcm@openssh.com"), (b"chacha", b"aes256-ctr")),
            macs=((b"umac", b"hmac-sha2-512"), (b"hmac-sha2-256",)),
        )
        agreed = agree(backwards, HOST_KEYS, strict=True)
        self.assertEqual(KEY_EXCHANGES[-1], agreed.key_exchange)
        self.assertEqual((b"aes128-ctr", b"aes256-ctr"), agreed.ciphers)
        self.assertEqual((b"hmac-sha2-512", b"hmac-sha2-256"), agreed.macs)

    def test_gcm_needs_no_mac_in_common(self) -> None:
        gcm = (CIPHERS[0],)
        agreed = agree(offer(ciphers=(gcm, gcm), macs=((b"umac",), ())), HOST_KEYS, strict=True)
        self.assertEqual((b"", b""), agreed.macs)

    def test_each_direction_is_agreed_on_by_itself(self) -> None:
        pair = ((CHACHA,), (b"aes256-gcm@openssh.com",))
        agreed = agree(offer(ciphers=pair), HOST_KEYS, strict=True)
        self.assertEqual((CHACHA, b"aes256-gcm@openssh.com"), agreed.ciphers)
        self.assertRaises(MalformedSsh, agree, offer(ciphers=pair), HOST_KEYS, strict=False)

    def test_nothing_in_common(self) -> None:
        for change in (
            {"key_exchanges": (b"ext-info-c", b"kex-strict-s-v00@openssh.com")},
            {"host_keys": ()},
            {"ciphers": (CIPHERS, (b"aes128-cbc",))},
            {"ciphers": ((b"aes128-ctr",),) * 2, "macs": (MACS, ())},
            {"compressions": ((b"zlib",), (b"none",))},
        ):
            self.assertRaises(MalformedSsh, agree, offer(**change), HOST_KEYS, strict=True)

    def test_a_wrong_guess_is_skipped(self) -> None:
        wrong = offer(guessed=True, key_exchanges=KEY_EXCHANGES[1:])
        self.assertTrue(agree(wrong, HOST_KEYS, strict=True).skip_guess)
        self.assertFalse(agree(offer(guessed=True), HOST_KEYS, strict=True).skip_guess)
        self.assertFalse(agree(offer(), HOST_KEYS, strict=True).skip_guess)

    def test_what_each_phase_permits(self) -> None:
        chatter = {1, 2, 3, 4}
        for phase, first, strict, expected in (
            (Phase.OFFERED, True, False, chatter | {20}),
            (Phase.EXCHANGING, True, True, {1, 30}),
            (Phase.EXCHANGING, True, False, chatter | {30}),
            (Phase.CLOSING, True, True, {1, 21}),
            (Phase.EXCHANGING, False, True, chatter | {30}),
            (Phase.CLOSING, False, True, chatter | {21}),
            (Phase.IDLE, False, True, set(range(1, 128)) - {21} - set(range(30, 50))),
            (Phase.OFFERED, False, True, set(range(1, 128)) - {21} - set(range(30, 50))),
        ):
            found = {n for n in range(1, 128) if permitted(phase, n, first=first, strict=strict)}
            self.assertEqual(expected, found, (phase, first, strict))


KEXINIT, NEWKEYS, METHOD = 20, 21, 30


class KeyExchangeTests(SynchronousTestCase):
    """The key exchanges of one connection, as a machine without a connection."""

    def setUp(self) -> None:
        self.incoming, self.outgoing = Incoming(), Outgoing()
        self.incoming.sequence = 1
        self.exchange = KeyExchange(HOST_KEYS, self.incoming, self.outgoing)

    def begin(self, theirs: Offer) -> None:
        self.exchange.offered()
        self.assertTrue(self.exchange.receives(KEXINIT))
        self.exchange.begin(self.exchange.agree_on(theirs))

    def finish(self) -> list[bytes]:
        self.assertTrue(self.exchange.receives(METHOD))
        self.exchange.setKeys(*(bytes(64),) * 6)
        self.exchange.sent_new_keys()
        self.assertTrue(self.exchange.receives(NEWKEYS))
        return self.exchange.received_new_keys()

    @given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 127)), max_size=40))
    def test_what_waits_is_sent_later_in_its_order(self, sent: list[tuple[int, int]]) -> None:
        self.setUp()
        delayed = []

        def send(at: int) -> None:
            for when, number in sent:
                message = bytes((number, at))
                if when == at and self.exchange.delays(message):
                    self.assertTrue(self.exchange.active)
                    delayed.append(message)

        send(0)
        self.assertEqual(delayed, [])
        self.exchange.offered()
        send(1)
        self.begin(offer())
        send(2)
        self.assertEqual(self.exchange.waiting_bytes, 2 * len(delayed))
        # A service is never heard during an exchange, the exchange itself at once.
        self.assertTrue(
            all(each[0] in (5, 6, 7) or each[0] > 49 or 21 < each[0] < 30 for each in delayed)
        )
        self.assertEqual(self.finish(), delayed)
        send(3)
        self.assertEqual((self.exchange.waiting_bytes, self.exchange.active), (0, False))

    def test_a_wrong_guess_is_dropped_once(self) -> None:
        self.begin(offer(guessed=True, key_exchanges=KEY_EXCHANGES[1:]))
        self.assertFalse(self.exchange.receives(METHOD))
        self.finish()
        self.assertFalse(self.exchange.first)

    def test_strict_numbers_begin_anew_at_each_exchange(self) -> None:
        strict = offer(key_exchanges=(*KEY_EXCHANGES, STRICT_CLIENT))
        for _ in range(2):
            self.begin(strict)
            self.outgoing.sequence = 5
            self.finish()
            self.assertEqual((self.incoming.sequence, self.outgoing.sequence), (0, 0))
            self.incoming.sequence = 7

    def test_a_packet_before_a_strict_kexinit(self) -> None:
        self.incoming.sequence = 2
        strict = offer(key_exchanges=(*KEY_EXCHANGES, STRICT_CLIENT))
        self.assertRaises(MalformedSsh, self.begin, strict)

    @given(st.sampled_from(["idle", "offered", "exchanging"]), st.integers(1, 127))
    def test_messages_that_are_not_permitted(self, when: str, message: int) -> None:
        self.setUp()
        if when == "offered":
            self.exchange.offered()
        elif when == "exchanging":
            self.begin(offer())
        phase = self.exchange.phase
        if permitted(phase, message, first=True, strict=False):
            self.assertTrue(self.exchange.receives(message))
        else:
            self.assertRaises(MalformedSsh, self.exchange.receives, message)
        self.assertEqual(self.exchange.phase, phase)
