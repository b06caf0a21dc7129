"""Our side of TLS, against real OpenSSL in memory: what is spoken, refused and kept."""

import contextlib
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from OpenSSL.crypto import FILETYPE_PEM, X509, load_privatekey
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.protocol import Factory, Protocol
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.test.iosim import FakeTransport, IOPump
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from vspc.net import tls
from vspc.net.certificates import name_of, presented_host
from vspc.net.tls import (
    CERTIFICATE,
    PRIVATE_KEY,
    Pair,
    ServerTls,
    TlsError,
    load_pair,
    peer_certificate,
    thumbprint,
)


def made_pair() -> Pair:
    """A pair of our own making."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = tls._self_signed(key, ["vspc.example"], datetime.now(UTC))
    return Pair(certificate.public_bytes(serialization.Encoding.PEM), pem_of(key))


def pem_of(key: Any, encryption: serialization.KeySerializationEncryption | None = None) -> bytes:
    data: bytes = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        encryption or serialization.NoEncryption(),
    )
    return data


class Client:
    """An OpenSSL client in memory; `prepare` makes its context what it should be."""

    def __init__(self, prepare: Callable[[SSL.Context], object] = lambda _: None) -> None:
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_cipher_list(b"ALL:@SECLEVEL=0")
        prepare(context)
        self.engine = SSL.Connection(context, None)
        self.engine.set_connect_state()


class Heard(Protocol):
    """Keeps what comes, and how it ended."""

    def __init__(self) -> None:
        self.data = b""
        self.reason: Failure | None = None

    def dataReceived(self, data: bytes) -> None:
        self.data += data

    def connectionLost(self, reason: Any = None) -> None:
        self.reason = reason


class Wire(Protocol):
    """Bytes between a `Client` and the server."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.error: SSL.Error | None = None
        self.heard = b""

    def connectionMade(self) -> None:
        self.turn()

    def dataReceived(self, data: bytes) -> None:
        self.client.engine.bio_write(data)
        self.turn()

    def turn(self) -> None:
        """Let the client's OpenSSL work."""
        try:
            self.heard += self.client.engine.recv(65536)
        except SSL.WantReadError:
            pass
        except SSL.Error as error:
            self.error = error
        self.flush()

    def flush(self) -> None:
        try:
            while True:
                self.transport.write(self.client.engine.bio_read(65536))  # type: ignore[union-attr]
        except SSL.Error:
            pass

    def say(self, data: bytes) -> None:
        self.client.engine.send(data)
        self.flush()


class Meeting:
    """One connection to `server`, with its handshake as far as it goes."""

    def __init__(self, server: ServerTls, client: Protocol) -> None:
        self.protocol = Heard()
        factory = Factory.forProtocol(lambda: self.protocol)
        outer = TLSMemoryBIOFactory(server, False, factory).buildProtocol(None)
        ours = FakeTransport(outer, True)
        theirs = FakeTransport(client, False)
        outer.makeConnection(ours)
        client.makeConnection(theirs)
        self.pump = IOPump(client, outer, theirs, ours, False)
        self.settle()

    def settle(self) -> None:
        for _ in range(20):
            self.pump.pump()


class ListeningTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.server = ServerTls(made_pair())

    def meet(self, prepare: Callable[[SSL.Context], object] = lambda _: None) -> Wire:
        wire = Wire(Client(prepare))
        self.meeting = Meeting(self.server, wire)
        return wire

    def test_twisted_can_use_it(self) -> None:
        verifyObject(IOpenSSLServerConnectionCreator, self.server)

    def test_the_newest_version_by_default(self) -> None:
        wire = self.meet()
        wire.say(b"hello")
        self.meeting.settle()
        self.assertEqual("TLSv1.3", wire.client.engine.get_protocol_version_name())
        self.assertEqual(b"hello", self.meeting.protocol.data)
        self.meeting.protocol.transport.write(b"you too")  # type: ignore[union-attr]
        self.meeting.protocol.transport.loseConnection()  # type: ignore[union-attr]
        self.meeting.settle()
        self.assertEqual(b"you too", wire.heard)

    def test_version_1_2_with_forward_secrecy_and_aead(self) -> None:
        for cipher in (
            b"ECDHE-ECDSA-AES128-GCM-SHA256",
            b"ECDHE-ECDSA-AES256-GCM-SHA384",
            b"ECDHE-ECDSA-CHACHA20-POLY1305",
        ):

            def prepare(context: SSL.Context, cipher: bytes = cipher) -> None:
                context.set_max_proto_version(SSL.TLS1_2_VERSION)
                context.set_cipher_list(cipher)

            wire = self.meet(prepare)
            self.assertIsNone(wire.error)
            self.assertEqual(cipher.decode(), wire.client.engine.get_cipher_name())

    def assertRefused(self, wire: Wire) -> None:
        self.assertIsNotNone(wire.error)
        reason = self.meeting.protocol.reason
        assert reason is not None
        self.assertIsInstance(reason.value, SSL.Error)
        self.assertEqual([], self.flushLoggedErrors())

    def test_version_1_1_is_refused(self) -> None:
        self.assertRefused(self.meet(lambda c: c.set_max_proto_version(SSL.TLS1_1_VERSION)))

    def test_cbc_and_static_keys_are_refused(self) -> None:
        for cipher in (
            b"ECDHE-ECDSA-AES128-SHA256",
            b"ECDHE-ECDSA-AES256-SHA",
            b"AES128-GCM-SHA256",
        ):

            def prepare(context: SSL.Context, cipher: bytes = cipher) -> None:
                context.set_max_proto_version(SSL.TLS1_2_VERSION)
                context.set_cipher_list(cipher)

            self.assertRefused(self.meet(prepare))

    def test_buffers_of_connections_that_say_nothing_are_given_back(self) -> None:
        there = tls.context(made_pair(), "here").set_mode(0)
        self.assertTrue(there & SSL.MODE_RELEASE_BUFFERS)

    def test_a_renegotiation_is_refused(self) -> None:
        wire = self.meet(lambda c: c.set_max_proto_version(SSL.TLS1_2_VERSION))
        self.assertIsNone(wire.error)
        if not wire.client.engine.renegotiate():
            self.fail("the client did not begin")
        wire.turn()
        self.meeting.settle()
        self.assertIn("no renegotiation", str(wire.error))
        self.assertRefused(wire)

    def test_telnet_on_the_tls_port(self) -> None:
        for noise in (b"\xff\xfd\x03\xff\xfb\x18", b"GET / HTTP/1.1\r\n\r\n", bytes(3000)):
            plain = Heard()
            self.meeting = Meeting(self.server, plain)
            plain.transport.write(noise)  # type: ignore[union-attr]
            self.meeting.settle()
            self.assertIsNotNone(self.meeting.protocol.reason, noise)
            self.assertEqual([], self.flushLoggedErrors())

    def test_a_new_certificate_counts_for_new_connections(self) -> None:
        old = self.meet()
        former = self.meeting
        pair = made_pair()
        self.server.take(pair)
        new = self.meet()
        certificates = [self.fingerprint(wire) for wire in (old, new)]
        self.assertEqual(thumbprint(pair, "sha256"), certificates[1])
        self.assertNotEqual(*certificates)
        old.say(b"still here")
        former.settle()
        self.assertEqual(b"still here", former.protocol.data)

    def test_a_pair_that_cannot_be_used_changes_nothing(self) -> None:
        before = self.fingerprint(self.meet())
        broken = Pair(made_pair().certificate, made_pair().private_key)
        self.assertRaises(TlsError, self.server.take, broken)
        self.assertEqual(before, self.fingerprint(self.meet()))

    def fingerprint(self, wire: Wire) -> str:
        certificate = wire.client.engine.get_peer_certificate(as_cryptography=True)
        assert certificate is not None
        pair = Pair(certificate.public_bytes(serialization.Encoding.PEM), b"")
        return thumbprint(pair, "sha256")


