"""Sockets with TLS, against OpenSSL in memory: handshakes, and who a client certificate is."""

import contextlib
from pathlib import Path

from OpenSSL import SSL
from OpenSSL.crypto import X509, PKey
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.doors.programs.support import Client, Hall, entry
from tests.net.authorities import Signed, certificate
from tests.net.test_tls import Client as TlsClient
from tests.net.test_tls import made_pair
from vspc.config.values import Readable
from vspc.doors.programs import factory
from vspc.doors.programs.channel import CLOSE_TIMEOUT
from vspc.doors.programs.factory import HANDSHAKE_TIMEOUT, HANDSHAKES_PER_ADDRESS
from vspc.doors.programs.socket import read_certificate


class Program(Client):
    """A client that speaks TLS, and shows a certificate if it is given one."""

    def __init__(self, hall: Hall, shown: Signed | None = None, host: str = "127.0.0.1") -> None:
        super().__init__(hall, 4001, host)

        def prepare(context: SSL.Context) -> None:
            if shown is not None:
                context.use_certificate(X509.from_cryptography(shown.certificate))
                context.use_privatekey(PKey.from_cryptography_key(shown.key))

        self.engine = TlsClient(prepare).engine

    def flush(self) -> bytes:
        with contextlib.suppress(SSL.WantReadError):
            return self.engine.bio_read(1 << 20)
        return b""

    def shake_hands(self) -> "Program":
        for _ in range(6):
            with contextlib.suppress(SSL.WantReadError):
                self.engine.do_handshake()
            said = self.flush()
            if said:
                self.protocol.dataReceived(said)
            self.receive()
        return self

    def receive(self) -> None:
        self.hall.settle()
        data = self.wire.take()
        if data:
            self.engine.bio_write(data)

    def type(self, data: bytes) -> None:
        self.engine.send(data)
        self.protocol.dataReceived(self.flush())
        self.hall.settle()

    def read(self) -> bytes:
        self.receive()
        with contextlib.suppress(SSL.WantReadError):
            return self.engine.recv(4096)
        return b""

    def lose(self) -> None:
        self.protocol.connectionLost(Failure(ConnectionLost()))
        self.hall.settle()


class Tls(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.authority = certificate("lab authority")
        (self.directory / "ca.pem").write_bytes(self.authority.pem)

    def hall(self, protocol: str = "raw", operator: str | None = None, asks: bool = True) -> Hall:
        authorities = Readable(self.directory / "ca.pem") if asks else None
        self.socket = entry(protocol, tls=True, client_ca=authorities, operator=operator)
        hall = Hall(self.directory, self.socket, pair=made_pair())
        self.console, self.line = hall.connected()
        return hall

    def test_bytes_both_ways_inside_tls(self) -> None:
        client = Program(self.hall(operator="alice", asks=False)).shake_hands()
        client.type(b"hello")
        self.assertEqual(bytes(self.line.sent), b"hello")
        self.console.link.output(b"world")
        self.assertEqual(client.read(), b"world")

    def test_the_common_name_is_the_operator(self) -> None:
        hall = self.hall("telnet")
        shown = certificate("alice", self.authority)
        Program(hall, shown).shake_hands()
        [attachment] = self.console.attachments
        proof = attachment.session.proof
        self.assertEqual((attachment.operator.name, proof.via), ("alice", "tls-certificate"))
        self.assertEqual(proof.fingerprint, read_certificate(shown.certificate).fingerprint)

    def test_an_operator_that_is_removed_while_its_socket_lives(self) -> None:
        hall = self.hall()
        client = Program(hall, certificate("alice", self.authority)).shake_hands()
        self.assertEqual(hall.reload(self.socket), 0)
        self.assertFalse(client.closed)
        del hall.known["alice"]
        self.assertEqual(hall.reload(self.socket), 1)
        self.assertEqual(len(self.console.attachments), 0)
        hall.clock.advance(CLOSE_TIMEOUT)  # it does not answer the end of TLS
        self.assertTrue(client.wire.aborted)

    def test_a_fixed_operator_for_every_certificate(self) -> None:
        Program(self.hall(operator="alice"), certificate("x", self.authority)).shake_hands()
        [attachment] = self.console.attachments
        self.assertEqual(attachment.operator.name, "alice")

    def test_who_is_refused(self) -> None:
        hall = self.hall()
        for shown, told in (
            (None, []),
            (certificate("nobody", self.authority), ["nobody failed: nobody is not an operator"]),
            (certificate("alice"), []),  # of another authority
        ):
            del hall.logins.told[:]
            with contextlib.suppress(SSL.Error):
                Program(hall, shown).shake_hands()
            self.assertEqual(hall.logins.told, told)
        hall.proofs["alice"] = "alice has to show totp"
        Program(hall, certificate("alice", self.authority)).shake_hands()
        self.assertEqual(hall.logins.told, ["alice failed: alice has to show totp"])
        del hall.proofs["alice"]
        shown = certificate("alice", self.authority)
        hall.locked.add(read_certificate(shown.certificate).fingerprint)
        Program(hall, shown).shake_hands()
        self.assertEqual(hall.logins.told[1:], ["alice failed: locked out"])
        self.assertEqual(len(self.console.attachments), 0)

    def test_a_handshake_that_takes_too_long(self) -> None:
        hall = self.hall(operator="alice")
        client = Program(hall)
        hall.clock.advance(HANDSHAKE_TIMEOUT)
        self.assertTrue(client.wire.aborted)

    def test_a_silent_one_gives_way(self) -> None:
        hall = self.hall(operator="alice", asks=False)
        silent = [Program(hall) for _ in range(HANDSHAKES_PER_ADDRESS)]
        self.assertFalse(silent[0].wire.aborted)
        client = Program(hall)
        self.assertTrue(silent[0].wire.aborted)
        silent[0].lose()
        client.shake_hands().type(b"x")
        self.assertEqual(bytes(self.line.sent), b"x")

    def test_of_all_addresses_too_many_are_in_the_middle_of_it(self) -> None:
        self.patch(factory, "HANDSHAKES", 3)
        hall = self.hall(operator="alice", asks=False)
        clients = [Program(hall, host=f"127.0.0.{number}") for number in range(1, 5)]
        aborted = [client.wire.aborted for client in clients]
        self.assertEqual(aborted, [True, False, False, False])

    def test_clear_text_is_not_answered(self) -> None:
        client = Program(self.hall(operator="alice", asks=False))
        client.say(b"\xff\xfb\x18")
        self.assertTrue(client.wire.aborted)
        client.lose()
        self.assertEqual(len(self.console.attachments), 0)
