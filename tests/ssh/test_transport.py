"""The transport: nothing malformed survives, nothing waits for ever."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.protocol import Protocol
from twisted.trial.unittest import SynchronousTestCase

from tests.ssh.bench import (
    ALICE,
    DISCONNECT,
    GLOBAL_FAILURE,
    GLOBAL_REQUEST,
    STRANGER,
    Bench,
    ask,
    authenticate,
    server_of,
)
from vspc.net.limits import REFUSALS_PER_MINUTE, Admissions, Refusals
from vspc.ssh import limits
from vspc.wire.ssh import string, uint32

IGNORE, UNIMPLEMENTED, DEBUG, EXT_INFO = 2, 3, 4, 7
KEXINIT, NEWKEYS, EXCHANGE_INIT = 20, 21, 30


class Raw(Protocol):
    """Bytes, no SSH."""

    lost = False
    server: Any = None
    pump: Any = None

    def __init__(self) -> None:
        self.received = b""

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: object = None) -> None:
        self.lost = True


class MalformedTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.bench = Bench()
        self.bench.watch(self)

    def test_something_else_than_ssh(self) -> None:
        for line in (b"GET / HTTP/1.1\r\n", b"SSH-1.5-old\r\n", b"SSH-2.0-\xff\r\n", b"x" * 300):
            raw = self.bench.connect(protocol=Raw())
            raw.transport.write(line)
            self.bench.settle()
            self.assertTrue(raw.lost, line)
        self.assertEqual(4, len(self.bench.logged("ssh-refused")))

    def test_lengths_that_cannot_be(self) -> None:
        for length in (0, 1, 4, 11, 65537, 1 << 20, (1 << 32) - 1):
            raw = self.bench.connect(protocol=Raw())
            raw.transport.write(b"SSH-2.0-raw\r\n" + uint32(length) + bytes(16))
            self.bench.settle()
            self.assertTrue(raw.lost, length)

    def test_a_padding_that_cannot_be(self) -> None:
        for padding in (0, 3, 11, 255):
            raw = self.bench.connect(protocol=Raw())
            raw.transport.write(b"SSH-2.0-raw\r\n" + uint32(12) + bytes((padding,)) + bytes(11))
            self.bench.settle()
            self.assertTrue(raw.lost, padding)

    def test_one_changed_bit(self) -> None:
        client = self.bench.logged_in()
        client.say(IGNORE, string(b"x" * 100))
        [packet] = client.transport.stream
        client.transport.stream = [packet[:50] + bytes((packet[50] ^ 1,)) + packet[51:]]
        self.bench.settle()
        self.assertTrue(client.lost)
        [event] = self.bench.logged("ssh-refused")
        self.assertEqual("192.0.2.1", event["address"])

    def test_short_messages_of_every_number(self) -> None:
        for number in range(1, 101):
            for body in (b"", b"\0", b"\0\0\0\xff", bytes(9)):
                client = self.bench.logged_in()
                self.bench.session(client)
                client.say(number, body)
                self.bench.settle()
                client.transport.loseConnection()
                self.bench.settle()
                self.bench.pumps.clear()
        self.assertEqual([], self.flushLoggedErrors())

    @settings(deadline=None, max_examples=60)
    @given(
        st.lists(
            st.tuples(
                st.sampled_from([2, 3, 4, 5, 7, 20, 50, 80, *range(90, 101)]),
                st.lists(
                    st.one_of(
                        st.integers(0, 3).map(uint32),
                        st.sampled_from(
                            [b"\0", b"\1", b"session", b"direct-tcpip", b"exec", b"pty-req"]
                        ).map(lambda word: string(word) if len(word) > 1 else word),
                        st.binary(max_size=20),
                        st.binary(max_size=20).map(string),
                    ),
                    max_size=6,
                ),
            ),
            max_size=12,
        )
    )
    def test_no_message_of_a_client_causes_a_traceback(
        self, messages: list[tuple[int, list[bytes]]]
    ) -> None:
        bench = Bench()
        client = bench.logged_in()
        bench.session(client)
        for number, parts in messages:
            client.say(number, *parts)
        bench.settle()
        client.transport.loseConnection()
        bench.settle()
        self.assertEqual(["closed"] * len(bench.programs), [p.heard[-1] for p in bench.programs])
        bench.clock.advance(60)
        self.assertEqual([], bench.clock.getDelayedCalls())
        self.assertEqual([], self.flushLoggedErrors())

    @settings(deadline=None, max_examples=60)
    @given(st.lists(st.binary(max_size=80), max_size=6), st.booleans())
    def test_noise_instead_of_a_key_exchange(self, pieces: list[bytes], polite: bool) -> None:
        bench = Bench()
        raw = bench.connect(protocol=Raw())
        if polite:
            raw.transport.write(b"SSH-2.0-noise\r\n")
        for piece in pieces:
            raw.transport.write(piece)
            bench.settle()
        bench.pass_time(60)
        self.assertTrue(raw.lost)
        self.assertEqual([], self.flushLoggedErrors())

    def test_nothing_is_read_after_a_disconnect(self) -> None:
        client = self.bench.logged_in()
        number, program = self.bench.running(client)
        client.say(94, uint32(99), string(b""))
        client.say(94, uint32(number), string(b"after"))
        self.bench.settle()
        self.assertEqual(["closed"], program.heard)
        self.assertEqual(1, len(client.got(DISCONNECT)))

    def test_a_client_that_does_not_read_the_disconnect_is_aborted(self) -> None:
        client = self.bench.logged_in()
        aborted: list[bool] = []
        server_of(client).transport.abortConnection = lambda: aborted.append(True)
        server_of(client).disconnect("go")
        self.bench.clock.advance(limits.LINGER)
        self.assertEqual([True], aborted)


class LifeTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.bench = Bench()
        self.client = self.bench.logged_in()

    def test_a_client_that_answers_lives_on(self) -> None:
        for _ in range(20):
            self.bench.pass_time(15)
            for _ in self.client.got(GLOBAL_REQUEST):
                self.client.say(GLOBAL_FAILURE)
            self.client.messages.clear()
            self.bench.settle()
        self.assertFalse(self.client.lost)

    def test_a_dead_client_is_disconnected_within_45_seconds_of_its_last_byte(self) -> None:
        for before in (0, 0.1, 2.5, 4.9, 5, 7):
            bench = Bench()
            client = bench.logged_in()
            bench.clock.advance(before)
            client.say(GLOBAL_FAILURE)
            bench.settle()
            bench.pass_time(40)
            self.assertFalse(client.lost)
            self.assertGreaterEqual(len(client.got(GLOBAL_REQUEST)), 3)
            bench.pass_time(5)
            self.assertTrue(client.lost)
            self.assertEqual(set(), bench.ssh.connections)

    def test_a_client_that_speaks_is_not_asked(self) -> None:
        for _ in range(100):
            self.client.say(IGNORE, string(b""))
            self.bench.pass_time(5)
        self.assertEqual([], self.client.got(GLOBAL_REQUEST))
        self.assertFalse(self.client.lost)

    def test_setting_the_clock_ends_no_connection(self) -> None:
        self.bench.clock.rightNow += 86400
        self.client.say(IGNORE, string(b""))
        self.bench.settle()
        self.bench.clock.advance(0)
        self.assertFalse(self.client.lost)

    def test_replies_to_a_client_that_does_not_read_are_bounded(self) -> None:
        server = server_of(self.client)
        server.output.pauseProducing()
        paused: list[str] = []
        server.transport.pauseProducing = lambda: paused.append("pause")
        server.transport.resumeProducing = lambda: paused.append("resume")
        number = self.bench.session(self.client)
        for _ in range(10_000):
            ask(self.client, number, b"env")
        self.bench.settle()
        self.assertEqual("pause", paused[-1])  # and nobody resumes, whatever turn comes
        self.assertFalse(server.share.waiting)
        answered = len(self.client.got(100))
        self.assertLess(answered, 10_000)
        for _ in range(5):
            server.output.resumeProducing()
            self.bench.settle()
        self.assertEqual(10_000, len(self.client.got(100)))

    def test_closing_the_server(self) -> None:
        _, program = self.bench.running(self.client)
        waiting = self.bench.connect()
        self.bench.ssh.close("the server stops")
        self.bench.settle()
        self.assertTrue(self.client.lost and waiting.lost)
        self.assertEqual(["closed"], program.heard)
        self.assertEqual(set(), self.bench.ssh.connections)
        self.assertEqual([], self.bench.clock.getDelayedCalls())


class AdmissionTests(SynchronousTestCase):
    """Connections that have not logged in are counted."""

    class Book:
        """Two at once; the first is displaced."""

        def __init__(self) -> None:
            self.inside: list[Any] = []
            self.said: list[str] = []

        def admit(self, connection: Any, address: str, now: float) -> Any:
            self.said.append(f"admit {address}")
            self.inside.append(connection)
            return self.inside[0] if len(self.inside) > 2 else None

        def touched(self, connection: Any, now: float) -> None:
            self.said.append("touched")

        def failed(self, connection: Any) -> None:
            self.said.append("failed")

        def leave(self, connection: Any) -> None:
            if connection in self.inside:
                self.inside.remove(connection)

    def setUp(self) -> None:
        self.book = self.Book()
        self.bench = Bench(admissions=self.book)

    def test_the_newcomer_is_never_refused(self) -> None:
        clients = [self.bench.connect() for _ in range(3)]
        self.bench.grow_up()
        self.assertEqual([True, False, False], [client.lost for client in clients])
        self.book.said.clear()
        clients[1].say(IGNORE, string(b""))
        clients.append(self.bench.connect(host="192.0.2.2"))
        self.bench.grow_up()
        self.assertEqual(["touched", "admit 192.0.2.2"], self.book.said)

    def test_a_login_is_no_longer_counted_as_unauthenticated(self) -> None:
        self.bench.logged_in()
        self.assertEqual([], self.book.inside)
        clients = [self.bench.connect() for _ in range(2)]
        self.bench.grow_up()
        self.assertEqual([False, False], [client.lost for client in clients])

    def test_a_connection_that_has_failed_is_displaced_first(self) -> None:
        bench = Bench(admissions=Admissions(per_address=2, in_all=3))
        silent, failing = bench.asking(), bench.asking()
        authenticate(failing, b"alice", ALICE, signer=STRANGER)
        newcomer = bench.asking()
        bench.grow_up()
        self.assertEqual([False, True, False], [c.lost for c in (silent, failing, newcomer)])

    def test_a_silent_connection_is_displaced_before_an_active_one(self) -> None:
        bench = Bench(admissions=Admissions(per_address=2, in_all=3))
        speaking, silent = bench.asking(), bench.asking()
        bench.grow_up()
        speaking.say(IGNORE, string(b""))
        newcomer = bench.asking()
        bench.grow_up()
        self.assertEqual([False, True, False], [c.lost for c in (speaking, silent, newcomer)])


class DefectTests(SynchronousTestCase):
    """A mistake of ours ends one connection, with a traceback, and no other."""

    def test_it_is_logged(self) -> None:
        bench = Bench()
        bench.watch(self)
        other = bench.logged_in()
        client = bench.asking()
        self.patch(bench.directory, "key", lambda *_: 1 / 0)
        authenticate(client, b"alice", ALICE)
        bench.settle()
        self.assertEqual((True, False), (client.lost, other.lost))
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))
        [event] = bench.logged("ssh-refused")
        self.assertEqual("ZeroDivisionError on what the client sent", event["reason"])

    def test_tracebacks_of_one_address_are_bounded(self) -> None:
        bench = Bench(refusals=Refusals())

        async def broken(*_: object) -> None:
            raise ZeroDivisionError

        self.patch(bench.directory, "key", broken)
        for _ in range(2 * REFUSALS_PER_MINUTE):
            client = bench.asking()
            authenticate(client, b"alice", ALICE)
            bench.settle()
            self.assertTrue(client.lost)
        logged = self.flushLoggedErrors(ZeroDivisionError)
        self.assertTrue(0 < len(logged) <= REFUSALS_PER_MINUTE, len(logged))

    def test_a_service_that_cannot_be_stopped_leaves_no_connection_behind(self) -> None:
        for how in ("lost", "told to go"):
            bench = Bench()
            bench.watch(self)
            left: list[object] = []
            self.patch(bench.context.observer, "left", left.append)
            client = bench.logged_in()
            server = server_of(client)

            def broken() -> None:
                raise ValueError

            self.patch(server.service, "serviceStopped", broken)
            if how == "lost":
                client.transport.loseConnection()
            else:
                server.disconnect("you are locked out")
            bench.settle()
            self.assertEqual(len(left), 1, how)
            self.assertEqual(bench.ssh.connections, set())
            self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
