"""Alerts on their way out: a real web server, with TLS or without, real programs, real sockets."""

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from attrs import evolve
from twisted.internet import reactor as any_reactor
from twisted.internet import ssl
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.error import ConnectionAborted
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from tests.alerts.support import settings
from tests.auth.scripts import lives, until
from tests.net.authorities import certificate
from vspc.alerts.actions import (
    SYSLOG_TEXT,
    CommandAction,
    SyslogAction,
    action_of,
    syslog_message,
)
from vspc.alerts.delivery import AlertAction, Undelivered
from vspc.alerts.facts import trial_facts
from vspc.alerts.queue import QueuedAlert
from vspc.common.worker import WorkerPool
from vspc.config.alert_settings import AlertSettings
from vspc.config.alerting import HeadersFile, WebhookFile, WebhookUrl
from vspc.config.values import ProgramPath, Target
from vspc.net import http_post
from vspc.net.http_post import ANSWER, CLOSING, _Connections
from vspc.net.reactor import ReactorClock
from vspc.net.waiting import within

reactor: Any = any_reactor

DEADLINE = 20.0


def item(line: str = "Kernel panic") -> QueuedAlert:
    facts = trial_facts("oncall", 1_700_000_000.25) | {"line": line, "lines": ["one", "two", line]}
    return QueuedAlert.of(facts, 1_700_000_000.25)


