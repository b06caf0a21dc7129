"""Peers that speak something else than the listener: told at once, each with its own sentence."""

import contextlib
from collections.abc import Callable
from typing import Any

from OpenSSL import SSL
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionAborted
from twisted.internet.protocol import Protocol
from twisted.logger import LogEvent, globalLogPublisher
from twisted.python.failure import Failure
from twisted.test.iosim import FakeTransport, IOPump
from twisted.trial.unittest import SynchronousTestCase

from tests.audit.holding import Recorded
from tests.net.test_tls import Client, Wire, made_pair
from tests.vm.support import Scene
from vspc.audit.refusals import RecentRefusals
from vspc.audit.subscriber import AuditSubscriber
from vspc.console.audit import AccessRefusal
from vspc.console.events import VmRefused
from vspc.net.fair_tls import DiagnosedTlsFactory
from vspc.net.tls import ServerTls
from vspc.vm.lines.vmware import Terms
from vspc.vm.listen import vmware_factory
from vspc.vm.mismatch import REASONS, Mismatch
from vspc.wire.telnet import VMWARE, WILL, negotiation
from vspc.wire.vmware import DoProxy, VmName

HOST = IPv4Address("TCP", "10.0.0.5", 40000)
PROXY_1 = b"PROXY TCP4 10.1.2.3 10.0.0.1 40000 13370\r\n"
PROXY_2 = b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12)
HTTP = b"GET /health HTTP/1.1\r\nHost: vspc\r\n\r\n"
SSH = b"SSH-2.0-OpenSSH_9.2\r\n"


def client_hello(prepare: Callable[[SSL.Context], object] = lambda _: None) -> bytes:
    """What a TLS client says first."""
    engine = Client(prepare).engine
    with contextlib.suppress(SSL.WantReadError):
        engine.do_handshake()
    hello: bytes = engine.bio_read(65536)
    return hello


def mismatch_of(kept: AccessRefusal) -> Mismatch:
    """What `kept` was refused for."""
    [found] = [m for m in Mismatch if kept.reason.startswith(REASONS[m].partition("{")[0])]
    return found


class WrongProtocolTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.scene = Scene()
        clock = self.scene.clock
        self.recorded, self.refused = Recorded(), RecentRefusals(clock.wall)
        subscriber = AuditSubscriber(self.recorded, self.refused, clock.seconds, clock.wall)
        self.scene.events.subscribe(subscriber.handle, *subscriber.EVENTS)
        self.events: list[LogEvent] = []
        keep: Any = self.events.append
        globalLogPublisher.addObserver(keep)
        self.addCleanup(globalLogPublisher.removeObserver, keep)

    def logged(self) -> list[str]:
        return [str(e["reason"]) for e in self.events if e["log_format"] == "vm-refused"]

    def only(self) -> AccessRefusal:
        """The only refusal, which log, `refusals` and the audit file all have."""
        [kept] = self.refused.latest()
        self.assertEqual(self.logged(), [kept.reason])
        [line] = self.recorded.named("vm-refused")
        self.assertEqual((line["reason"], line["address"]), (kept.reason, "10.0.0.5"))
        return kept

    # At a telnet listener

    def telnet(self, *chunks: bytes) -> Any:
        host = self.scene.host("10.0.0.5")
        host.wire.take()
        for chunk in chunks:
            host.say(chunk)
        return host


class AtATelnetListener(WrongProtocolTest):
    def test_tls(self) -> None:
        self.assertTrue(self.telnet(client_hello()).closed)
        kept = self.only()
        self.assertIs(mismatch_of(kept), Mismatch.TLS_ON_TELNET)
        self.assertIn("telnets://", kept.reason)
        self.assertIn("vspc proxy-uri", kept.hint)

    def test_http(self) -> None:
        self.assertTrue(self.telnet(HTTP).closed)
        self.assertIs(mismatch_of(self.only()), Mismatch.HTTP)

    def test_a_proxy_header_of_either_version(self) -> None:
        for header in (PROXY_1, PROXY_2):
            self.setUp()
            self.assertTrue(self.telnet(header).closed)
            kept = self.only()
            self.assertIs(mismatch_of(kept), Mismatch.PROXY_HEADER)
            self.assertEqual(kept.hint, 'add to proxy_protocol_from of vm: "10.0.0.5/32"')

    def test_ssh(self) -> None:
        self.assertTrue(self.telnet(SSH).closed)
        self.assertIs(mismatch_of(self.only()), Mismatch.SSH)

    def test_byte_by_byte(self) -> None:
        for opening, mismatch in (
            (HTTP, Mismatch.HTTP),
            (PROXY_1, Mismatch.PROXY_HEADER),
            (client_hello(), Mismatch.TLS_ON_TELNET),
        ):
            self.setUp()
            self.telnet(*(opening[at : at + 1] for at in range(20)))
            self.assertIs(mismatch_of(self.only()), mismatch)

    def test_a_vm_that_agreed_on_telnet_may_say_what_it_likes(self) -> None:
        host = self.telnet(negotiation(WILL, VMWARE), HTTP)
        self.assertFalse(host.closed)
        self.assertEqual(self.refused.latest(), ())

    def test_output_before_any_telnet_is_no_protocol(self) -> None:
        host = self.telnet(b"Se", b"aBIOS")
        host.register()
        [console] = self.scene.roster
        self.assertEqual(console.history.read(0, 99), b"SeaBIOS")

    def test_a_flood_costs_ten_log_lines_a_minute(self) -> None:
        for _ in range(50):
            self.telnet(HTTP)
        self.assertEqual(len(self.logged()), 10)
        [kept] = self.refused.latest()
        self.assertEqual(kept.count, 50)

    def test_the_name_of_a_vm_that_has_said_it(self) -> None:
        host = self.telnet(negotiation(WILL, VMWARE))
        host.say(VmName(b"web01"), DoProxy(b"S", b"other"))
        kept = self.only()
        self.assertEqual((kept.name, kept.vm_name), ("default", "web01"))
        [line] = self.recorded.named("vm-refused")
        self.assertEqual(line["vm_name"], "web01")
        [told] = [e for e in self.events if e["log_format"] == "vm-refused"]
        self.assertEqual(told["name"], "web01")
        [refused] = [e for e in self.scene.happened if isinstance(e, VmRefused)]
        self.assertEqual(refused.said.name, "web01")


