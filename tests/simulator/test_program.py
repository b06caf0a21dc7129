"""The whole simulator over loopback: plain, TLS, TLS within telnet, its control socket, its end."""

import json
import os
import signal
import socket
import stat
import sys
from collections.abc import Callable, Generator
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.internet import reactor as chosen
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import UNIXClientEndpoint, connectProtocol
from twisted.internet.error import CannotListenError, ProcessDone, ProcessTerminated
from twisted.internet.protocol import Factory, ProcessProtocol
from twisted.internet.ssl import PrivateCertificate
from twisted.internet.task import deferLater
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from tests.environment import private_environment
from tests.simulator.proxy import Proxy
from tests.simulator.support import PROMPT
from vspc.simulator import arguments, telnet
from vspc.simulator.program import SimulatorProgram
from vspc.simulator.telnet import AUTHENTICATION, DO, WILL, negotiate, subnegotiate

reactor: Any = chosen

Steps = Generator["Deferred[Any]", Any, None]


def certificate() -> PrivateCertificate:
    """Self-signed, new."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "proxy")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    both = private + made.public_bytes(serialization.Encoding.PEM)
    loaded: PrivateCertificate = PrivateCertificate.loadPEM(both)
    return loaded


class StartTls(Proxy):
    """Asks for TLS within telnet."""

    certificate: PrivateCertificate
    accepts = True
    clear = b""

    def negotiated(self, verb: int, option: int) -> None:
        if (verb, option) == (WILL, AUTHENTICATION):
            self.write(negotiate(DO, option) + subnegotiate(option, b"\x01\x07\x00"))
        else:
            super().negotiated(verb, option)

    def hear(self, event: telnet.Event) -> None:
        if event != telnet.WireSubnegotiation(AUTHENTICATION, b"\x00\x07\x00\x01"):
            super().hear(event)
            return
        transport: Any = self.transport
        if self.accepts:
            self.write(subnegotiate(AUTHENTICATION, b"\x02\x07\x00\x02"))
            transport.startTLS(self.certificate.options())
            self.secured()
        else:
            self.write(subnegotiate(AUTHENTICATION, b"\x02\x07\x00\x01"))

    def secured(self) -> None:
        """What is said again, now that it counts."""
        self.connectionMade()


class Caller(LineOnlyReceiver):
    """Says one command on the control socket at a time."""

    delimiter = b"\n"
    MAX_LENGTH = 1 << 20
    waiting: "Deferred[str]"

    def ask(self, text: str) -> "Deferred[str]":
        self.waiting = Deferred()
        self.sendLine(text.encode())
        return self.waiting

    def lineReceived(self, line: bytes) -> None:
        self.waiting.callback(line.decode())


class ProgramTestCase(TestCase):
    timeout = 60

    def setUp(self) -> None:
        self.proxies: list[Proxy] = []

    def listen(self, kind: type[Proxy], tls: PrivateCertificate | None = None) -> int:
        class Listener(Factory):
            noisy = False

            def buildProtocol(self, _address: object) -> Proxy:
                test.proxies.append(kind())
                return test.proxies[-1]

        test = self
        if tls is None:
            port = reactor.listenTCP(0, Listener(), interface="127.0.0.1")
        else:
            port = reactor.listenSSL(0, Listener(), tls.options(), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        number: int = port.getHost().port
        return number

    def start(self, uri: str, *words: str) -> SimulatorProgram:
        options = arguments.parse(["--proxy", uri, "--pace", "0", "--vmotion-time", "0.01", *words])
        program = SimulatorProgram(reactor, options)
        self.addCleanup(program.end)
        program.start()
        return program

    def until(self, condition: Callable[[], object]) -> "Deferred[None]":
        """Look again and again; the test's own time limit ends it."""
        if condition():
            done: Deferred[None] = Deferred()
            done.callback(None)
            return done
        later: Deferred[None] = deferLater(reactor, 0.01)
        return later.addCallback(lambda _: self.until(condition))

    def booted(self) -> "Deferred[None]":
        return self.until(lambda: self.proxies and self.proxies[-1].data.endswith(PROMPT))


