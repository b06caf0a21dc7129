"""The whole room: from what happens to the file, its copies, and those who read it."""

import json
import socket
import ssl
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attrs import define, field
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.audit.support import lines_of
from tests.fakes import FakeClock, World, session
from vspc.audit.copies import copies
from vspc.audit.file import former
from vspc.audit.service import AuditService
from vspc.config.settings import AuditSettings
from vspc.config.values import Readable, StateFile, Target
from vspc.console.audit import AuditPage, AuditQuery, AuditUnavailable, NoAuditReader
from vspc.console.events import VmRefused
from vspc.net import tls as net_tls


@define(eq=False)
class Inline:
    """A reactor of which only `callFromThread` is wanted: calls wait until the test makes them."""

    calls: list[Callable[[], None]] = field(factory=list)

    def callFromThread(self, call: Callable[[], None]) -> None:
        self.calls.append(call)

    def turn(self) -> None:
        """Make them."""
        calls, self.calls = self.calls, []
        for call in calls:
            call()


class Threadless:
    """Threads that read, at once."""

    def submit(self, call: Callable[..., Any], /, *arguments: Any) -> None:
        call(*arguments)

    def close(self) -> None:
        """Nothing is open."""


class ServiceTestCase(SynchronousTestCase):
    """A directory, a world of consoles, and rooms that are made there."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.path = self.directory / "audit.jsonl"
        self.world = World()
        self.reactor = Inline()
        self.failures = 0
        self.reported: list[str] = []

    def fail_inside(self) -> None:
        self.failures += 1

    def tearDown(self) -> None:
        self.assertEqual((self.failures, self.world.failures), (0, 0))

    def room(self, settings: AuditSettings | None = None, **more: Any) -> AuditService:
        return AuditService(
            settings or AuditSettings(),
            self.directory,
            self.reactor,
            self.world.clock,
            self.world.events,
            lambda event, _facts: self.reported.append(event),
            self.fail_inside,
            **more,
        )


class Rooms(ServiceTestCase):
    """Made and started."""

    def test_a_life(self) -> None:
        room = self.room()
        room.start()
        console, line = self.world.connected()
        attachment, _ = self.world.attach(console)
        attachment.type(b"hunter2\r")
        attachment.detach()
        for _ in range(100):
            self.world.events.publish(VmRefused("10.9.9.9", "default", "no", "hint"))
        self.world.clock.advance(61)
        room.tick()
        room.end()
        room.stop()
        events = lines_of(self.path)
        names = [event["event"] for event in events]
        self.assertEqual(names[:3], ["opened", "start", "attach"])
        self.assertEqual(names[-1], "stop")
        self.assertEqual(sum(e.get("count", 1) for e in events if e["event"] == "vm-refused"), 100)
        self.assertEqual(sum(e["bytes"] for e in events if e["event"] == "input"), len(line.sent))
        self.assertNotIn("hunter2", self.path.read_text())

    def test_limits_that_were_hit_are_counted_by_name(self) -> None:
        for settings in (AuditSettings(), AuditSettings(enabled=False)):
            room = self.room(settings)
            for limit in ("max_sessions", "messages", "messages"):
                room.recorder.record("limit", session(), limit=limit)
            room.recorder.record("start", version="1", pid=1)
            self.assertEqual(room.recorder.limits(), {"max_sessions": 1, "messages": 2})
            self.assertFalse(room.recorder.refuses)

    def test_after_the_end_no_event_is_recorded_and_twice_is_once(self) -> None:
        room = self.room()
        room.start()
        room.end()
        room.end()
        self.world.connected()
        self.assertEqual(self.world.clock.twisted.getDelayedCalls(), [])
        room.stop()
        self.assertEqual([e["event"] for e in lines_of(self.path)], ["opened", "start", "stop"])

    def test_it_can_end_before_it_began(self) -> None:
        room = self.room()
        room.end()
        room.stop()
        self.assertFalse(self.path.exists())

    def test_without_an_audit_file_refusals_are_kept_all_the_same(self) -> None:
        room = self.room(AuditSettings(enabled=False))
        room.start()
        self.world.events.publish(VmRefused("10.9.9.9", "default", "no", "hint"))
        room.reopen()
        room.reload(AuditSettings())
        self.assertEqual(len(room.reader.refusals()), 1)
        self.failureResultOf(room.reader.read(AuditQuery(0.0), None), AuditUnavailable)
        self.assertFalse(room.recorder.refuses)
        room.end()
        room.stop()
        self.assertEqual(list(self.directory.iterdir()), [])

    def test_another_place_for_the_file(self) -> None:
        elsewhere = self.directory / "elsewhere"
        elsewhere.mkdir()
        room = self.room(AuditSettings(file=StateFile((elsewhere / "who.jsonl").absolute())))
        room.start()
        room.end()
        room.stop()
        self.assertEqual(len(lines_of(elsewhere / "who.jsonl")), 3)
        self.assertTrue((elsewhere / "who.seq").exists())

    def test_a_directory_that_is_not_there_refuses_writers_if_that_is_wanted(self) -> None:
        room = self.room(AuditSettings(file=StateFile(Path("no/such/file")), on_failure="refuse"))
        writer = room._writer
        assert writer is not None
        writer.round()
        self.assertTrue(room.recorder.refuses)
        room.reload(AuditSettings(on_failure="continue"))
        self.assertFalse(room.recorder.refuses)
        self.assertEqual(len(self.flushLoggedErrors()), 0)

    def test_certificates_that_do_not_serve_are_trouble_of_the_copy_alone(self) -> None:
        nothing = self.directory / "empty.pem"
        nothing.write_bytes(b"")
        told: list[tuple[str, dict[str, object]]] = []
        settings = AuditSettings(syslog=Target("tls:127.0.0.1:6514"), ca=Readable(nothing))
        [made] = copies(settings, lambda *each: told.append(each), self.fail_inside)
        made.take([b'{"time": "-", "event": "stop"}'])
        made.round()
        self.assertEqual([event for event, _ in told], ["audit-copy-failing"])

    def test_each_line_goes_to_the_copies(self) -> None:
        journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(journal.close)
        journal.settimeout(30)
        journal.bind(str(self.directory / "j"))
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        target = f"tcp:127.0.0.1:{listener.getsockname()[1]}"
        settings = AuditSettings(syslog=Target(target), journald=True)
        room = self.room(settings, journal_path=str(self.directory / "j"))
        room.start()
        copies = room.condition()["copies"]
        assert isinstance(copies, dict)
        self.assertEqual(set(copies), {"syslog", "journald"})
        self.assertEqual(copies["journald"]["lost"], 0)
        room.end()
        room.stop()
        for name in (b"opened", b"start", b"stop"):
            self.assertIn(b"VSPC_EVENT=" + name, journal.recv(65536))
        taken, _ = listener.accept()
        with taken:
            taken.settimeout(30)
            got = b""
            while got.count(b" vspc - ") < 3:
                got += taken.recv(65536)
        self.assertIn(b" vspc - stop - ", got)

    def test_a_copy_over_tls_goes_to_whom_its_authority_vouches_for(self) -> None:
        made = ec.generate_private_key(ec.SECP256R1())
        pem = self.directory / "pem"
        key = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        certificate = net_tls._self_signed(made, ["localhost"], datetime.now(UTC))
        pem.write_bytes(key + certificate.public_bytes(Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        listener.settimeout(30)
        got: list[bytes] = []

        def receive() -> None:
            taken, _ = listener.accept()
            taken.settimeout(30)
            with context.wrap_socket(taken, server_side=True) as stream:
                while b"stop" not in b"".join(got):
                    got.append(stream.recv(65536))

        thread = threading.Thread(target=receive, daemon=True)
        thread.start()
        target = Target(f"tls:localhost:{listener.getsockname()[1]}")
        room = self.room(AuditSettings(syslog=target, ca=Readable(pem), facility=13))
        room.start()
        room.end()
        room.stop()
        thread.join(30)
        self.assertIn(b"<110>1 ", b"".join(got))


class Trails(ServiceTestCase):
    """Those who read it, without threads."""

    def setUp(self) -> None:
        super().setUp()
        self.watching = self.room()
        assert self.watching._records is not None
        self.reader = self.watching._records
        self.reader.reader = Threadless()  # type: ignore[assignment]
        assert self.watching._writer is not None
        self.writer = self.watching._writer

    def record(self, count: int = 1) -> None:
        for _ in range(count):
            self.watching.recorder.record("login", session())
        self.writer.round()

    def reading(self, last: AuditPage | None = None) -> "Deferred[AuditPage]":
        position = last.position if last else None
        return Deferred.fromCoroutine(self.reader.read(AuditQuery(0.0), position))

    def read(self, last: AuditPage | None = None) -> AuditPage:
        pending = self.reading(last)
        self.reactor.turn()
        return self.successResultOf(pending)

    def waiting(self, page: AuditPage) -> "Deferred[None]":
        return Deferred.fromCoroutine(self.reader.wait(page))

    def test_what_is_new_wakes_those_that_wait_once(self) -> None:
        self.record()
        page = self.read()
        waiting = self.waiting(page)
        self.reactor.turn()
        self.assertNoResult(waiting)
        self.record(2)
        self.record(1)
        self.reactor.turn()
        self.successResultOf(waiting)
        self.assertEqual(len(self.read(page).lines), 3)

    def test_what_came_between_reading_and_waiting_is_not_missed(self) -> None:
        self.record()
        page = self.read()
        self.record()
        self.reactor.turn()
        waiting = self.waiting(page)
        self.reactor.turn()
        self.successResultOf(waiting)

    def test_a_cancelled_coroutine_has_no_answer(self) -> None:
        self.record()
        reading = self.reading()
        reading.cancel()
        self.failureResultOf(reading, CancelledError)
        self.reactor.turn()
        page = self.read()
        waiting = self.waiting(page)
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.record()
        self.reactor.turn()

    def test_a_file_that_cannot_be_read_is_reported(self) -> None:
        self.path.mkdir()
        reading = self.reading()
        self.reactor.turn()
        self.failureResultOf(reading, AuditUnavailable)

    def test_too_many_are_not_taken(self) -> None:
        page = AuditPage((), self.read().position, True)
        waiting = [self.waiting(page) for _ in range(300)]
        self.assertEqual(sum(one.called for one in waiting), 300 - 256)
        for refused in waiting[256:]:
            self.failureResultOf(refused, AuditUnavailable)
        waiting[0].cancel()
        self.failureResultOf(waiting[0], CancelledError)
        self.assertNoResult(self.waiting(page))
        reading = [self.reading() for _ in range(100)]
        for too_many in reading[64:]:
            self.failureResultOf(too_many, AuditUnavailable)
        self.assertFalse(any(one.called for one in reading[:64]))

    def test_over_a_rotation(self) -> None:
        self.record()
        page = self.read()
        self.path.rename(former(self.path))
        self.writer.reopen()
        self.record()
        page = self.read(page)
        names = [json.loads(line)["event"] for line in page.lines]
        self.assertEqual(names, ["opened", "login"])


class NoFile(SynchronousTestCase):
    """Where there is no audit file at all."""

    def test_reading_is_refused(self) -> None:
        reader = NoAuditReader()
        self.failureResultOf(reader.read(AuditQuery(0.0), None), AuditUnavailable)
        self.assertEqual(reader.refusals(), ())
        self.assertGreater(FakeClock().wall(), 0)
