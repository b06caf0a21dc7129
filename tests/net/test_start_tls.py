"""TLS inside a telnet connection, over real sockets: the engine is Twisted's and OpenSSL's."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from OpenSSL import SSL
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, connectProtocol
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import PrivateCertificate
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from tests.net.ends import Recorder
from vspc.net.scheduler import Scheduler
from vspc.net.telnet_transport import LineTransport
from vspc.wire.starttls import IS_START, REPLY_ACCEPTED
from vspc.wire.telnet import AUTHENTICATION, BRK, command, subnegotiation

START = subnegotiation(AUTHENTICATION, IS_START)
ACCEPTED = subnegotiation(AUTHENTICATION, REPLY_ACCEPTED)


def server_options() -> IOpenSSLServerConnectionCreator:
    """TLS with a certificate made for the occasion."""
    key = generate_private_key(SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "vspc")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1)
    certificate = (
        builder.not_valid_before(now - timedelta(1))
        .not_valid_after(now + timedelta(1))
        .sign(key, SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    both = certificate.public_bytes(Encoding.PEM) + pem
    options: IOpenSSLServerConnectionCreator = PrivateCertificate.loadPEM(both).options()
    return options


class Server(Recorder):
    """Starts TLS when it is asked to; `lost` fires when the line is gone."""

    def __init__(self, options: IOpenSSLServerConnectionCreator) -> None:
        super().__init__()
        self._options = options
        self.lost: Deferred[None] = Deferred()

    def unhandledSubnegotiation(self, option: bytes, body: bytes) -> None:
        self.transport.requestNegotiation(option, REPLY_ACCEPTED)
        self.transport.startTLS(self._options)

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        if self.heard().endswith(b"?"):
            self.transport.write(b"\xff!")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost.callback(None)


class Client(Protocol):
    """An ESXi host that sends `first` in one segment, then TLS by hand; keeps what it is told."""

    def __init__(self, rest: bytes | None = None) -> None:
        self.answer: Deferred[bytes] = Deferred()
        self._tls = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), None)
        self._tls.set_connect_state()
        self._rest = rest
        self._clear = b""
        self._asked = False

    def connectionMade(self) -> None:
        self._shake_hands()
        hello = self._tls.bio_read(65536)
        self._write(b"clear" + START + (hello if self._rest is None else self._rest))

    def dataReceived(self, data: bytes) -> None:
        if len(self._clear) < len(ACCEPTED):
            self._clear += data
            data, self._clear = self._clear[len(ACCEPTED) :], self._clear[: len(ACCEPTED)]
        if data:
            self._tls.bio_write(data)
        if not self._asked:
            self._asked = self._shake_hands()
            if self._asked:
                self._tls.send(command(BRK) + b"secret\xff\xff?")
            self._flush()
        else:
            self._read()

    def _shake_hands(self) -> bool:
        try:
            self._tls.do_handshake()
        except SSL.WantReadError:
            return False
        return True

    def _read(self) -> None:
        try:
            data = self._tls.recv(100)
        except SSL.WantReadError:
            return
        self.answer.callback(self._clear + data)

    def _flush(self) -> None:
        try:
            self._write(self._tls.bio_read(65536))
        except SSL.WantReadError:
            return

    def _write(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)


class StartTls(TestCase):
    timeout = 20

    async def connect(self, client: Client) -> Server:
        server = Server(server_options())
        scheduler = Scheduler(reactor.callLater, reactor.seconds)

        def make() -> LineTransport:
            return LineTransport(lambda: server, reactor.seconds, scheduler.share("127.0.0.1"))

        factory = Factory.forProtocol(make)
        port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(factory)
        self.addCleanup(port.stopListening)
        await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port), client)
        return server

    async def test_a_client_hello_in_the_same_segment_as_start_belongs_to_tls(self) -> None:
        client = Client()
        server = await self.connect(client)
        self.assertEqual(await client.answer, ACCEPTED + b"\xff\xff!")
        wanted = [("data", b"clear"), ("command", b"\xf3", None), ("data", b"secret\xff?")]
        self.assertEqual(server.happened, wanted)
        assert client.transport is not None
        client.transport.loseConnection()
        await server.lost

    async def test_clear_text_instead_is_not_delivered_and_ends_the_line(self) -> None:
        server = await self.connect(Client(rest=b"typed in clear\r\n"))
        await server.lost
        self.assertEqual(server.happened, [("data", b"clear")])