class LoopbackTests(ProgramTestCase):
    @inlineCallbacks
    def test_a_vm_moves_to_another_address(self) -> Steps:
        program = self.start(f"telnet://127.0.0.1:{self.listen(Proxy)}", "--chop", "7")
        yield self.booted()
        report = yield program.fleet.machines[0].first.migrate("127.0.0.2", 0.0)
        self.assertEqual(report.outcome, "moved")
        peers = [self.address(proxy) for proxy in self.proxies]
        self.assertEqual(peers, ["127.0.0.1", "127.0.0.2"])
        self.proxies[-1].type(b"echo moved\r")
        yield self.until(lambda: b"\r\nmoved\r\n" + PROMPT in self.proxies[-1].data)
        yield self.until(lambda: self.proxies[0].lost)

    def address(self, proxy: Proxy) -> str:
        transport: Any = proxy.transport
        host: str = transport.getPeer().host
        return host

    @inlineCallbacks
    def test_tls_with_and_without_a_thumbprint(self) -> Steps:
        own = certificate()
        uri = f"telnets://127.0.0.1:{self.listen(Proxy, own)}"
        made = own.original.to_cryptography()
        marks = [made.fingerprint(kind).hex() for kind in (hashes.SHA1(), hashes.SHA256())]
        for fragment in ("", f"#thumbprint={marks[0]}", f"#thumbprint={marks[1].upper()}"):
            program = self.start(uri + fragment)
            yield self.booted()
            yield program.end()
            yield self.until(lambda: self.proxies[-1].lost)
            self.proxies.clear()

    @inlineCallbacks
    def test_a_certificate_that_is_not_the_pinned_one_is_refused(self) -> Steps:
        port = self.listen(Proxy, certificate())
        program = self.start(f"telnets://127.0.0.1:{port}#thumbprint={'ab' * 20}")
        yield self.until(lambda: self.proxies and self.proxies[0].lost)
        yield self.until(lambda: program.fleet.machines[0].first.state == "connecting")
        self.assertEqual(self.proxies[0].events, [])

    @inlineCallbacks
    def test_tls_begins_within_telnet_where_the_proxy_asks_for_it(self) -> Steps:
        StartTls.certificate = certificate()
        program = self.start(f"telnet://127.0.0.1:{self.listen(StartTls)}")
        yield self.booted()
        transport: Any = self.proxies[0].transport
        self.assertIsNotNone(transport.getPeerCertificate)
        self.assertEqual(program.fleet.machines[0].first.stats()["options_proxy"], [0, 1, 3])

    @inlineCallbacks
    def test_tls_refused_by_either_side_leaves_telnet(self) -> Steps:
        class Refuses(StartTls):
            accepts = False

        self.start(f"telnet://127.0.0.1:{self.listen(Refuses)}")
        yield self.booted()
        self.proxies.clear()
        self.start(f"telnet://127.0.0.1:{self.listen(StartTls)}", "--start-tls", "decline")
        yield self.booted()

    @inlineCallbacks
    def test_the_control_socket(self) -> Steps:
        path = self.mktemp() + ".sock"
        uri = f"telnet://127.0.0.1:{self.listen(Proxy)}"
        program = self.start(uri, "--vms", "3", "--control", path)
        yield self.until(
            lambda: all(vm.first.state == "connected" for vm in program.fleet.machines)
        )
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        caller = yield connectProtocol(UNIXClientEndpoint(reactor, path), Caller())
        answer = yield caller.ask("vmotion web2 127.0.0.5")
        self.assertRegex(answer, r"^ok moved in \d+ ms from 127\.0\.0\.1 to 127\.0\.0\.5$")
        answer = yield caller.ask("list")
        facts = json.loads(answer.removeprefix("ok "))
        self.assertEqual([vm["address"][-1] for vm in facts], ["1", "5", "1"])
        caller.transport.loseConnection()
        yield program.end()
        self.assertFalse(os.path.exists(path))

    def test_a_socket_that_nobody_listens_on_is_replaced_and_a_live_one_is_not(self) -> None:
        path = self.mktemp() + ".sock"
        uri = f"telnet://127.0.0.1:{self.listen(Proxy)}"
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(path)
        self.start(uri, "--control", path)
        self.assertRaises(CannotListenError, self.start, uri, "--control", path)

    @inlineCallbacks
    def test_vms_move_on_schedule(self) -> Steps:
        uri = f"telnet://127.0.0.1:{self.listen(Proxy)}"
        program = self.start(uri, "--vms", "2", "--vmotion-every", "0.1")
        yield self.until(lambda: all(vm.first.counters.moves > 1 for vm in program.fleet.machines))


