"""Connecting to other systems: names, addresses, time limits, and what is wrong with TLS."""

import contextlib
import errno
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import SSL
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.net.dialling import Dialling, lose
from tests.net.ends import Recorder
from tests.net.test_tls import Authority, made_pair
from vspc.net import outbound
from vspc.net.backoff import AGAIN, Backoff
from vspc.net.client_tls import ClientTls, TrustSettings
from vspc.net.outbound import ConnectFailed, Destination, FailureKind
from vspc.net.scheduler import Scheduler
from vspc.net.telnet_transport import LineTransport
from vspc.net.tls import ServerTls, TlsError, thumbprint

DEVICE = Destination("192.0.2.9", 4001)


class OutboundTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.dialling = Dialling()
        self.reactor = self.dialling.reactor
        self.addCleanup(self.dialling.outbound.close)
        self.built: list[str] = []
        self.protocol = Recorder()

    def build(self, address: str) -> LineTransport:
        self.built.append(address)
        scheduler = Scheduler(self.reactor.callLater, self.reactor.seconds)
        share = scheduler.share(address)
        return LineTransport(lambda: self.protocol, self.reactor.seconds, share)

    def connect(
        self,
        destination: Destination = DEVICE,
        tls: ClientTls | None = None,
        permits: Callable[[str], bool] = outbound.anywhere,
    ) -> "Deferred[LineTransport]":
        work = self.dialling.outbound.connect(destination, self.build, tls, permits)
        return Deferred.fromCoroutine(work)

    def why(self, connecting: "Deferred[LineTransport]") -> tuple[FailureKind, str]:
        """Why it failed."""
        failed = self.failureResultOf(connecting, ConnectFailed).value
        assert isinstance(failed, ConnectFailed)
        return failed.kind, str(failed)


class Connecting(OutboundTest):
    def test_the_protocol_is_there_once_it_is_connected(self) -> None:
        connecting = self.connect()
        asked = self.dialling.take()
        self.assertEqual((asked.address, asked.port), ("192.0.2.9", 4001))
        self.assertNoResult(connecting)
        wire = asked.accept()
        self.assertIs(self.successResultOf(connecting).protocol, self.protocol)
        wire.above.dataReceived(b"login: ")
        self.assertEqual(self.protocol.heard(), b"login: ")
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_a_unix_socket_has_no_address(self) -> None:
        connecting = self.connect(Destination("/run/vm"), permits=lambda _: False)
        asked = self.dialling.take()
        self.assertEqual((asked.address, asked.port), ("/run/vm", None))
        asked.refuse(errno.ENOENT)
        reason = "cannot connect to unix:/run/vm: No such file or directory"
        self.assertEqual(self.why(connecting), (FailureKind.OTHER, reason))

    def test_reasons_are_words(self) -> None:
        for number, kind, reason in (
            (errno.ECONNREFUSED, FailureKind.REFUSED, "connection refused by 192.0.2.9:4001"),
            (errno.EHOSTUNREACH, FailureKind.OTHER, "no route to 192.0.2.9:4001"),
            (errno.ETIMEDOUT, FailureKind.SILENT, "no answer from 192.0.2.9:4001"),
            (
                errno.EMFILE,
                FailureKind.OTHER,
                "cannot connect to 192.0.2.9:4001: Too many open files",
            ),
        ):
            connecting = self.connect()
            self.dialling.take().refuse(number)
            self.assertEqual(self.why(connecting), (kind, reason))

    def test_a_silent_host_has_ten_seconds(self) -> None:
        connecting = self.connect(Destination("2001:db8::9", 22))
        asked = self.dialling.take()
        self.reactor.advance(outbound.LIMIT)
        self.assertTrue(asked.cancelled)
        reason = "no answer from [2001:db8::9]:22 within 10 s"
        self.assertEqual(self.why(connecting), (FailureKind.SILENT, reason))
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_a_wait_that_is_cancelled_ends_the_attempt(self) -> None:
        connecting = self.connect()
        asked = self.dialling.take()
        connecting.cancel()
        self.failureResultOf(connecting, CancelledError)
        self.assertTrue(asked.cancelled)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_only_so_many_connections_are_made_at_once(self) -> None:
        every = [self.connect() for _ in range(outbound.AT_ONCE + 2)]
        self.assertEqual(len(self.reactor.dialled), outbound.AT_ONCE)
        every[-1].cancel()
        self.failureResultOf(every[-1], CancelledError)
        self.reactor.dialled.pop(0).refuse()
        self.failureResultOf(every[0], ConnectFailed)
        self.assertEqual(len(self.reactor.dialled), outbound.AT_ONCE)
        for asked in self.reactor.dialled:
            asked.refuse()
        for one in every[1:-1]:
            self.failureResultOf(one, ConnectFailed)