class Hook(Resource):
    """Answers with `status`, or not at all."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.status = 204
        self.is_silent = False
        self.posts: list[tuple[str, dict[str, str], bytes]] = []

    def render_POST(self, request: Any) -> Any:
        headers = {
            key.decode().lower(): values[0].decode()
            for key, values in request.requestHeaders.getAllRawHeaders()
        }
        self.posts.append((request.uri.decode(), headers, request.content.read()))
        if self.is_silent:
            return NOT_DONE_YET
        request.setResponseCode(self.status)
        if 300 <= self.status < 400:
            request.setHeader(b"Location", b"http://127.0.0.1:1/elsewhere")
        return b"x" * (1 << 20) if self.status == 200 else b""


class EndlessAnswer(Protocol):
    """Headers, as long as they are read."""

    factory: "Endless"

    def dataReceived(self, data: bytes) -> None:
        self.transport.registerProducer(self, False)  # type: ignore[union-attr]

    def resumeProducing(self) -> None:
        assert self.transport is not None
        if not self.factory.sent:
            self.transport.write(b"HTTP/1.1 200 OK\r\n")
        self.factory.sent += 1
        self.transport.write(b"X-Header: " + b"x" * 8000 + b"\r\n")

    def stopProducing(self) -> None:
        pass

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.factory.left += 1


class Endless(Factory):
    protocol: Any = EndlessAnswer
    noisy = False

    def __init__(self) -> None:
        self.sent = self.left = 0


class ActionTest(TestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.pool = WorkerPool("t", lambda: None)
        self.addCleanup(self.pool.close)

    def action(self, of: AlertSettings) -> AlertAction:
        clock, places = ReactorClock(reactor), DeferredSemaphore(2)
        from_thread: Callable[[Callable[[], None]], None] = reactor.callFromThread
        return action_of(of, reactor, clock, self.pool.submit, from_thread, places)

    async def deliver(self, action: AlertAction, sent: QueuedAlert | None = None) -> str:
        """Why it failed, or ""; "refused: " in front where the other side does not take it."""
        try:
            await within(ReactorClock(reactor), DEADLINE, action.deliver(sent or item()))
        except Undelivered as error:
            return f"{'refused: ' if error.is_refused else ''}{error}"
        return ""


class Webhooks(ActionTest):
    def setUp(self) -> None:
        super().setUp()
        self.hook = Hook()
        self.site = Site(self.hook)

    def listen(self) -> int:
        port = reactor.listenTCP(0, self.site, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        return int(port.getHost().port)

    def listen_tls(self, *names: str) -> tuple[int, Path]:
        """The port of a server with a certificate for `names`, and the file of its authority."""
        root = certificate("root")
        signed = certificate("server", root, names=names)
        pair: Any = ssl.PrivateCertificate.loadPEM(signed.pem + signed.key_pem)
        port = reactor.listenSSL(0, self.site, pair.options(), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        path = self.directory / "ca.pem"
        path.write_bytes(root.pem)
        return int(port.getHost().port), path

    def webhook(self, url: str, **more: Any) -> AlertAction:
        return self.action(settings("oncall", webhook=WebhookUrl(url), **more))

    async def test_the_alert_as_json(self) -> None:
        headers = HeadersFile((("Authorization", "Bearer s3cret"),))
        action = self.webhook(f"http://127.0.0.1:{self.listen()}/hook?t=1", headers_file=headers)
        sent = item()
        for self.hook.status in (200, 204):
            self.assertEqual(await self.deliver(action, sent), "")
        uri, found, body = self.hook.posts[0]
        self.assertEqual((uri, json.loads(body)), ("/hook?t=1", sent.facts))
        self.assertEqual(found["content-type"], "application/json")
        self.assertEqual(found["authorization"], "Bearer s3cret")
        self.assertEqual(found["x-alert-id"], sent.id)

    async def test_answers_that_are_no_success(self) -> None:
        action = self.webhook(f"http://127.0.0.1:{self.listen()}/")
        for self.hook.status, why in (
            (500, "the answer is 500"),
            (429, "the answer is 429"),
            (404, "refused: the answer is 404"),
            (302, "refused: the answer is 302, a redirect, which is not followed"),
        ):
            self.assertEqual(await self.deliver(action), why)
        self.assertEqual(len(self.hook.posts), 4)

    async def test_nobody_listens(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            action = self.webhook(f"http://127.0.0.1:{taken.getsockname()[1]}/T0KEN")
            why = await self.deliver(action)
        self.assertIn("refused", why.lower())
        self.assertNotIn("T0KEN", why + action.shown + repr(action))

    async def test_a_server_that_does_not_answer_is_left(self) -> None:
        self.hook.is_silent = True
        action = self.webhook(f"http://127.0.0.1:{self.listen()}/")
        waiting = Deferred.fromCoroutine(self.deliver(action))
        await until(reactor, lambda: bool(self.hook.posts))
        waiting.addErrback(lambda _: "cancelled")
        waiting.cancel()
        self.assertEqual(await waiting, "cancelled")

    async def test_a_server_that_takes_no_connection_is_left(self) -> None:
        self.patch(http_post, "CONNECT", 0.05)
        with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
            _, port = full.getsockname()
            waits = socket.create_connection(("127.0.0.1", port))  # no other one fits
            self.addCleanup(waits.close)
            why = await self.deliver(self.webhook(f"http://127.0.0.1:{port}/"))
        self.assertIn("timeout", why.lower())

    async def test_an_answer_without_end_is_left(self) -> None:
        endless = Endless()
        port = reactor.listenTCP(0, endless, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        why = await self.deliver(self.webhook(f"http://127.0.0.1:{port.getHost().port}/"))
        self.assertEqual(why, f"the answer has no end after {ANSWER} bytes")
        await until(reactor, lambda: endless.left == 1)

    async def test_a_server_that_keeps_the_connection_open_is_cut_off(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]
            delivered = Deferred.fromCoroutine(
                self.deliver(self.webhook(f"http://127.0.0.1:{port}/"))
            )
            other, _ = await deferToThread(listening.accept)
            with other:
                other.settimeout(DEADLINE)
                await deferToThread(other.recv, 65536)
                other.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nx")
                self.assertEqual(await delivered, "")
                while await deferToThread(other.recv, 65536):
                    pass

    async def test_over_tls_the_other_side_need_not_close_either(self) -> None:
        """Its end of TLS is waited for, for a limited time."""
        clock = Clock()
        connections = _Connections(clock, None)
        wire = StringTransport()
        connections.wrappedFactory = Factory.forProtocol(Protocol)
        connection: Any = connections.buildProtocol(IPv4Address("TCP", "127.0.0.1", 443))
        connection.makeConnection(wire)
        connections.end()
        connections.end()
        self.assertTrue(wire.disconnecting)
        clock.advance(CLOSING - 0.1)
        self.assertFalse(wire.disconnected)
        clock.advance(0.1)
        self.assertTrue(wire.disconnected)
        connection.connectionLost(Failure(ConnectionAborted()))
        connections.end()
        self.assertEqual(clock.calls, [])

    async def test_with_tls(self) -> None:
        port, ca = self.listen_tls("localhost")
        self.assertEqual(await self.deliver(self.webhook(f"https://localhost:{port}/", ca=ca)), "")
        self.assertEqual(len(self.hook.posts), 1)

    async def test_an_unknown_authority(self) -> None:
        port, _ = self.listen_tls("localhost")
        why = await self.deliver(self.webhook(f"https://localhost:{port}/"))
        self.assertIn("certificate verify failed", why)
        self.assertEqual(self.hook.posts, [])

    async def test_a_certificate_of_another_host(self) -> None:
        port, ca = self.listen_tls("other.example")
        why = await self.deliver(self.webhook(f"https://localhost:{port}/", ca=ca))
        self.assertNotEqual(why, "")
        self.assertEqual(self.hook.posts, [])

    async def test_an_authority_that_cannot_be_read(self) -> None:
        why = await self.deliver(self.webhook("https://localhost:1/", ca=self.directory / "none"))
        self.assertIn("No such file", why)

    def test_a_secret_is_not_shown(self) -> None:
        for url in (WebhookUrl("https://h/T0KEN?x"), WebhookFile("https://h/T0KEN?x")):
            self.assertNotIn("T0KEN", repr(url) + url.shown)


class Commands(ActionTest):
    def script(self, text: str) -> AlertAction:
        path = self.directory / "program"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        words = (str(path), "a b", "$HOME;x")
        return self.action(settings("oncall", webhook=None, command=ProgramPath(words)))

    async def test_json_on_standard_input_and_nothing_else(self) -> None:
        out = self.directory / "out"
        action = self.script(f'cat > {out}; echo "$1|$2" >> {out}; env | sort >> {out}')
        sent = item()
        self.assertEqual(await self.deliver(action, sent), "")
        body, words, *environment = out.read_text().splitlines()
        self.assertEqual((json.loads(body), words), (sent.facts, "a b|$HOME;x"))
        names = {line.partition("=")[0] for line in environment}
        self.assertLessEqual(names, {"LANG", "PATH", "PWD", "SHLVL", "_", "OLDPWD"})
        self.assertTrue(action.shown.endswith("/program"))

    async def test_a_status_is_told_with_the_last_line_of_its_complaint(self) -> None:
        action = self.script("echo first >&2; echo 'no \033[31mpager' >&2; exit 3")
        why = await self.deliver(action)
        self.assertEqual(why, "refused: it ended with status 3: no \\x1b[31mpager")
        self.assertEqual(
            await self.deliver(self.script("kill -9 $$")), "refused: it ended with signal 9"
        )

    async def test_one_that_is_not_there(self) -> None:
        action = self.action(settings(webhook=None, command=ProgramPath(("/nonexistent/x",))))
        self.assertEqual(await self.deliver(action), "it cannot be run: No such file or directory")

    async def test_one_that_hangs_is_ended(self) -> None:
        pid = self.directory / "pid"
        action = self.script(f"echo $$ > {pid}.new; mv {pid}.new {pid}; exec sleep 1000")
        assert isinstance(action, CommandAction)
        waiting = Deferred.fromCoroutine(self.deliver(action))
        await until(reactor, pid.exists)
        waiting.addErrback(lambda _: "cancelled")
        waiting.cancel()
        self.assertEqual(await waiting, "cancelled")
        number = int(pid.read_text())
        await until(reactor, lambda: not lives(number))
        for call in reactor.getDelayedCalls():  # SIGKILL, which was not needed
            call.cancel()

    async def test_so_many_at_once(self) -> None:
        go = self.directory / "go"
        action = self.script(
            f"echo >> {self.directory}/n; while [ ! -e {go} ]; do sleep 0.02; done"
        )
        running = [Deferred.fromCoroutine(self.deliver(action)) for _ in range(3)]
        started = self.directory / "n"
        await until(reactor, lambda: started.exists() and len(started.read_text()) == 2)
        go.touch()
        self.assertEqual([await each for each in running], ["", "", ""])
        self.assertEqual(len(started.read_text()), 3)


class Syslog(ActionTest):
    def syslog(self, target: str) -> AlertAction:
        return self.action(settings("oncall", webhook=None, syslog=Target(target), facility=1))

    async def test_a_datagram_to_the_machine_s_own(self) -> None:
        # Not below trial's directory: the path of a Unix socket has 107 bytes at most.
        directory = self.enterContext(TemporaryDirectory(prefix="vspc-"))
        path = Path(directory) / "log"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
            receiver.bind(str(path))
            self.assertEqual(await self.deliver(self.syslog(f"unix:{path}")), "")
            data = receiver.recv(65536)
        head = rf"<11>[A-Z][a-z]{{2}} [ 1-3][0-9] [0-9:]{{8}} vspc\[{os.getpid()}\]: "
        text = r'test: Kernel panic \(before: one / two\) \[alert@32473 id="[^\n]*"\]'
        self.assertRegex(data.decode(), rf"\A{head}{text}\Z")

    async def test_udp(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
            receiver.bind(("127.0.0.1", 0))
            target = f"udp:127.0.0.1:{receiver.getsockname()[1]}"
            self.assertEqual(await self.deliver(self.syslog(target)), "")
            data = receiver.recv(65536)
        self.assertTrue(data.startswith(b"<11>1 2023-11-14T22:13:20.250000Z "), data)
        self.assertIn(b' vspc - alert [alert@32473 id="', data)
        self.assertTrue(data.endswith(b"\xef\xbb\xbftest: Kernel panic (before: one / two)"), data)

    async def test_tcp_with_lengths(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(DEADLINE)
            action = self.syslog(f"tcp:127.0.0.1:{server.getsockname()[1]}")
            self.assertEqual([await self.deliver(action) for _ in range(2)], ["", ""])
            with server.accept()[0] as connection:
                data = await deferToThread(connection.recv, 65536)
        length, _, rest = data.partition(b" ")
        self.assertTrue(rest[: int(length)].endswith(b"two)"))
        assert isinstance(action, SyslogAction)
        action._connection.close()

    async def test_nobody_listens(self) -> None:
        why = await self.deliver(self.syslog("unix:/nonexistent/log"))
        self.assertEqual(why, "No such file or directory")

    def test_words_that_would_end_the_structured_data(self) -> None:
        facts = dict(item().facts)
        facts["console"] = {**facts["console"], "name": 'a"]b\\', "uuid": None}
        made = evolve(item(), facts=facts)
        self.assertIn(b'name="a\\"\\]b\\\\"', syslog_message(made, 16))

    def test_a_long_text_is_cut(self) -> None:
        data = syslog_message(item("\N{EURO SIGN}" * 2000), 16)
        text = data.partition(b"\xef\xbb\xbf")[2]
        self.assertLessEqual(len(text), SYSLOG_TEXT)
        text.decode()
