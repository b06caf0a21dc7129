"""Several host keys: used, told to clients, proved once."""

from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from twisted.conch.ssh.keys import Key
from twisted.trial.unittest import SynchronousTestCase

from tests.ssh.bench import (
    GLOBAL_FAILURE,
    GLOBAL_REQUEST,
    HOST,
    Bench,
    Client,
    server_of,
)
from vspc.ssh.connection import HOST_KEYS
from vspc.ssh.keys import PROVE, HostKey
from vspc.wire.ssh import SshReader, string

GLOBAL_SUCCESS = 81
RSA = HostKey(Path("rsa"), Key(rsa.generate_private_key(65537, 2048)))
ECDSA = HostKey(Path("ecdsa"), Key(ec.generate_private_key(ec.SECP384R1())))
STRANGE = HostKey(Path("strange"), Key(ec.generate_private_key(ec.SECP384R1())))


class Preferring(Client):
    """Wants one kind of host key."""

    wanted = b"ssh-ed25519"

    def connectionMade(self) -> None:
        self.supportedPublicKeys = [self.wanted]
        super().connectionMade()

    def verifyHostKey(self, hostKey: bytes, fingerprint: bytes) -> Any:
        self.shown = hostKey
        return super().verifyHostKey(hostKey, fingerprint)


class RsaClient(Preferring):
    wanted = b"rsa-sha2-256"


class EcdsaClient(Preferring):
    wanted = b"ecdsa-sha2-nistp384"


class HostKeyTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.keys = [HOST, RSA, ECDSA]

    def client(self, kind: type[Client] = Preferring) -> Any:
        self.bench = Bench(host_keys=self.keys, client=kind)
        return self.bench.logged_in()

    def prove(self, client: Any, *blobs: bytes, reply: bytes = b"\1") -> None:
        client.say(GLOBAL_REQUEST, string(PROVE), reply, *map(string, blobs))
        self.bench.settle()

    def test_the_client_chooses(self) -> None:
        for kind, key in ((Preferring, HOST), (RsaClient, RSA), (EcdsaClient, ECDSA)):
            self.assertEqual(key.blob, self.client(kind).shown)

    def test_all_are_sent_once_after_the_login(self) -> None:
        [told] = self.client().got(GLOBAL_REQUEST)
        reader = SshReader(told)
        self.assertEqual((HOST_KEYS, False), (reader.string(), reader.boolean()))
        blobs = []
        while not reader.ended:
            blobs.append(reader.string())
        self.assertEqual([key.blob for key in self.keys], blobs)

    def test_one_key_is_not_worth_telling(self) -> None:
        self.keys = [HOST]
        self.assertEqual([], self.client().got(GLOBAL_REQUEST))

    def test_each_is_proved(self) -> None:
        for kind, algorithm in ((Preferring, b"rsa-sha2-512"), (RsaClient, b"rsa-sha2-256")):
            client = self.client(kind)
            self.prove(client, ECDSA.blob, RSA.blob)
            reader = SshReader(client.got(GLOBAL_SUCCESS)[0])
            for key, name in ((ECDSA, b"ecdsa-sha2-nistp384"), (RSA, algorithm)):
                signature = reader.string()
                text = string(PROVE) + string(client.sessionID) + string(key.blob)
                self.assertEqual(name, SshReader(signature).string())
                self.assertTrue(key.public.verify(signature, text))
            reader.end()

    def test_only_keys_of_the_server_each_once_and_one_request(self) -> None:
        for blobs in ((STRANGE.blob,), (RSA.blob, STRANGE.blob), (RSA.blob, RSA.blob), ()):
            client = self.client()
            self.prove(client, *blobs)
            self.assertEqual([b""], client.got(GLOBAL_FAILURE), len(blobs))
        client = self.client()
        for _ in range(100):
            self.prove(client, RSA.blob)
        self.assertEqual(
            (1, 99), (len(client.got(GLOBAL_SUCCESS)), len(client.got(GLOBAL_FAILURE)))
        )

    def test_a_request_without_want_reply_is_not_answered(self) -> None:
        client = self.client()
        self.prove(client, RSA.blob, reply=b"\0")
        self.assertEqual([], client.got(GLOBAL_SUCCESS) + client.got(GLOBAL_FAILURE))

    def test_what_is_malformed_ends_the_connection(self) -> None:
        client = self.client()
        client.say(GLOBAL_REQUEST, string(PROVE), b"\1", b"\0\0\1\0short")
        self.bench.settle()
        self.assertTrue(client.lost)
        self.assertTrue(server_of(client).ended)