class Names(OutboundTest):
    def test_all_addresses_are_tried_in_turn(self) -> None:
        self.dialling.hosts["moxa"] = ["2001:db8::9", "192.0.2.9"]
        connecting = self.connect(Destination("moxa", 4001))
        self.reactor.thread()
        self.assertEqual(self.dialling.take().address, "2001:db8::9")
        self.reactor.advance(outbound.LIMIT / 2)
        asked = self.dialling.take()
        self.assertEqual(asked.address, "192.0.2.9")
        asked.refuse()
        reason = "connection refused by moxa:4001 (192.0.2.9)"
        self.assertEqual(self.why(connecting), (FailureKind.REFUSED, reason))
        self.assertEqual(self.built, ["2001:db8::9", "192.0.2.9"])

    def test_of_very_many_addresses_the_first_are_tried(self) -> None:
        self.dialling.hosts["moxa"] = [f"192.0.2.{n}" for n in range(1, 9)]
        connecting = self.connect(Destination("moxa", 4001))
        self.reactor.thread()
        for _ in range(outbound.ADDRESSES):
            self.dialling.take().refuse()
        self.assertEqual(self.why(connecting)[0], FailureKind.REFUSED)
        self.assertEqual(self.built, [f"192.0.2.{n}" for n in range(1, outbound.ADDRESSES + 1)])

    def test_what_is_checked_is_what_is_connected_to(self) -> None:
        self.dialling.hosts["moxa"] = ["127.0.0.1", "192.0.2.9"]
        permits = "192.0.2.9".__eq__
        self.connect(Destination("moxa", 4001), permits=permits)
        self.reactor.thread()
        self.assertEqual(self.dialling.take().address, "192.0.2.9")
        self.dialling.hosts["moxa"] = ["127.0.0.1"]
        connecting = self.connect(Destination("moxa", 4001), permits=permits)
        self.reactor.thread()
        reason = "moxa:4001 (127.0.0.1) is not an allowed address"
        self.assertEqual(self.why(connecting), (FailureKind.NOT_ALLOWED, reason))
        self.assertEqual(self.reactor.dialled, [])

    def test_an_address_is_checked_too(self) -> None:
        connecting = self.connect(permits=lambda _: False)
        self.assertEqual(self.why(connecting)[0], FailureKind.NOT_ALLOWED)

    def test_a_name_that_is_not_known(self) -> None:
        for error, reason in (
            (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
            (UnicodeError("label too long"), "not a host name"),
        ):
            self.dialling.hosts["nowhere"] = error
            connecting = self.connect(Destination("nowhere", 4001))
            self.reactor.thread()
            self.assertEqual(
                self.why(connecting), (FailureKind.UNKNOWN_NAME, f"nowhere was not found: {reason}")
            )
        self.dialling.hosts["nowhere"] = []
        connecting = self.connect(Destination("nowhere", 4001))
        self.reactor.thread()
        self.assertEqual(self.why(connecting), (FailureKind.UNKNOWN_NAME, "nowhere has no address"))

    def test_a_resolver_that_hangs_does_not_hold_up_the_caller(self) -> None:
        begun, release = threading.Semaphore(0), threading.Event()
        self.addCleanup(release.set)

        def hang(_host: str) -> list[str]:
            begun.release()
            release.wait()
            return ["192.0.2.9"]

        self.dialling.outbound.look_up = hang
        every = [self.connect(Destination(f"h{n}", 23)) for n in range(outbound.RESOLVERS + 1)]
        for _ in range(outbound.RESOLVERS):
            self.assertTrue(begun.acquire(timeout=10))
        self.reactor.advance(outbound.LOOK_UP)
        for number, one in enumerate(every):
            reason = f"h{number} was not looked up within 5 s"
            self.assertEqual(self.why(one), (FailureKind.UNKNOWN_NAME, reason))
        self.patch(outbound, "LOOK_UPS", 1)  # one waits still, though nobody does for it
        reason = "one-more cannot be looked up: the system's resolver does not answer"
        one_more = self.connect(Destination("one-more", 23))
        self.assertEqual(self.why(one_more), (FailureKind.UNKNOWN_NAME, reason))
        release.set()
        for _ in range(outbound.RESOLVERS):
            self.reactor.thread()
        self.assertEqual(self.reactor.dialled, [])

    def test_the_system_is_asked_for_addresses(self) -> None:
        self.assertEqual(outbound.look_up("127.0.0.1"), ["127.0.0.1"])


class Device:
    """The other end of a wire, with TLS."""

    def __init__(self, creator: ServerTls, wire: Any, reactor: Any) -> None:
        self.wire = wire
        self.reactor = reactor
        context = creator._context
        self.engine = SSL.Connection(context, None)
        self.engine.set_accept_state()
        self.heard = b""

    def settle(self, *said: bytes) -> None:
        """Bytes go to and fro until there are none; `said` is said once the handshake is over."""
        words = list(said)
        while True:
            self.reactor.advance(0)
            came = self.wire.take()
            if came:
                self.engine.bio_write(came)
            with contextlib.suppress(SSL.Error):
                self.heard += self.engine.recv(1 << 16)
            with contextlib.suppress(SSL.Error):
                if words and self.engine.get_finished() and self.engine.get_peer_finished():
                    self.engine.send(words.pop(0))
            sent = self._flush()
            if not (came or sent):
                return
            if sent and not self.wire.aborted:
                self.wire.above.dataReceived(sent)

    def _flush(self) -> bytes:
        try:
            return self.engine.bio_read(1 << 20)
        except SSL.WantReadError:
            return b""


class Secured(OutboundTest):
    def setUp(self) -> None:
        super().setUp()
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.pair = made_pair()

    def file(self, name: str, data: bytes) -> Path:
        path = self.directory / name
        path.write_bytes(data)
        return path

    def meet(
        self, settings: TrustSettings, host: str = "127.0.0.1", server: ServerTls | None = None
    ) -> tuple["Deferred[LineTransport]", Device]:
        """Dial a device with TLS that says hello."""
        connecting = self.connect(Destination(host, 992), ClientTls(settings))
        device = Device(server or ServerTls(self.pair), self.dialling.take().accept(), self.reactor)
        device.settle(b"hello")
        return connecting, device

    def pinned(self, algorithm: str = "sha256") -> bytes:
        return bytes.fromhex(thumbprint(self.pair, algorithm).replace(":", ""))

    def test_a_thumbprint_of_either_kind_is_enough(self) -> None:
        for algorithm in ("sha1", "sha256"):
            self.protocol = Recorder()
            settings = TrustSettings(thumbprint=self.pinned(algorithm))
            connecting, device = self.meet(settings, "192.0.2.9")
            line = self.successResultOf(connecting)
            self.assertEqual(self.protocol.heard(), b"hello")
            line.write(b"root\r")
            device.settle()
            self.assertEqual(device.heard, b"root\r")

    def test_the_reason_has_the_thumbprint_that_was_met(self) -> None:
        connecting, device = self.meet(TrustSettings(thumbprint=bytes(32)))
        kind, reason = self.why(connecting)
        self.assertEqual(kind, FailureKind.TLS)
        met = thumbprint(self.pair, "sha256")
        self.assertEqual(
            reason,
            f"TLS with 127.0.0.1:992 failed: its certificate has the thumbprint {met}",
        )
        self.assertTrue(device.wire.aborted)
        self.assertEqual(self.protocol.happened, [])

    def test_an_authority_of_ours(self) -> None:
        settings = TrustSettings(ca=self.file("ca.pem", self.pair.certificate))
        connecting, _ = self.meet(settings)
        self.successResultOf(connecting)

    def test_a_certificate_that_nobody_vouches_for(self) -> None:
        other = self.file("ca.pem", Authority().pem)
        connecting, device = self.meet(TrustSettings(ca=other))
        self.assertIn("not accepted: it is self-signed; thumbprint ", self.why(connecting)[1])
        self.assertTrue(device.wire.aborted)

    def test_the_name_has_to_be_that_of_the_host_or_the_one_that_is_given(self) -> None:
        ca = self.file("ca.pem", self.pair.certificate)
        connecting, _ = self.meet(TrustSettings(ca=ca), "192.0.2.9")
        self.assertIn("not accepted: it is not for 192.0.2.9; ", self.why(connecting)[1])
        settings = TrustSettings(ca=ca, peer_name="vspc.example")
        self.successResultOf(self.meet(settings, "192.0.2.9")[0])

    def test_one_that_has_expired(self) -> None:
        authority = Authority()
        server = ServerTls(authority.host(days=-1))
        connecting, _ = self.meet(TrustSettings(self.file("ca.pem", authority.pem)), server=server)
        self.assertIn("not accepted: it has expired; ", self.why(connecting)[1])

    def test_the_name_is_said_before_the_certificate_is_chosen(self) -> None:
        self.dialling.hosts["moxa.example"] = ["192.0.2.9"]
        for host, settings, said in (
            ("moxa.example", TrustSettings(thumbprint=self.pinned()), b"moxa.example"),
            ("192.0.2.9", TrustSettings(thumbprint=self.pinned()), None),
            (
                "192.0.2.9",
                TrustSettings(thumbprint=self.pinned(), peer_name="x.example"),
                b"x.example",
            ),
        ):
            connecting = self.connect(Destination(host, 992), ClientTls(settings))
            if host == "moxa.example":
                self.reactor.thread()
            server = ServerTls(self.pair)
            device = Device(server, self.dialling.take().accept(), self.reactor)
            device.settle()
            self.successResultOf(connecting)
            self.assertEqual(device.engine.get_servername(), said)

    def test_a_list_of_ciphers_of_its_own(self) -> None:
        settings = TrustSettings(thumbprint=self.pinned(), ciphers="ECDHE+AESGCM")
        self.successResultOf(self.meet(settings)[0])
        error = self.assertRaises(TlsError, ClientTls, TrustSettings(ciphers="NOSUCH"))
        self.assertEqual(str(error), "no cipher suite is called NOSUCH")

    def test_our_own_certificate_is_shown(self) -> None:
        authority = Authority()
        ours = authority.host()
        server = ServerTls(self.pair, self.file("root.pem", authority.pem))
        settings = TrustSettings(
            thumbprint=self.pinned(),
            certificate=self.file("ours.pem", ours.certificate),
            private_key=self.file("ours.key", ours.private_key),
        )
        connecting, device = self.meet(settings, server=server)
        self.successResultOf(connecting)
        shown = device.engine.get_peer_certificate(as_cryptography=True)
        self.assertEqual(shown, x509.load_pem_x509_certificate(ours.certificate))

    def test_files_that_cannot_be_used(self) -> None:
        for settings in (
            TrustSettings(ca=self.directory / "none.pem"),
            TrustSettings(
                certificate=self.file("a", self.pair.certificate),
                private_key=self.file("b", made_pair().private_key),
            ),
        ):
            self.assertRaises(TlsError, ClientTls, settings)

    def test_a_device_without_tls_is_recognised(self) -> None:
        for said, reason in (
            (b"\xff\xfd\x00", "it speaks telnet without TLS"),
            (b"SSH-2.0-x\r\n", "it speaks SSH"),
            (b"Welcome to the switch\r\n", "it does not speak TLS"),
        ):
            connecting = self.connect(tls=ClientTls(TrustSettings(thumbprint=bytes(20))))
            wire = self.dialling.take().accept()
            wire.above.dataReceived(said)
            lose(wire)
            self.assertEqual(
                self.why(connecting),
                (FailureKind.TLS, f"TLS with 192.0.2.9:4001 failed: {reason}"),
            )

    def test_a_device_that_closes_at_once(self) -> None:
        connecting = self.connect(tls=ClientTls(TrustSettings(thumbprint=bytes(20))))
        lose(self.dialling.take().accept())
        self.assertIn("failed: it closed the connection", self.why(connecting)[1])

    def test_a_handshake_that_stalls_has_the_same_ten_seconds(self) -> None:
        connecting = self.connect(tls=ClientTls(TrustSettings(thumbprint=bytes(20))))
        wire = self.dialling.take().accept()
        self.reactor.advance(outbound.LIMIT)
        self.assertTrue(wire.aborted)
        self.assertEqual(self.why(connecting)[0], FailureKind.SILENT)
        self.assertEqual(self.reactor.getDelayedCalls(), [])


class Pauses(SynchronousTestCase):
    @given(st.lists(st.tuples(st.floats(0, 300), st.floats(0, 1), st.booleans())))
    def test_jitter_makes_a_pause_shorter_and_never_too_short(
        self, steps: list[tuple[float, float, bool]]
    ) -> None:
        jitter = 0.0
        backoff, now = Backoff(120.0, 10.0, lambda: jitter), 0.0
        for later, less, recovers in steps:
            now, jitter = now + later, less
            backoff.fail(now, False)
            self.assertTrue(AGAIN - 1e-6 <= backoff.retry - now <= 120 + 1e-6)
            if recovers:
                backoff.recover(now)