class Child(ProcessProtocol):
    """A simulator in a process of its own."""

    def __init__(self) -> None:
        self.out = b""
        self.err = b""
        self.ended: Deferred[BaseException | None] = Deferred()

    def outReceived(self, data: bytes) -> None:
        self.out += data

    def errReceived(self, data: bytes) -> None:
        self.err += data

    def processEnded(self, reason: Failure) -> None:
        self.ended.callback(reason.value)


class ProcessTests(ProgramTestCase):
    def spawn(self, *words: str) -> Child:
        code = "import sys; from vspc.simulator.program import main; sys.exit(main(sys.argv[1:]))"
        child = Child()
        arguments = [sys.executable, "-c", code, *words]
        environment = private_environment(os.path.realpath(self.mktemp()))
        process = reactor.spawnProcess(child, sys.executable, arguments, environment)
        self.addCleanup(self.kill, process)
        child.makeConnection(process)
        return child

    def kill(self, process: Any) -> None:
        if process.pid is not None:
            process.signalProcess("KILL")

    @inlineCallbacks
    def test_a_signal_ends_it_cleanly(self) -> Steps:
        for number in (signal.SIGTERM, signal.SIGINT):
            child = self.spawn("--proxy", f"telnet://127.0.0.1:{self.listen(Proxy)}")
            yield self.booted()
            transport: Any = child.transport
            os.kill(transport.pid, number)
            reason = yield child.ended
            self.assertIsInstance(reason, ProcessDone)
            yield self.until(lambda: self.proxies[-1].lost)
            self.assertIn(b" line-up name=web1 address=127.0.0.1\n", child.err)
            self.assertNotIn(b"Traceback", child.err)
            self.proxies.clear()

    @inlineCallbacks
    def test_a_port_that_is_taken_ends_it(self) -> Steps:
        taken = self.listen(Proxy)
        uri = f"telnet://127.0.0.1:{taken}"
        child = self.spawn("--proxy", uri, "--guest", f"tcp-listen:127.0.0.1:{taken}")
        reason = yield child.ended
        self.assertIsInstance(reason, ProcessTerminated)
        self.assertEqual(reason.exitCode, 1)
        self.assertIn(b" cannot-listen reason=", child.err)

    @inlineCallbacks
    def test_commands_on_standard_input(self) -> Steps:
        uri = f"telnet://127.0.0.1:{self.listen(Proxy)}"
        child = self.spawn("--proxy", uri, "--control", "-", "--vmotion-time", "0")
        yield self.booted()
        transport: Any = child.transport
        transport.write(b"vmotion web1\nstats web1\nquit\n")
        reason = yield child.ended
        self.assertIsInstance(reason, ProcessDone)
        lines = child.out.decode().splitlines()
        self.assertRegex(lines[0], "^ok moved in")
        self.assertEqual(json.loads(lines[1].removeprefix("ok "))["moves"], 1)
        self.assertEqual(lines[2:], ["ok"])
