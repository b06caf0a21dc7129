"""Key exchange: agreed strictly, and renewed."""

from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, mlkem, x25519
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.transport import SSHClientTransport, SSHTransportBase
from twisted.trial.unittest import SynchronousTestCase

from tests.ssh.bench import (
    GLOBAL_FAILURE,
    GLOBAL_REQUEST,
    HOST,
    SERVICE_REQUEST,
    Bench,
    Client,
    ask,
    server_of,
)
from vspc.ssh import limits
from vspc.ssh.crypto.exchange import STRICT_CLIENT, STRICT_SERVER
from vspc.ssh.keys import HostKey
from vspc.wire.ssh import SshReader, string, uint32

IGNORE, UNIMPLEMENTED, DEBUG, EXT_INFO = 2, 3, 4, 7
KEXINIT, NEWKEYS, EXCHANGE_INIT = 20, 21, 30


class StrictClient(Client):
    """Conch's client with strict key exchange added."""

    supportedKeyExchanges = [*SSHClientTransport.supportedKeyExchanges, STRICT_CLIENT]

    def _newKeys(self) -> None:
        self.outgoingPacketSequence = self.incomingPacketSequence = 0
        super()._newKeys()


class Telling(Client):
    """Tells EXT_INFO, and can say something in the middle of the first key exchange."""

    between: bytes | None = None
    before: bytes | None = None

    def connectionMade(self) -> None:
        if self.before is not None:
            self.transport: Any
            held, self.sendKexInit = self.sendKexInit, lambda: None  # type: ignore[method-assign]
            super().connectionMade()
            self.sendPacket(self.before[0], self.before[1:])
            self.sendKexInit = held  # type: ignore[method-assign]
            self.sendKexInit()
        else:
            super().connectionMade()

    def ssh_KEXINIT(self, packet: bytes) -> None:
        self.offer = packet
        if self.between is not None:
            # Conch would keep it until the exchange is over.
            state, self._keyExchangeState = self._keyExchangeState, self._KEY_EXCHANGE_NONE
            self.sendPacket(self.between[0], self.between[1:])
            self._keyExchangeState = state
        super().ssh_KEXINIT(packet)

    def ssh_EXT_INFO(self, packet: bytes) -> None:
        super().ssh_EXT_INFO(packet)
        self.messages.append((EXT_INFO, packet))


class StrictTelling(StrictClient, Telling):
    """Both."""


class HybridClient(Client):
    """mlkem768x25519-sha256 (draft-ietf-sshm-mlkem-hybrid-kex), which Conch's client lacks."""

    supportedKeyExchanges = [b"mlkem768x25519-sha256"]
    key: bytes | None = None

    def ssh_KEXINIT(self, packet: bytes) -> None:
        SSHTransportBase.ssh_KEXINIT(self, packet)
        self.old = x25519.X25519PrivateKey.generate()
        self.new = mlkem.MLKEM768PrivateKey.generate()
        if self.key is None:
            self.key = self.new.public_key().public_bytes_raw()
            self.key += self.old.public_key().public_bytes_raw()
        self.say(EXCHANGE_INIT, string(self.key))

    def ssh_KEX_DH_GEX_GROUP(self, packet: bytes) -> None:
        reader = SshReader(packet)
        host, reply, signature = reader.string(), reader.string(), reader.string()
        old = self.old.exchange(x25519.X25519PublicKey.from_public_bytes(reply[-32:]))
        secret = string(sha256(self.new.decapsulate(reply[:-32]) + old).digest())
        parts = [self.ourVersionString, self.otherVersionString]
        parts += [self.ourKexInitPayload, self.otherKexInitPayload]
        parts += [host, self.key or b"", reply]
        digest = sha256(b"".join(map(string, parts)) + secret).digest()
        assert Key.fromString(host).verify(signature, digest)
        self._keySetup(secret, digest)


class Guessing(Client):
    """Guesses a key exchange, wrongly, and says so."""

    def sendKexInit(self) -> None:
        send = self.sendPacket

        def altered(number: int, body: bytes) -> None:
            send(number, body[:-5] + b"\1" + bytes(4))

        self.sendPacket = altered  # type: ignore[method-assign]
        super().sendKexInit()
        self.sendPacket = send  # type: ignore[method-assign]
        self.ourKexInitPayload = self.ourKexInitPayload[:-5] + b"\1" + bytes(4)
        send(EXCHANGE_INIT, string(b"not what was agreed on"))


def say_instead(client: Client, key: bytes) -> None:
    """The public key of `client` is `key`, whatever it wanted to say."""
    send = client.sendPacket

    def altered(number: int, body: bytes) -> None:
        send(number, string(key) if number == EXCHANGE_INIT else body)

    client.sendPacket = altered  # type: ignore[method-assign]


class KeyExchangeTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.bench = Bench()
        self.bench.watch(self)

    def connect(self, client: Client) -> Any:
        return self.bench.connect(protocol=client)

    def test_every_key_exchange_of_the_client(self) -> None:
        ecdsa = HostKey(Path("ecdsa"), Key(ec.generate_private_key(ec.SECP256R1())))
        for bench in (Bench(), Bench(host_keys=[ecdsa])):
            for name in (
                b"curve25519-sha256",
                b"curve25519-sha256@libssh.org",
                b"ecdh-sha2-nistp256",
                b"ecdh-sha2-nistp384",
                b"ecdh-sha2-nistp521",
            ):
                client = Client()
                client.supportedKeyExchanges = [name]
                client.supportedPublicKeys = [b"ssh-ed25519", b"ecdsa-sha2-nistp256"]
                bench.connect(protocol=client)
                # NIST's curves are for those who want them: beside an ECDSA host key only.
                wanted = b"curve" in name or bench.ssh.privateKeys.keys() == {ecdsa.kind}
                self.assertEqual((wanted, not wanted), (client.secure, client.lost), name)

    def test_what_is_offered(self) -> None:
        reader = SshReader(self.connect(Telling()).offer)
        reader.take(16)
        lists = [reader.names() for _ in range(10)]
        self.assertEqual(b"mlkem768x25519-sha256", lists[0][0])
        self.assertIn(STRICT_SERVER, lists[0])
        self.assertEqual((b"ssh-ed25519",), lists[1])
        self.assertEqual(((b"none",), (b"none",)), (lists[6], lists[7]))
        offered = b",".join(name for names in lists for name in names)
        for weak in (b"sha1", b"cbc", b"md5", b"zlib", b"ssh-rsa", b"group1"):
            self.assertNotIn(weak, offered)

    def test_weak_clients_are_refused(self) -> None:
        for kind, names in (
            ("supportedKeyExchanges", [b"diffie-hellman-group14-sha1"]),
            ("supportedCiphers", [b"aes256-cbc", b"3des-cbc"]),
            ("supportedMACs", [b"hmac-sha1", b"hmac-md5"]),
            ("supportedCompressions", [b"zlib"]),
            ("supportedPublicKeys", [b"ssh-rsa", b"ssh-dss"]),
        ):
            client = Client()
            setattr(client, kind, names)
            self.connect(client)
            self.assertFalse(client.secure, kind)
            self.assertTrue(client.lost, kind)
        self.assertEqual(5, len(self.bench.logged("ssh-refused")))

    def test_users_may_sign_with_other_kinds_than_the_host_key(self) -> None:
        client = self.connect(Telling())
        self.bench.settle()
        value = client.peerExtensions[b"server-sig-algs"].split(b",")
        self.assertIn(b"rsa-sha2-512", value)
        self.assertIn(b"sk-ssh-ed25519@openssh.com", value)
        self.assertNotIn(b"ssh-rsa", value)
        self.assertEqual(["ssh-ed25519"], [HOST.kind.decode()])

    def test_strict_key_exchange_starts_numbers_again_each_time(self) -> None:
        bench = Bench(client=StrictClient)
        client = bench.logged_in()
        sequence = server_of(client).incoming.sequence
        self.assertLess(sequence, 4)
        client.sendKexInit()
        bench.settle()
        client.say(GLOBAL_REQUEST, string(b"x"), b"\1")
        bench.settle()
        self.assertEqual([b""], client.got(GLOBAL_FAILURE))
        self.assertEqual(1, server_of(client).incoming.sequence)

    def test_chatter_in_the_first_exchange_is_fatal_only_if_it_is_strict(self) -> None:
        for between in (bytes((IGNORE,)) + string(b""), bytes((DEBUG,)) + b"\0" + string(b"") * 2):
            for kind, survives in ((Telling, True), (StrictTelling, False)):
                client = kind()
                client.between = between
                self.connect(client)
                self.assertEqual(survives, client.secure)
                self.assertEqual(not survives, client.lost)

    def test_chatter_before_the_first_exchange_too(self) -> None:
        for kind, survives in ((Telling, True), (StrictTelling, False)):
            client = kind()
            client.before = bytes((IGNORE,)) + string(b"")
            self.connect(client)
            self.assertEqual(not survives, client.lost)

    def test_messages_out_of_order(self) -> None:
        for message in (NEWKEYS, EXCHANGE_INIT, 31, 34, SERVICE_REQUEST, EXT_INFO, 50, 80, 98):
            client = Telling()
            client.before = bytes((message,)) + string(b"")
            self.connect(client)
            self.assertTrue(client.lost, message)
        for message in (NEWKEYS, 32, 34, SERVICE_REQUEST, EXT_INFO, 50, KEXINIT):
            client = Telling()
            client.between = bytes((message,)) + string(b"")
            self.connect(client)
            self.assertTrue(client.lost, message)
        self.assertEqual(16, len(self.bench.logged("ssh-refused")))

    def test_public_keys_that_are_none(self) -> None:
        for name in (b"curve25519-sha256", b"curve25519-sha256@libssh.org"):
            for key in (b"", b"\0" * 32, b"\4" + b"\1" * 64, b"\0" * 1216):
                client = Client()
                client.supportedKeyExchanges = [name]
                say_instead(client, key)
                self.connect(client)
                self.assertFalse(client.secure)
                self.assertTrue(client.lost)

    def test_the_hybrid_key_exchange(self) -> None:
        client = self.connect(HybridClient())
        self.assertTrue(client.secure)
        client.say(SERVICE_REQUEST, string(b"ssh-userauth"))
        self.bench.settle()
        self.assertEqual([string(b"ssh-userauth")], client.got(6))

    def test_hybrid_keys_that_are_none(self) -> None:
        for key in (b"", bytes(1216), b"\xff" * 1216, bytes(1217)):
            client = HybridClient()
            client.key = key
            self.connect(client)
            self.assertTrue(client.lost, key)

    def test_a_wrong_guess_is_forgiven(self) -> None:
        client = self.connect(Guessing())
        self.assertTrue(client.secure)
        self.assertFalse(client.lost)

    def test_a_service_that_is_not_to_be_had(self) -> None:
        for name in (b"ssh-connection", b"no-such", b""):
            client = self.connect(Client())
            client.say(SERVICE_REQUEST, string(name))
            self.bench.settle()
            self.assertTrue(client.lost, name)

    def test_a_service_is_asked_for_again_before_the_login_and_not_behind_it(self) -> None:
        client = self.bench.asking()
        client.say(SERVICE_REQUEST, string(b"ssh-userauth"))
        self.bench.settle()
        self.assertEqual([string(b"ssh-userauth")] * 2, client.got(6))
        self.assertFalse(client.lost)
        client = self.bench.logged_in()
        client.say(SERVICE_REQUEST, string(b"ssh-userauth"))
        self.bench.settle()
        self.assertTrue(client.lost)

    def test_channels_before_the_login(self) -> None:
        client = self.bench.asking()
        client.say(90, string(b"session"), uint32(0) * 3)
        self.bench.settle()
        self.assertEqual([], self.bench.programs)
        self.assertEqual(1, len(client.got(UNIMPLEMENTED)))


class RekeyTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.bench = Bench(client=StrictClient)
        self.client = self.bench.logged_in()
        self.server = server_of(self.client)

    def test_after_an_hour_the_server_asks_for_new_keys(self) -> None:
        before = self.client.ourKexInitPayload
        for _ in range(int(limits.REKEY_INTERVAL)):
            self.client.say(IGNORE, string(b""))
            self.bench.pass_time(1)
        self.bench.settle()
        self.assertNotEqual(before, self.client.ourKexInitPayload)
        self.assertFalse(self.client.lost)
        self.assertFalse(self.server.exchanging)

    def test_a_client_that_does_not_take_part_in_one_is_disconnected(self) -> None:
        self.client.ssh_KEXINIT = lambda _packet: None
        self.patch(limits, "REKEY_BYTES", 1)
        self.client.say(IGNORE, string(b"x" * 100))
        self.bench.settle()
        self.assertTrue(self.server.exchanging)
        for second in range(int(limits.REKEY_TIMEOUT) - 1):
            self.assertFalse(self.client.lost, second)
            self.client.say(IGNORE, string(b""))  # it is there
            self.bench.pass_time(1)
        self.bench.pass_time(2)
        self.assertTrue(self.client.lost)

    def test_after_many_bytes_too_in_either_direction(self) -> None:
        self.patch(limits, "REKEY_BYTES", 200_000)
        number, program = self.bench.running(self.client)
        for send in (
            lambda: program.channel.write(b"x" * 60_000),
            lambda: self.client.say(94, uint32(number), string(b"x" * 30_000)),
        ):
            before = self.client.ourKexInitPayload
            for _ in range(8):
                send()
                self.bench.settle()
            self.assertNotEqual(before, self.client.ourKexInitPayload)
        self.assertEqual(480_000, len(self.client.bytes_of(7)))
        self.assertEqual(b"x" * 240_000, b"".join(program.heard))

    def test_output_waits_while_keys_are_exchanged(self) -> None:
        _, program = self.bench.running(self.client)
        self.server._renew_keys()
        self.assertEqual(0, program.channel.room())
        program.channel.write(b"short")
        self.assertEqual(b"", self.client.bytes_of(7))
        self.bench.settle()
        self.assertEqual(b"short", self.client.bytes_of(7))
        self.assertEqual(["drained"], program.heard)

    def test_a_client_that_never_agrees_on_keys_is_disconnected(self) -> None:
        self.client.ssh_KEXINIT = lambda packet: None
        self.server._renew_keys()
        for _ in range(60):
            self.client.transport.write(b"")
            self.bench.pass_time(1)
        self.assertTrue(self.client.lost)

    def test_replies_that_wait_for_keys_are_bounded(self) -> None:
        number = self.bench.session(self.client)
        self.client.ssh_KEXINIT = lambda packet: None
        self.server._renew_keys()
        self.patch(limits, "BACKLOG_LIMIT", 16 * 1024)
        for _ in range(limits.BACKLOG_LIMIT // 5 + 1):
            ask(self.client, number, b"env")
        self.bench.settle()
        self.assertTrue(self.client.lost)