class Authority:
    """A certificate authority that gives certificates to hosts."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hosts")])
        self.certificate = self._sign(self.name, self.key, ca=True)

    def _sign(self, subject: x509.Name, key: Any, ca: bool, days: float = 1) -> x509.Certificate:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=9))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256())
        )

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def host(self, days: float = 1) -> Pair:
        """A certificate for so many days."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "esx1")])
        certificate = self._sign(subject, key, ca=False, days=days)
        return Pair(certificate.public_bytes(serialization.Encoding.PEM), pem_of(key))


class ClientCertificates(SynchronousTestCase):
    """A zone's authority: who has a certificate of it is more certain than who has none."""

    def setUp(self) -> None:
        directory = Path(self.mktemp())
        directory.mkdir()
        self.authority = Authority()
        self.ca, self.bad = directory / "ca.pem", directory / "bad.pem"
        self.ca.write_bytes(self.authority.pem)
        self.bad.write_text("nothing")
        self.server = ServerTls(made_pair(), self.ca)

    def meet(self, pair: Pair | None) -> Meeting:
        """Connect with the certificate of `pair`, and say hello."""

        def prepare(context: SSL.Context) -> None:
            if pair is not None:
                certificate = x509.load_pem_x509_certificate(pair.certificate)
                context.use_certificate(X509.from_cryptography(certificate))
                context.use_privatekey(load_privatekey(FILETYPE_PEM, pair.private_key))

        wire = Wire(Client(prepare))
        meeting = Meeting(self.server, wire)
        with contextlib.suppress(SSL.Error):
            wire.say(b"hello")
        meeting.settle()
        return meeting

    def test_without_one_a_host_is_let_in_and_not_certified(self) -> None:
        heard = self.meet(None).protocol
        self.assertEqual(heard.data, b"hello")
        self.assertIsNone(peer_certificate(heard.transport))

    def test_one_of_the_authority_is_verified(self) -> None:
        heard = self.meet(self.authority.host()).protocol
        self.assertEqual(heard.data, b"hello")
        self.assertIsNotNone(peer_certificate(heard.transport))

    def test_one_of_another_authority_ends_the_connection(self) -> None:
        heard = self.meet(Authority().host()).protocol
        self.assertEqual(heard.data, b"")
        self.assertIsNotNone(heard.reason)

    def test_an_invalid_authority_is_named(self) -> None:
        with self.assertRaisesRegex(TlsError, "bad.pem"):
            ServerTls(made_pair(), self.bad)


class PairTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.state = Path(self.mktemp())
        self.state.mkdir()

    def load(self) -> Pair:
        return load_pair(None, None, self.state)

    def refused(self, certificate: bytes, private_key: bytes, named: str = "other.key") -> str:
        one, other = self.state / "one.pem", self.state / "other.key"
        one.write_bytes(certificate)
        other.write_bytes(private_key)
        with self.assertRaises(TlsError) as caught:
            load_pair(one, other, self.state)
        self.assertIn(named, str(caught.exception))
        return str(caught.exception)

    def test_it_is_made_once(self) -> None:
        pair = self.load()
        self.assertEqual(pair, self.load())
        self.assertEqual({CERTIFICATE, PRIVATE_KEY}, {path.name for path in self.state.iterdir()})
        for path in self.state.iterdir():
            self.assertEqual(0o600, stat.S_IMODE(path.stat().st_mode))

    def test_what_is_in_it(self) -> None:
        certificate = x509.load_pem_x509_certificate(self.load().certificate)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        self.assertIn("localhost", names.get_values_for_type(x509.DNSName))
        addresses = [str(a) for a in names.get_values_for_type(x509.IPAddress)]
        self.assertEqual(["127.0.0.1", "::1"], addresses)
        left = certificate.not_valid_after_utc - datetime.now(UTC)
        self.assertGreater(left, timedelta(days=3640))
        self.assertIsInstance(certificate.public_key(), ec.EllipticCurvePublicKey)

    def test_it_is_for_the_names_and_addresses_that_are_asked_for(self) -> None:
        asked = ("vspc.example.com", "10.0.0.7", "vspc", "localhost")
        pair = load_pair(None, None, self.state, asked)
        certificate = x509.load_pem_x509_certificate(pair.certificate)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found = names.get_values_for_type(x509.DNSName)
        self.assertEqual(found, ["vspc.example.com", "vspc", "localhost"])
        addresses = [str(a) for a in names.get_values_for_type(x509.IPAddress)]
        self.assertEqual(addresses, ["10.0.0.7", "127.0.0.1", "::1"])
        self.assertEqual(name_of(certificate.subject), "vspc.example.com")
        self.assertEqual(presented_host(pair.certificate), "vspc.example.com")

    def test_an_unusual_host_name(self) -> None:
        for host in ("", "h" * 300, "h\xf6st"):
            key = ec.generate_private_key(ec.SECP256R1())
            tls._self_signed(key, [host], datetime.now(UTC))

    def test_an_interrupted_making_is_finished(self) -> None:
        key = self.load().private_key
        (self.state / CERTIFICATE).unlink()
        self.assertEqual(key, self.load().private_key)

    def test_a_certificate_without_its_key_is_not_replaced(self) -> None:
        self.load()
        (self.state / PRIVATE_KEY).unlink()
        with self.assertRaisesRegex(TlsError, PRIVATE_KEY):
            self.load()

    def test_a_foreign_or_damaged_key_without_a_certificate(self) -> None:
        for data in (b"", b"hello", pem_of(rsa.generate_private_key(65537, 2048))):
            (self.state / PRIVATE_KEY).write_bytes(data)
            with self.assertRaisesRegex(TlsError, PRIVATE_KEY):
                self.load()

    def test_a_state_dir_that_is_not_there(self) -> None:
        with self.assertRaisesRegex(TlsError, "nowhere"):
            load_pair(None, None, self.state / "nowhere")

    def test_thumbprints_as_vsphere_writes_them(self) -> None:
        pair = self.load()
        self.assertRegex(thumbprint(pair), r"^[0-9A-F]{2}(:[0-9A-F]{2}){19}$")
        self.assertRegex(thumbprint(pair, "sha256"), r"^[0-9A-F]{2}(:[0-9A-F]{2}){31}$")

    def test_a_key_of_another_certificate(self) -> None:
        self.assertIn("mismatch", self.refused(made_pair().certificate, made_pair().private_key))

    def test_files_that_are_no_pem(self) -> None:
        pair = made_pair()
        self.refused(b"", pair.private_key)
        self.refused(b"hello", pair.private_key)
        self.refused(pair.certificate, b"")
        self.refused(pair.certificate, pair.certificate)
        said = self.refused(pair.certificate[:200], pair.private_key, "one.pem")
        self.assertIn("line 1: the block has no END line", said)

    def test_what_editors_and_other_tools_make_of_pem(self) -> None:
        pair = made_pair()
        one, other = self.state / "one.pem", self.state / "other.key"
        mark, crlf = b"\xef\xbb\xbf", pair.private_key.replace(b"\n", b"\r\n")
        one.write_bytes(mark + "Subject: M\u00fcller\n".encode() + pair.certificate)
        other.write_bytes(mark + crlf)
        self.assertEqual(load_pair(one, other, self.state), pair)
        wide = pair.certificate.decode().encode("utf-16")
        said = self.refused(wide, pair.private_key, "one.pem")
        self.assertIn("encoded as UTF-16, not UTF-8", said)
        der = x509.load_pem_x509_certificate(pair.certificate)
        binary = der.public_bytes(serialization.Encoding.DER)
        self.assertIn("DER, not PEM", self.refused(binary, pair.private_key, "one.pem"))

    def test_a_key_with_a_passphrase(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        locked = pem_of(key, serialization.BestAvailableEncryption(b"secret"))
        self.assertIn("passphrase", self.refused(made_pair().certificate, locked))

    def test_a_file_that_is_not_there(self) -> None:
        with self.assertRaisesRegex(TlsError, "missing.pem"):
            load_pair(self.state / "missing.pem", self.state / "missing.key", self.state)

    def test_a_chain_goes_along(self) -> None:
        pair, other = made_pair(), made_pair()
        server = ServerTls(Pair(pair.certificate + other.certificate, pair.private_key))
        wire = Wire(Client())
        Meeting(server, wire)
        self.assertEqual(2, len(wire.client.engine.get_peer_cert_chain() or ()))