class AtATelnetsListener(WrongProtocolTest):
    def setUp(self) -> None:
        super().setUp()
        inner = vmware_factory(
            self.scene.server, lambda: Terms(("vspc",), self.scene.clock.seconds), True
        )
        self.factory = DiagnosedTlsFactory(ServerTls(made_pair()), False, inner)

    def connect(self, client: Protocol) -> None:
        """A connection of `client`, until nothing more is said."""
        outer = self.factory.buildProtocol(None)
        ours, theirs = FakeTransport(outer, True, peerAddress=HOST), FakeTransport(client, False)
        outer.makeConnection(ours)
        client.makeConnection(theirs)
        pump = IOPump(client, outer, theirs, ours, False)
        for _ in range(20):
            pump.pump()
            self.scene.clock.advance(0)

    def says(self, *chunks: bytes) -> None:
        class Plain(Protocol):
            def connectionMade(self) -> None:
                for chunk in chunks:
                    self.transport.write(chunk)  # type: ignore[union-attr]

        self.connect(Plain())

    def offers(self, prepare: Callable[[SSL.Context], object]) -> None:
        self.connect(Wire(Client(prepare)))

    def test_plain_telnet_whose_first_word_is_shorter_than_a_record_of_tls(self) -> None:
        self.says(b"\xff\xfb\x25")
        kept = self.only()
        self.assertIs(mismatch_of(kept), Mismatch.TELNET_ON_TLS)
        self.assertIn("vspc proxy-uri", kept.hint)
        self.assertFalse(self.scene.server.sessions)

    def test_old_tls_is_named(self) -> None:
        for version, name in ((SSL.TLS1_VERSION, "TLS 1.0"), (SSL.TLS1_1_VERSION, "TLS 1.1")):
            self.setUp()

            def prepare(context: SSL.Context, version: int = version) -> None:
                context.set_min_proto_version(version)
                context.set_max_proto_version(version)

            self.offers(prepare)
            kept = self.only()
            self.assertIs(mismatch_of(kept), Mismatch.OLD_TLS)
            self.assertIn(f"{name} at most", kept.reason)

    def test_no_shared_cipher(self) -> None:
        def prepare(context: SSL.Context) -> None:
            context.set_max_proto_version(SSL.TLS1_2_VERSION)
            context.set_cipher_list(b"AES128-SHA:@SECLEVEL=0")

        self.offers(prepare)
        kept = self.only()
        self.assertIs(mismatch_of(kept), Mismatch.NO_CIPHER)
        self.assertIn("cipherList=", kept.reason)

    def test_a_client_that_does_not_accept_our_certificate(self) -> None:
        self.offers(lambda context: context.set_verify(SSL.VERIFY_PEER, None))
        kept = self.only()
        self.assertIs(mismatch_of(kept), Mismatch.CERTIFICATE_REFUSED)
        self.assertIn("thumbprint", kept.hint)

    def test_http_ssh_and_proxy_headers(self) -> None:
        for opening, mismatch in (
            (HTTP, Mismatch.HTTP),
            (b"PROPFIND /", Mismatch.NO_TLS),
            (SSH, Mismatch.SSH),
            (PROXY_1, Mismatch.PROXY_HEADER),
            (PROXY_2, Mismatch.PROXY_HEADER),
            (bytes(300), Mismatch.NO_TLS),
        ):
            self.setUp()
            self.says(opening)
            self.assertIs(mismatch_of(self.only()), mismatch, opening)

    def test_a_vm_that_speaks_tls_is_not_refused(self) -> None:
        self.offers(lambda _context: None)
        self.assertEqual(self.refused.latest(), ())
        self.assertEqual(len(self.scene.server.sessions), 1)

    def test_one_that_goes_without_a_word_is_not_told(self) -> None:
        outer = self.factory.buildProtocol(None)
        outer.makeConnection(FakeTransport(outer, True, peerAddress=HOST))
        outer.connectionLost(Failure(ConnectionAborted()))
        self.assertEqual(self.refused.latest(), ())
